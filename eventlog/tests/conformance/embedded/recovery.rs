//! Recovery from whatever a crash leaves of the journal.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rollcall_eventlog::embedded::EmbeddedLog;
use rollcall_eventlog::{CleanupPolicy, EventLog, LogError};
use tempfile::TempDir;

use super::{open, small};
use crate::harness::{
    KEPT, append, committed, contents_at, join, partition, put, topic_config, unit, values,
};

const GROUP: &str = "group";

fn topics() -> [Arc<str>; 2] {
    ["kept".into(), "compacted".into()]
}

/// A log whose units, numbered from 0, each write to three partitions and commit their number.
struct Units {
    log: Arc<EmbeddedLog>,
    count: i64,
}

impl Units {
    /// No checkpoint is made but those that a test asks for, so that a folder can be copied.
    fn open(path: &Path) -> Self {
        let mut config = small(path);
        config.checkpoint_bytes = u64::MAX;
        config.housekeeping_every = Duration::from_secs(3600);
        let log = open(config);
        let [kept, compacted] = topics();
        let compact = CleanupPolicy::Compact {
            tombstone_retention_ms: 86_400_000,
        };
        log.ensure_topics(&[
            topic_config(&kept, 2, KEPT),
            topic_config(&compacted, 1, compact),
        ])
        .unwrap();
        let count = committed(&*log, GROUP, &partition(&kept, 0)).unwrap_or(0);
        Self { log, count }
    }

    /// Commits a unit with `copies` records of about `bytes` each a partition.
    fn commit(&mut self, copies: u32, bytes: usize) {
        let [kept, compacted] = topics();
        let mut member = join(&*self.log, GROUP, &kept, "one");
        let mut one = unit(&[], &[(partition(&kept, 0), self.count + 1)]);
        let value = format!("{} {}", self.count, "v".repeat(bytes));
        for copy in 0..copies {
            let key = format!("{}-{copy}", self.count);
            put(&mut one, &kept, 0, &key, Some(&value));
            put(&mut one, &kept, 1, &key, Some(&value));
            put(&mut one, &compacted, 0, &key, Some(&value));
        }
        member.commit(&one).unwrap();
        self.count += 1;
    }

    /// The unit that each record is of, by partition.
    fn found(&self) -> [Vec<i64>; 3] {
        let [kept, compacted] = topics();
        [
            partition(&kept, 0),
            partition(&kept, 1),
            partition(&compacted, 0),
        ]
        .map(|source| {
            let number = |value: String| value.split(' ').next().unwrap().parse().unwrap();
            values(&*self.log, &source)
                .into_iter()
                .map(number)
                .collect()
        })
    }
}

/// Copies the folder as it is on disk, as a crash would leave it.
fn copied(folder: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let target = TempDir::new().unwrap();
    copy(folder, target.path());
    target
}

fn journal_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[derive(Clone, Debug)]
enum Step {
    Commit { copies: u32, bytes: usize },
    Checkpoint,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..6_u32, 0..700_usize).prop_map(|(copies, bytes)| Step::Commit { copies, bytes }),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
    ]
}

/// What is done to the end of the last journal file.
#[derive(Clone, Debug)]
enum Tear {
    Cut,
    Zeros,
    Garbage(u8),
}

fn tear(path: &Path, from: usize, how: &Tear) {
    let mut bytes = fs::read(path).unwrap();
    match how {
        Tear::Cut => bytes.truncate(from),
        Tear::Zeros => bytes[from..].fill(0),
        Tear::Garbage(xor) => bytes[from..].iter_mut().for_each(|byte| *byte ^= xor),
    }
    fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// However the last journal file is torn, what is left is a prefix of the units, each whole; what
    /// a checkpoint covers is there in any case; and the log goes on.
    #[test]
    fn a_torn_journal_recovers_to_whole_units(
        steps in prop::collection::vec(step(), 1..25),
        at in any::<prop::sample::Index>(),
        how in prop_oneof![Just(Tear::Cut), Just(Tear::Zeros), (1..=255_u8).prop_map(Tear::Garbage)],
    ) {
        let folder = TempDir::new().unwrap();
        let mut units = Units::open(folder.path());
        let mut copies = Vec::new();
        for step in steps {
            match step {
                Step::Commit { copies: count, bytes } => {
                    units.commit(count, bytes);
                    copies.push(count);
                }
                Step::Checkpoint => units.log.sweep().unwrap(),
                Step::Reopen => {
                    units.log.close().unwrap();
                    units = Units::open(folder.path());
                }
            }
        }
        let crashed = copied(folder.path());
        units.log.close().unwrap();
        let mut units = Units::open(crashed.path());
        prop_assert_eq!(units.count as usize, copies.len(), "a crash loses nothing that was committed");

        // What comes now is in a journal file of its own, which is torn.
        let covered = units.count;
        for (count, bytes) in [(2, 10), (3, 2000)] {
            units.commit(count, bytes);
            copies.push(count);
        }
        let torn = copied(crashed.path());
        if let Some(last) = journal_files(torn.path()).last() {
            let length = fs::metadata(last).unwrap().len() as usize;
            if length > 0 {
                tear(last, at.index(length), &how);
            }
        }
        let mut recovered = Units::open(torn.path());
        let kept = recovered.count;
        prop_assert!(covered <= kept && kept <= units.count);
        let expected: Vec<i64> = (0..kept)
            .flat_map(|unit| std::iter::repeat_n(unit, copies[unit as usize] as usize))
            .collect();
        for found in recovered.found() {
            prop_assert_eq!(&found, &expected);
        }
        // It goes on, and what it then has survives a further crash.
        recovered.commit(1, 5);
        let crashed_again = copied(torn.path());
        let again = Units::open(crashed_again.path());
        prop_assert_eq!(again.count, kept + 1);
        for found in again.found() {
            prop_assert_eq!(found.len(), expected.len() + 1);
        }
    }
}

