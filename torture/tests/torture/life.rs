//! One life of the process: the log is opened, input comes in, both stages run until all is done,
//! the log is closed. Or it dies on the way.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog, Now, SegmentPolicy};
use rollcall_eventlog::{AppendFuture, Appender, EventLog, LogError};
use rollcall_processors::attendance::Attendance;
use rollcall_processors::engagement::Engagement;
use rollcall_runtime::clock::Clock;
use rollcall_runtime::{
    CommitPolicy, FlushPolicy, Shutdown, Stage, StageStatus, StateMemory, StateSettings,
    TopicSettings, Worker, WorkerConfig, WriteBackPolicy,
};
use rollcall_sandbox::account::SETTLED_MS;
use rollcall_schemas::catalogue::ZOOM_RAW;

use crate::stepped::{Drained, Stepped};
use crate::story::{Input, Story};

/// How the work is cut. None of it may show in what comes out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Partitions of every topic, and so tasks of a stage.
    pub(crate) partitions: u32,
    /// Records taken in before the stages go on.
    pub(crate) input_records: usize,
    /// Records taken at once.
    pub(crate) batch_records: usize,
    /// Records of a unit of work.
    pub(crate) unit_records: usize,
    /// Records after which a store takes what it lacks.
    pub(crate) write_back_records: u64,
    /// Records between two flushes of a store.
    pub(crate) flush_records: u64,
    /// Bytes of a segment.
    pub(crate) segment_bytes: u64,
    /// Inputs after which the log is swept: old records compacted, a checkpoint made.
    pub(crate) sweep_every: usize,
    /// How often the process ends in order on the way.
    pub(crate) restarts: usize,
}

impl Cut {
    /// One that reaches much in a short run.
    pub(crate) const USUAL: Self = Self {
        partitions: 2,
        input_records: 60,
        batch_records: 25,
        unit_records: 40,
        write_back_records: 30,
        flush_records: 90,
        segment_bytes: 8 << 10,
        sweep_every: 3,
        restarts: 1,
    };

    /// When stores take what they lack.
    pub(crate) fn write_back(&self) -> WriteBackPolicy {
        WriteBackPolicy {
            records: self.write_back_records,
            bytes: usize::MAX,
            age: Duration::MAX,
        }
    }

    pub(crate) fn topics(&self, prefix: &str) -> TopicSettings {
        TopicSettings {
            prefix: prefix.to_owned(),
            partitions: self.partitions.try_into().expect("not zero"),
            ..TopicSettings::default()
        }
    }

    pub(crate) fn commit(&self) -> CommitPolicy {
        CommitPolicy {
            most_rest: Duration::ZERO,
            max_interval: Duration::MAX,
            max_records: self.unit_records,
            batch_records: self.batch_records,
            idle_interval: Duration::ZERO,
            ..CommitPolicy::default()
        }
    }
}

/// The clock stands still: no stage looks at it.
pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now_ms(&self) -> i64 {
        SETTLED_MS
    }
}

/// The folders of one installation.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A new one, in memory where the machine has such a folder: what counts is the order of what is
    /// done, not that it is durable.
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        Self {
            folder: made.expect("a folder"),
        }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn state_at_death(&self) -> PathBuf {
        self.folder.path().join("state-at-death")
    }
}

/// Copies the stores as a killed process leaves them: closing RocksDB would write what is in memory.
/// RocksDB's own threads may be at work meanwhile, so that it is done again until nothing changed.
pub(crate) fn copy_stores(from: &Path, to: &Path) {
    loop {
        let before = listing(from);
        copy(from, to);
        if listing(from) == before {
            return;
        }
        fs::remove_dir_all(to).expect("the copy is there");
    }
}

/// What a machine that stopped leaves of stores, out of what a killed process left: what was flushed.
/// The note of which run of the machine wrote a write-ahead log is taken away, so that it is dropped.
/// Returns from how many stores; one that was not opened yet has none.
pub(crate) fn stop_machine(stores: &Path) -> usize {
    let notes = listing(stores)
        .into_keys()
        .filter(|file| file.ends_with("BOOT"));
    notes
        .map(|note| fs::remove_file(note).expect("it is there"))
        .count()
}

/// The files below a folder; of the one that names RocksDB's manifest, what it says.
fn listing(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return files;
    };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files.extend(listing(&path));
        } else {
            let says = if path.ends_with("CURRENT") {
                fs::read(&path).unwrap_or_default()
            } else {
                Vec::new()
            };
            files.insert(path, says);
        }
    }
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    let Ok(entries) = fs::read_dir(from) else {
        return;
    };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else if let Err(error) = fs::copy(&path, &target) {
            // It was removed, so that this is done again.
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::NotFound,
                "{}",
                path.display()
            );
        }
    }
}

