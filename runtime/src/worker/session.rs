//! One membership of a worker: from joining to leaving.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rollcall_eventlog::{
    CommitError, LogError, Member, Polled, RecordBatch, TopicPartition, UnitOfWork,
};

use super::{PAUSE, WorkerConfig};
use crate::dead_letter::DeadLetters;
use crate::metric;
use crate::pace::{Pace, Refusals};
use crate::recovery::{Recoverer, Recovery, Step};
use crate::stage::StateError;
use crate::status::WorkerState;
use crate::tally::Tally;
use crate::task::RunningTask;
use crate::{RuntimeError, Shutdown};

/// How a membership ended, where not by an error.
pub(super) enum End {
    /// As asked for.
    Shutdown,
    /// What the log has is not known: all memory is dropped, and the group is to be joined anew.
    Rejoin {
        /// Why.
        reason: String,
    },
    /// The group gave this member's place away, perhaps to one of the same name.
    Fenced(CommitError),
}

/// How the worker goes on.
enum Next {
    InThisSession,
    NotInThisSession(End),
}

/// One membership.
pub(super) struct Session<'a> {
    member: Box<dyn Member>,
    with: &'a Recoverer,
    dead_letters: &'a DeadLetters,
    config: &'a WorkerConfig,
    shutdown: &'a Shutdown,
    recovering: BTreeMap<u32, Recovery>,
    running: BTreeMap<u32, RunningTask>,
    open: OpenUnit,
}

/// The unit of work that is open: all that its commit needs beside the tasks.
struct OpenUnit {
    work: UnitOfWork,
    tally: Tally,
    pace: Pace,
    refusals: Refusals,
}

impl OpenUnit {
    fn committed(&mut self, began: Instant) {
        self.clear();
        self.refusals = Refusals::default();
        self.pace.committed(began, Instant::now());
    }

    fn dropped(&mut self) {
        self.clear();
        self.pace.dropped(Instant::now());
    }

