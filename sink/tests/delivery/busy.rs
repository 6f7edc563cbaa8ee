//! A log that takes no commits for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rollcall_eventlog::{
    Appender, CommitError, EventLog, LogError, Member, MemberConfig, Offsets, Polled, Reader,
    TopicConfig, TopicPartition, UnitOfWork,
};

/// Commits fail while it is busy; everything else is as the log below it does it.
pub(crate) struct BusyLog {
    below: Arc<dyn EventLog>,
    busy: Arc<AtomicBool>,
    readers: AtomicUsize,
}

impl BusyLog {
    pub(crate) fn over(below: Arc<dyn EventLog>) -> Self {
        Self {
            below,
            busy: Arc::new(AtomicBool::new(true)),
            readers: AtomicUsize::new(0),
        }
    }

    /// How many readers were opened.
    pub(crate) fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }

    pub(crate) fn takes_commits_again(&self) {
        self.busy.store(false, Ordering::Relaxed);
    }
}

impl EventLog for BusyLog {
    fn ensure_topics(&self, topics: &[TopicConfig]) -> Result<(), LogError> {
        self.below.ensure_topics(topics)
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        self.below.partitions(topic)
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<Offsets, LogError> {
        self.below.offsets(partition)
    }

    fn offset_at(&self, partition: &TopicPartition, at_ms: i64) -> Result<Option<i64>, LogError> {
        self.below.offset_at(partition, at_ms)
    }

    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<i64>>, LogError> {
        self.below.committed(group, partitions)
    }

    fn appender(&self) -> Result<Arc<dyn Appender>, LogError> {
        self.below.appender()
    }

    fn join(&self, config: MemberConfig) -> Result<Box<dyn Member>, LogError> {
        Ok(Box::new(BusyMember {
            below: self.below.join(config)?,
            busy: Arc::clone(&self.busy),
        }))
    }

    fn reader(&self, from: &[(TopicPartition, i64)]) -> Result<Box<dyn Reader>, LogError> {
        self.readers.fetch_add(1, Ordering::Relaxed);
        self.below.reader(from)
    }

    fn free_space(&self) -> Result<Option<u64>, LogError> {
        self.below.free_space()
    }

    fn close(&self) -> Result<(), LogError> {
        self.below.close()
    }
}

struct BusyMember {
    below: Box<dyn Member>,
    busy: Arc<AtomicBool>,
}

impl Member for BusyMember {
    fn poll(&mut self, max_records: usize, timeout: Duration) -> Result<Polled, LogError> {
        self.below.poll(max_records, timeout)
    }

    fn start(&mut self, from: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        self.below.start(from)
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.below.release(partitions)
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError> {
        self.below.seek(partition, offset)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.below.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.below.resume(partitions)
    }

    fn commit(&mut self, unit: &UnitOfWork) -> Result<(), CommitError> {
        if self.busy.load(Ordering::Relaxed) {
            let reason = "busy in this test".to_owned();
            return Err(LogError::Busy { reason }.into());
        }
        self.below.commit(unit)
    }

    fn leave(self: Box<Self>) {
        self.below.leave();
    }
}
