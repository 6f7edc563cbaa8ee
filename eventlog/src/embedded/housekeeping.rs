//! Housekeeping: drops and compacts old segments, makes checkpoints, and removes the files that no
//! checkpoint needs any more.

use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::compaction::{self, CompactionRules};
use super::disk::Step;
use super::engine::{Engine, Snapshot};
use super::journal;
use super::partition::Partition;
use super::queue::closed;
use super::segment::Segment;
use super::sync::{lock, wait_until};
use crate::{CleanupPolicy, LogError, metric};

/// Keys that a compaction holds in memory at a time: 128 MiB.
const MAX_COMPACTION_KEYS: usize = 4_000_000;

/// Tells housekeeping when there is something to do.
#[derive(Debug)]
pub(super) struct Bell {
    state: Mutex<BellState>,
    rung: Condvar,
    checkpoint_bytes: u64,
}

#[derive(Debug)]
struct BellState {
    /// Bytes written since the last checkpoint.
    written: u64,
    over: bool,
}

impl Bell {
    /// With `written` bytes of journal that no checkpoint covers.
    pub(super) fn new(checkpoint_bytes: u64, written: u64) -> Self {
        let state = BellState {
            written,
            over: false,
        };
        Self {
            state: Mutex::new(state),
            rung: Condvar::new(),
            checkpoint_bytes,
        }
    }

    /// Learns of bytes written to the journal.
    pub(super) fn written(&self, bytes: u64) {
        let mut state = lock(&self.state);
        let before = state.written;
        state.written += bytes;
        if before < self.checkpoint_bytes && state.written >= self.checkpoint_bytes {
            self.rung.notify_all();
        }
    }

    /// Ends housekeeping.
    pub(super) fn end(&self) {
        lock(&self.state).over = true;
        self.rung.notify_all();
    }

    /// Waits until a checkpoint is due or `deadline`. Returns false where housekeeping is over.
    fn wait_until(&self, deadline: Instant) -> bool {
        let mut state = lock(&self.state);
        while !state.over && state.written < self.checkpoint_bytes && Instant::now() < deadline {
            state = wait_until(&self.rung, state, deadline);
        }
        !state.over
    }

    fn take_written(&self) -> u64 {
        std::mem::take(&mut lock(&self.state).written)
    }
}

/// The one that keeps house; what it does, it does one at a time.
#[derive(Debug)]
pub(super) struct Housekeeping {
    engine: Arc<Engine>,
    bell: Arc<Bell>,
    alone: Mutex<()>,
}

