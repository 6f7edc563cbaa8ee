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
