//! The port: what the pipeline asks of a log, and what it may rely on.
//!
//! Invariants that both engines hold, and that the conformance suite shows:
//!
//! - Records of a partition are read in the order of their offsets. Offsets grow, and may have gaps
//!   (compaction, and on Kafka transaction markers): position is [`RecordBatch::next_offset`], never
//!   a count of records.
//! - What a [`Member`] commits becomes visible whole or not at all, to readers and to a restart,
//!   also after `kill -9` at any moment.
//! - Readers see committed records only, and never one after an undecided one.
//! - Of two members that hold one transactional id the older is fenced: its commits fail with
//!   [`CommitError::Fenced`] and leave no trace. So do those of a member that lost its place in the
//!   group.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{CommitError, LogError, OutputBatch, RecordBatch};

/// A partition of a topic.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct TopicPartition {
    /// The topic, with the configured prefix.
    pub topic: Arc<str>,
    /// The partition, from 0.
    pub partition: u32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, partition: u32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// What becomes of old records of a topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CleanupPolicy {
    /// Only the last record of every key need be kept. A tombstone itself may go once it is this
    /// old, in milliseconds.
    Compact {
        /// Least age in milliseconds of a tombstone that is dropped.
        tombstone_retention_ms: u64,
    },
    /// Records may be dropped once they are this old, in milliseconds.
    Delete {
        /// Least age in milliseconds of a record that is dropped.
        retention_ms: u64,
    },
}

/// How a topic is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicConfig {
    /// The topic, with the configured prefix.
    pub name: Arc<str>,
    /// How many partitions; fixed at creation.
    pub partitions: u32,
    /// How many copies a cluster keeps. The embedded engine keeps one.
    pub replication: u16,
    /// What becomes of old records.
    pub cleanup: CleanupPolicy,
}

/// First and next offset of a partition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Offsets {
    /// Where the log starts: no record below it exists any more.
    pub start: i64,
    /// Where the committed log ends: the next offset that a `read_committed` reader will be given is
    /// not below it once all now committed is read.
    pub end: i64,
}

/// Who a member of a group is.
#[derive(Clone, Debug)]
pub struct MemberConfig {
    /// The consumer group, with the configured prefix.
    pub group: String,
    /// The topics whose partitions the group shares out.
    pub topics: Vec<Arc<str>>,
    /// Stable over restarts of the same instance and thread, unique among those that run: a restart
    /// under it takes the place of the dead one at once, and fences it.
    pub instance: String,
}

/// What a poll brought.
#[derive(Debug)]
pub enum Polled {
    /// Records of one assigned partition.
    Records(RecordBatch),
    /// These partitions are now this member's, each with the group's committed offset, if any (the
    /// stable one: no transaction that could still move it is open). Nothing of them is read before
    /// [`Member::start`] says from where.
    Assigned(Vec<(TopicPartition, Option<i64>)>),
    /// These partitions are about to go to another member, which waits until
    /// [`Member::release`] is called. A commit before that still counts.
    Revoking(Vec<TopicPartition>),
    /// These partitions went to another member already. A commit that names them fails.
    Lost(Vec<TopicPartition>),
    /// Nothing within the time given.
    Idle,
}

/// What a stage has made of what it consumed: visible whole, or not at all.
#[derive(Debug, Default)]
pub struct UnitOfWork {
    /// Records to append.
    pub outputs: OutputBatch,
    /// Next offsets to read from, for the member's group.
    pub offsets: Vec<(TopicPartition, i64)>,
}

/// A log of topics and partitions.
///
/// All calls but [`Appender::append`] may block on disk or network: call them from a thread that may
/// wait.
pub trait EventLog: Send + Sync {
    /// Creates the topics that do not exist, and checks the others.
    ///
    /// # Errors
    ///
    /// [`LogError::TopicMismatch`] where a topic exists with another partition count or clean-up:
    /// the partition count decides where a key lives, so nothing is changed.
    fn ensure_topics(&self, topics: &[TopicConfig]) -> Result<(), LogError>;

    /// How many partitions a topic has; `None` where it does not exist.
    ///
    /// # Errors
    ///
    /// Where the log cannot be asked.
    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError>;

    /// First and next offset of a partition.
    ///
    /// # Errors
    ///
    /// Where the log cannot be asked, or has no such partition.
    fn offsets(&self, partition: &TopicPartition) -> Result<Offsets, LogError>;