    fn clear(&mut self) {
        self.work.outputs.clear();
        self.work.offsets.clear();
        self.tally.clear();
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(
        member: Box<dyn Member>,
        with: &'a Recoverer,
        dead_letters: &'a DeadLetters,
        config: &'a WorkerConfig,
        shutdown: &'a Shutdown,
    ) -> Self {
        let open = OpenUnit {
            work: UnitOfWork::default(),
            tally: Tally::default(),
            pace: Pace::new(config.commit),
            refusals: Refusals::default(),
        };
        Self {
            member,
            with,
            dead_letters,
            config,
            shutdown,
            recovering: BTreeMap::new(),
            running: BTreeMap::new(),
            open,
        }
    }

    pub(super) fn run(mut self) -> Result<End, RuntimeError> {
        let result = self.work();
        for partition in self.recovering.keys().chain(self.running.keys()) {
            self.gone(*partition);
        }
        self.recovering.clear();
        let running = std::mem::take(&mut self.running).into_values();
        let stage = self.stage();
        let result = result.and_then(|end| {
            for task in running {
                task.close()
                    .map_err(|source| RuntimeError::State { stage, source })?;
            }
            Ok(end)
        });
        // One who was fenced has no place to leave.
        if !matches!(result, Ok(End::Fenced(_))) {
            self.member.leave();
        }
        result
    }

    fn work(&mut self) -> Result<End, RuntimeError> {
        while !self.shutdown.is_requested() {
            self.recover()?;
            let now = Instant::now();
            let wait = if self.recovering.is_empty() {
                self.open.pace.wait(now)
            } else {
                Duration::ZERO
            };
            let polled = match self.member.poll(self.config.commit.batch_records, wait) {
                Ok(polled) => polled,
                Err(error) if error.is_retriable() => {
                    tracing::warn!(stage = self.stage(), %error, "the log cannot be read now");
                    let _ = self.shutdown.wait(PAUSE);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let next = match polled {
                Polled::Records(batch) => self.take(&batch)?,
                Polled::Assigned(partitions) => {
                    self.assigned(partitions)?;
                    Next::InThisSession
                }
                Polled::Revoking(partitions) => self.revoking(&partitions)?,
                Polled::Lost(partitions) => {
                    self.lost(&partitions)?;
                    Next::InThisSession
                }
                Polled::Idle => self.idle()?,
            };
            if let Next::NotInThisSession(end) = next {
                return Ok(end);
            }
        }
        if self.anything_to_commit()
            && let Next::NotInThisSession(end) = self.commit()?
        {
            return Ok(end);
        }
        Ok(End::Shutdown)
    }

    /// Takes a batch into the unit of work, and commits that where it is full.
    fn take(&mut self, batch: &RecordBatch) -> Result<Next, RuntimeError> {
        let stage = self.stage();
        let Some(task) = self.running.get_mut(&batch.partition().partition) else {
            // Read ahead of a partition that has gone meanwhile.
            return Ok(Next::InThisSession);
        };
        if batch.is_empty() {
            task.skip_to(batch.next_offset());
            return Ok(Next::InThisSession);
        }
        let taken = task
            .process(
                batch,
                &mut self.open.work.outputs,
                self.dead_letters,
                &mut self.open.tally,
            )
            .map_err(|source| RuntimeError::State { stage, source })?;
        if let Err(unbalanced) = taken {
            return Err(RuntimeError::Outcomes {
                stage,
                partition: batch.partition().clone(),
                offset: batch.iter().next().map_or(0, |record| record.offset),
                records: unbalanced.records,
                outcomes: unbalanced.outcomes,
            });
        }
        let now = Instant::now();
        self.open.pace.added(batch.len(), now);
        if self.open.pace.is_full(self.open.work.outputs.bytes(), now) {
            self.commit()
        } else {
            Ok(Next::InThisSession)
        }
    }

    /// There was nothing to read.
    fn idle(&mut self) -> Result<Next, RuntimeError> {
        let now = Instant::now();
        let due = self.open.pace.is_due_when_drained(now)
            || (self.anything_to_commit()
                && !self.open.pace.is_open()
                && self.open.pace.is_due_when_idle(now));
        if due {
            return self.commit();
        }
        let stage = self.stage();
        for task in self.running.values_mut() {
            task.rest()
                .map_err(|source| RuntimeError::State { stage, source })?;
        }
        Ok(Next::InThisSession)
    }

    fn assigned(
        &mut self,
        partitions: Vec<(TopicPartition, Option<i64>)>,
    ) -> Result<(), RuntimeError> {
        self.config
            .status
            .worker(&self.config.instance, WorkerState::Running);
        for (partition, committed) in partitions {
            let number = partition.partition;
            tracing::info!(
                stage = self.stage(),
                partition = number,
                committed,
                "assigned"
            );
            if self.running.contains_key(&number) {
                self.lost(std::slice::from_ref(&partition))?;
            }
            self.config
                .status
                .assigned(number, &self.config.instance, committed);
            self.recovering
                .insert(number, Recovery::new(partition, committed));
        }
        Ok(())
    }

    /// Goes on with every recovery for a short while, and starts what is up to date.
    fn recover(&mut self) -> Result<(), RuntimeError> {
        let mut done = Vec::new();
        for (number, recovery) in &mut self.recovering {
            match recovery.step(self.with) {
                Ok(Step::Restoring {
                    restored,
                    remaining,
                }) => {
                    self.config.status.recovering(*number, restored, remaining);
                }
                Ok(Step::Done(task)) => done.push(*task),
                Err(error) if error.is_retriable() => {
                    tracing::warn!(stage = self.with.stage.name(), partition = number, %error, "recovery waits for the log");
                    let _ = self.shutdown.wait(PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        for task in done {
            let number = task.partition.partition;
            let from = [(task.partition.clone(), task.position())];
            self.recovering.remove(&number);
            self.running.insert(number, task);
            crash_point!(BEFORE_START);
            self.patiently(|member| member.start(&from))?;
            self.config.status.running(number);
        }
        Ok(())
    }

    fn revoking(&mut self, partitions: &[TopicPartition]) -> Result<Next, RuntimeError> {
        if self.anything_to_commit()
            && let next @ Next::NotInThisSession(_) = self.commit()?
        {
            return Ok(next);
        }
        self.close(partitions)?;
        self.patiently(|member| member.release(partitions))?;
        Ok(Next::InThisSession)
    }

    /// The partitions are another's by now. What the unit of work made of them cannot be told from the
    /// rest of it, so all of it is dropped.
    fn lost(&mut self, partitions: &[TopicPartition]) -> Result<(), RuntimeError> {
        let lost = |task: &RunningTask| partitions.contains(&task.partition);
        if self
            .running
            .values()
            .any(|task| lost(task) && task.has_records())
        {
            self.abort(partitions)?;
        }
        self.close(partitions)
    }

    fn close(&mut self, partitions: &[TopicPartition]) -> Result<(), RuntimeError> {
        for partition in partitions {
            tracing::info!(
                stage = self.stage(),
                partition = partition.partition,
                "gone"
            );
            self.gone(partition.partition);
            self.recovering.remove(&partition.partition);
            if let Some(task) = self.running.remove(&partition.partition) {
                task.close().map_err(|source| self.state(source))?;
            }
        }
        Ok(())
    }

    fn gone(&self, partition: u32) {
        self.config.status.gone(partition, &self.config.instance);
        metric::lag(self.stage(), partition, 0);
    }

    fn anything_to_commit(&self) -> bool {
        self.running.values().any(RunningTask::has_moved)
    }

    /// Commits the unit of work to the log, and then to the stores.
    fn commit(&mut self) -> Result<Next, RuntimeError> {
        let stage = self.stage();
        let state = |source: StateError| RuntimeError::State { stage, source };
        let began = Instant::now();
        crash_point!(BEFORE_FINISH);
        for task in self.running.values_mut().filter(|task| task.has_moved()) {
            if task.has_records() {
                task.finish(&mut self.open.work.outputs).map_err(state)?;
            }
            self.open
                .work
                .offsets
                .push((task.partition.clone(), task.position()));
        }
        crash_point!(BEFORE_LOG);
        match self.member.commit(&self.open.work) {
            Ok(()) => {
                crash_point!(AFTER_LOG);
                let now_ms = self.with.clock.now_ms();
                for task in self.running.values_mut().filter(|task| task.has_moved()) {
                    let records = task.commit(now_ms).map_err(state)?;
                    self.config.status.committed(
                        task.partition.partition,
                        task.committed(),
                        records,
                        now_ms,
                    );
                }
                metric::committed(
                    stage,
                    &self.open.tally,
                    self.open.work.outputs.len(),
                    began.elapsed(),
                );
                self.open.committed(began);
                crash_point!(AFTER_UNIT);
                Ok(Next::InThisSession)
            }
            Err(CommitError::Aborted { reason }) => {
                metric::not_committed(stage, "aborted");
                tracing::warn!(
                    stage,
                    reason,
                    "the unit of work was aborted, and is done again"
                );
                self.abort(&[])?;
                Ok(Next::InThisSession)
            }
            Err(CommitError::Log(error)) if error.is_retriable() => {
                metric::not_committed(stage, "failed");
                tracing::warn!(stage, %error, "the unit of work could not be committed, and is done again");
                let _ = self.shutdown.wait(self.open.refusals.pause());
                self.abort(&[])?;
                Ok(Next::InThisSession)
            }
            Err(CommitError::Unclear { reason }) => {
                metric::not_committed(stage, "unclear");
                self.open.dropped();
                for task in self.running.values_mut() {
                    task.abort();
                }
                Ok(Next::NotInThisSession(End::Rejoin { reason }))
            }
            Err(source @ CommitError::Fenced { .. }) => {
                metric::not_committed(stage, "fenced");
                self.open.dropped();
                for task in self.running.values_mut() {
                    task.abort();
                }
                Ok(Next::NotInThisSession(End::Fenced(source)))
            }
            Err(CommitError::Log(error)) => {
                metric::not_committed(stage, "failed");
                Err(error.into())
            }
        }
    }

    /// Drops the unit of work, and goes back to where it began in all partitions but `gone`.
    fn abort(&mut self, gone: &[TopicPartition]) -> Result<(), RuntimeError> {
        self.open.dropped();
        let mut back = Vec::new();
        for task in self.running.values_mut().filter(|task| task.has_moved()) {
            let committed = task.abort();
            if !gone.contains(&task.partition) {
                back.push((task.partition.clone(), committed));
            }
        }
        for (partition, offset) in back {
            self.patiently(|member| member.seek(&partition, offset))?;
        }
        Ok(())
    }

    /// Calls the member until it does not fail for a reason that may pass. A partition that is gone
    /// already is not worth stopping for: the next poll says so.
    fn patiently(
        &mut self,
        mut call: impl FnMut(&mut dyn Member) -> Result<(), LogError>,
    ) -> Result<(), RuntimeError> {
        loop {
            match call(self.member.as_mut()) {
                Err(error) if error.is_retriable() && !self.shutdown.is_requested() => {
                    tracing::warn!(stage = self.stage(), %error, "the log does not answer now");
                    let _ = self.shutdown.wait(PAUSE);
                }
                Err(LogError::NotAssigned { partition }) => {
                    tracing::debug!(stage = self.stage(), %partition, "gone already");
                    return Ok(());
                }
                other => return Ok(other?),
            }
        }
    }

    fn stage(&self) -> &'static str {
        self.with.stage.name()
    }

    fn state(&self, source: StateError) -> RuntimeError {
        RuntimeError::State {
            stage: self.stage(),
            source,
        }
    }
}
