//! Lists of partitions between the port and librdkafka.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use crate::TopicPartition;

/// The partition's number as Kafka writes it.
pub(super) fn native(partition: &TopicPartition) -> i32 {
    i32::try_from(partition.partition).unwrap_or(i32::MAX)
}

/// A list without offsets.
pub(super) fn list<'a>(
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, native(partition));
    }
    list
}

/// A list with offsets.
pub(super) fn list_at<'a>(
    partitions: impl IntoIterator<Item = &'a (TopicPartition, i64)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        list.add_partition_offset(&partition.topic, native(partition), Offset::Offset(*offset))?;
    }
    Ok(list)
}

/// The partitions of a list.
pub(super) fn from_list(list: &TopicPartitionList) -> Vec<TopicPartition> {
    // The elements of an empty list are a null pointer.
    if list.count() == 0 {
        return Vec::new();
    }
    list.elements()
        .iter()
        .map(|element| {
            TopicPartition::new(
                element.topic(),
                u32::try_from(element.partition()).unwrap_or(u32::MAX),
            )
        })
        .collect()
}

/// The stable committed offsets of the consumer's group, in the order of `partitions`.
pub(super) fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[TopicPartition],
    timeout: Duration,
) -> KafkaResult<Vec<Option<i64>>> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let answer = consumer.committed_offsets(list(partitions), timeout)?;
    let mut offsets = HashMap::new();
    for element in answer.elements() {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert((element.topic().to_owned(), element.partition()), offset);
        }
    }
    Ok(partitions
        .iter()
        .map(|partition| {
            offsets
                .get(&(partition.topic.to_string(), native(partition)))
                .copied()
        })
        .collect())
}
