//! Apache Kafka as an engine under test, and what it alone must survive: rebalances, fencing, crashes
//! at each step of a transaction, and brokers that die.

mod broker;
mod crash;
mod fencing;
mod markers;
mod rebalancing;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rollcall_eventlog::kafka::{KafkaConfig, KafkaLog};
use rollcall_eventlog::{CleanupPolicy, EventLog};

use crate::harness::{Crowded, Engine, append, eventually, partition, unique, wait};
use broker::Broker;

/// The cluster of `KAFKA_BROKERS`.
pub(crate) struct KafkaEngine {
    brokers: String,
    open: Mutex<Option<Arc<KafkaLog>>>,
}

impl KafkaEngine {
    /// The engine, or `None`, and a word about it, where there is no cluster.
    pub(crate) fn from_environment() -> Option<Self> {
        brokers().map(|brokers| Self::at(&brokers))
    }

    /// The cluster behind these brokers.
    pub(crate) fn at(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            open: Mutex::default(),
        }
    }
}

/// The brokers, or `None`, and a word about it, where there are none.
fn brokers() -> Option<String> {
    let brokers = std::env::var("KAFKA_BROKERS")
        .ok()
        .filter(|brokers| !brokers.is_empty());
    if brokers.is_none() {
        eprintln!("skipped: KAFKA_BROKERS is not set (scripts/kafka.sh start prints it)");
    }
    brokers
}

/// A session so long that no test passes because one ended.
fn patient(brokers: String) -> KafkaConfig {
    let mut config = KafkaConfig::new(brokers);
    config.session_timeout = Duration::from_secs(300);
    config
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

    fn address(&self) -> String {
        format!("kafka:{}", self.brokers)
    }

    fn kills(&self) -> u32 {
        8
    }

    fn crowded(&self) -> Box<dyn Crowded> {
        let broker = Broker::start();
        let mut config = patient(broker.address.clone());
        let queue = "queue.buffering.max.messages".to_owned();
        config.properties.insert(queue, "100".to_owned());
        // No record is given up while the broker stands still.
        config.delivery_timeout = Duration::from_secs(600);
        Box::new(CrowdedLog {
            log: KafkaLog::open(config).unwrap(),
            broker,
        })
    }
}

/// A log with a short queue, whose broker can be stopped.
struct CrowdedLog {
    log: Arc<KafkaLog>,
    broker: Broker,
}

impl Crowded for CrowdedLog {
    fn log(&self) -> &dyn EventLog {
        &*self.log
    }

    fn hold(&mut self) {
        self.broker.signal("STOP");
    }

    fn release(&mut self) {
        self.broker.signal("CONT");
    }
}
