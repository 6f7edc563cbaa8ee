//! A person: the contact, the rows, what happened and what Brevo was told.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rollcall_schemas::Text;
use rollcall_schemas::catalogue::{ENGAGEMENT_ATTENDANCE, ENGAGEMENT_CONTACTS, ZOOM_EVENTS};
use rollcall_schemas::key;
use rollcall_schemas::record::{
    AttendanceRow, AttendanceStatus, Contact, EventKind, Phase, RowState, ZoomEvent,
};
use rollcall_schemas::wire::{ATTENDANCE_ROW, CONTACT, ZOOM_EVENT};
use serde::{Deserialize, Serialize};

use super::{DeliveryLine, Inspector, Place};

/// What is known of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ContactReport {
    pub(crate) email: String,
    /// The contact's fields that hold a value, by name.
    pub(crate) fields: BTreeMap<String, serde_json::Value>,
    pub(crate) place: Option<Place>,
    pub(crate) rows: Vec<RowLine>,
    pub(crate) history: Vec<HistoryLine>,
    pub(crate) deliveries: Vec<DeliveryLine>,
}

/// A row of the person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowLine {
    pub(crate) occurrence: String,
    pub(crate) topic: Option<String>,
    pub(crate) start: Option<i64>,
    pub(crate) status: AttendanceStatus,
    pub(crate) phase: Phase,
    pub(crate) state: RowState,
    pub(crate) corrected: bool,
    pub(crate) seconds: i64,
    pub(crate) share: Option<i32>,
    pub(crate) place: Place,
}

/// Something that happened in Zoom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HistoryLine {
    pub(crate) at: i64,
    pub(crate) what: String,
    pub(crate) topic: Option<String>,
    pub(crate) seat: Option<String>,
    pub(crate) place: Place,
}

/// A kind of event in words.
pub(super) fn word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Unknown => "unknown",
        EventKind::Created => "created",
        EventKind::Updated => "updated",
        EventKind::Deleted => "deleted",
        EventKind::Started => "started",
        EventKind::Ended => "ended",
        EventKind::RegistrationCreated => "registered",
        EventKind::RegistrationApproved => "registration approved",
        EventKind::RegistrationCancelled => "registration cancelled",
        EventKind::RegistrationDenied => "registration denied",
        EventKind::ParticipantJoined => "joined",
        EventKind::ParticipantLeft => "left",
        EventKind::WaitingRoomJoined => "entered the waiting room",
        EventKind::WaitingRoomLeft => "left the waiting room",
        EventKind::WaitingRoomPut => "put into the waiting room",
        EventKind::ParticipantAdmitted => "admitted",
        EventKind::BreakoutJoined => "joined a breakout room",
        EventKind::BreakoutLeft => "left a breakout room",
        EventKind::PhoneBound => "phone bound",
        EventKind::RoleChanged => "role changed",
        EventKind::RecordingCompleted => "recording completed",
        EventKind::TranscriptCompleted => "transcript completed",
        EventKind::Clock => "time",
    }
}

/// What of a person's rows is needed to find his events.
#[derive(Default)]
struct Traces {
    meetings: BTreeSet<String>,
    registrants: BTreeSet<String>,
}

