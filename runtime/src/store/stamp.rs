//! What a store says of itself.

use std::sync::Arc;

/// The layout of stores. One with another is rebuilt.
const FORMAT: u32 = 1;

/// How far a store is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Position {
    /// All of the input below this offset is in it, and nothing else.
    Input(i64),
    /// It is being rebuilt from an output: all of that below this offset is in it, and nothing else.
    Rebuilding(i64),
}

/// What a store says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    /// [`crate::Stage::state_version`] of the stage that wrote it.
    pub(crate) state_version: u32,
    /// How far it is.
    pub(crate) position: Position,
    /// When that was written, in milliseconds since 1970.
    pub(crate) committed_at_ms: i64,
    /// The group and topics that positions are of: a store of another installation is not ours.
    pub(crate) source: Arc<str>,
}

impl Stamp {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (phase, offset) = match self.position {
            Position::Input(offset) => (0, offset),
            Position::Rebuilding(offset) => (1, offset),
        };
        let mut bytes = Vec::with_capacity(25 + self.source.len());
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.state_version.to_le_bytes());
        bytes.push(phase);
        bytes.extend_from_slice(&offset.to_le_bytes());
        bytes.extend_from_slice(&self.committed_at_ms.to_le_bytes());
        bytes.extend_from_slice(self.source.as_bytes());
        bytes
    }

    /// None where the stamp is of another format.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (format, bytes) = bytes.split_first_chunk()?;
        if u32::from_le_bytes(*format) != FORMAT {
            return None;
        }
        let (state_version, bytes) = bytes.split_first_chunk()?;
        let (phase, bytes) = bytes.split_first()?;
        let (offset, bytes) = bytes.split_first_chunk()?;
        let (committed_at_ms, source) = bytes.split_first_chunk()?;
        let offset = i64::from_le_bytes(*offset);
        Some(Self {
            state_version: u32::from_le_bytes(*state_version),
            position: match phase {
                0 => Position::Input(offset),
                1 => Position::Rebuilding(offset),
                _ => return None,
            },
            committed_at_ms: i64::from_le_bytes(*committed_at_ms),
            source: std::str::from_utf8(source).ok()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, Stamp};

    #[test]
    fn a_stamp_comes_back_as_it_was_written() {
        for position in [Position::Input(i64::MAX), Position::Rebuilding(0)] {
            let stamp = Stamp {
                state_version: 3,
                position,
                committed_at_ms: 1_772_409_600_000,
                source: "g a b".into(),
            };
            let bytes = stamp.encode();
            assert_eq!(Stamp::decode(&bytes), Some(stamp));
            let mut other = bytes.clone();
            other[0] ^= 0x40;
            assert_eq!(
                Stamp::decode(&other),
                None,
                "another format is none that we read"
            );
            assert_eq!(Stamp::decode(&bytes[..12]), None);
        }
    }
}
