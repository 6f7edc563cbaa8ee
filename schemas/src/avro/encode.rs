//! Writing.

use crate::{Text, TextMap};

/// A value that has one Avro type.
pub trait Encode {
    /// Appends the value to `out`.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A `long`: zigzag, then seven bits a byte, the lowest first.
impl Encode for i64 {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        write_varint(((self << 1) ^ (self >> 63)).cast_unsigned(), out);
    }
}

/// An `int`, which is written as a `long` is.
impl Encode for i32 {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        i64::from(*self).encode(out);
    }
}

impl Encode for bool {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

/// `bytes`.
impl Encode for &[u8] {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        out.extend_from_slice(self);
    }
}

/// A `string`.
impl Encode for Text<'_> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_bytes().encode(out);
    }
}

/// A union of `null` and a type.
impl<T: Encode> Encode for Option<T> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                write_count(1, out);
                value.encode(out);
            }
        }
    }
}

/// An `array`, in one block.
impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            write_count(self.len(), out);
            for item in self {
                item.encode(out);
            }
        }
        out.push(0);
    }
}

/// A `map` of strings, in one block, by name.
impl Encode for TextMap<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            write_count(self.len(), out);
            for (name, value) in self.iter() {
                name.encode(out);
                value.encode(out);
            }
        }
        out.push(0);
    }
}

/// A length, a number of items or a union's branch: a `long` that is not negative.
#[inline]
pub(super) fn write_count(count: usize, out: &mut Vec<u8>) {
    write_varint((count as u64) << 1, out);
}

#[inline]
fn write_varint(mut rest: u64, out: &mut Vec<u8>) {
    if rest < 0x80 {
        out.push(low_bits(rest));
        return;
    }
    let mut bytes = [0; 10];
    let mut length = 0;
    while rest >= 0x80 {
        bytes[length] = low_bits(rest) | 0x80;
        rest >>= 7;
        length += 1;
    }
    bytes[length] = low_bits(rest);
    out.extend_from_slice(&bytes[..=length]);
}

const fn low_bits(number: u64) -> u8 {
    (number & 0x7f) as u8
}
