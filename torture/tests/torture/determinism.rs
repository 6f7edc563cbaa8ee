//! The same input, cut in every way: the same last value of every key, byte for byte.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rollcall_eventlog::EventLog;
use rollcall_eventlog::crash_points::{CrashPoints, Failure, Kind, Trigger};
use rollcall_eventlog::kafka::{KafkaConfig, KafkaLog};
use rollcall_processors::attendance::Attendance;
use rollcall_processors::engagement::Engagement;
use rollcall_runtime::{
    FlushPolicy, RuntimeError, Shutdown, Stage, StageStatus, StateMemory, StateSettings, Worker,
    WorkerConfig,
};

use crate::life::{Cut, Place, StandingClock, copy_stores, open, take_in_all};
use crate::observe::{LastValues, differences, last_values, untruths};
use crate::run::run;
use crate::stepped::Stepped;
use crate::story::Story;

const STORY: u64 = 2;
const PARTITIONS: u32 = 4;
const SMALL: Cut = Cut {
    partitions: PARTITIONS,
    batch_records: 3,
    unit_records: 7,
    write_back_records: 15,
    flush_records: 30,
    ..Cut::USUAL
};
const LARGE: Cut = Cut {
    partitions: PARTITIONS,
    input_records: 100_000,
    batch_records: 100_000,
    unit_records: 100_000,
    write_back_records: 1_000_000,
    flush_records: 1_000_000,
    segment_bytes: 32 << 20,
    restarts: 0,
    ..Cut::USUAL
};

/// Runs both stages over input that is all there, with some workers of each, on threads of their
/// own. Where `crash`, each stage's process dies once, with all its workers, and is started again.
fn play(
    log: &Arc<dyn EventLog>,
    prefix: &str,
    cut: &Cut,
    workers: usize,
    crash: Option<Trigger>,
    wait: Duration,
) -> LastValues {
    let (story, place, topics) = (Story::of(STORY), Place::new(), cut.topics(prefix));
    log.ensure_topics(&topics.configs()).expect("topics");
    take_in_all(log.as_ref(), &story, &topics).expect("input");
    let stages: [Arc<dyn Stage>; 2] = [
        Arc::new(Attendance::new(story.settings.clone(), &topics)),
        Arc::new(Engagement::new(&topics)),
    ];
    let memory = StateMemory::new(8 << 20);
    for stage in stages {
        let status = Arc::new(StageStatus::new(stage.name()));
        let work = |number: usize| {
            let shutdown = Shutdown::default();
            let stepped = Stepped {
                log: Arc::clone(log),
                drained: Arc::new(Mutex::new(Box::new(|| Ok(false)))),
                shutdown: shutdown.clone(),
                wait,
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
                instance: format!("worker-{number}"),
                clock: Arc::new(StandingClock),
                status: Arc::clone(&status),
            };
            Worker::run(Arc::new(stepped), Arc::clone(&stage), config, &shutdown)
        };
        let run_all = |points: Option<&Arc<CrashPoints>>| {
            std::thread::scope(|scope| {
                let running: Vec<_> = (0..workers)
                    .map(|number| {
                        scope.spawn(move || {
                            let _installed = points.map(CrashPoints::install);
                            work(number)
                        })
                    })
                    .collect();
                let ends = running.into_iter().map(|it| it.join().expect("no panic"));
                ends.collect::<Result<Vec<()>, RuntimeError>>()
            })
        };
        if crash.is_some() {
            let (state, copy) = (place.state(), place.state_at_death());
            let points = CrashPoints::new(crash, move || copy_stores(&state, &copy));
            run_all(Some(&points)).expect_err("it dies");
            assert!(
                points.is_dead(),
                "{crash:?} was not reached by {}",
                stage.name()
            );
            fs::remove_dir_all(place.state()).expect("there are stores");
            fs::rename(place.state_at_death(), place.state()).expect("there is a copy");
        }
        run_all(None).expect("it works");
    }
    last_values(log.as_ref(), prefix)
}

fn on_the_embedded_log(cut: &Cut, workers: usize, crash: Option<Trigger>) -> LastValues {
    let place = Place::new();
    let log: Arc<dyn EventLog> = open(&place, cut).expect("a log");
    play(&log, "", cut, workers, crash, Duration::from_millis(2))
}

/// One worker, small batches, on the embedded log.
fn reference() -> LastValues {
    let values = on_the_embedded_log(&SMALL, 1, None);
    let untruths = untruths(&Story::of(STORY), &values);
    assert!(untruths.is_empty(), "{}", untruths.join("\n"));
    values
}

