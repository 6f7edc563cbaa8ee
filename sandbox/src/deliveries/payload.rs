//! The bodies of Zoom's webhooks, field for field as Zoom's documentation and captures show them.
//!
//! `object.id` is a string in session and participant events and a number in all others. What a
//! person does not show is missing, or an empty string.

use serde_json::{Map, Value, json};

use crate::{
    account::{
        Bound, Change, Fact, Mark, Meeting, Place, Plan, Recording, Registration, Scope, Seat,
        Session, Slot, Status, What,
    },
    time::{MINUTE, SECOND, iso},
};

fn envelope(event: &str, at_ms: i64, payload: Value) -> Value {
    json!({"event": event, "event_ts": at_ms, "payload": payload})
}

pub(super) fn created(plan: &Plan, meeting: &Meeting, at_ms: i64, event: &str) -> Value {
    let mut object = json!({
        "uuid": meeting.uuid,
        "id": meeting.id,
        "host_id": meeting.host_id,
        "topic": meeting.topic,
        "type": meeting.kind,
        "start_time": meeting.slots.first().map_or_else(String::new, |slot| iso(slot.first_start_ms)),
        "duration": meeting.minutes,
        "timezone": meeting.time_zone,
        "join_url": format!("https://us02web.zoom.us/j/{}?pwd=secretsecret", meeting.id),
        "password": "XYz@BC!D1087",
        "creation_source": "other",
        "settings": {"use_pmi": false, "alternative_hosts": "", "approval_type": 0},
    });
    if let Some(registration_type) = meeting.registration_type {
        object["settings"]["registration_type"] = json!(registration_type);
    }
    if meeting.recurs() {
        object["recurrence"] =
            json!({"type": 1, "repeat_interval": 1, "end_times": meeting.slots.len()});
        object["occurrences"] = meeting
            .slots
            .iter()
            .map(|slot| {
                json!({
                    "occurrence_id": slot.occurrence_id,
                    "start_time": iso(slot.first_start_ms),
                    "duration": meeting.minutes,
                    "status": "available",
                })
            })
            .collect();
    }
    envelope(
        event,
        at_ms,
        by_operator(plan, meeting, object, "operation", "all"),
    )
}

pub(super) fn updated(plan: &Plan, meeting: &Meeting, change: &Change, event: &str) -> Value {
    let object =
        json!({"id": meeting.id, "topic": change.topic, "start_time": iso(change.start_ms)});
    let mut payload = by_operator(plan, meeting, object, "scope", "single");
    payload["time_stamp"] = json!(change.at_ms);
    payload["old_object"] = json!({"id": meeting.id, "topic": meeting.topic, "start_time": iso(meeting.slots[0].first_start_ms)});
    envelope(event, change.at_ms + 450, payload)
}

pub(super) fn occurrence_deleted(
    plan: &Plan,
    meeting: &Meeting,
    slot: &Slot,
    at_ms: i64,
    event: &str,
) -> Value {
    let object = json!({
        "uuid": meeting.uuid,
        "id": meeting.id,
        "host_id": meeting.host_id,
        "topic": meeting.topic,
        "type": meeting.kind,
        "start_time": iso(slot.first_start_ms),
        "duration": meeting.minutes,
        "timezone": meeting.time_zone,
        "occurrences": [{"occurrence_id": slot.occurrence_id, "start_time": iso(slot.first_start_ms)}],
    });
    envelope(
        event,
        at_ms,
        by_operator(plan, meeting, object, "operation", "single"),
    )
}

fn by_operator(plan: &Plan, meeting: &Meeting, object: Value, reach: &str, how_far: &str) -> Value {
    let mut payload = json!({
        "account_id": plan.account_id,
        "operator": meeting.host_email,
        "operator_id": meeting.host_id,
        "object": object,
    });
    payload[reach] = json!(how_far);
    payload
}

