//! How the cluster is reached, and what each kind of client is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use crate::LogError;

use super::transactions::CommitStep;

/// The largest record, and the largest batch of them, that goes to a topic.
pub(super) const MAX_RECORD_BYTES: usize = 4 << 20;

/// What the engine sets itself: another value would break what the port promises.
const OWN_PROPERTIES: &[&str] = &[
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "client.id",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "max.poll.interval.ms",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "request.required.acks",
    "session.timeout.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// How a Kafka cluster is reached and used.
#[derive(Clone)]
pub struct KafkaConfig {
    /// Addresses of some of its brokers, `host:port`, with commas between.
    pub brokers: String,
    /// Further properties of librdkafka, for all clients alike: TLS, SASL, buffers.
    pub properties: BTreeMap<String, String>,
    /// The name under which the cluster's logs and quotas know this process.
    pub client_id: String,
    /// After how long a member that is silent loses its partitions. One that restarts under the same
    /// instance gets them back at once.
    pub session_timeout: Duration,
    /// How long a member may work between two calls of [`poll`](crate::Member::poll), recovery
    /// included, before its partitions go to another.
    pub max_poll_interval: Duration,
    /// How long a transaction may last; and so for how long one that a dead process left open can
    /// hold up readers, until that process (or another under its instance) is back.
    pub transaction_timeout: Duration,
    /// How long an appended record is tried to be delivered.
    pub delivery_timeout: Duration,
    /// How long a single question to the cluster may take.
    pub request_timeout: Duration,
    /// Called at the steps of every commit, on the committing thread: for tests of crashes between
    /// them.
    pub on_commit_step: Option<Arc<dyn Fn(CommitStep) + Send + Sync>>,
}

impl KafkaConfig {
    /// The cluster behind `brokers`, with defaults for everything else.
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            properties: BTreeMap::new(),
            client_id: "rollcall".to_owned(),
            session_timeout: Duration::from_secs(30),
            max_poll_interval: Duration::from_secs(15 * 60),
            transaction_timeout: Duration::from_secs(60),
            delivery_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            on_commit_step: None,
        }
    }

    /// Refuses properties that cannot be set.
    pub(super) fn check(&self) -> Result<(), LogError> {
        for (name, value) in &self.properties {
            check_property(name, value).map_err(|error| LogError::Kafka {
                action: "reading its properties".to_owned(),
                reason: format!("{name}: {error}"),
                retriable: false,
            })?;
        }
        Ok(())
    }

    fn client(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", client_id)
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "2000")
            .set_log_level(RDKafkaLogLevel::Info);
        config
    }

    /// The user's own properties go over the engine's tuning; what they may not touch is refused by
    /// [`Self::check`].
    fn with_properties(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    /// A client that reads no topic.
    pub(super) fn asking(&self) -> ClientConfig {
        let mut config = self.client(&self.client_id);
        config.set("isolation.level", "read_committed");
        self.with_properties(config)
    }

    /// As [`Self::asking`], but told of records whose transaction is not decided.
    pub(super) fn asking_undecided(&self) -> ClientConfig {
        let mut config = self.asking();
        config.set("isolation.level", "read_uncommitted");
        config
    }

    /// How long a transaction can stay undecided: the cluster looks for those that took too long
    /// every ten seconds.
    pub(super) fn undecided_timeout(&self) -> Duration {
        self.transaction_timeout + Duration::from_secs(10) + self.request_timeout
    }

    /// A client that asks about a group and does not join it.
    pub(super) fn asking_group(&self, group: &str) -> ClientConfig {
        let mut config = self.asking();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false");
        config
    }

    fn consumer(&self, client_id: &str, group: &str) -> ClientConfig {
        let mut config = self.client(client_id);
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("check.crcs", "true")
            // What lies read ahead in memory: at most this much, and one answer to a fetch, which holds
            // up to `fetch.message.max.bytes` of each partition, and several times that once it is
            // decompressed. librdkafka's defaults are 64 MiB and 1 MiB, for each consumer. A larger
            // batch of records is given all the same where it is the first.
            .set("queued.max.messages.kbytes", "2048")
            .set("fetch.message.max.bytes", "262144")
            // One second without fetching once enough is queued is librdkafka's default, and costs
            // most of the throughput of compressed topics.
            .set("fetch.queue.backoff.ms", "5")
            // A seek takes effect after the fetch under way: this is how long that waits for data.
            .set("fetch.wait.max.ms", "100");
        config
    }

    /// The consumer of a member.
    pub(super) fn member(&self, client_id: &str, group: &str, instance: &str) -> ClientConfig {
        let mut config = self.consumer(client_id, group);
        let heartbeat = (self.session_timeout / 4).min(Duration::from_secs(3));
        config
            .set("group.instance.id", instance)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", millis(self.session_timeout))
            .set("heartbeat.interval.ms", millis(heartbeat))
            // Less than the session would be refused.
            .set(
                "max.poll.interval.ms",
                millis(self.max_poll_interval.max(self.session_timeout)),
            )
            .set("statistics.interval.ms", "5000");
        self.with_properties(config)
    }

    /// A consumer of partitions outside of any group. librdkafka wants a group's name all the same,
    /// and does nothing with it.
    pub(super) fn reader(&self) -> ClientConfig {
        self.with_properties(self.consumer(&self.client_id, &format!("{}-reader", self.client_id)))
    }

    fn producer(&self, client_id: &str) -> ClientConfig {
        let mut config = self.client(client_id);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // A quarter of librdkafka's: buffers of this size are held for each batch under way, here
            // and again by whoever reads it. It costs hardly any compression.
            .set("batch.size", "262144")
            .set("message.max.bytes", MAX_RECORD_BYTES.to_string());
        config
    }

    /// The producer of an appender: a short queue, since each record in it is a caller who waits.
    pub(super) fn appender(&self) -> ClientConfig {
        let mut config = self.producer(&self.client_id);
        config
            // Its batches are small and their callers wait.
            .set("compression.type", "lz4")
            // Each waits as long before it is sent: with 2 ms, 64 callers make a third fewer requests.
            .set("linger.ms", "1")
            .set("delivery.timeout.ms", millis(self.delivery_timeout))
            .set("queue.buffering.max.messages", "50000")
            .set("queue.buffering.max.kbytes", "65536");
        self.with_properties(config)
    }

    /// The producer of a member.
    pub(super) fn transactional(&self, client_id: &str, transactional_id: &str) -> ClientConfig {
        let mut config = self.producer(client_id);
        config
            .set("transactional.id", transactional_id)
            .set("linger.ms", "2")
            .set("transaction.timeout.ms", millis(self.transaction_timeout))
            // More than a transaction may last would be refused.
            .set("delivery.timeout.ms", millis(self.transaction_timeout))
            // How many are under way tells when all are delivered: see `transactions.rs`.
            .set("delivery.report.only.error", "true")
            // Fewer bytes than lz4 on rows and events, about a fifth on the benchmarks' small load.
            .set("compression.type", "zstd")
            .set("compression.level", "1")
            // The unit of work holds its outputs until it is committed; this copy of them, and the
            // batches that are under way, need only keep the connection busy. More than the largest
            // record, which would never find room.
            .set("queue.buffering.max.messages", "50000")
            .set("queue.buffering.max.kbytes", "6144");
        self.with_properties(config)
    }
}

