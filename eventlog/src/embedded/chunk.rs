//! A chunk: records of one partition that were appended together, as they lie in journal frames and
//! in segments.
//!
//! ```text
//! length u32 | crc u32 | base offset i64 | timestamp i64 | span u32 | count u32 | records
//! record: offset delta u32 | key length u32 | value length u32 | headers length u32 | key, value, headers
//! ```
//!
//! All numbers are little endian. `length` counts what follows it, `crc` covers what follows it.
//! `span` is how many offsets the chunk stands for; there are fewer records where compaction has
//! dropped some. A length of `u32::MAX` is no key, or no value (a tombstone).

use std::ops::Range;

use crate::batch::{Entry, Headers, RecordRef};

/// Bytes before the first record.
pub(super) const HEADER_BYTES: usize = 32;
/// Bytes of a record besides its key, value and headers.
pub(super) const RECORD_BYTES: usize = 16;
/// Where a chunk is closed and the next one begun, so that a reader need never hold much.
pub(super) const CLOSE_AT_BYTES: usize = 256 * 1024;

const ABSENT: u32 = u32::MAX;

/// The head of a chunk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ChunkHeader {
    /// Bytes of the whole chunk.
    pub(super) bytes: usize,
    crc: u32,
    /// Offset that the deltas of the records count from.
    pub(super) base: i64,
    /// When the records were appended, in milliseconds since 1970.
    pub(super) timestamp: i64,
    span: u32,
    count: u32,
}

impl ChunkHeader {
    /// Reads the head of the chunk that `bytes` begins with. `None` where that is not one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let length = u32_at(head, 0) as usize;
        (length >= HEADER_BYTES - 4).then(|| Self {
            bytes: length + 4,
            crc: u32_at(head, 4),
            base: i64_at(head, 8),
            timestamp: i64_at(head, 16),
            span: u32_at(head, 24),
            count: u32_at(head, 28),
        })
    }

    /// The offset after those that the chunk stands for.
    pub(super) fn next_offset(&self) -> i64 {
        self.base + i64::from(self.span)
    }

    /// How many records there are.
    pub(super) fn records(&self) -> usize {
        self.count as usize
    }

    /// Whether the checksum of `chunk`, which is whole, is right.
    pub(super) fn is_intact(&self, chunk: &[u8]) -> bool {
        crc32fast::hash(&chunk[8..]) == self.crc
    }
}

/// Begins a chunk at the end of `out`; records are then pushed with [`push_record`].
pub(super) fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.resize(start + HEADER_BYTES, 0);
    start
}

/// Adds one record to the chunk at the end of `out`.
pub(super) fn push_record(
    out: &mut Vec<u8>,
    delta: u32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: Headers<'_>,
) {
    let length = |part: Option<&[u8]>| part.map_or(ABSENT, |part| wire_length(part.len()));
    let mut head = [0; RECORD_BYTES];
    head[0..4].copy_from_slice(&delta.to_le_bytes());
    head[4..8].copy_from_slice(&length(key).to_le_bytes());
    head[8..12].copy_from_slice(&length(value).to_le_bytes());
    head[12..16].copy_from_slice(&wire_length(headers.encoded().len()).to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(key.unwrap_or_default());
    out.extend_from_slice(value.unwrap_or_default());
    out.extend_from_slice(headers.encoded());
}

/// Fills in the head of a chunk that lacks offsets and time yet.
pub(super) fn close(chunk: &mut [u8], span: u32, count: u32) {
    let length = wire_length(chunk.len() - 4);
    chunk[0..4].copy_from_slice(&length.to_le_bytes());
    chunk[24..28].copy_from_slice(&span.to_le_bytes());
    chunk[28..32].copy_from_slice(&count.to_le_bytes());
}

/// Gives a closed chunk its offsets and its time, and with that its checksum.
pub(super) fn stamp(chunk: &mut [u8], base: i64, timestamp: i64) {
    chunk[8..16].copy_from_slice(&base.to_le_bytes());
    chunk[16..24].copy_from_slice(&timestamp.to_le_bytes());
    let crc = crc32fast::hash(&chunk[8..]);
    chunk[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// How many offsets a closed chunk stands for.
pub(super) fn span(chunk: &[u8]) -> u32 {
    u32_at(chunk, 24)
}

/// Steps through the records of a chunk that is whole and intact.
#[derive(Clone, Debug)]
pub(super) struct Records {
    base: i64,
    timestamp: i64,
    left: u32,
    position: usize,
    end: usize,
}

impl Records {
    /// The records of the chunk at `start` of a buffer.
    pub(super) fn new(header: &ChunkHeader, start: usize) -> Self {
        Self {
            base: header.base,
            timestamp: header.timestamp,
            left: header.count,
            position: start + HEADER_BYTES,
            end: start + header.bytes,
        }
    }

    /// The next record, as ranges of the buffer. `None` after the last, and where the records do not
    /// fit the chunk, which its checksum rules out.
    pub(super) fn next(&mut self, buffer: &[u8]) -> Option<Entry> {
        self.left = self.left.checked_sub(1)?;
        let head: &[u8; RECORD_BYTES] = buffer.get(self.position..self.end)?.first_chunk()?;
        let mut at = self.position + RECORD_BYTES;
        let mut range = |length: u32| -> Option<Range<u32>> {
            let start = at;
            at = at
                .checked_add(length as usize)
                .filter(|end| *end <= self.end)?;
            Some(u32::try_from(start).ok()?..u32::try_from(at).ok()?)
        };
        let mut optional = |length: u32| match length {
            ABSENT => Some(None),
            length => range(length).map(Some),
        };
        let key = optional(u32_at(head, 4))?;
        let value = optional(u32_at(head, 8))?;
        let headers = range(u32_at(head, 12))?;
        self.position = at;
        Some(Entry {
            offset: self.base + i64::from(u32_at(head, 0)),
            timestamp: self.timestamp,
            key,
            value,
            headers,
        })
    }
}

/// Writes the chunk again with only the records that `keep` says, and the same offsets and time.
/// Returns how many were kept; with none, nothing is written.
pub(super) fn filter(
    header: &ChunkHeader,
    chunk: &[u8],
    mut keep: impl FnMut(RecordRef<'_>) -> bool,
    out: &mut Vec<u8>,
) -> u32 {
    let start = begin(out);
    let mut kept = 0;
    let mut records = Records::new(header, 0);
    while let Some(entry) = records.next(chunk) {
        let record = entry.record(chunk);
        if keep(record) {
            let delta = u32::try_from(record.offset - header.base).expect("it was read as 32 bits");
            push_record(out, delta, record.key, record.value, record.headers);
            kept += 1;
        }
    }
    if kept == 0 {
        out.truncate(start);
    } else {
        close(&mut out[start..], header.span, kept);
        stamp(&mut out[start..], header.base, header.timestamp);
    }
    kept
}

fn wire_length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("records and chunks are bounded far below 4 GiB")
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(
        *bytes[at..]
            .first_chunk()
            .expect("within a head of fixed size"),
    )
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(
        *bytes[at..]
            .first_chunk()
            .expect("within a head of fixed size"),
    )
}

pub(super) fn i64_at(bytes: &[u8], at: usize) -> i64 {
    u64_at(bytes, at).cast_signed()
}
