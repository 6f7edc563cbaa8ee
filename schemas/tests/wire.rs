//! The Rust types fit their schemas, byte for byte as Avro's own implementation writes them.

use apache_avro::Schema;
use apache_avro::types::Value;
use proptest::prelude::*;
use rollcall_schemas::avro::{Damage, Decode};
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
use rollcall_schemas::{Text, TextMap};

fn texts(pairs: &[(&'static str, &'static str)]) -> TextMap<'static> {
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
    fn refused<'a, T: Decode<'a> + std::fmt::Debug>(
        schema: &RecordSchema,
        bytes: &'a [u8],
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
    let bytes = RAW_RECORD.encoder().encode(&RawRecord {
        kind: RawKind::Tick,
        account_id: Some("A".into()),
        tick: Some(Tick { at: 1 }),
        ..RawRecord::default()
    });
    let damage = |bytes: &[u8]| match refused::<RawRecord<'_>>(&RAW_RECORD, bytes) {
        WireError::Datum { source, .. } => source,
        other => panic!("{other}"),
    };
    for length in 5..bytes.len() {
        assert_eq!(damage(&bytes[..length]), Damage::CutShort);
    }
    assert_eq!(damage(&[&bytes[..], &[0]].concat()), Damage::BytesFollow(1));
    let with = |place: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[place] = byte;
        bytes
    };
    // The kind, the length of the account's id, the id.
    assert_eq!(damage(&with(5, 6)), Damage::Branch);
    assert_eq!(damage(&with(7, 4)), Damage::Branch);
    assert_eq!(damage(&with(8, 1)), Damage::Number);
    assert_eq!(damage(&with(9, 0xff)), Damage::Text);
}

/// A record type, whatever it borrows from.
trait Rewrite {
    fn rewritten(schema: &'static RecordSchema, bytes: &[u8]) -> Result<Vec<u8>, WireError>;
}

macro_rules! rewrite {
    ($($record:ident),*) => {
        $(impl Rewrite for $record<'static> {
            fn rewritten(schema: &'static RecordSchema, bytes: &[u8]) -> Result<Vec<u8>, WireError> {
                let value: $record<'_> = schema.decode(bytes)?;
                Ok(schema.encoder().encode(&value))
            }
        })*
    };
}

rewrite!(
    RawRecord,
    ZoomEvent,
    OccurrenceRow,
    AttendanceRow,
    Contact,
    Activity,
    Delivery
);

/// Any value of a schema, as Avro's own implementation has it.
fn any_value(schema: &Schema) -> BoxedStrategy<Value> {
    let long = match schema {
        Schema::TimestampMillis => Value::TimestampMillis,
        _ => Value::Long,
    };
    match schema {
        Schema::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        Schema::Int => any::<i32>().prop_map(Value::Int).boxed(),
        Schema::Long | Schema::TimestampMillis => prop_oneof![
            any::<i64>(),
            -70_i64..70,
            (0_u32..63).prop_map(|bits| 1 << bits)
        ]
        .prop_map(long)
        .boxed(),
        Schema::String => "\\PC{0,4}|[a-z]{60,70}".prop_map(Value::String).boxed(),
        Schema::Bytes => prop::collection::vec(any::<u8>(), 0..9)
            .prop_map(Value::Bytes)
            .boxed(),
        Schema::Enum(schema) => {
            let symbols = schema.symbols.clone();
            (0..symbols.len())
                .prop_map(move |index| {
                    let symbol = symbols[index].clone();
                    Value::Enum(u32::try_from(index).expect("few symbols"), symbol)
                })
                .boxed()
        }
        Schema::Union(schema) => {
            let [Schema::Null, some] = schema.variants() else {
                panic!("only unions of null and a type are used");
            };
            prop_oneof![
                Just(Value::Union(0, Box::new(Value::Null))),
                any_value(some).prop_map(|value| Value::Union(1, Box::new(value)))
            ]
            .boxed()
        }
        Schema::Array(schema) => prop::collection::vec(any_value(&schema.items), 0..3)
            .prop_map(Value::Array)
            .boxed(),
        Schema::Map(schema) => prop::collection::hash_map("[a-c]", any_value(&schema.types), 0..3)
            .prop_map(Value::Map)
            .boxed(),
        Schema::Record(schema) => schema
            .fields
            .iter()
            .map(|field| {
                let name = field.name.clone();
                any_value(&field.schema).prop_map(move |value| (name.clone(), value))
            })
            .collect::<Vec<_>>()
            .prop_map(Value::Record)
            .boxed(),
        other => panic!("{other:?} is not used"),
    }
}

