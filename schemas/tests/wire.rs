//! The Rust types fit their schemas, byte for byte as Avro's own implementation writes them.

use std::collections::BTreeMap;

use rollcall_schemas::Text;
use rollcall_schemas::record::{
    Activity, AttendanceRow, AttendanceStatus, Contact, Delivery, DeliveryState, Effect, EventKind,
    LastOccurrence, Milestone, MilestoneKind, NextOccurrence, OccurrenceRow, Participant, Phase,
    RawKind, RawRecord, Recording, RecordingLink, Registrant, RowState, Schedule,
    ScheduledOccurrence, Segment, Session, SessionEnd, Tick, WebhookDelivery, ZoomEvent,
};
use rollcall_schemas::wire::{
    ACTIVITY, ATTENDANCE_ROW, CONTACT, DELIVERY, OCCURRENCE_ROW, RAW_RECORD, RECORDS, RecordSchema,
    WireError, ZOOM_EVENT,
};
use serde::de::DeserializeOwned;

fn texts(pairs: &[(&'static str, &'static str)]) -> BTreeMap<Text<'static>, Text<'static>> {
    pairs
        .iter()
        .map(|(name, value)| (Text::from(*name), Text::from(*value)))
        .collect()
}

/// What is written is read back, here and by Avro's own implementation.
macro_rules! round_trip {
    ($schema:expr, $type:ty, $value:expr) => {{
        let value: $type = $value;
        let bytes = $schema.encoder().encode(&value);
        let back: $type = $schema
            .decode(&bytes)
            .expect("what was written can be read");
        assert_eq!(back, value);
        let schema = apache_avro::Schema::parse_str($schema.text()).expect("a schema");
        let avro =
            apache_avro::from_avro_datum(&schema, &mut &bytes[5..], None).expect("valid Avro");
        let written = apache_avro::to_avro_datum(&schema, avro).expect("valid Avro");
        assert_eq!(
            written,
            bytes[5..],
            "Avro's own implementation writes other bytes"
        );
    }};
}