#[test]
fn damage_to_what_was_durable_is_not_taken_for_a_torn_write() {
    let folder = TempDir::new().unwrap();
    let mut units = Units::open(folder.path());
    for _ in 0..3 {
        units.commit(1, 100);
    }
    let crashed = copied(folder.path());
    let [journal] = &journal_files(crashed.path())[..] else {
        panic!("one file")
    };
    let mut bytes = fs::read(journal).unwrap();
    // Within the first of three frames, each of which was acknowledged before the next was written.
    bytes[100] ^= 1;
    fs::write(journal, bytes).unwrap();
    let error = EmbeddedLog::open(small(crashed.path())).unwrap_err();
    assert!(
        matches!(&error, LogError::Damaged { path, .. } if path == journal),
        "{error}"
    );
}

#[test]
fn a_missing_journal_file_is_damage() {
    let folder = TempDir::new().unwrap();
    let mut units = Units::open(folder.path());
    units.commit(1, 100);
    // A restart after a crash begins a new file.
    let crashed = copied(folder.path());
    let mut restarted = Units::open(crashed.path());
    restarted.commit(1, 100);
    let twice = copied(crashed.path());
    let files = journal_files(twice.path());
    assert_eq!(files.len(), 2);
    fs::remove_file(&files[0]).unwrap();
    let error = EmbeddedLog::open(small(twice.path())).unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
}

#[test]
fn a_damaged_checkpoint_or_segment_is_said() {
    let folder = TempDir::new().unwrap();
    let mut units = Units::open(folder.path());
    for _ in 0..20 {
        units.commit(2, 300);
    }
    units.log.close().unwrap();

    let damaged = copied(folder.path());
    let path = damaged.path().join("checkpoint");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = EmbeddedLog::open(small(damaged.path())).unwrap_err();
    assert!(
        matches!(&error, LogError::Damaged { path: found, .. } if *found == path),
        "{error}"
    );

    let damaged = copied(folder.path());
    let segments = damaged.path().join("partitions/kept-0");
    let path = fs::read_dir(&segments)
        .unwrap()
        .map(|it| it.unwrap().path())
        .min()
        .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let log = open(small(damaged.path()));
    let mut reader = log.reader(&[(partition(&topics()[0], 0), 0)]).unwrap();
    let error =
        crate::harness::eventually("an error", || reader.poll(100, crate::harness::POLL).err());
    assert!(
        matches!(&error, LogError::Damaged { path: found, .. } if *found == path),
        "{error}"
    );
    log.close().unwrap();
    bytes.truncate(middle);
    fs::write(&path, &bytes).unwrap();
    let error = EmbeddedLog::open(small(damaged.path())).unwrap_err();
    assert!(
        matches!(&error, LogError::Damaged { path: found, .. } if *found == path),
        "{error}"
    );
}

#[test]
fn files_that_no_checkpoint_names_are_removed() {
    let folder = TempDir::new().unwrap();
    let log = Units::open(folder.path()).log;
    let [kept, _] = topics();
    append(&*log.appender().unwrap(), &partition(&kept, 0), "k", "v");
    log.close().unwrap();
    let stray = folder
        .path()
        .join("partitions/kept-0/00000000000000000077-3.segment");
    fs::write(&stray, "left by a crash").unwrap();
    let log = open(small(folder.path()));
    assert!(!stray.exists());
    assert_eq!(contents_at(&*log, &partition(&kept, 0)).len(), 1);
}

#[test]
fn a_checkpoint_ends_the_journal_before_it() {
    let folder = TempDir::new().unwrap();
    let mut units = Units::open(folder.path());
    for _ in 0..5 {
        units.commit(1, 100);
    }
    assert_eq!(journal_files(folder.path()).len(), 1);
    units.log.sweep().unwrap();
    assert_eq!(journal_files(folder.path()), Vec::<PathBuf>::new());
    units.commit(1, 100);
    assert_eq!(journal_files(folder.path()).len(), 1);
    let crashed = copied(folder.path());
    assert_eq!(
        Units::open(crashed.path()).found(),
        [0, 1, 2].map(|_| (0..6).collect::<Vec<_>>())
    );
}
