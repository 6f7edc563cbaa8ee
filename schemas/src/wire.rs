//! The Confluent wire format: a zero byte, the schema id in four bytes, big endian, and the Avro
//! datum.
//!
//! Without a registry the id of a schema is the first 31 bits of its Rabin fingerprint (Avro
//! specification, "Schema Fingerprints"), a function of its parsing canonical form and so the same
//! everywhere. The ids stand here as numbers; a test computes them.

use crate::avro::{Damage, Decode, Encode, Reader};

const MAGIC: u8 = 0;
const HEADER: usize = 5;

/// A record type: its current schema, and the ids of those that may be read.
pub struct RecordSchema {
    name: &'static str,
    text: &'static str,
    /// Of every version of the schema, the oldest first.
    ids: &'static [u32],
}

/// A value that is not what its topic holds.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Fewer bytes than a header, or another first byte than zero.
    #[error(
        "{record}: not in the Confluent wire format (no zero byte and schema id in front); was it written by another program?"
    )]
    Framing {
        /// The record type that was expected.
        record: &'static str,
    },
    /// A schema id that this version does not know.
    #[error(
        "{record}: unknown schema id {id}; it was written by a newer Rollcall (upgrade), or by another program with ids of its own"
    )]
    UnknownSchema {
        /// The record type that was expected.
        record: &'static str,
        /// The id found.
        id: u32,
    },
    /// The datum does not fit the schema named.
    #[error("{record}: damaged Avro value: {source}")]
    Datum {
        /// The record type that was expected.
        record: &'static str,
        /// What is wrong with it.
        source: Damage,
    },
}

impl PartialEq for RecordSchema {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for RecordSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordSchema")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl RecordSchema {
    /// The record type's name, as in its `.avsc` file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The current schema, as it stands in its `.avsc` file.
    #[must_use]
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// The id of the current schema.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.ids[self.ids.len() - 1]
    }

    /// The ids of all versions of the schema that may be read, the oldest first.
    #[must_use]
    pub fn ids(&self) -> &'static [u32] {
        self.ids
    }

    /// An encoder of this record type.
    #[must_use]
    pub fn encoder(&self) -> Encoder {
        Encoder { id: self.id() }
    }

    /// Reads a value of this record type, borrowing from `bytes`.
    ///
    /// # Errors
    ///
    /// Where the framing, the schema id or the datum is not this record type's.
    pub fn decode<'a, T: Decode<'a>>(&self, bytes: &'a [u8]) -> Result<T, WireError> {
        let [MAGIC, a, b, c, d, datum @ ..] = bytes else {
            return Err(WireError::Framing { record: self.name });
        };
        let id = u32::from_be_bytes([*a, *b, *c, *d]);
        let version = (1..)
            .zip(self.ids)
            .find(|(_, known)| **known == id)
            .ok_or(WireError::UnknownSchema {
                record: self.name,
                id,
            })?
            .0;
        let mut reader = Reader::new(datum, version);
        T::decode(&mut reader)
            .and_then(|value| reader.end().map(|()| value))
            .map_err(|source| WireError::Datum {
                record: self.name,
                source,
            })
    }
}

/// Encodes values of one record type.
#[derive(Debug)]
pub struct Encoder {
    id: u32,
}

impl Encoder {
    /// Appends `value`, framed, to `out`.
    pub fn encode_into<T: Encode>(&mut self, value: &T, out: &mut Vec<u8>) {
        out.reserve(HEADER + 128);
        out.push(MAGIC);
        out.extend_from_slice(&self.id.to_be_bytes());
        value.encode(out);
    }

    /// `value`, framed.
    #[must_use]
    pub fn encode<T: Encode>(&mut self, value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(value, &mut out);
        out
    }
}

macro_rules! schemas {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $ids:expr;)*) => {
        $(
            $(#[$doc])*
            pub static $constant: RecordSchema = RecordSchema {
                name: $name,
                text: include_str!(concat!("../avsc/", $name, ".avsc")),
                ids: &$ids,
            };
        )*

        /// Every record type.
        pub static RECORDS: &[&RecordSchema] = &[$(&$constant),*];
    };
}

schemas! {
    /// Values of `zoom.raw`.
    RAW_RECORD = "raw_record", [573_020_185];
    /// Values of `zoom.events`.
    ZOOM_EVENT = "zoom_event", [1_636_658_584];
    /// Values of `engagement.occurrences`.
    OCCURRENCE_ROW = "occurrence_row", [310_366_194];
    /// Values of `engagement.attendance`.
    ATTENDANCE_ROW = "attendance_row", [1_957_264_734];
    /// Values of `engagement.contacts`.
    CONTACT = "contact", [1_483_778_250];
    /// Values of `engagement.activities`.
    ACTIVITY = "activity", [342_340_277];
    /// Values of `brevo.deliveries`.
    DELIVERY = "delivery", [257_194_015];
}
