//! JSON as Zoom sends it: numbers as strings and strings as numbers, and three spellings of absent.
//!
//! A member that is missing, null, empty or of an unexpected shape is absent. A member that Zoom
//! changes some day must not make a whole event unreadable; what an event cannot do without is
//! asked for when it is built.
//!
//! Objects are read in place, member by member: their types are large, and moving them out of one
//! another costs as much as parsing them.

use std::fmt;
use std::marker::PhantomData;

use rollcall_schemas::{Text, email};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

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

/// The visits of single values, each of which leaves nothing.
macro_rules! nothing {
    () => {
        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }

        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }

        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }

        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }

        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }
    };
}

/// An object that is read member by member.
pub(super) trait Members<'de>: Default {
    /// Reads the value of the member `name`, or skips it. Of one that is there twice the last counts.
    fn read_member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// What a member can be read into.
pub(super) trait Place<'de> {
    /// Reads the value that is next in `map`.
    fn read<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error>;
}

/// Implements [`Members`] for a struct whose fields are places, named as in JSON unless another name
/// is given.
macro_rules! members {
    ($object:ident<$life:lifetime>: $($field:ident $(= $name:literal)?),* $(,)?) => {
        impl<'de: $life, $life> Members<'de> for $object<$life> {
            members!(@read $($field $(= $name)?),*);
        }
    };
    ($object:ident: $($field:ident $(= $name:literal)?),* $(,)?) => {
        impl<'de> Members<'de> for $object {
            members!(@read $($field $(= $name)?),*);
        }
    };
    (@read $($field:ident $(= $name:literal)?),*) => {
        fn read_member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
            match name {
                $(members!(@name $field $($name)?) => self.$field.read(map),)*
                _ => map.next_value::<IgnoredAny>().map(drop),
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
}
pub(super) use members;

impl<'de, T: Scalar<'de>> Place<'de> for Loose<T> {
    fn read<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        *self = map.next_value()?;
        Ok(())
    }
}

impl<'de, T: Members<'de>> Place<'de> for Nested<T> {
    fn read<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        map.next_value_seed(ReadNested(self))
    }
}

impl<'de, T: Members<'de>> Place<'de> for List<T> {
    fn read<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        map.next_value_seed(ReadList(self))
    }
}

/// Reads an object; anything else leaves nothing.
pub(super) struct ReadNested<'p, T>(pub(super) &'p mut Nested<T>);

impl<'de, T: Members<'de>> DeserializeSeed<'de> for ReadNested<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.0 = None;
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Members<'de>> Visitor<'de> for ReadNested<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let object = self.0.0.insert(T::default());
        while let Some(name) = map.next_key::<Text<'de>>()? {
            object.read_member(&name, &mut map)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        IgnoredAny.visit_seq(seq).map(drop)
    }

    nothing!();
}

/// Reads the objects of an array; anything else leaves nothing.
struct ReadList<'p, T>(&'p mut List<T>);

impl<'de, T: Members<'de>> DeserializeSeed<'de> for ReadList<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.0.clear();
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Members<'de>> Visitor<'de> for ReadList<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut element = Nested(None);
        while seq.next_element_seed(ReadNested(&mut element))?.is_some() {
            self.0.0.extend(element.0.take());
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        IgnoredAny.visit_map(map).map(drop)
    }

    nothing!();
}