#[test]
fn full_records_come_back() {
    round_trip!(
        RAW_RECORD,
        RawRecord<'_>,
        RawRecord {
            kind: RawKind::Webhook,
            received_at: 1,
            account_id: Some("A".into()),
            meeting_id: Some("86084701483".into()),
            webhook: Some(WebhookDelivery {
                request_id: Some("r".into()),
                body: b"{\"\xc3\xa9\":1}"
            }),
            tick: Some(Tick { at: 2 }),
        }
    );
    round_trip!(
        ZOOM_EVENT,
        ZoomEvent<'_>,
        ZoomEvent {
            event_id: "86084701483 0011223344556677".into(),
            kind: EventKind::ParticipantJoined,
            webinar: true,
            account_id: Some("A".into()),
            meeting_id: "86084701483".into(),
            sequence: 7,
            occurred_at: 1,
            received_at: 2,
            session_uuid: Some("de+IDqR9f3hhT9D8/NA/J1==".into()),
            host_id: Some("h".into()),
            host_email: Some("h@example.com".into()),
            topic: Some("Réunion — été".into()),
            meeting_type: Some(9),
            start_time: Some(3),
            duration_minutes: Some(60),
            time_zone: Some("Europe/Berlin".into()),
            ended: Some(SessionEnd {
                end_time: 4,
                practice_session: true
            }),
            schedule: Some(Schedule {
                occurrences: vec![ScheduledOccurrence {
                    occurrence_id: "1".into(),
                    start_time: Some(5),
                    duration_minutes: Some(30),
                    deleted: true,
                }],
                registration_type: Some(1),
            }),
            participant: Some(Participant {
                user_id: Some("16778240".into()),
                at: 6,
                ..Participant::default()
            }),
            registrant: Some(Registrant {
                id: "R".into(),
                email: "ann@example.com".into(),
                fields: texts(&[("org", "Cooking Org")]),
                custom_questions: texts(&[("Why?", "Because")]),
                ..Registrant::default()
            }),
            recording: Some(Recording {
                share_url: Some("https://example.com/r".into()),
                files: 2,
                ..Recording::default()
            }),
        }
    );
    round_trip!(
        ATTENDANCE_ROW,
        AttendanceRow<'_>,
        AttendanceRow {
            email: "ann@example.com".into(),
            occurrence: "86084701483-20260914T150000Z".into(),
            status: AttendanceStatus::NoShow,
            phase: Phase::NotHeld,
            state: RowState::Final,
            segments: vec![Segment {
                join: 1,
                leave: Some(2),
                session_uuid: "u".into()
            }],
            milestones: vec![Milestone {
                id: "no_show:x".into(),
                kind: MilestoneKind::NoShow,
                at: 3,
                ..Milestone::default()
            }],
            ..AttendanceRow::default()
        }
    );
    round_trip!(
        OCCURRENCE_ROW,
        OccurrenceRow<'_>,
        OccurrenceRow {
            occurrence: "86084701483-20260914T150000Z".into(),
            sessions: vec![Session {
                uuid: "u".into(),
                started_at: 1,
                ended_at: None
            }],
            recordings: vec![RecordingLink {
                url: "https://example.com/r".into(),
                completed_at: 2,
                transcript: true
            }],
            peak: Some(3),
            ..OccurrenceRow::default()
        }
    );
    round_trip!(
        CONTACT,
        Contact<'_>,
        Contact {
            email: "ann@example.com".into(),
            last: Some(LastOccurrence {
                occurrence: "o".into(),
                attendance_status: "attended".into(),
                ..LastOccurrence::default()
            }),
            next: Some(NextOccurrence {
                occurrence: "p".into(),
                start: 9,
                ..NextOccurrence::default()
            }),
            ..Contact::default()
        }
    );
    round_trip!(
        ACTIVITY,
        Activity<'_>,
        Activity {
            id: "ann@example.com attended:o".into(),
            email: "ann@example.com".into(),
            kind: MilestoneKind::Attended,
            ..Activity::default()
        }
    );
    round_trip!(
        DELIVERY,
        Delivery<'_>,
        Delivery {
            email: "ann@example.com".into(),
            effect_id: "event:attended:o".into(),
            effect: Effect::ListAddition,
            state: DeliveryState::UnknownOutcome,
            list_id: Some(15),
            ..Delivery::default()
        }
    );
}

#[test]
fn ids_are_stable_and_distinct() {
    let ids: Vec<_> = RECORDS
        .iter()
        .map(|record| (record.name(), record.id()))
        .collect();
    let mut distinct: Vec<_> = ids.iter().map(|(_, id)| id).collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), RECORDS.len());
    assert!(
        ids.iter().all(|(_, id)| i32::try_from(*id).is_ok()),
        "a registry's ids are positive 32 bit numbers"
    );
    insta::assert_debug_snapshot!(ids);
}

#[test]
fn foreign_bytes_are_refused_with_a_reason() {
    fn refused<T: DeserializeOwned + std::fmt::Debug>(
        schema: &'static RecordSchema,
        bytes: &[u8],
    ) -> WireError {
        schema.decode::<T>(bytes).expect_err("must be refused")
    }
    assert!(matches!(
        refused::<Tick>(&RAW_RECORD, b""),
        WireError::Framing { .. }
    ));
    assert!(matches!(
        refused::<Tick>(&RAW_RECORD, b"{\"a\":1}"),
        WireError::Framing { .. }
    ));
    assert!(matches!(
        refused::<Tick>(&RAW_RECORD, &[0, 0, 0, 0, 9, 2]),
        WireError::UnknownSchema { id: 9, .. }
    ));
    let mut bytes = RAW_RECORD.encoder().encode(&RawRecord {
        kind: RawKind::Tick,
        tick: Some(Tick { at: 1 }),
        ..RawRecord::default()
    });
    bytes.truncate(6);
    assert!(matches!(
        refused::<Tick>(&RAW_RECORD, &bytes),
        WireError::Datum { .. }
    ));
}
