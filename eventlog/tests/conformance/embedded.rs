//! The embedded log as an engine under test, and what it alone must survive.

mod back_pressure;
mod crash;
mod folder;
mod recovery;
mod stopping;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::{CleanupPolicy, EventLog};
use tempfile::TempDir;

use crate::harness::{Engine, append, partition, topic_config, unique};

/// A log in a folder of its own.
pub(crate) struct EmbeddedEngine {
    folder: TempDir,
    open: Mutex<Option<Arc<EmbeddedLog>>>,
}

impl Default for EmbeddedEngine {
    fn default() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            open: Mutex::default(),
        }
    }
}

/// Small segments and frequent checkpoints, so that all of it happens within a test.
pub(crate) fn small(path: &Path) -> EmbeddedConfig {
    let mut config = EmbeddedConfig::new(path);
    config.reserve_bytes = 0;
    config.checkpoint_bytes = 64 * 1024;
    config.segments.bytes = 4 * 1024;
    config.segments.age = Duration::ZERO;
    config.segments.compact_at_percent = 0;
    config
}

pub(crate) fn open(config: EmbeddedConfig) -> Arc<EmbeddedLog> {
    EmbeddedLog::open(config).unwrap()
}

impl Engine for EmbeddedEngine {
    fn open(&self) -> Arc<dyn EventLog> {
        let mut open_log = self.open.lock().unwrap();
        if let Some(before) = open_log.take() {
            before.close().unwrap();
        }
        let log = open(small(self.folder.path()));
        *open_log = Some(Arc::clone(&log));
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
        log.ensure_topics(&[topic_config(&name, partitions, cleanup)])
            .unwrap();
        name.into()
    }

    fn clean(&self, log: &dyn EventLog, topic: &Arc<str>) {
        // As on Kafka, so that the tests can expect the same.
        let appender = log.appender().unwrap();
        for number in 0..log.partitions(topic).unwrap().unwrap() {
            append(&*appender, &partition(topic, number), "filler", "filler");
        }
        std::thread::sleep(Duration::from_millis(5));
        self.open.lock().unwrap().as_ref().unwrap().sweep().unwrap();
    }
}
