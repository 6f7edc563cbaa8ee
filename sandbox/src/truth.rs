//! What must be known, and be in Brevo, once a story has settled.
//!
//! Computed from what people did, slowly and plainly: an array of seconds a person, no intervals,
//! no events, no order of arrival. Nothing here has seen a webhook.

mod contact;
mod roll;

use std::collections::{BTreeMap, BTreeSet};

pub use contact::{AttributeKind, FIELDS, Field};
use serde::Serialize;
use serde_json::Value;

use crate::{
    account::{Holding, Meeting, Plan, Registration, SETTLED_MS, Scope, Status},
    time::compact,
};

/// Everything that must hold at the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// Contacts by address, with the attributes that must be set; all others must be empty.
    pub contacts: BTreeMap<String, ContactTruth>,
    /// Members of each list.
    pub lists: BTreeMap<i64, BTreeSet<String>>,
    /// Events by `source_event_id`.
    pub events: BTreeMap<String, EventTruth>,
    /// Rows by address and occurrence (the meeting id for a series).
    pub attendance: BTreeMap<(String, String), RowTruth>,
    /// Occurrences that took place, by id.
    pub occurrences: BTreeMap<String, OccurrenceTruth>,
}

/// One contact.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ContactTruth {
    /// Values by Brevo attribute.
    pub attributes: BTreeMap<String, Value>,
}

/// One Brevo event.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct EventTruth {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub email: String,
    /// Zoom's id of the meeting or webinar.
    pub meeting_id: u64,
    /// Seconds attended, where it says so.
    pub seconds: Option<i64>,
    /// Share attended, where it says so.
    pub share: Option<i64>,
}

/// What is known of a person's attendance.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Attendance {
    /// Waits for the host.
    Pending,
    /// Refused.
    Denied,
    /// Expected, or registered for the series.
    Registered,
    /// Came.
    Attended,
    /// Was expected and did not come.
    NoShow,
    /// Took it back and did not come.
    Cancelled,
}

impl Attendance {
    /// As it is written everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Denied => "denied",
            Self::Registered => "registered",
            Self::Attended => "attended",
            Self::NoShow => "no_show",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One person and one occurrence, or one person and a series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowTruth {
    /// Index in [`Plan::meetings`].
    pub meeting: usize,
    /// Whether it is the row of a series.
    pub series: bool,
    /// What is known.
    pub status: Attendance,
    /// Seconds attended: the length of the union of all stays.
    pub seconds: i64,
    /// Seconds attended in whole percent of the sessions' length; absent where none took place.
    pub share: Option<i64>,
    /// First join.
    pub first_join_ms: Option<i64>,
    /// When a registration that holds now was approved.
    pub approved_ms: Option<i64>,
    /// When a registration was approved, though it may have been taken back.
    pub ever_approved_ms: Option<i64>,
    /// Zoom's tracking source.
    pub source: Option<String>,
    /// The registrant's own link.
    pub join_url: Option<String>,
    /// The name shown in the session.
    pub display_name: Option<String>,
    /// End of the last session; absent where none took place.
    pub ended_ms: Option<i64>,
    /// Planned start, where it is still ahead.
    pub ahead_ms: Option<i64>,
}

/// One occurrence that took place.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct OccurrenceTruth {
    /// Title.
    pub topic: String,
    /// Whether it is a webinar.
    pub webinar: bool,
    /// Length of all sessions together.
    pub seconds: i64,
    /// People with an approved registration for it.
    pub registered: usize,
    /// People with an address who came.
    pub attended: usize,
    /// People expected who did not come.
    pub no_shows: usize,
    /// Seconds attended by all people with an address.
    pub seconds_attended: i64,
    /// Its recordings' pages, by completion.
    pub recordings: Vec<String>,
}

/// The truth about a story once it has settled.
#[must_use]
pub fn truth(plan: &Plan) -> Truth {
    let holdings = plan.holdings();
    let mut truth = Truth::default();
    for list in [
        plan.lists.meeting_participants,
        plan.lists.webinar_attendees,
        plan.lists.webinar_registrants,
    ] {
        truth.lists.insert(list, BTreeSet::new());
    }
    for (number, meeting) in plan.meetings.iter().enumerate() {
        registrations(plan, number, meeting, &holdings, &mut truth);
    }
    for holding in &holdings {
        held(plan, holding, &mut truth);
    }
    contact::contacts(plan, &mut truth);
    truth
}

