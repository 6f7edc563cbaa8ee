//! Stores that are rebuilt, and stages that must not go on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rollcall_eventlog::{EventLog, LogError, RecordBatch, TopicPartition};
use rollcall_runtime::status::WorkerState;
use rollcall_runtime::{
    Outcome, RuntimeError, Shutdown, Stage, StateError, Task, Unit, View, Worker,
};

use crate::counting::{Counting, EVENTS, INPUT};
use crate::faults::{Disk, Fault, Faults, FaultyLog};
use crate::harness::{Cut, Engine, compare, config, feed, is_done, memory_log, records, run};

const CUT: Cut = Cut {
    batch_records: 9,
    unit_records: 20,
    flush_records: 30,
};

fn input(from: u32, to: u32) -> Vec<(u32, String, String)> {
    (from..to)
        .map(|n| (n % 3, format!("key-{}", n % 7), format!("value-{n}")))
        .collect()
}

fn run_both(log: &Arc<dyn EventLog>, folder: &Path) {
    for stage in [Counting::Count, Counting::Total] {
        run(log, stage, &disk(folder), 1, CUT);
    }
}

fn disk(folder: &Path) -> Arc<Disk> {
    Arc::new(Disk::new(folder.to_owned(), &Faults::default()))
}

/// Runs both stages over a first part of the input, does `harm` to the stores' folder, and runs them
/// over the rest.
fn harmed_in_between(harm: impl Fn(&Path)) {
    for engine in [Engine::Embedded, Engine::Memory { gaps: true }] {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let log = engine.open(&folder.path().join("log"));
        let mut all = input(0, 100);
        feed(log.as_ref(), &all);
        run_both(&log, &state);
        harm(&state);
        let more = input(80, 160);
        feed(log.as_ref(), &more);
        all.extend(more);
        run_both(&log, &state);
        for stage in [Counting::Count, Counting::Total] {
            compare(log.as_ref(), stage, &state, &all);
        }
    }
}

#[test]
fn a_store_that_is_gone_is_rebuilt() {
    harmed_in_between(|folder| std::fs::remove_dir_all(folder).unwrap());
}

#[test]
fn a_damaged_store_is_rebuilt() {
    harmed_in_between(|folder| {
        for stage in ["count", "total"] {
            std::fs::write(folder.join(stage).join("1/CURRENT"), "not a manifest\n").unwrap();
        }
    });
}

#[test]
fn a_store_of_another_format_is_rebuilt() {
    harmed_in_between(|folder| {
        for stage in ["count", "total"] {
            let db = rocksdb::DB::open_default(folder.join(stage).join("0")).unwrap();
            db.put(b"", b"written by a future version").unwrap();
            db.put(b"row key-1", b"nonsense").unwrap();
        }
    });
}

#[test]
fn an_interrupted_rebuild_goes_on() {
    for engine in [Engine::Embedded, Engine::Memory { gaps: true }] {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let log = engine.open(&folder.path().join("log"));
        feed(log.as_ref(), &input(0, 300));
        run_both(&log, &state);
        std::fs::remove_dir_all(&state).unwrap();
        feed(log.as_ref(), &input(250, 310));
        for stage in [Counting::Count, Counting::Total] {
            // Each start gets a little further: 34 reads of 9 records are needed.
            let killed = Disk::new(
                state.clone(),
                &Faults {
                    commits: &[],
                    reads: &[7; 9],
                },
            );
            run(&log, stage, &Arc::new(killed), 1, CUT);
            compare(
                log.as_ref(),
                stage,
                &state,
                &[input(0, 300), input(250, 310)].concat(),
            );
        }
    }
}

/// A version of the first stage that keeps another state.
#[derive(Clone, Copy)]
struct NextVersion;

impl Stage for NextVersion {
    fn name(&self) -> &'static str {
        Counting::Count.name()
    }
    fn input(&self) -> &'static str {
        Counting::Count.input()
    }
    fn view(&self) -> View {
        Counting::Count.view()
    }
    fn state_version(&self) -> u32 {
        2
    }
    fn task(&self, partition: u32) -> Box<dyn Task> {
        Counting::Count.task(partition)
    }
}

