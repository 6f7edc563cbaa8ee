//! A process that is killed at a step of a commit leaves all of it or nothing.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rollcall_eventlog::kafka::{CommitStep, KafkaLog};

use crate::harness::{assigned, committed, join, partition, started, topic, unique, unit, values};

/// What the child is told.
const CHILD_STEP: &str = "ROLLCALL_TEST_CHILD_STEP";
const CHILD_TOPIC: &str = "ROLLCALL_TEST_CHILD_TOPIC";
const CHILD_GROUP: &str = "ROLLCALL_TEST_CHILD_GROUP";

/// The steps of a commit, and the names under which a child process is told to stop at one.
const STEPS: [(&str, CommitStep); 4] = [
    ("begun", CommitStep::Begun),
    ("outputs", CommitStep::OutputsWritten),
    ("offsets", CommitStep::OffsetsWritten),
    ("committed", CommitStep::Committed),
];

#[test]
fn a_process_killed_at_a_step_of_a_commit_leaves_all_or_nothing() {
    let Some(brokers) = super::brokers() else {
        return;
    };
    let log = KafkaLog::open(super::patient(brokers)).unwrap();
    for (name, step) in STEPS {
        let (topic, group) = (topic(&*log, name, 1), unique("group"));
        let source = partition(&topic, 0);
        kill_child_at(name, &topic, &group);

        // A restart under the same name takes over at once, and ends what was left open.
        let mut heir = join(&*log, &group, &topic, "one");
        let (offset, mut left) = match step {
            CommitStep::Committed => (Some(1), vec!["child"]),
            _ => (None, Vec::new()),
        };
        assert_eq!(
            assigned(&mut *heir),
            [(source.clone(), offset)],
            "at {name}"
        );
        assert_eq!(values(&*log, &source), left, "at {name}");
        heir.start(&[(source.clone(), 0)]).unwrap();
        heir.commit(&unit(&[(&topic, 0, "k", "heir")], &[(source.clone(), 2)]))
            .unwrap();
        left.push("heir");
        assert_eq!(values(&*log, &source), left, "at {name}");
        assert_eq!(committed(&*log, &group, &source), Some(2));
    }
}

/// Runs [`child_that_stops_inside_of_a_commit`] in a process of its own, and kills it there.
fn kill_child_at(step: &str, topic: &str, group: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kafka::crash::child_that_stops_inside_of_a_commit",
            "--ignored",
            "--nocapture",
        ])
        .envs([
            (CHILD_STEP, step),
            (CHILD_TOPIC, topic),
            (CHILD_GROUP, group),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reached = lines
        .map_while(Result::ok)
        .any(|line| line.contains("CHILD REACHED"));
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert!(reached, "the child never came to {step}");
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn child_that_stops_inside_of_a_commit() {
    let (Some(brokers), Ok(step)) = (super::brokers(), std::env::var(CHILD_STEP)) else {
        return;
    };
    let topic = Arc::<str>::from(std::env::var(CHILD_TOPIC).unwrap());
    let group = std::env::var(CHILD_GROUP).unwrap();
    let known = STEPS.into_iter().find(|(name, _)| *name == step);
    let (_, stop_at) = known.expect("a step");
    let mut config = super::patient(brokers);
    config.on_commit_step = Some(Arc::new(move |step| {
        if step == stop_at {
            println!("CHILD REACHED");
            loop {
                std::thread::park();
            }
        }
    }));
    let log = KafkaLog::open(config).unwrap();
    let mut member = join(&*log, &group, &topic, "one");
    started(&mut *member);
    let offsets = [(partition(&topic, 0), 1)];
    member
        .commit(&unit(&[(&topic, 0, "k", "child")], &offsets))
        .unwrap();
}
