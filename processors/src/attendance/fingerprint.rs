//! Fingerprints: whether a row is still what it was, in eight bytes of state.
//!
//! XXH3 is fixed by its specification, so that a fingerprint kept in a store means the same to a
//! later version.

use xxhash_rust::xxh3::xxh3_64;

/// Collects what a row shows.
#[derive(Debug, Default)]
pub(super) struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// Begins anew, keeping the buffer.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn number(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn option(&mut self, number: Option<i64>) {
        self.0.push(u8::from(number.is_some()));
        self.number(number.unwrap_or_default());
    }

    pub(super) fn text(&mut self, text: Option<&str>) {
        self.option(text.map(|text| i64::try_from(text.len()).unwrap_or(i64::MAX)));
        self.0
            .extend_from_slice(text.unwrap_or_default().as_bytes());
    }

    pub(super) fn finish(&self) -> u64 {
        xxh3_64(&self.0)
    }
}
