//! A log whose members do not wait: when a worker has drained its input, a hook says what comes
//! next. So a real worker runs on the test's own thread, in the same order every time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rollcall_eventlog::{
    Appender, CommitError, EventLog, LogError, Member, MemberConfig, Offsets, Polled, Reader,
    TopicConfig, TopicPartition, UnitOfWork,
};
use rollcall_runtime::Shutdown;

/// Called when the input is drained; says whether there is more.
pub(crate) type Drained<'a> = Box<dyn FnMut() -> Result<bool, LogError> + Send + 'a>;

/// The log, for one worker.
pub(crate) struct Stepped {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) drained: Arc<Mutex<Drained<'static>>>,
    pub(crate) shutdown: Shutdown,
    /// How long a poll may wait: none, where the log knows at once what there is.
    pub(crate) wait: Duration,
}

impl EventLog for Stepped {
    fn ensure_topics(&self, topics: &[TopicConfig]) -> Result<(), LogError> {
        self.log.ensure_topics(topics)
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        self.log.partitions(topic)
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<Offsets, LogError> {
        self.log.offsets(partition)
    }

    fn offset_at(
        &self,
        partition: &TopicPartition,
        timestamp_ms: i64,
    ) -> Result<Option<i64>, LogError> {
        self.log.offset_at(partition, timestamp_ms)
    }

    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<i64>>, LogError> {
        self.log.committed(group, partitions)
    }

    fn appender(&self) -> Result<Arc<dyn Appender>, LogError> {
        self.log.appender()
    }

    fn join(&self, config: MemberConfig) -> Result<Box<dyn Member>, LogError> {
        let mut input = Vec::new();
        for topic in &config.topics {
            let partitions = self.log.partitions(topic)?.unwrap_or(0);
            input.extend(
                (0..partitions).map(|number| TopicPartition::new(Arc::clone(topic), number)),
            );
        }
        Ok(Box::new(SteppedMember {
            log: Arc::clone(&self.log),
            drained: Arc::clone(&self.drained),
            shutdown: self.shutdown.clone(),
            wait: self.wait,
            group: config.group.clone(),
            input,
            member: self.log.join(config)?,
        }))
    }

    fn reader(&self, from: &[(TopicPartition, i64)]) -> Result<Box<dyn Reader>, LogError> {
        self.log.reader(from)
    }

    fn free_space(&self) -> Result<Option<u64>, LogError> {
        self.log.free_space()
    }

    fn close(&self) -> Result<(), LogError> {
        self.log.close()
    }
}

struct SteppedMember {
    log: Arc<dyn EventLog>,
    drained: Arc<Mutex<Drained<'static>>>,
    shutdown: Shutdown,
    wait: Duration,
    group: String,
    input: Vec<TopicPartition>,
    member: Box<dyn Member>,
}

impl SteppedMember {
    /// Whether the group has committed all that there is.
    fn is_drained(&self) -> Result<bool, LogError> {
        let committed = self.log.committed(&self.group, &self.input)?;
        for (partition, committed) in self.input.iter().zip(committed) {
            let offsets = self.log.offsets(partition)?;
            if committed.unwrap_or(offsets.start) < offsets.end {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Member for SteppedMember {
    fn poll(&mut self, max_records: usize, _: Duration) -> Result<Polled, LogError> {
        let polled = self.member.poll(max_records, self.wait)?;
        if matches!(polled, Polled::Idle) && self.is_drained()? {
            let mut drained = self.drained.lock().unwrap_or_else(PoisonError::into_inner);
            if !drained()? {
                self.shutdown.request();
            }
        }
        Ok(polled)
    }

    fn start(&mut self, from: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        self.member.start(from)
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.member.release(partitions)
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError> {
        self.member.seek(partition, offset)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.member.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.member.resume(partitions)
    }

    fn commit(&mut self, unit: &UnitOfWork) -> Result<(), CommitError> {
        self.member.commit(unit)
    }

    fn leave(self: Box<Self>) {
        self.member.leave();
    }
}
