//! One partition of a stage at work: the task, its store, and the unit of work that is open.

use std::sync::Arc;
use std::time::Instant;

use rollcall_eventlog::{OutputBatch, RecordBatch, TopicPartition};

use crate::dead_letter::DeadLetters;
use crate::overlay::{OverlaidStore, Overlay};
use crate::stage::{Outcome, StateError, Task, Unit};
use crate::store::{Position, Stamp, Store, WriteBackPolicy};
use crate::tally::Tally;

/// A task over its store, with the writes that the store does not have yet.
pub(crate) struct StatefulTask {
    pub(crate) task: Box<dyn Task>,
    pub(crate) store: Store,
    pub(crate) source: Source,
    write_back: WriteBackPolicy,
    overlay: Overlay,
    /// What the log has and the store has not, where there is any.
    ahead: Option<Ahead>,
    dropped: OutputBatch,
    outcomes: Vec<Outcome>,
}

/// How far the log is ahead of a store.
struct Ahead {
    position: Position,
    records: u64,
    since: Instant,
    /// The time of the last commit, in milliseconds since 1970.
    committed_at_ms: i64,
}

/// What a store's stamp says beside its position.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) state_version: u32,
    pub(crate) name: Arc<str>,
}

impl StatefulTask {
    pub(crate) fn new(
        task: Box<dyn Task>,
        store: Store,
        source: Source,
        write_back: WriteBackPolicy,
    ) -> Self {
        Self {
            task,
            store,
            source,
            write_back,
            overlay: Overlay::default(),
            ahead: None,
            dropped: OutputBatch::default(),
            outcomes: Vec::new(),
        }
    }

    /// Processes a batch into `outputs`; the outcomes are in [`StatefulTask::outcomes`] then.
    fn process(
        &mut self,
        batch: &RecordBatch,
        outputs: &mut OutputBatch,
    ) -> Result<(), StateError> {
        self.outcomes.clear();
        let mut state = OverlaidStore {
            store: &self.store,
            overlay: &mut self.overlay,
        };
        self.task.process(
            batch,
            &mut Unit {
                state: &mut state,
                outputs,
            },
            &mut self.outcomes,
        )
    }

    fn finish(&mut self, outputs: &mut OutputBatch) -> Result<(), StateError> {
        let mut state = OverlaidStore {
            store: &self.store,
            overlay: &mut self.overlay,
        };
        self.task.finish(&mut Unit {
            state: &mut state,
            outputs,
        })
    }

    /// The log has the unit of work, which leads to `position`. The store takes it in its own time.
    pub(crate) fn commit(
        &mut self,
        position: Position,
        records: u64,
        now_ms: i64,
    ) -> Result<(), StateError> {
        self.overlay.commit();
        let ahead = self.ahead.get_or_insert_with(|| Ahead {
            position,
            records: 0,
            since: Instant::now(),
            committed_at_ms: now_ms,
        });
        ahead.position = position;
        ahead.records += records;
        ahead.committed_at_ms = now_ms;
        self.write_back_where_due()
    }

    /// Lets the store take what it lacks, where that is much or old, or a position alone.
    pub(crate) fn write_back_where_due(&mut self) -> Result<(), StateError> {
        let written = self.overlay.committed_bytes();
        let due = self.ahead.as_ref().is_some_and(|ahead| {
            written == 0
                || ahead.records >= self.write_back.records
                || written >= self.write_back.bytes
                || ahead.since.elapsed() >= self.write_back.age
        });
        if due { self.write_back() } else { Ok(()) }
    }

    /// Lets the store take what it lacks, with the position that it is then at. No unit of work is
    /// open.
    pub(crate) fn write_back(&mut self) -> Result<(), StateError> {
        let Some(ahead) = &self.ahead else {
            return Ok(());
        };
        let stamp = Stamp {
            state_version: self.source.state_version,
            position: ahead.position,
            committed_at_ms: ahead.committed_at_ms,
            source: Arc::clone(&self.source.name),
        };
        self.store
            .commit(&mut self.overlay, &stamp, ahead.records)?;
        self.ahead = None;
        Ok(())
    }

    /// Brings the store over a batch of its view, and to `position`.
    pub(crate) fn restore(
        &mut self,
        batch: &RecordBatch,
        position: Position,
        now_ms: i64,
    ) -> Result<(), StateError> {
        if !batch.is_empty() {
            let mut state = OverlaidStore {
                store: &self.store,
                overlay: &mut self.overlay,
            };
            self.task.restore(
                batch,
                &mut Unit {
                    state: &mut state,
                    outputs: &mut self.dropped,
                },
            )?;
        }
        self.finish_silently(batch, position, now_ms)
    }

