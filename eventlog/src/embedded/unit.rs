//! A unit of work as a frame.

use std::sync::Arc;

use super::chunk::{HEADER_BYTES, RECORD_BYTES};
use super::frame::{ChunkWriter, Frame, FrameBuilder, GroupOffset, MAX_BYTES, PartitionId};
use super::topics::Topics;
use crate::{LogError, Output, OutputBatch, TopicPartition, UnitOfWork};

/// The largest record, with its key and headers: as on Kafka, so that a log can be copied there.
pub(super) const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Writes the outputs by partition, in their order, and the offsets of `group`.
pub(super) fn encode(
    topics: &Topics,
    group: &Arc<str>,
    unit: &UnitOfWork,
) -> Result<Frame, LogError> {
    let by_partition = ByPartition::sort(topics, &unit.outputs)?;
    let mut builder = FrameBuilder::with_capacity(frame_bytes(&unit.outputs));
    for (partition, records) in by_partition.iter() {
        builder.section(partition, |out| {
            let mut writer = ChunkWriter::default();
            for index in records {
                let output = unit.outputs.get(*index as usize);
                writer.push(out, output.key, output.value, output.headers);
            }
            writer.close(out);
        });
    }
    let mut offsets = Vec::with_capacity(unit.offsets.len());
    for (partition, offset) in &unit.offsets {
        let partition = topics.partition(partition)?.id;
        offsets.push(GroupOffset {
            group: Arc::clone(group),
            partition,
            offset: *offset,
        });
    }
    builder
        .finish(offsets)
        .map_err(|too_large| LogError::TooLarge {
            partition: by_partition.first(&unit.outputs),
            bytes: too_large.bytes,
            limit: MAX_BYTES,
        })
}

/// A little more than the frame will need, so that it grows in one piece.
fn frame_bytes(outputs: &OutputBatch) -> usize {
    let bytes = outputs.bytes() + outputs.len() * RECORD_BYTES + 1024;
    bytes + bytes / 4096 * HEADER_BYTES / 32
}

/// The outputs by partition: a counting sort, which keeps their order.
struct ByPartition {
    /// Where each partition's outputs begin in `order`, for all partitions of all topics in turn.
    slots: Vec<Slot>,
    order: Vec<u32>,
}

struct Slot {
    partition: PartitionId,
    start: usize,
    end: usize,
}

impl ByPartition {
    fn sort(topics: &Topics, outputs: &OutputBatch) -> Result<Self, LogError> {
        let mut slots = Vec::new();
        let mut ranges = Vec::new();
        for name in outputs.topics() {
            let first = slots.len();
            let topic = topics.get(name);
            for partition in topic.iter().flat_map(|topic| &topic.partitions) {
                slots.push(Slot {
                    partition: partition.id,
                    start: 0,
                    end: 0,
                });
            }
            ranges.push(first..slots.len());
        }
        let mut slot_of = Vec::with_capacity(outputs.len());
        for (index, output) in outputs.iter().enumerate() {
            check_size(&output)?;
            let range = &ranges[outputs.topic_of(index)];
            let slot = range.start + output.partition as usize;
            if slot >= range.end {
                return Err(LogError::UnknownPartition {
                    partition: name_of(&output),
                });
            }
            slots[slot].end += 1;
            slot_of.push(slot);
        }
        let mut start = 0;
        for slot in &mut slots {
            let count = slot.end;
            slot.start = start;
            slot.end = start;
            start += count;
        }
        let mut order = vec![0; outputs.len()];
        for (index, slot) in (0..).zip(slot_of) {
            order[slots[slot].end] = index;
            slots[slot].end += 1;
        }
        Ok(Self { slots, order })
    }

    fn iter(&self) -> impl Iterator<Item = (PartitionId, &[u32])> {
        let filled = self.slots.iter().filter(|slot| slot.start < slot.end);
        filled.map(|slot| (slot.partition, &self.order[slot.start..slot.end]))
    }

    fn first(&self, outputs: &OutputBatch) -> TopicPartition {
        let first = self
            .order
            .first()
            .map(|index| name_of(&outputs.get(*index as usize)));
        first.unwrap_or_else(|| TopicPartition::new("", 0))
    }
}

fn check_size(output: &Output<'_>) -> Result<(), LogError> {
    let part = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let bytes = part(output.key) + part(output.value) + output.headers.encoded().len();
    if bytes > MAX_RECORD_BYTES {
        let partition = name_of(output);
        return Err(LogError::TooLarge {
            partition,
            bytes,
            limit: MAX_RECORD_BYTES,
        });
    }
    Ok(())
}

fn name_of(output: &Output<'_>) -> TopicPartition {
    TopicPartition {
        topic: Arc::clone(output.topic),
        partition: output.partition,
    }
}
