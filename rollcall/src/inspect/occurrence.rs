//! An occurrence: its row, its people, and how it went.

use std::collections::BTreeMap;

use anyhow::Result;
use rollcall_schemas::Text;
use rollcall_schemas::catalogue::{ENGAGEMENT_ATTENDANCE, ENGAGEMENT_OCCURRENCES, ZOOM_EVENTS};
use rollcall_schemas::key;
use rollcall_schemas::record::{
    AttendanceRow, AttendanceStatus, EventKind, OccurrenceRow, Phase, RowState, ZoomEvent,
};
use rollcall_schemas::wire::{ATTENDANCE_ROW, OCCURRENCE_ROW, ZOOM_EVENT};
use serde::{Deserialize, Serialize};

use super::{Inspector, Place};

/// What is known of an occurrence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OccurrenceReport {
    pub(crate) occurrence: String,
    pub(crate) meeting_id: String,
    pub(crate) webinar: bool,
    pub(crate) topic: Option<String>,
    pub(crate) phase: Phase,
    pub(crate) state: RowState,
    pub(crate) scheduled_start: Option<i64>,
    pub(crate) scheduled_minutes: Option<i32>,
    pub(crate) started_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) registered: i32,
    pub(crate) attended: i32,
    pub(crate) no_shows: i32,
    pub(crate) guests: i32,
    pub(crate) staff: i32,
    pub(crate) peak: Option<i32>,
    pub(crate) recordings: Vec<String>,
    pub(crate) place: Place,
    pub(crate) sessions: Vec<SessionLine>,
    pub(crate) people: Vec<PersonLine>,
    /// How many events of each kind the canonical log has of its meeting.
    pub(crate) events: BTreeMap<String, u64>,
}

/// A session, and the records that say when it started and ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionLine {
    pub(crate) uuid: String,
    pub(crate) started_at: i64,
    pub(crate) ended_at: Option<i64>,
    pub(crate) places: Vec<Place>,
}

/// A person of the occurrence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PersonLine {
    pub(crate) email: String,
    pub(crate) status: AttendanceStatus,
    pub(crate) seconds: i64,
    pub(crate) share: Option<i32>,
    pub(crate) first_join: Option<i64>,
    pub(crate) last_leave: Option<i64>,
    pub(crate) stays: usize,
    pub(crate) place: Place,
}

impl Inspector {
    /// An occurrence by its id; `None` where no row of it stands.
    pub(crate) fn occurrence(&self, id: &str) -> Result<Option<OccurrenceReport>> {
        let meeting_id = id.split_once('-').map_or(id, |(meeting_id, _)| meeting_id);
        let wanted = key::join(meeting_id, id);
        let mut report = None;
        self.scan(
            [Self::home(
                &self.topics.route(&ENGAGEMENT_OCCURRENCES),
                meeting_id,
            )],
            |place, record| {
                if record.key == Some(wanted.as_bytes()) {
                    report = record
                        .value
                        .and_then(|value| OCCURRENCE_ROW.decode::<OccurrenceRow<'_>>(value).ok())
                        .map(|row| head(&row, place));
                }
                true
            },
        )?;
        let Some(mut report) = report else {
            return Ok(None);
        };
        report.people = self.people(id)?;
        self.scan(
            [Self::home(&self.topics.route(&ZOOM_EVENTS), meeting_id)],
            |place, record| {
                let event = record
                    .value
                    .and_then(|value| ZOOM_EVENT.decode::<ZoomEvent<'_>>(value).ok());
                if let Some(event) = event.filter(|event| event.meeting_id == *meeting_id) {
                    *report
                        .events
                        .entry(super::contact::word(event.kind).to_owned())
                        .or_default() += 1;
                    let session = report
                        .sessions
                        .iter_mut()
                        .find(|session| event.session_uuid.as_deref() == Some(&session.uuid));
                    if let Some(session) = session
                        && matches!(event.kind, EventKind::Started | EventKind::Ended)
                    {
                        session.places.push(place.clone());
                    }
                }
                true
            },
        )?;
        Ok(Some(report))
    }

    /// The ids of all occurrences whose rows stand, by start.
    pub(crate) fn occurrence_ids(&self) -> Result<Vec<String>> {
        let mut rows: BTreeMap<Vec<u8>, (i64, String)> = BTreeMap::new();
        self.scan(
            self.topics.route(&ENGAGEMENT_OCCURRENCES).all(),
            |_, record| {
                let Some(record_key) = record.key else {
                    return true;
                };
                match record
                    .value
                    .and_then(|value| OCCURRENCE_ROW.decode::<OccurrenceRow<'_>>(value).ok())
                {
                    Some(row) => {
                        let start = row.started_at.or(row.scheduled_start).unwrap_or_default();
                        rows.insert(record_key.to_vec(), (start, row.occurrence.into_string()));
                    }
                    None => {
                        rows.remove(record_key);
                    }
                }
                true
            },
        )?;
        let mut ids: Vec<_> = rows.into_values().collect();
        ids.sort();
        Ok(ids.into_iter().map(|(_, id)| id).collect())
    }

    fn people(&self, id: &str) -> Result<Vec<PersonLine>> {
        let mut people: BTreeMap<Vec<u8>, PersonLine> = BTreeMap::new();
        self.scan(
            self.topics.route(&ENGAGEMENT_ATTENDANCE).all(),
            |place, record| {
                let Some(record_key) = record.key else {
                    return true;
                };
                if std::str::from_utf8(record_key).is_ok_and(|text| key::rest(text) == id) {
                    match record
                        .value
                        .and_then(|value| ATTENDANCE_ROW.decode::<AttendanceRow<'_>>(value).ok())
                    {
                        Some(row) => {
                            people.insert(record_key.to_vec(), person(&row, place));
                        }
                        None => {
                            people.remove(record_key);
                        }
                    }
                }
                true
            },
        )?;
        Ok(people.into_values().collect())
    }
}

fn head(row: &OccurrenceRow<'_>, place: &Place) -> OccurrenceReport {
    OccurrenceReport {
        occurrence: row.occurrence.to_string(),
        meeting_id: row.meeting_id.to_string(),
        webinar: row.webinar,
        topic: row.topic.clone().map(Text::into_string),
        phase: row.phase,
        state: row.state,
        scheduled_start: row.scheduled_start,
        scheduled_minutes: row.scheduled_minutes,
        started_at: row.started_at,
        ended_at: row.ended_at,
        registered: row.registered,
        attended: row.attended,
        no_shows: row.no_shows,
        guests: row.guests,
        staff: row.staff,
        peak: row.peak,
        recordings: row
            .recordings
            .iter()
            .map(|recording| recording.url.to_string())
            .collect(),
        place: place.clone(),
        sessions: row
            .sessions
            .iter()
            .map(|session| SessionLine {
                uuid: session.uuid.to_string(),
                started_at: session.started_at,
                ended_at: session.ended_at,
                places: Vec::new(),
            })
            .collect(),
        people: Vec::new(),
        events: BTreeMap::new(),
    }
}

fn person(row: &AttendanceRow<'_>, place: &Place) -> PersonLine {
    PersonLine {
        email: row.email.to_string(),
        status: row.status,
        seconds: row.seconds,
        share: row.share,
        first_join: row.first_join,
        last_leave: row.last_leave,
        stays: row.segments.len(),
        place: place.clone(),
    }
}