/// The address that a registration counts for; none for staff.
fn counted<'a>(plan: &Plan, registration: &'a Registration) -> Option<&'a str> {
    let address = registration.address.canonical.as_str();
    (!is_internal(plan, address)).then_some(address)
}

fn is_internal(plan: &Plan, address: &str) -> bool {
    plan.internal_domains
        .iter()
        .any(|domain| address.rsplit_once('@').is_some_and(|(_, of)| of == domain))
}

/// What registrations alone say: their milestones, the rows of series, and of slots that nobody held.
fn registrations(
    plan: &Plan,
    number: usize,
    meeting: &Meeting,
    holdings: &[Holding],
    truth: &mut Truth,
) {
    for registration in &meeting.registrations {
        let Some(email) = counted(plan, registration) else {
            continue;
        };
        if registration.approval().is_some() {
            let about = format!("{}:{}", meeting.id, registration.registrant_id);
            event(
                truth,
                email,
                "registered",
                &about,
                "zoom_registered",
                meeting,
                None,
            );
            if meeting.webinar {
                truth
                    .lists
                    .entry(plan.lists.webinar_registrants)
                    .or_default()
                    .insert(email.to_owned());
            }
        }
        if registration
            .facts
            .iter()
            .any(|fact| fact.status == Status::Cancelled)
        {
            let about = format!("{}:{}", meeting.id, registration.registrant_id);
            event(
                truth,
                email,
                "cancelled",
                &about,
                "zoom_registration_cancelled",
                meeting,
                None,
            );
        }
        match &registration.scope {
            Scope::Series => {
                let mut row = registered_row(number, registration);
                row.series = true;
                row.ahead_ms = (0..meeting.slots.len())
                    .filter(|slot| meeting.slots[*slot].deleted_ms.is_none())
                    .map(|slot| meeting.final_start(slot))
                    .filter(|start_ms| *start_ms > SETTLED_MS)
                    .min();
                truth
                    .attendance
                    .insert((email.to_owned(), meeting.id.to_string()), row);
            }
            Scope::Slots(slots) => {
                for slot in slots {
                    if holdings
                        .iter()
                        .any(|holding| holding.meeting == number && holding.slot == Some(*slot))
                    {
                        continue;
                    }
                    let mut row = registered_row(number, registration);
                    row.ahead_ms =
                        Some(meeting.final_start(*slot)).filter(|start_ms| *start_ms > SETTLED_MS);
                    let occurrence = format!(
                        "{}-{}",
                        meeting.id,
                        compact(meeting.slots[*slot].first_start_ms)
                    );
                    truth.attendance.insert((email.to_owned(), occurrence), row);
                }
            }
        }
    }
}

fn registered_row(meeting: usize, registration: &Registration) -> RowTruth {
    let status = match registration.status_at(SETTLED_MS) {
        Some(Status::Approved) => Attendance::Registered,
        Some(Status::Cancelled) => Attendance::Cancelled,
        Some(Status::Denied) => Attendance::Denied,
        Some(Status::Pending) | None => Attendance::Pending,
    };
    RowTruth {
        meeting,
        series: false,
        status,
        seconds: 0,
        share: None,
        first_join_ms: None,
        approved_ms: registration
            .approval()
            .filter(|_| status == Attendance::Registered),
        ever_approved_ms: registration.approval(),
        source: registration.source.clone(),
        join_url: Some(registration.join_url.clone()),
        display_name: None,
        ended_ms: None,
        ahead_ms: None,
    }
}

