//! The names of this crate's metrics.

/// Gauge: records that are committed in a partition and not yet by the group that reads it.
/// Labels `topic`, `partition`, `group`.
pub const CONSUMER_LAG_RECORDS: &str = "rollcall_consumer_lag_records";

/// Histogram: seconds that one sync of the embedded log's journal takes. Many appends share one.
pub const EMBEDDED_SYNC_SECONDS: &str = "rollcall_embedded_sync_seconds";

/// Counter: bytes written to the embedded log's journal.
pub const EMBEDDED_JOURNAL_BYTES_TOTAL: &str = "rollcall_embedded_journal_bytes_total";

/// Counter: checkpoints that the embedded log has made.
pub const EMBEDDED_CHECKPOINTS_TOTAL: &str = "rollcall_embedded_checkpoints_total";

/// Counter: bytes of the embedded log's segments that compaction has rewritten.
pub const EMBEDDED_COMPACTED_BYTES_TOTAL: &str = "rollcall_embedded_compacted_bytes_total";

/// Gauge: bytes of the disk that the embedded log may still use before it takes no more records.
pub const EMBEDDED_FREE_BYTES: &str = "rollcall_embedded_free_bytes";

/// Describes the metrics to the recorder that is installed.
pub fn describe() {
    metrics::describe_gauge!(
        CONSUMER_LAG_RECORDS,
        metrics::Unit::Count,
        "Records committed in a partition and not yet consumed by the group"
    );
    metrics::describe_histogram!(
        EMBEDDED_SYNC_SECONDS,
        metrics::Unit::Seconds,
        "Duration of one sync of the embedded log's journal"
    );
    metrics::describe_counter!(
        EMBEDDED_JOURNAL_BYTES_TOTAL,
        metrics::Unit::Bytes,
        "Bytes written to the embedded log's journal"
    );
    metrics::describe_counter!(
        EMBEDDED_CHECKPOINTS_TOTAL,
        metrics::Unit::Count,
        "Checkpoints of the embedded log"
    );
    metrics::describe_counter!(
        EMBEDDED_COMPACTED_BYTES_TOTAL,
        metrics::Unit::Bytes,
        "Bytes of the embedded log's segments that compaction has rewritten"
    );
    metrics::describe_gauge!(
        EMBEDDED_FREE_BYTES,
        metrics::Unit::Bytes,
        "Bytes of the disk that the embedded log may still use before it takes no more records"
    );
}
