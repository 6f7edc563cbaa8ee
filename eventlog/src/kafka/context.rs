//! What librdkafka calls back: logging, rebalances, deliveries.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{Message, TopicPartitionList};

use crate::TopicPartition;

use super::failure::Failure;
use super::lag::Lag;
use super::partitions;

/// Passes librdkafka's log lines on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logging;

impl Logging {
    fn line(level: RDKafkaLogLevel, facility: &str, message: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
        match level {
            // Properties that are only for producers go to consumers too, and the other way round.
            _ if facility == "CONFWARN" => {
                tracing::debug!(target: "librdkafka", facility, "{message}")
            }
            Emerg | Alert | Critical | Error => {
                tracing::error!(target: "librdkafka", facility, "{message}")
            }
            Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
            Notice | Info => tracing::info!(target: "librdkafka", facility, "{message}"),
            Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(error: &KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        tracing::warn!(target: "librdkafka", %error, "{reason}");
    }
}

impl ClientContext for Logging {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Self::line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Self::error(&error, reason);
    }
}

impl ConsumerContext for Logging {}

/// A change of a member's assignment, not answered yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Rebalance {
    Assign(Vec<TopicPartition>),
    Revoke(Vec<TopicPartition>),
    Lose(Vec<TopicPartition>),
}

/// Notes rebalances, and leaves it to the member to answer them.
pub(super) struct Membership {
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// Set when nobody is left to answer: then the callback does.
    abandoned: AtomicBool,
    answered: AtomicBool,
    lag: Arc<Lag>,
}

impl Membership {
    pub(super) fn new(lag: Arc<Lag>) -> Self {
        Self {
            rebalances: Mutex::default(),
            abandoned: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            lag,
        }
    }

    pub(super) fn next_rebalance(&self) -> Option<Rebalance> {
        self.rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }

    pub(super) fn put_back(&self, rebalance: Rebalance) {
        self.rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_front(rebalance);
    }

    pub(super) fn has_rebalance(&self) -> bool {
        !self
            .rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// From now on rebalances are answered with giving everything up.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Logging::line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Logging::error(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.lag.report(statistics);
    }
}

impl ConsumerContext for Membership {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let assigns = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.abandoned.load(Ordering::Acquire) {
            // A consumer that is being closed takes any answer for "give up all", ends, and never
            // comes back from a second one.
            if !self.answered.swap(true, Ordering::AcqRel)
                && let Err(error) = consumer.incremental_unassign(&TopicPartitionList::new())
            {
                tracing::debug!(target: "librdkafka", %error, "giving partitions up while closing");
            }
            return;
        }
        let partitions = partitions::from_list(list);
        let rebalance = match assigns {
            true => Rebalance::Assign(partitions),
            false if consumer.assignment_lost() => Rebalance::Lose(partitions),
            false => Rebalance::Revoke(partitions),
        };
        tracing::debug!(?rebalance, "rebalance");
        self.rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(rebalance);
    }
}

/// What became of a transaction's records: the first that could not be delivered. Those which were are
/// not told of.
#[derive(Clone, Default)]
pub(super) struct Deliveries(Arc<Mutex<Option<Undelivered>>>);

/// Partition, size and reason of a record that could not be delivered.
pub(super) type Undelivered = (TopicPartition, usize, Failure);

impl Deliveries {
    pub(super) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The first record that could not be delivered since [`Deliveries::begin`].
    pub(super) fn first_failure(&self) -> Option<Undelivered> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Logging::line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Logging::error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, message)) = result else {
            return;
        };
        let partition = TopicPartition::new(
            message.topic(),
            u32::try_from(message.partition()).unwrap_or(u32::MAX),
        );
        let bytes = message.key_len() + message.payload_len();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| (partition, bytes, Failure::from(error.clone())));
    }
}
