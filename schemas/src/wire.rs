//! The Confluent wire format: a zero byte, the schema id in four bytes, big endian, and the Avro
//! datum.
//!
//! Without a registry the id of a schema is the first 31 bits of its Rabin fingerprint (Avro
//! specification, "Schema Fingerprints"), a function of its parsing canonical form and so the same
//! everywhere.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_avro_fast::ser::SerializerConfig;

const MAGIC: u8 = 0;
const HEADER: usize = 5;

/// A record type: its current schema, and the older ones that may still be read.
pub struct RecordSchema {
    name: &'static str,
    text: &'static str,
    parsed: LazyLock<Vec<Parsed>>,
}

struct Parsed {
    id: u32,
    schema: serde_avro_fast::Schema,
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
        /// What the decoder says.
        source: serde_avro_fast::de::DeError,
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
        self.parsed[0].id
    }

    /// An encoder of this record type; keep it, its buffers are reused.
    #[must_use]
    pub fn encoder(&'static self) -> Encoder {
        let current = &self.parsed[0];
        Encoder {
            id: current.id,
            config: SerializerConfig::new(&current.schema),
        }
    }

    /// Reads a value of this record type, borrowing from `bytes`.
    ///
    /// # Errors
    ///
    /// Where the framing, the schema id or the datum is not this record type's.
    pub fn decode<'a, T: Deserialize<'a>>(&'static self, bytes: &'a [u8]) -> Result<T, WireError> {
        let [MAGIC, a, b, c, d, datum @ ..] = bytes else {
            return Err(WireError::Framing { record: self.name });
        };
        let id = u32::from_be_bytes([*a, *b, *c, *d]);
        let parsed =
            self.parsed
                .iter()
                .find(|parsed| parsed.id == id)
                .ok_or(WireError::UnknownSchema {
                    record: self.name,
                    id,
                })?;
        serde_avro_fast::from_datum_slice(datum, &parsed.schema).map_err(|source| {
            WireError::Datum {
                record: self.name,
                source,
            }
        })
    }
}

/// Encodes values of one record type.
pub struct Encoder {
    id: u32,
    config: SerializerConfig<'static>,
}

impl Encoder {
    /// Appends `value`, framed, to `out`.
    pub fn encode_into<T: Serialize>(&mut self, value: &T, out: &mut Vec<u8>) {
        out.reserve(HEADER + 128);
        out.push(MAGIC);
        out.extend_from_slice(&self.id.to_be_bytes());
        serde_avro_fast::to_datum(value, out, &mut self.config).expect(
            "the Rust types fit their schemas, which a test holds, and a vector takes every write",
        );
    }

    /// `value`, framed.
    #[must_use]
    pub fn encode<T: Serialize>(&mut self, value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(value, &mut out);
        out
    }
}

/// The stable id of a schema: the first 31 bits of its Rabin fingerprint, so that it fits the signed
/// 32 bits of a registry's.
fn stable_id(schema: &serde_avro_fast::Schema) -> u32 {
    let [.., a, b, c, d] = *schema.rabin_fingerprint();
    u32::from_le_bytes([a, b, c, d]) >> 1
}

macro_rules! schemas {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, older $older:expr;)*) => {
        $(
            $(#[$doc])*
            pub static $constant: RecordSchema = RecordSchema {
                name: $name,
                text: include_str!(concat!("../avsc/", $name, ".avsc")),
                parsed: LazyLock::new(|| parse(include_str!(concat!("../avsc/", $name, ".avsc")), $older)),
            };
        )*

        /// Every record type.
        pub static RECORDS: &[&RecordSchema] = &[$(&$constant),*];
    };
}

fn parse(current: &str, older: &[&str]) -> Vec<Parsed> {
    std::iter::once(&current)
        .chain(older)
        .map(|text| {
            let schema: serde_avro_fast::Schema =
                text.parse().expect("compiled in, and parsed by a test");
            Parsed {
                id: stable_id(&schema),
                schema,
            }
        })
        .collect()
}

schemas! {
    /// Values of `zoom.raw`.
    RAW_RECORD = "raw_record", older &[];
    /// Values of `zoom.events`.
    ZOOM_EVENT = "zoom_event", older &[];
    /// Values of `engagement.occurrences`.
    OCCURRENCE_ROW = "occurrence_row", older &[];
    /// Values of `engagement.attendance`.
    ATTENDANCE_ROW = "attendance_row", older &[];
    /// Values of `engagement.contacts`.
    CONTACT = "contact", older &[];
    /// Values of `engagement.activities`.
    ACTIVITY = "activity", older &[];
    /// Values of `brevo.deliveries`.
    DELIVERY = "delivery", older &[];
}