pub(crate) fn open(place: &Place, cut: &Cut) -> Result<Arc<EmbeddedLog>, LogError> {
    let log = EmbeddedLog::open(EmbeddedConfig {
        reserve_bytes: 1,
        checkpoint_bytes: u64::MAX,
        housekeeping_every: Duration::from_secs(1_000_000),
        segments: SegmentPolicy {
            bytes: cut.segment_bytes,
            ..SegmentPolicy::default()
        },
        now: Now::new(|| SETTLED_MS),
        ..EmbeddedConfig::new(place.log())
    })?;
    if let Err(error) = log.ensure_topics(&cut.topics("").configs()) {
        let _ = log.close();
        return Err(error);
    }
    Ok(log)
}

/// Lives until all input up to `until` went through both stages. `taken` counts what was taken in,
/// as its sender knows it: what was not answered is sent again.
pub(crate) fn live(
    story: &Arc<Story>,
    cut: &Cut,
    place: &Place,
    taken: &Arc<Mutex<usize>>,
    until: usize,
) -> Result<(), String> {
    let log = open(place, cut).map_err(|error| error.to_string())?;
    let worked = work(&log, story, cut, place, taken, until);
    let closed = log.close().map_err(|error| error.to_string());
    worked.and(closed)
}

fn work(
    log: &Arc<EmbeddedLog>,
    story: &Arc<Story>,
    cut: &Cut,
    place: &Place,
    taken: &Arc<Mutex<usize>>,
    until: usize,
) -> Result<(), String> {
    let topics = cut.topics("");
    let memory = StateMemory::new(4 << 20);
    let feeder = {
        let (log, story, taken) = (Arc::clone(log), Arc::clone(story), Arc::clone(taken));
        let (topics, cut) = (topics.clone(), *cut);
        let mut rounds = 0;
        Box::new(move || {
            let mut taken = taken.lock().expect("no panic");
            if *taken >= until {
                return Ok(false);
            }
            let end = (*taken + cut.input_records).min(until);
            take_in(log.as_ref(), &story, &topics, &mut taken, end)?;
            rounds += 1;
            if rounds % cut.sweep_every == 0 {
                log.sweep()?;
            }
            Ok(true)
        })
    };
    let attendance: Arc<dyn Stage> = Arc::new(Attendance::new(story.settings.clone(), &topics));
    let engagement: Arc<dyn Stage> = Arc::new(Engagement::new(&topics));
    let stages: [(Arc<dyn Stage>, Drained<'static>); 2] =
        [(attendance, feeder), (engagement, Box::new(|| Ok(false)))];
    for (stage, drained) in stages {
        let shutdown = Shutdown::default();
        let stepped = Stepped {
            log: Arc::clone(log) as Arc<dyn EventLog>,
            drained: Arc::new(Mutex::new(drained)),
            shutdown: shutdown.clone(),
            wait: Duration::ZERO,
        };
        let config = WorkerConfig {
            topics: topics.clone(),
            state: StateSettings {
                folder: place.state(),
                memory: memory.clone(),
                write_back: cut.write_back(),
                flush: FlushPolicy {
                    records: cut.flush_records,
                    age: Duration::MAX,
                },
            },
            commit: cut.commit(),
            instance: "torture".to_owned(),
            clock: Arc::new(StandingClock),
            status: Arc::new(StageStatus::new(stage.name())),
        };
        Worker::run(Arc::new(stepped), stage, config, &shutdown)
            .map_err(|error| error.to_string())?;
    }
    log.sweep().map_err(|error| error.to_string())
}

/// Takes input in as the ingress and the clock do, each record answered before the next is sent, so
/// that whatever fails they come in the same order.
pub(crate) fn take_in(
    log: &dyn EventLog,
    story: &Story,
    topics: &TopicSettings,
    taken: &mut usize,
    end: usize,
) -> Result<(), LogError> {
    let appender = log.appender()?;
    for input in &story.input[*taken..end] {
        for answer in send(appender.as_ref(), input, topics) {
            wait_for(answer)?;
        }
        *taken += 1;
    }
    Ok(())
}

/// Takes all of the input in, sent at once.
pub(crate) fn take_in_all(
    log: &dyn EventLog,
    story: &Story,
    topics: &TopicSettings,
) -> Result<(), LogError> {
    let appender = log.appender()?;
    let inputs = story.input.iter();
    let answers: Vec<_> = inputs
        .flat_map(|input| send(appender.as_ref(), input, topics))
        .collect();
    answers
        .into_iter()
        .try_for_each(|answer| wait_for(answer).map(drop))
}

fn send(appender: &dyn Appender, input: &Input, topics: &TopicSettings) -> Vec<AppendFuture> {
    let raw = topics.route(&ZOOM_RAW);
    let partitions: Vec<_> = match &input.key {
        Some(key) => vec![raw.partition(raw.partition_for(key.as_bytes()))],
        None => raw.all().collect(),
    };
    let key = input.key.as_deref().unwrap_or("tick").as_bytes();
    let partitions = partitions.iter();
    partitions
        .map(|partition| appender.append(partition, Some(key), &input.value))
        .collect()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
