//! The queue to the writer thread, and how the writer answers.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};

use super::engine::Snapshot;
use super::frame::{ChunkWriter, Frame};
use super::partition::Partition;
use super::sync::{lock, wait};
use crate::batch::Headers;
use crate::{CommitError, LogError};

/// Something to write.
#[derive(Debug)]
pub(super) enum Request {
    /// Single records that came one after the other, which share a frame.
    Appends(AppendRun),
    /// A unit of work, which is a frame of its own.
    Unit {
        /// The frame, without its offsets and time.
        frame: Frame,
        /// The answer owed.
        owed: Owed,
    },
}

/// Records that were appended one after the other, by partition.
#[derive(Debug, Default)]
pub(super) struct AppendRun {
    pub(super) sections: Vec<AppendSection>,
    pub(super) owed: Owed,
}

/// Records of one partition within a run.
#[derive(Debug)]
pub(super) struct AppendSection {
    pub(super) partition: Arc<Partition>,
    /// Chunks, closed once the writer has called [`AppendSection::close`].
    pub(super) chunks: Vec<u8>,
    writer: ChunkWriter,
    records: u32,
}

impl AppendSection {
    pub(super) fn close(&mut self) {
        self.writer.close(&mut self.chunks);
    }
}

/// What the writer takes at a time.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) requests: Vec<Request>,
    /// Who wants to know what everything is like after these requests.
    pub(super) snapshots: Vec<SyncSender<Snapshot>>,
}

/// Hands requests from any thread to the writer. Single records are bounded, since a web server takes
/// as many as are sent to it; units of work are not, since there is at most one a member.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    append_bytes_limit: usize,
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<Request>,
    append_bytes: usize,
    snapshots: Vec<SyncSender<Snapshot>>,
    phase: Phase,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Open,
    /// Nothing more is taken; what was, is written.
    Draining,
    /// Nothing is written any more.
    Ended(Option<Arc<str>>),
}

impl Queue {
    pub(super) fn new(append_bytes_limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            arrived: Condvar::new(),
            append_bytes_limit,
        }
    }

    /// Adds a single record.
    pub(super) fn append(
        &self,
        partition: &Arc<Partition>,
        key: Option<&[u8]>,
        value: &[u8],
    ) -> Result<PendingAppend, LogError> {
        let mut state = lock(&self.state);
        state.check()?;
        let bytes = super::chunk::RECORD_BYTES + key.map_or(0, <[u8]>::len) + value.len();
        if state.append_bytes + bytes > self.append_bytes_limit {
            return Err(LogError::Busy {
                reason: format!("{} bytes wait to be written already", state.append_bytes),
            });
        }
        state.append_bytes += bytes;
        if !matches!(state.requests.last(), Some(Request::Appends(_))) {
            state.requests.push(Request::Appends(AppendRun::default()));
        }
        let Some(Request::Appends(run)) = state.requests.last_mut() else {
            unreachable!("a run was just put there")
        };
        let known = run
            .sections
            .iter()
            .position(|it| Arc::ptr_eq(&it.partition, partition));
        let section = known.unwrap_or_else(|| {
            run.sections.push(AppendSection {
                partition: Arc::clone(partition),
                chunks: Vec::new(),
                writer: ChunkWriter::default(),
                records: 0,
            });
            run.sections.len() - 1
        });
        let entry = &mut run.sections[section];
        entry
            .writer
            .push(&mut entry.chunks, key, Some(value), Headers::default());
        let record = entry.records;
        entry.records += 1;
        let pending = PendingAppend {
            completion: Arc::clone(&run.owed.0),
            section,
            record,
            waker: None,
        };
        drop(state);
        self.arrived.notify_one();
        Ok(pending)
    }

    /// Adds a unit of work.
    pub(super) fn commit(&self, frame: Frame) -> Result<Arc<Completion>, LogError> {
        let mut state = lock(&self.state);
        state.check()?;
        let owed = Owed::default();
        let completion = Arc::clone(&owed.0);
        state.requests.push(Request::Unit { frame, owed });
        drop(state);
        self.arrived.notify_one();
        Ok(completion)
    }

    /// Asks for a snapshot after all that is in the queue now.
    pub(super) fn snapshot(&self, to: SyncSender<Snapshot>) -> Result<(), LogError> {
        let mut state = lock(&self.state);
        if let Phase::Ended(reason) = &state.phase {
            return Err(closed(reason.as_ref()));
        }
        state.snapshots.push(to);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for work. `None` once the queue has ended.
    pub(super) fn take(&self) -> Option<Work> {
        let mut state = lock(&self.state);
        loop {
            if !state.requests.is_empty() || !state.snapshots.is_empty() {
                state.append_bytes = 0;
                return Some(Work {
                    requests: mem::take(&mut state.requests),
                    snapshots: mem::take(&mut state.snapshots),
                });
            }
            if matches!(state.phase, Phase::Ended(_)) {
                return None;
            }
            state = wait(&self.arrived, state);
        }
    }

    /// Takes nothing more.
    pub(super) fn drain(&self) {
        let mut state = lock(&self.state);
        if matches!(state.phase, Phase::Open) {
            state.phase = Phase::Draining;
        }
    }

    /// Ends the queue. What is in it is refused, with a reason if there is one.
    pub(super) fn end(&self, reason: Option<&Arc<str>>) {
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Ended(_)) {
            state.phase = Phase::Ended(reason.cloned());
        }
        let requests = mem::take(&mut state.requests);
        state.snapshots.clear();
        drop(state);
        self.arrived.notify_all();
        for request in requests {
            request
                .owed()
                .answer(Err(Refusal::NotBegun(Arc::new(closed(reason)))));
        }
    }
}

