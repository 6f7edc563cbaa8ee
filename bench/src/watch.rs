//! Watches a group's progress on Kafka from outside of the process measured.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Asks for the offsets of one group in one topic.
pub struct GroupWatch {
    consumer: BaseConsumer,
    topic: String,
    partitions: i32,
}

/// How far a group is in a topic.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Next offsets to read, by partition.
    pub committed: Vec<i64>,
    /// Next offsets to write, by partition.
    pub ends: Vec<i64>,
}

impl Progress {
    /// Whether all is read. A transaction's marker is a record too, and is not waited for.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.committed
            .iter()
            .zip(&self.ends)
            .all(|(committed, end)| committed + 2 >= *end)
    }
}

impl GroupWatch {
    /// A watch of `group` in `topic`.
    ///
    /// # Errors
    ///
    /// Where no client can be made.
    pub fn new(brokers: &str, group: &str, topic: &str, partitions: u32) -> Result<Self> {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", group)
            // Asked for as they are, so that no open transaction is waited for.
            .set("isolation.level", "read_uncommitted")
            .create()
            .context("a client to watch the group")?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            partitions: i32::try_from(partitions)?,
        })
    }

    /// How far the group is now.
    ///
    /// # Errors
    ///
    /// Where the broker does not answer.
    pub fn progress(&self) -> Result<Progress> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.topic, 0, self.partitions - 1);
        let committed = self.consumer.committed_offsets(list, TIMEOUT)?;
        let mut progress = Progress::default();
        for partition in 0..self.partitions {
            let known = committed
                .find_partition(&self.topic, partition)
                .map(|element| element.offset());
            progress.committed.push(match known {
                Some(Offset::Offset(offset)) => offset,
                _ => 0,
            });
            progress.ends.push(
                self.consumer
                    .fetch_watermarks(&self.topic, partition, TIMEOUT)?
                    .1,
            );
        }
        Ok(progress)
    }
}
