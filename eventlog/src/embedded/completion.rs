//! How the writer answers those whose requests it took.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};

use super::sync::{lock, wait};
use crate::{CommitError, LogError};

/// The writer's side of a completion. Whoever waits is answered in any case.
#[derive(Debug, Default)]
pub(super) struct Owed(Arc<Completion>);

impl Owed {
    pub(super) fn completion(&self) -> Arc<Completion> {
        Arc::clone(&self.0)
    }

    /// Waits for the offset of a record of the request: by its section, and its place there.
    pub(super) fn pending_append(&self, section: usize, record: u32) -> PendingAppend {
        PendingAppend {
            completion: self.completion(),
            section,
            record,
            waker: None,
        }
    }

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

    use super::{Owed, PendingAppend};

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
            let owed = Owed::default();
            let mut kept = Vec::new();
            for (record, fate) in (0_u32..).zip(fates) {
                let mut append = owed.pending_append(0, record);
                prop_assert!(poll(&mut append, Waker::noop()).is_pending());
                let alarm = Arc::new(Alarm::default());
                if matches!(fate, Fate::Awaited) {
                    prop_assert!(poll(&mut append, &Waker::from(Arc::clone(&alarm))).is_pending());
                }
                if !matches!(fate, Fate::Dropped) {
                    kept.push((append, alarm, fate));
                }
            }
            owed.answer(Ok(vec![100]));
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
