//! The envelope of a webhook: what must be known of a body to put it into the log, in one pass over
//! its bytes and without a copy of any.
//!
//! Lenient on purpose. Zoom adds events and fields at any time, sends a meeting's id as a string in
//! some events and as a number in others, and not every event is about a meeting. Whatever a body
//! holds besides its event's name, it is kept; what it means is decided later, from the log.

use std::fmt;

use rollcall_schemas::Text;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What the ingress knows of a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope<'a> {
    /// The event's name, as it stands.
    pub event: Text<'a>,
    /// `payload.account_id`, where it is a text that is not empty.
    pub account_id: Option<Text<'a>>,
    /// `payload.object.id` in decimal digits without leading zeros, where it is a positive number or
    /// a text of one. The ids of users, files and calls, which stand in the same place, are not.
    pub meeting_id: Option<Text<'a>>,
    /// `payload.plainToken`, which an `endpoint.url_validation` asks to be encrypted.
    pub plain_token: Option<Text<'a>>,
}

/// A body that is no envelope.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAnEnvelope {
    /// Not one JSON object.
    #[error("the body is not one JSON object")]
    NotAnObject,
    /// No member `event`, or one that is no text.
    #[error("the body has no text `event`")]
    NoEvent,
}

impl<'a> Envelope<'a> {
    /// Reads the envelope of `body`. Of a member that stands twice, the last counts.
    ///
    /// # Errors
    ///
    /// Where the body is not one JSON object with a text `event`.
    pub fn parse(body: &'a [u8]) -> Result<Self, NotAnEnvelope> {
        let members: Members<'a> =
            serde_json::from_slice(body).map_err(|_| NotAnEnvelope::NotAnObject)?;
        Ok(Self {
            event: members.event.and_then(text).ok_or(NotAnEnvelope::NoEvent)?,
            account_id: members
                .payload
                .account_id
                .and_then(text)
                .filter(|id| !id.is_empty()),
            meeting_id: members.payload.object.id.and_then(meeting_id),
            plain_token: members.payload.plain_token.and_then(text),
        })
    }
}

fn text(raw: &RawValue) -> Option<Text<'_>> {
    serde_json::from_str(raw.get()).ok()
}

fn meeting_id(raw: &RawValue) -> Option<Text<'_>> {
    let id: Text<'_> = text(raw).unwrap_or_else(|| raw.get().into());
    let number: u64 = id.trim().parse().ok().filter(|number| *number > 0)?;
    let canonical = !id.starts_with('0') && id.bytes().all(|byte| byte.is_ascii_digit());
    Some(if canonical {
        id
    } else {
        number.to_string().into()
    })
}

/// The members of the body that count.
#[derive(Default)]
struct Members<'a> {
    event: Option<&'a RawValue>,
    payload: Payload<'a>,
}

/// The members of `payload` that count.
#[derive(Default)]
struct Payload<'a> {
    account_id: Option<&'a RawValue>,
    plain_token: Option<&'a RawValue>,
    object: Object<'a>,
}

/// The member of `payload.object` that counts.
#[derive(Default)]
struct Object<'a> {
    id: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneObject;

        impl<'de> Visitor<'de> for OneObject {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    match name.as_str() {
                        "event" => members.event = Some(map.next_value()?),
                        "payload" => members.payload = map.next_value()?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(OneObject)
    }
}

/// Deserializes a value of any kind: of an object the members named, of all else nothing.
macro_rules! lenient_object {
    ($type:ident { $($name:literal => $field:ident),* }) => {
        impl<'de> Deserialize<'de> for $type<'de> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Anything;

                impl<'de> Visitor<'de> for Anything {
                    type Value = $type<'de>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("anything")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut value = $type::default();
                        while let Some(name) = map.next_key::<Text<'de>>()? {
                            match name.as_str() {
                                $($name => value.$field = map.next_value()?,)*
                                _ => drop(map.next_value::<IgnoredAny>()?),
                            }
                        }
                        Ok(value)
                    }

                    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                        while seq.next_element::<IgnoredAny>()?.is_some() {}
                        Ok($type::default())
                    }

                    fn visit_unit<E>(self) -> Result<Self::Value, E> {
                        Ok($type::default())
                    }

                    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                        Ok($type::default())
                    }

                    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                        Ok($type::default())
                    }

                    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                        Ok($type::default())
                    }

                    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                        Ok($type::default())
                    }

                    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                        Ok($type::default())
                    }
                }

                deserializer.deserialize_any(Anything)
            }
        }
    };
}

