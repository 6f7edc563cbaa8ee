//! A frame of the journal: everything that becomes visible together.
//!
//! ```text
//! magic u32 | length u32 | crc u32 | sections u32 | sequence u64 | durable u64
//! section, each: topic u32 | partition u32 | bytes u32 | chunks
//! offsets u32, each: group length u32 | group | topic u32 | partition u32 | next offset i64
//! ```
//!
//! All numbers are little endian. `length` counts what follows the head, `crc` covers all that
//! follows it, and `sequence` counts frames without a gap over all files of the journal. `durable`
//! is the first sequence that was not yet durable when the frame was written: a frame below it that
//! cannot be read was acknowledged and then damaged, while one from it on may have been torn by a
//! crash.

use std::ops::Range;
use std::sync::Arc;

use super::chunk::{self, ChunkHeader, u32_at, u64_at};
use crate::batch::Headers;

/// Bytes before the first section.
pub(super) const HEADER_BYTES: usize = 32;
/// The largest frame, and with that the largest unit of work.
pub(super) const MAX_BYTES: usize = 1 << 30;

const MAGIC: u32 = u32::from_le_bytes(*b"RcFr");
const SECTION_BYTES: usize = 12;

/// A partition, by the number that the manifest gives its topic.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct PartitionId {
    pub(super) topic: u32,
    pub(super) partition: u32,
}

/// The chunks of one partition within a frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Section {
    pub(super) partition: PartitionId,
    /// Where the chunks lie in the frame's bytes.
    pub(super) chunks: Range<usize>,
}

/// The next offset that a group reads of a partition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct GroupOffset {
    pub(super) group: Arc<str>,
    pub(super) partition: PartitionId,
    pub(super) offset: i64,
}

/// A frame on its way to the journal.
#[derive(Debug)]
pub(super) struct Frame {
    bytes: Vec<u8>,
    sections: Vec<Section>,
    offsets: Vec<GroupOffset>,
}

/// A frame larger than [`MAX_BYTES`].
#[derive(Debug)]
pub(super) struct FrameTooLarge {
    pub(super) bytes: usize,
}

impl Frame {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn sections(&self) -> &[Section] {
        &self.sections
    }

    pub(super) fn offsets(&self) -> &[GroupOffset] {
        &self.offsets
    }

    /// Gives the chunks of a section their offsets, from `base` on, and their time. Returns the
    /// offset after them.
    pub(super) fn stamp_section(&mut self, section: usize, base: i64, timestamp: i64) -> i64 {
        let range = self.sections[section].chunks.clone();
        let mut next = base;
        let mut rest = &mut self.bytes[range];
        while !rest.is_empty() {
            let length = u32_at(rest, 0) as usize + 4;
            let (chunk, after) = rest.split_at_mut(length);
            chunk::stamp(chunk, next, timestamp);
            next += i64::from(chunk::span(chunk));
            rest = after;
        }
        next
    }

    /// Gives the frame its place in the journal, and with that its checksum: the last thing before
    /// it is written.
    pub(super) fn seal(&mut self, sequence: u64, durable: u64) {
        self.bytes[16..24].copy_from_slice(&sequence.to_le_bytes());
        self.bytes[24..32].copy_from_slice(&durable.to_le_bytes());
        let crc = crc32fast::hash(&self.bytes[12..]);
        self.bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Writes records into chunks at the end of a buffer, closing a chunk where it is long enough.
#[derive(Debug, Default)]
pub(super) struct ChunkWriter {
    open: Option<(usize, u32)>,
}

impl ChunkWriter {
    /// Adds one record.
    pub(super) fn push(
        &mut self,
        out: &mut Vec<u8>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Headers<'_>,
    ) {
        let (start, count) = self.open.get_or_insert_with(|| (chunk::begin(out), 0));
        chunk::push_record(out, *count, key, value, headers);
        *count += 1;
        if out.len() - *start >= chunk::CLOSE_AT_BYTES {
            self.close(out);
        }
    }

    /// Ends the last chunk.
    pub(super) fn close(&mut self, out: &mut [u8]) {
        if let Some((start, count)) = self.open.take() {
            chunk::close(&mut out[start..], count, count);
        }
    }
}

/// Puts a frame together: sections first, then offsets.
#[derive(Debug)]
pub(super) struct FrameBuilder {
    bytes: Vec<u8>,
    sections: Vec<Section>,
}

impl FrameBuilder {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(HEADER_BYTES + bytes);
        buffer.resize(HEADER_BYTES, 0);
        Self {
            bytes: buffer,
            sections: Vec::new(),
        }
    }

    /// Adds a section, whose closed chunks `write` appends to the buffer that it is given.
    pub(super) fn section(&mut self, partition: PartitionId, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.extend_from_slice(&partition.topic.to_le_bytes());
        self.bytes
            .extend_from_slice(&partition.partition.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        let start = self.bytes.len();
        write(&mut self.bytes);
        // A section too long for 32 bits is in a frame that `finish` refuses.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "finish refuses longer frames"
        )]
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start - 4..start].copy_from_slice(&length.to_le_bytes());
        self.sections.push(Section {
            partition,
            chunks: start..self.bytes.len(),
        });
    }

    /// The frame, with the offsets that become visible with its sections.
    pub(super) fn finish(mut self, offsets: Vec<GroupOffset>) -> Result<Frame, FrameTooLarge> {
        if self.bytes.len() > MAX_BYTES {
            return Err(FrameTooLarge {
                bytes: self.bytes.len(),
            });
        }
        self.put_length(offsets.len());
        for offset in &offsets {
            self.put_length(offset.group.len());
            self.bytes.extend_from_slice(offset.group.as_bytes());
            self.bytes
                .extend_from_slice(&offset.partition.topic.to_le_bytes());
            self.bytes
                .extend_from_slice(&offset.partition.partition.to_le_bytes());
            self.bytes.extend_from_slice(&offset.offset.to_le_bytes());
        }
        let length = wire_length(self.bytes.len() - HEADER_BYTES);
        let sections = wire_length(self.sections.len());
        self.bytes[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        self.bytes[4..8].copy_from_slice(&length.to_le_bytes());
        self.bytes[12..16].copy_from_slice(&sections.to_le_bytes());
        Ok(Frame {
            bytes: self.bytes,
            sections: self.sections,
            offsets,
        })
    }

    fn put_length(&mut self, length: usize) {
        self.bytes
            .extend_from_slice(&wire_length(length).to_le_bytes());
    }
}

