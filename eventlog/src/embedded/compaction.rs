//! Compaction: rewrites the ended segments of a partition with only the last record of every key.

use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;

use foldhash::HashMap;
use foldhash::quality::RandomState;

use super::chunk::{self, ChunkHeader, Records};
use super::disk::{Disk, LogFile, Step};
use super::index::SparseIndex;
use super::partition::{Partition, Readable};
use super::segment::{Extent, Segment, SegmentName, read_chunks};
use crate::LogError;

/// Bytes written at a time.
const WRITE_BYTES: usize = 1024 * 1024;

/// When to compact, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompactionRules {
    /// Percent of the ended segments that must be new.
    pub(super) at_percent: u8,
    /// New records of this time or earlier are reason enough.
    pub(super) oldest_new: i64,
    /// Tombstones of this time or earlier are dropped.
    pub(super) oldest_tombstone: i64,
    /// Bytes after which a segment is ended.
    pub(super) segment_bytes: u64,
    /// Keys held in memory at a time, at about 32 bytes each; a partition with more new keys is
    /// compacted in several rounds.
    pub(super) max_keys: usize,
}

/// What was compacted.
#[derive(Debug)]
pub(super) struct Compacted {
    /// Segments that are no longer part of the log, whose files can go once no checkpoint names them.
    pub(super) replaced: Vec<Arc<Segment>>,
    pub(super) bytes_before: u64,
    pub(super) bytes_after: u64,
}

/// Compacts a partition, if it is worth it.
pub(super) fn compact(
    disk: &Disk,
    partition: &Partition,
    rules: &CompactionRules,
) -> Result<Option<Compacted>, LogError> {
    let view = partition.view();
    let ended: Vec<_> = view
        .segments
        .iter()
        .take_while(|it| it.extent.sealed)
        .cloned()
        .collect();
    let first_new = ended.partition_point(|it| it.extent.next_offset <= view.compacted_to);
    if !is_worth_it(&ended, first_new, rules) {
        return Ok(None);
    }
    let mut latest = LatestOffsets::default();
    let mut count = first_new;
    for readable in &ended[first_new..] {
        latest.learn(readable)?;
        count += 1;
        if latest.by_key.len() >= rules.max_keys {
            break;
        }
    }
    let old = &ended[..count];
    let generation = old
        .iter()
        .map(|it| it.segment.name.generation)
        .max()
        .unwrap_or(0)
        + 1;
    let mut rewriter = Rewriter::new(disk, partition.folder(), generation, rules.segment_bytes);
    for readable in old {
        rewrite(readable, &latest, rules, &mut rewriter)?;
    }
    let bytes_before = bytes_of(old);
    let compacted_to = old
        .last()
        .map_or(view.compacted_to, |it| it.extent.next_offset);
    let new = rewriter.finish(compacted_to)?;
    let bytes_after = bytes_of(&new);
    let replaced = partition.replace_first(count, new, compacted_to);
    Ok(Some(Compacted {
        replaced,
        bytes_before,
        bytes_after,
    }))
}

/// Bytes that a compaction may need at most.
pub(super) fn bytes_needed(partition: &Partition) -> u64 {
    let view = partition.view();
    view.segments
        .iter()
        .filter(|it| it.extent.sealed)
        .map(|it| it.extent.length)
        .sum()
}

fn is_worth_it(ended: &[Readable], first_new: usize, rules: &CompactionRules) -> bool {
    let new = &ended[first_new..];
    let Some(oldest) = new.first() else {
        return false;
    };
    oldest.extent.first_timestamp <= rules.oldest_new
        || bytes_of(new) * 100 >= bytes_of(ended) * u64::from(rules.at_percent)
}

fn bytes_of(segments: &[Readable]) -> u64 {
    segments.iter().map(|it| it.extent.length).sum()
}

/// The last offset of every key in the new segments.
///
/// Keys are held as 128 bits of two independently seeded hashes: that two keys of a partition are
/// taken for one is less likely than that the disk errs.
#[derive(Default)]
struct LatestOffsets {
    hashers: [RandomState; 2],
    by_key: HashMap<(u64, u64), i64>,
}

impl LatestOffsets {
    fn learn(&mut self, readable: &Readable) -> Result<(), LogError> {
        self.by_key.reserve(1024);
        for_each_chunk(readable, |header, chunk| {
            let mut records = Records::new(header, 0);
            while let Some(entry) = records.next(chunk) {
                if let Some(key) = entry.record(chunk).key {
                    let hash = self.hash(key);
                    self.by_key.insert(hash, entry.offset);
                }
            }
            Ok(())
        })
    }

