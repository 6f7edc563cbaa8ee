//! Reading a partition from its start to where it ends now.

use std::time::Duration;

use anyhow::{Context, Result};
use rollcall_eventlog::{EventLog, RecordRef, TopicPartition};
use rollcall_runtime::Route;

use super::{Inspector, Place};

const BATCH: usize = 10_000;
const PATIENCE: Duration = Duration::from_secs(10);

impl Inspector {
    /// Visits every record of some partitions, each in order. Ends early where `visit` returns
    /// false.
    pub(super) fn scan(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        mut visit: impl FnMut(&Place, &RecordRef<'_>) -> bool,
    ) -> Result<()> {
        for partition in partitions {
            if !scan_partition(&*self.log, &partition, &mut visit)? {
                break;
            }
        }
        Ok(())
    }

    /// Visits every record of a partition, and goes on until there is no more. Of a compacted topic it
    /// so meets every key, because one that goes while it reads has a later record.
    pub(super) fn scan_to_end(
        &self,
        partition: &TopicPartition,
        mut visit: impl FnMut(&RecordRef<'_>) -> Result<()>,
    ) -> Result<()> {
        let offsets = self
            .log
            .offsets(partition)
            .with_context(|| format!("reading {partition}"))?;
        let (mut position, mut end) = (offsets.start, offsets.end);
        if position >= end {
            return Ok(());
        }
        let mut reader = self.log.reader(&[(partition.clone(), position)])?;
        while position < end {
            let Some(batch) = reader.poll(BATCH, PATIENCE)? else {
                anyhow::bail!(
                    "{partition} answers nothing at offset {position}, though it goes on to {end}"
                );
            };
            for record in batch.iter() {
                visit(&record)?;
            }
            position = batch.next_offset();
            if position >= end {
                end = self.log.offsets(partition)?.end;
            }
        }
        Ok(())
    }

    /// The partition in which a key lives.
    pub(super) fn home(route: &Route, key: &str) -> TopicPartition {
        route.partition(route.partition_for(key.as_bytes()))
    }
}

fn scan_partition(
    log: &dyn EventLog,
    partition: &TopicPartition,
    visit: &mut impl FnMut(&Place, &RecordRef<'_>) -> bool,
) -> Result<bool> {
    let offsets = log
        .offsets(partition)
        .with_context(|| format!("reading {partition}"))?;
    let mut position = offsets.start;
    if position >= offsets.end {
        return Ok(true);
    }
    let mut reader = log.reader(&[(partition.clone(), position)])?;
    while position < offsets.end {
        let Some(batch) = reader.poll(BATCH, PATIENCE)? else {
            anyhow::bail!(
                "{partition} answers nothing at offset {position}, though it goes on to {}",
                offsets.end
            );
        };
        for record in batch.iter() {
            let place = Place {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                offset: record.offset,
            };
            if !visit(&place, &record) {
                return Ok(false);
            }
        }
        position = batch.next_offset();
    }
    Ok(true)
}