    /// Brings the store over a batch of the input that was processed and committed before, and to
    /// `position`: what comes of it is in the log already.
    pub(crate) fn process_again(
        &mut self,
        batch: &RecordBatch,
        position: Position,
        now_ms: i64,
    ) -> Result<(), StateError> {
        if !batch.is_empty() {
            let mut dropped = std::mem::take(&mut self.dropped);
            self.process(batch, &mut dropped)?;
            self.dropped = dropped;
        }
        self.finish_silently(batch, position, now_ms)
    }

    fn finish_silently(
        &mut self,
        batch: &RecordBatch,
        position: Position,
        now_ms: i64,
    ) -> Result<(), StateError> {
        if !batch.is_empty() {
            let mut dropped = std::mem::take(&mut self.dropped);
            self.finish(&mut dropped)?;
            dropped.clear();
            self.dropped = dropped;
        }
        self.commit(position, batch.len() as u64, now_ms)
    }

    fn discard(&mut self) {
        self.task.reset();
        self.overlay.abort();
    }
}

/// A task that takes records from the group.
pub(crate) struct RunningTask {
    pub(crate) partition: TopicPartition,
    task: StatefulTask,
    /// What is committed: what the store holds, and where an aborted unit of work begins anew.
    committed: i64,
    /// Where the unit of work has come to.
    position: i64,
    /// Records of the unit of work.
    records: u64,
}

/// Records went in, and outcomes came out, and these are not as many.
#[derive(Debug)]
pub(crate) struct Unbalanced {
    pub(crate) records: usize,
    pub(crate) outcomes: usize,
}

impl RunningTask {
    pub(crate) fn new(partition: TopicPartition, task: StatefulTask, position: i64) -> Self {
        Self {
            partition,
            task,
            committed: position,
            position,
            records: 0,
        }
    }

    /// Takes a batch into the unit of work.
    pub(crate) fn process(
        &mut self,
        batch: &RecordBatch,
        outputs: &mut OutputBatch,
        dead_letters: &DeadLetters,
        tally: &mut Tally,
    ) -> Result<Result<(), Unbalanced>, StateError> {
        self.task.process(batch, outputs)?;
        let outcomes = &self.task.outcomes;
        if outcomes.len() != batch.len() {
            return Ok(Err(Unbalanced {
                records: batch.len(),
                outcomes: outcomes.len(),
            }));
        }
        for (record, outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Outcome::Effective => tally.effective += 1,
                Outcome::Ignored(reason) => tally.ignored.add(reason),
                Outcome::Rejected(rejection) => {
                    tally.rejected.add(rejection.class);
                    dead_letters.push(outputs, &self.partition, &record, rejection);
                }
            }
        }
        self.records += batch.len() as u64;
        self.position = batch.next_offset();
        Ok(Ok(()))
    }

    /// Moves on over what holds no record.
    pub(crate) fn skip_to(&mut self, position: i64) {
        self.position = position;
    }

    /// Whether the unit of work holds records of this partition.
    pub(crate) fn has_records(&self) -> bool {
        self.records > 0
    }

    /// Whether the position has moved since the last commit, with or without records.
    pub(crate) fn has_moved(&self) -> bool {
        self.position != self.committed
    }

    /// Ends the unit of work: what was folded in memory goes to `outputs`.
    pub(crate) fn finish(&mut self, outputs: &mut OutputBatch) -> Result<(), StateError> {
        self.task.finish(outputs)
    }

    /// The log has the unit of work. Returns how many records it had.
    pub(crate) fn commit(&mut self, now_ms: i64) -> Result<u64, StateError> {
        self.task
            .commit(Position::Input(self.position), self.records, now_ms)?;
        self.committed = self.position;
        Ok(std::mem::take(&mut self.records))
    }

    /// The log has not: all of it is dropped. Reading is to go on from the offset returned.
    pub(crate) fn abort(&mut self) -> i64 {
        self.task.discard();
        self.records = 0;
        self.position = self.committed;
        self.committed
    }

    /// Lets the store take what it lacks, where that is old and no unit of work is open.
    pub(crate) fn rest(&mut self) -> Result<(), StateError> {
        if self.has_moved() {
            return Ok(());
        }
        self.task.write_back_where_due()
    }

    pub(crate) fn position(&self) -> i64 {
        self.position
    }

    pub(crate) fn committed(&self) -> i64 {
        self.committed
    }

    /// Drops the unit of work, and closes the store with all that is committed on disk.
    pub(crate) fn close(mut self) -> Result<(), StateError> {
        crash_point!(BEFORE_CLOSE);
        self.task.discard();
        self.task.write_back()?;
        self.task.store.flush(true)
    }
}
