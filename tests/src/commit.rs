//! Catches a process in the middle of a commit, by what can be seen of it from outside.
//!
//! Two engines, one way: wait for the first trace of a commit, stop the process (SIGSTOP), and look
//! again at leisure. Where the commit turns out to be done, the process goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rollcall_eventlog::{EventLog, TopicPartition};

use crate::line::{Instance, Signal};

/// How long a commit is waited for: a pipeline that has work commits several times a second.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one look for a trace takes at most.
const LOOK: Duration = Duration::from_millis(200);
/// How long one question to the brokers may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Where the commits of a process show.
pub trait CommitWatch: Send {
    /// Waits a little for the first trace of a commit, from now on.
    fn sees_a_trace(&mut self) -> bool;

    /// Whether the process, which is stopped, is in the middle of the commit that left it.
    fn is_under_way(&mut self) -> bool;
}

/// Stops the process in the middle of a commit. It stays stopped.
///
/// # Panics
///
/// Where it does not come to one.
pub fn stop_in_commit(instance: &mut Instance, watch: &mut dyn CommitWatch) {
    let started = Instant::now();
    let mut missed = 0;
    while started.elapsed() < PATIENCE {
        assert!(instance.ended().is_none(), "it ended by itself");
        if !watch.sees_a_trace() {
            continue;
        }
        instance.stop();
        if watch.is_under_way() {
            return;
        }
        missed += 1;
        instance.signal(Signal::CONT);
    }
    panic!(
        "it could not be stopped within a commit; {missed} traces were of commits that were done by then"
    );
}

/// The journal of an embedded log. A unit of work is in the middle of its commit while its frame is
/// written, and not all of its records are in the segments: before, in and just after the sync.
pub struct JournalWatch {
    log: PathBuf,
}

impl JournalWatch {
    /// Watches the log in a folder.
    #[must_use]
    pub fn new(log: PathBuf) -> Self {
        Self { log }
    }

    /// The newest file of the journal.
    fn file(&self) -> Option<PathBuf> {
        newest(&self.log.join("journal"))
    }

    /// Whether a segment ends with these bytes.
    fn is_in_a_segment(&self, bytes: &[u8]) -> bool {
        let partitions = fs::read_dir(self.log.join("partitions")).expect("a log has partitions");
        partitions.flatten().any(|partition| {
            newest(&partition.path())
                .and_then(|segment| fs::read(segment).ok())
                .is_some_and(|segment| segment.ends_with(bytes))
        })
    }
}

impl CommitWatch for JournalWatch {
    fn sees_a_trace(&mut self) -> bool {
        let length = |file: &Path| fs::metadata(file).map_or(0, |it| it.len());
        let Some(file) = self.file() else {
            std::thread::sleep(Duration::from_millis(1));
            return false;
        };
        let before = length(&file);
        let started = Instant::now();
        // A checkpoint begins another file: it is looked for again once in a while.
        while started.elapsed() < LOOK {
            if length(&file) > before {
                return true;
            }
        }
        false
    }

    fn is_under_way(&mut self) -> bool {
        let journal = self.file().and_then(|file| fs::read(file).ok());
        journal
            .as_deref()
            .and_then(last_records_of_a_stage)
            .is_some_and(|records| !self.is_in_a_segment(records))
    }
}

/// The last file of a folder whose files are named in order.
fn newest(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?;
    files.flatten().map(|file| file.path()).max()
}

