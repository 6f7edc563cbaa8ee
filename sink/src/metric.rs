//! The metrics of the sink. Records and commits are counted as a stage's, under `stage="sink"` (see
//! `rollcall_runtime::metric`); the lag has a `topic` too, because the sink reads two.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use rollcall_eventlog::CommitError;
use rollcall_runtime::{LeaseError, metric as stage_metric};
use rollcall_schemas::record::{Delivery, DeliveryState, Effect};

use crate::client::Seen;
use crate::progress::SourceTopic;
use crate::status::SinkStatus;
use crate::tally::Tally;

/// The sink's name among the stages.
pub const STAGE: &str = "sink";

/// Requests to Brevo; labels `endpoint`, `status` (the number, or `none` without an answer).
pub const REQUESTS: &str = "rollcall_brevo_requests_total";
/// Time of a request to Brevo; label `endpoint`.
pub const REQUEST_SECONDS: &str = "rollcall_brevo_request_seconds";
/// Ledger records committed; labels `effect`, `state`.
pub const EFFECTS: &str = "rollcall_sink_effects_total";
/// Records that wait for Brevo; label `topic`.
pub const WAITING: &str = "rollcall_sink_waiting_records";
/// Effects of unknown outcome.
pub const UNKNOWN: &str = "rollcall_sink_unknown_effects";
/// 1 where the sink is paused by a fault of the account or the configuration.
pub const PAUSED: &str = "rollcall_sink_paused";
/// 1 where this instance is the active one.
pub const ACTIVE: &str = "rollcall_sink_active";
/// Values that do not fit their attribute's type and were left out; label `attribute`.
pub const MISFITS: &str = "rollcall_sink_misfit_values_total";
/// Records written to the dead letters; label `class`.
pub const DEAD_LETTERS: &str = "rollcall_sink_dead_letters_total";

/// Describes all metrics of this crate to the recorder.
pub fn describe() {
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "Requests to Brevo, by endpoint and status."
    );
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Time of a request to Brevo."
    );
    describe_counter!(
        EFFECTS,
        Unit::Count,
        "Ledger records committed, by effect and state."
    );
    describe_gauge!(
        WAITING,
        Unit::Count,
        "Records that wait for Brevo, by topic."
    );
    describe_gauge!(UNKNOWN, Unit::Count, "Effects of unknown outcome.");
    describe_gauge!(
        PAUSED,
        Unit::Count,
        "1 where the sink is paused by a fault of the account or the configuration."
    );
    describe_gauge!(
        ACTIVE,
        Unit::Count,
        "1 where this instance is the active one."
    );
    describe_counter!(
        MISFITS,
        Unit::Count,
        "Values that do not fit their attribute's type and were left out."
    );
    describe_counter!(
        DEAD_LETTERS,
        Unit::Count,
        "Records written to the dead letters, by class of fault."
    );
}

pub(crate) fn request(seen: &Seen) {
    let status = seen
        .status
        .map_or_else(|| "none".to_owned(), |status| status.to_string());
    counter!(REQUESTS, "endpoint" => seen.endpoint.name(), "status" => status).increment(1);
    histogram!(REQUEST_SECONDS, "endpoint" => seen.endpoint.name()).record(seen.took);
}

pub(crate) fn committed(tally: &Tally, outputs: usize, took: Duration) {
    counter!(stage_metric::COMMITS, "stage" => STAGE, "result" => "committed").increment(1);
    histogram!(stage_metric::COMMIT_SECONDS, "stage" => STAGE).record(took);
    counter!(stage_metric::RECORDS, "stage" => STAGE).increment(tally.records());
    counter!(stage_metric::EFFECTIVE, "stage" => STAGE).increment(tally.effective);
    for (reason, count) in &tally.ignored {
        counter!(stage_metric::IGNORED, "stage" => STAGE, "reason" => *reason).increment(*count);
    }
    for (class, count) in &tally.dead {
        counter!(stage_metric::DEAD, "stage" => STAGE, "class" => *class).increment(*count);
    }
    counter!(stage_metric::OUTPUTS, "stage" => STAGE).increment(outputs as u64);
}

pub(crate) fn not_committed(error: &LeaseError) {
    let result = match error {
        LeaseError::Commit(CommitError::Aborted { .. }) => "aborted",
        LeaseError::Commit(CommitError::Unclear { .. }) => "unclear",
        LeaseError::Standby { .. } | LeaseError::Commit(CommitError::Fenced { .. }) => "fenced",
        LeaseError::Commit(_) => "failed",
    };
    counter!(stage_metric::COMMITS, "stage" => STAGE, "result" => result).increment(1);
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
pub(crate) fn lag(topic: SourceTopic, partition: u32, records: u64) {
    gauge!(stage_metric::LAG, "stage" => STAGE, "topic" => topic.name(), "partition" => partition.to_string())
        .set(records as f64);
}

pub(crate) fn effect(delivery: &Delivery<'_>) {
    counter!(EFFECTS, "effect" => effect_name(delivery.effect), "state" => state_name(delivery.state)).increment(1);
}

pub(crate) fn dead_letter(class: &'static str) {
    counter!(DEAD_LETTERS, "class" => class).increment(1);
}

pub(crate) fn misfit(attribute: &str) {
    counter!(MISFITS, "attribute" => attribute.to_owned()).increment(1);
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
pub(crate) fn status(status: &SinkStatus) {
    gauge!(WAITING, "topic" => "engagement.contacts").set(status.contacts_waiting as f64);
    gauge!(WAITING, "topic" => "engagement.activities").set(status.activities_waiting as f64);
    gauge!(UNKNOWN).set(status.unknown as f64);
    gauge!(PAUSED).set(f64::from(u8::from(status.paused.is_some())));
    gauge!(ACTIVE).set(f64::from(u8::from(status.active)));
}

fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::ContactUpsert => "contact_upsert",
        Effect::Event => "event",
        Effect::ListAddition => "list_addition",
        Effect::Unknown => "unknown",
    }
}

fn state_name(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Intended => "intended",
        DeliveryState::Confirmed => "confirmed",
        DeliveryState::Skipped => "skipped",
        DeliveryState::UnknownOutcome => "unknown_outcome",
        DeliveryState::Failed => "failed",
        DeliveryState::Unknown => "unknown",
    }
}
