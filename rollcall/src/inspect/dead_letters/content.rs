//! What a dead letter holds: a record as its topic's schema names its fields, where it is one.

use rollcall_runtime::TopicSettings;
use rollcall_schemas::catalogue::{
    ENGAGEMENT_ACTIVITIES, ENGAGEMENT_ATTENDANCE, ENGAGEMENT_CONTACTS, Topic, ZOOM_EVENTS, ZOOM_RAW,
};
use rollcall_schemas::record::{Activity, AttendanceRow, Contact, RawRecord, ZoomEvent};
use rollcall_schemas::wire::{
    ACTIVITY, ATTENDANCE_ROW, CONTACT, RAW_RECORD, RecordSchema, WireError, ZOOM_EVENT,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The content of a dead letter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Content {
    /// A record of its topic.
    Record {
        /// The record type's name, as in its `.avsc` file.
        schema: String,
        /// By the names of the schema; times in milliseconds since 1970.
        fields: Value,
    },
    /// What Zoom sent, or another text.
    Text(String),
    /// Neither.
    Bytes {
        /// In hexadecimal.
        hex: String,
        /// Why it is no record of its topic.
        why: String,
    },
}

impl Content {
    /// What a value is that came from the topic named.
    pub(super) fn of(topics: &TopicSettings, topic: &str, value: &[u8]) -> Self {
        let decoded = decode(topics, topic, value);
        let why = match decoded {
            Ok(content) => return content,
            Err(why) => why,
        };
        match std::str::from_utf8(value) {
            Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => {
                Self::Text(text.to_owned())
            }
            _ => Self::Bytes {
                hex: value
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<Vec<_>>()
                    .join(" "),
                why,
            },
        }
    }
}

fn decode(topics: &TopicSettings, topic: &str, value: &[u8]) -> Result<Content, String> {
    let is = |known: &Topic| topic == &*topics.name(known);
    if is(&ZOOM_RAW) {
        let raw: RawRecord<'_> = RAW_RECORD
            .decode(value)
            .map_err(|error| error.to_string())?;
        return match &raw.webhook {
            Some(delivery) => Ok(Content::Text(
                String::from_utf8_lossy(delivery.body).into_owned(),
            )),
            None => record(&RAW_RECORD, Ok(&raw)),
        };
    }
    if is(&ZOOM_EVENTS) {
        record(&ZOOM_EVENT, ZOOM_EVENT.decode::<ZoomEvent<'_>>(value))
    } else if is(&ENGAGEMENT_ATTENDANCE) {
        record(
            &ATTENDANCE_ROW,
            ATTENDANCE_ROW.decode::<AttendanceRow<'_>>(value),
        )
    } else if is(&ENGAGEMENT_CONTACTS) {
        record(&CONTACT, CONTACT.decode::<Contact<'_>>(value))
    } else if is(&ENGAGEMENT_ACTIVITIES) {
        record(&ACTIVITY, ACTIVITY.decode::<Activity<'_>>(value))
    } else {
        Err(format!("{topic} is no topic of this configuration"))
    }
}

fn record(
    schema: &RecordSchema,
    decoded: Result<impl Serialize, WireError>,
) -> Result<Content, String> {
    let fields = decoded
        .map_err(|error| error.to_string())
        .and_then(|record| serde_json::to_value(record).map_err(|error| error.to_string()))?;
    Ok(Content::Record {
        schema: schema.name().to_owned(),
        fields,
    })
}

#[cfg(test)]
mod tests {
    use rollcall_runtime::TopicSettings;
    use rollcall_schemas::record::{Activity, AttendanceRow, Contact, ZoomEvent};
    use rollcall_schemas::wire::{ACTIVITY, ATTENDANCE_ROW, CONTACT, ZOOM_EVENT};
    use serde_json::json;

    use super::Content;

    fn topics() -> TopicSettings {
        TopicSettings {
            prefix: "acme.".into(),
            ..TopicSettings::default()
        }
    }

    #[test]
    fn a_record_is_decoded_by_the_topic_that_it_came_from() {
        let email = "ann@localhost";
        let records = [
            (
                "acme.engagement.contacts",
                "contact",
                CONTACT.encoder().encode(&Contact {
                    email: email.into(),
                    ..Contact::default()
                }),
            ),
            (
                "acme.engagement.activities",
                "activity",
                ACTIVITY.encoder().encode(&Activity {
                    email: email.into(),
                    ..Activity::default()
                }),
            ),
            (
                "acme.engagement.attendance",
                "attendance_row",
                ATTENDANCE_ROW.encoder().encode(&AttendanceRow {
                    email: email.into(),
                    ..AttendanceRow::default()
                }),
            ),
        ];
        for (topic, name, value) in records {
            let Content::Record { schema, fields } = Content::of(&topics(), topic, &value) else {
                panic!("{topic} holds records")
            };
            assert_eq!((&*schema, &fields["email"]), (name, &json!(email)));
        }
        let event = ZOOM_EVENT.encoder().encode(&ZoomEvent {
            event_id: "7 cafe".into(),
            ..ZoomEvent::default()
        });
        let Content::Record { schema, fields } = Content::of(&topics(), "acme.zoom.events", &event)
        else {
            panic!("an event is a record")
        };
        assert_eq!(
            (&*schema, &fields["event_id"]),
            ("zoom_event", &json!("7 cafe"))
        );
    }

    #[test]
    fn what_is_no_record_of_its_topic_is_shown_as_it_is() {
        let topic = "acme.engagement.contacts";
        assert_eq!(
            Content::of(&topics(), topic, b"junk"),
            Content::Text("junk".to_owned())
        );
        let Content::Bytes { hex, why } = Content::of(&topics(), topic, &[0, 1, 2]) else {
            panic!("these bytes are nothing")
        };
        assert_eq!(hex, "00 01 02");
        assert!(why.starts_with("contact: "), "{why}");
    }
}
