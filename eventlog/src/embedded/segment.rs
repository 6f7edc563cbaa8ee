//! A segment: a file that holds chunks of one partition, one after the other.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use serde::{Deserialize, Serialize};

use super::chunk::{self, ChunkHeader};
use super::disk::LogFile;
use super::index::SparseIndex;
use super::sync::lock;
use crate::LogError;

/// Bytes read at a time, where there are as many and a chunk is not longer.
const READ_BYTES: u64 = 512 * 1024;
/// Bytes read at a time where only the heads of chunks are of interest.
const SCAN_BYTES: u64 = 64 * 1024;

/// Which file a segment is: the first offset that it may hold, and how often it was compacted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct SegmentName {
    pub(super) base: i64,
    pub(super) generation: u32,
}

impl SegmentName {
    pub(super) fn file_name(self) -> String {
        format!("{:020}-{}.segment", self.base, self.generation)
    }
}

/// How far a segment reaches.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Extent {
    /// Bytes of whole chunks.
    pub(super) length: u64,
    /// The offset after those that it stands for.
    pub(super) next_offset: i64,
    pub(super) first_timestamp: i64,
    pub(super) last_timestamp: i64,
    /// Whether nothing is added any more.
    pub(super) sealed: bool,
}

impl Extent {
    pub(super) fn empty(base: i64) -> Self {
        Self {
            length: 0,
            next_offset: base,
            first_timestamp: i64::MIN,
            last_timestamp: i64::MIN,
            sealed: false,
        }
    }

    /// Grows by a chunk.
    pub(super) fn add(&mut self, header: &ChunkHeader) {
        if self.length == 0 {
            self.first_timestamp = header.timestamp;
        }
        self.length += header.bytes as u64;
        self.next_offset = header.next_offset();
        self.last_timestamp = header.timestamp;
    }
}

/// A segment's file, opened when it is needed, and its index.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: SegmentName,
    path: PathBuf,
    /// The file while anybody has it open. A log has more segments than a process may open files.
    file: Mutex<Weak<LogFile>>,
    /// `None` until it is needed, for a segment that was there at start.
    index: Mutex<Option<SparseIndex>>,
    /// Whether something was written that no checkpoint has synced yet.
    unsynced: AtomicBool,
}

