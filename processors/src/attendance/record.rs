//! From facts to the records of the public topics.

use rollcall_runtime::StateError;
use rollcall_schemas::record::{
    AttendanceRow, Milestone, OccurrenceRow, RecordingLink, Segment, Session,
};
use rollcall_schemas::{Text, TextMap};

use super::derive::{Derived, Scene};
use super::form::Dated;
use super::latest::Latest;
use super::person::Row;

fn text<'a>(latest: &'a Latest<Box<str>>) -> Option<Text<'a>> {
    latest.text().map(Text::from)
}

fn dated(text: Option<Dated<'_>>) -> Option<Text<'_>> {
    text.map(|(_, text)| Text::from(text))
}

fn named<'a>(texts: Vec<(&'a str, Dated<'a>)>) -> TextMap<'a> {
    texts
        .into_iter()
        .map(|(name, (_, value))| (Text::from(name), Text::from(value)))
        .collect()
}

/// The row of a person and an occurrence or a series.
pub(super) fn attendance_row<'a>(
    scene: &Scene<'a>,
    email: &'a str,
    row: &'a Row,
    derived: &Derived<'a>,
) -> Result<AttendanceRow<'a>, StateError> {
    let facts = scene.facts;
    let occurrence = derived.occurrence;
    // Of a series only the plan of the next occurrence is shown.
    let held = occurrence.filter(|_| !derived.series);
    let registration = derived.registration;
    let form = registration
        .map(|registration| registration.form.texts())
        .transpose()?
        .unwrap_or_default();
    Ok(AttendanceRow {
        email: email.into(),
        occurrence: (&*row.about).into(),
        version: row.version,
        series: derived.series,
        account_id: text(&facts.account_id),
        meeting_id: scene.id.into(),
        session_uuid: held
            .and_then(|held| held.last_uuid.as_deref())
            .map(Text::from),
        webinar: facts.webinar,
        topic: held
            .map_or(facts.topic.text(), |held| held.topic.as_deref())
            .map(Text::from),
        host_email: text(&facts.host_email),
        time_zone: text(&facts.time_zone),
        status: derived.status,
        phase: derived.phase,
        state: derived.state,
        corrected: row.corrected,
        scheduled_start: occurrence.and_then(|occurrence| occurrence.planned_start),
        scheduled_minutes: occurrence.and_then(|occurrence| occurrence.planned_minutes),
        started_at: held.and_then(|held| held.started_at),
        ended_at: held.and_then(|held| held.ended_at),
        occurrence_seconds: held.map_or(0, |held| held.seconds),
        registrant_id: registration.map(|registration| (&*registration.id).into()),
        registered_at: derived.registered_at,
        registration_source: dated(form.source),
        first_name: dated(form.first_name),
        last_name: dated(form.last_name),
        display_name: derived.display_name.map(Text::from),
        join_url: dated(form.join_url),
        fields: named(form.fields),
        custom_questions: named(form.custom_questions),
        first_join: derived.stays.iter().map(|(stay, _)| stay.join).min(),
        last_leave: derived
            .stays
            .iter()
            .filter_map(|(stay, _)| stay.leave)
            .max(),
        seconds: derived.seconds,
        share: derived.share,
        segments: derived
            .stays
            .iter()
            .map(|(stay, session)| Segment {
                join: stay.join,
                leave: stay.leave,
                session_uuid: (&facts.sessions[*session as usize].uuid).into(),
            })
            .collect(),
        recording_url: held
            .and_then(|held| held.recording.as_ref())
            .map(|(_, url)| url.into()),
        milestones: row
            .milestones
            .iter()
            .map(|milestone| Milestone {
                id: (&*milestone.id).into(),
                kind: milestone.kind,
                at: milestone.at,
                seconds: milestone.seconds,
                share: milestone.share,
                url: milestone.url.as_deref().map(Text::from),
            })
            .collect(),
    })
}

/// The row of an occurrence.
pub(super) fn occurrence_row<'a>(scene: &Scene<'a>, place: usize) -> OccurrenceRow<'a> {
    let facts = scene.facts;
    let occurrence = &facts.occurrences[place];
    let view = &scene.views.occurrences[place];
    let sessions: Vec<_> = occurrence
        .sessions
        .iter()
        .map(|place| &facts.sessions[*place as usize])
        .collect();
    let mut recordings: Vec<_> = facts
        .recordings
        .iter()
        .filter(|recording| {
            sessions
                .iter()
                .any(|session| session.uuid == recording.session_uuid)
        })
        .collect();
    recordings.sort_by_key(|recording| (recording.completed_at, &recording.url));
    OccurrenceRow {
        occurrence: (&occurrence.id).into(),
        account_id: text(&facts.account_id),
        meeting_id: scene.id.into(),
        webinar: facts.webinar,
        topic: view.topic.as_ref().map(Text::from),
        host_email: text(&facts.host_email),
        time_zone: text(&facts.time_zone),
        phase: view.phase,
        state: view.state,
        scheduled_start: view.planned_start,
        scheduled_minutes: view.planned_minutes,
        started_at: view.started_at,
        ended_at: view.ended_at,
        occurrence_seconds: view.seconds,
        sessions: sessions
            .iter()
            .map(|session| Session {
                uuid: (&session.uuid).into(),
                started_at: session.started_at().unwrap_or_default(),
                ended_at: session.end,
            })
            .collect(),
        registered: occurrence.counts.registered,
        attended: occurrence.counts.attended,
        no_shows: occurrence.counts.no_shows,
        guests: occurrence.counts.guests,
        staff: occurrence.counts.staff,
        peak: occurrence.peak,
        recordings: recordings
            .into_iter()
            .map(|recording| RecordingLink {
                url: (&recording.url).into(),
                completed_at: recording.completed_at,
                transcript: recording.transcript,
            })
            .collect(),
    }
}
