//! The embedded engine: one process, one folder.
//!
//! Every append and every unit of work becomes a checksummed frame of the journal. One writer thread
//! takes all that waits, writes it, makes it durable with one sync, writes it through to the segment
//! files of its partitions, and only then shows it to readers and answers. So many appends share one
//! sync, and a unit of work is durable and visible whole or not at all.
//!
//! Segment files are not synced on that way. A checkpoint syncs them and says how far they and the
//! groups are; the journal before it is removed. Recovery cuts the segments to the checkpoint and
//! replays the journal. Old segments are dropped or compacted by housekeeping.
//!
//! After a write or a sync that failed, what is on disk is not known: the log stops, and every call
//! says why.

mod assignment;
mod checkpoint;
mod chunk;
mod compaction;
mod completion;
mod config;
mod cursor;
mod disk;
mod engine;
mod folder;
mod follow;
mod frame;
mod groups;
mod housekeeping;
mod index;
mod journal;
mod lag;
mod member;
mod offsets;
mod partition;
mod queue;
mod reader;
mod recovery;
mod segment;
mod space;
mod sync;
mod topics;
mod unit;
mod writer;

use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

pub use self::config::{EmbeddedConfig, Now, SegmentPolicy};
#[cfg(feature = "crash-points")]
pub use self::disk::steps;

use self::checkpoint::Checkpoint;
use self::disk::{Disk, failed};
use self::engine::Engine;
use self::folder::{Folder, FolderLock};
use self::groups::Groups;
use self::housekeeping::{Bell, Housekeeping};
use self::journal::Journal;
use self::member::EmbeddedMember;
use self::offsets::CommittedOffsets;
use self::partition::Publication;
use self::queue::Queue;
use self::reader::EmbeddedReader;
use self::recovery::TopicOpener;
use self::space::Space;
use self::sync::lock;
use self::topics::{Topics, load_manifest};
use self::unit::MAX_RECORD_BYTES;
use self::writer::Writer;
use crate::{
    AppendFuture, Appender, EventLog, LogError, Member, MemberConfig, Offsets, Reader, TopicConfig,
    TopicPartition,
};

/// An event log in a folder.
#[derive(Debug)]
pub struct EmbeddedLog {
    engine: Arc<Engine>,
    housekeeping: Arc<Housekeeping>,
    /// Taken when the log is closed.
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    writer: JoinHandle<()>,
    housekeeper: JoinHandle<()>,
    _lock: FolderLock,
}

impl EmbeddedLog {
    /// Opens the log in a folder, which is created where there is none, and recovers it from whatever
    /// end the last process came to.
    ///
    /// # Errors
    ///
    /// [`LogError::InUse`] where another process has the folder, [`LogError::Format`] where a newer
    /// version wrote it, [`LogError::Damaged`] where it is not what was written, [`LogError::Io`]
    /// where the file system refuses.
    pub fn open(config: EmbeddedConfig) -> Result<Arc<Self>, LogError> {
        let disk = Disk::default();
        let (folder, lock) = Folder::open(&disk, config.path)?;
        let publication = Publication::default();
        let checkpoint = Checkpoint::load(&folder.checkpoint())?;
        let (position, last_timestamp) = (checkpoint.position(), checkpoint.last_timestamp);
        let topics = Topics::default();
        let mut opener = TopicOpener::new(&disk, &folder, &publication, checkpoint.partitions);
        for (number, entry) in (0..).zip(load_manifest(&folder.manifest())?) {
            topics.add(opener.open(number, entry)?);
        }
        let offsets = checkpoint.offsets.into_iter().map(Into::into).collect();
        let engine = Arc::new(Engine {
            space: Space::new(folder.clone(), config.reserve_bytes),
            disk: disk.clone(),
            folder,
            segments: config.segments,
            now: config.now,
            topics,
            offsets: CommittedOffsets::from_all(offsets),
            groups: Groups::default(),
            queue: Queue::new(config.queue_bytes),
            publication,
            closed: OnceLock::new(),
        });
        let recovered = recovery::replay(&engine, position, last_timestamp)?;
        let bell = Arc::new(Bell::new(config.checkpoint_bytes, recovered.replayed));
        let housekeeping = Arc::new(Housekeeping::new(Arc::clone(&engine), Arc::clone(&bell)));

        let next = recovered.journal;
        let journal = Journal::new(disk, engine.folder.journal(), next.number, next.sequence);
        let writer = Writer::new(Arc::clone(&engine), journal, recovered.last_timestamp, bell);
        let keeper = Arc::clone(&housekeeping);
        let running = Running {
            writer: spawn(&engine, "log-writer", move || writer.run())?,
            housekeeper: spawn(&engine, "log-housekeeping", move || {
                keeper.run(config.housekeeping_every);
            })?,
            _lock: lock,
        };
        Ok(Arc::new(Self {
            engine,
            housekeeping,
            running: Mutex::new(Some(running)),
        }))
    }

