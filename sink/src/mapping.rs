//! From a contact to the attributes of a Brevo contact, by the configured `field_mapping`.

pub mod attribute;
pub mod field;

use std::collections::BTreeMap;
use std::sync::Arc;

use rollcall_schemas::record::Contact;

use crate::options::{FieldMapping, UpdatePolicy};
use crate::request::{AttributeValue, Attributes, is_email};
use attribute::AttributeType;
use field::{Field, Kind};

/// A mapping that makes no sense.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MappingError {
    /// A field that no contact has.
    #[error("field_mapping: {field} is no field of a contact. Fields are {}, and custom_questions.TITLE", known.join(", "))]
    UnknownField {
        /// What was found.
        field: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// A field that would overwrite the address.
    #[error(
        "field_mapping: {field} cannot go to EMAIL, which is the contact's address: choose another attribute"
    )]
    Address {
        /// The field.
        field: String,
    },
    /// Two fields that go to one attribute.
    #[error(
        "field_mapping: {first} and {second} both go to {attribute}: choose another attribute for one"
    )]
    Twice {
        /// One field.
        first: String,
        /// The other.
        second: String,
        /// The attribute.
        attribute: String,
    },
    /// An attribute's name that Brevo does not take.
    #[error(
        "field_mapping: {attribute:?}, for {field}, is no name of a Brevo attribute: letters, digits and _ only"
    )]
    Name {
        /// The field.
        field: String,
        /// The name found.
        attribute: String,
    },
}

/// One mapped field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mapped {
    name: String,
    field: Field,
    attribute: Arc<str>,
    policy: UpdatePolicy,
}

impl Mapped {
    /// The field's name, as configured.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.name
    }

    /// The attribute, in upper case.
    #[must_use]
    pub fn attribute(&self) -> &str {
        &self.attribute
    }

    /// What kind of value the field holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.field.kind()
    }
}

/// The configured mapping.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mapping(Vec<Mapped>);

/// What a contact is to be in Brevo.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MappedContact {
    /// What is set.
    pub attributes: Attributes,
    /// Those of them that are set only where Brevo has nothing.
    pub if_blank: Vec<Arc<str>>,
    /// Attributes for which there was a value that does not fit their type. They are left alone.
    pub misfits: Vec<Arc<str>>,
}

impl Mapping {
    /// Checks the configured mapping.
    ///
    /// # Errors
    ///
    /// Where a field does not exist, or an attribute is wrong or taken.
    pub fn new(configured: &[FieldMapping]) -> Result<Self, MappingError> {
        let mut mapped: Vec<Mapped> = Vec::with_capacity(configured.len());
        for FieldMapping {
            field: name,
            attribute,
            update,
        } in configured
        {
            let field = Field::parse(name).ok_or_else(|| MappingError::UnknownField {
                field: name.clone(),
                known: Field::names().collect(),
            })?;
            if is_email(attribute) {
                // The address identifies the contact with every request; it is no attribute to set.
                if field == Field::Email {
                    continue;
                }
                return Err(MappingError::Address {
                    field: name.clone(),
                });
            }
            let attribute = attribute.trim().to_uppercase();
            if attribute.is_empty() || !attribute.chars().all(|c| c.is_alphanumeric() || c == '_') {
                return Err(MappingError::Name {
                    field: name.clone(),
                    attribute,
                });
            }
            if let Some(first) = mapped.iter().find(|mapped| *mapped.attribute == *attribute) {
                return Err(MappingError::Twice {
                    first: first.name.clone(),
                    second: name.clone(),
                    attribute,
                });
            }
            mapped.push(Mapped {
                name: name.clone(),
                field,
                attribute: attribute.into(),
                policy: *update,
            });
        }
        mapped.retain(|mapped| mapped.policy != UpdatePolicy::Never);
        Ok(Self(mapped))
    }

    /// The fields that are written.
    #[must_use]
    pub fn fields(&self) -> &[Mapped] {
        &self.0
    }