impl Segment {
    /// A segment that exists, or is about to be created in `folder`.
    pub(super) fn new(folder: &Path, name: SegmentName, index: Option<SparseIndex>) -> Self {
        Self {
            name,
            path: folder.join(name.file_name()),
            file: Mutex::default(),
            index: Mutex::new(index),
            unsynced: AtomicBool::new(false),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, for reading.
    pub(super) fn open(&self) -> Result<Arc<LogFile>, LogError> {
        let mut known = lock(&self.file);
        if let Some(file) = known.upgrade() {
            return Ok(file);
        }
        let file = Arc::new(LogFile::open(&self.path)?);
        *known = Arc::downgrade(&file);
        Ok(file)
    }

    /// Lends out a file that is open already.
    pub(super) fn lend(&self, file: &Arc<LogFile>) {
        *lock(&self.file) = Arc::downgrade(file);
    }

    pub(super) fn mark_unsynced(&self) {
        self.unsynced.store(true, Ordering::Release);
    }

    /// Whether there is something to sync, which the caller is about to do.
    pub(super) fn take_unsynced(&self) -> bool {
        self.unsynced.swap(false, Ordering::AcqRel)
    }

    /// Learns of a chunk that was written.
    pub(super) fn index_chunk(&self, position: u64, header: &ChunkHeader) {
        if let Some(index) = lock(&self.index).as_mut() {
            index.add(position, header.base, header.timestamp);
        }
    }

    /// Takes over an index that was made elsewhere.
    pub(super) fn set_index(&self, index: SparseIndex) {
        *lock(&self.index) = Some(index);
    }

    /// A position from which on `offset` is reached.
    pub(super) fn position_of(&self, offset: i64, extent: &Extent) -> Result<u64, LogError> {
        if offset <= self.name.base {
            return Ok(0);
        }
        self.with_index(extent, |index| index.position_of(offset))
    }

    /// The first offset at or after `timestamp`, if there is a record so late.
    pub(super) fn offset_at(
        &self,
        timestamp: i64,
        extent: &Extent,
    ) -> Result<Option<i64>, LogError> {
        let from = self.with_index(extent, |index| index.position_at(timestamp))?;
        let file = self.open()?;
        let mut found = None;
        scan(&file, from, extent.length, |position, header| {
            if header.timestamp >= timestamp {
                found = Some((position, *header));
            }
            found.is_none()
        })?;
        let Some((position, header)) = found else {
            return Ok(None);
        };
        // A chunk has records, but not of all of its offsets once it was compacted.
        let mut chunk = vec![0; header.bytes];
        file.read_at(&mut chunk, position)?;
        Ok(chunk::Records::new(&header, 0)
            .next(&chunk)
            .map(|entry| entry.offset))
    }

    fn with_index<T>(
        &self,
        extent: &Extent,
        look_up: impl FnOnce(&SparseIndex) -> T,
    ) -> Result<T, LogError> {
        let mut slot = lock(&self.index);
        if let Some(index) = slot.as_ref() {
            return Ok(look_up(index));
        }
        let mut index = SparseIndex::default();
        scan(&*self.open()?, 0, extent.length, |position, header| {
            index.add(position, header.base, header.timestamp);
            true
        })?;
        Ok(look_up(slot.insert(index)))
    }
}

/// Calls `visit` with the place and the head of each chunk between two positions, until it returns
/// false.
pub(super) fn scan(
    file: &LogFile,
    from: u64,
    to: u64,
    mut visit: impl FnMut(u64, &ChunkHeader) -> bool,
) -> Result<(), LogError> {
    let mut block = Vec::new();
    let mut block_start = from;
    let mut position = from;
    while position < to {
        let within = usize::try_from(position - block_start).unwrap_or(usize::MAX);
        let head = block.get(within..).and_then(ChunkHeader::read);
        let header = match head {
            Some(header) => header,
            None => {
                let wanted = usize::try_from((to - position).min(SCAN_BYTES)).unwrap_or(0);
                block.resize(wanted, 0);
                file.read_at(&mut block, position)?;
                block_start = position;
                ChunkHeader::read(&block).ok_or_else(|| damaged(file, position))?
            }
        };
        if !visit(position, &header) {
            return Ok(());
        }
        position += header.bytes as u64;
    }
    Ok(())
}

/// Reads whole chunks from `position` on, at least one of the `left` bytes, and checks them.
pub(super) fn read_chunks(file: &LogFile, position: u64, left: u64) -> Result<Vec<u8>, LogError> {
    let read = |bytes: u64| -> Result<Vec<u8>, LogError> {
        let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        file.read_at(&mut buffer, position)?;
        Ok(buffer)
    };
    let mut buffer = read(left.min(READ_BYTES))?;
    let first = ChunkHeader::read(&buffer).ok_or_else(|| damaged(file, position))?;
    if first.bytes > buffer.len() {
        if first.bytes as u64 > left {
            return Err(damaged(file, position));
        }
        buffer = read(first.bytes as u64)?;
    }
    let mut whole = 0;
    while let Some(header) = ChunkHeader::read(&buffer[whole..]) {
        let Some(chunk) = buffer[whole..].get(..header.bytes) else {
            break;
        };
        if !header.is_intact(chunk) {
            return Err(damaged(file, position + whole as u64));
        }
        whole += header.bytes;
    }
    buffer.truncate(whole);
    Ok(buffer)
}

/// What a reader says of a place where there should be a whole chunk.
fn damaged(file: &LogFile, position: u64) -> LogError {
    LogError::Damaged {
        path: file.path().to_owned(),
        position,
        reason: "what is there is not the records that were written (checksum)".into(),
    }
}
