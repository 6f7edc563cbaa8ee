//! The ingress and the clock on the log that ships.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::http::HeaderMap;
use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::{EventLog, Reader};
use rollcall_producer::clock_role::{ClockRole, ClockRoleSettings};
use rollcall_producer::ingress::{ANSWER_WITHIN, Answer, Ingress, IngressSettings, Refusal};
use rollcall_producer::signature::Verifier;
use rollcall_runtime::clock::{Clock, SystemClock};
use rollcall_runtime::secret::Secret;
use rollcall_runtime::{Shutdown, TopicSettings};
use rollcall_schemas::catalogue::ZOOM_RAW;
use rollcall_schemas::record::{RawKind, RawRecord};
use rollcall_schemas::wire::RAW_RECORD;

const LONG: Duration = Duration::from_secs(60);

fn open(folder: &Path) -> Arc<EmbeddedLog> {
    let log = EmbeddedLog::open(EmbeddedConfig {
        reserve_bytes: 0,
        ..EmbeddedConfig::new(folder)
    })
    .expect("opened");
    log.ensure_topics(&TopicSettings::default().configs())
        .expect("topics");
    log
}

/// Reads all partitions of `zoom.raw` from the start, a record at a time.
struct RawReader(Box<dyn Reader>);

impl RawReader {
    fn new(log: &dyn EventLog) -> Self {
        let from: Vec<_> = TopicSettings::default()
            .route(&ZOOM_RAW)
            .all()
            .map(|partition| (partition, 0))
            .collect();
        Self(log.reader(&from).expect("a reader"))
    }

    /// The next record: its partition and its key, and what `look` sees in it.
    fn next<T>(&mut self, look: impl Fn(&RawRecord<'_>) -> T) -> (u32, String, T) {
        loop {
            let batch = self
                .0
                .poll(1, LONG)
                .expect("read")
                .expect("a record within a minute");
            if let Some(record) = batch.iter().next() {
                let key = String::from_utf8(record.key.expect("a key").to_vec()).expect("text");
                let raw = RAW_RECORD
                    .decode(record.value.expect("a value"))
                    .expect("a raw record");
                return (batch.partition().partition, key, look(&raw));
            }
        }
    }
}

#[test]
fn what_was_answered_with_200_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path());
    let settings = IngressSettings {
        secrets: vec![Secret::new("s")],
        account_id: None,
        log_webhooks: false,
        answer_within: ANSWER_WITHIN,
    };
    let route = TopicSettings::default().route(&ZOOM_RAW);
    let appender = log.appender().expect("an appender");
    let ingress =
        Ingress::new(settings, appender, route.clone(), Arc::new(SystemClock)).expect("a secret");

    let body =
        br#"{"event":"meeting.ended","payload":{"account_id":"A1","object":{"id":"86084701483"}}}"#;
    let timestamp = (SystemClock.now_ms() / 1000).to_string();
    let verifier = Verifier::new(&[Secret::new("s")]).expect("a secret");
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-zm-request-timestamp",
        timestamp.parse().expect("a header"),
    );
    headers.insert(
        "x-zm-signature",
        verifier
            .sign(timestamp.as_bytes(), body)
            .parse()
            .expect("a header"),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    assert_eq!(
        runtime.block_on(ingress.receive(&headers, body)),
        Answer::Kept
    );

    log.close().expect("closed");
    let answer = runtime.block_on(ingress.receive(&headers, body));
    assert_eq!(
        answer,
        Answer::Refused(Refusal::LogUnavailable),
        "a closed log"
    );
    drop((ingress, log));

    let log = open(folder.path());
    let mut reader = RawReader::new(log.as_ref());
    let (partition, key, kept) =
        reader.next(|raw| raw.webhook.as_ref().map(|webhook| webhook.body.to_vec()));
    assert_eq!(
        (key.as_str(), partition),
        ("86084701483", route.partition_for(b"86084701483"))
    );
    assert_eq!(kept.as_deref(), Some(&body[..]));
    log.close().expect("closed");
}

/// A clock that a test moves.
#[derive(Default)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

struct Running {
    shutdown: Shutdown,
    thread: std::thread::JoinHandle<()>,
}

fn start_clock(log: &Arc<EmbeddedLog>, clock: &Arc<HandClock>, instance: &str) -> Running {
    let settings = ClockRoleSettings {
        topics: TopicSettings::default(),
        instance: instance.to_owned(),
        every: Duration::from_millis(2),
    };
    let role = ClockRole::new(
        Arc::clone(log) as Arc<dyn EventLog>,
        Arc::clone(clock) as Arc<dyn Clock>,
        settings,
    );
    let shutdown = Shutdown::default();
    let requested = shutdown.clone();
    let thread = std::thread::spawn(move || role.run(&requested).expect("a log that works"));
    Running { shutdown, thread }
}

impl Running {
    fn stop(self) {
        self.shutdown.request();
        self.thread.join().expect("no panic");
    }
}

/// The next record of each partition is a tick of this time. That it is the next shows that there was
/// no other in between.
fn each_partition_ticks(reader: &mut RawReader, at: i64) {
    let mut partitions: Vec<u32> = (0..TopicSettings::default().partitions.get())
        .map(|_| {
            let (partition, key, (kind, tick)) = reader.next(|raw| (raw.kind, raw.tick.clone()));
            assert_eq!((key.as_str(), kind), ("tick", RawKind::Tick));
            assert_eq!(tick.expect("set").at, at);
            partition
        })
        .collect();
    partitions.sort_unstable();
    assert_eq!(partitions, [0, 1, 2, 3]);
}

#[test]
fn one_of_two_processes_ticks_in_every_partition_as_the_clock_moves() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path());
    let clock = Arc::new(HandClock::default());
    let mut reader = RawReader::new(log.as_ref());
    clock.0.store(1_000, Ordering::SeqCst);
    let first = start_clock(&log, &clock, "a");
    each_partition_ticks(&mut reader, 1_000);
    let second = start_clock(&log, &clock, "b");
    for at in [2_000, 3_000, 4_000] {
        clock.0.store(at, Ordering::SeqCst);
        each_partition_ticks(&mut reader, at);
    }
    clock.0.store(500, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(20));
    clock.0.store(5_000, Ordering::SeqCst);
    each_partition_ticks(&mut reader, 5_000);
    first.stop();
    // The one that takes over does not know what was ticked, and says the time once more.
    each_partition_ticks(&mut reader, 5_000);
    clock.0.store(6_000, Ordering::SeqCst);
    each_partition_ticks(&mut reader, 6_000);
    second.stop();
    log.close().expect("closed");
}

#[test]
fn a_log_that_is_closed_ends_the_clock_with_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path());
    log.close().expect("closed");
    let settings = ClockRoleSettings {
        topics: TopicSettings::default(),
        instance: "a".to_owned(),
        every: Duration::from_millis(2),
    };
    let role = ClockRole::new(log, Arc::new(SystemClock), settings);
    let error = role.run(&Shutdown::default()).expect_err("closed");
    assert!(error.to_string().contains("closed"), "{error}");
}
