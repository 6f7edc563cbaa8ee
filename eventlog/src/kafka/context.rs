//! What librdkafka calls back: logging, rebalances, deliveries.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// Counts what a transaction has under way.
#[derive(Clone, Default)]
pub(super) struct Deliveries(Arc<DeliveriesInner>);

#[derive(Default)]
struct DeliveriesInner {
    under_way: AtomicUsize,
    first_failure: Mutex<Option<(TopicPartition, usize, Failure)>>,
    changed: Condvar,
}

impl Deliveries {
    pub(super) fn begin(&self) {
        *self
            .0
            .first_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn sending(&self) {
        self.0.under_way.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn not_sent(&self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }

    /// Partition, size and reason of the first record that could not be delivered.
    pub(super) fn first_failure(&self) -> Option<(TopicPartition, usize, Failure)> {
        self.0
            .first_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until everything sent was delivered or something failed; false where neither came by
    /// the deadline. Producer's own `flush` is not used: it waits in steps of 100 ms.
    pub(super) fn wait(&self, deadline: Instant) -> bool {
        let mut failure = self
            .0
            .first_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while self.0.under_way.load(Ordering::Acquire) > 0 && failure.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self
                .0
                .changed
                .wait_timeout(failure, left.min(Duration::from_millis(100)));
            failure = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
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
        let last = self.0.under_way.fetch_sub(1, Ordering::AcqRel) == 1;
        if let Err((error, message)) = result {
            let partition = TopicPartition::new(
                message.topic(),
                u32::try_from(message.partition()).unwrap_or(u32::MAX),
            );
            let bytes = message.key_len() + message.payload_len();
            self.0
                .first_failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(|| (partition, bytes, Failure::from(error.clone())));
            self.0.changed.notify_all();
        } else if last {
            // With the lock held, or the waiter could miss it between its look and its sleep.
            let _guard = self
                .0
                .first_failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            self.0.changed.notify_all();
        }
    }
}
