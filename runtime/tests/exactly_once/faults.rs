//! Lets commits and reads of any log fail, by a script.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rollcall_eventlog::{
    Appender, CommitError, EventLog, LogError, Member, MemberConfig, Offsets, Polled, Reader,
    RecordBatch, TopicConfig, TopicPartition, UnitOfWork,
};

/// What is to fail.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults<'a> {
    /// What happens at each commit, in order; afterwards all succeed.
    pub(crate) commits: &'a [Fault],
    /// After how many reads of a recovery the process is killed, for each start of it.
    pub(crate) reads: &'a [usize],
}

/// What happens at a commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// Nothing: it succeeds.
    None,
    /// It is aborted.
    Aborted,
    /// The log has no room for it now.
    Busy,
    /// The member's place was given away.
    Fenced,
    /// Whether it was committed is not known. It was not.
    UnclearNotCommitted,
    /// Whether it was committed is not known. It was.
    UnclearCommitted,
    /// The process is killed before the log has it.
    KilledBefore,
    /// The process is killed when the log has it, and the store does not.
    KilledBetween,
    /// The process is killed when both have it, and the store has it in memory only.
    KilledAfter,
}

/// What lives on when the process is killed: the files of the stores at that moment.
pub(crate) struct Disk {
    pub(crate) folder: PathBuf,
    killed: Mutex<bool>,
    kills: AtomicUsize,
    commits: Mutex<VecDeque<Fault>>,
    reads: Mutex<VecDeque<usize>>,
}

impl Disk {
    pub(crate) fn new(folder: PathBuf, faults: &Faults<'_>) -> Self {
        Self {
            folder,
            killed: Mutex::new(false),
            kills: AtomicUsize::new(0),
            commits: Mutex::new(faults.commits.iter().copied().collect()),
            reads: Mutex::new(faults.reads.iter().copied().collect()),
        }
    }

    /// Counts a read of a recovery; kills the process where it was the last that it has.
    fn read(&self) {
        let mut reads = self.reads.lock().unwrap();
        match reads.front_mut() {
            Some(0) => {
                reads.pop_front();
                self.kill();
            }
            Some(left) => *left -= 1,
            None => {}
        }
    }

    /// Keeps the files as they are now, beside the folder. Every other time the machine stops too:
    /// what stores had not flushed does not count then.
    fn kill(&self) {
        let mut killed = self.killed.lock().unwrap();
        if !*killed {
            *killed = true;
            copy(&self.folder, &self.kept());
            if self.kills.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
                forget_runs_of_the_machine(&self.kept());
            }
        }
    }

    /// After a kill: puts the files back as they were at that moment.
    pub(crate) fn restart(&self) {
        let mut killed = self.killed.lock().unwrap();
        if std::mem::take(&mut *killed) {
            let _ = std::fs::remove_dir_all(&self.folder);
            if self.kept().exists() {
                std::fs::rename(self.kept(), &self.folder).unwrap();
            }
        }
    }

    pub(crate) fn is_killed(&self) -> bool {
        *self.killed.lock().unwrap()
    }

    fn kept(&self) -> PathBuf {
        self.folder.with_extension("kept")
    }
}

/// Makes the stores below `folder` take this run of the machine for another than that which wrote them.
fn forget_runs_of_the_machine(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            forget_runs_of_the_machine(&path);
        } else if path.ends_with("BOOT") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// Copies a folder whose files may change meanwhile, until the copy is of one moment.
fn copy(from: &Path, to: &Path) {
    let listing = || -> Vec<(PathBuf, u64)> {
        let mut files = Vec::new();
        let mut folders = vec![from.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                    Ok(metadata) => files.push((entry.path(), metadata.len())),
                    Err(_) => files.push((entry.path(), u64::MAX)),
                }
            }
        }
        files.sort();
        files
    };
    loop {
        let before = listing();
        let _ = std::fs::remove_dir_all(to);
        let copied = before.iter().all(|(path, _)| {
            let target = to.join(path.strip_prefix(from).unwrap());
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(path, target).is_ok()
        });
        if copied && listing() == before {
            return;
        }
    }
}

