//! A task on a state in memory, fed with webhooks as Zoom writes them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rollcall_eventlog::{Headers, OutputBatch, RecordBatchBuilder, RecordRef, TopicPartition};
use rollcall_runtime::{Outcome, Stage, Task, TopicSettings, Unit};
use rollcall_schemas::record::{
    AttendanceRow, OccurrenceRow, RawKind, RawRecord, Tick, WebhookDelivery,
};
use rollcall_schemas::wire::{ATTENDANCE_ROW, OCCURRENCE_ROW, RAW_RECORD};
use serde_json::{Value, json};

pub(super) use crate::memory_state::MemoryState;

use super::super::{Attendance, AttendanceSettings, NoShowProof};

/// 2026-09-14T15:00:00Z: when the meetings of these tests are planned to start.
pub(super) const START: i64 = 1_789_398_000_000;
pub(super) const MINUTE: i64 = 60_000;
pub(super) const MEETING: &str = "86084701483";

/// What came in: a webhook's body, or a tick.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Webhook(Value),
    Tick(i64),
}

/// The last value of every key, by topic; `None` is a tombstone.
pub(super) type LastValues = BTreeMap<(String, Vec<u8>), Option<Vec<u8>>>;

pub(super) struct Line {
    task: Box<dyn Task>,
    stage: Attendance,
    pub(super) state: MemoryState,
    pub(super) last: LastValues,
    /// Every milestone that was ever in a row, by address.
    pub(super) said: BTreeSet<(String, String)>,
    /// Values of `zoom.events`, in order.
    pub(super) events: Vec<Vec<u8>>,
    pub(super) outcomes: Vec<Outcome>,
    offset: i64,
}

pub(super) fn settings() -> AttendanceSettings {
    AttendanceSettings {
        no_show_proof: NoShowProof::Webhooks,
        internal_domains: vec!["ours.example".to_owned()],
        ..AttendanceSettings::default()
    }
}

fn builder() -> RecordBatchBuilder {
    RecordBatchBuilder::new(TopicPartition::new("t", 0))
}

fn record(offset: i64, value: &[u8]) -> RecordRef<'_> {
    RecordRef {
        offset,
        timestamp: 0,
        key: None,
        value: Some(value),
        headers: Headers::default(),
    }
}

impl Line {
    pub(super) fn new() -> Self {
        let stage = Attendance::new(settings(), &TopicSettings::default());
        Self {
            task: stage.task(0),
            stage,
            state: MemoryState::default(),
            last: LastValues::new(),
            said: BTreeSet::new(),
            events: Vec::new(),
            outcomes: Vec::new(),
            offset: 0,
        }
    }

    /// One unit of work.
    pub(super) fn unit(&mut self, inputs: &[Input]) {
        let mut encoder = RAW_RECORD.encoder();
        let mut batch = builder();
        for input in inputs {
            let body;
            let raw = match input {
                Input::Webhook(value) => {
                    body = serde_json::to_vec(value).expect("JSON");
                    RawRecord {
                        kind: RawKind::Webhook,
                        received_at: START,
                        webhook: Some(WebhookDelivery {
                            request_id: None,
                            body: &body,
                        }),
                        ..RawRecord::default()
                    }
                }
                Input::Tick(at) => RawRecord {
                    kind: RawKind::Tick,
                    tick: Some(Tick { at: *at }),
                    ..RawRecord::default()
                },
            };
            batch.push(record(self.offset, &encoder.encode(&raw)));
            self.offset += 1;
        }
        let mut outputs = OutputBatch::default();
        let mut unit = Unit {
            state: &mut self.state,
            outputs: &mut outputs,
        };
        self.task
            .process(&batch.finish(self.offset), &mut unit, &mut self.outcomes)
            .expect("memory does not fail");
        self.task.finish(&mut unit).expect("memory does not fail");
        for output in outputs.iter() {
            let key = (
                output.topic.to_string(),
                output.key.expect("every output has a key").to_vec(),
            );
            if &**output.topic == "zoom.events" {
                self.events.extend(output.value.map(<[u8]>::to_vec));
            }
            if &**output.topic == "engagement.attendance"
                && let Some(value) = output.value
            {
                let row: AttendanceRow<'_> = ATTENDANCE_ROW.decode(value).expect("a row");
                let said = row
                    .milestones
                    .iter()
                    .map(|milestone| (row.email.to_string(), milestone.id.to_string()));
                self.said.extend(said);
            }
            self.last.insert(key, output.value.map(<[u8]>::to_vec));
        }
    }

