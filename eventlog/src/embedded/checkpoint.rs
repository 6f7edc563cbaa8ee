//! A checkpoint: what segments and groups were at a moment between two frames. With it, the journal
//! before that moment is not needed.
//!
//! The file is one line that says the format and the checksum of the rest, then JSON.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::disk::{Disk, ReplaceSteps, Step, read_if_exists};
use super::frame::{GroupOffset, PartitionId};
use super::journal::Position;
use super::segment::{Extent, SegmentName};
use crate::LogError;

const STEPS: ReplaceSteps = ReplaceSteps {
    write: Step::CheckpointWrite,
    sync: Step::CheckpointSync,
    rename: Step::CheckpointRename,
    folder: Step::CheckpointFolderSync,
};
const TITLE: &str = "rollcall checkpoint, crc32 ";

/// What a checkpoint holds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Checkpoint {
    /// The journal's file that is replayed first.
    pub(super) journal: u64,
    /// The sequence of the frame that is replayed first.
    pub(super) sequence: u64,
    /// The latest time that a record was given.
    pub(super) last_timestamp: i64,
    pub(super) partitions: Vec<PartitionCheckpoint>,
    pub(super) offsets: Vec<OffsetCheckpoint>,
}

/// A partition in a checkpoint.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct PartitionCheckpoint {
    pub(super) topic: u32,
    pub(super) partition: u32,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) compacted_to: i64,
    pub(super) segments: Vec<(SegmentName, Extent)>,
}

/// A committed offset in a checkpoint.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct OffsetCheckpoint {
    group: Arc<str>,
    topic: u32,
    partition: u32,
    offset: i64,
}

impl From<GroupOffset> for OffsetCheckpoint {
    fn from(offset: GroupOffset) -> Self {
        let PartitionId { topic, partition } = offset.partition;
        Self {
            group: offset.group,
            topic,
            partition,
            offset: offset.offset,
        }
    }
}

impl From<OffsetCheckpoint> for GroupOffset {
    fn from(offset: OffsetCheckpoint) -> Self {
        let partition = PartitionId {
            topic: offset.topic,
            partition: offset.partition,
        };
        Self {
            group: offset.group,
            partition,
            offset: offset.offset,
        }
    }
}

impl Default for Checkpoint {
    /// Of a log in which nothing was written yet.
    fn default() -> Self {
        Self {
            journal: 1,
            sequence: 1,
            last_timestamp: 0,
            partitions: Vec::new(),
            offsets: Vec::new(),
        }
    }
}

impl Checkpoint {
    pub(super) fn position(&self) -> Position {
        Position {
            number: self.journal,
            sequence: self.sequence,
        }
    }

    /// Reads the checkpoint; the default where there is none.
    pub(super) fn load(path: &Path) -> Result<Self, LogError> {
        let Some(content) = read_if_exists(path)? else {
            return Ok(Self::default());
        };
        parse(&content).map_err(|reason| LogError::Damaged {
            path: path.to_owned(),
            position: 0,
            reason,
        })
    }

    /// Replaces the checkpoint, durably.
    pub(super) fn save(&self, disk: &Disk, path: &Path) -> Result<(), LogError> {
        let body = serde_json::to_vec(self).expect("names and numbers become JSON");
        let mut content = format!("{TITLE}{:08x}\n", crc32fast::hash(&body)).into_bytes();
        content.extend_from_slice(&body);
        disk.replace(STEPS, path, &content)
    }
}

fn parse(content: &[u8]) -> Result<Checkpoint, String> {
    let newline = content
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(content.len());
    let (title, body) = content.split_at(newline);
    let body = body.get(1..).unwrap_or_default();
    let wanted = format!("{TITLE}{:08x}", crc32fast::hash(body));
    if title != wanted.as_bytes() {
        return Err("its checksum is not that of its content".into());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
