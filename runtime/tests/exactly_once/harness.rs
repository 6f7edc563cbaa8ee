//! Runs stages over a log until all is committed, through all faults, and says what came of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rollcall_eventlog::{EventLog, TopicPartition};
use rollcall_runtime::clock::SystemClock;
use rollcall_runtime::{
    CommitPolicy, FlushPolicy, RuntimeError, Shutdown, Stage, StageStatus, StateMemory, StateSettings, TopicSettings,
    Worker, WorkerConfig, group,
};
use rollcall_schemas::catalogue::DEAD_LETTERS;

use crate::counting::{Counting, EVENTS, INPUT, PARTITIONS, Truth, topics};
use crate::faults::{Disk, Fault, FaultyLog};
use crate::memory::{MemoryLog, Record};

/// How units of work and flushes are cut in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) batch_records: usize,
    pub(crate) unit_records: usize,
    pub(crate) flush_records: u64,
}

pub(crate) fn settings() -> TopicSettings {
    TopicSettings { partitions: PARTITIONS.try_into().unwrap(), ..TopicSettings::default() }
}

pub(crate) fn log(gaps: bool) -> MemoryLog {
    let log = MemoryLog::new(gaps);
    log.ensure_topics(&topics(settings().config(&DEAD_LETTERS))).unwrap();
    log
}

pub(crate) fn feed(log: &MemoryLog, input: &[(u32, String, String)]) {
    for (partition, key, value) in input {
        log.append(INPUT, *partition, Some(key), Some(value));
    }
}

pub(crate) fn config(folder: &Path, stage: &'static str, instance: &str, cut: Cut) -> WorkerConfig {
    WorkerConfig {
        topics: settings(),
        state: StateSettings {
            folder: folder.to_owned(),
            memory: StateMemory::new(8 << 20),
            flush: FlushPolicy { records: cut.flush_records, age: Duration::from_secs(3600) },
        },
        commit: CommitPolicy {
            min_interval: Duration::ZERO,
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
    let partitions: Vec<_> = (0..PARTITIONS).map(|partition| TopicPartition::new(stage.input(), partition)).collect();
    let committed = log.committed(&group(&settings(), stage.name()), &partitions).unwrap();
    partitions.iter().zip(committed).all(|(at, committed)| log.offsets(at).unwrap().end == committed.unwrap_or(0))
}

/// Runs `workers` workers of a stage until its input is committed; each that is killed starts anew,
/// from what was on disk then.
pub(crate) fn run(log: &MemoryLog, stage: Counting, disk: &Arc<Disk>, workers: usize, cut: Cut) {
    loop {
        let faulty: Arc<dyn EventLog> = Arc::new(FaultyLog { inner: Arc::new(log.clone()), disk: Arc::clone(disk) });
        let shutdown = Shutdown::default();
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..workers)
                .map(|number| {
                    let config = config(&disk.folder, stage.name(), &format!("worker-{number}"), cut);
                    let (faulty, shutdown) = (Arc::clone(&faulty), shutdown.clone());
                    scope.spawn(move || Worker::run(faulty, Arc::new(stage), config, &shutdown))
                })
                .collect();
            while !is_done(log, &stage) && !disk.is_killed() && !running.iter().any(|worker| worker.is_finished()) {
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
        if !disk.is_killed() && is_done(log, &stage) {
            return settle(log, stage, &disk.folder, cut);
        }
        disk.restart();
    }
}

/// Lets stores catch up that were not told of the last commit.
fn settle(log: &MemoryLog, stage: Counting, folder: &Path, cut: Cut) {
    let config = config(folder, stage.name(), "last", cut);
    let (status, shutdown) = (Arc::clone(&config.status), Shutdown::default());
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| Worker::run(Arc::new(log.clone()), Arc::new(stage), config, &shutdown));
        while !worker.is_finished() && !(status.snapshot().is_ready() && status.snapshot().partitions.len() == 3) {
            std::thread::sleep(Duration::from_millis(1));
        }
        shutdown.request();
        worker.join().unwrap().unwrap();
    });
}

/// Runs both stages, with the faults given, and compares all that came of it with the truth.
pub(crate) fn run_and_compare(input: &[(u32, String, String)], faults: [&[Fault]; 2], workers: usize, cut: Cut, gaps: bool) {
    let folder = tempfile::tempdir().unwrap();
    let log = log(gaps);
    feed(&log, input);
    for (stage, faults) in [Counting::Count, Counting::Total].into_iter().zip(faults) {
        let disk = Arc::new(Disk::new(folder.path().join("state"), faults));
        run(&log, stage, &disk, workers, cut);
        compare(&log, stage, &disk.folder, input);
    }
}

/// Compares the topics and stores of a stage with the truth.
pub(crate) fn compare(log: &MemoryLog, stage: Counting, folder: &Path, input: &[(u32, String, String)]) {
    let truth = Truth::of(input);
    let mut rows = BTreeMap::new();
    for (partition, record) in log.records(stage.rows()) {
        rows.insert((partition, record.key.unwrap()), record.value.unwrap());
    }
    assert_eq!(rows, truth.rows, "rows");
    assert_eq!(by_partition(log.records(EVENTS), |record| (record.key.unwrap(), record.value.unwrap())), truth.events, "events");
    let letters = log.records(&settings().name(&DEAD_LETTERS)).into_iter().map(|(_, letter)| {
        (letter.header("rollcall.error.partition").unwrap().parse().unwrap(), letter)
    });
    // They are partitioned by their own keys, so that only what there is can be compared, not its order.
    let sorted = |mut letters: BTreeMap<u32, Vec<Vec<u8>>>| {
        letters.values_mut().for_each(|of_partition| of_partition.sort());
        letters
    };
    assert_eq!(sorted(by_partition(letters.collect(), |letter| letter.value.unwrap())), sorted(truth.dead), "dead letters");
    for (partition, expected) in &truth.stores {
        assert_eq!(&dump(&folder.join(stage.name()).join(partition.to_string())), expected, "store {partition}");
    }
}

fn by_partition<T>(records: Vec<(u32, Record)>, of: impl Fn(Record) -> T) -> BTreeMap<u32, Vec<T>> {
    let mut by_partition: BTreeMap<u32, Vec<T>> = BTreeMap::new();
    for (partition, record) in records {
        by_partition.entry(partition).or_default().push(of(record));
    }
    by_partition
}

/// All that a task has written to its store.
pub(crate) fn dump(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let db = rocksdb::DB::open_for_read_only(&rocksdb::Options::default(), path, false).unwrap();
    db.iterator(rocksdb::IteratorMode::Start)
        .map(|entry| entry.map(|(key, value)| (key.into_vec(), value.into_vec())).unwrap())
        .filter(|(key, _)| !key.is_empty())
        .collect()
}
