//! The RocksDB store of one task.
//!
//! One column family, so that what is left after a crash is always a prefix of what was committed. Its
//! write-ahead log is never synced, because the log itself is one (see [`crate::recovery`]): it spares
//! a process that was killed most of reading again, and is dropped where the machine stopped (see
//! `boot.rs`). Under the empty key, which no task may use, stands the store's [`Stamp`]; it is written
//! in the batch of every commit.

mod boot;
mod claim;
mod stamp;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    ErrorKind, FlushOptions, LogLevel, Options, ReadOptions, WriteBatch, WriteBufferManager,
};

use self::claim::Claim;
pub(crate) use self::stamp::{Position, Stamp};
use crate::StateError;
use crate::overlay::Overlay;

const STAMP_KEY: &[u8] = b"";
/// What RocksDB says of a folder that this process or another one has open; it has no kind for it.
const LOCKED: [&str; 2] = ["lock hold by current process", "While lock file"];
const COLUMN_FAMILY: &str = "default";
/// What a batch of RocksDB holds of a write beside its key and value: a tag and two lengths. Its header
/// is not longer.
const WRITE_OVERHEAD: usize = 12;

/// Memory that all stores of a process share: blocks read, their indices and filters, and writes
/// that are not on disk yet.
#[derive(Clone)]
pub struct StateMemory {
    cache: Cache,
    write_buffers: WriteBufferManager,
    memtable_bytes: usize,
}

impl Default for StateMemory {
    /// 96 MiB: less makes stores write and compact more.
    fn default() -> Self {
        Self::new(96 << 20)
    }
}

impl StateMemory {
    /// Shares `bytes` among all stores; half of it at most for writes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let cache = Cache::new_lru_cache(bytes);
        let write_buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
            bytes / 2,
            false,
            cache.clone(),
        );
        Self {
            cache,
            write_buffers,
            memtable_bytes: (bytes / 8).clamp(1 << 20, 64 << 20),
        }
    }

    /// Bytes in use now.
    #[must_use]
    pub fn usage(&self) -> usize {
        self.cache.get_usage()
    }
}

impl std::fmt::Debug for StateMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateMemory")
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

/// When a store is flushed to disk, beside when its memory is full: what was applied since is read
/// from the log again where the machine stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FlushPolicy {
    /// Records applied since the last flush.
    pub records: u64,
    /// Time since the last flush, where anything was applied.
    pub age: Duration,
}

impl Default for FlushPolicy {
    /// 200,000 records, or 5 minutes.
    fn default() -> Self {
        Self {
            records: 200_000,
            age: Duration::from_secs(300),
        }
    }
}

/// When a store takes what units of work have written since it did so last: together, so that a key
/// which many of them write is written once. A process that was killed takes these records from the
/// log again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WriteBackPolicy {
    /// Records processed.
    pub records: u64,
    /// Bytes of keys and values written. As many again are kept to be read, for each store and beside
    /// [`StateMemory`].
    pub bytes: usize,
    /// Time since the first of them was committed.
    pub age: Duration,
}

impl Default for WriteBackPolicy {
    /// 8,000 records, 8 MiB, or a second.
    fn default() -> Self {
        Self {
            records: 8_000,
            bytes: 8 << 20,
            age: Duration::from_secs(1),
        }
    }
}

/// Why a store could not be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Another task, which is about to let go, still has it.
    InUse(StateError),
    /// Its files are not what was written.
    Damaged(StateError),
    /// Anything else.
    Failed(StateError),
}

/// The store of one task.
pub(crate) struct Store {
    path: PathBuf,
    db: DB,
    flush: FlushPolicy,
    unflushed: u64,
    flushed_at: Instant,
    /// Let go of once the database is closed: fields are dropped in this order.
    _claim: Claim,
}

impl Store {
    /// Opens the store in `path`, or makes it.
    pub(crate) fn open(
        path: &Path,
        memory: &StateMemory,
        flush: FlushPolicy,
    ) -> Result<Self, OpenError> {
        let claim = Claim::of(path).ok_or_else(|| {
            OpenError::InUse(StateError::InUse {
                path: path.to_owned(),
            })
        })?;
        boot::drop_write_ahead_log_of_an_earlier_run(path).map_err(|source| {
            OpenError::Failed(StateError::Folder {
                path: path.to_owned(),
                source,
            })
        })?;
        let options = options(memory);
        let family = ColumnFamilyDescriptor::new(COLUMN_FAMILY, options.clone());
        let db = DB::open_cf_descriptors(&options, path, [family]).map_err(|source| {
            let (kind, in_use) = (
                source.kind(),
                LOCKED.iter().any(|words| source.as_ref().contains(words)),
            );
            let error = StateError::Store {
                path: path.to_owned(),
                source,
            };
            match kind {
                ErrorKind::IOError if in_use => OpenError::InUse(error),
                ErrorKind::Corruption => OpenError::Damaged(error),
                _ => OpenError::Failed(error),
            }
        })?;
        Ok(Self {
            path: path.to_owned(),
            db,
            flush,
            unflushed: 0,
            flushed_at: Instant::now(),
            _claim: claim,
        })
    }

