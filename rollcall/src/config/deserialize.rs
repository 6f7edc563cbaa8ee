//! From the tree to the types, with the place and the way of keys in every error.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::document::{Key, Node, Value};
use super::error::{ConfigError, Problem, Step};

/// A `T` from the tree.
pub(super) fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, ConfigError> {
    T::deserialize(NodeDeserializer(node))
}

impl Error for ConfigError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(
            None,
            Problem::Other {
                message: message.to_string(),
            },
        )
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(
            None,
            Problem::WrongType {
                expected: expected.to_string(),
                found: String::new(),
            },
        )
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(
            None,
            Problem::WrongType {
                expected: in_words(&expected.to_string()),
                found: String::new(),
            },
        )
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(
            None,
            Problem::UnknownName {
                found: found.to_owned(),
                known: owned(known),
            },
        )
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(
            None,
            Problem::UnknownKey {
                key: key.to_owned(),
                known: owned(known),
                elsewhere: Vec::new(),
            },
        )
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(
            None,
            Problem::MissingKey {
                key: key.to_owned(),
            },
        )
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What serde calls an integer's range, in words.
fn in_words(expected: &str) -> String {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number of 0 or more",
        "a nonzero u16" => "a whole number from 1 to 65535",
        "a nonzero u32" => "a whole number from 1 to 4294967295",
        other => other,
    }
    .to_owned()
}

struct NodeDeserializer<'a>(&'a Node);

impl<'a> NodeDeserializer<'a> {
    /// Visits the value as what it is.
    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visit_integer(*value, visitor),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_str(&text.text),
            Value::List(nodes) => visitor.visit_seq(Elements { nodes, next: 0 }),
            Value::Map(entries) => visitor.visit_map(Entries { entries, next: 0 }),
        }
    }

    /// Adds to an error what is known here.
    fn placed<T>(
        self,
        result: Result<T, ConfigError>,
        expected: &str,
        show: bool,
    ) -> Result<T, ConfigError> {
        result.map_err(|error| error.found(self.0, expected, show).at(self.0.at))
    }

    /// The text that was filled in here, if any: it may be meant as a number or a switch, too.
    fn filled(&self) -> Option<&'a str> {
        match &self.0.value {
            Value::Text(text) if text.template.is_some() => Some(&text.text),
            _ => None,
        }
    }
}

fn visit_integer<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, ConfigError> {
    match (u64::try_from(value), i64::try_from(value)) {
        (Ok(value), _) => visitor.visit_u64(value),
        (_, Ok(value)) => visitor.visit_i64(value),
        _ => visitor.visit_i128(value),
    }
}