    /// Whether no later record of this key is known.
    fn is_latest(&self, key: &[u8], offset: i64) -> bool {
        self.by_key
            .get(&self.hash(key))
            .is_none_or(|latest| *latest <= offset)
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.hashers[0].hash_one(key), self.hashers[1].hash_one(key))
    }
}

fn rewrite(
    readable: &Readable,
    latest: &LatestOffsets,
    rules: &CompactionRules,
    rewriter: &mut Rewriter<'_>,
) -> Result<(), LogError> {
    let mut kept = Vec::new();
    for_each_chunk(readable, |header, chunk| {
        let tombstones_go = header.timestamp <= rules.oldest_tombstone;
        kept.clear();
        chunk::filter(
            header,
            chunk,
            |record| {
                let Some(key) = record.key else { return true };
                latest.is_latest(key, record.offset) && !(tombstones_go && record.value.is_none())
            },
            &mut kept,
        );
        rewriter.add(&kept)
    })
}

fn for_each_chunk(
    readable: &Readable,
    mut visit: impl FnMut(&ChunkHeader, &[u8]) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let file = readable.segment.open()?;
    let mut position = 0;
    while position < readable.extent.length {
        let buffer = read_chunks(&file, position, readable.extent.length - position)?;
        let mut rest = &buffer[..];
        while let Some(header) = ChunkHeader::read(rest) {
            let (chunk, after) = rest.split_at(header.bytes);
            visit(&header, chunk)?;
            rest = after;
        }
        position += buffer.len() as u64;
    }
    Ok(())
}

/// Writes chunks to new segments, which become part of the log together.
struct Rewriter<'a> {
    disk: &'a Disk,
    folder: &'a Path,
    generation: u32,
    segment_bytes: u64,
    open: Option<Open>,
    written: Vec<Readable>,
}

struct Open {
    segment: Segment,
    file: Arc<LogFile>,
    index: SparseIndex,
    extent: Extent,
    /// Chunks that were added and not written yet.
    buffer: Vec<u8>,
    flushed: u64,
}

impl<'a> Rewriter<'a> {
    fn new(disk: &'a Disk, folder: &'a Path, generation: u32, segment_bytes: u64) -> Self {
        Self {
            disk,
            folder,
            generation,
            segment_bytes,
            open: None,
            written: Vec::new(),
        }
    }

    fn add(&mut self, chunk: &[u8]) -> Result<(), LogError> {
        let Some(header) = ChunkHeader::read(chunk) else {
            return Ok(());
        };
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.extent.length >= self.segment_bytes)
        {
            self.end_segment()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let opened = self.begin_segment(header.base)?;
                self.open.insert(opened)
            }
        };
        open.index
            .add(open.extent.length, header.base, header.timestamp);
        open.extent.add(&header);
        open.buffer.extend_from_slice(chunk);
        if open.buffer.len() >= WRITE_BYTES {
            open.flush(self.disk)?;
        }
        Ok(())
    }

    /// The new segments. The last reaches to `next_offset`, and each to where the next begins.
    fn finish(mut self, next_offset: i64) -> Result<Vec<Readable>, LogError> {
        self.end_segment()?;
        let mut next = next_offset;
        for readable in self.written.iter_mut().rev() {
            readable.extent.next_offset = next;
            next = readable.segment.name.base;
        }
        if !self.written.is_empty() {
            self.disk
                .sync_folder(Step::SegmentFolderSync, self.folder)?;
        }
        Ok(self.written)
    }

    fn begin_segment(&self, base: i64) -> Result<Open, LogError> {
        let name = SegmentName {
            base,
            generation: self.generation,
        };
        let segment = Segment::new(self.folder, name, None);
        let file = self.disk.create(Step::CompactionCreate, segment.path())?;
        Ok(Open {
            segment,
            file,
            index: SparseIndex::default(),
            extent: Extent::empty(base),
            buffer: Vec::new(),
            flushed: 0,
        })
    }

    fn end_segment(&mut self) -> Result<(), LogError> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.flush(self.disk)?;
        self.disk.sync(Step::CompactionSync, &open.file)?;
        open.segment.set_index(open.index);
        let extent = Extent {
            sealed: true,
            ..open.extent
        };
        self.written.push(Readable {
            segment: Arc::new(open.segment),
            extent,
        });
        Ok(())
    }
}

impl Open {
    fn flush(&mut self, disk: &Disk) -> Result<(), LogError> {
        disk.write_at(
            Step::CompactionWrite,
            &self.file,
            &self.buffer,
            self.flushed,
        )?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
