//! What Zoom really sends, beside what it documents; and what is the same event, and what is not.

use rollcall_schemas::record::EventKind;
use serde_json::{Value, json};

use super::super::Normalized;
use super::{RECEIVED_AT, event, normalized, rejection, sample};

/// A joined event as seen on real traffic: `event` last, network addresses, and empty strings.
const REAL_JOIN: &str = r#"{"payload":{"account_id":"A","object":{"uuid":"de+IDqR9f3hhT9D8/NA/J1==","participant":{"public_ip":"192.0.2.1","user_id":"16778240","user_name":"Zoë \"Z\" Ünal","participant_user_id":"","id":"","participant_uuid":"364B3A17-05C0-6B63-F4FA-2180DCC26971","join_time":"2026-07-29T23:15:56Z","private_ip":"10.0.0.1","email":"","registrant_id":null},"id":"86084701483","type":2,"topic":"PRUEBA SPIKE — no unirse","host_id":"h","duration":"60","start_time":"2026-07-29T23:14:00Z","timezone":""}},"event_ts":1785366957164,"event":"meeting.participant_joined"}"#;

#[test]
fn absent_is_missing_null_or_empty() {
    let event = event(&serde_json::from_str(REAL_JOIN).unwrap());
    let participant = event.participant.unwrap();
    assert_eq!(participant.email, None);
    assert_eq!(participant.registrant_id, None);
    assert_eq!(participant.participant_user_id, None);
    assert_eq!(event.time_zone, None);
    assert_eq!(participant.display_name.unwrap(), "Zoë \"Z\" Ünal");
    assert_eq!(
        (event.duration_minutes, event.meeting_type),
        (Some(60), Some(2))
    );
    assert_eq!(
        (participant.at, event.occurred_at, event.received_at),
        (1_785_366_956_000, 1_785_366_957_164, RECEIVED_AT)
    );
}

#[test]
fn ids_are_numbers_or_strings() {
    let mut join: Value = serde_json::from_str(REAL_JOIN).unwrap();
    let as_string = event(&join);
    join["payload"]["object"]["id"] = json!(86_084_701_483_u64);
    join["payload"]["object"]["participant"]["user_id"] = json!(16_778_240);
    assert_eq!(event(&join), as_string);
}

#[test]
fn addresses_have_one_spelling_and_what_is_none_is_absent() {
    let mut join: Value = serde_json::from_str(REAL_JOIN).unwrap();
    let address = |join: &Value| {
        event(join)
            .participant
            .unwrap()
            .email
            .map(|email| email.into_string())
    };
    join["payload"]["object"]["participant"]["email"] = json!(" Ann.Lee@Example.COM");
    assert_eq!(address(&join).as_deref(), Some("ann.lee@example.com"));
    join["payload"]["object"]["participant"]["email"] = json!("ann lee");
    assert_eq!(address(&join), None);
}

/// Zoom's own example of the event.
#[test]
fn a_join_may_have_date_time_for_join_time() {
    let mut join = sample("meeting.participant_joined");
    let with_join_time = event(&join);
    let participant = join["payload"]["object"]["participant"]
        .as_object_mut()
        .unwrap();
    let time = participant.remove("join_time").unwrap();
    participant.insert("date_time".into(), time);
    assert_eq!(event(&join), with_join_time);
    join["payload"]["object"]["participant"]["date_time"] = json!("yesterday");
    assert_eq!(
        rejection(&join),
        "incomplete: an event of kind ParticipantJoined has no participant.join_time that can be read, and says nothing without it"
    );
}

#[test]
fn a_change_is_as_old_as_its_time_stamp() {
    let event = event(&sample("meeting.updated"));
    assert_eq!(
        (event.kind, event.occurred_at),
        (EventKind::Updated, 1_617_628_463_664)
    );
    assert_eq!(
        event.topic.unwrap(),
        "ZoomNet Unit Testing: UPDATED scheduled meeting"
    );
}

