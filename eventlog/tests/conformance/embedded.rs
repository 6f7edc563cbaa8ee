//! The embedded log as an engine under test, and what it alone must survive.

mod back_pressure;
mod folder;
mod held_clock;
mod recovery;
mod stopping;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::{CleanupPolicy, EventLog};
use tempfile::TempDir;

use crate::harness::{Crowded, Engine, append, partition, topic_config, unique};
use held_clock::HeldClock;

/// A log in a folder.
pub(crate) struct EmbeddedEngine {
    path: PathBuf,
    housekeeping_every: Duration,
    open: Mutex<Option<Arc<EmbeddedLog>>>,
    /// Goes with the engine that made it.
    _folder: Option<TempDir>,
}

impl EmbeddedEngine {
    /// A log in a folder of its own.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self {
            path: folder.path().to_owned(),
            // A test says when.
            housekeeping_every: Duration::from_secs(3600),
            open: Mutex::default(),
            _folder: Some(folder),
        }
    }

    /// A log in the folder of another process, which checkpoints and compacts all the time.
    pub(crate) fn at(path: &str) -> Self {
        Self {
            path: path.into(),
            housekeeping_every: Duration::from_millis(3),
            open: Mutex::default(),
            _folder: None,
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
        let mut config = small(&self.path);
        config.housekeeping_every = self.housekeeping_every;
        let log = open(config);
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

    fn address(&self) -> String {
        format!("embedded:{}", self.path.display())
    }

    fn kills(&self) -> u32 {
        25
    }

    fn crowded(&self) -> Box<dyn Crowded> {
        let folder = TempDir::new().unwrap();
        let clock = HeldClock::default();
        let mut config = EmbeddedConfig::new(folder.path());
        config.reserve_bytes = 0;
        config.queue_bytes = 10_000;
        config.now = clock.now();
        Box::new(CrowdedLog {
            clock,
            log: open(config),
            _folder: folder,
        })
    }
}

/// A log with a short queue, whose writer waits for its clock.
struct CrowdedLog {
    clock: HeldClock,
    log: Arc<EmbeddedLog>,
    _folder: TempDir,
}

impl Crowded for CrowdedLog {
    fn log(&self) -> &dyn EventLog {
        &*self.log
    }

    fn hold(&mut self) {
        self.clock.hold();
    }

    fn release(&mut self) {
        self.clock.release();
    }
}
