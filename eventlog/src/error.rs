//! What can go wrong in a log, each with what to do.

use std::path::PathBuf;

use crate::TopicPartition;

/// A call of the log that failed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A topic exists, but not as it is wanted.
    #[error(
        "topic {topic} exists with {found}, wanted is {wanted}: change the configuration to what exists, or choose another prefix and copy the topics"
    )]
    TopicMismatch {
        /// The topic.
        topic: String,
        /// What it is like.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// A topic or partition that does not exist.
    #[error(
        "{partition} does not exist: was the log created with another prefix or partition count?"
    )]
    UnknownPartition {
        /// The partition.
        partition: TopicPartition,
    },
    /// A position that the log does not reach back to (or forward to).
    #[error(
        "{partition}: offset {offset} is outside of the log, which starts at {start}: records were dropped by retention before they were read. Raise the topic's retention; then reset the group knowingly, or rebuild from an earlier topic"
    )]
    OutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The position asked for.
        offset: i64,
        /// Where the log starts now.
        start: i64,
    },
    /// A partition that is not this member's.
    #[error("{partition} is not assigned to this member")]
    NotAssigned {
        /// The partition.
        partition: TopicPartition,
    },
    /// No room for a further record now. Worth trying again soon.
    #[error("the log has no room for a further record now: {reason}")]
    Busy {
        /// What is full.
        reason: String,
    },
    /// A record larger than the log takes.
    #[error("{partition}: a record of {bytes} bytes is larger than the log takes ({limit})")]
    TooLarge {
        /// The partition.
        partition: TopicPartition,
        /// Its size.
        bytes: usize,
        /// The most that is taken.
        limit: usize,
    },
    /// The disk is nearly full. The log goes on reading, and takes records again once there is room.
    #[error("{free} bytes are left on the disk of {}, and the log takes no more records below {reserve}: make room, or move the folder. It goes on by itself", path.display())]
    DiskFull {
        /// The log's folder.
        path: PathBuf,
        /// Bytes left.
        free: u64,
        /// Bytes that are never used.
        reserve: u64,
    },
    /// Another process has the folder.
    #[error("{} is in use by another process{}: stop that one, or give this one its own folder", path.display(), pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The other process, where known.
        pid: Option<u32>,
    },
    /// A folder written by a version that this one does not read.
    #[error("{} has format {found}, this version reads up to {known}: run the version that wrote it, or a newer one", path.display())]
    Format {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format read.
        known: u32,
    },
    /// Bytes on disk that are not what was written.
    #[error("{} is damaged at byte {position}: {reason}. Restore the folder from a backup, or move it away to start afresh", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        position: u64,
        /// What was found.
        reason: String,
    },
    /// The file system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The cluster refused, or did not answer.
    #[error("Kafka, {action}: {reason}")]
    Kafka {
        /// What was tried.
        action: String,
        /// Why it failed.
        reason: String,
        /// Whether the same call may succeed later.
        retriable: bool,
    },
    /// The log was closed, or stopped after a write failed.
    #[error("the log is closed{}", reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default())]
    Closed {
        /// Why, where it was not asked for.
        reason: Option<String>,
    },
}

impl LogError {
    /// Whether the same call may succeed later, so that it is worth trying again rather than ending.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::DiskFull { .. }
                | Self::Kafka {
                    retriable: true,
                    ..
                }
        )
    }
}

/// A unit of work that was not committed, or perhaps was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// It was not committed, and the member goes on: drop the unit, seek back, do it again.
    #[error("the unit of work was aborted: {reason}")]
    Aborted {
        /// Why.
        reason: String,
    },
    /// Whether it was committed is not known: discard all memory, join anew, and go on from what the
    /// log says.
    #[error("whether the unit of work was committed is not known: {reason}")]
    Unclear {
        /// Why.
        reason: String,
    },
    /// Another has taken this member's place. It was not committed, and none ever will be.
    #[error(
        "another process has taken this one's place: {reason}. If two run with one data folder or instance name, stop one"
    )]
    Fenced {
        /// Why.
        reason: String,
    },
    /// The log itself failed.
    #[error(transparent)]
    Log(#[from] LogError),
}