/// Zoom's own example of webinar.updated: old_object is within object, and there is no time_stamp.
#[test]
fn a_change_may_hold_what_was_before_in_the_wrong_place() {
    let mut update = sample("webinar.updated");
    let payload = update["payload"].as_object_mut().unwrap();
    payload.remove("time_stamp");
    let old = payload.remove("old_object").unwrap();
    update["payload"]["object"]["old_object"] = old;
    let event = event(&update);
    assert!(event.webinar);
    assert_eq!(event.occurred_at, 1_626_230_691_572);
    assert_eq!(
        event.topic.unwrap(),
        "ZoomNet Unit Testing: UPDATED scheduled webinar"
    );
}

#[test]
fn a_deletion_without_a_time_is_as_old_as_its_delivery() {
    let mut deletion = sample("webinar.deleted");
    deletion.as_object_mut().unwrap().remove("event_ts");
    assert_eq!(event(&deletion).occurred_at, RECEIVED_AT);
}

#[test]
fn a_deletion_names_what_is_taken_out_or_means_all() {
    let mut deletion = sample("webinar.deleted");
    let occurrences = event(&deletion).schedule.unwrap().occurrences;
    assert_eq!(occurrences.len(), 1);
    assert!(occurrences[0].deleted);
    deletion["payload"]["operation"] = json!("all");
    assert_eq!(event(&deletion).schedule.unwrap().occurrences, []);
}

#[test]
fn a_planned_occurrence_may_be_taken_out_and_one_without_an_id_is_left_out() {
    let mut creation = sample("meeting.created");
    creation["payload"]["object"]["occurrences"] = json!([
        {"occurrence_id": "1", "start_time": "2026-09-14T15:00:00Z", "duration": 60, "status": "deleted"},
        {"occurrence_id": 1_789_398_000_000_i64, "status": "available"},
        {"occurrence_id": "", "start_time": "2026-09-14T15:00:00Z"},
        7,
    ]);
    creation["payload"]["object"]["settings"]["registration_type"] = json!("2");
    let schedule = event(&creation).schedule.unwrap();
    let occurrences: Vec<_> = schedule
        .occurrences
        .iter()
        .map(|o| (o.occurrence_id.as_str(), o.start_time, o.deleted))
        .collect();
    assert_eq!(
        occurrences,
        [
            ("1", Some(1_789_398_000_000), true),
            ("1789398000000", None, false)
        ]
    );
    assert_eq!(schedule.registration_type, Some(2));
}

#[test]
fn the_event_says_the_status_except_where_the_form_does() {
    let status = |name: &str| {
        event(&sample(name))
            .registrant
            .unwrap()
            .status
            .unwrap()
            .into_string()
    };
    assert_eq!(status("meeting.registration_created"), "approved");
    assert_eq!(status("meeting.registration_approved"), "approved");
    assert_eq!(status("webinar.registration_cancelled"), "cancelled");
    assert_eq!(status("webinar.registration_denied"), "denied");
}

/// Recordings of both have one kind of event; the type of the meeting tells.
#[test]
fn a_recording_is_of_a_webinar_by_its_type() {
    let mut recording = sample("recording.completed");
    for (meeting_type, webinar) in [
        (json!(2), false),
        (json!(5), true),
        (json!("6"), true),
        (json!(8), false),
        (json!(9), true),
        (json!(99), false),
        (json!(null), false),
    ] {
        recording["payload"]["object"]["type"] = meeting_type.clone();
        assert_eq!(event(&recording).webinar, webinar, "{meeting_type}");
    }
}

#[test]
fn only_complete_files_count() {
    let mut recording = sample("recording.completed");
    recording["payload"]["object"]["recording_files"][0]["status"] = json!("processing");
    assert_eq!(event(&recording).recording.unwrap().files, 1);
    let transcript = event(&sample("recording.transcript_completed"));
    assert_eq!(transcript.kind, EventKind::TranscriptCompleted);
    assert!(transcript.recording.unwrap().transcript);
}