/// What Avro's own implementation writes is read, and what is written of that it reads as the same.
fn survives<T: Rewrite>(schema: &'static RecordSchema) {
    let avro = Schema::parse_str(schema.text()).expect("a schema");
    let mut runner = proptest::test_runner::TestRunner::default();
    runner
        .run(&any_value(&avro), |value| {
            let datum = apache_avro::to_avro_datum(&avro, value.clone()).expect("it fits");
            let mut framed = vec![0];
            framed.extend_from_slice(&schema.id().to_be_bytes());
            framed.extend_from_slice(&datum);
            let bytes = T::rewritten(schema, &framed).expect("valid Avro");
            prop_assert_eq!(&bytes[..5], &framed[..5]);
            prop_assert_eq!(bytes.len(), framed.len());
            let back = apache_avro::from_avro_datum(&avro, &mut &bytes[5..], None);
            prop_assert_eq!(back.expect("valid Avro"), value);
            Ok(())
        })
        .expect("both write the same");
}

#[test]
fn any_record_is_read_and_written_as_avro_itself_does() {
    survives::<RawRecord<'_>>(&RAW_RECORD);
    survives::<ZoomEvent<'_>>(&ZOOM_EVENT);
    survives::<OccurrenceRow<'_>>(&OCCURRENCE_ROW);
    survives::<AttendanceRow<'_>>(&ATTENDANCE_ROW);
    survives::<Contact<'_>>(&CONTACT);
    survives::<Activity<'_>>(&ACTIVITY);
    survives::<Delivery<'_>>(&DELIVERY);
}

/// The parsing canonical form, as the specification has it; Avro's own implementation keeps more of
/// a logical type and less of a name.
fn canonical(schema: &serde_json::Value) -> String {
    let each = |items: &serde_json::Value, write: fn(&serde_json::Value) -> String| {
        let items: Vec<_> = items
            .as_array()
            .expect("an array")
            .iter()
            .map(write)
            .collect();
        format!("[{}]", items.join(","))
    };
    let text = |text: &serde_json::Value| text.to_string();
    let full_name = |name: &str| format!("\"rollcall.{name}\"");
    match schema {
        serde_json::Value::Array(_) => each(schema, canonical),
        serde_json::Value::String(name) if name.starts_with(char::is_uppercase) => full_name(name),
        serde_json::Value::Object(object) => match object["type"].as_str() {
            Some(named @ ("record" | "enum")) => {
                let name = full_name(object["name"].as_str().expect("a name"));
                let rest = if named == "record" {
                    let field = |field: &serde_json::Value| {
                        format!(
                            r#"{{"name":{},"type":{}}}"#,
                            field["name"],
                            canonical(&field["type"])
                        )
                    };
                    format!(r#""fields":{}"#, each(&object["fields"], field))
                } else {
                    format!(r#""symbols":{}"#, each(&object["symbols"], text))
                };
                format!(r#"{{"name":{name},"type":"{named}",{rest}}}"#)
            }
            Some("array") => {
                format!(
                    r#"{{"type":"array","items":{}}}"#,
                    canonical(&object["items"])
                )
            }
            Some("map") => {
                format!(
                    r#"{{"type":"map","values":{}}}"#,
                    canonical(&object["values"])
                )
            }
            _ => canonical(&object["type"]),
        },
        other => other.to_string(),
    }
}

/// The specification's CRC-64-AVRO.
fn rabin(bytes: &[u8]) -> u64 {
    const EMPTY: u64 = 0xc15d_213a_a4d7_a795;
    bytes.iter().fold(EMPTY, |hash, byte| {
        let mut byte = (hash ^ u64::from(*byte)) & 0xff;
        for _ in 0..8 {
            byte = (byte >> 1) ^ (EMPTY & (byte & 1).wrapping_neg());
        }
        (hash >> 8) ^ byte
    })
}

#[test]
fn ids_are_those_of_the_schemas() {
    for record in RECORDS {
        let schema = serde_json::from_str(record.text()).expect("JSON");
        let [a, b, c, d, ..] = rabin(canonical(&schema).as_bytes()).to_be_bytes();
        assert_eq!(
            record.id(),
            u32::from_be_bytes([a, b, c, d]) >> 1,
            "{}: the last of its ids in wire.rs",
            record.name()
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(prop_oneof![0_u8..8, any::<u8>()], 0..200)) {
        let framed = |record: &RecordSchema| [&[0], &record.id().to_be_bytes()[..], &bytes].concat();
        let _ = RawRecord::rewritten(&RAW_RECORD, &framed(&RAW_RECORD));
        let _ = ZoomEvent::rewritten(&ZOOM_EVENT, &framed(&ZOOM_EVENT));
        let _ = AttendanceRow::rewritten(&ATTENDANCE_ROW, &framed(&ATTENDANCE_ROW));
        let _ = Contact::rewritten(&CONTACT, &framed(&CONTACT));
    }
}