/// A property that cannot be set. Does not show the value, which may be a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PropertyError {
    /// The engine's own to set.
    #[error("is set by Rollcall itself, and another value would lose or repeat records: remove it")]
    Own,
    /// librdkafka has no such property.
    #[error("is no property of librdkafka: see its CONFIGURATION.md")]
    Unknown,
    /// librdkafka knows it, and does not take the value.
    #[error("librdkafka does not take this value: see its CONFIGURATION.md")]
    Value,
}

/// Whether a property of [`KafkaConfig::properties`] can be set.
///
/// # Errors
///
/// Where it cannot.
pub fn check_property(name: &str, value: &str) -> Result<(), PropertyError> {
    if OWN_PROPERTIES.contains(&name) {
        return Err(PropertyError::Own);
    }
    match ClientConfig::new().set(name, value).create_native_config() {
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Err(PropertyError::Unknown)
        }
        Err(_) => Err(PropertyError::Value),
        Ok(_) => Ok(()),
    }
}

/// Without the values of properties, some of which are passwords.
impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .field("client_id", &self.client_id)
            .field("session_timeout", &self.session_timeout)
            .field("max_poll_interval", &self.max_poll_interval)
            .field("transaction_timeout", &self.transaction_timeout)
            .field("delivery_timeout", &self.delivery_timeout)
            .field("request_timeout", &self.request_timeout)
            .finish_non_exhaustive()
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::{KafkaConfig, OWN_PROPERTIES, PropertyError, check_property};

    #[test]
    fn properties_that_would_break_the_promises_are_refused() {
        for name in OWN_PROPERTIES {
            let mut config = KafkaConfig::new("localhost:9092");
            config.properties.insert((*name).to_owned(), "x".to_owned());
            let error = config.check().expect_err("an own property").to_string();
            assert!(error.contains(name), "{error}");
        }
        let mut config = KafkaConfig::new("localhost:9092");
        config
            .properties
            .insert("security.protocol".to_owned(), "SASL_SSL".to_owned());
        assert!(config.check().is_ok());
    }

    #[test]
    fn properties_that_librdkafka_does_not_take_are_refused() {
        assert_eq!(check_property("sasl.password", "any thing"), Ok(()));
        assert_eq!(
            check_property("sasl.pasword", "x"),
            Err(PropertyError::Unknown)
        );
        assert_eq!(
            check_property("linger.ms", "soon"),
            Err(PropertyError::Value)
        );
    }

    #[test]
    fn values_of_properties_are_not_printed() {
        let mut config = KafkaConfig::new("localhost:9092");
        config
            .properties
            .insert("sasl.password".to_owned(), "hunter2".to_owned());
        let printed = format!("{config:?}");
        assert!(
            printed.contains("sasl.password") && !printed.contains("hunter2"),
            "{printed}"
        );
    }

    #[test]
    fn the_users_properties_go_over_the_tuning() {
        let mut config = KafkaConfig::new("localhost:9092");
        config
            .properties
            .insert("linger.ms".to_owned(), "50".to_owned());
        assert_eq!(config.appender().get("linger.ms"), Some("50"));
        assert_eq!(config.transactional("c", "t").get("linger.ms"), Some("50"));
    }

    #[test]
    fn librdkafka_accepts_every_configuration() {
        let config = KafkaConfig::new("localhost:9092");
        for client in [
            config.asking(),
            config.asking_group("g"),
            config.member("c", "g", "i"),
            config.reader(),
            config.appender(),
            config.transactional("c", "t"),
        ] {
            client
                .create_native_config()
                .expect("known names and values");
        }
    }
}
