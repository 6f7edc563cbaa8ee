//! What stops a worker, each with what to do.

use std::path::PathBuf;

use rollcall_eventlog::{CommitError, LogError, TopicPartition};

use crate::StateError;

/// Why a worker stopped. Nothing that it had not committed is in the log.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The log failed in a way that waiting does not mend.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Another process or thread takes this worker's place again and again.
    #[error("{stage}: {source}")]
    Fenced {
        /// The stage.
        stage: &'static str,
        /// What the log says.
        source: CommitError,
    },
    /// The state could not be read, written or rebuilt.
    #[error("{stage}: {source}")]
    State {
        /// The stage.
        stage: &'static str,
        /// What failed.
        source: StateError,
    },
    /// A store's folder could not be removed, to be rebuilt.
    #[error("{}, a store that is to be rebuilt from the log, cannot be removed: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A topic that the stage needs does not exist.
    #[error(
        "{stage}: topic {topic} does not exist: topics are created at the start from the configuration, was its prefix changed?"
    )]
    NoTopic {
        /// The stage.
        stage: &'static str,
        /// The topic.
        topic: String,
    },
    /// The topic that a store is a view of has not the input's partitions, so that no task could be
    /// rebuilt from its own partition.
    #[error(
        "{stage}: {view} has {view_partitions} partitions, and {input} has {input_partitions}: they must have the same"
    )]
    Partitions {
        /// The stage.
        stage: &'static str,
        /// The topic that the store is a view of.
        view: String,
        /// Its partitions.
        view_partitions: u32,
        /// The stage's input.
        input: String,
        /// Its partitions.
        input_partitions: u32,
    },
    /// The group's position lies above the end of the log.
    #[error(
        "{partition}: group {group} is at offset {committed}, and the log ends at {end}: the log is not the one that the group read. Restore it, or reset the group knowingly"
    )]
    AboveEnd {
        /// The partition.
        partition: TopicPartition,
        /// The group.
        group: String,
        /// Where the group is.
        committed: i64,
        /// Where the log ends.
        end: i64,
    },
    /// A stage did not say of every record what became of it. A fault of the stage.
    #[error(
        "{stage}: {partition} from offset {offset}: {records} records went in, and {outcomes} outcomes came out. This is a fault of Rollcall; please report it"
    )]
    Outcomes {
        /// The stage.
        stage: &'static str,
        /// The partition.
        partition: TopicPartition,
        /// The first record's offset.
        offset: i64,
        /// Records in the batch.
        records: usize,
        /// Outcomes told.
        outcomes: usize,
    },
}

impl RuntimeError {
    /// Whether the same may succeed later without anybody's doing.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Log(error) if error.is_retriable())
    }
}