    /// Drops and compacts at once what is old enough, as is done every so often anyway.
    ///
    /// # Errors
    ///
    /// Where the log is closed, or the file system refuses: then the log stops.
    pub fn sweep(&self) -> Result<(), LogError> {
        self.engine.ensure_open()?;
        self.housekeeping.sweep().inspect_err(|error| {
            if !matches!(error, LogError::Closed { .. }) {
                self.engine.stop(&error.to_string().into());
            }
        })
    }
}

fn spawn(
    engine: &Engine,
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, LogError> {
    #[cfg(feature = "crash-points")]
    let run = {
        let points = crate::crash_points::current();
        move || {
            let _installed = points
                .as_ref()
                .map(crate::crash_points::CrashPoints::install);
            run();
        }
    };
    let builder = std::thread::Builder::new().name(name.into());
    builder
        .spawn(run)
        .map_err(failed("start a thread for", engine.folder.root()))
}

impl EventLog for EmbeddedLog {
    fn ensure_topics(&self, topics: &[TopicConfig]) -> Result<(), LogError> {
        let engine = &self.engine;
        engine.ensure_open()?;
        let mut opener = TopicOpener::new(
            &engine.disk,
            &engine.folder,
            &engine.publication,
            Vec::new(),
        );
        engine.topics.ensure(
            &engine.disk,
            &engine.folder.manifest(),
            topics,
            |number, entry| opener.open(number, entry),
        )
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        self.engine.ensure_open()?;
        let topic = self.engine.topics.get(topic);
        Ok(topic.map(|topic| u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX)))
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<Offsets, LogError> {
        self.engine.ensure_open()?;
        Ok(self.engine.topics.partition(partition)?.offsets())
    }

    fn offset_at(
        &self,
        partition: &TopicPartition,
        timestamp_ms: i64,
    ) -> Result<Option<i64>, LogError> {
        self.engine.ensure_open()?;
        self.engine
            .topics
            .partition(partition)?
            .offset_at(timestamp_ms)
    }

    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<i64>>, LogError> {
        self.engine.ensure_open()?;
        let committed = |name: &TopicPartition| {
            let partition = self.engine.topics.partition(name)?;
            Ok(self.engine.committed(group, partition.id))
        };
        partitions.iter().map(committed).collect()
    }

    fn appender(&self) -> Result<Arc<dyn Appender>, LogError> {
        self.engine.ensure_open()?;
        Ok(Arc::new(EmbeddedAppender {
            engine: Arc::clone(&self.engine),
        }))
    }

    fn join(&self, config: MemberConfig) -> Result<Box<dyn Member>, LogError> {
        self.engine.ensure_open()?;
        Ok(Box::new(EmbeddedMember::join(
            Arc::clone(&self.engine),
            config,
        )?))
    }

    fn reader(&self, from: &[(TopicPartition, i64)]) -> Result<Box<dyn Reader>, LogError> {
        self.engine.ensure_open()?;
        Ok(Box::new(EmbeddedReader::new(
            Arc::clone(&self.engine),
            from,
        )?))
    }

    fn free_space(&self) -> Result<Option<u64>, LogError> {
        self.engine.ensure_open()?;
        self.engine.space.left().map(Some)
    }

    fn close(&self) -> Result<(), LogError> {
        let Some(running) = lock(&self.running).take() else {
            return Ok(());
        };
        let already_stopped = self.engine.ensure_open();
        self.engine.queue.drain();
        self.engine.mark_closed(None);
        self.housekeeping.bell().end();
        // A thread that panicked has stopped the log already.
        let _ = running.housekeeper.join();
        let checkpointed = already_stopped.and_then(|()| self.housekeeping.checkpoint());
        self.engine.queue.end(None);
        let _ = running.writer.join();
        checkpointed
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the log was not closed in order; the next start recovers it");
        }
    }
}

/// Appends single records.
#[derive(Debug)]
struct EmbeddedAppender {
    engine: Arc<Engine>,
}

impl EmbeddedAppender {
    fn enqueue(
        &self,
        partition: &TopicPartition,
        key: Option<&[u8]>,
        value: &[u8],
    ) -> Result<completion::PendingAppend, LogError> {
        let bytes = key.map_or(0, <[u8]>::len) + value.len();
        if bytes > MAX_RECORD_BYTES {
            let (partition, limit) = (partition.clone(), MAX_RECORD_BYTES);
            return Err(LogError::TooLarge {
                partition,
                bytes,
                limit,
            });
        }
        self.engine.ensure_open()?;
        let partition = self.engine.topics.partition(partition)?;
        self.engine.queue.append(&partition, key, value)
    }
}

impl Appender for EmbeddedAppender {
    fn append(&self, partition: &TopicPartition, key: Option<&[u8]>, value: &[u8]) -> AppendFuture {
        match self.enqueue(partition, key, value) {
            Ok(pending) => Box::pin(pending),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}
