//! Brings a store up to date before its task takes records.
//!
//! # Why a store is exactly where it says
//!
//! Tasks are folds that count, so a record must not be taken twice, nor left out. A store's position
//! is always an offset of the stage's *input*: all records below it are in the store, none above.
//!
//! - A unit of work is committed to the log first, with the offset of the input that it leads to.
//!   Only then are its writes for the store, which takes those of some units together, and the offset
//!   of the last of them, in one write batch (see [`crate::WriteBackPolicy`]).
//!   So a store is never ahead of the group's committed offset, and whoever finds it ahead knows that
//!   the log was reset, and rebuilds.
//! - A store has one column family, and a write-ahead log that is never synced: what a crash leaves of
//!   it is the state after one of its earlier commits, whole, with that commit's position. A process
//!   that was killed leaves its last one, a few thousand records behind; after a stop of the machine the write-ahead log does not
//!   count, and the forced flushes of [`crate::FlushPolicy`] bound how much earlier it is.
//! - After a crash the store stands at `p` and the group at `c`, with `p <= c`. The records of the
//!   input from `p` to `c` are taken again, their outputs dropped: tasks are pure functions of the
//!   input and the state, and the outputs are in the log since the commit that made `c`. For a view
//!   of the input they are *restored*, for a view of an output *processed*.
//!
//! A view of an output needs no position in that output for this. One would be hard to come by: where
//! a unit's records came to lie is known to the log alone, and asking for the end of the partition is
//! a round trip to a cluster for each commit, with an answer that another's undecided transaction can
//! hold back. The output is read only where a store is rebuilt: from its start to its end, while the
//! partition is this task's alone. Units of work are atomic, so that end is where the group's offset
//! led to, and the store's position from then on. For this, [`rollcall_eventlog::EventLog::offsets`]
//! must not leave out committed records that lie behind an undecided transaction; the reader waits
//! until that is decided. An interrupted rebuild goes on where it was: until it is done the store's
//! position is one in the output, and marked as such.
//!
//! Raising [`crate::Stage::state_version`] makes a new version rebuild the store, so that it never
//! holds what a new version makes of records whose outputs are an old one's.

mod opening;
mod plan;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rollcall_eventlog::{
    EventLog, LogError, Offsets, Reader, RecordBatch, RecordBatchBuilder, TopicPartition,
};

use self::opening::Opening;
use self::plan::{Known, Plan, Reason, plan};
use crate::clock::Clock;
use crate::metric;
use crate::stage::{Stage, StateError, View};
use crate::store::{FlushPolicy, OpenError, Position, StateMemory, Store, WriteBackPolicy};
use crate::task::{RunningTask, Source, StatefulTask};
use crate::{RuntimeError, TopicSettings};

/// How long a step waits for records.
const READ_WAIT: Duration = Duration::from_millis(50);
/// How long a store may stay with the task that had it before.
const HAND_OVER: Duration = Duration::from_secs(60);
/// How long a step waits for a store that is being opened.
const OPEN_WAIT: Duration = Duration::from_millis(1);
const LOG_EVERY: Duration = Duration::from_secs(5);

/// Where stores are, and what they may use.
#[derive(Clone, Debug)]
pub struct StateSettings {
    /// The folder; each store is in `<stage>/<partition>` below it.
    pub folder: PathBuf,
    /// The memory that all stores share.
    pub memory: StateMemory,
    /// When they take what units of work have written.
    pub write_back: WriteBackPolicy,
    /// When they are flushed to disk.
    pub flush: FlushPolicy,
}

/// What is the same for all recoveries of a worker.
#[derive(Clone)]
pub(crate) struct Recoverer {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) stage: Arc<dyn Stage>,
    pub(crate) topics: TopicSettings,
    pub(crate) group: Arc<str>,
    pub(crate) state: StateSettings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) batch_records: usize,
}

/// What a step brought.
pub(crate) enum Step {
    /// The store is not there yet.
    Restoring {
        /// Records read so far.
        restored: u64,
        /// Offsets to go.
        remaining: u64,
    },
    /// The task can take records, from its position.
    Done(Box<RunningTask>),
}

/// The recovery of one partition. Taken step by step, so that the worker hears of its group between.
pub(crate) struct Recovery {
    pub(crate) partition: TopicPartition,
    committed: Option<i64>,
    began: Instant,
    logged: Instant,
    restored: u64,
    opening: Option<Opening>,
    reading: Option<Reading>,
}

