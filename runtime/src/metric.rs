//! The metrics of stages. Counted once a unit of work is committed, never by the record.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::tally::Tally;

/// Input records whose unit of work is committed; label `stage`.
pub const RECORDS: &str = "rollcall_stage_records_total";
/// Of those, the ones that had an effect; label `stage`.
pub const EFFECTIVE: &str = "rollcall_stage_effective_records_total";
/// Of those, the ones that had none; labels `stage`, `reason`.
pub const IGNORED: &str = "rollcall_stage_ignored_records_total";
/// Of those, the ones that went to the dead letters; labels `stage`, `class`.
pub const DEAD: &str = "rollcall_stage_dead_records_total";
/// Records appended by committed units of work, dead letters included; label `stage`.
pub const OUTPUTS: &str = "rollcall_stage_output_records_total";
/// Commits by how they ended; labels `stage`, `result` (`committed`, `aborted`, `unclear`, `fenced`,
/// `failed`).
pub const COMMITS: &str = "rollcall_stage_commits_total";
/// Time of a commit that succeeded, in the log and in the store; label `stage`.
pub const COMMIT_SECONDS: &str = "rollcall_stage_commit_seconds";
/// Records of the input that are not committed yet; labels `stage`, `partition`.
pub const LAG: &str = "rollcall_stage_lag_records";
/// Records read to bring stores up to date; label `stage`.
pub const RESTORED: &str = "rollcall_stage_restored_records_total";
/// Offsets that a store being brought up to date has before it; labels `stage`, `partition`.
pub const RESTORE_REMAINING: &str = "rollcall_stage_restore_remaining_records";
/// Stores rebuilt from the start; labels `stage`, `reason`.
pub const REBUILDS: &str = "rollcall_stage_store_rebuilds_total";

/// Describes all metrics of this crate to the recorder.
pub fn describe() {
    describe_counter!(
        RECORDS,
        Unit::Count,
        "Input records whose unit of work is committed."
    );
    describe_counter!(EFFECTIVE, Unit::Count, "Input records that had an effect.");
    describe_counter!(
        IGNORED,
        Unit::Count,
        "Input records that had no effect, by reason."
    );
    describe_counter!(
        DEAD,
        Unit::Count,
        "Input records that went to the dead letters, by class of fault."
    );
    describe_counter!(
        OUTPUTS,
        Unit::Count,
        "Records appended by committed units of work, dead letters included."
    );
    describe_counter!(COMMITS, Unit::Count, "Commits, by how they ended.");
    describe_histogram!(
        COMMIT_SECONDS,
        Unit::Seconds,
        "Time of a commit that succeeded, in the log and in the store."
    );
    describe_gauge!(
        LAG,
        Unit::Count,
        "Input records that are not committed yet."
    );
    describe_counter!(
        RESTORED,
        Unit::Count,
        "Records read to bring stores up to date."
    );
    describe_gauge!(
        RESTORE_REMAINING,
        Unit::Count,
        "Offsets that a store being brought up to date has before it."
    );
    describe_counter!(
        REBUILDS,
        Unit::Count,
        "Stores rebuilt from the start, by reason."
    );
}

pub(crate) fn committed(stage: &'static str, tally: &Tally, outputs: usize, took: Duration) {
    counter!(COMMITS, "stage" => stage, "result" => "committed").increment(1);
    histogram!(COMMIT_SECONDS, "stage" => stage).record(took);
    counter!(RECORDS, "stage" => stage).increment(tally.records());
    counter!(EFFECTIVE, "stage" => stage).increment(tally.effective);
    for (reason, count) in tally.ignored.iter() {
        counter!(IGNORED, "stage" => stage, "reason" => reason).increment(count);
    }
    for (class, count) in tally.rejected.iter() {
        counter!(DEAD, "stage" => stage, "class" => class).increment(count);
    }
    counter!(OUTPUTS, "stage" => stage).increment(outputs as u64);
}

pub(crate) fn not_committed(stage: &'static str, result: &'static str) {
    counter!(COMMITS, "stage" => stage, "result" => result).increment(1);
}

pub(crate) fn lag(stage: &'static str, partition: u32, records: u64) {
    gauge!(LAG, "stage" => stage, "partition" => partition.to_string()).set(as_gauge(records));
}

pub(crate) fn restored(stage: &'static str, partition: u32, records: u64, remaining: u64) {
    counter!(RESTORED, "stage" => stage).increment(records);
    gauge!(RESTORE_REMAINING, "stage" => stage, "partition" => partition.to_string())
        .set(as_gauge(remaining));
}

pub(crate) fn rebuild(stage: &'static str, reason: &'static str) {
    counter!(REBUILDS, "stage" => stage, "reason" => reason).increment(1);
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
fn as_gauge(count: u64) -> f64 {
    count as f64
}