macro_rules! numbers {
    ($($method:ident: $expected:literal),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
            let result = match &self.0.value {
                Value::Integer(value) => return Self(self.0).placed(visit_integer(*value, visitor), "", true),
                _ => match self.filled().and_then(|text| text.trim().parse::<i128>().ok()) {
                    Some(value) => visit_integer(value, visitor),
                    None => Self(self.0).visit(visitor),
                },
            };
            self.placed(result, $expected, true)
        })*
    };
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = ConfigError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let result = Self(self.0).visit(visitor);
        self.placed(result, "", false)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let result = match self
            .filled()
            .and_then(|text| text.trim().parse::<bool>().ok())
        {
            Some(value) => visitor.visit_bool(value),
            None => Self(self.0).visit(visitor),
        };
        self.placed(result, "true or false", true)
    }

    numbers!(
        deserialize_u8: "a whole number", deserialize_u16: "a whole number", deserialize_u32: "a whole number", deserialize_u64: "a whole number",
        deserialize_i8: "a whole number", deserialize_i16: "a whole number", deserialize_i32: "a whole number", deserialize_i64: "a whole number"
    );

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let result = match self
            .filled()
            .and_then(|text| text.trim().parse::<f64>().ok())
        {
            Some(value) => visitor.visit_f64(value),
            None => Self(self.0).visit(visitor),
        };
        self.placed(result, "a number", true)
    }

    /// Asked for by the types of [`super::scalar`] whose text may be shown.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let result = Self(self.0).visit(visitor);
        self.placed(result, "", true)
    }

    /// Asked for by all other texts.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let result = Self(self.0).visit(visitor);
        self.placed(result, "a text", false)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        match self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let result = Self(self.0).visit(visitor);
        self.placed(result, "a list", false)
    }

    /// A group whose keys are all left out may be left empty.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let result = match self.0.value {
            Value::Null => visitor.visit_map(Entries {
                entries: &[],
                next: 0,
            }),
            _ => Self(self.0).visit(visitor),
        };
        self.placed(result, "a group of keys", false)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        if let Value::List(_) = self.0.value {
            return self.placed(
                Err(Error::invalid_type(Unexpected::Seq, &visitor)),
                "a group of keys",
                false,
            );
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let result = match &self.0.value {
            Value::Text(text) => visitor
                .visit_enum(StrDeserializer::<ConfigError>::new(&text.text))
                .map_err(|error| error.naming(text.template.as_deref())),
            Value::Map(entries) if entries.len() == 1 => visitor.visit_enum(OneEntry(&entries[0])),
            Value::Map(entries) if entries.len() > 1 => Err(Error::custom(format!(
                "takes one of {}, not {} keys",
                names.join(", "),
                entries.len()
            ))),
            _ => Err(Error::invalid_type(Unexpected::Unit, &"")),
        };
        self.placed(result, &format!("one of {}", names.join(", ")), false)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Elements<'a> {
    nodes: &'a [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = ConfigError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ConfigError> {
        let Some(node) = self.nodes.get(self.next) else {
            return Ok(None);
        };
        let index = self.next;
        self.next += 1;
        let result = seed.deserialize(NodeDeserializer(node)).map(Some);
        NodeDeserializer(node)
            .placed(result, "", false)
            .map_err(|error| error.below(Step::Index(index)))
    }
}

struct Entries<'a> {
    entries: &'a [(Key, Node)],
    next: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ConfigError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ConfigError> {
        let Some((key, _)) = self.entries.get(self.next) else {
            return Ok(None);
        };
        let name: StrDeserializer<'_, ConfigError> = key.name.as_str().into_deserializer();
        seed.deserialize(name)
            .map(Some)
            .map_err(|error| error.at(key.at))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ConfigError> {
        let (key, node) = &self.entries[self.next];
        self.next += 1;
        let result = seed.deserialize(NodeDeserializer(node));
        NodeDeserializer(node)
            .placed(result, "", false)
            .map_err(|error| error.below(Step::Key(key.name.clone())))
    }
}

/// A group of one key, which says which of several things it is.
struct OneEntry<'a>(&'a (Key, Node));

impl<'de> EnumAccess<'de> for OneEntry<'_> {
    type Error = ConfigError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), ConfigError> {
        let (key, _) = self.0;
        let name: StrDeserializer<'_, ConfigError> = key.name.as_str().into_deserializer();
        let variant = seed.deserialize(name).map_err(|error| error.at(key.at))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for OneEntry<'_> {
    type Error = ConfigError;

    fn unit_variant(self) -> Result<(), ConfigError> {
        let (key, node) = self.0;
        Err(Error::invalid_type(Unexpected::Map, &"a text")).map_err(|error: ConfigError| {
            error
                .found(node, "nothing after it", false)
                .at(node.at)
                .below(Step::Key(key.name.clone()))
        })
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ConfigError> {
        let (key, node) = self.0;
        seed.deserialize(NodeDeserializer(node))
            .map_err(|error| error.below(Step::Key(key.name.clone())))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ConfigError> {
        let (_, node) = self.0;
        NodeDeserializer(node).deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let (_, node) = self.0;
        NodeDeserializer(node).deserialize_map(visitor)
    }
}
