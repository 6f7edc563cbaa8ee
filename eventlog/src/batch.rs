//! Records in batches: one buffer and an index, so that no record costs an allocation.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::TopicPartition;

/// Records of one partition, in the order of their offsets, in one buffer.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    partition: TopicPartition,
    buffer: Bytes,
    entries: Vec<Entry>,
    next_offset: i64,
}

/// Where a record lies in a buffer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Range<u32>>,
    pub(crate) value: Option<Range<u32>>,
    pub(crate) headers: Range<u32>,
}

impl Entry {
    /// The record, in the buffer that this is an entry of.
    pub(crate) fn record<'a>(&self, buffer: &'a [u8]) -> RecordRef<'a> {
        let slice = |range: &Range<u32>| &buffer[range.start as usize..range.end as usize];
        RecordRef {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.as_ref().map(slice),
            value: self.value.as_ref().map(slice),
            headers: Headers(slice(&self.headers)),
        }
    }
}

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Its place in the partition.
    pub offset: i64,
    /// When it was appended, in milliseconds since 1970. No stage may look at it.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
}

/// A header: a name and a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a [u8],
}

/// The headers of a record, in their order: each as the lengths of name and value in four bytes
/// each, little endian, then both.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// Headers from their encoded form, as [`Headers::encoded`] gives it.
    #[must_use]
    pub fn from_encoded(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoded form.
    #[must_use]
    pub fn encoded(&self) -> &'a [u8] {
        self.0
    }

    /// The value of the first header of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.iter()
            .find(|header| header.name == name)
            .map(|header| header.value)
    }

    /// All headers. Ends early where the encoded form is damaged.
    pub fn iter(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (name_length, after) = rest.split_first_chunk::<4>()?;
            let (value_length, after) = after.split_first_chunk::<4>()?;
            let (name, after) = after.split_at_checked(u32::from_le_bytes(*name_length) as usize)?;
            let (value, after) =
                after.split_at_checked(u32::from_le_bytes(*value_length) as usize)?;
            rest = after;
            Some(Header {
                name: std::str::from_utf8(name).ok()?,
                value,
            })
        })
    }

    /// Appends the encoded form of one header to `out`.
    pub fn encode_into(header: Header<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&length(header.name.len()).to_le_bytes());
        out.extend_from_slice(&length(header.value.len()).to_le_bytes());
        out.extend_from_slice(header.name.as_bytes());
        out.extend_from_slice(header.value);
    }
}

impl RecordBatch {
    /// The partition that the records are of.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// How many records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none: then the batch only moves the position.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where to read on after this batch.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The records, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> {
        self.entries.iter().map(|entry| entry.record(&self.buffer))
    }

    /// A batch over records that lie in `buffer` already.
    pub(crate) fn over(
        partition: TopicPartition,
        buffer: Bytes,
        entries: Vec<Entry>,
        next_offset: i64,
    ) -> Self {
        Self {
            partition,
            buffer,
            entries,
            next_offset,
        }
    }
}

/// Builds a batch, copying each record into its buffer. For the engines, and for tests of stages.
#[derive(Debug)]
pub struct RecordBatchBuilder {
    partition: TopicPartition,
    buffer: Vec<u8>,
    entries: Vec<Entry>,
}

