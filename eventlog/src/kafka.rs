//! The Apache Kafka engine, on librdkafka.
//!
//! A [`Member`] is one consumer and one transactional producer, used by one thread. What the port
//! promises is kept so:
//!
//! - *Whole or not at all*: outputs and consumed offsets go in one transaction, whose id is made of
//!   group and instance; a restart under the same name aborts what its predecessor left open.
//! - *Committed only*: every read is `read_committed`. The end of a partition and committed offsets
//!   are asked for as stable ones: what is undecided when they are asked for is waited for.
//! - *Fencing*: the transactional id fences a predecessor; the group's metadata, taken afresh for
//!   every commit, fences a member that lost its place.
//! - *Assignments as events*: librdkafka waits after a rebalance until the application has changed its
//!   assignment, however long that takes, so the callback only notes what happened;
//!   [`Member::start`] and [`Member::release`] make the change.
//!
//! Members are static ones (`group.instance.id`): a restart takes its partitions back at once and
//! without a rebalance. One that is dropped without [`Member::leave`] keeps its partitions until its
//! session times out.
//!
//! After [`CommitError::Fenced`], [`CommitError::Unclear`] or an error of [`Member::poll`] that is not
//! retriable a member is of no more use: drop it and [join](EventLog::join) anew.

mod appender;
mod batches;
mod config;
mod context;
mod failure;
mod lag;
mod member;
mod out_of_range;
mod partitions;
mod reader;
mod topics;
mod transactions;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::{
    Appender, EventLog, LogError, Member, MemberConfig, Offsets, Reader, TopicConfig,
    TopicPartition,
};

use appender::KafkaAppender;
pub use config::{KafkaConfig, PropertyError, check_property};
use context::Logging;
use failure::Failure;
use member::KafkaMember;
use reader::KafkaReader;
pub use transactions::CommitStep;

#[cfg(doc)]
use crate::CommitError;

/// A log on a Kafka cluster.
pub struct KafkaLog {
    config: Arc<KafkaConfig>,
    closed: Closed,
    /// Asks the cluster; reads nothing.
    client: BaseConsumer<Logging>,
    /// Asks where partitions end, undecided transactions included.
    undecided: BaseConsumer<Logging>,
    /// Partition counts, which never change while the pipeline runs.
    known: Mutex<HashMap<String, u32>>,
    appenders: Mutex<Vec<Weak<KafkaAppender>>>,
}

/// Whether the log was closed, shared with all that was made from it.
#[derive(Clone, Debug, Default)]
struct Closed(Arc<AtomicBool>);

impl Closed {
    fn check(&self) -> Result<(), LogError> {
        if self.0.load(Ordering::Acquire) {
            Err(LogError::Closed { reason: None })
        } else {
            Ok(())
        }
    }
}

impl std::fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaLog")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Opens the log, asking the cluster once whether it can be reached.
    ///
    /// # Errors
    ///
    /// Where a property is not librdkafka's, or is the engine's own to set, or no broker answers
    /// within [`KafkaConfig::request_timeout`].
    pub fn open(config: KafkaConfig) -> Result<Arc<Self>, LogError> {
        config.check()?;
        let open = |config: ClientConfig| {
            let client = config.create_with_context::<_, BaseConsumer<Logging>>(Logging);
            client.map_err(|error| Failure::from(error).during("opening a client"))
        };
        let client = open(config.asking())?;
        client
            .fetch_metadata(Some("__consumer_offsets"), config.request_timeout)
            .map_err(|error| {
                Failure::from(error).during(format!("reaching the brokers at {}", config.brokers))
            })?;
        Ok(Arc::new(Self {
            undecided: open(config.asking_undecided())?,
            config: Arc::new(config),
            closed: Closed::default(),
            client,
            known: Mutex::default(),
            appenders: Mutex::default(),
        }))
    }

    /// The client, after it has passed on what it had to log.
    fn client(&self) -> Result<&BaseConsumer<Logging>, LogError> {
        self.closed.check()?;
        for client in [&self.client, &self.undecided] {
            let _ = client.poll(Duration::ZERO);
        }
        Ok(&self.client)
    }

    fn watermarks(
        &self,
        client: &BaseConsumer<Logging>,
        partition: &TopicPartition,
    ) -> Result<Offsets, LogError> {
        let (start, end) = client
            .fetch_watermarks(
                &partition.topic,
                partitions::native(partition),
                self.config.request_timeout,
            )
            .map_err(|error| {
                Failure::from(error).of(partition, "asking where it starts and ends")
            })?;
        Ok(Offsets { start, end })
    }

    fn check_exists(&self, partition: &TopicPartition) -> Result<(), LogError> {
        match self.partitions(&partition.topic)? {
            Some(count) if partition.partition < count => Ok(()),
            _ => Err(LogError::UnknownPartition {
                partition: partition.clone(),
            }),
        }
    }
}