/// The bytes of the last partition written by the last frame, where it is a stage's unit of work.
///
/// A frame is `magic u32, length u32, crc u32, sections u32, sequence u64, durable u64`, then each
/// section `topic u32, partition u32, length u32, bytes`, then the offsets of groups, with their
/// names.
fn last_records_of_a_stage(journal: &[u8]) -> Option<&[u8]> {
    const FILE_HEAD: usize = 24;
    const FRAME_HEAD: usize = 32;
    const SECTION_HEAD: usize = 12;
    let number = |at: usize| -> Option<usize> {
        let bytes = journal.get(at..at + 4)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let (mut frame, mut next) = (None, FILE_HEAD);
    while journal.get(next..next + 4) == Some(b"RcFr") {
        frame = Some(next);
        next += FRAME_HEAD + number(next + 4)?;
    }
    let frame = frame?;
    let (mut records, mut at) = (None, frame + FRAME_HEAD);
    for _ in 0..number(frame + 12)? {
        let start = at + SECTION_HEAD;
        let end = start + number(at + 8)?;
        records = Some(journal.get(start..end)?);
        at = end;
    }
    let offsets = journal.get(at..next)?;
    let of_a_stage = ["rollcall-attendance", "rollcall-engagement"]
        .iter()
        .any(|group| contains(offsets, group.as_bytes()));
    records.filter(|_| of_a_stage)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The place of a record: its partition and offset.
type Place = (TopicPartition, i64);

/// The topics that stages write to on Kafka. A transaction is in the middle of its commit while a
/// record of it is written that `read_committed` does not reach.
pub struct TransactionWatch {
    undecided: BaseConsumer,
    committed: BaseConsumer,
    /// The last record seen, decided or not.
    last: Option<Place>,
    /// A record of each transaction in which the process was stopped.
    caught: Vec<Place>,
}

impl TransactionWatch {
    /// Watches the topics that the stages write to, once they exist.
    ///
    /// # Panics
    ///
    /// Where the brokers do not answer.
    #[must_use]
    pub fn new(brokers: &str, prefix: &str) -> Self {
        let client = |isolation: &str| -> BaseConsumer {
            ClientConfig::new()
                .set("bootstrap.servers", brokers)
                .set("group.id", format!("{prefix}watch"))
                .set("enable.auto.commit", "false")
                .set("auto.offset.reset", "latest")
                .set("isolation.level", isolation)
                .create()
                .expect("a consumer")
        };
        let undecided = client("read_uncommitted");
        let mut assignment = TopicPartitionList::new();
        for topic in ["zoom.events", "engagement.attendance"] {
            let topic = format!("{prefix}{topic}");
            for partition in 0..partitions(&undecided, &topic) {
                assignment
                    .add_partition_offset(&topic, partition, Offset::End)
                    .expect("a partition");
            }
        }
        undecided.assign(&assignment).expect("they exist");
        Self {
            undecided,
            committed: client("read_committed"),
            last: None,
            caught: Vec::new(),
        }
    }

    /// How many of the transactions in which the process was stopped have left nothing: none of
    /// their records is shown to who reads what is committed.
    ///
    /// # Panics
    ///
    /// Where the log cannot be read.
    #[must_use]
    pub fn aborted(&self, log: &dyn EventLog) -> usize {
        let is_shown = |(partition, offset): &&Place| {
            let end = log.offsets(partition).expect("the log can be asked").end;
            let mut reader = log
                .reader(&[(partition.clone(), *offset)])
                .expect("a reader");
            let (mut shown, mut position) = (None, *offset);
            let started = Instant::now();
            while shown.is_none() && position < end {
                assert!(started.elapsed() < PATIENCE, "{partition} cannot be read");
                if let Some(batch) = reader.poll(1, LOOK).expect("the log can be read") {
                    shown = batch.iter().next().map(|record| record.offset);
                    position = batch.next_offset();
                }
            }
            shown == Some(*offset)
        };
        self.caught.iter().filter(|it| !is_shown(it)).count()
    }

    /// Takes what was written, up to now.
    fn take(&mut self, patience: Duration) -> bool {
        let mut patience = patience;
        let mut any = false;
        while let Some(message) = self.undecided.poll(patience) {
            // What is not a record passes.
            if let Ok(message) = message {
                let number = u32::try_from(message.partition()).expect("from 0");
                let partition = TopicPartition::new(message.topic(), number);
                self.last = Some((partition, message.offset()));
                any = true;
            }
            patience = Duration::ZERO;
        }
        any
    }
}

/// How many partitions a topic has; waits until it is there.
fn partitions(client: &BaseConsumer, topic: &str) -> i32 {
    let started = Instant::now();
    loop {
        let metadata = client
            .fetch_metadata(Some(topic), ANSWER)
            .expect("the brokers answer");
        let found = metadata.topics().iter().find(|it| it.error().is_none());
        if let Some(topic) = found.filter(|it| !it.partitions().is_empty()) {
            return i32::try_from(topic.partitions().len()).expect("a few");
        }
        assert!(started.elapsed() < PATIENCE, "{topic} is never created");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl CommitWatch for TransactionWatch {
    fn sees_a_trace(&mut self) -> bool {
        self.take(Duration::ZERO);
        self.take(LOOK)
    }

    fn is_under_way(&mut self) -> bool {
        self.take(Duration::ZERO);
        let Some((partition, offset)) = self.last.clone() else {
            return false;
        };
        let number = i32::try_from(partition.partition).expect("a few");
        // What the process had asked for may still be done after it was stopped.
        for _ in 0..5 {
            let (_, stable) = self
                .committed
                .fetch_watermarks(&partition.topic, number, ANSWER)
                .expect("the brokers answer");
            if stable > offset {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.caught.push((partition, offset));
        true
    }
}

#[cfg(test)]
mod tests {
    use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
    use rollcall_eventlog::{CleanupPolicy, MemberConfig, TopicConfig, UnitOfWork};

    use super::*;

    #[test]
    fn a_unit_of_a_stage_is_under_way_until_its_records_are_in_a_segment() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = EmbeddedLog::open(EmbeddedConfig::new(folder.path())).expect("a log");
        let topic = TopicConfig {
            name: "topic".into(),
            partitions: 1,
            replication: 1,
            cleanup: CleanupPolicy::Delete {
                retention_ms: 86_400_000,
            },
        };
        log.ensure_topics(std::slice::from_ref(&topic))
            .expect("a topic");
        let mut watch = JournalWatch::new(folder.path().to_owned());
        let mut is_under_way_without_the_last_byte = || {
            assert!(!watch.is_under_way(), "its commit has returned");
            let segment = newest(&folder.path().join("partitions/topic-0")).expect("a segment");
            let bytes = fs::read(&segment).expect("a segment");
            fs::write(&segment, &bytes[..bytes.len() - 1]).expect("written");
            let is_under_way = watch.is_under_way();
            fs::write(&segment, bytes).expect("written");
            is_under_way
        };
        for (group, is_a_stage) in [("rollcall-attendance", true), ("another", false)] {
            let mut member = log
                .join(MemberConfig {
                    group: group.to_owned(),
                    topics: vec!["topic".into()],
                    instance: "one".to_owned(),
                })
                .expect("a member");
            let mut unit = UnitOfWork::default();
            unit.outputs
                .push(&topic.name, 0, Some(b"key"), Some(&mut |_| ()), []);
            unit.offsets.push((TopicPartition::new("topic", 0), 1));
            member.commit(&unit).expect("committed");
            assert_eq!(is_under_way_without_the_last_byte(), is_a_stage, "{group}");
        }
    }
}
