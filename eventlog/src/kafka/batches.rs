//! Fetching: messages of a consumer, in batches of one partition each.
//!
//! The only place that takes messages from librdkafka.

use std::collections::VecDeque;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _};
use rdkafka::{Message, Offset};

use crate::{Header, Headers, RecordBatch, RecordBatchBuilder, RecordRef, TopicPartition};

use super::partitions;

/// Bytes after which no more is taken at once: what is taken is copied out of librdkafka, which reads
/// on meanwhile.
const FILL_BYTES: usize = 1 << 20;

/// What was read from a consumer and not handed on yet.
#[derive(Debug, Default)]
pub(super) struct Batches {
    open: Vec<Partition>,
    /// Which partition is looked at first, so that none waits behind the others.
    turn: usize,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Partition {
    partition: TopicPartition,
    /// The offset that is to be read next.
    position: i64,
    /// Whether `position` moved without a record.
    moved: bool,
    paused: bool,
    /// Records before `position`, in order.
    records: Option<RecordBatchBuilder>,
    /// Whole batches that a caller asked for in smaller pieces.
    rest: VecDeque<RecordBatch>,
}

impl Batches {
    /// Takes messages of this partition from now on, from `position`.
    pub(super) fn open(&mut self, partition: &TopicPartition, position: i64) {
        self.close(partition);
        self.open.push(Partition {
            partition: partition.clone(),
            position,
            moved: false,
            paused: false,
            records: None,
            rest: VecDeque::new(),
        });
    }

    /// Drops what was read of this partition, and whatever still comes.
    pub(super) fn close(&mut self, partition: &TopicPartition) {
        self.open.retain(|open| open.partition != *partition);
    }

    pub(super) fn is_open(&self, partition: &TopicPartition) -> bool {
        self.open.iter().any(|open| open.partition == *partition)
    }

    /// Goes on at `position`, dropping what was read.
    pub(super) fn seek(&mut self, partition: &TopicPartition, position: i64) {
        if let Some(open) = self
            .open
            .iter_mut()
            .find(|open| open.partition == *partition)
        {
            open.position = position;
            open.moved = false;
            open.records = None;
            open.rest.clear();
        }
    }

    /// Hands on nothing of this partition, and keeps what was read.
    pub(super) fn set_paused(&mut self, partition: &TopicPartition, paused: bool) {
        if let Some(open) = self
            .open
            .iter_mut()
            .find(|open| open.partition == *partition)
        {
            open.paused = paused;
        }
    }

    /// Where each partition is read next.
    pub(super) fn positions(&self) -> impl Iterator<Item = (&TopicPartition, i64)> {
        self.open
            .iter()
            .map(|open| (&open.partition, open.position))
    }