    /// The first offset whose record was appended at `timestamp_ms` or later; `None` where there is
    /// no such record.
    ///
    /// # Errors
    ///
    /// Where the log cannot be asked, or has no such partition.
    fn offset_at(
        &self,
        partition: &TopicPartition,
        timestamp_ms: i64,
    ) -> Result<Option<i64>, LogError>;

    /// The offsets that a group has committed, in the order of `partitions`.
    ///
    /// # Errors
    ///
    /// Where the log cannot be asked.
    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<i64>>, LogError>;

    /// A way to append single records, each durable by itself.
    ///
    /// # Errors
    ///
    /// Where the log cannot be reached.
    fn appender(&self) -> Result<Arc<dyn Appender>, LogError>;

    /// Joins a group.
    ///
    /// # Errors
    ///
    /// Where the log cannot be reached.
    fn join(&self, config: MemberConfig) -> Result<Box<dyn Member>, LogError>;

    /// Reads partitions outside of any group, each from the offset given.
    ///
    /// # Errors
    ///
    /// Where the log cannot be reached, or has no such partition.
    fn reader(&self, from: &[(TopicPartition, i64)]) -> Result<Box<dyn Reader>, LogError>;

    /// Bytes that may still be written before appends are refused; `None` where the log is not on
    /// this machine.
    ///
    /// # Errors
    ///
    /// Where the disk cannot be asked.
    fn free_space(&self) -> Result<Option<u64>, LogError>;

    /// Syncs and closes. Whatever is called afterwards fails with [`LogError::Closed`].
    ///
    /// # Errors
    ///
    /// Where the last writes could not be made durable.
    fn close(&self) -> Result<(), LogError>;
}

/// Resolves to the record's offset once the record is durable.
pub type AppendFuture = Pin<Box<dyn Future<Output = Result<i64, LogError>> + Send>>;

/// Appends single records.
pub trait Appender: Send + Sync {
    /// Appends one record to the partition named. Does not block: where the log has no room for it
    /// now, the future resolves to [`LogError::Busy`] at once.
    ///
    /// A record whose future failed may still have been appended: a caller that tries again may
    /// append it twice.
    fn append(&self, partition: &TopicPartition, key: Option<&[u8]>, value: &[u8]) -> AppendFuture;
}

/// A member of a consumer group, with the right to commit units of work. Used by one thread.
pub trait Member: Send {
    /// Waits at most `timeout` for records or for a change of the assignment. A batch holds at most
    /// `max_records`.
    ///
    /// # Errors
    ///
    /// Where the log cannot be read. [`LogError::OutOfRange`] where a position is below the log's
    /// start.
    fn poll(&mut self, max_records: usize, timeout: Duration) -> Result<Polled, LogError>;

    /// Says from where assigned partitions are read.
    ///
    /// # Errors
    ///
    /// Where a partition is not assigned.
    fn start(&mut self, from: &[(TopicPartition, i64)]) -> Result<(), LogError>;

    /// Lets partitions go that [`Polled::Revoking`] named.
    ///
    /// # Errors
    ///
    /// Where the log cannot be reached.
    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// Goes back (or forward) in an assigned partition, dropping what was read ahead.
    ///
    /// # Errors
    ///
    /// Where the partition is not assigned.
    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError>;

    /// Stops reading assigned partitions for now. They stay assigned.
    ///
    /// # Errors
    ///
    /// Where a partition is not assigned.
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// Reads paused partitions again, from where they were paused.
    ///
    /// # Errors
    ///
    /// Where a partition is not assigned.
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// Makes a unit of work visible, whole and durably. The offsets may name partitions that are not
    /// assigned.
    ///
    /// # Errors
    ///
    /// See [`CommitError`]; only after [`CommitError::Unclear`] may the unit have become visible.
    fn commit(&mut self, unit: &UnitOfWork) -> Result<(), CommitError>;

    /// Leaves the group at once, so that others need not wait for a time-out.
    fn leave(self: Box<Self>);
}

/// Reads partitions outside of any group.
pub trait Reader: Send {
    /// Waits at most `timeout` for records of one partition. `None` where there were none.
    ///
    /// A batch without records moves the position over what is not shown (transaction markers,
    /// compacted records).
    ///
    /// # Errors
    ///
    /// Where the log cannot be read. [`LogError::OutOfRange`] where a position is below the log's
    /// start.
    fn poll(
        &mut self,
        max_records: usize,
        timeout: Duration,
    ) -> Result<Option<RecordBatch>, LogError>;
}
