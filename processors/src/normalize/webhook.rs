//! From the body of a webhook to an event.

use rollcall_runtime::Rejection;
use rollcall_schemas::Text;
use rollcall_schemas::record::{
    EventKind, RawRecord, Recording, Schedule, ScheduledOccurrence, SessionEnd, ZoomEvent,
};

use super::Normalized;
use super::body::{Body, Object, Planned, RecordingFile};
use super::event_name::{self, Subject};
use super::identity::Identity;
use super::lenient::{Loose, MeetingId, Nested};

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
        return Normalized::Rejected(malformed("it is not UTF-8".to_owned()));
    };
    let body: Body<'a> = match serde_json::from_str(text) {
        Ok(body) => body,
        // The error's own text quotes the body.
        Err(error) => {
            let place = format!("line {}, column {}", error.line(), error.column());
            return Normalized::Rejected(malformed(format!(
                "it is not the JSON of a Zoom event at {place}"
            )));
        }
    };
    let Some(name) = body.event.0.as_deref() else {
        return Normalized::Rejected(malformed("it names no event".to_owned()));
    };
    match event_name::parse(name) {
        Err(reason) => Normalized::Ignored(reason),
        Ok((subject, kind)) => match event(raw, subject, kind, body, identity) {
            Ok(event) => Normalized::Event(event),
            Err(rejection) => Normalized::Rejected(rejection),
        },
    }
}

fn event<'a>(
    raw: &RawRecord<'a>,
    subject: Subject,
    kind: EventKind,
    body: Body<'a>,
    identity: &mut Identity,
) -> Result<ZoomEvent<'a>, Rejection> {
    let Nested(Some(payload)) = body.payload else {
        return Err(missing(kind, "payload"));
    };
    let Nested(Some(mut object)) = payload.object else {
        return Err(missing(kind, "payload.object"));
    };
    let meeting_id = meeting_id(&object.id, raw).ok_or_else(|| missing(kind, "object.id"))?;
    let (emitted_at, changed_at) = (body.event_ts.0, payload.time_stamp.0);
    let said_at = if kind == EventKind::Updated {
        changed_at.or(emitted_at)
    } else {
        emitted_at.or(changed_at)
    };
    let webinar = match subject {
        Subject::Meeting => false,
        Subject::Webinar => true,
        Subject::Recording => object
            .r#type
            .0
            .is_some_and(|meeting_type| WEBINAR_TYPES.contains(&meeting_type)),
    };

    identity
        .begin()
        .text(body.event.0.as_deref())
        .text(payload.account_id.0.as_deref());
    let mut event = ZoomEvent {
        kind,
        webinar,
        meeting_id,
        // Some deletions carry no time: then the delivery's own is the nearest there is.
        occurred_at: said_at.unwrap_or(raw.received_at),
        received_at: raw.received_at,
        ..ZoomEvent::default()
    };
    match kind {
        EventKind::Started => {
            let uuid = object
                .uuid
                .0
                .as_deref()
                .ok_or_else(|| missing(kind, "object.uuid"))?;
            let start = object
                .start_time
                .at()
                .ok_or_else(|| missing(kind, "object.start_time"))?;
            identity.text(Some(uuid)).number(Some(start));
        }
        EventKind::Ended => {
            let uuid = object
                .uuid
                .0
                .as_deref()
                .ok_or_else(|| missing(kind, "object.uuid"))?;
            let end_time = object
                .end_time
                .at()
                .ok_or_else(|| missing(kind, "object.end_time"))?;
            let practice_session = object.practice_session.0.unwrap_or(false);
            identity
                .text(Some(uuid))
                .number(Some(end_time))
                .number(Some(i64::from(practice_session)));
            event.ended = Some(SessionEnd {
                end_time,
                practice_session,
            });
        }
        EventKind::Created | EventKind::Updated | EventKind::Deleted => {
            let extent = payload
                .operation
                .0
                .as_deref()
                .or(payload.scope.0.as_deref());
            identity.number(said_at).text(extent);
            let mut schedule = schedule(&mut object, identity);
            if kind == EventKind::Deleted {
                name_what_is_deleted(&mut schedule, extent);
            }
            event.schedule = Some(schedule);
        }
        EventKind::RegistrationCreated
        | EventKind::RegistrationApproved
        | EventKind::RegistrationCancelled
        | EventKind::RegistrationDenied => {
            let Nested(Some(form)) = object.registrant else {
                return Err(missing(kind, "object.registrant"));
            };
            object.registrant = Nested(None);
            let registrant = registrant::from_form(kind, form)?;
            identity
                .text(Some(&registrant.id))
                .text(registrant.status.as_deref())
                .number(emitted_at);
            event.schedule = Some(schedule(&mut object, identity));
            event.registrant = Some(registrant);
        }
        EventKind::RecordingCompleted | EventKind::TranscriptCompleted => {
            let uuid = object
                .uuid
                .0
                .as_deref()
                .ok_or_else(|| missing(kind, "object.uuid"))?;
            identity.text(Some(uuid));
            event.recording = Some(recording(
                std::mem::take(&mut object.share_url),
                &object.recording_files.0,
                identity,
            ));
        }
        _ => {
            let Nested(Some(seat)) = object.participant else {
                return Err(missing(kind, "object.participant"));
            };
            object.participant = Nested(None);
            let uuid = object
                .uuid
                .0
                .as_deref()
                .ok_or_else(|| missing(kind, "object.uuid"))?;
            identity
                .text(Some(uuid))
                .text(object.breakout_room_uuid.0.as_deref());
            event.participant = Some(participant::from_seat(kind, seat, said_at, identity)?);
        }
    }

    event.event_id = identity.event_id(&event.meeting_id).into();
    event.account_id = payload.account_id.0;
    event.session_uuid = object.uuid.0;
    event.host_id = object.host_id.0;
    event.host_email = object.host_email.0.map(|email| email.0);
    event.topic = object.topic.0;
    event.meeting_type = narrow(&object.r#type);
    event.start_time = object.start_time.at();
    // Of a recording the duration is how long it is, not how long was planned.
    event.duration_minutes = if subject == Subject::Recording {
        None
    } else {
        narrow(&object.duration)
    };
    event.time_zone = object.timezone.0;
    Ok(event)
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
fn recording<'a>(
    share_url: Loose<Text<'a>>,
    files: &[RecordingFile<'a>],
    identity: &mut Identity,
) -> Recording<'a> {
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
    let complete = files.iter().filter(|file| is_complete(file)).count();
    Recording {
        share_url: share_url.0,
        recording_start: files
            .iter()
            .filter_map(|file| file.recording_start.at())
            .min(),
        recording_end: files
            .iter()
            .filter_map(|file| file.recording_end.at())
            .max(),
        files: i32::try_from(complete).unwrap_or(i32::MAX),
        transcript: files.iter().any(|file| {
            file.file_type
                .0
                .as_ref()
                .is_some_and(|kind| kind == "TRANSCRIPT")
        }),
    }
}

/// A number of the size that the canonical log keeps; absent where it is beyond that.
fn narrow(number: &Loose<i64>) -> Option<i32> {
    number.0.and_then(|number| i32::try_from(number).ok())
}

fn malformed(what: String) -> Rejection {
    Rejection {
        class: "malformed",
        message: format!("the webhook's body cannot be read: {what}"),
    }
}

/// An event without something that Zoom's schema of it requires.
fn missing(kind: EventKind, member: &str) -> Rejection {
    Rejection {
        class: "incomplete",
        message: format!(
            "an event of kind {kind:?} has no {member} that can be read, and says nothing without it"
        ),
    }
}