impl Inspector {
    /// A person by normalised address; `None` where nothing is known of him.
    pub(crate) fn contact(&self, email: &str) -> Result<Option<ContactReport>> {
        let mut report = ContactReport {
            email: email.to_owned(),
            fields: BTreeMap::new(),
            place: None,
            rows: Vec::new(),
            history: Vec::new(),
            deliveries: self.deliveries(Some(email))?,
        };
        self.scan(
            [Self::home(&self.topics.route(&ENGAGEMENT_CONTACTS), email)],
            |place, record| {
                if record.key == Some(email.as_bytes()) {
                    let contact = record
                        .value
                        .and_then(|value| CONTACT.decode::<Contact<'_>>(value).ok());
                    report.place = contact.is_some().then(|| place.clone());
                    report.fields = contact.map(|contact| fields(&contact)).unwrap_or_default();
                }
                true
            },
        )?;
        let mut traces = Traces::default();
        let mut rows: BTreeMap<Vec<u8>, RowLine> = BTreeMap::new();
        self.scan(
            [Self::home(
                &self.topics.route(&ENGAGEMENT_ATTENDANCE),
                email,
            )],
            |place, record| {
                let Some(record_key) = record
                    .key
                    .filter(|key| key::partition_part(key) == email.as_bytes())
                else {
                    return true;
                };
                match record
                    .value
                    .and_then(|value| ATTENDANCE_ROW.decode::<AttendanceRow<'_>>(value).ok())
                {
                    Some(row) => {
                        traces.meetings.insert(row.meeting_id.to_string());
                        traces
                            .registrants
                            .extend(row.registrant_id.as_deref().map(str::to_owned));
                        rows.insert(record_key.to_vec(), line(&row, place));
                    }
                    None => {
                        rows.remove(record_key);
                    }
                }
                true
            },
        )?;
        report.rows = rows.into_values().collect();
        report
            .rows
            .sort_by(|a, b| (a.start, &a.occurrence).cmp(&(b.start, &b.occurrence)));
        report.history = self.history(email, &traces)?;
        let nothing =
            report.place.is_none() && traces.meetings.is_empty() && report.deliveries.is_empty();
        Ok((!nothing).then_some(report))
    }

    fn history(&self, email: &str, traces: &Traces) -> Result<Vec<HistoryLine>> {
        let route = self.topics.route(&ZOOM_EVENTS);
        let partitions: BTreeSet<_> = traces
            .meetings
            .iter()
            .map(|meeting| Self::home(&route, meeting))
            .collect();
        let mut history = Vec::new();
        self.scan(partitions, |place, record| {
            let Some(event) = record
                .value
                .and_then(|value| ZOOM_EVENT.decode::<ZoomEvent<'_>>(value).ok())
            else {
                return true;
            };
            let of_registrant = event.registrant.as_ref().is_some_and(|registrant| {
                registrant.email == *email || traces.registrants.contains(&*registrant.id)
            });
            let of_participant = event.participant.as_ref().is_some_and(|participant| {
                participant.email.as_deref() == Some(email)
                    || participant
                        .registrant_id
                        .as_deref()
                        .is_some_and(|id| traces.registrants.contains(id))
            });
            if traces.meetings.contains(&*event.meeting_id) && (of_registrant || of_participant) {
                history.push(HistoryLine {
                    at: event
                        .participant
                        .as_ref()
                        .map_or(event.occurred_at, |participant| participant.at),
                    what: word(event.kind).to_owned(),
                    topic: event.topic.map(Text::into_string),
                    seat: event
                        .participant
                        .and_then(|participant| participant.user_id)
                        .map(Text::into_string),
                    place: place.clone(),
                });
            }
            true
        })?;
        history.sort_by(|a, b| (a.at, &a.place).cmp(&(b.at, &b.place)));
        Ok(history)
    }
}

fn line(row: &AttendanceRow<'_>, place: &Place) -> RowLine {
    RowLine {
        occurrence: row.occurrence.to_string(),
        topic: row.topic.clone().map(Text::into_string),
        start: row.started_at.or(row.scheduled_start),
        status: row.status,
        phase: row.phase,
        state: row.state,
        corrected: row.corrected,
        seconds: row.seconds,
        share: row.share,
        place: place.clone(),
    }
}

/// The contact's fields that hold a value.
fn fields(contact: &Contact<'_>) -> BTreeMap<String, serde_json::Value> {
    let value = serde_json::to_value(contact).expect("a contact is plain data with text keys");
    let serde_json::Value::Object(object) = value else {
        return BTreeMap::new();
    };
    object
        .into_iter()
        .filter(|(name, value)| {
            name != "email" && !value.is_null() && value != &serde_json::json!({})
        })
        .collect()
}
