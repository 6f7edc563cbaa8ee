//! A process that is killed at any moment leaves whole units of work, and all that it acknowledged.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rollcall_eventlog::{CleanupPolicy, CommitError, EventLog, Member};

use crate::harness::{
    Engine, KEPT, assigned, committed, contents_at, join, partition, put, topic_config, unique,
    unit, wait,
};

const SEED: &str = "ROLLCALL_TEST_SEED";
/// What the child is told.
const CHILD_LOG: &str = "ROLLCALL_TEST_CHILD_LOG";
const CHILD_NAME: &str = "ROLLCALL_TEST_CHILD_NAME";
/// Keys of the compacted topic.
const KEYS: i64 = 7;

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

/// What is worked on: units of work, numbered from 0, that each write to both partitions of `units`
/// and to `latest` and commit their number; and single records.
struct Work {
    group: String,
    units: Arc<str>,
    latest: Arc<str>,
    appends: Arc<str>,
}

impl Work {
    fn named(name: &str) -> Self {
        Self {
            group: format!("{name}-group"),
            units: format!("{name}-units").into(),
            latest: format!("{name}-latest").into(),
            appends: format!("{name}-appends").into(),
        }
    }

    fn create_topics(&self, log: &dyn EventLog) {
        let compact = CleanupPolicy::Compact {
            tombstone_retention_ms: 86_400_000,
        };
        log.ensure_topics(&[
            topic_config(&self.units, 2, KEPT),
            topic_config(&self.latest, 1, compact),
            topic_config(&self.appends, 1, KEPT),
        ])
        .unwrap();
    }

    /// Takes the place of whoever was killed, which ends what it left open. Returns the count of
    /// units that are committed.
    fn take_over(&self, log: &dyn EventLog) -> (Box<dyn Member>, i64) {
        let mut member = join(log, &self.group, &self.units, "one");
        let from: Vec<_> = assigned(&mut *member)
            .into_iter()
            .map(|(partition, committed)| (partition, committed.unwrap_or(0)))
            .collect();
        member.start(&from).unwrap();
        let (_, done) = from.iter().min().expect("two partitions");
        (member, *done)
    }
}

pub(crate) fn a_killed_process_leaves_whole_units_and_all_that_it_acknowledged(
    engine: &dyn Engine,
) {
    let seed = std::env::var(SEED)
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_260_301);
    eprintln!("seed {seed} (set {SEED} to choose another)");
    let mut random = Random(seed);
    let name = unique("killed");
    let work = Work::named(&name);
    let log = engine.open();
    work.create_topics(&*log);
    log.close().unwrap();

    let mut said = Said::default();
    let mut within_a_commit = 0;
    for round in 0..engine.kills() {
        let mut child = spawn(&engine.address(), &name);
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // Let it say a few things, then strike within what it does next.
        for _ in 0..random.next() % 60 {
            said.read_line(&mut lines);
        }
        std::thread::sleep(Duration::from_micros(random.next() % 3000));
        child.kill().unwrap(); // SIGKILL
        let end = child.wait().unwrap();
        assert_eq!(end.code(), None, "round {round}: it ended by itself");
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        // The last line may be torn; a torn number could be another one.
        rest.truncate(rest.rfind('\n').map_or(0, |end| end + 1));
        rest.lines().for_each(|line| said.learn(line));
        within_a_commit += u32::from(said.begun > said.done);
        check(engine, &work, &mut said, round);
    }
    let kills = engine.kills();
    assert!(
        within_a_commit >= kills / 3,
        "{within_a_commit} of {kills} kills were within a commit"
    );
    assert!(
        said.done >= i64::from(kills) && said.appends.len() >= kills as usize,
        "it was killed before it did anything: {} units, {} appends",
        said.done,
        said.appends.len()
    );
}

fn spawn(log: &str, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "killed::child_that_works_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD_LOG, log)
        .env(CHILD_NAME, name)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What children have said.
#[derive(Default)]
struct Said {
    /// How many units were to be committed.
    begun: i64,
    /// How many were.
    done: i64,
    /// Offset and value of the single records that were acknowledged.
    appends: BTreeMap<i64, String>,
}

impl Said {
    fn read_line(&mut self, lines: &mut impl BufRead) {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        self.learn(line.trim_end());
    }

    fn learn(&mut self, line: &str) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["committing", count] => self.begun = count.parse().unwrap(),
            ["committed", count] => self.done = count.parse().unwrap(),
            ["appended", offset, value] => {
                self.appends
                    .insert(offset.parse().unwrap(), value.to_owned());
            }
            // What the test harness says.
            _ => {}
        }
    }
}

