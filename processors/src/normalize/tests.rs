use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;
use rollcall_schemas::record::{EventKind, RawKind, RawRecord, Tick, WebhookDelivery, ZoomEvent};
use rollcall_schemas::wire::ZOOM_EVENT;
use rollcall_schemas::{Text, key};
use serde_json::{Value, json};

use super::{Normalized, Normalizer};

mod quirks;

const RECEIVED_AT: i64 = 1_700_000_000_123;

/// Sample payloads of all of Zoom's webhook events for meetings, webinars, recordings and users.
fn samples() -> BTreeMap<String, String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/webhooks");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let json = files.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    json.map(|path| {
        (
            path.file_stem().unwrap().to_str().unwrap().to_owned(),
            std::fs::read_to_string(&path).unwrap(),
        )
    })
    .collect()
}

fn sample(name: &str) -> Value {
    serde_json::from_str(&samples()[name]).unwrap()
}

fn raw(body: &str) -> RawRecord<'_> {
    RawRecord {
        kind: RawKind::Webhook,
        received_at: RECEIVED_AT,
        webhook: Some(WebhookDelivery {
            request_id: Some("a-b-c".into()),
            body: body.as_bytes(),
        }),
        ..RawRecord::default()
    }
}

fn normalized(body: &str) -> Normalized<'_> {
    Normalizer::new().normalize(&raw(body))
}

/// The event of a body, which must have one.
fn event(body: &Value) -> ZoomEvent<'static> {
    let text = body.to_string();
    let event = match normalized(&text) {
        Normalized::Event(event) => event,
        other => panic!("{other:?} of {body}"),
    };
    let bytes = ZOOM_EVENT.encoder().encode(&event);
    ZOOM_EVENT.decode::<ZoomEvent<'_>>(bytes.leak()).unwrap()
}

fn rejection(body: &Value) -> String {
    match normalized(&body.to_string()) {
        Normalized::Rejected(rejection) => format!("{}: {}", rejection.class, rejection.message),
        other => panic!("{other:?} of {body}"),
    }
}

/// The event as a person reads it: JSON without what is absent.
fn shown(event: &ZoomEvent<'_>) -> String {
    fn without_absent(value: Value) -> Option<Value> {
        match value {
            Value::Null => None,
            Value::Object(members) => {
                let members = members
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, without_absent(value)?)));
                Some(Value::Object(members.collect())).filter(|object| object != &json!({}))
            }
            Value::Array(list) if list.is_empty() => None,
            other => Some(other),
        }
    }
    serde_json::to_string_pretty(&without_absent(serde_json::to_value(event).unwrap()).unwrap())
        .unwrap()
}