impl State {
    fn check(&self) -> Result<(), LogError> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Draining => Err(closed(None)),
            Phase::Ended(reason) => Err(closed(reason.as_ref())),
        }
    }
}

impl Request {
    pub(super) fn owed(&self) -> &Owed {
        match self {
            Self::Appends(run) => &run.owed,
            Self::Unit { owed, .. } => owed,
        }
    }
}

/// The writer's side of a completion. Whoever waits is answered in any case.
#[derive(Debug, Default)]
pub(super) struct Owed(Arc<Completion>);

impl Owed {
    /// Answers, where that was not done yet.
    pub(super) fn answer(&self, answer: Answer) {
        self.0.complete(answer);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.complete(Err(Refusal::Unclear(
            "the writer ended before it answered".into(),
        )));
    }
}

/// What a call on a closed log is told.
pub(super) fn closed(reason: Option<&Arc<str>>) -> LogError {
    LogError::Closed {
        reason: reason.map(ToString::to_string),
    }
}

/// Why a request was not answered with offsets. Shared by all records of a run.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// Nothing of it was written.
    NotBegun(Arc<LogError>),
    /// Writing failed on the way: what a restart will find is not known.
    Unclear(Arc<str>),
}

impl Refusal {
    fn as_log_error(&self) -> LogError {
        match self {
            Self::NotBegun(error) => match &**error {
                LogError::DiskFull {
                    path,
                    free,
                    reserve,
                } => LogError::DiskFull {
                    path: path.clone(),
                    free: *free,
                    reserve: *reserve,
                },
                LogError::Closed { reason } => LogError::Closed {
                    reason: reason.clone(),
                },
                other => LogError::Closed {
                    reason: Some(other.to_string()),
                },
            },
            Self::Unclear(reason) => LogError::Closed {
                reason: Some(reason.to_string()),
            },
        }
    }

    fn into_commit_error(self) -> CommitError {
        match self {
            Self::NotBegun(_) => CommitError::Log(self.as_log_error()),
            Self::Unclear(reason) => CommitError::Unclear {
                reason: reason.to_string(),
            },
        }
    }
}

/// The first offset of each section, or why there is none.
pub(super) type Answer = Result<Vec<i64>, Refusal>;