fn assert_same(what: &str, wanted: &LastValues, got: &LastValues) {
    let found = differences(wanted, got);
    assert!(
        found.is_empty(),
        "{what}: {} differences:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// A process that dies when the log has a unit of work and its store does not.
const BETWEEN: Trigger = Trigger::Step {
    name: "after the log took a unit of work",
    kind: Kind::Moment,
    visit: 1,
    failure: Failure::CrashBefore,
};
/// One that dies when a unit of work is made and the log does not have it.
const BEFORE: Trigger = Trigger::Step {
    name: "before the log takes a unit of work",
    kind: Kind::Moment,
    visit: 1,
    failure: Failure::CrashBefore,
};

#[test]
fn workers_batches_and_crashes_do_not_show_on_the_embedded_log() {
    let wanted = reference();
    for cut in [SMALL, LARGE] {
        for workers in [1, 2, 4] {
            let got = on_the_embedded_log(&cut, workers, None);
            assert_same(
                &format!("{workers} workers, batches of {}", cut.batch_records),
                &wanted,
                &got,
            );
            for crash in [BETWEEN, BEFORE] {
                let got = on_the_embedded_log(&cut, workers, Some(crash));
                assert_same(
                    &format!(
                        "{workers} workers, {crash:?}, batches of {}",
                        cut.batch_records
                    ),
                    &wanted,
                    &got,
                );
            }
        }
    }
}

#[test]
fn workers_batches_and_crashes_do_not_show_on_kafka() {
    let Ok(brokers) = std::env::var("KAFKA_BROKERS") else {
        println!("KAFKA_BROKERS names no Apache Kafka: `make test` starts one and sets it");
        return;
    };
    let wanted = reference();
    // A unit of work costs a transaction here, so that the small ones are fewer.
    let small = Cut {
        batch_records: 10,
        unit_records: 40,
        ..SMALL
    };
    let of = |partitions, cut| Cut { partitions, ..cut };
    let runs = [
        (small, 1, None),
        (small, 2, None),
        (small, 4, None),
        (LARGE, 1, None),
        (LARGE, 4, None),
        (of(1, small), 1, None),
        (of(1, LARGE), 1, Some(BETWEEN)),
        (of(2, small), 1, Some(BEFORE)),
        (of(2, LARGE), 2, None),
        (small, 1, Some(BETWEEN)),
        (small, 4, Some(BETWEEN)),
        (LARGE, 2, Some(BEFORE)),
    ];
    for (number, (cut, workers, crash)) in runs.into_iter().enumerate() {
        let log: Arc<dyn EventLog> =
            KafkaLog::open(KafkaConfig::new(&*brokers)).expect("the log opens");
        let prefix = format!("determinism-{}-{number}.", std::process::id());
        let got = play(
            &log,
            &prefix,
            &cut,
            workers,
            crash,
            Duration::from_millis(50),
        );
        assert_same(
            &format!(
                "Kafka, {} tasks, {workers} workers, {crash:?}, batches of {}",
                cut.partitions, cut.batch_records
            ),
            &wanted,
            &got,
        );
    }
}

#[test]
fn stores_rebuilt_from_their_topics_go_on_as_those_that_were_kept() {
    let wanted = reference();
    let story = Story::of(STORY);
    for cut in [
        Cut {
            restarts: 2,
            ..SMALL
        },
        Cut {
            restarts: 2,
            ..LARGE
        },
    ] {
        let kept = run(&story, &cut, |_, _| (), |_| None).expect("a run");
        assert_same("kept", &wanted, &kept.values);
        // zoom.events is replayed for attendance, engagement.attendance for engagement.
        let lose = |life: usize, place: &Place| {
            if life > 0 {
                fs::remove_dir_all(place.state()).expect("there are stores");
            }
        };
        let rebuilt = run(&story, &cut, lose, |_| None).expect("a run");
        assert_same("rebuilt", &wanted, &rebuilt.values);
    }
}

/// Another count of partitions puts meetings and people in other tasks.
#[test]
fn the_count_of_tasks_does_not_show() {
    let story = Story::of(STORY);
    let wanted = reference();
    for partitions in [1, 2, 4] {
        for cut in [SMALL, LARGE] {
            let got = run(&story, &Cut { partitions, ..cut }, |_, _| (), |_| None).expect("a run");
            assert_same(
                &format!("{partitions} tasks, batches of {}", cut.batch_records),
                &wanted,
                &got.values,
            );
        }
    }
}
