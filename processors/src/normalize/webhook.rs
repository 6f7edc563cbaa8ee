//! From the body of a webhook to an event.

use rollcall_runtime::Rejection;
use rollcall_schemas::Text;
use rollcall_schemas::record::{
    EventKind, RawRecord, Recording, Schedule, ScheduledOccurrence, SessionEnd, ZoomEvent,
};
use serde::de::DeserializeSeed;

use super::Normalized;
use super::body::{Body, Object, Planned, RecordingFile};
use super::event_name::{self, Subject};
use super::identity::Identity;
use super::lenient::{Loose, MeetingId, Nested, ReadNested};

mod participant;
mod registrant;

/// Zoom's types of webinars: once, without fixed time, recurring.
const WEBINAR_TYPES: [i64; 3] = [5, 6, 9];

/// What the body of a verified webhook comes to.
pub(super) fn normalize<'a>(
    raw: &RawRecord<'a>,
    body: &'a [u8],
    identity: &mut Identity,
) -> Normalized<'a> {
    let Ok(text) = std::str::from_utf8(body) else {
        return Normalized::Rejected(malformed("it is not UTF-8"));
    };
    let mut body: Nested<Body<'a>> = Nested(None);
    let mut json = serde_json::Deserializer::from_str(text);
    if let Err(error) = ReadNested(&mut body)
        .deserialize(&mut json)
        .and_then(|()| json.end())
    {
        // The error's own text quotes the body.
        let place = format!("line {}, column {}", error.line(), error.column());
        return Normalized::Rejected(malformed(&format!("it is not JSON at {place}")));
    }
    let Nested(Some(mut body)) = body else {
        return Normalized::Rejected(malformed("it is no JSON object"));
    };
    let Some(name) = body.event.0.take() else {
        return Normalized::Rejected(malformed("it names no event"));
    };
    match event_name::parse(&name) {
        Err(reason) => Normalized::Ignored(reason),
        Ok((subject, kind)) => {
            let mut event = ZoomEvent {
                kind,
                received_at: raw.received_at,
                ..ZoomEvent::default()
            };
            identity.begin().text(Some(&name));
            match fill(&mut event, subject, &mut body, raw, identity) {
                Ok(()) => Normalized::Event(event),
                Err(rejection) => Normalized::Rejected(rejection),
            }
        }
    }
}

/// Fills `event`, whose kind is set, with what the body says, and gives it its id.
fn fill<'a>(
    event: &mut ZoomEvent<'a>,
    subject: Subject,
    body: &mut Body<'a>,
    raw: &RawRecord<'a>,
    identity: &mut Identity,
) -> Result<(), Rejection> {
    let kind = event.kind;
    let payload = required(body.payload.0.as_mut(), kind, "payload")?;
    let object = required(payload.object.0.as_mut(), kind, "payload.object")?;
    let (emitted_at, changed_at) = (body.event_ts.0, payload.time_stamp.0);
    let said_at = match kind {
        EventKind::Updated => changed_at.or(emitted_at),
        _ => emitted_at.or(changed_at),
    };
    event.meeting_id = required(meeting_id(&object.id, raw), kind, "object.id")?;
    event.webinar = match subject {
        Subject::Meeting => false,
        Subject::Webinar => true,
        Subject::Recording => object
            .meeting_type
            .0
            .is_some_and(|number| WEBINAR_TYPES.contains(&number)),
    };
    // Some deletions carry no time: then the delivery's own is the nearest there is.
    event.occurred_at = said_at.unwrap_or(raw.received_at);
    event.account_id = payload.account_id.0.take();
    event.session_uuid = object.uuid.0.take();
    event.host_id = object.host_id.0.take();
    event.host_email = object.host_email.0.take().map(|email| email.0);
    event.topic = object.topic.0.take();
    event.meeting_type = narrow(&object.meeting_type);
    event.start_time = object.start_time.at();
    event.time_zone = object.timezone.0.take();
    // Of a recording the duration is how long it is, not how long was planned.
    if subject != Subject::Recording {
        event.duration_minutes = narrow(&object.duration);
    }

    identity.text(event.account_id.as_deref());
    match kind {
        EventKind::Created | EventKind::Updated | EventKind::Deleted => {
            let extent = payload
                .operation
                .0
                .as_deref()
                .or(payload.scope.0.as_deref());
            identity.number(said_at).text(extent);
            let mut schedule = schedule(object, identity);
            if kind == EventKind::Deleted {
                name_what_is_deleted(&mut schedule, extent);
            }
            event.schedule = Some(schedule);
        }
        EventKind::RegistrationCreated
        | EventKind::RegistrationApproved
        | EventKind::RegistrationCancelled
        | EventKind::RegistrationDenied => {
            let form = required(object.registrant.0.as_mut(), kind, "object.registrant")?;
            let registrant = registrant::from_form(kind, form)?;
            identity
                .text(Some(&registrant.id))
                .text(registrant.status.as_deref());
            identity.number(emitted_at);
            event.schedule = Some(schedule(object, identity));
            event.registrant = Some(registrant);
        }
        _ => {
            let uuid = required(event.session_uuid.as_deref(), kind, "object.uuid")?;
            identity.text(Some(uuid));
            of_session(event, object, said_at, identity)?;
        }
    }
    event.event_id = identity.event_id(&event.meeting_id).into();
    Ok(())
}

