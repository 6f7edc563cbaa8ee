//! What a stage is: a pure function of the records of one topic, with a state that is a view of a
//! topic.

use rollcall_eventlog::{OutputBatch, RecordBatch};

/// The topic from which a stage's store is rebuilt, and after a crash caught up.
///
/// No stage needs a changelog beside these: its state is a fold of records that are in the log
/// anyway (design rule 1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum View {
    /// The stage's input, up to the group's committed offset.
    Input,
    /// One of the stage's outputs, with the same partitions as the input, up to its end: units of
    /// work are atomic, so that end is where the committed input offset led to.
    Output(&'static str),
}

/// A stage of the pipeline: what it reads, what its store is a view of, and how a partition of it is
/// processed.
pub trait Stage: Send + Sync {
    /// Its name, in metrics, store folders and dead letters.
    fn name(&self) -> &'static str;

    /// The topic that it reads, without the prefix.
    fn input(&self) -> &'static str;

    /// What its store is a view of.
    fn view(&self) -> View;

    /// The version of what its tasks keep in the state. A store of another version is rebuilt from
    /// the view: raise it with every change of what is kept, or of what [`Task::process`] makes of a
    /// record.
    fn state_version(&self) -> u32 {
        1
    }

    /// A task for one partition, with empty memory.
    fn task(&self, partition: u32) -> Box<dyn Task>;
}

/// One partition of a stage. A pure function: no clock, no randomness, no input or output but those
/// of [`Unit`].
///
/// What it keeps in memory between calls must follow from the store alone, or be dropped in
/// [`Task::finish`] and [`Task::reset`].
pub trait Task: Send {
    /// Takes the records of a batch, in order, and says of each what became of it.
    ///
    /// # Errors
    ///
    /// Where the store failed: the unit of work is then aborted.
    fn process(
        &mut self,
        batch: &RecordBatch,
        unit: &mut Unit<'_>,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), StateError>;

    /// Takes records of the [`View`] topic, in order, to bring the store up to date. Outputs are
    /// dropped.
    ///
    /// # Errors
    ///
    /// Where the store failed, or a record of the view cannot be read.
    fn restore(&mut self, batch: &RecordBatch, unit: &mut Unit<'_>) -> Result<(), StateError>;

    /// Ends a unit of work: writes what was folded in memory to the state and to the outputs.
    ///
    /// # Errors
    ///
    /// Where the store failed: the unit of work is then aborted.
    fn finish(&mut self, unit: &mut Unit<'_>) -> Result<(), StateError>;

    /// Drops all memory: the unit of work was aborted.
    fn reset(&mut self);
}

/// What became of one input record. Every record ends as exactly one of these (design rule 11).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It had an effect: on outputs, or on the state that later ones come from.
    Effective,
    /// It had none: a duplicate, or of a kind that is kept and ignored.
    Ignored(&'static str),
    /// It can never succeed.
    Rejected(Rejection),
}

/// Why a record can never succeed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejection {
    /// A short name of the class of fault, for counters and filters.
    pub class: &'static str,
    /// What is wrong, for a person to read. Holds no value of the record that could be a secret.
    pub message: String,
}

/// What a task may touch while it processes: the state, and the outputs.
pub struct Unit<'a> {
    /// The state as the unit of work sees it, its own writes included.
    pub state: &'a mut dyn StateView,
    /// Where outputs go.
    pub outputs: &'a mut OutputBatch,
}

/// A state that is read and written within a unit of work. Keys are ordered bytewise.
pub trait StateView {
    /// The value of a key.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;

    /// The values of many keys, in their order: one look-up of the store for all.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    fn multi_get(&mut self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StateError>;

    /// Sets a key. The empty key is the store's own.
    fn put(&mut self, key: &[u8], value: Vec<u8>);

    /// Removes a key.
    fn delete(&mut self, key: &[u8]);

    /// Calls `visit` with every key that starts with `prefix`, and its value, in order, the writes
    /// of this unit of work included. Ends early where `visit` returns false.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    fn scan(
        &mut self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateError>;
}

/// A state that cannot be read or rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store failed.
    #[error("the state store in {path}: {source}")]
    Store {
        /// Its folder.
        path: std::path::PathBuf,
        /// What it says.
        source: rocksdb::Error,
    },
    /// Another task of this process has the store.
    #[error("the state store in {path} is in use by another task")]
    InUse {
        /// Its folder.
        path: std::path::PathBuf,
    },
    /// The store's folder cannot be made or read.
    #[error("the folder of a state store, {path}: {source}")]
    Folder {
        /// The folder.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A value that this version cannot read.
    #[error(
        "a state value cannot be read ({reason}): delete the stage's folder below state/, it is rebuilt from the log"
    )]
    Value {
        /// Why.
        reason: String,
    },
    /// A record of the view's topic that this version cannot read.
    #[error(
        "{topic}[{partition}] offset {offset}, needed to rebuild the state, cannot be read: {reason}"
    )]
    View {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The record's offset.
        offset: i64,
        /// Why.
        reason: String,
    },
    /// A test made the store fail.
    #[cfg(feature = "crash-points")]
    #[error(transparent)]
    Injected(#[from] rollcall_eventlog::LogError),
}