#[test]
fn a_new_version_of_the_stage_rebuilds_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let log = Engine::Embedded.open(&folder.path().join("log"));
    feed(log.as_ref(), &input(0, 30));
    run_both(&log, &state);
    rocksdb::DB::open_default(state.join("count/0"))
        .unwrap()
        .put(b"row of the old version", b"")
        .unwrap();
    run(&log, NextVersion, &disk(&state), 1, CUT);
    compare(log.as_ref(), Counting::Count, &state, &input(0, 30));
}

#[test]
fn a_store_ahead_of_the_log_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let first = Engine::Embedded.open(&folder.path().join("log"));
    feed(first.as_ref(), &input(0, 100));
    run_both(&first, &state);
    let anew = Engine::Embedded.open(&folder.path().join("log anew"));
    feed(anew.as_ref(), &input(500, 530));
    run_both(&anew, &state);
    for stage in [Counting::Count, Counting::Total] {
        compare(anew.as_ref(), stage, &state, &input(500, 530));
    }
}

#[test]
fn a_store_that_the_input_no_longer_reaches_back_to_is_rebuilt_from_its_output() {
    let folder = tempfile::tempdir().unwrap();
    let old = tempfile::tempdir().unwrap();
    let memory = memory_log(true);
    let log: Arc<dyn EventLog> = Arc::new(memory.clone());
    feed(log.as_ref(), &input(0, 30));
    run(&log, Counting::Count, &disk(old.path()), 1, CUT);
    feed(log.as_ref(), &input(30, 90));
    run(&log, Counting::Count, &disk(folder.path()), 1, CUT);
    for partition in 0..3 {
        memory.drop_below(&TopicPartition::new(INPUT, partition), 20);
    }
    // The first store, at offset 10, comes back from a backup.
    feed(log.as_ref(), &input(60, 120));
    run(&log, Counting::Count, &disk(old.path()), 1, CUT);
    let all = [input(0, 90), input(60, 120)].concat();
    compare(log.as_ref(), Counting::Count, old.path(), &all);
}

/// Runs one worker until it stops by itself.
fn stops(log: &Arc<dyn EventLog>, stage: Arc<dyn Stage>) -> RuntimeError {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), stage.name(), "worker", CUT);
    let status = Arc::clone(&config.status);
    let error = Worker::run(Arc::clone(log), stage, config, &Shutdown::default()).unwrap_err();
    assert_eq!(
        status.snapshot().workers["worker"],
        WorkerState::Failed(error.to_string())
    );
    assert!(!status.snapshot().is_ready());
    error
}

#[test]
fn a_stage_whose_input_was_dropped_before_it_was_read_stops() {
    let memory = memory_log(false);
    let log: Arc<dyn EventLog> = Arc::new(memory.clone());
    feed(log.as_ref(), &input(0, 30));
    memory.set_committed("rollcall-count", &TopicPartition::new(INPUT, 0), 4);
    memory.drop_below(&TopicPartition::new(INPUT, 0), 5);
    let error = stops(&log, Arc::new(Counting::Count));
    assert!(
        matches!(
            &error,
            RuntimeError::Log(LogError::OutOfRange {
                offset: 4,
                start: 5,
                ..
            })
        ),
        "{error}"
    );
    assert!(
        records(log.as_ref(), EVENTS)
            .iter()
            .all(|event| event.partition != 0)
    );
}

#[test]
fn a_group_above_the_end_of_its_log_stops() {
    let memory = memory_log(false);
    let log: Arc<dyn EventLog> = Arc::new(memory.clone());
    feed(log.as_ref(), &input(0, 3));
    memory.set_committed("rollcall-count", &TopicPartition::new(INPUT, 0), 9);
    let error = stops(&log, Arc::new(Counting::Count));
    assert!(
        matches!(
            error,
            RuntimeError::AboveEnd {
                committed: 9,
                end: 1,
                ..
            }
        ),
        "{error}"
    );
}

/// Says nothing of its records, and has a view of another partition count.
struct Faulty {
    view: View,
}

impl Stage for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }
    fn input(&self) -> &'static str {
        INPUT
    }
    fn view(&self) -> View {
        self.view
    }
    fn task(&self, _: u32) -> Box<dyn Task> {
        Box::new(Silent)
    }
}

