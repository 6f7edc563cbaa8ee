//! Reading, from bytes that may be anything.

use crate::{Text, TextMap};

/// A value that has one Avro type, and borrows from the bytes that it is read from.
pub trait Decode<'a>: Sized {
    /// Reads the value that is next.
    ///
    /// # Errors
    ///
    /// Where the bytes are no value of this type.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Damage>;

    /// Passes over the value that is next.
    ///
    /// # Errors
    ///
    /// As [`Decode::decode`], except that text is not looked at.
    fn skip(reader: &mut Reader<'a>) -> Result<(), Damage> {
        Self::decode(reader).map(drop)
    }
}

/// Why bytes are no value of their schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Damage {
    /// The value is longer than its bytes, or a length in it is.
    #[error("it is cut short")]
    CutShort,
    /// The value is shorter than its bytes.
    #[error("{0} bytes follow it")]
    BytesFollow(usize),
    /// A number of more bits than its type has.
    #[error("a number does not fit its type")]
    Number,
    /// A union's branch or an enumeration's symbol that the schema does not have.
    #[error("a union or an enumeration has a branch or a symbol that its schema does not have")]
    Branch,
    /// A boolean other than 0 and 1.
    #[error("a boolean is neither 0 nor 1")]
    Boolean,
    /// Text of other bytes than UTF-8.
    #[error("text is not UTF-8")]
    Text,
}

/// What is left to read of a value.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    version: u32,
}

impl<'a> Reader<'a> {
    /// Reads `datum`, which was written by `version` of its record type's schema, counted from 1.
    #[must_use]
    pub fn new(datum: &'a [u8], version: u32) -> Self {
        Self {
            rest: datum,
            version,
        }
    }

    /// The version of the schema that the value was written by.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// Where not all was read.
    pub fn end(self) -> Result<(), Damage> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(Damage::BytesFollow(left)),
        }
    }

    /// A `long`.
    #[inline]
    pub(crate) fn long(&mut self) -> Result<i64, Damage> {
        let zigzag = self.varint()?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// A length or a branch: a `long` that is not negative.
    #[inline]
    pub(crate) fn count(&mut self) -> Result<usize, Damage> {
        usize::try_from(self.long()?).map_err(|_| Damage::Number)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Damage> {
        let (first, rest) = self.rest.split_first().ok_or(Damage::CutShort)?;
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Damage> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut number = u64::from(first & 0x7f);
        for shift in (7..=63).step_by(7) {
            let byte = self.byte()?;
            // Of the tenth byte one bit is left.
            if shift == 63 && byte > 1 {
                return Err(Damage::Number);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damage::Number)
    }

    /// `bytes`, or a `string` that is not looked at.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.count()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Damage::CutShort)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The blocks of an array or a map: `item` is called for each of their items.
    fn items(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Damage>,
    ) -> Result<(), Damage> {
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // Then the block's length in bytes comes next, for those who pass over it.
                count = count.checked_neg().ok_or(Damage::Number)?;
                self.count()?;
            }
            for _ in 0..count {
                item(self)?;
            }
        }
    }
}

impl<'a> Decode<'a> for i64 {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Damage> {
        reader.long()
    }
}

impl<'a> Decode<'a> for i32 {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Damage> {
        Self::try_from(reader.long()?).map_err(|_| Damage::Number)
    }
}

impl<'a> Decode<'a> for bool {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Damage> {
        match reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damage::Boolean),
        }
    }
}

impl<'a> Decode<'a> for &'a [u8] {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Damage> {
        reader.bytes()
    }
}

impl<'a> Decode<'a> for Text<'a> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Damage> {
        std::str::from_utf8(reader.bytes()?)
            .map(Text::from)
            .map_err(|_| Damage::Text)
    }

    #[inline]
    fn skip(reader: &mut Reader<'a>) -> Result<(), Damage> {
        reader.bytes().map(drop)
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Option<T> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Damage> {
        match reader.count()? {
            0 => Ok(None),
            1 => T::decode(reader).map(Some),
            _ => Err(Damage::Branch),
        }
    }

    #[inline]
    fn skip(reader: &mut Reader<'a>) -> Result<(), Damage> {
        match reader.count()? {
            0 => Ok(()),
            1 => T::skip(reader),
            _ => Err(Damage::Branch),
        }
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Damage> {
        let mut items = Self::new();
        reader.items(|reader| {
            items.push(T::decode(reader)?);
            Ok(())
        })?;
        Ok(items)
    }

    fn skip(reader: &mut Reader<'a>) -> Result<(), Damage> {
        reader.items(T::skip)
    }
}

impl<'a> Decode<'a> for TextMap<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Damage> {
        let mut pairs = Vec::new();
        reader.items(|reader| {
            let name = Text::decode(reader)?;
            pairs.push((name, Text::decode(reader)?));
            Ok(())
        })?;
        Ok(Self::of(pairs))
    }

    fn skip(reader: &mut Reader<'a>) -> Result<(), Damage> {
        reader.items(|reader| {
            Text::skip(reader)?;
            Text::skip(reader)
        })
    }
}
