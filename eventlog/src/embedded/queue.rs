//! The queue to the writer thread.

use std::mem;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex};

use super::completion::{Completion, Owed, PendingAppend, Refusal};
use super::engine::Snapshot;
use super::frame::{ChunkWriter, Frame};
use super::partition::Partition;
use super::sync::{lock, wait};
use crate::LogError;
use crate::batch::Headers;

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
        let pending = run.owed.pending_append(section, record);
        drop(state);
        self.arrived.notify_one();
        Ok(pending)
    }

    /// Adds a unit of work.
    pub(super) fn commit(&self, frame: Frame) -> Result<Arc<Completion>, LogError> {
        let mut state = lock(&self.state);
        state.check()?;
        let owed = Owed::default();
        let completion = owed.completion();
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

/// What a call on a closed log is told.
pub(super) fn closed(reason: Option<&Arc<str>>) -> LogError {
    LogError::Closed {
        reason: reason.map(ToString::to_string),
    }
}
