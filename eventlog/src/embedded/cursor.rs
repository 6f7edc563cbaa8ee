//! A place in a partition from which records are read, straight from the segment files.

use std::sync::Arc;

use bytes::Bytes;

use super::chunk::{ChunkHeader, Records};
use super::disk::LogFile;
use super::partition::{Located, Partition, Readable};
use super::segment::{Segment, read_chunks};
use crate::batch::Entry;
use crate::{LogError, RecordBatch};

/// Reads one partition on from an offset.
#[derive(Debug)]
pub(super) struct Cursor {
    partition: Arc<Partition>,
    /// The next offset to give out.
    offset: i64,
    place: Option<Place>,
    /// Whole and intact chunks that were read ahead.
    ahead: Bytes,
    /// Where in `ahead` the next chunk begins.
    ahead_at: usize,
    open: Option<OpenChunk>,
}

#[derive(Debug)]
struct Place {
    segment: Arc<Segment>,
    file: Arc<LogFile>,
    /// What of the file was read.
    position: u64,
}

#[derive(Debug)]
struct OpenChunk {
    records: Records,
    next_offset: i64,
}

impl Cursor {
    pub(super) fn new(partition: Arc<Partition>, offset: i64) -> Self {
        Self {
            partition,
            offset,
            place: None,
            ahead: Bytes::new(),
            ahead_at: 0,
            open: None,
        }
    }

    pub(super) fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// Goes to another offset, dropping what was read ahead.
    pub(super) fn seek(&mut self, offset: i64) {
        *self = Self::new(Arc::clone(&self.partition), offset);
    }

    /// Whether there is anything to give out, an error included.
    pub(super) fn has_more(&self) -> bool {
        let offsets = self.partition.offsets();
        self.offset != offsets.end
    }

    /// The next records, at most `max_records`; `None` at the end of the log. A batch without
    /// records moves over what compaction has dropped.
    pub(super) fn next(&mut self, max_records: usize) -> Result<Option<RecordBatch>, LogError> {
        let from = self.offset;
        if self.partition.offsets().start > from {
            // Says that the offset is out of range, although it was read ahead.
            self.partition.locate(from)?;
        }
        loop {
            let entries = self.take(max_records.max(1));
            if !entries.is_empty() {
                return Ok(Some(self.batch(entries)));
            }
            if !self.fill()? {
                return Ok((self.offset > from).then(|| self.batch(Vec::new())));
            }
        }
    }

    fn batch(&self, entries: Vec<Entry>) -> RecordBatch {
        RecordBatch::over(
            self.partition.name.clone(),
            self.ahead.clone(),
            entries,
            self.offset,
        )
    }

    /// Takes records from what was read ahead.
    fn take(&mut self, max_records: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        while entries.len() < max_records {
            let Some(open) = &mut self.open else {
                let Some(header) = ChunkHeader::read(&self.ahead[self.ahead_at..]) else {
                    break;
                };
                let records = Records::new(&header, self.ahead_at);
                self.open = Some(OpenChunk {
                    records,
                    next_offset: header.next_offset(),
                });
                self.ahead_at += header.bytes;
                entries.reserve(header.records().min(max_records - entries.len()));
                continue;
            };
            match open.records.next(&self.ahead) {
                Some(entry) if entry.offset < self.offset => {}
                Some(entry) => {
                    self.offset = entry.offset + 1;
                    entries.push(entry);
                }
                None => {
                    self.offset = self.offset.max(open.next_offset);
                    self.open = None;
                }
            }
        }
        entries
    }

    /// Reads ahead. Returns false at the end of the log.
    fn fill(&mut self) -> Result<bool, LogError> {
        loop {
            let readable = match self.partition.locate(self.offset)? {
                Located::In(readable) => readable,
                Located::AtEnd(end) => {
                    self.offset = end;
                    return Ok(false);
                }
            };
            let Some(place) = self.place(&readable)? else {
                continue;
            };
            let left = readable.extent.length.saturating_sub(place.position);
            if left > 0 {
                let ahead = read_chunks(&place.file, place.position, left)?;
                place.position += ahead.len() as u64;
                self.ahead = Bytes::from(ahead);
                self.ahead_at = 0;
                return Ok(true);
            }
            // Compaction has dropped the rest of a segment.
            self.offset = self.offset.max(readable.extent.next_offset);
        }
    }

    /// Where to read in a segment. `None` where its file is gone: compaction has put another in its
    /// place since it was looked up.
    fn place(&mut self, readable: &Readable) -> Result<Option<&mut Place>, LogError> {
        let known = self
            .place
            .take_if(|it| Arc::ptr_eq(&it.segment, &readable.segment));
        let place = match known {
            Some(place) => place,
            None => {
                let segment = Arc::clone(&readable.segment);
                let opened = segment.open().and_then(|file| {
                    let position = segment.position_of(self.offset, &readable.extent)?;
                    Ok((file, position))
                });
                match opened {
                    Ok((file, position)) => Place {
                        segment,
                        file,
                        position,
                    },
                    Err(LogError::Io { source, .. })
                        if source.kind() == std::io::ErrorKind::NotFound
                            && self.was_replaced(readable)? =>
                    {
                        return Ok(None);
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(Some(self.place.insert(place)))
    }

    fn was_replaced(&self, readable: &Readable) -> Result<bool, LogError> {
        Ok(match self.partition.locate(self.offset)? {
            Located::In(now) => !Arc::ptr_eq(&now.segment, &readable.segment),
            Located::AtEnd(_) => true,
        })
    }
}
