//! Recovery: brings the folder back to the last whole frame of the journal.
//!
//! Segments are cut to what the checkpoint says, files that it does not name are removed, and the
//! journal is replayed from there.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::checkpoint::PartitionCheckpoint;
use super::chunk::ChunkHeader;
use super::disk::{Disk, LogFile, Step, file_names};
use super::engine::Engine;
use super::folder::Folder;
use super::frame::{FoundFrame, PartitionId};
use super::journal::{self, Position, ReplayError};
use super::partition::{Partition, Publication, Readable, View};
use super::segment::Segment;
use super::topics::{Topic, TopicEntry};
use super::writer;
use crate::{LogError, TopicPartition};

/// Where the log goes on after recovery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovered {
    pub(super) journal: Position,
    pub(super) last_timestamp: i64,
    /// Bytes of journal that no checkpoint covers.
    pub(super) replayed: u64,
}

/// Opens topics as a checkpoint left them.
pub(super) struct TopicOpener<'a> {
    disk: &'a Disk,
    folder: &'a Folder,
    publication: &'a Publication,
    partitions: HashMap<PartitionId, PartitionCheckpoint>,
}

impl<'a> TopicOpener<'a> {
    /// For what a checkpoint says; where that does not name a topic, it is new.
    pub(super) fn new(
        disk: &'a Disk,
        folder: &'a Folder,
        publication: &'a Publication,
        partitions: Vec<PartitionCheckpoint>,
    ) -> Self {
        let by_id = |it: PartitionCheckpoint| {
            (
                PartitionId {
                    topic: it.topic,
                    partition: it.partition,
                },
                it,
            )
        };
        let partitions = partitions.into_iter().map(by_id).collect();
        Self {
            disk,
            folder,
            publication,
            partitions,
        }
    }

    /// Opens one topic.
    pub(super) fn open(&mut self, number: u32, entry: TopicEntry) -> Result<Topic, LogError> {
        let mut partitions = Vec::new();
        for partition in 0..entry.partitions {
            let id = PartitionId {
                topic: number,
                partition,
            };
            let name = TopicPartition::new(Arc::clone(&entry.name), partition);
            let folder = self.folder.partition(&entry.name, partition);
            self.disk.create_folder(Step::FolderCreate, &folder)?;
            let view = match self.partitions.remove(&id) {
                Some(checkpoint) => restore(self.disk, &folder, &checkpoint)?,
                None => {
                    remove_others(self.disk, &folder, &[])?;
                    View::default()
                }
            };
            let publication = Arc::clone(self.publication);
            partitions.push(Arc::new(Partition::open(
                self.disk,
                name,
                id,
                folder,
                publication,
                view,
            )?));
        }
        Ok(Topic::new(entry, partitions))
    }
}

fn restore(disk: &Disk, folder: &Path, checkpoint: &PartitionCheckpoint) -> Result<View, LogError> {
    let mut segments = Vec::new();
    for (name, extent) in &checkpoint.segments {
        let segment = Segment::new(folder, *name, None);
        let length = LogFile::open(segment.path())?.length()?;
        if length < extent.length {
            return Err(LogError::Damaged {
                path: segment.path().to_owned(),
                position: length,
                reason: format!("the file ends early; {} bytes were durable", extent.length),
            });
        }
        if length > extent.length {
            disk.truncate(Step::SegmentTruncate, segment.path(), extent.length)?;
        }
        segments.push(Readable {
            segment: Arc::new(segment),
            extent: *extent,
        });
    }
    remove_others(disk, folder, &segments)?;
    Ok(View {
        start: checkpoint.start,
        end: checkpoint.end,
        compacted_to: checkpoint.compacted_to,
        segments,
    })
}

fn remove_others(disk: &Disk, folder: &Path, segments: &[Readable]) -> Result<(), LogError> {
    for name in file_names(folder)? {
        let path = folder.join(name);
        if !segments.iter().any(|it| it.segment.path() == path) {
            disk.remove(Step::SegmentRemove, &path)?;
        }
    }
    Ok(())
}

/// Replays the journal from the checkpoint on.
pub(super) fn replay(
    engine: &Engine,
    from: Position,
    last_timestamp: i64,
) -> Result<Recovered, LogError> {
    let mut last_timestamp = last_timestamp;
    let folder = engine.folder.journal();
    let (journal, replayed) = journal::recover(&engine.disk, &folder, from, |file, frame| {
        check(engine, file, frame).map_err(ReplayError::DoesNotFit)?;
        writer::apply(engine, file, &frame.sections).map_err(ReplayError::Log)?;
        writer::publish(engine, &frame.sections, &frame.offsets);
        for section in &frame.sections {
            if let Some(first) = ChunkHeader::read(&file[section.chunks.clone()]) {
                last_timestamp = last_timestamp.max(first.timestamp);
            }
        }
        Ok(())
    })?;
    Ok(Recovered {
        journal,
        last_timestamp,
        replayed,
    })
}

/// Whether a frame follows on what the partitions hold.
fn check(engine: &Engine, file: &[u8], frame: &FoundFrame) -> Result<(), String> {
    for section in &frame.sections {
        let PartitionId { topic, partition } = section.partition;
        let Some(known) = engine.topics.by_id(section.partition) else {
            return Err(format!(
                "topic {topic}, partition {partition} is not in the manifest"
            ));
        };
        if !known.continues_with(&file[section.chunks.clone()]) {
            return Err(format!("the records of {} do not come next", known.name));
        }
    }
    Ok(())
}
