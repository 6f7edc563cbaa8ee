//! A partition: its segments, where it starts and ends, and who waits for more.
//!
//! The writer thread alone appends; housekeeping alone seals, drops and compacts. Readers see what
//! was published, and nothing of what was merely written.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock, RwLockWriteGuard};

use super::chunk::ChunkHeader;
use super::disk::{Disk, LogFile, Step};
use super::frame::{Frame, PartitionId};
use super::index::SparseIndex;
use super::segment::{Extent, Segment, SegmentName};
use super::sync::{Signal, lock, read, write};
use crate::{LogError, Offsets, TopicPartition};

/// Held for writing while the partitions of one frame are published, so that a reader that has seen
/// one of them finds the others too.
pub(super) type Publication = Arc<RwLock<()>>;

/// A segment, and how far of it may be read.
#[derive(Clone, Debug)]
pub(super) struct Readable {
    pub(super) segment: Arc<Segment>,
    pub(super) extent: Extent,
}

/// What readers see of a partition.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) start: i64,
    pub(super) end: i64,
    /// The offset up to which the sealed segments were compacted.
    pub(super) compacted_to: i64,
    /// In order of their offsets; all but the last are sealed.
    pub(super) segments: Vec<Readable>,
}

/// Where an offset is.
#[derive(Debug)]
pub(super) enum Located {
    /// In this segment, or in what compaction has dropped before it.
    In(Readable),
    /// Behind the last segment: the log ends here, and compaction has dropped what may lie between.
    AtEnd(i64),
}

#[derive(Debug, Default)]
struct Tail {
    /// The next offset to give away.
    next_offset: i64,
    active: Option<Active>,
    /// What was written and is not published yet, in order.
    unpublished: Vec<Readable>,
}

#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    file: Arc<LogFile>,
    extent: Extent,
}

/// One partition of a topic.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) name: TopicPartition,
    pub(super) id: PartitionId,
    folder: PathBuf,
    publication: Publication,
    tail: Mutex<Tail>,
    view: RwLock<View>,
    waiting: Mutex<Vec<Arc<Signal>>>,
}

