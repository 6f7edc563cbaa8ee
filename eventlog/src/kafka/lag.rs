//! How far a member is behind, from librdkafka's statistics.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use crate::{TopicPartition, metric};

/// What a group has committed of the partitions that a member holds. librdkafka's own lag does not
/// know: transactions commit past it.
#[derive(Debug)]
pub(super) struct Lag {
    group: String,
    committed: Mutex<HashMap<TopicPartition, i64>>,
}

#[derive(Deserialize)]
struct Statistics {
    topics: HashMap<String, Topic>,
}

#[derive(Deserialize)]
struct Topic {
    partitions: HashMap<String, Partition>,
}

#[derive(Deserialize)]
struct Partition {
    /// Last stable offset; negative where not known.
    ls_offset: i64,
}

impl Lag {
    pub(super) fn new(group: &str) -> Self {
        Self {
            group: group.to_owned(),
            committed: Mutex::default(),
        }
    }

    /// Starts to report a partition.
    pub(super) fn hold(&self, partition: &TopicPartition, committed: i64) {
        self.committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(partition.clone(), committed);
    }

    /// Notes what was committed, for partitions that are held.
    pub(super) fn commit(&self, offsets: &[(TopicPartition, i64)]) {
        let mut committed = self
            .committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (partition, offset) in offsets {
            if let Some(known) = committed.get_mut(partition) {
                *known = *offset;
            }
        }
    }

    /// Stops to report a partition: whoever has it now does.
    pub(super) fn release(&self, partition: &TopicPartition) {
        if self
            .committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(partition)
            .is_some()
        {
            self.gauge(partition, 0);
        }
    }

    /// Sets the gauges from a report of librdkafka.
    pub(super) fn report(&self, statistics: &[u8]) {
        for (partition, lag) in self.of(statistics) {
            self.gauge(&partition, lag);
        }
    }

    fn of(&self, statistics: &[u8]) -> Vec<(TopicPartition, i64)> {
        let statistics: Statistics = match serde_json::from_slice(statistics) {
            Ok(statistics) => statistics,
            Err(error) => {
                tracing::warn!(%error, "statistics of librdkafka that cannot be read");
                return Vec::new();
            }
        };
        let committed = self
            .committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let lag_of = |(partition, committed): (&TopicPartition, &i64)| {
            let reported = statistics
                .topics
                .get(&*partition.topic)?
                .partitions
                .get(&partition.partition.to_string())?;
            (reported.ls_offset >= 0)
                .then(|| (partition.clone(), (reported.ls_offset - committed).max(0)))
        };
        committed.iter().filter_map(lag_of).collect()
    }

    fn gauge(&self, partition: &TopicPartition, lag: i64) {
        metrics::gauge!(
            metric::CONSUMER_LAG_RECORDS,
            "topic" => partition.topic.to_string(),
            "partition" => partition.partition.to_string(),
            "group" => self.group.clone(),
        )
        .set(lag as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::Lag;
    use crate::TopicPartition;

    #[test]
    fn the_lag_is_what_is_stable_and_not_committed() {
        let (held, other, unknown) = (
            TopicPartition::new("t", 0),
            TopicPartition::new("t", 1),
            TopicPartition::new("u", 0),
        );
        let lag = Lag::new("g");
        lag.hold(&held, 3);
        lag.hold(&unknown, 0);
        let report = br#"{"topics": {
            "t": {"partitions": {"0": {"ls_offset": 10, "x": 1}, "1": {"ls_offset": 50}, "-1": {"ls_offset": -1001}}},
            "u": {"partitions": {"0": {"ls_offset": -1001}}}}}"#;
        assert_eq!(lag.of(report), [(held.clone(), 7)]);
        lag.commit(&[(held.clone(), 10), (other, 20)]);
        assert_eq!(lag.of(report), [(held.clone(), 0)]);
        lag.release(&held);
        assert_eq!(lag.of(report), []);
    }
}