/// A store that is being read into.
struct Reading {
    task: StatefulTask,
    /// Made when there is something to read: a reader of a cluster is a client of its own.
    reader: Option<Box<dyn Reader>>,
    partition: TopicPartition,
    from: From,
    position: i64,
    end: i64,
    /// The group's position.
    target: i64,
}

/// What is read, and how it is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum From {
    /// The input, restored.
    Input,
    /// The input, processed again.
    InputAgain,
    /// The output that the store is a view of, restored.
    Output,
}

impl Recovery {
    pub(crate) fn new(partition: TopicPartition, committed: Option<i64>) -> Self {
        let now = Instant::now();
        Self {
            partition,
            committed,
            began: now,
            logged: now,
            restored: 0,
            opening: None,
            reading: None,
        }
    }

    /// Goes on for a short while.
    pub(crate) fn step(&mut self, with: &Recoverer) -> Result<Step, RuntimeError> {
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => match self.open(with)? {
                Some(reading) => reading,
                None => {
                    return Ok(Step::Restoring {
                        restored: 0,
                        remaining: 0,
                    });
                }
            },
        };
        if reading.position < reading.end {
            let read = reading.advance(with);
            let remaining = u64::try_from(reading.end - reading.position).unwrap_or(0);
            self.reading = Some(reading);
            let records = read?;
            self.restored += records;
            metric::restored(
                with.stage.name(),
                self.partition.partition,
                records,
                remaining,
            );
            if self.logged.elapsed() >= LOG_EVERY {
                self.logged = Instant::now();
                tracing::info!(
                    stage = with.stage.name(),
                    partition = self.partition.partition,
                    restored = self.restored,
                    remaining,
                    "bringing the state up to date"
                );
            }
            return Ok(Step::Restoring {
                restored: self.restored,
                remaining,
            });
        }
        let stage = with.stage.name();
        let state = |source| RuntimeError::State { stage, source };
        let Reading {
            mut task, target, ..
        } = reading;
        crash_point!(BEFORE_RECOVERED);
        task.commit(Position::Input(target), 0, with.clock.now_ms())
            .and_then(|()| task.write_back())
            .map_err(state)?;
        if self.restored > 0 {
            task.store.flush(false).map_err(state)?;
        }
        task.task.reset();
        metric::restored(stage, self.partition.partition, 0, 0);
        tracing::info!(
            stage,
            partition = self.partition.partition,
            position = target,
            restored = self.restored,
            milliseconds = self.began.elapsed().as_millis(),
            "the state is up to date"
        );
        Ok(Step::Done(Box::new(RunningTask::new(
            self.partition.clone(),
            task,
            target,
        ))))
    }

    /// Opens the store and begins to read what it needs. None where that is under way, or another task
    /// still has the store.
    fn open(&mut self, with: &Recoverer) -> Result<Option<Reading>, RuntimeError> {
        let stage = with.stage.name();
        let state = |source| RuntimeError::State { stage, source };
        let path = with
            .state
            .folder
            .join(stage)
            .join(self.partition.partition.to_string());
        let Some(opening) = self.opening.take() else {
            crash_point!(BEFORE_OPEN);
            self.opening = Some(Opening::begin(&path, &with.state).map_err(state)?);
            return Ok(None);
        };
        if !opening.is_done() {
            std::thread::sleep(OPEN_WAIT);
            self.opening = Some(opening);
            return Ok(None);
        }
        let opened = opening.done();
        let input = with.log.offsets(&self.partition)?;
        let target = self.target(with, input)?;
        let view = match with.stage.view() {
            View::Input => None,
            View::Output(topic) => Some(TopicPartition::new(
                with.topics.prefixed(topic),
                self.partition.partition,
            )),
        };
        let source = Source {
            state_version: with.stage.state_version(),
            name: format!(
                "{} {} {}",
                with.group,
                self.partition.topic,
                view.as_ref().map_or("", |view| &*view.topic)
            )
            .into(),
        };
        let view_offsets = view
            .as_ref()
            .map(|view| with.log.offsets(view))
            .transpose()?;
        let known = Known {
            target,
            input_start: input.start,
            view: view_offsets,
            state_version: source.state_version,
            source: &source.name,
            now_ms: with.clock.now_ms(),
            longest_away_ms: with.topics.tombstone_retention_ms / 2,
        };
        let (mut store, plan) = match opened {
            Ok(store) => {
                let plan = if store.is_new().map_err(state)? {
                    Plan::Rebuild(Reason::New)
                } else {
                    plan(store.stamp().map_err(state)?.as_ref(), &known)
                };
                (Some(store), plan)
            }
            Err(OpenError::InUse(error)) if self.began.elapsed() < HAND_OVER => {
                tracing::debug!(stage, partition = self.partition.partition, %error, "waiting for the store");
                std::thread::sleep(READ_WAIT);
                return Ok(None);
            }
            Err(OpenError::Damaged(error)) => {
                tracing::warn!(stage, partition = self.partition.partition, %error, "the store is damaged");
                (None, Plan::Rebuild(Reason::Damaged))
            }
            Err(OpenError::InUse(error) | OpenError::Failed(error)) => return Err(state(error)),
        };
        if let Plan::Rebuild(reason) = plan {
            metric::rebuild(stage, reason.label());
            if reason != Reason::New {
                tracing::warn!(
                    stage,
                    partition = self.partition.partition,
                    reason = reason.label(),
                    "rebuilding the store from the log"
                );
                drop(store.take());
                crash_point!(BEFORE_REMOVAL);
                remove(&path)?;
                crash_point!(AFTER_REMOVAL);
            }
        }
        let store = match store {
            Some(store) => store,
            None => Store::open(&path, &with.state.memory, with.state.flush).map_err(
                |(OpenError::InUse(error)
                 | OpenError::Damaged(error)
                 | OpenError::Failed(error))| state(error),
            )?,
        };
        let (from, partition, position, end) = match (plan, view, view_offsets) {
            (Plan::GoOn { from }, Some(view), Some(offsets)) => {
                (From::Output, view, from, offsets.end)
            }
            (Plan::Rebuild(_), Some(view), Some(offsets)) => {
                (From::Output, view, offsets.start, offsets.end)
            }
            (Plan::CatchUp { from }, Some(_), _) => {
                (From::InputAgain, self.partition.clone(), from, target)
            }
            (Plan::CatchUp { from }, None, _) => {
                (From::Input, self.partition.clone(), from, target)
            }
            _ => (From::Input, self.partition.clone(), input.start, target),
        };
        tracing::debug!(
            stage,
            partition = self.partition.partition,
            ?plan,
            position,
            end,
            target,
            "recovering"
        );
        let task = StatefulTask::new(
            with.stage.task(self.partition.partition),
            store,
            source,
            with.state.write_back,
        );
        Ok(Some(Reading {
            task,
            reader: None,
            partition,
            from,
            position,
            end,
            target,
        }))
    }

    /// The group's position, which must lie within the log.
    fn target(&self, with: &Recoverer, input: Offsets) -> Result<i64, RuntimeError> {
        match self.committed {
            None => Ok(input.start),
            Some(committed) if committed < input.start => Err(LogError::OutOfRange {
                partition: self.partition.clone(),
                offset: committed,
                start: input.start,
            }
            .into()),
            Some(committed) if committed > input.end => Err(RuntimeError::AboveEnd {
                partition: self.partition.clone(),
                group: with.group.to_string(),
                committed,
                end: input.end,
            }),
            Some(committed) => Ok(committed),
        }
    }
}