    /// What the contact is to be in Brevo, whose attributes have these types. An attribute that is
    /// not among them is left out.
    #[must_use]
    pub fn apply(
        &self,
        contact: &Contact<'_>,
        types: &BTreeMap<String, AttributeType>,
    ) -> MappedContact {
        let mut result = MappedContact::default();
        for mapped in &self.0 {
            let Some(kind) = types.get(&*mapped.attribute) else {
                continue;
            };
            let value = match mapped.field.value(contact) {
                Some(value) => kind.fit(value),
                None if mapped.field.is_cleared_by_absence() => Some(AttributeValue::CLEARED),
                None => continue,
            };
            match (value, mapped.policy) {
                (None, _) => result.misfits.push(Arc::clone(&mapped.attribute)),
                (Some(value), UpdatePolicy::IfBlank) if value.is_cleared() => {}
                (Some(value), policy) => {
                    if policy == UpdatePolicy::IfBlank {
                        result.if_blank.push(Arc::clone(&mapped.attribute));
                    }
                    result.attributes.set(&mapped.attribute, value);
                }
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rollcall_schemas::record::{Contact, LastOccurrence, NextOccurrence};

    use super::attribute::AttributeType;
    use super::field::Field;
    use super::{Mapping, MappingError};
    use crate::options::{FieldMapping, UpdatePolicy};
    use crate::request::{ContactUpdate, ContactUpsert};

    fn field(field: &str, attribute: &str) -> FieldMapping {
        FieldMapping {
            field: field.into(),
            attribute: attribute.into(),
            update: UpdatePolicy::Always,
        }
    }

    fn contact() -> Contact<'static> {
        Contact {
            email: "ann@example.com".into(),
            version: 3,
            first_name: Some("Ann".into()),
            last_name: Some("Lee".into()),
            name: Some("Ann Lee".into()),
            fields: [
                ("phone".into(), "+4912345".into()),
                ("org".into(), "Acme".into()),
            ]
            .into(),
            custom_questions: [("Your role?".into(), "CTO".into())].into(),
            last: Some(LastOccurrence {
                occurrence: "1-20260914T150000Z".into(),
                webinar_title: Some("Churn".into()),
                attendance_status: "attended".into(),
                join_time: Some(1_789_428_600_000),
                time_zone: Some("Europe/Berlin".into()),
                duration: Some(1800),
                share: Some(75),
                registration_source: None,
            }),
            next: Some(NextOccurrence {
                occurrence: "2".into(),
                title: Some("Growth".into()),
                start: 1_789_428_600_000,
                time_zone: Some("Europe/Berlin".into()),
                join_url: Some("https://zoom.us/w/2".into()),
            }),
            webinars_registered: 2,
            webinars_attended: 1,
            meetings_attended: 4,
            no_shows: 1,
            total_seconds: 5400,
            average_share: Some(75),
            first_seen: Some(1_789_000_000_000),
            last_registered_at: Some(1_789_428_600_000),
            last_registered_time_zone: Some("America/New_York".into()),
            last_attended_at: Some(1_789_428_600_000),
            last_attended_time_zone: Some("Asia/Tokyo".into()),
            recording_url: Some("https://zoom.us/rec/1".into()),
            score: 40,
        }
    }

    /// A mapping of every field, each to an attribute of its own, with the natural types.
    fn everything() -> (Mapping, BTreeMap<String, AttributeType>) {
        let names: Vec<_> = Field::names()
            .map(str::to_owned)
            .chain(["custom_questions.Your role?".to_owned()])
            .collect();
        let configured: Vec<_> = names
            .iter()
            .map(|name| {
                field(
                    name,
                    &format!("z_{}", name.replace(|c: char| !c.is_alphanumeric(), "_")),
                )
            })
            .collect();
        let mapping = Mapping::new(&configured).unwrap();
        let types = mapping
            .fields()
            .iter()
            .map(|mapped| {
                (
                    mapped.attribute().to_owned(),
                    AttributeType::natural(mapped.kind()),
                )
            })
            .collect();
        (mapping, types)
    }

    #[test]
    fn every_field_of_the_configuration() {
        let (mapping, types) = everything();
        let mapped = mapping.apply(&contact(), &types);
        assert_eq!(mapped.misfits, []);
        insta::assert_snapshot!(serde_json::to_string_pretty(&mapped.attributes).unwrap(), @r#"
        {
          "Z_ATTENDANCE_STATUS": "attended",
          "Z_AVERAGE_SHARE": 75,
          "Z_CUSTOM_QUESTIONS_YOUR_ROLE_": "CTO",
          "Z_DURATION": 1800,
          "Z_EMAIL": "ann@example.com",
          "Z_FIRST_NAME": "Ann",
          "Z_FIRST_SEEN": "2026-09-10",
          "Z_JOIN_TIME": "2026-09-15",
          "Z_JOIN_URL": "https://zoom.us/w/2",
          "Z_LAST_ATTENDED_AT": "2026-09-15",
          "Z_LAST_NAME": "Lee",
          "Z_LAST_REGISTERED_AT": "2026-09-14",
          "Z_MEETINGS_ATTENDED": 4,
          "Z_NAME": "Ann Lee",
          "Z_NEXT_START": "2026-09-15",
          "Z_NEXT_TITLE": "Growth",
          "Z_NO_SHOWS": 1,
          "Z_ORG": "Acme",
          "Z_PHONE": "+4912345",
          "Z_RECORDING_URL": "https://zoom.us/rec/1",
          "Z_REGISTRATION_SOURCE": "",
          "Z_SCORE": 40,
          "Z_SHARE": 75,
          "Z_TOTAL_SECONDS": 5400,
          "Z_WEBINARS_ATTENDED": 1,
          "Z_WEBINARS_REGISTERED": 2,
          "Z_WEBINAR_TITLE": "Churn"
        }
        "#);
    }

    #[test]
    fn absence_clears_what_is_counted_and_leaves_what_was_said() {
        let (mapping, types) = everything();
        let bare = Contact {
            email: "ann@example.com".into(),
            version: 1,
            ..Contact::default()
        };
        let mapped = mapping.apply(&bare, &types);
        insta::assert_snapshot!(serde_json::to_string(&mapped.attributes).unwrap(), @r#"{"Z_ATTENDANCE_STATUS":"","Z_AVERAGE_SHARE":"","Z_DURATION":"","Z_EMAIL":"ann@example.com","Z_FIRST_SEEN":"","Z_JOIN_TIME":"","Z_JOIN_URL":"","Z_LAST_ATTENDED_AT":"","Z_LAST_REGISTERED_AT":"","Z_MEETINGS_ATTENDED":0,"Z_NEXT_START":"","Z_NEXT_TITLE":"","Z_NO_SHOWS":0,"Z_RECORDING_URL":"","Z_REGISTRATION_SOURCE":"","Z_SCORE":0,"Z_SHARE":"","Z_TOTAL_SECONDS":0,"Z_WEBINARS_ATTENDED":0,"Z_WEBINARS_REGISTERED":0,"Z_WEBINAR_TITLE":""}"#);
    }

    #[test]
    fn policies() {
        let configured = [
            FieldMapping {
                update: UpdatePolicy::IfBlank,
                ..field("first_name", "FIRSTNAME")
            },
            FieldMapping {
                update: UpdatePolicy::IfBlank,
                ..field("registration_source", "UTM_SOURCE")
            },
            FieldMapping {
                update: UpdatePolicy::Never,
                ..field("last_name", "LASTNAME")
            },
            field("email", "email"),
        ];
        let mapping = Mapping::new(&configured).unwrap();
        let types = ["FIRSTNAME", "UTM_SOURCE", "LASTNAME"]
            .map(|name| (name.to_owned(), AttributeType::Text))
            .into();
        let mapped = mapping.apply(&contact(), &types);
        assert_eq!(
            serde_json::to_string(&mapped.attributes).unwrap(),
            r#"{"FIRSTNAME":"Ann"}"#
        );
        assert_eq!(mapped.if_blank, [std::sync::Arc::from("FIRSTNAME")]);
    }

    #[test]
    fn a_value_that_does_not_fit_is_told_and_left_out() {
        let mapping = Mapping::new(&[field("org", "ORG_SIZE")]).unwrap();
        let types = [("ORG_SIZE".to_owned(), AttributeType::Float)].into();
        let mapped = mapping.apply(&contact(), &types);
        assert_eq!(serde_json::to_string(&mapped.attributes).unwrap(), "{}");
        assert_eq!(mapped.misfits, [std::sync::Arc::from("ORG_SIZE")]);
    }

    #[test]
    fn faults_of_the_configuration() {
        assert!(matches!(
            Mapping::new(&[field("webinar_titel", "X")]),
            Err(MappingError::UnknownField { .. })
        ));
        assert!(matches!(
            Mapping::new(&[field("name", "Email")]),
            Err(MappingError::Address { .. })
        ));
        assert!(matches!(
            Mapping::new(&[field("name", "A B")]),
            Err(MappingError::Name { .. })
        ));
        assert!(matches!(
            Mapping::new(&[field("name", "X"), field("org", "x")]),
            Err(MappingError::Twice { .. })
        ));
        assert!(matches!(
            Mapping::new(&[field("custom_questions.", "X")]),
            Err(MappingError::UnknownField { .. })
        ));
    }

    proptest! {
        /// Whatever is mapped, and whatever a person wrote into a registration form, no body has more
        /// than an address, attributes other than it, and the word that makes it an upsert.
        #[test]
        fn no_upsert_can_re_subscribe(
            fields in prop::collection::vec((field_name(), attribute_name()), 0..8),
            text in ".{0,20}",
            answer in "(emailBlacklisted|EMAIL|false|.{0,10})",
        ) {
            let mut configured = Vec::new();
            for (name, attribute) in fields {
                let one = field(&name, &attribute);
                if Mapping::new(&[configured.as_slice(), std::slice::from_ref(&one)].concat()).is_ok() {
                    configured.push(one);
                }
            }
            let mapping = Mapping::new(&configured).unwrap();
            let types = mapping.fields().iter().map(|mapped| (mapped.attribute().to_owned(), AttributeType::Text)).collect();
            let contact = Contact {
                first_name: Some(text.as_str().into()),
                fields: [("org".into(), answer.as_str().into())].into(),
                custom_questions: [("emailBlacklisted".into(), answer.as_str().into())].into(),
                ..contact()
            };
            let attributes = mapping.apply(&contact, &types).attributes;
            let upsert = ContactUpsert { email: "ann@example.com".into(), attributes: attributes.clone() };
            for (body, allowed) in [
                (serde_json::to_value(&upsert).unwrap(), &["attributes", "email", "updateEnabled"][..]),
                (serde_json::to_value(ContactUpdate { attributes: &attributes }).unwrap(), &["attributes"]),
            ] {
                let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
                prop_assert_eq!(names, allowed);
                let attributes = body["attributes"].as_object().unwrap();
                prop_assert!(attributes.keys().all(|name| !name.trim().eq_ignore_ascii_case("email")));
                prop_assert!(attributes.values().all(|value| !value.is_boolean()));
            }
        }
    }

    fn field_name() -> impl Strategy<Value = String> {
        let known: Vec<_> = Field::names().collect();
        prop_oneof![
            prop::sample::select(known).prop_map(str::to_owned),
            Just("custom_questions.emailBlacklisted".to_owned()),
        ]
    }

    fn attribute_name() -> impl Strategy<Value = String> {
        prop_oneof!["(email|EMAIL|Email| EMAIL|EMAIL )", "[A-Z_]{1,6}"]
    }
}