pub(super) fn registration(
    plan: &Plan,
    meeting: &Meeting,
    registration: &Registration,
    fact: Fact,
    event: &str,
) -> Value {
    let mut registrant = json!({
        "id": registration.registrant_id,
        "first_name": registration.first_name,
        "last_name": registration.last_name.as_deref().unwrap_or(""),
        "email": registration.address.spelled,
    });
    let created = event.ends_with("_created");
    if created {
        let custom_questions: Vec<Value> = registration
            .team_size
            .iter()
            .map(|answer| json!({"title": "Team size", "value": answer}))
            .collect();
        let more = json!({
            "address": "", "city": "", "country": "DE", "zip": "", "state": "", "phone": "", "industry": "",
            "org": registration.org.as_deref().unwrap_or(""),
            "job_title": "", "purchasing_time_frame": "", "role_in_purchase_process": "", "no_of_employees": "", "comments": "",
            "custom_questions": custom_questions,
            "status": if fact.status == Status::Approved { "approved" } else { "pending" },
        });
        merge(&mut registrant, more);
    }
    if fact.status == Status::Approved || created {
        registrant["join_url"] = json!(registration.join_url);
        if !meeting.webinar {
            registrant["participant_pin_code"] = json!(380_303);
        }
    }
    if let Some(source) = &registration.source {
        registrant["tracking_source"] = json!({
            "id": "5516482804110",
            "source_name": source,
            "tracking_url": format!("https://us02web.zoom.us/webinar/register/5516482804110/WN_{}", meeting.id),
        });
    }
    let listed = listed_slots(meeting, &registration.scope, fact.at_ms);
    let first = listed.first().copied().unwrap_or(0);
    let mut object = json!({
        "uuid": meeting.uuid,
        "id": meeting.id,
        "host_id": meeting.host_id,
        "topic": meeting.topic_at(fact.at_ms),
        "type": meeting.kind,
        "start_time": iso(meeting.slot_start_at(first, fact.at_ms)),
        "duration": meeting.minutes,
        "timezone": meeting.time_zone,
        "registrant": registrant,
    });
    if meeting.recurs() && !listed.is_empty() {
        object["occurrences"] = listed
            .iter()
            .map(|slot| json!({"occurrence_id": meeting.slots[*slot].occurrence_id, "start_time": iso(meeting.slots[*slot].first_start_ms)}))
            .collect();
    }
    let mut payload = json!({"account_id": plan.account_id, "object": object});
    if !created {
        payload["operator"] = json!(meeting.host_email);
        payload["operator_id"] = json!(meeting.host_id);
    }
    envelope(event, fact.at_ms, payload)
}

/// The occurrences that Zoom lists: the chosen ones, and every one where one registration is for all.
fn listed_slots(meeting: &Meeting, scope: &Scope, at_ms: i64) -> Vec<usize> {
    match scope {
        Scope::Slots(slots) => slots.clone(),
        Scope::Series if meeting.registration_type == Some(1) => (0..meeting.slots.len())
            .filter(|slot| {
                meeting.slots[*slot]
                    .deleted_ms
                    .is_none_or(|deleted| at_ms < deleted)
            })
            .collect(),
        Scope::Series => Vec::new(),
    }
}

fn session_object(meeting: &Meeting, session: &Session) -> Value {
    json!({
        "id": meeting.id.to_string(),
        "uuid": session.uuid,
        "host_id": meeting.host_id,
        "topic": meeting.topic_at(session.started_ms),
        "type": meeting.kind,
        "start_time": iso(session.started_ms),
        "timezone": meeting.time_zone,
        "duration": if meeting.slots.is_empty() { 0 } else { meeting.minutes },
    })
}

pub(super) fn started(
    plan: &Plan,
    meeting: &Meeting,
    session: &Session,
    at_ms: i64,
    event: &str,
) -> Value {
    let mut object = session_object(meeting, session);
    object["host_email"] = json!(meeting.host_email);
    envelope(
        event,
        at_ms,
        json!({"account_id": plan.account_id, "object": object}),
    )
}

pub(super) fn ended(
    plan: &Plan,
    meeting: &Meeting,
    session: &Session,
    at_ms: i64,
    event: &str,
) -> Value {
    let mut object = session_object(meeting, session);
    object["host_email"] = json!(meeting.host_email);
    object["end_time"] = json!(iso(session.ended_ms));
    if meeting.webinar {
        object["practice_session"] = json!(session.practice);
    }
    envelope(
        event,
        at_ms,
        json!({"account_id": plan.account_id, "object": object}),
    )
}

pub(super) fn seat(
    plan: &Plan,
    meeting: &Meeting,
    session: &Session,
    seat: &Seat,
    mark: &Mark,
    at_ms: i64,
    event: &str,
) -> Value {
    let mut participant = participant(seat, at_ms);
    let when = json!(iso(mark.at_ms));
    match &mark.what {
        What::Joins => participant["join_time"] = when,
        What::Leaves { reason, .. } => {
            participant["leave_time"] = when;
            participant["leave_reason"] = json!(format!("{} {reason}", seat.shows.name));
        }
        What::ChangesRole { old, new } => {
            participant["date_time"] = when;
            participant["old_role"] = json!(old);
            participant["new_role"] = json!(new);
        }
        What::Waits | What::Admitted | What::LeavesWaitingRoom | What::PutInWaitingRoom => {
            participant["date_time"] = when
        }
    }
    let mut object = session_object(meeting, session);
    if let Place::Breakout {
        parent_user_id,
        room_uuid,
    } = &seat.place
    {
        participant["parent_user_id"] = json!(parent_user_id);
        object["breakout_room_uuid"] = json!(room_uuid);
    }
    object["participant"] = participant;
    envelope(
        event,
        at_ms,
        json!({"account_id": plan.account_id, "object": object}),
    )
}

