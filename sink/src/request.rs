//! The bodies of requests that change something in Brevo, as types that cannot say what must never
//! be said.
//!
//! Brevo re-subscribes a person by `emailBlacklisted: false`, by a new `EMAIL` among the attributes,
//! and loses one by `forceMerge`. None of these types has such a field, and [`Attributes`] refuses
//! `EMAIL`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// A text, a day (`YYYY-MM-DD`) or, empty, a cleared field.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// Another number.
    Decimal(f64),
    /// A truth value.
    Boolean(bool),
}

impl AttributeValue {
    /// What clears an attribute, of any type.
    pub const CLEARED: Self = Self::Text(String::new());

    /// Whether it clears an attribute.
    #[must_use]
    pub fn is_cleared(&self) -> bool {
        *self == Self::CLEARED
    }
}

/// The attributes by which Brevo recognises a phone: at most one contact may have a given value.
const PHONES: [&str; 3] = ["SMS", "WHATSAPP", "LANDLINE_NUMBER"];

/// Attributes of a contact. Names are upper case; `EMAIL` is not among them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<Arc<str>, AttributeValue>);

impl Attributes {
    /// Sets an attribute. The address is no attribute: Brevo would subscribe a blocklisted person
    /// again, so that `EMAIL`, in any spelling, is left out.
    pub fn set(&mut self, name: &Arc<str>, value: AttributeValue) {
        if !is_email(name) {
            self.0.insert(Arc::clone(name), value);
        }
    }

    /// The attributes without those by which Brevo recognises a phone.
    #[must_use]
    pub fn without_phones(&self) -> Self {
        let kept = self
            .0
            .iter()
            .filter(|(name, _)| !PHONES.contains(&&***name));
        Self(
            kept.map(|(name, value)| (Arc::clone(name), value.clone()))
                .collect(),
        )
    }

    /// Whether one of them is a phone by which Brevo recognises a contact.
    #[must_use]
    pub fn have_phone(&self) -> bool {
        PHONES.iter().any(|name| self.0.contains_key(*name))
    }

    /// The attributes without the one named.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The value of an attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.0.get(name)
    }

    /// SHA-256 over names and values: equal digests are equal values.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let text = serde_json::to_vec(self).expect("texts and numbers under text keys");
        Digest(Sha256::digest(&text).into())
    }
}

/// Whether an attribute's name means the address.
#[must_use]
pub fn is_email(attribute: &str) -> bool {
    attribute.trim().eq_ignore_ascii_case("EMAIL")
}

/// SHA-256 of the values sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest as the ledger writes it.
    #[must_use]
    pub fn to_hex(self) -> String {
        use std::fmt::Write as _;
        self.0
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                write!(text, "{byte:02x}").expect("a string takes every write");
                text
            })
    }

    /// The digest of a ledger record; `None` where it is none.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return None;
        };
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// `POST /contacts` with `updateEnabled`: creates the contact, or sets these attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactUpsert {
    /// Normalised address.
    pub email: Arc<str>,
    /// What is set.
    pub attributes: Attributes,
}

impl Serialize for ContactUpsert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("ContactUpsert", 3)?;
        body.serialize_field("email", &*self.email)?;
        body.serialize_field("attributes", &self.attributes)?;
        body.serialize_field("updateEnabled", &true)?;
        body.end()
    }
}

/// `PUT /contacts/{id}`: sets these attributes of a contact that exists.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContactUpdate<'a> {
    /// What is set.
    pub attributes: &'a Attributes,
}

/// `POST /contacts/lists/{id}/contacts/add`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ListAddition<'a> {
    /// Normalised addresses, 150 at most.
    pub emails: Vec<&'a str>,
}

/// How many addresses one call adds to a list, by Brevo's definition.
pub const LIST_ADDITION_LIMIT: usize = 150;

/// `POST /events`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRequest {
    /// Letters, digits, `-` and `_`; 255 at most.
    pub event_name: &'static str,
    /// Whose event it is.
    pub identifiers: EventIdentifiers,
    /// When it happened, RFC 3339, UTC.
    pub event_date: String,
    /// What a template or an automation needs. Holds `source_event_id`, by which the event is found
    /// again.
    pub event_properties: BTreeMap<&'static str, PropertyValue>,
}

/// Whose event it is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct EventIdentifiers {
    /// Normalised address.
    pub email_id: Arc<str>,
}

/// The value of an event's property.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PropertyValue {
    /// A text, or a time in RFC 3339.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A truth value.
    Boolean(bool),
}

/// `POST /contacts/attributes/normal/{name}`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct AttributeCreation {
    /// Brevo's name of the type.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{AttributeValue, Attributes, ContactUpsert, Digest};

    fn attributes(entries: &[(&str, AttributeValue)]) -> Attributes {
        let mut attributes = Attributes::default();
        for (name, value) in entries {
            attributes.set(&Arc::from(*name), value.clone());
        }
        attributes
    }

    #[test]
    fn the_body_of_an_upsert() {
        let upsert = ContactUpsert {
            email: "ann@example.com".into(),
            attributes: attributes(&[
                ("WEBINAR_NAME", AttributeValue::Text("Churn".into())),
                ("MEETING_DURATION", AttributeValue::Whole(1800)),
                ("UTM_SOURCE", AttributeValue::CLEARED),
                ("EMAIL", AttributeValue::Text("other@example.com".into())),
                ("email ", AttributeValue::Text("other@example.com".into())),
            ]),
        };
        assert_eq!(
            serde_json::to_string(&upsert).unwrap(),
            r#"{"email":"ann@example.com","attributes":{"MEETING_DURATION":1800,"UTM_SOURCE":"","WEBINAR_NAME":"Churn"},"updateEnabled":true}"#
        );
    }

    #[test]
    fn phones_can_be_left_out() {
        let all = attributes(&[
            ("SMS", AttributeValue::Text("+491".into())),
            ("WHATSAPP", AttributeValue::Text("+491".into())),
            ("JOB", AttributeValue::Text("x".into())),
        ]);
        assert!(all.have_phone());
        assert_eq!(
            all.without_phones(),
            attributes(&[("JOB", AttributeValue::Text("x".into()))])
        );
    }

    #[test]
    fn a_digest_tells_values_apart_and_survives_the_ledger() {
        let one = attributes(&[("A", AttributeValue::Text("1".into()))]).digest();
        let other = attributes(&[("A", AttributeValue::Whole(1))]).digest();
        assert_ne!(one, other);
        assert_eq!(Digest::from_hex(&one.to_hex()), Some(one));
        assert_eq!(Digest::from_hex("12"), None);
        assert_eq!(Digest::from_hex(&"zz".repeat(32)), None);
    }
}
