//! Records and enumerations: their fields and symbols, in the order of their schemas.

/// Implements [`Encode`](super::Encode) and [`Decode`](super::Decode) for a record: each field of
/// the struct once, in the order of its schema. A field that a later version of the schema added is
/// marked with that version: `[since 2]`.
macro_rules! record {
    ($record:ident $(<$life:lifetime>)?: $($field:ident $([since $version:literal])?),* $(,)?) => {
        impl $(<$life>)? $crate::avro::Encode for $record $(<$life>)? {
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$field.encode(out);)*
            }
        }

        $crate::avro::record!(@decode [$($life)?] $record $(<$life>)?: $($field $([since $version])?),*);
    };
    (@decode [] $record:ident: $($field:ident $([since $version:literal])?),*) => {
        impl<'a> $crate::avro::Decode<'a> for $record {
            $crate::avro::record!(@body 'a: $($field $([since $version])?),*);
        }
    };
    (@decode [$a:lifetime] $record:ident<$life:lifetime>: $($field:ident $([since $version:literal])?),*) => {
        impl<$life> $crate::avro::Decode<$life> for $record<$life> {
            $crate::avro::record!(@body $life: $($field $([since $version])?),*);
        }
    };
    (@body $life:lifetime: $($field:ident $([since $version:literal])?),*) => {
        fn decode(
            reader: &mut $crate::avro::Reader<$life>,
        ) -> Result<Self, $crate::avro::Damage> {
            Ok(Self { $($field: $crate::avro::record!(@field reader $([since $version])?)),* })
        }
    };
    (@field $reader:ident) => { $crate::avro::Decode::decode($reader)? };
    (@field $reader:ident [since $version:literal]) => {
        if $reader.version() >= $version { $crate::avro::Decode::decode($reader)? } else { Default::default() }
    };
}
pub(crate) use record;

/// Implements [`Encode`](super::Encode) and [`Decode`](super::Decode) for an enumeration: its
/// symbols, in the order of its schema, which is that of the variants.
macro_rules! symbols {
    ($enumeration:ident: $($symbol:ident),* $(,)?) => {
        impl $crate::avro::Encode for $enumeration {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                (*self as i32).encode(out);
            }
        }

        impl<'a> $crate::avro::Decode<'a> for $enumeration {
            #[inline]
            fn decode(
                reader: &mut $crate::avro::Reader<'a>,
            ) -> Result<Self, $crate::avro::Damage> {
                const SYMBOLS: &[$enumeration] = &[$($enumeration::$symbol),*];
                SYMBOLS.get(reader.count()?).copied().ok_or($crate::avro::Damage::Branch)
            }
        }
    };
}
pub(crate) use symbols;

#[cfg(test)]
mod tests {
    use crate::Text;
    use crate::avro::{Damage, Decode, Encode, Reader};

    #[derive(Debug, PartialEq)]
    struct Grown<'a> {
        name: Text<'a>,
        added: Option<i64>,
        inner: Vec<GrownInner>,
    }

    #[derive(Debug, PartialEq)]
    struct GrownInner {
        number: i32,
        added: bool,
    }

    record!(Grown<'a>: name, added [since 3], inner);
    record!(GrownInner: number, added [since 2]);

    #[test]
    fn what_an_older_version_did_not_have_is_the_default() {
        let read = |datum: &[u8], version| {
            let mut reader = Reader::new(datum, version);
            let grown = Grown::decode(&mut reader)?;
            reader.end()?;
            Ok::<_, Damage>((
                grown.added,
                grown.inner.iter().map(|inner| inner.added).collect(),
            ))
        };
        // The name; the number added later; one inner record: its number, what was added to it.
        assert_eq!(read(&[2, b'a', 2, 14, 0], 1), Ok((None, vec![false])));
        assert_eq!(read(&[2, b'a', 2, 14, 1, 0], 2), Ok((None, vec![true])));
        let current = [2, b'a', 2, 8, 2, 14, 1, 0];
        assert_eq!(read(&current, 3), Ok((Some(4), vec![true])));
        assert!(read(&current, 2).is_err());

        let mut written = Vec::new();
        let grown = Grown::decode(&mut Reader::new(&current, 3)).expect("the current version");
        grown.encode(&mut written);
        assert_eq!(written, current);
    }
}