pub(super) fn bind(
    plan: &Plan,
    meeting: &Meeting,
    session: &Session,
    seat: &Seat,
    bound: &Bound,
    at_ms: i64,
    event: &str,
) -> Value {
    let mut participant = participant(seat, at_ms);
    participant["bind_user_id"] = json!(bound.user_id);
    participant["bind_participant_uuid"] = json!(bound.participant_uuid);
    participant[if meeting.webinar {
        "join_time"
    } else {
        "date_time"
    }] = json!(iso(bound.at_ms));
    let mut object = session_object(meeting, session);
    object["participant"] = participant;
    envelope(
        event,
        at_ms,
        json!({"account_id": plan.account_id, "object": object}),
    )
}

pub(super) fn sharing(
    plan: &Plan,
    meeting: &Meeting,
    session: &Session,
    shares_ms: i64,
    at_ms: i64,
    event: &str,
) -> Value {
    let mut object = session_object(meeting, session);
    let host = session.seats.first();
    object["participant"] = json!({
        "id": host.and_then(|seat| seat.shows.participant_user_id.clone()).unwrap_or_default(),
        "user_id": host.map_or("16778240", |seat| seat.user_id.as_str()),
        "user_name": host.map_or("", |seat| seat.shows.name.as_str()),
        "sharing_details": {
            "link_source": "", "file_link": "", "source": "", "date_time": iso(shares_ms), "content": "application",
        },
    });
    envelope(
        event,
        at_ms,
        json!({"account_id": plan.account_id, "object": object}),
    )
}

/// What a seat shows. Absent is missing at one moment and an empty string at another.
fn participant(seat: &Seat, at_ms: i64) -> Value {
    let blank = (at_ms / SECOND) % 2 == 0;
    let mut members = Map::new();
    let mut show = |key: &str, value: Option<&str>| match value {
        Some(value) => {
            members.insert(key.to_owned(), json!(value));
        }
        None if blank => {
            members.insert(key.to_owned(), json!(""));
        }
        None => {}
    };
    let shows = &seat.shows;
    show("user_id", Some(&seat.user_id));
    show("user_name", Some(&shows.name));
    show("participant_uuid", Some(&seat.participant_uuid));
    show("registrant_id", shows.registrant_id.as_deref());
    show("participant_user_id", shows.participant_user_id.as_deref());
    show("customer_key", None);
    // Zoom's schema requires these two: they are empty rather than missing.
    show(
        "id",
        Some(shows.participant_user_id.as_deref().unwrap_or("")),
    );
    show(
        "email",
        Some(shows.email.as_ref().map_or("", |address| &address.spelled)),
    );
    match &seat.place {
        Place::Phone { number, .. } => show("phone_number", Some(number)),
        Place::Main | Place::Breakout { .. } => show("phone_number", None),
    }
    // No schema has these two, and real deliveries do.
    show("public_ip", Some("203.0.113.7"));
    show("private_ip", Some("192.168.1.20"));
    Value::Object(members)
}

pub(super) fn recording(
    plan: &Plan,
    meeting: &Meeting,
    session: &Session,
    recording: &Recording,
    token: &str,
    at_ms: i64,
    event: &str,
) -> Value {
    let transcript = event.ends_with("transcript_completed");
    let file = |kind: &str, extension: &str, file_type: &str| {
        json!({
            "id": format!("{}-{file_type}", session.uuid.trim_end_matches('=')),
            "meeting_id": session.uuid,
            "recording_start": iso(session.started_ms + 20 * SECOND),
            "recording_end": iso(session.ended_ms),
            "recording_type": kind,
            "file_type": file_type,
            "file_size": 246_560,
            "file_extension": extension,
            "play_url": format!("{}/play", recording.share_url),
            "download_url": format!("{}/download?access={token}", recording.share_url),
            "status": "completed",
        })
    };
    let files = if transcript {
        vec![file("audio_transcript", "VTT", "TRANSCRIPT")]
    } else {
        vec![
            file("audio_only", "M4A", "M4A"),
            file("shared_screen_with_speaker_view", "MP4", "MP4"),
        ]
    };
    let mut object = json!({
        "id": meeting.id,
        "uuid": session.uuid,
        "host_id": meeting.host_id,
        "account_id": plan.account_id,
        "topic": meeting.topic_at(at_ms),
        "type": meeting.kind,
        "start_time": iso(session.started_ms),
        "password": "132456",
        "timezone": meeting.time_zone,
        "host_email": meeting.host_email,
        "duration": (session.ended_ms - session.started_ms) / MINUTE,
        "share_url": recording.share_url,
        "total_size": 246_560 * files.len(),
        "recording_count": files.len(),
        "recording_files": files,
    });
    if !transcript {
        merge(
            &mut object,
            json!({
                "on_prem": false,
                "auto_delete": true,
                "auto_delete_date": "2028-07-12",
                "recording_play_passcode": "yNYIS408EJygs7rE5vVsJwXIz4-VW7MH",
                "participant_audio_files": [],
            }),
        );
    }
    let mut body = envelope(
        event,
        at_ms,
        json!({"account_id": plan.account_id, "object": object}),
    );
    body["download_token"] = json!(format!("abJhbGciOiJIUzUxMiJ9.{token}"));
    body
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
