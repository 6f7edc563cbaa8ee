//! The names of this crate's metrics.

/// Gauge: records that are committed in a partition and not yet by the group that reads it.
/// Labels `topic`, `partition`, `group`.
pub const CONSUMER_LAG_RECORDS: &str = "rollcall_consumer_lag_records";

/// Describes the metrics to the recorder that is installed.
pub fn describe() {
    metrics::describe_gauge!(
        CONSUMER_LAG_RECORDS,
        metrics::Unit::Count,
        "Records committed in a partition and not yet consumed by the group"
    );
}