    /// What the store says of itself; none where it is new, or of another format.
    pub(crate) fn stamp(&self) -> Result<Option<Stamp>, StateError> {
        Ok(self.get(STAMP_KEY)?.and_then(|bytes| Stamp::decode(&bytes)))
    }

    /// Whether nothing was ever committed to it.
    pub(crate) fn is_new(&self) -> Result<bool, StateError> {
        Ok(self.get(STAMP_KEY)?.is_none())
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.db.get(key).map_err(|source| self.error(source))
    }

    pub(crate) fn multi_get<'k>(
        &self,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        let family = self
            .db
            .cf_handle(COLUMN_FAMILY)
            .expect("every store is opened with its one column family");
        self.db
            .batched_multi_get_cf(family, keys, false)
            .into_iter()
            .map(|value| match value {
                Ok(value) => Ok(value.map(|value| value.to_vec())),
                Err(source) => Err(self.error(source)),
            })
            .collect()
    }

    /// Calls `visit` with every key that starts with `prefix`, in order, until it returns false.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateError> {
        let mut read = ReadOptions::default();
        if let Some(end) = successor(prefix) {
            read.set_iterate_upper_bound(end);
        }
        let mut iterator = self.db.raw_iterator_opt(read);
        iterator.seek(prefix);
        while let Some((key, value)) = iterator.item() {
            if key != STAMP_KEY && !visit(key, value) {
                return Ok(());
            }
            iterator.next();
        }
        iterator.status().map_err(|source| self.error(source))
    }

    /// Takes all that is committed of `overlay`, and the stamp, at once. `records` were applied since
    /// the last time.
    pub(crate) fn commit(
        &mut self,
        overlay: &mut Overlay,
        stamp: &Stamp,
        records: u64,
    ) -> Result<(), StateError> {
        crash_point!(BEFORE_STORE);
        // In order: the memory table is a sorted list.
        let writes = overlay.committed();
        let stamp = stamp.encode();
        // At once: a batch that grows is copied again and again.
        let mut batch = WriteBatch::with_capacity_bytes(
            overlay.committed_bytes() + (writes.len() + 2) * WRITE_OVERHEAD + stamp.len(),
        );
        for (key, value) in writes {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        batch.put(STAMP_KEY, stamp);
        self.db.write(batch).map_err(|source| self.error(source))?;
        crash_point!(AFTER_STORE);
        overlay.stored();
        self.unflushed += records;
        if self.unflushed >= self.flush.records
            || (self.unflushed > 0 && self.flushed_at.elapsed() >= self.flush.age)
        {
            self.flush(false)?;
        }
        Ok(())
    }

    /// Writes to disk what is in memory only; where `wait`, returns once it is there.
    pub(crate) fn flush(&mut self, wait: bool) -> Result<(), StateError> {
        crash_point!(BEFORE_FLUSH);
        let mut options = FlushOptions::default();
        options.set_wait(wait);
        self.db
            .flush_opt(&options)
            .map_err(|source| self.error(source))?;
        crash_point!(AFTER_FLUSH);
        self.unflushed = 0;
        self.flushed_at = Instant::now();
        Ok(())
    }

    fn error(&self, source: rocksdb::Error) -> StateError {
        StateError::Store {
            path: self.path.clone(),
            source,
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Options for small rows that are read and written again and again.
fn options(memory: &StateMemory) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&memory.cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_bloom_filter(10.0, false);
    table.set_optimize_filters_for_memory(true);
    table.set_block_size(8 << 10);
    table.set_format_version(6);

    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_manager(&memory.write_buffers);
    options.set_write_buffer_size(memory.memtable_bytes);
    options.set_max_write_buffer_number(3);
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(0.1);
    // Level 0 and the first level below it, which is all of a small store, cost disk rather than CPU;
    // the last of these holds for all further levels.
    options.set_compression_per_level(&[
        DBCompressionType::None,
        DBCompressionType::None,
        DBCompressionType::Lz4,
    ]);
    options.set_level_compaction_dynamic_level_bytes(true);
    // With RocksDB's 256 MB a store of less is one level, and what level 0 has gathered is merged into
    // all of it: the cost of a record would grow with how many people there are.
    options.set_max_bytes_for_level_base(32 << 20);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    // A torn end was not committed to the store; what comes before it was.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options
}

/// The least key above all that start with `prefix`; none where there is no such key.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests;