/// The answer to a request, once there is one.
#[derive(Debug)]
pub(super) struct Completion {
    state: Mutex<Progress>,
    answered: Condvar,
}

#[derive(Debug)]
enum Progress {
    Waiting(Vec<Waker>),
    Answered(Answer),
}

impl Default for Completion {
    fn default() -> Self {
        Self {
            state: Mutex::new(Progress::Waiting(Vec::new())),
            answered: Condvar::new(),
        }
    }
}

impl Completion {
    fn complete(&self, answer: Answer) {
        let mut state = lock(&self.state);
        let Progress::Waiting(wakers) = &mut *state else {
            return;
        };
        let wakers = mem::take(wakers);
        *state = Progress::Answered(answer);
        drop(state);
        self.answered.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Blocks until the unit of work is committed or not.
    pub(super) fn wait(&self) -> Result<(), CommitError> {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                Progress::Answered(Ok(_)) => return Ok(()),
                Progress::Answered(Err(refusal)) => {
                    return Err(refusal.clone().into_commit_error());
                }
                Progress::Waiting(_) => state = wait(&self.answered, state),
            }
        }
    }
}

/// Resolves to the offset of a record that was appended.
#[derive(Debug)]
pub(super) struct PendingAppend {
    completion: Arc<Completion>,
    section: usize,
    record: u32,
    /// Which waker of the completion is this one's.
    waker: Option<usize>,
}

impl Future for PendingAppend {
    type Output = Result<i64, LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match &mut *lock(&this.completion.state) {
            Progress::Answered(Ok(bases)) => {
                Poll::Ready(Ok(bases[this.section] + i64::from(this.record)))
            }
            Progress::Answered(Err(refusal)) => Poll::Ready(Err(refusal.as_log_error())),
            Progress::Waiting(wakers) => {
                match this.waker {
                    Some(index) => wakers[index].clone_from(context.waker()),
                    None => {
                        this.waker = Some(wakers.len());
                        wakers.push(context.waker().clone());
                    }
                }
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use proptest::prelude::*;

    use super::{Completion, PendingAppend};

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Alarm(AtomicUsize);

    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(append: &mut PendingAppend, waker: &Waker) -> Poll<i64> {
        std::pin::pin!(append)
            .poll(&mut Context::from_waker(waker))
            .map(Result::unwrap)
    }

    /// What becomes of an append before the answer.
    #[derive(Clone, Copy, Debug)]
    enum Fate {
        Awaited,
        /// Asked once, and kept: as where many are begun before the first is awaited.
        Kept,
        Dropped,
    }

    proptest! {
        /// Whoever waits is woken, whatever becomes of the others of his run.
        #[test]
        fn nobody_depends_on_another_to_be_woken(
            fates in prop::collection::vec(
                prop_oneof![Just(Fate::Awaited), Just(Fate::Kept), Just(Fate::Dropped)],
                1..12,
            ),
        ) {
            let completion = Arc::new(Completion::default());
            let mut kept = Vec::new();
            for (record, fate) in fates.into_iter().enumerate() {
                let mut append = PendingAppend {
                    completion: Arc::clone(&completion),
                    section: 0,
                    record: u32::try_from(record).unwrap(),
                    waker: None,
                };
                prop_assert!(poll(&mut append, Waker::noop()).is_pending());
                let alarm = Arc::new(Alarm::default());
                if matches!(fate, Fate::Awaited) {
                    prop_assert!(poll(&mut append, &Waker::from(Arc::clone(&alarm))).is_pending());
                }
                if !matches!(fate, Fate::Dropped) {
                    kept.push((append, alarm, fate));
                }
            }
            completion.complete(Ok(vec![100]));
            for (mut append, alarm, fate) in kept {
                if matches!(fate, Fate::Awaited) {
                    prop_assert_eq!(alarm.0.load(Ordering::Relaxed), 1);
                }
                let offset = 100 + i64::from(append.record);
                prop_assert_eq!(poll(&mut append, Waker::noop()), Poll::Ready(offset));
            }
        }
    }
}