#[test]
fn every_sample_comes_to_what_it_is() {
    let mut table = String::new();
    for (name, body) in samples() {
        let what = match normalized(&body) {
            Normalized::Event(event) => {
                assert_eq!(
                    key::partition_part(event.event_id.as_bytes()),
                    event.meeting_id.as_bytes(),
                    "{name}"
                );
                format!(
                    "{:?}{}",
                    event.kind,
                    if event.webinar { " of a webinar" } else { "" }
                )
            }
            Normalized::Ignored("unknown event") => continue,
            other => format!("{other:?}"),
        };
        table.push_str(&format!("{name}: {what}\n"));
    }
    insta::assert_snapshot!(table, @r#"
    app_deauthorized: Ignored("app deauthorized")
    meeting.converted_to_webinar: Ignored("meeting converted")
    meeting.created: Created
    meeting.deleted: Deleted
    meeting.ended: Ended
    meeting.participant_admitted: ParticipantAdmitted
    meeting.participant_bind: PhoneBound
    meeting.participant_jbh_joined: Ignored("before the host")
    meeting.participant_jbh_waiting: Ignored("before the host")
    meeting.participant_jbh_waiting_left: Ignored("before the host")
    meeting.participant_joined: ParticipantJoined
    meeting.participant_joined_breakout_room: BreakoutJoined
    meeting.participant_joined_waiting_room: WaitingRoomJoined
    meeting.participant_left: ParticipantLeft
    meeting.participant_left_breakout_room: BreakoutLeft
    meeting.participant_left_waiting_room: WaitingRoomLeft
    meeting.participant_put_in_waiting_room: WaitingRoomPut
    meeting.participant_role_changed: RoleChanged
    meeting.registration_approved: RegistrationApproved
    meeting.registration_cancelled: RegistrationCancelled
    meeting.registration_created: RegistrationCreated
    meeting.registration_denied: RegistrationDenied
    meeting.started: Started
    meeting.updated: Updated
    recording.completed: RecordingCompleted
    recording.transcript_completed: TranscriptCompleted
    webinar.converted_to_meeting: Ignored("meeting converted")
    webinar.created: Created of a webinar
    webinar.deleted: Deleted of a webinar
    webinar.ended: Ended of a webinar
    webinar.participant_bind: PhoneBound of a webinar
    webinar.participant_joined: ParticipantJoined of a webinar
    webinar.participant_left: ParticipantLeft of a webinar
    webinar.participant_role_changed: RoleChanged of a webinar
    webinar.registration_approved: RegistrationApproved of a webinar
    webinar.registration_cancelled: RegistrationCancelled of a webinar
    webinar.registration_created: RegistrationCreated of a webinar
    webinar.registration_denied: RegistrationDenied of a webinar
    webinar.started: Started of a webinar
    webinar.updated: Updated of a webinar
    "#);
}

#[test]
fn a_join() {
    insta::assert_snapshot!(shown(&event(&sample("meeting.participant_joined"))), @r#"
    {
      "account_id": "AAAAAABBBB",
      "duration_minutes": 60,
      "event_id": "1234567890 48307fb2d47f5e2f",
      "host_id": "x1yCzABCDEfg23HiJKl4mN",
      "kind": "participant_joined",
      "meeting_id": "1234567890",
      "meeting_type": 8,
      "occurred_at": 1626230691572,
      "participant": {
        "at": 1626212691000,
        "display_name": "Jill Chill",
        "email": "jchill@example.com",
        "participant_user_id": "iFxeBPYun6SAiWUzBcEkX",
        "participant_uuid": "55555AAAiAAAAAiAiAiiAii",
        "registrant_id": "abcdefghij0-klmnopq23456",
        "user_id": "55555AAAiAAAAAiAiAiiAii"
      },
      "received_at": 1700000000123,
      "sequence": 0,
      "session_uuid": "4444AAAiAAAAAiAiAiiAii==",
      "start_time": 1626212691000,
      "time_zone": "America/Los_Angeles",
      "topic": "My Meeting",
      "webinar": false
    }
    "#);
}

#[test]
fn a_registration_for_a_webinar() {
    insta::assert_snapshot!(shown(&event(&sample("webinar.registration_created"))), @r#"
    {
      "account_id": "AAAAAABBBB",
      "duration_minutes": 60,
      "event_id": "1234567890 6516bff8eed50a17",
      "host_id": "x1yCzABCDEfg23HiJKl4mN",
      "kind": "registration_created",
      "meeting_id": "1234567890",
      "meeting_type": 9,
      "occurred_at": 1626230691572,
      "received_at": 1700000000123,
      "registrant": {
        "custom_questions": {
          "What do you hope to learn from this webinar?": "Look forward to learning how you come up with new recipes and what other services you offer."
        },
        "email": "jchill@example.com",
        "fields": {
          "city": "Mountain View",
          "comments": "Looking forward to the webinar",
          "country": "US",
          "industry": "Food",
          "job_title": "Chef",
          "no_of_employees": "1-20",
          "org": "Cooking Org",
          "phone": "5550100",
          "purchasing_time_frame": "1-3 months",
          "role_in_purchase_process": "Influencer",
          "state": "CA",
          "zip": "94045"
        },
        "first_name": "Jill",
        "id": "iFxeBPYun6SAiWUzBcEkX",
        "join_url": "https://example.com/join",
        "last_name": "Chill",
        "status": "approved",
        "tracking_source": "general"
      },
      "schedule": {
        "occurrences": [
          {
            "deleted": false,
            "duration_minutes": null,
            "occurrence_id": "ABCDE12345",
            "start_time": 1626212691000
          }
        ]
      },
      "sequence": 0,
      "session_uuid": "4444AAAiAAAAAiAiAiiAii==",
      "start_time": 1626212691000,
      "time_zone": "America/Los_Angeles",
      "topic": "My Webinar",
      "webinar": true
    }
    "#);
}

#[test]
fn a_webinar_that_is_planned() {
    insta::assert_snapshot!(shown(&event(&sample("webinar.created"))), @r#"
    {
      "account_id": "AAAAAABBBB",
      "duration_minutes": 60,
      "event_id": "1234567890 5fa8abdf01dcd219",
      "host_id": "x1yCzABCDEfg23HiJKl4mN",
      "kind": "created",
      "meeting_id": "1234567890",
      "meeting_type": 9,
      "occurred_at": 1626230691572,
      "received_at": 1700000000123,
      "schedule": {
        "occurrences": [
          {
            "deleted": false,
            "duration_minutes": 60,
            "occurrence_id": "ABCDE12345",
            "start_time": 1626212691000
          }
        ]
      },
      "sequence": 0,
      "session_uuid": "4444AAAiAAAAAiAiAiiAii==",
      "start_time": 1626212691000,
      "time_zone": "America/Los_Angeles",
      "topic": "My Webinar",
      "webinar": true
    }
    "#);
}

#[test]
fn the_end_of_a_practice_session() {
    insta::assert_snapshot!(shown(&event(&sample("webinar.ended"))), @r#"
    {
      "account_id": "AAAAAABBBB",
      "duration_minutes": 60,
      "ended": {
        "end_time": 1626217251000,
        "practice_session": true
      },
      "event_id": "1234567890 0bb36d43923f6f8f",
      "host_id": "x1yCzABCDEfg23HiJKl4mN",
      "kind": "ended",
      "meeting_id": "1234567890",
      "meeting_type": 5,
      "occurred_at": 1626230691572,
      "received_at": 1700000000123,
      "sequence": 0,
      "session_uuid": "4444AAAiAAAAAiAiAiiAii==",
      "start_time": 1626212691000,
      "time_zone": "America/Los_Angeles",
      "topic": "My Webinar",
      "webinar": true
    }
    "#);
}

#[test]
fn a_recording() {
    insta::assert_snapshot!(shown(&event(&sample("recording.completed"))), @r#"
    {
      "account_id": "AAAAAABBBB",
      "event_id": "1234567890 a02773ea3296a789",
      "host_email": "jchill@example.com",
      "host_id": "x1yCzABCDEfg23HiJKl4mN",
      "kind": "recording_completed",
      "meeting_id": "1234567890",
      "meeting_type": 4,
      "occurred_at": 1626230691572,
      "received_at": 1700000000123,
      "recording": {
        "files": 2,
        "recording_end": 1616541341000,
        "recording_start": 1616537697000,
        "share_url": "https://example.com",
        "transcript": false
      },
      "sequence": 0,
      "session_uuid": "4444AAAiAAAAAiAiAiiAii==",
      "start_time": 1626212691000,
      "time_zone": "America/Los_Angeles",
      "topic": "My Personal Recording",
      "webinar": false
    }
    "#);
}

#[test]
fn a_phone_that_is_bound_to_a_seat() {
    let participant = event(&sample("meeting.participant_bind"))
        .participant
        .unwrap();
    assert_eq!(
        participant.user_id.as_deref(),
        Some("55555AAAiAAAAAiAiAiiAii")
    );
    assert_eq!(participant.bound_user_id.as_deref(), Some("16778240"));
}

#[test]
fn a_breakout_room_names_the_seat_in_the_main_session() {
    let event = event(&sample("meeting.participant_joined_breakout_room"));
    assert_eq!(
        event.session_uuid.as_deref(),
        Some("4444AAAiAAAAAiAiAiiAii==")
    );
    assert_eq!(
        event.participant.unwrap().parent_user_id.as_deref(),
        Some("1234567890")
    );
}

#[test]
fn time_passes() {
    let tick = RawRecord {
        kind: RawKind::Tick,
        received_at: 7,
        tick: Some(Tick { at: 5 }),
        ..RawRecord::default()
    };
    assert_eq!(
        Normalizer::new().normalize(&tick),
        Normalized::Tick { at: 5 }
    );
}

#[test]
fn a_record_without_its_group_is_rejected() {
    for kind in [RawKind::Tick, RawKind::Webhook] {
        let empty = RawRecord {
            kind,
            ..RawRecord::default()
        };
        assert!(
            matches!(Normalizer::new().normalize(&empty), Normalized::Rejected(rejection) if rejection.class == "raw_record")
        );
    }
    let newer = RawRecord {
        kind: RawKind::Unknown,
        ..RawRecord::default()
    };
    assert_eq!(
        Normalizer::new().normalize(&newer),
        Normalized::Ignored(super::UNKNOWN_RECORD)
    );
}

/// No secret and no address of the network or of a street comes through, whatever the event.
#[test]
fn what_is_private_is_dropped() {
    let secrets = [
        "download_token",
        "password",
        "recording_play_passcode",
        "download_url",
        "play_url",
        "address",
        "participant_pin_code",
        "public_ip",
        "private_ip",
        "phone_number",
        "tracking_url",
    ];
    for (name, body) in samples() {
        let mut body: Value = serde_json::from_str(&body).unwrap();
        mark(&mut body, &secrets);
        if let Some(object) = body.pointer_mut("/payload/object") {
            for member in secrets {
                object[member] = json!("SECRET");
            }
            if object["participant"].is_object() {
                object["participant"]["public_ip"] = json!("SECRET");
                object["participant"]["private_ip"] = json!("SECRET");
            }
        }
        let text = body.to_string();
        let normalized = format!("{:?}", normalized(&text));
        assert!(!normalized.contains("SECRET"), "{name}: {normalized}");
    }
}

fn mark(value: &mut Value, members: &[&str]) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if members.contains(&name.as_str()) && value.is_string() {
                    *value = json!("SECRET");
                }
                mark(value, members);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| mark(value, members)),
        _ => (),
    }
}

/// An error that a person reads does not quote the body.
#[test]
fn a_rejection_quotes_nothing() {
    let rejection =
        match normalized(r#"{"event": "meeting.started", "download_token": "SECRET" "x"}"#) {
            Normalized::Rejected(rejection) => rejection,
            other => panic!("{other:?}"),
        };
    assert_eq!(rejection.class, "malformed");
    assert_eq!(
        rejection.message,
        "the webhook's body cannot be read: it is not JSON at line 1, column 57"
    );
}

/// Every event that says something, with each of its members taken away in turn: what remains is an
/// event, or is rejected with a message that names what is missing.
#[test]
fn what_an_event_cannot_do_without() {
    let mut needed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, body) in samples() {
        if !matches!(normalized(&body), Normalized::Event(_)) {
            continue;
        }
        let body: Value = serde_json::from_str(&body).unwrap();
        for group in ["", "/participant", "/registrant"] {
            let pointer = format!("/payload/object{group}");
            let Some(Value::Object(members)) = body.pointer(&pointer) else {
                continue;
            };
            for member in members.keys() {
                let mut without = body.clone();
                without.pointer_mut(&pointer).unwrap()[member] = json!("");
                if let Normalized::Rejected(rejection) = normalized(&without.to_string()) {
                    assert!(
                        rejection.message.contains(member),
                        "{name} without {member}: {}",
                        rejection.message
                    );
                    let (_, event) = name.split_once('.').unwrap();
                    let needs = needed.entry(event.to_owned()).or_default();
                    if !needs.contains(member) {
                        needs.push(member.clone());
                    }
                }
            }
        }
    }
    let table: String = needed
        .iter()
        .map(|(event, members)| format!("{event}: {}\n", members.join(", ")))
        .collect();
    insta::assert_snapshot!(table, @r#"
    completed: id, uuid
    created: id
    deleted: id
    ended: end_time, id, uuid
    participant_admitted: id, participant, uuid, date_time
    participant_bind: id, participant, uuid
    participant_joined: id, participant, uuid, join_time
    participant_joined_breakout_room: id, participant, uuid, join_time
    participant_joined_waiting_room: id, participant, uuid, date_time
    participant_left: id, participant, uuid, leave_time
    participant_left_breakout_room: id, participant, uuid, leave_time
    participant_left_waiting_room: id, participant, uuid, date_time
    participant_put_in_waiting_room: id, participant, uuid, date_time
    participant_role_changed: id, participant, uuid
    registration_approved: id, registrant, email
    registration_cancelled: id, registrant, email
    registration_created: id, registrant, email, status
    registration_denied: id, registrant, email
    started: id, start_time, uuid
    transcript_completed: id, uuid
    updated: id
    "#);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("")),
        Just(json!("2026-09-14T15:00:00Z")),
        Just(json!("Ann \"x\"@Example.com")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Replaces the value at the `place`-th node, counted in depth first order.
fn replace(value: &mut Value, place: &mut usize, with: &Value) {
    if *place == 0 {
        *value = with.clone();
        *place = usize::MAX;
        return;
    }
    *place -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Object(members) => members.values_mut().collect(),
        Value::Array(list) => list.iter_mut().collect(),
        _ => return,
    };
    for child in children {
        if *place == usize::MAX {
            return;
        }
        replace(child, place, with);
    }
}

/// An event that comes out is whole, whatever went in: it can be written, and read back.
fn check(body: &[u8]) {
    let raw = RawRecord {
        kind: RawKind::Webhook,
        webhook: Some(WebhookDelivery {
            request_id: None,
            body,
        }),
        ..RawRecord::default()
    };
    match Normalizer::new().normalize(&raw) {
        Normalized::Event(event) => {
            assert!(
                !event.meeting_id.is_empty()
                    && event.meeting_id.bytes().all(|byte| byte.is_ascii_digit())
            );
            assert_ne!(event.kind, EventKind::Unknown);
            let bytes = ZOOM_EVENT.encoder().encode(&event);
            assert_eq!(ZOOM_EVENT.decode::<ZoomEvent<'_>>(&bytes).unwrap(), event);
        }
        Normalized::Tick { .. } => panic!("a webhook is no tick"),
        Normalized::Ignored(_) => (),
        Normalized::Rejected(rejection) => assert!(!rejection.message.is_empty()),
    }
}

proptest! {
    #[test]
    fn no_value_anywhere_is_too_strange(
        sample in 0_usize..200,
        changes in prop::collection::vec((0_usize..60, json_value()), 1..4),
    ) {
        let samples = samples();
        let (_, body) = samples.iter().nth(sample % samples.len()).unwrap();
        let mut body: Value = serde_json::from_str(body).unwrap();
        for (mut place, value) in changes {
            replace(&mut body, &mut place, &value);
        }
        check(body.to_string().as_bytes());
    }

    #[test]
    fn no_bytes_are_too_strange(
        sample in 0_usize..200,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..6),
        end in any::<prop::sample::Index>(),
    ) {
        let samples = samples();
        let (_, body) = samples.iter().nth(sample % samples.len()).unwrap();
        let mut body = body.clone().into_bytes();
        for (place, byte, how) in changes {
            let place = place.index(body.len());
            match how {
                0 => body[place] = byte,
                1 => body.insert(place, byte),
                _ => drop(body.remove(place)),
            }
        }
        check(&body);
        check(&body[..end.index(body.len())]);
    }

    #[test]
    fn what_is_no_json_is_rejected(body in prop::collection::vec(any::<u8>(), 0..64)) {
        check(&body);
    }
}

#[test]
fn a_meeting_id_in_the_raw_record_spares_its_copy() {
    let mut body = sample("recording.completed");
    body["payload"]["object"]["id"] = json!(86_084_701_483_u64);
    let body = body.to_string();
    for hint in [Some("86084701483"), Some("1"), Some("x"), None] {
        let raw = RawRecord {
            meeting_id: hint.map(Text::from),
            ..raw(&body)
        };
        let Normalized::Event(event) = Normalizer::new().normalize(&raw) else {
            panic!()
        };
        assert_eq!(event.meeting_id, "86084701483");
    }
}