fn check(engine: &dyn Engine, work: &Work, said: &mut Said, round: u32) {
    let log = engine.open();
    let (heir, done) = work.take_over(&*log);
    assert!(
        said.done <= done && done <= said.done.max(said.begun),
        "round {round}: {done} units of {} committed and {} begun",
        said.done,
        said.begun
    );
    for number in 0..2 {
        let source = partition(&work.units, number);
        let offset = committed(&*log, &work.group, &source);
        assert_eq!(offset.unwrap_or(0), done, "round {round}");
        let found: Vec<i64> = contents_at(&*log, &source)
            .into_iter()
            .map(|(_, (_, value))| value.unwrap().trim_end_matches('.').parse().unwrap())
            .collect();
        let wanted: Vec<_> = (0..done).collect();
        assert_eq!(found, wanted, "round {round}, partition {number}");
    }
    // The last of every key is of the last units, whatever of the others compaction has dropped.
    let mut last = BTreeMap::new();
    for (_, (key, value)) in contents_at(&*log, &partition(&work.latest, 0)) {
        last.insert(key, value.unwrap());
    }
    let wanted: BTreeMap<_, _> = ((done - KEYS).max(0)..done)
        .map(|unit| ((unit % KEYS).to_string(), unit.to_string()))
        .collect();
    assert_eq!(last, wanted, "round {round}");
    check_appends(&*log, work, said, round);
    said.done = done;
    said.begun = done;
    drop(heir);
    log.close().unwrap();
}

/// What was acknowledged is where it was said to be; nothing is there twice, and of what one thread
/// appended one by one nothing is missing before its last.
fn check_appends(log: &dyn EventLog, work: &Work, said: &Said, round: u32) {
    let found: BTreeMap<_, _> = contents_at(log, &partition(&work.appends, 0))
        .into_iter()
        .map(|(offset, (_, value))| (offset, value.unwrap()))
        .collect();
    for (offset, value) in &said.appends {
        let found = found.get(offset);
        assert_eq!(found, Some(value), "round {round}, append at {offset}");
    }
    let mut threads: BTreeMap<&str, i64> = BTreeMap::new();
    for value in found.values() {
        let (thread, number) = value.rsplit_once('-').unwrap();
        let next = threads.entry(thread).or_default();
        assert_eq!(number.parse(), Ok(*next), "round {round}, of {thread}");
        *next += 1;
    }
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn child_that_works_until_it_is_killed() {
    let (Ok(address), Ok(name)) = (std::env::var(CHILD_LOG), std::env::var(CHILD_NAME)) else {
        return;
    };
    // A thread that fails ends the process, which is told from a kill.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("child: {panic}");
        std::process::exit(1);
    }));
    let engine = crate::engine_at(&address);
    let work = Work::named(&name);
    let log = engine.open();
    let appender = log.appender().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (appender, source) = (&appender, partition(&work.appends, 0));
            scope.spawn(move || {
                let process = std::process::id();
                for number in 0_u64.. {
                    let value = format!("{process}-{thread}-{number}");
                    let appended = appender.append(&source, None, value.as_bytes());
                    println!("appended {} {value}", wait(appended).unwrap());
                }
            });
        }
        let (mut member, done) = work.take_over(&*log);
        for number in done.. {
            let offsets = [0, 1].map(|it| (partition(&work.units, it), number + 1));
            let mut one = unit(&[], &offsets);
            let text = number.to_string();
            let padded = format!(
                "{text}{}",
                ".".repeat(usize::try_from(number % 300).unwrap())
            );
            put(&mut one, &work.units, 0, "k", Some(&padded));
            let key = (number % KEYS).to_string();
            put(&mut one, &work.latest, 0, &key, Some(&text));
            put(&mut one, &work.units, 1, "k", Some(&padded));
            println!("committing {}", number + 1);
            loop {
                match member.commit(&one) {
                    Ok(()) => break,
                    // It was not committed, and the member goes on.
                    Err(CommitError::Aborted { reason }) => eprintln!("child: {reason}"),
                    Err(error) => panic!("{error}"),
                }
            }
            println!("committed {}", number + 1);
        }
    });
}