fn wire_length(length: usize) -> u32 {
    u32::try_from(length).expect("frames are refused far below 4 GiB")
}

/// A frame as it was found in a journal file.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct FoundFrame {
    pub(super) sequence: u64,
    pub(super) durable: u64,
    /// Bytes of the whole frame.
    pub(super) bytes: usize,
    /// Ranges are those of the file's bytes.
    pub(super) sections: Vec<Section>,
    pub(super) offsets: Vec<GroupOffset>,
}

/// Reads the frame at `at` of a journal file. `None` where there is no whole and intact one.
pub(super) fn read(file: &[u8], at: usize) -> Option<FoundFrame> {
    let head: &[u8; HEADER_BYTES] = file.get(at..)?.first_chunk()?;
    if u32_at(head, 0) != MAGIC {
        return None;
    }
    let end = at
        .checked_add(HEADER_BYTES)?
        .checked_add(u32_at(head, 4) as usize)?;
    let frame = file.get(at..end)?;
    if crc32fast::hash(&frame[12..]) != u32_at(head, 8) {
        return None;
    }
    let mut fields = Fields {
        file: &file[..end],
        at: at + HEADER_BYTES,
    };
    let mut sections = Vec::new();
    for _ in 0..u32_at(head, 12) {
        sections.push(fields.section()?);
    }
    let mut offsets = Vec::new();
    for _ in 0..fields.u32()? {
        offsets.push(fields.offset()?);
    }
    (fields.at == end).then(|| FoundFrame {
        sequence: u64_at(head, 16),
        durable: u64_at(head, 24),
        bytes: frame.len(),
        sections,
        offsets,
    })
}

/// Looks for the next place from `at` on where a frame could begin.
pub(super) fn find_magic(file: &[u8], at: usize) -> Option<usize> {
    let rest = file.get(at..)?;
    rest.windows(4)
        .position(|window| window == MAGIC.to_le_bytes())
        .map(|found| at + found)
}

struct Fields<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let taken = self.file.get(self.at..self.at.checked_add(bytes)?)?;
        self.at += bytes;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32_at(self.take(4)?, 0))
    }

    fn partition(&mut self) -> Option<PartitionId> {
        Some(PartitionId {
            topic: self.u32()?,
            partition: self.u32()?,
        })
    }

    fn section(&mut self) -> Option<Section> {
        let head = self.take(SECTION_BYTES)?;
        let partition = PartitionId {
            topic: u32_at(head, 0),
            partition: u32_at(head, 4),
        };
        let start = self.at;
        let mut chunks = self.take(u32_at(head, 8) as usize)?;
        while !chunks.is_empty() {
            chunks = chunks.get(ChunkHeader::read(chunks)?.bytes..)?;
        }
        Some(Section {
            partition,
            chunks: start..self.at,
        })
    }

    fn offset(&mut self) -> Option<GroupOffset> {
        let group = self.u32()? as usize;
        let group = std::str::from_utf8(self.take(group)?).ok()?.into();
        let partition = self.partition()?;
        let offset = u64_at(self.take(8)?, 0).cast_signed();
        Some(GroupOffset {
            group,
            partition,
            offset,
        })
    }
}

#[cfg(test)]
mod tests;
