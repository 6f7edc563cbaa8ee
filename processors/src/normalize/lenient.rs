//! JSON as Zoom sends it: numbers as strings and strings as numbers, and three spellings of absent.
//!
//! A member that is missing, null, empty or of an unexpected shape is absent. A member that Zoom
//! changes some day must not make a whole event unreadable; what an event cannot do without is
//! asked for when it is built.

use std::fmt;
use std::marker::PhantomData;

use rollcall_schemas::{Text, email};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::time;

/// Digits of the greatest 64-bit number.
const LONGEST_ID: usize = 20;

/// A single value, absent where it is missing, null, empty or cannot be read as a `T`.
#[derive(Clone, Debug)]
pub(super) struct Loose<T>(pub(super) Option<T>);

/// An object, absent where there is anything else.
#[derive(Clone, Debug)]
pub(super) struct Nested<T>(pub(super) Option<T>);

/// The objects of an array, without what is no object; empty where there is anything else.
#[derive(Clone, Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for Loose<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for Nested<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// What a JSON string, number or boolean can be read as.
pub(super) trait Scalar<'de>: Sized {
    /// From a string, never empty, that may be borrowed.
    fn from_borrowed(text: &'de str) -> Option<Self> {
        Self::from_text(text)
    }

    /// From a string, never empty.
    fn from_text(text: &str) -> Option<Self>;

    /// From a whole number.
    fn from_number(number: i64) -> Option<Self>;

    /// From a boolean.
    fn from_boolean(_: bool) -> Option<Self> {
        None
    }
}

impl<'de: 'a, 'a> Scalar<'de> for Text<'a> {
    fn from_borrowed(text: &'de str) -> Option<Self> {
        Some(text.into())
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned().into())
    }

    fn from_number(number: i64) -> Option<Self> {
        Some(number.to_string().into())
    }
}

impl Scalar<'_> for i64 {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_number(number: i64) -> Option<Self> {
        Some(number)
    }
}

impl Scalar<'_> for bool {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_number(_: i64) -> Option<Self> {
        None
    }

    fn from_boolean(boolean: bool) -> Option<Self> {
        Some(boolean)
    }
}

/// A meeting or webinar id. Zoom writes it as a string in some events and as a number in others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum MeetingId<'a> {
    /// Decimal digits.
    Digits(&'a str),
    /// A number, or digits that cannot be borrowed.
    Number(u64),
}

impl<'de: 'a, 'a> Scalar<'de> for MeetingId<'a> {
    fn from_borrowed(text: &'de str) -> Option<Self> {
        (text.len() <= LONGEST_ID && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then_some(Self::Digits(text))
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::Number)
    }

    fn from_number(number: i64) -> Option<Self> {
        u64::try_from(number).ok().map(Self::Number)
    }
}

/// A normalised address. What is no address is absent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Email<'a>(pub(super) Text<'a>);

impl<'de: 'a, 'a> Scalar<'de> for Email<'a> {
    fn from_borrowed(text: &'de str) -> Option<Self> {
        email::normalise(text).map(|address| Self(address.into()))
    }

    fn from_text(text: &str) -> Option<Self> {
        email::normalise(text).map(|address| Self(address.into_owned().into()))
    }

    fn from_number(_: i64) -> Option<Self> {
        None
    }
}

/// A moment written as RFC 3339, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Moment(pub(super) i64);

impl Scalar<'_> for Moment {
    fn from_text(text: &str) -> Option<Self> {
        time::parse(text).map(Self)
    }

    fn from_number(_: i64) -> Option<Self> {
        None
    }
}

impl Loose<Moment> {
    /// The moment, in milliseconds since 1970.
    pub(super) fn at(&self) -> Option<i64> {
        self.0.map(|moment| moment.0)
    }
}

struct LooseVisitor<T>(PhantomData<T>);

impl<'de, T: Scalar<'de>> Visitor<'de> for LooseVisitor<T> {
    type Value = Loose<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Loose(if text.is_empty() {
            None
        } else {
            T::from_borrowed(text)
        }))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Loose(if text.is_empty() {
            None
        } else {
            T::from_text(text)
        }))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Loose(T::from_number(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Loose(i64::try_from(number).ok().and_then(T::from_number)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Loose(None))
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Self::Value, E> {
        Ok(Loose(T::from_boolean(boolean)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq)?;
        Ok(Loose(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map)?;
        Ok(Loose(None))
    }
}

impl<'de, T: Scalar<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor(PhantomData))
    }
}

/// Visits an object as a `T`, and anything else as nothing.
struct NestedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NestedVisitor<T> {
    type Value = Nested<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Nested(Some(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq)?;
        Ok(Nested(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Nested(None))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nested<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NestedVisitor(PhantomData))
    }
}

/// Visits an array of objects, and anything else as an empty one.
struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element::<Nested<T>>()? {
            list.extend(element.0);
        }
        Ok(List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map)?;
        Ok(List::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(List::default())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}