struct Silent;

impl Task for Silent {
    fn process(
        &mut self,
        _: &RecordBatch,
        _: &mut Unit<'_>,
        _: &mut Vec<Outcome>,
    ) -> Result<(), StateError> {
        Ok(())
    }
    fn restore(&mut self, _: &RecordBatch, _: &mut Unit<'_>) -> Result<(), StateError> {
        Ok(())
    }
    fn finish(&mut self, _: &mut Unit<'_>) -> Result<(), StateError> {
        Ok(())
    }
    fn reset(&mut self) {}
}

#[test]
fn a_stage_that_loses_count_stops_without_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let log = Engine::Embedded.open(folder.path());
    feed(log.as_ref(), &input(0, 1));
    let error = stops(&log, Arc::new(Faulty { view: View::Input }));
    assert!(
        matches!(
            error,
            RuntimeError::Outcomes {
                records: 1,
                outcomes: 0,
                ..
            }
        ),
        "{error}"
    );
    let committed = log
        .committed("rollcall-faulty", &[TopicPartition::new(INPUT, 0)])
        .unwrap();
    assert_eq!(committed, [None]);
}

#[test]
fn a_stage_whose_view_has_other_partitions_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let log = Engine::Embedded.open(folder.path());
    let error = stops(
        &log,
        Arc::new(Faulty {
            view: View::Output("nowhere"),
        }),
    );
    assert!(matches!(error, RuntimeError::NoTopic { .. }), "{error}");
    let one = rollcall_eventlog::TopicConfig {
        name: "one".into(),
        partitions: 1,
        replication: 1,
        cleanup: rollcall_eventlog::CleanupPolicy::Delete { retention_ms: 1 },
    };
    log.ensure_topics(&[one]).unwrap();
    let error = stops(
        &log,
        Arc::new(Faulty {
            view: View::Output("one"),
        }),
    );
    assert!(
        matches!(
            error,
            RuntimeError::Partitions {
                view_partitions: 1,
                input_partitions: 3,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_worker_that_is_fenced_again_and_again_stops() {
    let folder = tempfile::tempdir().unwrap();
    let inner = Engine::Embedded.open(&folder.path().join("log"));
    feed(inner.as_ref(), &input(0, 30));
    let faults = Faults {
        commits: &[Fault::Fenced, Fault::Fenced],
        reads: &[],
    };
    let disk = Arc::new(Disk::new(folder.path().join("state"), &faults));
    let log: Arc<dyn EventLog> = Arc::new(FaultyLog { inner, disk });
    let error = stops(&log, Arc::new(Counting::Count));
    assert!(matches!(error, RuntimeError::Fenced { .. }), "{error}");
    assert!(records(log.as_ref(), EVENTS).is_empty());
}

#[test]
fn a_worker_whose_place_was_taken_leaves_no_trace() {
    let log = memory_log(false);
    let folder = tempfile::tempdir().unwrap();
    let start = |state: &str, rest| {
        let mut config = config(&folder.path().join(state), "count", "one name", CUT);
        config.commit.least_rest = rest;
        config.commit.most_rest = rest;
        config.commit.max_interval = Duration::MAX;
        let (log, shutdown) = (log.clone(), Shutdown::default());
        let handle = shutdown.clone();
        (
            std::thread::spawn(move || {
                Worker::run(Arc::new(log), Arc::new(Counting::Count), config, &shutdown)
            }),
            handle,
        )
    };
    let wait = || {
        while !is_done(&log, &Counting::Count) {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    // The first commit comes at once, the next not before an hour.
    let (zombie, stop_zombie) = start("a", Duration::from_secs(3600));
    feed(&log, &input(0, 1));
    wait();
    feed(&log, &input(1, 30));
    while log.unread("rollcall-count") > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (heir, stop_heir) = start("b", Duration::ZERO);
    wait();
    stop_zombie.request();
    zombie.join().unwrap().unwrap();
    stop_heir.request();
    heir.join().unwrap().unwrap();
    compare(
        &log,
        Counting::Count,
        &folder.path().join("b"),
        &input(0, 30),
    );
}
