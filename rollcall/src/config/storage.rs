//! `log` and `topics`: where the event log is, and how its topics are.

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use rollcall_eventlog::kafka::check_property;
use rollcall_runtime::TopicSettings;
use rollcall_runtime::secret::Secret;
use rollcall_schemas::catalogue::TOPICS;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::scalar::{ByteSize, HttpUrl, Period, text};

/// Which engine keeps the event log.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Log {
    /// One process and one folder. Nothing to install.
    Embedded(EmbeddedLog),
    /// An Apache Kafka cluster.
    Kafka(KafkaLog),
}

impl Default for Log {
    fn default() -> Self {
        Self::Embedded(EmbeddedLog::default())
    }
}

/// The log in a folder of this machine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EmbeddedLog {
    /// The folder. The stages' stores are kept in it too.
    pub(crate) path: PathBuf,
    /// Space on the disk that is never used: below it, the log takes no more records.
    pub(crate) reserve: ByteSize,
}

impl Default for EmbeddedLog {
    fn default() -> Self {
        Self {
            path: PathBuf::from("./rollcall-data"),
            reserve: ByteSize::mebibytes(512),
        }
    }
}

/// The log in an Apache Kafka cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaLog {
    /// Brokers to start from, such as kafka-1:9092,kafka-2:9092.
    #[serde(deserialize_with = "text")]
    pub(crate) brokers: String,
    /// A Confluent schema registry. Not used yet: schema ids are a function of the schema.
    #[serde(default)]
    #[expect(
        dead_code,
        reason = "accepted and checked, so that a file need not change when it is used"
    )]
    pub(crate) schema_registry: Option<HttpUrl>,
    /// Further properties of librdkafka, such as security.protocol and sasl.password.
    #[serde(default)]
    pub(crate) properties: ClientProperties,
    /// How long a member of a consumer group may be silent before its partitions go to another.
    #[serde(default = "default_session_timeout")]
    pub(crate) session_timeout: Period,
    /// Where the stages' stores are kept. What is in it can always be built anew from the log.
    #[serde(default = "default_state_path")]
    pub(crate) state_path: PathBuf,
}

fn default_session_timeout() -> Period {
    Period(std::time::Duration::from_secs(45))
}

fn default_state_path() -> PathBuf {
    PathBuf::from("./rollcall-data")
}

/// Properties of librdkafka. Each may be a password, so that none is ever shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientProperties(pub(crate) BTreeMap<String, Secret>);

impl<'de> Deserialize<'de> for ClientProperties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Properties;

        impl<'de> Visitor<'de> for Properties {
            type Value = ClientProperties;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a group of properties of librdkafka")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut properties = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let value = map.next_value_seed(ValueOf(&name))?;
                    properties.insert(name, value);
                }
                Ok(ClientProperties(properties))
            }
        }

        /// Reads the value of a property, and checks both.
        struct ValueOf<'a>(&'a str);

        impl<'de> DeserializeSeed<'de> for ValueOf<'_> {
            type Value = Secret;

            fn deserialize<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Secret, D::Error> {
                let value = deserializer.deserialize_any(OneValue)?;
                check_property(self.0, &value).map_err(D::Error::custom)?;
                Ok(Secret::new(value))
            }
        }

        struct OneValue;

        impl Visitor<'_> for OneValue {
            type Value = String;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false")
            }

            fn visit_str<E>(self, value: &str) -> Result<String, E> {
                Ok(value.to_owned())
            }

            fn visit_bool<E>(self, value: bool) -> Result<String, E> {
                Ok(value.to_string())
            }

            fn visit_i64<E>(self, value: i64) -> Result<String, E> {
                Ok(value.to_string())
            }

            fn visit_u64<E>(self, value: u64) -> Result<String, E> {
                Ok(value.to_string())
            }

            fn visit_f64<E>(self, value: f64) -> Result<String, E> {
                Ok(value.to_string())
            }
        }

        deserializer.deserialize_map(Properties)
    }
}

impl JsonSchema for ClientProperties {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClientProperties".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Further properties of librdkafka, such as security.protocol and sasl.password.",
            "type": "object",
            "additionalProperties": { "type": ["string", "number", "boolean"] }
        })
    }
}

/// How the topics are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Topics {
    /// Stands in front of every topic and group, as it is: a separator is part of it.
    pub(crate) prefix: String,
    /// Partitions of every topic whose count is not fixed. Decides where a key lives, and so cannot be changed once the topics exist.
    pub(crate) partitions: NonZeroU32,
    /// Copies that a Kafka cluster keeps of each partition: 3 where records must outlive a broker. The embedded log keeps one.
    pub(crate) replication: NonZeroU16,
    /// How long tombstones are kept. A store that was away for more than half of this is built anew.
    pub(crate) tombstone_retention: Period,
    /// How long records of a topic are kept, by the topic's name without the prefix, where it is not what `rollcall topics` shows. Compacted topics keep the last record of every key for ever.
    pub(crate) retention: Retention,
}

impl Default for Topics {
    fn default() -> Self {
        let settings = TopicSettings::default();
        Self {
            prefix: settings.prefix,
            partitions: settings.partitions,
            replication: NonZeroU16::MIN,
            tombstone_retention: Period(std::time::Duration::from_millis(
                settings.tombstone_retention_ms,
            )),
            retention: Retention::default(),
        }
    }
}

impl Topics {
    /// The same for the runtime.
    pub(crate) fn settings(&self) -> TopicSettings {
        TopicSettings {
            prefix: self.prefix.clone(),
            partitions: self.partitions,
            replication: self.replication.get(),
            tombstone_retention_ms: milliseconds(self.tombstone_retention),
            retention_ms: self
                .retention
                .0
                .iter()
                .map(|(topic, period)| (topic.clone(), milliseconds(*period)))
                .collect(),
        }
    }
}

fn milliseconds(period: Period) -> u64 {
    u64::try_from(period.as_millis()).unwrap_or(u64::MAX)
}

/// How long records are kept, by topic.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Retention(pub(crate) BTreeMap<String, Period>);

impl<'de> Deserialize<'de> for Retention {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByTopic;

        impl<'de> Visitor<'de> for ByTopic {
            type Value = Retention;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a group of topics and lengths of time")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Retention, A::Error> {
                let mut by_topic = BTreeMap::new();
                while let Some(TopicName(topic)) = map.next_key()? {
                    by_topic.insert(topic, map.next_value()?);
                }
                Ok(Retention(by_topic))
            }
        }

        deserializer.deserialize_map(ByTopic)
    }
}

/// A topic of the catalogue.
struct TopicName(String);

impl<'de> Deserialize<'de> for TopicName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if TOPICS.iter().any(|topic| topic.name == name) {
            return Ok(Self(name));
        }
        Err(D::Error::unknown_field(&name, &ALL_TOPICS))
    }
}

const ALL_TOPICS: [&str; TOPICS.len()] = {
    let mut names = [""; TOPICS.len()];
    let mut next = 0;
    while next < TOPICS.len() {
        names[next] = TOPICS[next].name;
        next += 1;
    }
    names
};

impl JsonSchema for Retention {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Retention".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let period = generator.subschema_for::<Period>();
        let properties: serde_json::Map<String, serde_json::Value> = ALL_TOPICS
            .iter()
            .map(|topic| ((*topic).to_owned(), period.clone().to_value()))
            .collect();
        json_schema!({
            "description": "How long records are kept, by topic.",
            "type": "object",
            "properties": properties,
            "additionalProperties": false
        })
    }
}
