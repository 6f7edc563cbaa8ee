//! Runs stages over a log until all is committed, through all faults, and says what came of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::{EventLog, MemberConfig, TopicPartition, UnitOfWork};
use rollcall_runtime::clock::SystemClock;
use rollcall_runtime::{
    CommitPolicy, FlushPolicy, RuntimeError, Shutdown, Stage, StageStatus, StateMemory,
    StateSettings, TopicSettings, Worker, WorkerConfig, WriteBackPolicy, group,
};
use rollcall_schemas::catalogue::DEAD_LETTERS;

use crate::counting::{Counting, EVENTS, INPUT, PARTITIONS, Truth, topics};
use crate::faults::{Disk, Faults, FaultyLog};
use crate::memory::MemoryLog;

/// How units of work and flushes are cut in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) batch_records: usize,
    pub(crate) unit_records: usize,
    pub(crate) flush_records: u64,
}

pub(crate) fn settings() -> TopicSettings {
    TopicSettings {
        partitions: PARTITIONS.try_into().unwrap(),
        ..TopicSettings::default()
    }
}

/// The log to run on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Engine {
    Embedded,
    Memory { gaps: bool },
}

impl Engine {
    /// An empty log with all topics; the embedded one in `folder`.
    pub(crate) fn open(self, folder: &Path) -> Arc<dyn EventLog> {
        let log: Arc<dyn EventLog> = match self {
            Self::Embedded => EmbeddedLog::open(EmbeddedConfig {
                reserve_bytes: 0,
                ..EmbeddedConfig::new(folder)
            })
            .unwrap(),
            Self::Memory { gaps } => return Arc::new(memory_log(gaps)),
        };
        log.ensure_topics(&[topics(), settings().configs()].concat())
            .unwrap();
        log
    }
}

pub(crate) fn memory_log(gaps: bool) -> MemoryLog {
    let log = MemoryLog::new(gaps);
    log.ensure_topics(&[topics(), settings().configs()].concat())
        .unwrap();
    log
}

/// Appends records to the first stage's input.
pub(crate) fn feed(log: &dyn EventLog, input: &[(u32, String, String)]) {
    let config = MemberConfig {
        group: "feeder".into(),
        topics: Vec::new(),
        instance: "feeder".into(),
    };
    let mut member = log.join(config).unwrap();
    let topic = INPUT.into();
    let mut unit = UnitOfWork::default();
    for (partition, key, value) in input {
        unit.outputs.push(
            &topic,
            *partition,
            Some(key.as_bytes()),
            Some(&mut |out| out.extend_from_slice(value.as_bytes())),
            [],
        );
    }
    member.commit(&unit).unwrap();
    member.leave();
}

/// A record as it was found in a topic.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) partition: u32,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: BTreeMap<String, String>,
}

/// All records of a topic, by partition and in order.
pub(crate) fn records(log: &dyn EventLog, topic: &str) -> Vec<Found> {
    let mut all = Vec::new();
    for partition in 0..PARTITIONS {
        let at = TopicPartition::new(topic, partition);
        let offsets = log.offsets(&at).unwrap();
        let mut reader = log.reader(&[(at, offsets.start)]).unwrap();
        let mut position = offsets.start;
        while position < offsets.end {
            let Some(batch) = reader.poll(1_000, Duration::from_millis(10)).unwrap() else {
                continue;
            };
            position = batch.next_offset();
            all.extend(batch.iter().map(|record| {
                Found {
                    partition,
                    key: record.key.unwrap().to_vec(),
                    value: record.value.unwrap().to_vec(),
                    headers: record
                        .headers
                        .iter()
                        .map(|h| {
                            (
                                h.name.to_owned(),
                                String::from_utf8(h.value.to_vec()).unwrap(),
                            )
                        })
                        .collect(),
                }
            }));
        }
    }
    all
}

pub(crate) fn config(folder: &Path, stage: &'static str, instance: &str, cut: Cut) -> WorkerConfig {
    WorkerConfig {
        topics: settings(),
        state: StateSettings {
            folder: folder.to_owned(),
            memory: StateMemory::new(8 << 20),
            write_back: WriteBackPolicy {
                records: cut.flush_records / 2,
                ..WriteBackPolicy::default()
            },
            flush: FlushPolicy {
                records: cut.flush_records,
                age: Duration::from_secs(3600),
            },
        },
        commit: CommitPolicy {
            most_rest: Duration::ZERO,
            max_records: cut.unit_records,
            batch_records: cut.batch_records,
            ..CommitPolicy::default()
        },
        instance: instance.to_owned(),
        clock: Arc::new(SystemClock),
        status: Arc::new(StageStatus::new(stage)),
    }
}

/// Whether the stage has committed all of its input.
pub(crate) fn is_done(log: &dyn EventLog, stage: &dyn Stage) -> bool {
    let partitions: Vec<_> = (0..PARTITIONS)
        .map(|partition| TopicPartition::new(stage.input(), partition))
        .collect();
    let committed = log
        .committed(&group(&settings(), stage.name()), &partitions)
        .unwrap();
    partitions
        .iter()
        .zip(committed)
        .all(|(at, committed)| log.offsets(at).unwrap().end == committed.unwrap_or(0))
}