impl Housekeeping {
    pub(super) fn new(engine: Arc<Engine>, bell: Arc<Bell>) -> Self {
        Self {
            engine,
            bell,
            alone: Mutex::default(),
        }
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Keeps house until the bell ends it, or something fails: then the log stops.
    pub(super) fn run(&self, every: Duration) {
        let mut next_sweep = Instant::now() + every;
        self.look_at_the_disk();
        while self.bell.wait_until(next_sweep) {
            let outcome = if Instant::now() >= next_sweep {
                next_sweep = Instant::now() + every;
                self.look_at_the_disk();
                self.sweep()
            } else {
                self.checkpoint()
            };
            match outcome {
                Ok(()) => {}
                Err(LogError::Closed { .. }) => return,
                Err(error) => return self.engine.stop(&error.to_string().into()),
            }
        }
    }

    /// Others fill the disk too, so that it is looked at also while nothing is written.
    fn look_at_the_disk(&self) {
        if let Err(error) = self.engine.space.look() {
            tracing::warn!(%error, "how much of the disk is left is not known");
        }
    }

    /// Drops and compacts what is old, then makes a checkpoint where anything has changed.
    pub(super) fn sweep(&self) -> Result<(), LogError> {
        let _alone = lock(&self.alone);
        let mut obsolete = Vec::new();
        for topic in self.engine.topics.all() {
            let cleanup = topic.cleanup();
            for partition in &topic.partitions {
                self.end_old_segment(partition, cleanup);
                match cleanup {
                    CleanupPolicy::Delete { retention_ms } => {
                        obsolete.extend(self.drop_old(partition, retention_ms));
                    }
                    CleanupPolicy::Compact {
                        tombstone_retention_ms,
                    } => {
                        obsolete.extend(self.compact(partition, tombstone_retention_ms)?);
                    }
                }
            }
        }
        let written = self.bell.take_written();
        if obsolete.is_empty() && written == 0 {
            return Ok(());
        }
        self.make_checkpoint()?;
        for segment in obsolete {
            self.engine
                .disk
                .remove(Step::SegmentRemove, segment.path())?;
        }
        Ok(())
    }

    /// Makes a checkpoint.
    pub(super) fn checkpoint(&self) -> Result<(), LogError> {
        let _alone = lock(&self.alone);
        self.bell.take_written();
        self.make_checkpoint()
    }

    fn make_checkpoint(&self) -> Result<(), LogError> {
        let engine = &self.engine;
        let (to, from) = mpsc::sync_channel(1);
        engine.queue.snapshot(to)?;
        let Snapshot {
            checkpoint,
            unsynced,
            unsynced_folders,
        } = from.recv().map_err(|_| closed(None))?;
        for segment in unsynced {
            engine.disk.sync(Step::SegmentSync, &*segment.open()?)?;
        }
        for folder in unsynced_folders {
            engine.disk.sync_folder(Step::SegmentFolderSync, &folder)?;
        }
        checkpoint.save(&engine.disk, &engine.folder.checkpoint())?;
        metrics::counter!(metric::EMBEDDED_CHECKPOINTS_TOTAL).increment(1);
        journal::remove_before(&engine.disk, &engine.folder.journal(), checkpoint.journal)
    }

    /// Ends the segment that is written to where its first record is old, since only an ended one can
    /// be dropped or compacted.
    fn end_old_segment(&self, partition: &Partition, cleanup: CleanupPolicy) {
        let policy_age = milliseconds(self.engine.segments.age);
        let age = match cleanup {
            CleanupPolicy::Delete { retention_ms } => policy_age.min(span(retention_ms)),
            CleanupPolicy::Compact { .. } => policy_age,
        };
        let old = self.engine.now.ms().saturating_sub(age);
        let view = partition.view();
        if view
            .segments
            .last()
            .is_some_and(|it| !it.extent.sealed && it.extent.first_timestamp <= old)
        {
            partition.seal();
        }
    }

    fn drop_old(&self, partition: &Partition, retention_ms: u64) -> Vec<Arc<Segment>> {
        let old = self.engine.now.ms().saturating_sub(span(retention_ms));
        let view = partition.view();
        let dropped = view
            .segments
            .iter()
            .take_while(|it| it.extent.sealed && it.extent.last_timestamp <= old)
            .count();
        if dropped == 0 {
            return Vec::new();
        }
        let segments = partition.drop_first(dropped);
        tracing::info!(partition = %partition.name, segments = segments.len(), start = partition.offsets().start, "dropped old records");
        segments
    }

    fn compact(
        &self,
        partition: &Partition,
        tombstone_retention_ms: u64,
    ) -> Result<Vec<Arc<Segment>>, LogError> {
        let engine = &self.engine;
        let now = engine.now.ms();
        let rules = CompactionRules {
            at_percent: engine.segments.compact_at_percent,
            oldest_new: now.saturating_sub(milliseconds(engine.segments.compact_within)),
            oldest_tombstone: now.saturating_sub(span(tombstone_retention_ms)),
            segment_bytes: engine.segments.bytes,
            max_keys: MAX_COMPACTION_KEYS,
        };
        if let Err(error) = engine.space.check(compaction::bytes_needed(partition)) {
            tracing::warn!(partition = %partition.name, %error, "not compacted");
            return Ok(Vec::new());
        }
        match compaction::compact(&engine.disk, partition, &rules) {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(compacted)) => {
                tracing::debug!(partition = %partition.name, compacted.bytes_before, compacted.bytes_after, "compacted");
                metrics::counter!(metric::EMBEDDED_COMPACTED_BYTES_TOTAL)
                    .increment(compacted.bytes_before);
                Ok(compacted.replaced)
            }
            // The records that cannot be read may never be needed; who does need them is told.
            Err(error @ LogError::Damaged { .. }) => {
                tracing::error!(partition = %partition.name, %error, "not compacted");
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn span(milliseconds: u64) -> i64 {
    i64::try_from(milliseconds).unwrap_or(i64::MAX)
}