    /// A unit of work that is aborted after all was done.
    pub(super) fn aborted_unit(&mut self, inputs: &[Input]) {
        let (state, last, events, outcomes, said) = (
            self.state.clone(),
            self.last.clone(),
            self.events.clone(),
            self.outcomes.clone(),
            self.said.clone(),
        );
        self.unit(inputs);
        (self.state, self.last, self.events, self.outcomes, self.said) =
            (state, last, events, outcomes, said);
        self.task.reset();
    }

    /// The state as it is rebuilt from `zoom.events` alone, on top of `from`.
    pub(super) fn rebuilt(&self, from: MemoryState) -> MemoryState {
        let mut task = self.stage.task(0);
        let mut state = from;
        for (offset, event) in (0..).zip(&self.events) {
            let mut batch = builder();
            batch.push(record(offset, event));
            let mut outputs = OutputBatch::default();
            let mut unit = Unit {
                state: &mut state,
                outputs: &mut outputs,
            };
            task.restore(&batch.finish(offset + 1), &mut unit)
                .expect("memory does not fail");
            task.finish(&mut unit).expect("memory does not fail");
        }
        state
    }

    /// All attendance rows that stand, by address and occurrence.
    pub(super) fn rows(&self) -> BTreeMap<(String, String), AttendanceRow<'_>> {
        self.values("engagement.attendance")
            .map(|value| {
                ATTENDANCE_ROW
                    .decode::<AttendanceRow<'_>>(value)
                    .expect("a row")
            })
            .map(|row| ((row.email.to_string(), row.occurrence.to_string()), row))
            .collect()
    }

    /// All occurrence rows that stand.
    pub(super) fn occurrences(&self) -> Vec<OccurrenceRow<'_>> {
        self.values("engagement.occurrences")
            .map(|value| OCCURRENCE_ROW.decode(value).expect("a row"))
            .collect()
    }

    fn values(&self, topic: &str) -> impl Iterator<Item = &[u8]> {
        self.last
            .iter()
            .filter(move |((of, _), _)| of == topic)
            .filter_map(|(_, value)| value.as_deref())
    }
}

pub(super) fn iso(at: i64) -> String {
    Timestamp::from_millisecond(at)
        .expect("a time")
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// A webinar's webhook: `kind` without its `webinar.`; `more` goes into the object.
pub(super) fn webinar(kind: &str, event_ts: i64, more: Value) -> Input {
    let mut object = json!({"id": MEETING, "uuid": "planned==", "topic": "Cooking with gas", "type": 5, "duration": 60,
        "host_id": "h", "timezone": "Europe/Berlin"});
    object
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    Input::Webhook(
        json!({"event": format!("webinar.{kind}"), "event_ts": event_ts,
        "payload": {"account_id": "A", "object": object}}),
    )
}

pub(super) fn registration(kind: &str, at: i64, id: &str, email: &str, more: Value) -> Input {
    let mut registrant = json!({"id": id, "email": email, "first_name": "Ann", "last_name": "Lee", "status": "approved"});
    registrant
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    webinar(
        &format!("registration_{kind}"),
        at,
        json!({"start_time": iso(START), "registrant": registrant}),
    )
}

pub(super) fn started(uuid: &str, at: i64) -> Input {
    webinar("started", at, json!({"uuid": uuid, "start_time": iso(at)}))
}

pub(super) fn ended(uuid: &str, start: i64, end: i64) -> Input {
    webinar(
        "ended",
        end,
        json!({"uuid": uuid, "start_time": iso(start), "end_time": iso(end), "practice_session": false}),
    )
}

/// A seat's event: `kind` joined, left or another of the participant events; `who` goes into the
/// participant.
pub(super) fn seat(
    kind: &str,
    uuid: &str,
    start: i64,
    user_id: &str,
    at: i64,
    who: Value,
) -> Input {
    let time = match kind {
        "joined" => "join_time",
        "left" => "leave_time",
        _ => "date_time",
    };
    let mut participant =
        json!({"user_id": user_id, "user_name": "Ann", "email": "", time: iso(at)});
    participant
        .as_object_mut()
        .expect("an object")
        .extend(who.as_object().expect("an object").clone());
    webinar(
        &format!("participant_{kind}"),
        at + 600,
        json!({"uuid": uuid, "start_time": iso(start), "participant": participant}),
    )
}