#[test]
fn what_is_not_of_a_meeting_is_ignored() {
    for name in [
        "app_deauthorized",
        "meeting.converted_to_webinar",
        "webinar.converted_to_meeting",
        "meeting.participant_jbh_waiting",
        "user.updated",
    ] {
        assert!(
            matches!(
                normalized(&sample(name).to_string()),
                Normalized::Ignored(_)
            ),
            "{name}"
        );
    }
    assert_eq!(
        normalized(r#"{"event":"meeting.something_new","payload":[{"object":7}]}"#),
        Normalized::Ignored("unknown event")
    );
}

/// What Zoom may change between two copies of one event, or may send in another order.
#[test]
fn copies_have_one_id() {
    let recording = sample("recording.completed");
    let mut copy = recording.clone();
    copy["download_token"] = json!("another");
    copy["event_ts"] = json!(1_626_230_691_999_i64);
    copy["payload"]["object"]["share_url"] = json!("https://example.com/other");
    let files = copy["payload"]["object"]["recording_files"]
        .as_array_mut()
        .unwrap();
    files[0]["download_url"] = json!("https://example.com/elsewhere");
    files.reverse();
    assert_eq!(event(&copy).event_id, event(&recording).event_id);

    let join: Value = serde_json::from_str(REAL_JOIN).unwrap();
    let mut copy = join.clone();
    copy["event_ts"] = json!(1_785_366_957_900_i64);
    copy["payload"]["object"]["topic"] = json!("Renamed meanwhile");
    copy["payload"]["object"]["participant"]["email"] = json!("ann@example.com");
    copy["payload"]["object"]["participant"]["public_ip"] = json!("192.0.2.9");
    assert_eq!(event(&copy).event_id, event(&join).event_id);
}

/// Two changes of a body, each of which makes another event of it.
#[test]
fn different_events_have_different_ids() {
    let cases: &[(&str, &[(&str, Value)])] = &[
        (
            "meeting.started",
            &[
                ("/object/uuid", json!("u")),
                ("/object/start_time", json!("2026-01-01T00:00:00Z")),
            ],
        ),
        (
            "webinar.ended",
            &[
                ("/object/end_time", json!("2026-01-01T00:00:00Z")),
                ("/object/practice_session", json!(false)),
            ],
        ),
        (
            "meeting.participant_joined",
            &[
                ("/account_id", json!("other")),
                ("/object/uuid", json!("u")),
                ("/object/participant/user_id", json!("2")),
                (
                    "/object/participant/join_time",
                    json!("2026-01-01T00:00:00Z"),
                ),
            ],
        ),
        (
            "meeting.participant_joined_breakout_room",
            &[
                ("/object/breakout_room_uuid", json!("b")),
                ("/object/participant/user_id", json!("2")),
            ],
        ),
        (
            "meeting.participant_bind",
            &[("/object/participant/bind_user_id", json!("2"))],
        ),
        (
            "meeting.participant_role_changed",
            &[("/object/participant/new_role", json!("attendee"))],
        ),
        (
            "webinar.registration_created",
            &[
                ("/object/registrant/id", json!("r")),
                ("/object/registrant/status", json!("pending")),
            ],
        ),
        (
            "meeting.registration_cancelled",
            &[
                ("/object/registrant/id", json!("r")),
                ("/object/occurrences/0/occurrence_id", json!("2")),
            ],
        ),
        (
            "meeting.updated",
            &[
                ("/time_stamp", json!(1_617_628_463_665_i64)),
                ("/scope", json!("all")),
            ],
        ),
        (
            "webinar.deleted",
            &[
                ("/operation", json!("all")),
                ("/object/occurrences/0/occurrence_id", json!("2")),
            ],
        ),
        (
            "recording.completed",
            &[
                ("/object/recording_files/1/id", json!("f")),
                ("/object/recording_files/1/status", json!("processing")),
            ],
        ),
    ];
    for (name, changes) in cases {
        let original = sample(name);
        let mut ids = vec![event(&original).event_id];
        for (pointer, value) in *changes {
            let mut changed = original.clone();
            *changed["payload"]
                .pointer_mut(pointer)
                .unwrap_or_else(|| panic!("{name} has no {pointer}")) = value.clone();
            ids.push(event(&changed).event_id);
        }
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}");
    }
}

/// A status may come back: approved, cancelled, and approved again at another time.
#[test]
fn the_time_of_a_registration_event_makes_it_another() {
    let mut registration = sample("meeting.registration_created");
    let first = event(&registration).event_id;
    registration["event_ts"] = json!(1_626_230_691_573_i64);
    assert_ne!(event(&registration).event_id, first);
}
