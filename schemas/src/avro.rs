//! Avro's binary encoding of the record types, written out by hand.
//!
//! The seven record types are known when this is compiled, so each is read and written field by
//! field, in the order of its schema, without looking at the schema: that is several times faster
//! than an encoder which follows one. That the two agree is held by tests, in which Avro's own
//! implementation reads and writes the same bytes.
//!
//! A newer schema of a record type may append symbols to an enumeration, and add fields anywhere,
//! marked `since` its version: then a value of an older version is read with the field's default.

mod decode;
mod encode;
mod record;

pub use decode::{Damage, Decode, Reader};
pub use encode::Encode;
pub(crate) use record::{record, symbols};
