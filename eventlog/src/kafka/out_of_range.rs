//! Which position is outside of the log, where librdkafka says only that one is.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

use crate::LogError;

use super::batches::Batches;
use super::failure::Failure;
use super::partitions;

/// The error of the first partition whose position is outside of the log, below its start first.
pub(super) fn find<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    batches: &Batches,
    timeout: Duration,
    failure: &Failure,
) -> LogError {
    let mut above = None;
    for (partition, offset) in batches.positions() {
        let bounds =
            consumer.fetch_watermarks(&partition.topic, partitions::native(partition), timeout);
        match bounds {
            Ok((start, _)) if offset < start => {
                return LogError::OutOfRange {
                    partition: partition.clone(),
                    offset,
                    start,
                };
            }
            Ok((start, end)) if offset > end => {
                above.get_or_insert(LogError::OutOfRange {
                    partition: partition.clone(),
                    offset,
                    start,
                });
            }
            _ => {}
        }
    }
    above.unwrap_or_else(|| failure.during("reading"))
}
