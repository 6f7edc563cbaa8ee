//! `field_mapping`: which field of a contact goes to which Brevo attribute.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

/// Fields of a contact, besides those of Zoom's registration form.
pub(crate) const CONTACT_FIELDS: &[&str] = &[
    "email",
    "name",
    "first_name",
    "last_name",
    "join_time",
    "duration",
    "webinar_title",
    "attendance_status",
    "registration_source",
    "share",
    "next_title",
    "next_start",
    "join_url",
    "webinars_registered",
    "webinars_attended",
    "meetings_attended",
    "no_shows",
    "total_seconds",
    "average_share",
    "first_seen",
    "last_registered_at",
    "last_attended_at",
    "recording_url",
    "score",
];

/// Fields of Zoom's registration form, by Zoom's names.
pub(crate) const REGISTRANT_FIELDS: &[&str] = &[
    "address",
    "city",
    "country",
    "zip",
    "state",
    "phone",
    "industry",
    "org",
    "job_title",
    "purchasing_time_frame",
    "role_in_purchase_process",
    "no_of_employees",
    "comments",
];

/// The field that identifies a contact, and Brevo's name for it.
const EMAIL: &str = "email";

/// In front of the title of a question that a host put on the registration form.
pub(crate) const CUSTOM_QUESTIONS: &str = "custom_questions.";

/// Which field of a contact goes to which Brevo attribute, in the order of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FieldMapping(pub(crate) Vec<MappedField>);

/// One field, and where it goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct MappedField {
    /// One of [`CONTACT_FIELDS`] or [`REGISTRANT_FIELDS`], or [`CUSTOM_QUESTIONS`] and a title.
    pub(crate) field: String,
    /// The Brevo attribute.
    pub(crate) attribute: String,
    /// When the attribute is written.
    pub(crate) update: UpdateRule,
}

/// When an attribute is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpdateRule {
    /// Whenever the field changes.
    #[default]
    Always,
    /// Only while it is empty in Brevo.
    IfBlank,
    /// Not at all: the line stands for later.
    Never,
}

impl Default for FieldMapping {
    /// The attributes that every Brevo account has.
    fn default() -> Self {
        let fields = [
            ("email", "email"),
            ("first_name", "FIRSTNAME"),
            ("last_name", "LASTNAME"),
        ];
        Self(
            fields
                .into_iter()
                .map(|(field, attribute)| MappedField {
                    field: field.to_owned(),
                    attribute: attribute.to_owned(),
                    update: UpdateRule::Always,
                })
                .collect(),
        )
    }
}

fn is_field(name: &str) -> bool {
    CONTACT_FIELDS.contains(&name)
        || REGISTRANT_FIELDS.contains(&name)
        || name
            .strip_prefix(CUSTOM_QUESTIONS)
            .is_some_and(|title| !title.is_empty())
}

/// A key of the mapping.
struct FieldName(String);

impl<'de> Deserialize<'de> for FieldName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if is_field(&name) {
            Ok(Self(name))
        } else {
            Err(D::Error::unknown_field(&name, ALL_FIELDS))
        }
    }
}

/// What an error names as known.
const ALL_FIELDS: &[&str] = &{
    let mut all = [""; CONTACT_FIELDS.len() + REGISTRANT_FIELDS.len() + 1];
    let mut next = 0;
    while next < CONTACT_FIELDS.len() {
        all[next] = CONTACT_FIELDS[next];
        next += 1;
    }
    while next < CONTACT_FIELDS.len() + REGISTRANT_FIELDS.len() {
        all[next] = REGISTRANT_FIELDS[next - CONTACT_FIELDS.len()];
        next += 1;
    }
    all[next] = "custom_questions.<title>";
    all
};

/// A value of the mapping.
struct Target {
    attribute: String,
    update: UpdateRule,
}

/// Reads the value of a field.
struct TargetOf<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for TargetOf<'_> {
    type Value = Target;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Target, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            attribute: String,
            #[serde(default)]
            update: UpdateRule,
        }

        struct AttributeOrWhole;

        impl<'de> Visitor<'de> for AttributeOrWhole {
            type Value = Target;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a Brevo attribute, or { attribute: X, update: always | if_blank | never }",
                )
            }

            fn visit_str<E>(self, attribute: &str) -> Result<Target, E> {
                Ok(Target {
                    attribute: attribute.to_owned(),
                    update: UpdateRule::default(),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Target, A::Error> {
                let whole = Whole::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Target {
                    attribute: whole.attribute,
                    update: whole.update,
                })
            }
        }

        let target = deserializer.deserialize_any(AttributeOrWhole)?;
        let name = target.attribute.as_str();
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err(D::Error::custom(
                "a Brevo attribute has letters, digits and _ alone",
            ));
        }
        if self.0 != EMAIL && name.eq_ignore_ascii_case(EMAIL) {
            return Err(D::Error::custom(format!(
                "{name} is the contact's address, which no other field may overwrite: choose another attribute"
            )));
        }
        Ok(target)
    }
}

impl<'de> Deserialize<'de> for FieldMapping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = FieldMapping;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a group of fields and Brevo attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldMapping, A::Error> {
                let mut fields: Vec<MappedField> = Vec::new();
                while let Some(FieldName(field)) = map.next_key()? {
                    let Target { attribute, update } = map.next_value_seed(TargetOf(&field))?;
                    if let Some(other) = fields
                        .iter()
                        .find(|other| other.attribute.eq_ignore_ascii_case(&attribute))
                    {
                        return Err(A::Error::custom(format!(
                            "{} and {field} both go to the attribute {attribute}",
                            other.field
                        )));
                    }
                    fields.push(MappedField {
                        field,
                        attribute,
                        update,
                    });
                }
                Ok(FieldMapping(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

impl JsonSchema for FieldMapping {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FieldMapping".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let update = generator.subschema_for::<UpdateRule>();
        let target = json_schema!({
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "attribute": { "type": "string" }, "update": update },
                    "required": ["attribute"],
                    "additionalProperties": false
                }
            ]
        });
        let properties: serde_json::Map<String, serde_json::Value> = CONTACT_FIELDS
            .iter()
            .chain(REGISTRANT_FIELDS)
            .map(|field| ((*field).to_owned(), target.clone().to_value()))
            .collect();
        json_schema!({
            "description": "Which field of a contact goes to which Brevo attribute.",
            "type": "object",
            "properties": properties,
            "patternProperties": { r"^custom_questions\..+": target },
            "additionalProperties": false
        })
    }
}
