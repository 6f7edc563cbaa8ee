//! What the threads of a log share.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::checkpoint::{Checkpoint, PartitionCheckpoint};
use super::config::{Now, SegmentPolicy};
use super::disk::Disk;
use super::folder::Folder;
use super::frame::PartitionId;
use super::groups::Groups;
use super::journal::Position;
use super::offsets::CommittedOffsets;
use super::partition::Publication;
use super::queue::{Queue, closed};
use super::segment::Segment;
use super::space::Space;
use super::sync::read;
use super::topics::Topics;
use crate::LogError;

/// The parts of an open log.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) disk: Disk,
    pub(super) folder: Folder,
    pub(super) space: Space,
    pub(super) segments: SegmentPolicy,
    pub(super) now: Now,
    pub(super) topics: Topics,
    pub(super) offsets: CommittedOffsets,
    pub(super) groups: Groups,
    pub(super) queue: Queue,
    pub(super) publication: Publication,
    /// Set once the log is closed, with the reason where it was not asked for.
    pub(super) closed: OnceLock<Option<Arc<str>>>,
}

/// Everything as it was between two frames, and what is to be synced before it may be relied on.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) checkpoint: Checkpoint,
    pub(super) unsynced: Vec<Arc<Segment>>,
    pub(super) unsynced_folders: Vec<PathBuf>,
}

impl Engine {
    /// Fails once the log is closed.
    pub(super) fn ensure_open(&self) -> Result<(), LogError> {
        self.closed
            .get()
            .map_or(Ok(()), |reason| Err(closed(reason.as_ref())))
    }

    /// Marks the log as closed. Whoever waits for records is told.
    pub(super) fn mark_closed(&self, reason: Option<Arc<str>>) {
        // Only the first reason counts.
        let _ = self.closed.set(reason);
        for topic in self.topics.all() {
            topic
                .partitions
                .iter()
                .for_each(|partition| partition.wake());
        }
        self.groups.wake_all();
    }

    /// Stops the log: what is on disk is not what it should be, and only a restart can tell.
    pub(super) fn stop(&self, reason: &Arc<str>) {
        tracing::error!(%reason, "the log has stopped");
        self.mark_closed(Some(Arc::clone(reason)));
        self.queue.end(Some(reason));
    }

    /// What a checkpoint would hold now. Called by the writer alone, between two frames.
    pub(super) fn snapshot(&self, journal: Position, last_timestamp: i64) -> Snapshot {
        let mut partitions = Vec::new();
        let mut unsynced = Vec::new();
        let mut unsynced_folders = Vec::new();
        for partition in self.topics.all().iter().flat_map(|topic| &topic.partitions) {
            let view = partition.view();
            let before = unsynced.len();
            for readable in &view.segments {
                if readable.segment.take_unsynced() {
                    unsynced.push(Arc::clone(&readable.segment));
                }
            }
            if unsynced.len() > before {
                unsynced_folders.push(partition.folder().to_owned());
            }
            partitions.push(PartitionCheckpoint {
                topic: partition.id.topic,
                partition: partition.id.partition,
                start: view.start,
                end: view.end,
                compacted_to: view.compacted_to,
                segments: view
                    .segments
                    .iter()
                    .map(|it| (it.segment.name, it.extent))
                    .collect(),
            });
        }
        let offsets = self.offsets.all().into_iter().map(Into::into).collect();
        let checkpoint = Checkpoint {
            journal: journal.number,
            sequence: journal.sequence,
            last_timestamp,
            partitions,
            offsets,
        };
        Snapshot {
            checkpoint,
            unsynced,
            unsynced_folders,
        }
    }

    /// The offset that a group has committed of a partition.
    pub(super) fn committed(&self, group: &str, partition: PartitionId) -> Option<i64> {
        let _one_moment = read(&self.publication);
        self.offsets.get(group, partition)
    }
}