/// What one occurrence says that took place.
fn held(plan: &Plan, holding: &Holding, truth: &mut Truth) {
    let meeting = &plan.meetings[holding.meeting];
    let roll = roll::call(plan, holding);
    let mut rows: BTreeMap<String, RowTruth> = BTreeMap::new();
    let mut registered = 0;
    for registration in &meeting.registrations {
        let Some(email) = counted(plan, registration) else {
            continue;
        };
        let scoped = matches!((&registration.scope, holding.slot), (Scope::Slots(slots), Some(slot)) if slots.contains(&slot));
        if !scoped {
            continue;
        }
        let mut row = registered_row(holding.meeting, registration);
        if row.status == Attendance::Registered {
            row.status = Attendance::NoShow;
            registered += 1;
        }
        row.share = Some(0);
        row.ended_ms = Some(holding.ended_ms);
        rows.insert(email.to_owned(), row);
        if registration.approved_at(holding.started_ms) {
            event(
                truth,
                email,
                "started",
                &holding.id,
                "zoom_meeting_started",
                meeting,
                None,
            );
        }
    }
    for (email, present) in &roll.people {
        let share = roll::share(present.seconds, roll.length);
        let row = rows.entry(email.clone()).or_insert_with(|| RowTruth {
            meeting: holding.meeting,
            series: false,
            status: Attendance::Attended,
            seconds: 0,
            share: None,
            first_join_ms: None,
            approved_ms: None,
            ever_approved_ms: None,
            source: None,
            join_url: None,
            display_name: None,
            ended_ms: Some(holding.ended_ms),
            ahead_ms: None,
        });
        row.status = Attendance::Attended;
        row.seconds = present.seconds;
        row.share = Some(share);
        row.first_join_ms = Some(present.first_join_ms);
        row.display_name = Some(present.name.clone());
    }
    let recordings = recordings(meeting, holding);
    for (email, row) in &rows {
        let measured =
            (row.status == Attendance::Attended).then_some((row.seconds, row.share.unwrap_or(0)));
        if matches!(row.status, Attendance::Attended | Attendance::NoShow) {
            event(
                truth,
                email,
                "ended",
                &holding.id,
                "zoom_meeting_ended",
                meeting,
                None,
            );
            if !recordings.is_empty() {
                event(
                    truth,
                    email,
                    "recording_ready",
                    &holding.id,
                    "zoom_recording_ready",
                    meeting,
                    None,
                );
            }
        }
        match row.status {
            Attendance::Attended => {
                event(
                    truth,
                    email,
                    "attended",
                    &holding.id,
                    "zoom_attended",
                    meeting,
                    measured,
                );
                let list = if meeting.webinar {
                    plan.lists.webinar_attendees
                } else {
                    plan.lists.meeting_participants
                };
                truth.lists.entry(list).or_default().insert(email.clone());
            }
            Attendance::NoShow => event(
                truth,
                email,
                "no_show",
                &holding.id,
                "zoom_no_show",
                meeting,
                None,
            ),
            Attendance::Pending
            | Attendance::Denied
            | Attendance::Registered
            | Attendance::Cancelled => {}
        }
    }
    let count = |status: Attendance| rows.values().filter(|row| row.status == status).count();
    truth.occurrences.insert(
        holding.id.clone(),
        OccurrenceTruth {
            topic: meeting.topic_at(i64::MAX).to_owned(),
            webinar: meeting.webinar,
            seconds: roll.length,
            registered,
            attended: count(Attendance::Attended),
            no_shows: count(Attendance::NoShow),
            seconds_attended: rows.values().map(|row| row.seconds).sum(),
            recordings: recordings.into_iter().map(|(_, url)| url).collect(),
        },
    );
    for (email, row) in rows {
        truth.attendance.insert((email, holding.id.clone()), row);
    }
}

/// Recordings of an occurrence by completion.
fn recordings(meeting: &Meeting, holding: &Holding) -> Vec<(i64, String)> {
    let of = holding
        .sessions
        .iter()
        .filter_map(|session| meeting.sessions[*session].recording.as_ref());
    let mut recordings: Vec<(i64, String)> = of
        .map(|recording| (recording.completed_ms, recording.share_url.clone()))
        .collect();
    recordings.sort();
    recordings
}

fn event(
    truth: &mut Truth,
    email: &str,
    kind: &str,
    about: &str,
    name: &str,
    meeting: &Meeting,
    measured: Option<(i64, i64)>,
) {
    let event = EventTruth {
        name: name.to_owned(),
        email: email.to_owned(),
        meeting_id: meeting.id,
        seconds: measured.map(|(seconds, _)| seconds),
        share: measured.map(|(_, share)| share),
    };
    truth
        .events
        .insert(format!("{email} {kind}:{about}"), event);
}

#[cfg(test)]
mod tests;
