//! Apache Kafka as an engine under test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rollcall_eventlog::kafka::{KafkaConfig, KafkaLog};
use rollcall_eventlog::{CleanupPolicy, EventLog};

use crate::harness::{Engine, append, eventually, partition, unique, wait};

/// The cluster of `KAFKA_BROKERS`.
pub(crate) struct KafkaEngine {
    brokers: String,
    open: Mutex<Option<Arc<KafkaLog>>>,
}

impl KafkaEngine {
    /// The engine, or `None`, and a word about it, where there is no cluster.
    pub(crate) fn from_environment() -> Option<Self> {
        let brokers = std::env::var("KAFKA_BROKERS")
            .ok()
            .filter(|brokers| !brokers.is_empty());
        if brokers.is_none() {
            eprintln!("skipped: KAFKA_BROKERS is not set (scripts/kafka.sh start prints it)");
        }
        Some(Self {
            brokers: brokers?,
            open: Mutex::default(),
        })
    }
}

impl Engine for KafkaEngine {
    fn open(&self) -> Arc<dyn EventLog> {
        let mut open = self.open.lock().unwrap();
        if let Some(before) = open.take() {
            before.close().unwrap();
        }
        let mut config = KafkaConfig::new(&self.brokers);
        // A dead member is missed soon.
        config.session_timeout = Duration::from_secs(6);
        let log = KafkaLog::open(config).unwrap();
        *open = Some(Arc::clone(&log));
        log
    }

    fn create(
        &self,
        log: &dyn EventLog,
        name: &str,
        partitions: u32,
        cleanup: CleanupPolicy,
    ) -> Arc<str> {
        let name = unique(name);
        let (policy, time, ms) = match cleanup {
            CleanupPolicy::Compact {
                tombstone_retention_ms,
            } => ("compact", "delete.retention.ms", tombstone_retention_ms),
            CleanupPolicy::Delete { retention_ms } => ("delete", "retention.ms", retention_ms),
        };
        let ms = ms.to_string();
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .create()
            .unwrap();
        let topic = NewTopic::new(
            &name,
            i32::try_from(partitions).unwrap(),
            TopicReplication::Fixed(1),
        )
        .set("cleanup.policy", policy)
        .set(time, &ms)
        .set("message.timestamp.type", "LogAppendTime")
        // Each segment is ended by the next record that comes, so that it can be cleaned.
        .set("segment.ms", "1")
        .set("min.cleanable.dirty.ratio", "0.001");
        let created = wait(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
        assert!(created.iter().all(Result::is_ok), "{created:?}");
        eventually("the topic", || log.partitions(&name).unwrap());
        name.into()
    }

    fn clean(&self, log: &dyn EventLog, topic: &Arc<str>) {
        // The broker looks every second. A further record ends the segment that is written to.
        let appender = log.appender().unwrap();
        for number in 0..log.partitions(topic).unwrap().unwrap() {
            append(&*appender, &partition(topic, number), "filler", "filler");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