/// A log whose members fail by the script.
pub(crate) struct FaultyLog {
    pub(crate) inner: Arc<dyn EventLog>,
    pub(crate) disk: Arc<Disk>,
}

impl EventLog for FaultyLog {
    fn ensure_topics(&self, topics: &[TopicConfig]) -> Result<(), LogError> {
        self.inner.ensure_topics(topics)
    }
    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        self.inner.partitions(topic)
    }
    fn offsets(&self, partition: &TopicPartition) -> Result<Offsets, LogError> {
        self.inner.offsets(partition)
    }
    fn offset_at(
        &self,
        partition: &TopicPartition,
        timestamp_ms: i64,
    ) -> Result<Option<i64>, LogError> {
        self.inner.offset_at(partition, timestamp_ms)
    }
    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<i64>>, LogError> {
        self.inner.committed(group, partitions)
    }
    fn appender(&self) -> Result<Arc<dyn Appender>, LogError> {
        self.inner.appender()
    }
    fn join(&self, config: MemberConfig) -> Result<Box<dyn Member>, LogError> {
        Ok(Box::new(FaultyMember {
            inner: self.inner.join(config)?,
            disk: Arc::clone(&self.disk),
            kill_at_poll: false,
        }))
    }
    fn reader(&self, from: &[(TopicPartition, i64)]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(FaultyReader {
            inner: self.inner.reader(from)?,
            disk: Arc::clone(&self.disk),
        }))
    }
    fn free_space(&self) -> Result<Option<u64>, LogError> {
        self.inner.free_space()
    }
    fn close(&self) -> Result<(), LogError> {
        self.inner.close()
    }
}

struct FaultyReader {
    inner: Box<dyn Reader>,
    disk: Arc<Disk>,
}

impl Reader for FaultyReader {
    fn poll(
        &mut self,
        max_records: usize,
        timeout: Duration,
    ) -> Result<Option<RecordBatch>, LogError> {
        self.disk.read();
        if self.disk.is_killed() {
            return Err(killed());
        }
        self.inner.poll(max_records, timeout)
    }
}

struct FaultyMember {
    inner: Box<dyn Member>,
    disk: Arc<Disk>,
    kill_at_poll: bool,
}

fn killed() -> LogError {
    LogError::Closed {
        reason: Some("killed".into()),
    }
}

impl Member for FaultyMember {
    fn poll(&mut self, max_records: usize, timeout: Duration) -> Result<Polled, LogError> {
        if self.kill_at_poll {
            self.disk.kill();
        }
        if self.disk.is_killed() {
            return Err(killed());
        }
        self.inner.poll(max_records, timeout)
    }
    fn start(&mut self, from: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        self.inner.start(from)
    }
    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.inner.release(partitions)
    }
    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError> {
        self.inner.seek(partition, offset)
    }
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.inner.pause(partitions)
    }
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.inner.resume(partitions)
    }
    fn commit(&mut self, unit: &UnitOfWork) -> Result<(), CommitError> {
        if self.disk.is_killed() {
            return Err(killed().into());
        }
        let fault = self
            .disk
            .commits
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Fault::None);
        let reason = format!("{fault:?}");
        match fault {
            Fault::None => self.inner.commit(unit),
            Fault::Aborted => Err(CommitError::Aborted { reason }),
            Fault::Fenced => Err(CommitError::Fenced { reason }),
            Fault::Busy => Err(LogError::Busy { reason }.into()),
            Fault::UnclearNotCommitted => Err(CommitError::Unclear { reason }),
            Fault::UnclearCommitted => {
                self.inner.commit(unit)?;
                Err(CommitError::Unclear { reason })
            }
            Fault::KilledBefore => {
                self.disk.kill();
                Err(killed().into())
            }
            Fault::KilledBetween => {
                self.inner.commit(unit)?;
                self.disk.kill();
                Err(killed().into())
            }
            Fault::KilledAfter => {
                self.kill_at_poll = true;
                self.inner.commit(unit)
            }
        }
    }
    fn leave(self: Box<Self>) {
        self.inner.leave();
    }
}