/// Runs `workers` workers of a stage until its input is committed; each that is killed starts anew,
/// from what was on disk then.
pub(crate) fn run(
    log: &Arc<dyn EventLog>,
    stage: impl Stage + Copy + 'static,
    disk: &Arc<Disk>,
    workers: usize,
    cut: Cut,
) {
    loop {
        let faulty: Arc<dyn EventLog> = Arc::new(FaultyLog {
            inner: Arc::clone(log),
            disk: Arc::clone(disk),
        });
        let shutdown = Shutdown::default();
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..workers)
                .map(|number| {
                    let config =
                        config(&disk.folder, stage.name(), &format!("worker-{number}"), cut);
                    let (faulty, shutdown) = (Arc::clone(&faulty), shutdown.clone());
                    scope.spawn(move || Worker::run(faulty, Arc::new(stage), config, &shutdown))
                })
                .collect();
            while !is_done(log.as_ref(), &stage)
                && !disk.is_killed()
                && !running.iter().any(|worker| worker.is_finished())
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            shutdown.request();
            for worker in running {
                if let Err(error) = worker.join().unwrap() {
                    assert!(disk.is_killed(), "{error}");
                    assert!(matches!(error, RuntimeError::Log(_)), "{error}");
                }
            }
        });
        if !disk.is_killed() && is_done(log.as_ref(), &stage) {
            return settle(log, stage, &disk.folder, cut);
        }
        disk.restart();
    }
}

/// Lets stores catch up that were not told of the last commit.
fn settle(log: &Arc<dyn EventLog>, stage: impl Stage + 'static, folder: &Path, cut: Cut) {
    let config = config(folder, stage.name(), "last", cut);
    let (status, shutdown) = (Arc::clone(&config.status), Shutdown::default());
    std::thread::scope(|scope| {
        let worker =
            scope.spawn(|| Worker::run(Arc::clone(log), Arc::new(stage), config, &shutdown));
        let is_up = || status.snapshot().is_ready() && status.snapshot().partitions.len() == 3;
        while !(worker.is_finished() || is_up()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        shutdown.request();
        worker.join().unwrap().unwrap();
    });
}

/// Runs both stages, with the faults given, and compares all that came of it with the truth.
pub(crate) fn run_and_compare(
    input: &[(u32, String, String)],
    faults: [Faults<'_>; 2],
    workers: usize,
    cut: Cut,
    engine: Engine,
) {
    let folder = tempfile::tempdir().unwrap();
    let log = engine.open(&folder.path().join("log"));
    feed(log.as_ref(), input);
    for (stage, faults) in [Counting::Count, Counting::Total].into_iter().zip(faults) {
        let disk = Arc::new(Disk::new(folder.path().join("state"), &faults));
        run(&log, stage, &disk, workers, cut);
        compare(log.as_ref(), stage, &disk.folder, input);
    }
}

/// Compares the topics and stores of a stage with the truth.
pub(crate) fn compare(
    log: &dyn EventLog,
    stage: Counting,
    folder: &Path,
    input: &[(u32, String, String)],
) {
    let truth = Truth::of(input);
    let rows: BTreeMap<_, _> = records(log, stage.rows())
        .into_iter()
        .map(|row| ((row.partition, row.key), row.value))
        .collect();
    assert_eq!(rows, truth.rows, "rows");
    let mut events: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for event in records(log, EVENTS) {
        events
            .entry(event.partition)
            .or_default()
            .push((event.key, event.value));
    }
    assert_eq!(events, truth.events, "events");
    // They are partitioned by their own keys, so that only what there is can be compared, not its order.
    let mut dead: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for letter in records(log, &settings().name(&DEAD_LETTERS)) {
        dead.entry(letter.headers["rollcall.error.partition"].parse().unwrap())
            .or_default()
            .push(letter.value);
    }
    let sorted = |mut letters: BTreeMap<u32, Vec<Vec<u8>>>| {
        letters
            .values_mut()
            .for_each(|of_partition| of_partition.sort());
        letters
    };
    assert_eq!(sorted(dead), sorted(truth.dead), "dead letters");
    for (partition, expected) in &truth.stores {
        assert_eq!(
            &dump(&folder.join(stage.name()).join(partition.to_string())),
            expected,
            "store {partition}"
        );
    }
}

/// All that a task has written to its store.
pub(crate) fn dump(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let db = rocksdb::DB::open_for_read_only(&rocksdb::Options::default(), path, false).unwrap();
    db.iterator(rocksdb::IteratorMode::Start)
        .map(|entry| {
            entry
                .map(|(key, value)| (key.into_vec(), value.into_vec()))
                .unwrap()
        })
        .filter(|(key, _)| !key.is_empty())
        .collect()
}
