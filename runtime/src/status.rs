//! How a stage fares, for an admin server to read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How one stage's workers in this process fare. They write to it at every commit.
#[derive(Debug)]
pub struct StageStatus {
    stage: &'static str,
    inner: Mutex<StageSnapshot>,
}

/// How a stage fares at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StageSnapshot {
    /// Its workers, by instance name.
    pub workers: BTreeMap<String, WorkerState>,
    /// The partitions that they are assigned.
    pub partitions: BTreeMap<u32, PartitionStatus>,
    /// Input records committed by this process since it started.
    pub records: u64,
}

/// What a worker does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WorkerState {
    /// It joins its group, and has no partition yet.
    Joining,
    /// It has been assigned partitions.
    Running,
    /// It was asked to stop, and has.
    Stopped,
    /// It has stopped with this error.
    Failed(String),
}

/// How one partition of a stage fares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartitionStatus {
    /// The instance name of the worker that has it.
    pub worker: String,
    /// Whether it runs.
    pub state: PartitionState,
    /// The committed offset.
    pub committed: Option<i64>,
    /// Input records committed since it was assigned.
    pub records: u64,
    /// Input records not committed yet, as of the last look.
    pub lag: Option<u64>,
    /// When it last committed, in milliseconds since 1970.
    pub committed_at_ms: Option<i64>,
}

/// Whether a partition runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PartitionState {
    /// Its store is being brought up to date.
    Recovering {
        /// Records read so far.
        restored: u64,
        /// Offsets to go.
        remaining: u64,
    },
    /// It takes records.
    Running,
}

impl StageSnapshot {
    /// Whether the stage works in this process: at least one partition is assigned, all assigned ones
    /// run, and no worker has failed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.partitions.is_empty()
            && self
                .partitions
                .values()
                .all(|partition| partition.state == PartitionState::Running)
            && !self
                .workers
                .values()
                .any(|worker| matches!(worker, WorkerState::Failed(_)))
    }

    /// Input records not committed yet, where that is known of every partition.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        self.partitions
            .values()
            .map(|partition| partition.lag)
            .sum()
    }
}

impl StageStatus {
    /// A status of the stage named, without workers.
    #[must_use]
    pub fn new(stage: &'static str) -> Self {
        Self {
            stage,
            inner: Mutex::default(),
        }
    }

    /// The stage.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        self.stage
    }

    /// How it fares now.
    #[must_use]
    pub fn snapshot(&self) -> StageSnapshot {
        self.lock().clone()
    }

    pub(crate) fn worker(&self, instance: &str, state: WorkerState) {
        self.lock().workers.insert(instance.to_owned(), state);
    }

    pub(crate) fn assigned(&self, partition: u32, worker: &str, committed: Option<i64>) {
        let status = PartitionStatus {
            worker: worker.to_owned(),
            state: PartitionState::Recovering {
                restored: 0,
                remaining: 0,
            },
            committed,
            records: 0,
            lag: None,
            committed_at_ms: None,
        };
        self.lock().partitions.insert(partition, status);
    }

    pub(crate) fn recovering(&self, partition: u32, restored: u64, remaining: u64) {
        self.update(partition, |status| {
            status.state = PartitionState::Recovering {
                restored,
                remaining,
            }
        });
    }

    pub(crate) fn running(&self, partition: u32) {
        self.update(partition, |status| status.state = PartitionState::Running);
    }

    pub(crate) fn committed(&self, partition: u32, offset: i64, records: u64, now_ms: i64) {
        let mut inner = self.lock();
        inner.records += records;
        if let Some(status) = inner.partitions.get_mut(&partition) {
            status.committed = Some(offset);
            status.records += records;
            status.committed_at_ms = Some(now_ms);
        }
    }

    pub(crate) fn lag(&self, partition: u32, lag: u64) {
        self.update(partition, |status| status.lag = Some(lag));
    }

    /// The partitions that a worker has, each with its committed offset.
    pub(crate) fn held_by(&self, worker: &str) -> Vec<(u32, Option<i64>)> {
        let inner = self.lock();
        let held = inner
            .partitions
            .iter()
            .filter(|(_, status)| status.worker == worker);
        held.map(|(partition, status)| (*partition, status.committed))
            .collect()
    }

    /// A worker has let a partition go. Another may have it already.
    pub(crate) fn gone(&self, partition: u32, worker: &str) {
        let mut inner = self.lock();
        if inner
            .partitions
            .get(&partition)
            .is_some_and(|status| status.worker == worker)
        {
            inner.partitions.remove(&partition);
        }
    }

    fn update(&self, partition: u32, change: impl FnOnce(&mut PartitionStatus)) {
        if let Some(status) = self.lock().partitions.get_mut(&partition) {
            change(status);
        }
    }

    fn lock(&self) -> MutexGuard<'_, StageSnapshot> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