impl RecordBatchBuilder {
    /// An empty batch of `partition`.
    #[must_use]
    pub fn new(partition: TopicPartition) -> Self {
        Self {
            partition,
            buffer: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Adds one record. Its offset must be above that of the one before.
    pub fn push(&mut self, record: RecordRef<'_>) {
        let mut put = |bytes: &[u8]| {
            let start = length(self.buffer.len());
            self.buffer.extend_from_slice(bytes);
            start..length(self.buffer.len())
        };
        let key = record.key.map(&mut put);
        let value = record.value.map(&mut put);
        let headers = put(record.headers.0);
        self.entries.push(Entry {
            offset: record.offset,
            timestamp: record.timestamp,
            key,
            value,
            headers,
        });
    }

    /// How many records were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes held so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The batch; reading goes on at `next_offset`.
    #[must_use]
    pub fn finish(self, next_offset: i64) -> RecordBatch {
        RecordBatch {
            partition: self.partition,
            buffer: Bytes::from(self.buffer),
            entries: self.entries,
            next_offset,
        }
    }
}

/// Records to append, in the order in which they were added, in one buffer.
#[derive(Debug, Default)]
pub struct OutputBatch {
    topics: Vec<Arc<str>>,
    buffer: Vec<u8>,
    entries: Vec<OutputEntry>,
}

#[derive(Debug)]
struct OutputEntry {
    topic: u16,
    partition: u32,
    key: Option<Range<u32>>,
    value: Option<Range<u32>>,
    headers: Range<u32>,
}

/// One record to append, borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// The topic, with the configured prefix.
    pub topic: &'a Arc<str>,
    /// The partition.
    pub partition: u32,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
}

impl OutputBatch {
    /// Adds one record. `value` writes the value to the end of the buffer it is given, and nothing
    /// else; where it is `None` the record is a tombstone.
    ///
    /// # Panics
    ///
    /// Where a batch would hold more than 4 GiB: units of work are bounded far below that.
    #[expect(
        clippy::type_complexity,
        reason = "an alias would hide what has to be passed"
    )]
    pub fn push<'h>(
        &mut self,
        topic: &Arc<str>,
        partition: u32,
        key: Option<&[u8]>,
        value: Option<&mut dyn FnMut(&mut Vec<u8>)>,
        headers: impl IntoIterator<Item = Header<'h>>,
    ) {
        let topic = self.topic_index(topic);
        let start = length(self.buffer.len());
        let key = key.map(|key| {
            self.buffer.extend_from_slice(key);
            start..length(self.buffer.len())
        });
        let start = length(self.buffer.len());
        let value = value.map(|write| {
            write(&mut self.buffer);
            start..length(self.buffer.len())
        });
        let start = length(self.buffer.len());
        for header in headers {
            Headers::encode_into(header, &mut self.buffer);
        }
        let headers = start..length(self.buffer.len());
        self.entries.push(OutputEntry {
            topic,
            partition,
            key,
            value,
            headers,
        });
    }

    /// How many records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys, values and headers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The records, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Output<'_>> {
        (0..self.entries.len()).map(|index| self.get(index))
    }

    /// The topics of the records. [`OutputBatch::topic_of`] is an index of these.
    pub(crate) fn topics(&self) -> &[Arc<str>] {
        &self.topics
    }

    /// The topic of a record, as an index of [`OutputBatch::topics`].
    pub(crate) fn topic_of(&self, index: usize) -> usize {
        usize::from(self.entries[index].topic)
    }

    /// One record.
    pub(crate) fn get(&self, index: usize) -> Output<'_> {
        let slice = |range: &Range<u32>| &self.buffer[range.start as usize..range.end as usize];
        let entry = &self.entries[index];
        Output {
            topic: &self.topics[usize::from(entry.topic)],
            partition: entry.partition,
            key: entry.key.as_ref().map(slice),
            value: entry.value.as_ref().map(slice),
            headers: Headers(slice(&entry.headers)),
        }
    }

    /// Removes all records, keeping the buffers.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.entries.clear();
    }

    fn topic_index(&mut self, topic: &Arc<str>) -> u16 {
        let known = self
            .topics
            .iter()
            .position(|known| Arc::ptr_eq(known, topic) || known == topic);
        let index = known.unwrap_or_else(|| {
            self.topics.push(Arc::clone(topic));
            self.topics.len() - 1
        });
        u16::try_from(index).expect("a pipeline has a dozen topics")
    }
}

/// A length as the 32 bits in which batches keep it.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("batches are bounded far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::{Header, Headers, OutputBatch, RecordBatchBuilder, RecordRef};
    use crate::TopicPartition;

    #[test]
    fn records_come_back_as_they_went_in() {
        let mut encoded = Vec::new();
        Headers::encode_into(
            Header {
                name: "stage",
                value: b"normalize",
            },
            &mut encoded,
        );
        Headers::encode_into(
            Header {
                name: "offset",
                value: b"7",
            },
            &mut encoded,
        );
        let mut builder = RecordBatchBuilder::new(TopicPartition::new("t", 3));
        builder.push(RecordRef {
            offset: 5,
            timestamp: 1,
            key: Some(b"k"),
            value: Some(b""),
            headers: Headers::from_encoded(&encoded),
        });
        builder.push(RecordRef {
            offset: 9,
            timestamp: 2,
            key: None,
            value: None,
            headers: Headers::default(),
        });
        let batch = builder.finish(12);
        let records: Vec<_> = batch.iter().collect();
        assert_eq!(
            (records[0].offset, records[0].key, records[0].value),
            (5, Some(&b"k"[..]), Some(&b""[..]))
        );
        assert_eq!(records[0].headers.get("offset"), Some(&b"7"[..]));
        assert_eq!(records[0].headers.get("topic"), None);
        assert_eq!(
            (records[1].offset, records[1].key, records[1].value),
            (9, None, None)
        );
        assert_eq!(batch.next_offset(), 12);
    }

    #[test]
    fn outputs_keep_their_order_and_topics() {
        let (a, b) = ("a".into(), "b".into());
        let mut outputs = OutputBatch::default();
        outputs.push(
            &a,
            0,
            Some(b"k"),
            Some(&mut |out| out.extend_from_slice(b"v")),
            [],
        );
        outputs.push(
            &b,
            1,
            Some(b"k2"),
            None,
            [Header {
                name: "version",
                value: b"4",
            }],
        );
        outputs.push(&a, 2, None, Some(&mut |_| ()), []);
        let all: Vec<_> = outputs
            .iter()
            .map(|o| (&**o.topic, o.partition, o.key, o.value))
            .collect();
        assert_eq!(
            all,
            [
                ("a", 0, Some(&b"k"[..]), Some(&b"v"[..])),
                ("b", 1, Some(b"k2"), None),
                ("a", 2, None, Some(b""))
            ]
        );
        assert_eq!(
            outputs.iter().nth(1).and_then(|o| o.headers.get("version")),
            Some(&b"4"[..])
        );
    }
}
