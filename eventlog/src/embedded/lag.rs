//! Reports how far a group is behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::Engine;
use crate::{TopicPartition, metric};

/// How often the gauges are set.
const EVERY: Duration = Duration::from_secs(1);

/// Sets the gauges of a member's partitions, so often that it costs nothing.
#[derive(Debug, Default)]
pub(super) struct LagReport {
    next: Option<Instant>,
}

impl LagReport {
    pub(super) fn report_if_due(
        &mut self,
        engine: &Engine,
        group: &str,
        assigned: &[TopicPartition],
    ) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        self.next = Some(now + EVERY);
        for name in assigned {
            if let Ok(partition) = engine.topics.partition(name) {
                let offsets = partition.offsets();
                let committed = engine
                    .committed(group, partition.id)
                    .unwrap_or(offsets.start);
                set(group, name, offsets.end.saturating_sub(committed).max(0));
            }
        }
    }
}

/// Sets the gauges of partitions that a member gives away: their next reader reports them.
pub(super) fn forget(group: &str, partitions: &[TopicPartition]) {
    partitions
        .iter()
        .for_each(|partition| set(group, partition, 0));
}

fn set(group: &str, partition: &TopicPartition, lag: i64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    metrics::gauge!(
        metric::CONSUMER_LAG_RECORDS,
        "topic" => Arc::clone(&partition.topic),
        "partition" => partition.partition.to_string(),
        "group" => group.to_owned(),
    )
    .set(lag as f64);
}
