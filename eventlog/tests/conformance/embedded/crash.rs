//! A process that is killed at any moment leaves whole units, and all that it has acknowledged.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rollcall_eventlog::{CleanupPolicy, EventLog};
use tempfile::TempDir;

use super::{open, small};
use crate::harness::{
    KEPT, committed, contents_at, join, partition, put, topic_config, unit, wait,
};

const CHILD_FOLDER: &str = "ROLLCALL_TEST_CRASHING_CHILD";
const SEED: &str = "ROLLCALL_TEST_SEED";
const ROUNDS: u64 = 25;
const GROUP: &str = "group";
/// Keys of the compacted topic.
const KEYS: i64 = 7;

fn names() -> [Arc<str>; 3] {
    ["units".into(), "latest".into(), "appends".into()]
}

/// A generator of random numbers that a seed can be printed of.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[test]
fn a_killed_process_leaves_whole_units_and_all_that_it_acknowledged() {
    let seed = std::env::var(SEED)
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_260_301);
    println!("seed {seed} (set {SEED} to choose another)");
    let mut random = Random(seed);
    let folder = TempDir::new().unwrap();
    let mut acknowledged = Acknowledged::default();
    for round in 0..ROUNDS {
        let mut child = spawn(folder.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // Let it say a few things, then strike within what it does next.
        for _ in 0..random.next() % 60 {
            acknowledged.read_line(&mut lines);
        }
        std::thread::sleep(Duration::from_micros(random.next() % 3000));
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        // The last line may be torn; a torn number could be another one.
        rest.truncate(rest.rfind('\n').map_or(0, |end| end + 1));
        rest.lines().for_each(|line| acknowledged.learn(line));
        check(folder.path(), &acknowledged, round);
    }
    assert!(
        acknowledged.units > 20,
        "the child was killed in the midst of work: {}",
        acknowledged.units
    );
    assert!(acknowledged.appends.len() > 20);
}

fn spawn(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "embedded::crash::child_that_works_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What children have said was done.
#[derive(Default)]
struct Acknowledged {
    units: i64,
    /// Offset and value of single records.
    appends: BTreeMap<i64, String>,
}

impl Acknowledged {
    fn read_line(&mut self, lines: &mut impl BufRead) {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        self.learn(line.trim_end());
    }

    fn learn(&mut self, line: &str) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["unit", count] => self.units = count.parse().unwrap(),
            ["append", offset, value] => {
                self.appends
                    .insert(offset.parse().unwrap(), value.to_owned());
            }
            // What the test harness says.
            _ => {}
        }
    }
}

fn check(folder: &Path, acknowledged: &Acknowledged, round: u64) {
    let log = open(small(folder));
    let [units, latest, appends] = names();
    if log.partitions(&appends).unwrap().is_none() {
        return;
    }
    let done = committed(&*log, GROUP, &partition(&units, 0)).unwrap_or(0);
    assert!(
        done >= acknowledged.units,
        "round {round}: unit {done} of {}",
        acknowledged.units
    );
    for number in 0..2 {
        let found: Vec<i64> = contents_at(&*log, &partition(&units, number))
            .into_iter()
            .map(|(_, (_, value))| value.unwrap().trim_end_matches('.').parse().unwrap())
            .collect();
        assert_eq!(
            found,
            (0..done).collect::<Vec<_>>(),
            "round {round}, partition {number}"
        );
    }
    // The last of every key is of the last units, whatever of the others compaction has dropped.
    let mut last = BTreeMap::new();
    for (_, (key, value)) in contents_at(&*log, &partition(&latest, 0)) {
        last.insert(key, value.unwrap());
    }
    let expected: BTreeMap<_, _> = ((done - KEYS).max(0)..done)
        .map(|unit| ((unit % KEYS).to_string(), unit.to_string()))
        .collect();
    assert_eq!(last, expected, "round {round}");

    let found: BTreeMap<_, _> = contents_at(&*log, &partition(&appends, 0))
        .into_iter()
        .map(|(offset, (_, value))| (offset, value.unwrap()))
        .collect();
    for (offset, value) in &acknowledged.appends {
        assert_eq!(
            found.get(offset),
            Some(value),
            "round {round}, append at {offset}"
        );
    }
    // A crash of the reader's process, so to speak: what it has recovered is not closed in order.
    if round.is_multiple_of(2) {
        log.close().unwrap();
    }
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn child_that_works_until_it_is_killed() {
    let Ok(folder) = std::env::var(CHILD_FOLDER) else {
        return;
    };
    let mut config = small(folder.as_ref());
    config.housekeeping_every = Duration::from_millis(3);
    let log = open(config);
    let [units, latest, appends] = names();
    let compact = CleanupPolicy::Compact {
        tombstone_retention_ms: 86_400_000,
    };
    log.ensure_topics(&[
        topic_config(&units, 2, KEPT),
        topic_config(&latest, 1, compact),
        topic_config(&appends, 1, KEPT),
    ])
    .unwrap();
    let appender = log.appender().unwrap();
    std::thread::scope(|scope| {
        for name in 0..2 {
            let (appender, appends) = (&appender, &appends);
            scope.spawn(move || {
                let process = std::process::id();
                for number in 0_u64.. {
                    let value = format!("{process}-{name}-{number}");
                    let appended = appender.append(&partition(appends, 0), None, value.as_bytes());
                    println!("append {} {value}", wait(appended).unwrap());
                }
            });
        }
        let mut member = join(&*log, GROUP, &units, "one");
        let first = committed(&*log, GROUP, &partition(&units, 0)).unwrap_or(0);
        for number in first.. {
            let mut one = unit(&[], &[(partition(&units, 0), number + 1)]);
            let padded = format!(
                "{number}{}",
                ".".repeat(usize::try_from(number % 300).unwrap())
            );
            put(&mut one, &units, 0, "k", Some(&padded));
            put(
                &mut one,
                &latest,
                0,
                &(number % KEYS).to_string(),
                Some(&number.to_string()),
            );
            put(&mut one, &units, 1, "k", Some(&padded));
            member.commit(&one).unwrap();
            println!("unit {}", number + 1);
        }
    });
}