impl Reading {
    /// Reads one batch, and takes it. Returns how many records it had.
    fn advance(&mut self, with: &Recoverer) -> Result<u64, RuntimeError> {
        crash_point!(BEFORE_READING);
        let to_go = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => {
                let from = [(self.partition.clone(), self.position)];
                self.reader.insert(with.log.reader(&from)?)
            }
        };
        let Some(batch) = reader.poll(with.batch_records.min(to_go), READ_WAIT)? else {
            return Ok(0);
        };
        let batch = if self.from == From::Output {
            batch
        } else {
            until(batch, self.end)
        };
        let position = batch.next_offset();
        let now_ms = with.clock.now_ms();
        let taken = match self.from {
            From::Input => self.task.restore(&batch, Position::Input(position), now_ms),
            From::InputAgain => self
                .task
                .process_again(&batch, Position::Input(position), now_ms),
            From::Output => self
                .task
                .restore(&batch, Position::Rebuilding(position), now_ms),
        };
        taken.map_err(|source: StateError| RuntimeError::State {
            stage: with.stage.name(),
            source,
        })?;
        self.position = position;
        Ok(batch.len() as u64)
    }
}

/// The records of `batch` below `end`.
fn until(batch: RecordBatch, end: i64) -> RecordBatch {
    if batch.next_offset() <= end {
        return batch;
    }
    let mut cut = RecordBatchBuilder::new(batch.partition().clone());
    for record in batch.iter().take_while(|record| record.offset < end) {
        cut.push(record);
    }
    cut.finish(end)
}

fn remove(path: &Path) -> Result<(), RuntimeError> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(RuntimeError::Folder {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