    /// Waits at most `timeout` for something of the consumer, then takes what is there without
    /// waiting, up to `max_records` or [`FILL_BYTES`]. Ends early for events that are not messages.
    pub(super) fn fill<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        max_records: usize,
        timeout: Duration,
    ) -> Result<(), KafkaError> {
        let mut ended = Vec::new();
        let mut wait = timeout;
        let mut left = max_records.max(1);
        let mut bytes = 0;
        let mut failure = None;
        while left > 0 && bytes < FILL_BYTES {
            match consumer.poll(wait) {
                Some(Ok(message)) => {
                    self.push(&message);
                    left -= 1;
                    bytes += message.key_len() + message.payload_len();
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => ended.push(partition),
                Some(Err(error)) => {
                    failure = Some(error);
                    break;
                }
                None => break,
            }
            wait = Duration::ZERO;
        }
        if !ended.is_empty() {
            self.skip_to_end(consumer, &ended)?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// A batch of at most `max_records`, if there is one.
    pub(super) fn take(&mut self, max_records: usize) -> Option<RecordBatch> {
        let max_records = max_records.max(1);
        let count = self.open.len();
        let index = (0..count)
            .map(|n| (self.turn + n) % count)
            .find(|index| self.open[*index].has_some())?;
        self.turn = (index + 1) % count;
        self.open[index].take(max_records)
    }

    fn push(&mut self, message: &BorrowedMessage<'_>) {
        let Ok(number) = u32::try_from(message.partition()) else {
            return;
        };
        let topic = message.topic();
        let same = |open: &&mut Partition| {
            open.partition.partition == number && *open.partition.topic == *topic
        };
        // A partition that was let go of or sought elsewhere, whose messages were already on the way.
        let Some(open) = self.open.iter_mut().find(same) else {
            return;
        };
        if message.offset() < open.position {
            return;
        }
        self.scratch.clear();
        for header in message
            .headers()
            .into_iter()
            .flat_map(|headers| headers.iter())
        {
            Headers::encode_into(
                Header {
                    name: header.key,
                    value: header.value.unwrap_or_default(),
                },
                &mut self.scratch,
            );
        }
        let records = open
            .records
            .get_or_insert_with(|| RecordBatchBuilder::new(open.partition.clone()));
        records.push(RecordRef {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or(0),
            key: message.key(),
            value: message.payload(),
            headers: Headers::from_encoded(&self.scratch),
        });
        open.position = message.offset() + 1;
    }

    /// At the end of a partition transaction markers may lie between the last record and the end.
    /// librdkafka says only the number of the partition that ended, but knows the position of each.
    fn skip_to_end<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        ended: &[i32],
    ) -> Result<(), KafkaError> {
        let positions = consumer.position()?;
        for open in self
            .open
            .iter_mut()
            .filter(|open| ended.contains(&partitions::native(&open.partition)))
        {
            let position = positions
                .find_partition(&open.partition.topic, partitions::native(&open.partition));
            // Unset until something was read since the last seek.
            if let Some(Offset::Offset(position)) = position.map(|element| element.offset())
                && position > open.position
            {
                open.position = position;
                open.moved = true;
            }
        }
        Ok(())
    }
}

impl Partition {
    fn has_some(&self) -> bool {
        !self.paused && (self.moved || self.records.is_some() || !self.rest.is_empty())
    }

    fn take(&mut self, max_records: usize) -> Option<RecordBatch> {
        let batch = match self.rest.pop_front() {
            Some(batch) => batch,
            None => {
                self.moved = false;
                let records = self.records.take();
                records
                    .unwrap_or_else(|| RecordBatchBuilder::new(self.partition.clone()))
                    .finish(self.position)
            }
        };
        if batch.len() <= max_records {
            return Some(batch);
        }
        let (first, rest) = split(&batch, max_records);
        self.rest.push_front(rest);
        Some(first)
    }
}

/// The first `count` records of a batch that has more, and the others.
fn split(batch: &RecordBatch, count: usize) -> (RecordBatch, RecordBatch) {
    let part = |records: &mut dyn Iterator<Item = RecordRef<'_>>, next_offset: Option<i64>| {
        let mut builder = RecordBatchBuilder::new(batch.partition().clone());
        let mut end = 0;
        for record in records {
            end = record.offset + 1;
            builder.push(record);
        }
        builder.finish(next_offset.unwrap_or(end))
    };
    (
        part(&mut batch.iter().take(count), None),
        part(&mut batch.iter().skip(count), Some(batch.next_offset())),
    )
}

#[cfg(test)]
mod tests {
    use super::{Batches, split};
    use crate::{Headers, RecordBatchBuilder, RecordRef, TopicPartition};

    fn builder(partition: &TopicPartition, offsets: &[i64]) -> RecordBatchBuilder {
        let mut builder = RecordBatchBuilder::new(partition.clone());
        for offset in offsets {
            builder.push(RecordRef {
                offset: *offset,
                timestamp: 0,
                key: None,
                value: Some(b"v"),
                headers: Headers::default(),
            });
        }
        builder
    }

    #[test]
    fn a_batch_is_split_at_its_records_and_only_the_last_part_moves_past_them() {
        let batch = builder(&TopicPartition::new("t", 0), &[3, 5, 9]).finish(12);
        let (first, rest) = split(&batch, 2);
        assert_eq!(
            (
                first.iter().map(|r| r.offset).collect::<Vec<_>>(),
                first.next_offset()
            ),
            (vec![3, 5], 6)
        );
        assert_eq!(
            (
                rest.iter().map(|r| r.offset).collect::<Vec<_>>(),
                rest.next_offset()
            ),
            (vec![9], 12)
        );
    }

    #[test]
    fn partitions_take_turns_and_paused_ones_keep_what_they_have() {
        let (a, b) = (TopicPartition::new("t", 0), TopicPartition::new("t", 1));
        let mut batches = Batches::default();
        for partition in [&a, &b] {
            batches.open(partition, 0);
        }
        batches.open[0].records = Some(builder(&a, &[0, 1, 2]));
        batches.open[0].position = 3;
        batches.open[1].records = Some(builder(&b, &[0]));
        batches.open[1].position = 4;
        let taken = |batches: &mut Batches| {
            batches.take(2).map(|batch| {
                (
                    batch.partition().partition,
                    batch.len(),
                    batch.next_offset(),
                )
            })
        };
        batches.set_paused(&b, true);
        assert_eq!(taken(&mut batches), Some((0, 2, 2)));
        assert_eq!(taken(&mut batches), Some((0, 1, 3)));
        assert_eq!(taken(&mut batches), None);
        batches.set_paused(&b, false);
        assert_eq!(taken(&mut batches), Some((1, 1, 4)));
        batches.open[1].records = Some(builder(&b, &[4]));
        batches.seek(&b, 1);
        assert_eq!(taken(&mut batches), None);
    }
}
