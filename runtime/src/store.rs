//! The RocksDB store of one task.
//!
//! One column family, so that what is left after a crash is always a prefix of what was committed. Its
//! write-ahead log is never synced, because the log itself is one (see [`crate::recovery`]): it spares
//! a process that was killed most of reading again, and is dropped where the machine stopped (see
//! `boot.rs`). Under the empty key, which no task may use, stands the store's [`Stamp`]; it is written
//! in the batch of every commit.

mod boot;
mod claim;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    ErrorKind, FlushOptions, LogLevel, Options, ReadOptions, WriteBatch, WriteBufferManager,
};

use self::claim::Claim;
use crate::StateError;
use crate::overlay::Overlay;

/// The layout of stores. One with another is rebuilt.
const FORMAT: u32 = 1;
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

/// How far a store is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Position {
    /// All of the input below this offset is in it, and nothing else.
    Input(i64),
    /// It is being rebuilt from an output: all of that below this offset is in it, and nothing else.
    Rebuilding(i64),
}

/// What a store says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    /// [`crate::Stage::state_version`] of the stage that wrote it.
    pub(crate) state_version: u32,
    /// How far it is.
    pub(crate) position: Position,
    /// When that was written, in milliseconds since 1970.
    pub(crate) committed_at_ms: i64,
    /// The group and topics that positions are of: a store of another installation is not ours.
    pub(crate) source: Arc<str>,
}

impl Stamp {
    fn encode(&self) -> Vec<u8> {
        let (phase, offset) = match self.position {
            Position::Input(offset) => (0, offset),
            Position::Rebuilding(offset) => (1, offset),
        };
        let mut bytes = Vec::with_capacity(25 + self.source.len());
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.state_version.to_le_bytes());
        bytes.push(phase);
        bytes.extend_from_slice(&offset.to_le_bytes());
        bytes.extend_from_slice(&self.committed_at_ms.to_le_bytes());
        bytes.extend_from_slice(self.source.as_bytes());
        bytes
    }

    /// None where the stamp is of another format.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (format, bytes) = bytes.split_first_chunk()?;
        if u32::from_le_bytes(*format) != FORMAT {
            return None;
        }
        let (state_version, bytes) = bytes.split_first_chunk()?;
        let (phase, bytes) = bytes.split_first()?;
        let (offset, bytes) = bytes.split_first_chunk()?;
        let (committed_at_ms, source) = bytes.split_first_chunk()?;
        let offset = i64::from_le_bytes(*offset);
        Some(Self {
            state_version: u32::from_le_bytes(*state_version),
            position: match phase {
                0 => Position::Input(offset),
                1 => Position::Rebuilding(offset),
                _ => return None,
            },
            committed_at_ms: i64::from_le_bytes(*committed_at_ms),
            source: std::str::from_utf8(source).ok()?.into(),
        })
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
mod tests {
    use super::{FlushPolicy, OpenError, Position, Stamp, StateMemory, Store, successor};
    use crate::overlay::Overlay;

    #[test]
    fn a_stamp_comes_back_as_it_was_written() {
        for position in [Position::Input(i64::MAX), Position::Rebuilding(0)] {
            let stamp = Stamp {
                state_version: 3,
                position,
                committed_at_ms: 1_772_409_600_000,
                source: "g a b".into(),
            };
            let bytes = stamp.encode();
            assert_eq!(Stamp::decode(&bytes), Some(stamp));
            let mut other = bytes.clone();
            other[0] ^= 0x40;
            assert_eq!(
                Stamp::decode(&other),
                None,
                "another format is none that we read"
            );
            assert_eq!(Stamp::decode(&bytes[..12]), None);
        }
    }

    /// The position of a store that was opened again in `folder`.
    fn reopened(folder: &std::path::Path) -> Option<Position> {
        let memory = StateMemory::new(8 << 20);
        let store = Store::open(folder, &memory, FlushPolicy::default()).unwrap();
        store.stamp().unwrap().map(|stamp| stamp.position)
    }

    /// What is left of a store that was flushed at 1 and is at 3 when its process is killed.
    #[test]
    fn a_killed_process_leaves_all_and_a_stopped_machine_what_was_flushed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0");
        let at = |position| Stamp {
            state_version: 1,
            position: Position::Input(position),
            committed_at_ms: 0,
            source: "s".into(),
        };
        let memory = StateMemory::new(8 << 20);
        let mut store = Store::open(&path, &memory, FlushPolicy::default()).unwrap();
        for position in 1..=3 {
            let mut overlay = Overlay::default();
            overlay.set(b"key", Some(position.to_string().into_bytes()));
            overlay.commit();
            store.commit(&mut overlay, &at(position), 1).unwrap();
            if position == 1 {
                store.flush(true).unwrap();
            }
        }
        let copy = |name: &str, leave_out: Option<&str>, cut: u64| {
            let copy = folder.path().join(name);
            std::fs::create_dir(&copy).unwrap();
            for entry in std::fs::read_dir(&path).unwrap() {
                let file = entry.unwrap().path();
                let name = file.file_name().unwrap().to_str().unwrap();
                if leave_out == Some(name) {
                    continue;
                }
                let copied = copy.join(name);
                let bytes = std::fs::copy(&file, &copied).unwrap();
                if name.ends_with(".log") && bytes > 0 {
                    let file = std::fs::File::options().write(true).open(copied).unwrap();
                    file.set_len(bytes - cut).unwrap();
                }
            }
            copy
        };
        assert_eq!(reopened(&copy("killed", None, 0)), Some(Position::Input(3)));
        assert_eq!(reopened(&copy("torn", None, 1)), Some(Position::Input(2)));
        let stopped = copy("stopped", Some("BOOT"), 0);
        assert_eq!(reopened(&stopped), Some(Position::Input(1)));
        assert_eq!(reopened(&stopped), Some(Position::Input(1)));
    }

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(successor(b"ab").as_deref(), Some(&b"ac"[..]));
        assert_eq!(successor(b"a\xff\xff").as_deref(), Some(&b"b"[..]));
        assert_eq!(successor(b"\xff"), None);
        assert_eq!(successor(b""), None);
    }

    #[test]
    fn a_store_in_use_is_told_from_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0");
        let memory = StateMemory::new(8 << 20);
        let open = || Store::open(&path, &memory, FlushPolicy::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        assert!(matches!(open(), Ok(_) | Err(OpenError::InUse(_))));
                    }
                });
            }
        });
        let mut first = open().unwrap();
        assert!(matches!(open(), Err(OpenError::InUse(_))));
        first.flush(true).unwrap();
        drop(first);
        std::fs::write(path.join("CURRENT"), "no manifest\n").unwrap();
        assert!(matches!(open(), Err(OpenError::Damaged(_))));
    }
}