impl EventLog for KafkaLog {
    fn ensure_topics(&self, wanted: &[TopicConfig]) -> Result<(), LogError> {
        topics::ensure(self.client()?, &self.config, wanted)
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        let client = self.client()?;
        let known = |log: &Self| {
            log.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(topic)
                .copied()
        };
        if let Some(count) = known(self) {
            return Ok(Some(count));
        }
        let count = topics::partition_count(client, topic, self.config.request_timeout)?;
        if let Some(count) = count {
            self.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(topic.to_owned(), count);
        }
        Ok(count)
    }

    /// Waits for transactions that are undecided now: Kafka answers a commit before its marker is in
    /// every partition, so that until then a unit that was committed is not seen.
    fn offsets(&self, partition: &TopicPartition) -> Result<Offsets, LogError> {
        self.check_exists(partition)?;
        let client = self.client()?;
        let written = self.watermarks(&self.undecided, partition)?.end;
        let deadline = Instant::now() + self.config.undecided_timeout();
        loop {
            let offsets = self.watermarks(client, partition)?;
            if offsets.end >= written {
                return Ok(offsets);
            }
            if Instant::now() > deadline {
                return Err(LogError::Kafka {
                    action: format!("{partition}, asking where it ends"),
                    reason: format!("a transaction at offset {} is not decided", offsets.end),
                    retriable: true,
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn offset_at(
        &self,
        partition: &TopicPartition,
        timestamp_ms: i64,
    ) -> Result<Option<i64>, LogError> {
        self.check_exists(partition)?;
        let failed = |error| Failure::from(error).of(partition, "asking for an offset by time");
        let mut asked = TopicPartitionList::with_capacity(1);
        asked
            // Negative times mean something else to Kafka.
            .add_partition_offset(
                &partition.topic,
                partitions::native(partition),
                Offset::Offset(timestamp_ms.max(0)),
            )
            .map_err(failed)?;
        let answer = self
            .client()?
            .offsets_for_times(asked, self.config.request_timeout)
            .map_err(failed)?;
        let found = answer.find_partition(&partition.topic, partitions::native(partition));
        let found = found
            .map(|element| element.error().map(|()| element.offset()))
            .transpose()
            .map_err(failed)?;
        Ok(match found {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        })
    }

    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<i64>>, LogError> {
        self.closed.check()?;
        let consumer = self
            .config
            .asking_group(group)
            .create_with_context::<_, BaseConsumer<Logging>>(Logging)
            .map_err(|error| Failure::from(error).during("opening a client"))?;
        partitions::committed(&consumer, partitions, self.config.undecided_timeout()).map_err(
            |error| Failure::from(error).during(format!("asking what group {group} has committed")),
        )
    }

    fn appender(&self) -> Result<Arc<dyn Appender>, LogError> {
        self.closed.check()?;
        let appender = Arc::new(KafkaAppender::open(
            Arc::clone(&self.config),
            self.closed.clone(),
        )?);
        let mut appenders = self
            .appenders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        appenders.retain(|known| known.strong_count() > 0);
        appenders.push(Arc::downgrade(&appender));
        Ok(appender)
    }

    fn join(&self, config: MemberConfig) -> Result<Box<dyn Member>, LogError> {
        for topic in &config.topics {
            self.check_exists(&TopicPartition::new(Arc::clone(topic), 0))?;
        }
        Ok(Box::new(KafkaMember::join(
            Arc::clone(&self.config),
            self.closed.clone(),
            &config,
        )?))
    }

    fn reader(&self, from: &[(TopicPartition, i64)]) -> Result<Box<dyn Reader>, LogError> {
        for (partition, _) in from {
            self.check_exists(partition)?;
        }
        Ok(Box::new(KafkaReader::open(
            &self.config,
            self.closed.clone(),
            from,
        )?))
    }

    fn free_space(&self) -> Result<Option<u64>, LogError> {
        self.closed.check()?;
        Ok(None)
    }

    fn close(&self) -> Result<(), LogError> {
        self.closed.0.store(true, Ordering::Release);
        let appenders = std::mem::take(
            &mut *self
                .appenders
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        appenders
            .iter()
            .filter_map(Weak::upgrade)
            .try_for_each(|appender| appender.flush())
    }
}