impl Partition {
    /// A partition as a checkpoint left it; an unsealed last segment is written on.
    pub(super) fn open(
        disk: &Disk,
        name: TopicPartition,
        id: PartitionId,
        folder: PathBuf,
        publication: Publication,
        view: View,
    ) -> Result<Self, LogError> {
        let mut tail = Tail {
            next_offset: view.end,
            ..Tail::default()
        };
        if let Some(last) = view.segments.last()
            && !last.extent.sealed
        {
            let file = disk.reopen(last.segment.path())?;
            last.segment.lend(&file);
            let segment = Arc::clone(&last.segment);
            tail.active = Some(Active {
                segment,
                file,
                extent: last.extent,
            });
        }
        Ok(Self {
            name,
            id,
            folder,
            publication,
            tail: Mutex::new(tail),
            view: RwLock::new(view),
            waiting: Mutex::default(),
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// First and next offset, as readers see them.
    pub(super) fn offsets(&self) -> Offsets {
        let _one_moment = read(&self.publication);
        let view = read(&self.view);
        Offsets {
            start: view.start,
            end: view.end,
        }
    }

    /// All that readers see.
    pub(super) fn view(&self) -> View {
        let _one_moment = read(&self.publication);
        read(&self.view).clone()
    }

    /// Where to read `offset` on.
    pub(super) fn locate(&self, offset: i64) -> Result<Located, LogError> {
        let _one_moment = read(&self.publication);
        let view = read(&self.view);
        if offset < view.start || offset > view.end {
            let (partition, start) = (self.name.clone(), view.start);
            return Err(LogError::OutOfRange {
                partition,
                offset,
                start,
            });
        }
        let index = view
            .segments
            .partition_point(|it| it.extent.next_offset <= offset);
        let readable = view.segments.get(index).cloned();
        Ok(readable.map_or(Located::AtEnd(view.end), Located::In))
    }

    /// The first offset at or after `timestamp`, if there is a record so late.
    pub(super) fn offset_at(&self, timestamp: i64) -> Result<Option<i64>, LogError> {
        match self.search(timestamp) {
            // Compaction has put another file in the place of one that was looked up.
            Err(LogError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                self.search(timestamp)
            }
            found => found,
        }
    }

    fn search(&self, timestamp: i64) -> Result<Option<i64>, LogError> {
        let view = self.view();
        let index = view
            .segments
            .partition_point(|it| it.extent.last_timestamp < timestamp);
        for readable in &view.segments[index..] {
            let found = readable.segment.offset_at(timestamp, &readable.extent)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Gives a section of a frame its offsets. Returns the first.
    pub(super) fn stamp(&self, frame: &mut Frame, section: usize, timestamp: i64) -> i64 {
        let mut tail = lock(&self.tail);
        let base = tail.next_offset;
        tail.next_offset = frame.stamp_section(section, base, timestamp);
        base
    }

    /// Whether these chunks, found in the journal, come next.
    pub(super) fn continues_with(&self, chunks: &[u8]) -> bool {
        ChunkHeader::read(chunks).is_none_or(|first| first.base == lock(&self.tail).next_offset)
    }

    /// Writes stamped chunks to the segments. Readers do not see them before [`Partition::publish`].
    pub(super) fn write(
        &self,
        disk: &Disk,
        chunks: &[u8],
        segment_bytes: u64,
    ) -> Result<(), LogError> {
        let Some(first) = ChunkHeader::read(chunks) else {
            return Ok(());
        };
        let mut tail = lock(&self.tail);
        let tail = &mut *tail;
        if tail
            .active
            .as_ref()
            .is_some_and(|active| active.extent.length >= segment_bytes)
        {
            Self::seal_active(tail);
        }
        let active = match &mut tail.active {
            Some(active) => active,
            None => tail.active.insert(self.create_segment(disk, first.base)?),
        };
        disk.write_at(
            Step::SegmentWrite,
            &active.file,
            chunks,
            active.extent.length,
        )?;
        active.segment.mark_unsynced();
        let mut rest = chunks;
        while let Some(header) = ChunkHeader::read(rest) {
            active.segment.index_chunk(active.extent.length, &header);
            active.extent.add(&header);
            rest = &rest[header.bytes..];
        }
        tail.next_offset = tail.next_offset.max(active.extent.next_offset);
        let written = Readable {
            segment: Arc::clone(&active.segment),
            extent: active.extent,
        };
        put_extent(&mut tail.unpublished, written);
        Ok(())
    }

    /// Shows readers what was written.
    pub(super) fn publish(&self, _one_moment: &RwLockWriteGuard<'_, ()>) {
        let mut tail = lock(&self.tail);
        let mut view = write(&self.view);
        for written in tail.unpublished.drain(..) {
            view.end = written.extent.next_offset;
            put_extent(&mut view.segments, written);
        }
    }

    /// Wakes whoever waits for records.
    pub(super) fn wake(&self) {
        for signal in lock(&self.waiting).iter() {
            signal.raise();
        }
    }

    pub(super) fn watch(&self, signal: &Arc<Signal>) {
        lock(&self.waiting).push(Arc::clone(signal));
    }

    pub(super) fn unwatch(&self, signal: &Arc<Signal>) {
        lock(&self.waiting).retain(|other| !Arc::ptr_eq(other, signal));
    }

    /// Ends the segment that is written to, so that it can be dropped or compacted.
    pub(super) fn seal(&self) {
        let mut tail = lock(&self.tail);
        if !tail.unpublished.is_empty() {
            return;
        }
        Self::seal_active(&mut tail);
        let mut view = write(&self.view);
        for sealed in tail.unpublished.drain(..) {
            put_extent(&mut view.segments, sealed);
        }
    }

    /// Drops the first `count` segments from the view, and moves the start to what is left. Their
    /// files stay.
    pub(super) fn drop_first(&self, count: usize) -> Vec<Arc<Segment>> {
        let mut view = write(&self.view);
        let dropped: Vec<_> = view.segments.drain(..count).collect();
        if let Some(last) = dropped.last() {
            view.start = last.extent.next_offset;
            view.compacted_to = view.compacted_to.max(view.start);
        }
        dropped.into_iter().map(|it| it.segment).collect()
    }

    /// Puts compacted segments in the place of the first `count`, whose files stay.
    pub(super) fn replace_first(
        &self,
        count: usize,
        with: Vec<Readable>,
        compacted_to: i64,
    ) -> Vec<Arc<Segment>> {
        let mut view = write(&self.view);
        let replaced: Vec<_> = view.segments.splice(..count, with).collect();
        view.compacted_to = compacted_to;
        replaced.into_iter().map(|it| it.segment).collect()
    }

    fn create_segment(&self, disk: &Disk, base: i64) -> Result<Active, LogError> {
        let name = SegmentName {
            base,
            generation: 0,
        };
        let segment = Segment::new(&self.folder, name, Some(SparseIndex::default()));
        let file = disk.create(Step::SegmentCreate, segment.path())?;
        segment.lend(&file);
        Ok(Active {
            segment: Arc::new(segment),
            file,
            extent: Extent::empty(base),
        })
    }

    fn seal_active(tail: &mut Tail) {
        if let Some(active) = tail.active.take() {
            let extent = Extent {
                sealed: true,
                ..active.extent
            };
            put_extent(
                &mut tail.unpublished,
                Readable {
                    segment: active.segment,
                    extent,
                },
            );
        }
    }
}

/// Replaces the extent of a segment that is the last of the list, or adds it.
fn put_extent(segments: &mut Vec<Readable>, readable: Readable) {
    match segments.last_mut() {
        Some(last) if Arc::ptr_eq(&last.segment, &readable.segment) => *last = readable,
        _ => segments.push(readable),
    }
}