lenient_object!(Payload { "account_id" => account_id, "plainToken" => plain_token, "object" => object });
lenient_object!(Object { "id" => id });

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Envelope, NotAnEnvelope};

    fn parse(body: &str) -> (String, Option<String>, Option<String>) {
        let envelope = Envelope::parse(body.as_bytes()).expect("an envelope");
        (
            envelope.event.into_string(),
            envelope.account_id.map(|id| id.into_string()),
            envelope.meeting_id.map(|id| id.into_string()),
        )
    }

    fn meeting_id(id: &str) -> Option<String> {
        parse(&format!(
            r#"{{"event":"e","payload":{{"object":{{"id":{id}}}}}}}"#
        ))
        .2
    }

    #[test]
    fn reads_the_envelope_in_any_order_of_its_members() {
        let expected = (
            "meeting.ended".to_owned(),
            Some("A1".to_owned()),
            Some("86084701483".to_owned()),
        );
        for body in [
            r#"{"event":"meeting.ended","event_ts":1,"payload":{"account_id":"A1","object":{"uuid":"x==","id":"86084701483"}}}"#,
            r#" {"payload":{"object":{"id":86084701483,"topic":"é"},"account_id":"A1"},"event_ts":1,"new":[{"id":1}],"event":"meeting.ended"} "#,
            r#"{"event":"meeting.ended","payload":{"account_id":"A1","object":{"id":86084701483}}}"#,
            r#"{"event":"first","event":"meeting.ended","payload":7,"payload":{"account_id":"A1","object":{"id":"86084701483"}}}"#,
        ] {
            assert_eq!(parse(body), expected, "{body}");
        }
    }

    #[test]
    fn a_meeting_id_is_a_positive_number_or_a_text_of_one() {
        for (raw, id) in [
            (r#""86084701483""#, Some("86084701483")),
            ("86084701483", Some("86084701483")),
            ("18446744073709551615", Some("18446744073709551615")),
            (r#"" 086084701483""#, Some("86084701483")),
            (r#""\u0038""#, Some("8")),
            ("18446744073709551616", None),
            ("-5", None),
            ("0", None),
            ("8.5", None),
            ("1e999", None),
            (r#""abcD3ojfdbjfg""#, None),
            (r#""""#, None),
            (r#""\ud800""#, None),
            ("null", None),
            ("[5]", None),
            (r#"{"id":5}"#, None),
        ] {
            assert_eq!(meeting_id(raw).as_deref(), id, "{raw}");
        }
    }

    #[test]
    fn nothing_but_the_event_is_needed() {
        for body in [
            r#"{"event":"app_deauthorized"}"#,
            r#"{"event":"app_deauthorized","payload":null}"#,
            r#"{"event":"app_deauthorized","payload":[1,{"id":2}]}"#,
            r#"{"event":"app_deauthorized","payload":"x"}"#,
            r#"{"event":"app_deauthorized","payload":-1.5}"#,
            r#"{"event":"app_deauthorized","payload":{"account_id":7,"object":true}}"#,
            r#"{"event":"app_deauthorized","payload":{"account_id":"","object":[]}}"#,
        ] {
            assert_eq!(
                parse(body),
                ("app_deauthorized".to_owned(), None, None),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        for body in [
            "",
            "{",
            "[]",
            "null",
            "7",
            r#""event""#,
            r#"{"event":"e"} x"#,
            r#"{"event":"e",}"#,
            "event=e",
            "\u{feff}{}",
        ] {
            assert_eq!(
                Envelope::parse(body.as_bytes()),
                Err(NotAnEnvelope::NotAnObject),
                "{body:?}"
            );
        }
        for body in [
            "{}",
            r#"{"event":null}"#,
            r#"{"event":1}"#,
            r#"{"event":["e"]}"#,
            r#"{"payload":{"event":"e"}}"#,
            r#"{"event":"\ud800"}"#,
        ] {
            assert_eq!(
                Envelope::parse(body.as_bytes()),
                Err(NotAnEnvelope::NoEvent),
                "{body:?}"
            );
        }
        assert_eq!(
            Envelope::parse(b"{\"event\":\"\xff\"}"),
            Err(NotAnEnvelope::NotAnObject)
        );
    }

    #[test]
    fn nesting_however_deep_overflows_no_stack() {
        let deep = |depth: usize| {
            format!(
                r#"{{"event":"e","payload":{{"object":{{"id":1,"x":{}{}}}}}}}"#,
                "[".repeat(depth),
                "]".repeat(depth)
            )
        };
        assert_eq!(parse(&deep(300_000)).2.as_deref(), Some("1"));
        assert!(Envelope::parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn nothing_is_copied() {
        let body = br#"{"event":"meeting.ended","payload":{"account_id":"A1","object":{"id":"86084701483"},"plainToken":"t"}}"#;
        let within = |text: &str| body.as_ptr_range().contains(&text.as_ptr());
        let envelope = Envelope::parse(body).expect("an envelope");
        assert!(within(&envelope.event));
        for text in [
            envelope.account_id,
            envelope.meeting_id,
            envelope.plain_token,
        ] {
            assert!(within(&text.expect("present")));
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        let name = prop_oneof!["event|payload|object|id|account_id|plainToken", ".{0,6}"];
        leaf.prop_recursive(4, 24, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(name.clone(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Envelope::parse(&body);
        }

        /// The plain way: parse all, then look.
        #[test]
        fn agrees_with_a_full_parse(payload in json_value(), event in json_value(), spaced in any::<bool>()) {
            let whole = json!({ "event": event, "payload": payload });
            let body = if spaced { serde_json::to_vec_pretty(&whole) } else { serde_json::to_vec(&whole) }.expect("JSON");
            let expected = event.as_str().map(|event| (
                event.to_owned(),
                payload["account_id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned),
                payload["plainToken"].as_str().map(str::to_owned),
            ));
            let found = Envelope::parse(&body).ok().map(|envelope| (
                envelope.event.into_string(),
                envelope.account_id.map(|id| id.into_string()),
                envelope.plain_token.map(|token| token.into_string()),
            ));
            prop_assert_eq!(found, expected);
        }
    }
}
