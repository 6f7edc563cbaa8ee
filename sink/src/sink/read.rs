//! Reads the log: the ledger to its end, and the sources from where the group is.

use std::collections::BTreeMap;
use std::time::Duration;

use rollcall_eventlog::{EventLog, RecordBatch, TopicPartition};
use rollcall_schemas::record::Delivery;
use rollcall_schemas::wire::DELIVERY;

use super::SinkError;
use super::commit::Routes;
use crate::ledger_store::LedgerStore;

/// Records taken at once.
pub(super) const BATCH: usize = 1000;

/// How long to wait for a topic that is being read to its end.
const READ_WAIT: Duration = Duration::from_millis(500);

/// From where partitions are read: where the group is, or the log's start.
pub(super) fn positions(
    log: &dyn EventLog,
    group: &str,
    partitions: Vec<TopicPartition>,
) -> Result<Vec<(TopicPartition, i64)>, SinkError> {
    let committed = log.committed(group, &partitions)?;
    let mut from = Vec::with_capacity(partitions.len());
    for (partition, committed) in partitions.into_iter().zip(committed) {
        let offset = match committed {
            Some(offset) => offset,
            None => log.offsets(&partition)?.start,
        };
        from.push((partition, offset));
    }
    Ok(from)
}

pub(super) fn read_ledger(log: &dyn EventLog, routes: &Routes) -> Result<LedgerStore, SinkError> {
    let mut ledger = LedgerStore::default();
    let mut ranges = Vec::new();
    for partition in routes.deliveries.all() {
        let offsets = log.offsets(&partition)?;
        ranges.push((partition, offsets.start, offsets.end));
    }
    read_to_end(log, &ranges, |batch| {
        for record in batch.iter() {
            let Some(key) = record.key else { continue };
            let delivery = record
                .value
                .map(|value| DELIVERY.decode::<Delivery<'_>>(value))
                .transpose();
            let delivery = delivery.map_err(|source| SinkError::Ledger {
                topic: batch.partition().topic.to_string(),
                partition: batch.partition().partition,
                offset: record.offset,
                source,
            })?;
            ledger.restore(key, delivery.as_ref());
        }
        Ok(())
    })?;
    Ok(ledger)
}

/// Reads partitions from an offset to what was their end.
pub(super) fn read_to_end(
    log: &dyn EventLog,
    ranges: &[(TopicPartition, i64, i64)],
    mut take: impl FnMut(&RecordBatch) -> Result<(), SinkError>,
) -> Result<(), SinkError> {
    let mut remaining: BTreeMap<&TopicPartition, i64> = ranges
        .iter()
        .filter(|(_, from, end)| from < end)
        .map(|(partition, _, end)| (partition, *end))
        .collect();
    let from: Vec<_> = ranges
        .iter()
        .filter(|(partition, ..)| remaining.contains_key(partition))
        .map(|(partition, from, _)| (partition.clone(), *from))
        .collect();
    if from.is_empty() {
        return Ok(());
    }
    let mut reader = log.reader(&from)?;
    while !remaining.is_empty() {
        let Some(batch) = reader.poll(BATCH, READ_WAIT)? else {
            continue;
        };
        take(&batch)?;
        if remaining
            .get(batch.partition())
            .is_some_and(|end| batch.next_offset() >= *end)
        {
            remaining.remove(batch.partition());
        }
    }
    Ok(())
}