/// Fills an event of a session.
fn of_session<'a>(
    event: &mut ZoomEvent<'a>,
    object: &mut Object<'a>,
    said_at: Option<i64>,
    identity: &mut Identity,
) -> Result<(), Rejection> {
    let kind = event.kind;
    match kind {
        EventKind::Started => {
            identity.number(Some(required(event.start_time, kind, "object.start_time")?));
        }
        EventKind::Ended => {
            let end_time = required(object.end_time.at(), kind, "object.end_time")?;
            let practice_session = object.practice_session.0.unwrap_or(false);
            identity
                .number(Some(end_time))
                .number(Some(i64::from(practice_session)));
            event.ended = Some(SessionEnd {
                end_time,
                practice_session,
            });
        }
        EventKind::RecordingCompleted | EventKind::TranscriptCompleted => {
            event.recording = Some(recording(object, identity));
        }
        _ => {
            identity.text(object.breakout_room_uuid.0.as_deref());
            let seat = required(object.participant.0.as_mut(), kind, "object.participant")?;
            event.participant = Some(participant::from_seat(kind, seat, said_at, identity)?);
        }
    }
    Ok(())
}

/// The meeting id in digits. Where Zoom writes a number, the digits are borrowed from the raw
/// record, which has them from the same body.
fn meeting_id<'a>(id: &Loose<MeetingId<'a>>, raw: &RawRecord<'a>) -> Option<Text<'a>> {
    match *id.0.as_ref()? {
        MeetingId::Digits(digits) => Some(digits.into()),
        MeetingId::Number(number) => match &raw.meeting_id {
            Some(digits) if digits.parse() == Ok(number) => Some(digits.clone()),
            _ => Some(number.to_string().into()),
        },
    }
}

/// What is planned. Every planned occurrence is part of the event's identity.
fn schedule<'a>(object: &mut Object<'a>, identity: &mut Identity) -> Schedule<'a> {
    let planned = std::mem::take(&mut object.occurrences).0;
    let occurrences = planned
        .into_iter()
        .filter_map(|planned| scheduled_occurrence(planned, identity))
        .collect();
    let registration_type = object
        .settings
        .0
        .as_ref()
        .and_then(|settings| narrow(&settings.registration_type));
    Schedule {
        occurrences,
        registration_type,
    }
}

/// One planned occurrence. Without an id it could never be spoken of again, and is left out.
fn scheduled_occurrence<'a>(
    planned: Planned<'a>,
    identity: &mut Identity,
) -> Option<ScheduledOccurrence<'a>> {
    let occurrence_id = planned.occurrence_id.0?;
    identity.text(Some(&occurrence_id));
    Some(ScheduledOccurrence {
        occurrence_id,
        start_time: planned.start_time.at(),
        duration_minutes: narrow(&planned.duration),
        deleted: planned.status.0.is_some_and(|status| status == "deleted"),
    })
}

/// Of a deletion, the occurrences are those that are taken out; none means the whole meeting.
fn name_what_is_deleted(schedule: &mut Schedule<'_>, extent: Option<&str>) {
    if extent == Some("all") {
        schedule.occurrences.clear();
    }
    for occurrence in &mut schedule.occurrences {
        occurrence.deleted = true;
    }
}

/// A recording. Two deliveries that differ in their links and tokens alone are the same event, in
/// whatever order they name the files.
fn recording<'a>(object: &mut Object<'a>, identity: &mut Identity) -> Recording<'a> {
    let files = &object.recording_files.0;
    let is_complete = |file: &RecordingFile<'_>| {
        file.status
            .0
            .as_ref()
            .is_none_or(|status| status != "processing")
    };
    let mut ids: Vec<_> = files
        .iter()
        .map(|file| (file.id.0.as_deref(), is_complete(file)))
        .collect();
    ids.sort_unstable();
    for (id, complete) in ids {
        identity.text(id).number(Some(i64::from(complete)));
    }
    let is_transcript = |file: &RecordingFile<'_>| {
        file.file_type
            .0
            .as_ref()
            .is_some_and(|kind| kind == "TRANSCRIPT")
    };
    let complete = files.iter().filter(|file| is_complete(file)).count();
    Recording {
        share_url: object.share_url.0.take(),
        recording_start: files
            .iter()
            .filter_map(|file| file.recording_start.at())
            .min(),
        recording_end: files
            .iter()
            .filter_map(|file| file.recording_end.at())
            .max(),
        files: i32::try_from(complete).unwrap_or(i32::MAX),
        transcript: files.iter().any(is_transcript),
    }
}

/// A number of the size that the canonical log keeps; absent where it is beyond that.
fn narrow(number: &Loose<i64>) -> Option<i32> {
    number.0.and_then(|number| i32::try_from(number).ok())
}

fn malformed(what: &str) -> Rejection {
    Rejection {
        class: "malformed",
        message: format!("the webhook's body cannot be read: {what}"),
    }
}

/// A part of an event that Zoom's schema of it requires, and without which it says nothing.
fn required<T>(part: Option<T>, kind: EventKind, member: &str) -> Result<T, Rejection> {
    part.ok_or_else(|| Rejection {
        class: "incomplete",
        message: format!(
            "an event of kind {kind:?} has no {member} that can be read, and says nothing without it"
        ),
    })
}
