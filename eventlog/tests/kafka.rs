//! What only the Kafka engine can get wrong: rebalances, fencing, crashes inside of a transaction,
//! transaction markers. Runs where `KAFKA_BROKERS` names a cluster (`scripts/kafka.sh start`).

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rollcall_eventlog::kafka::{CommitStep, KafkaConfig, KafkaLog};
use rollcall_eventlog::{
    Appender, CleanupPolicy, CommitError, EventLog, LogError, Member, MemberConfig, OutputBatch,
    Polled, RecordBatch, TopicConfig, TopicPartition, UnitOfWork,
};

/// How long anything may take before it counts as never. Nothing is asserted to be quick.
const PATIENCE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(50);

/// The brokers, or `None` where the test is to be skipped.
fn brokers() -> Option<String> {
    let brokers = std::env::var("KAFKA_BROKERS")
        .ok()
        .filter(|brokers| !brokers.is_empty());
    if brokers.is_none() {
        eprintln!("skipped: KAFKA_BROKERS is not set");
    }
    brokers
}

/// Opens the log, or leaves the test.
macro_rules! open_or_skip {
    () => {
        match brokers() {
            Some(brokers) => open(config(brokers)),
            None => return,
        }
    };
}

/// A session so long that no test passes because one ended.
fn config(brokers: String) -> KafkaConfig {
    let mut config = KafkaConfig::new(brokers);
    config.session_timeout = Duration::from_secs(300);
    config
}

fn open(config: KafkaConfig) -> Arc<KafkaLog> {
    KafkaLog::open(config).expect("the cluster of KAFKA_BROKERS can be reached")
}

/// A name that no other test and no earlier run has.
fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    format!(
        "test-{}-{}-{name}",
        now.as_micros(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

fn topic_config(name: &str, partitions: u32) -> TopicConfig {
    let cleanup = CleanupPolicy::Delete {
        retention_ms: 86_400_000,
    };
    TopicConfig {
        name: name.into(),
        partitions,
        replication: 1,
        cleanup,
    }
}

fn topic(log: &KafkaLog, name: &str, partitions: u32) -> Arc<str> {
    let name = unique(name);
    log.ensure_topics(&[topic_config(&name, partitions)])
        .expect("a new topic");
    name.into()
}

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn append(
    appender: &dyn Appender,
    partition: &TopicPartition,
    value: &str,
) -> Result<i64, LogError> {
    wait(appender.append(partition, Some(b"key"), value.as_bytes()))
}

fn join(log: &KafkaLog, group: &str, topic: &Arc<str>, instance: &str) -> Box<dyn Member> {
    let config = MemberConfig {
        group: group.to_owned(),
        topics: vec![Arc::clone(topic)],
        instance: instance.to_owned(),
    };
    log.join(config).expect("the group can be joined")
}

/// Calls `step` until it gives something.
fn eventually<T>(what: &str, mut step: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(result) = step() {
            return result;
        }
        assert!(Instant::now() < deadline, "never came: {what}");
    }
}

fn poll(member: &mut dyn Member) -> Polled {
    member.poll(100, POLL).expect("polling")
}

/// Polls until partitions are assigned.
fn assigned(member: &mut dyn Member) -> Vec<(TopicPartition, Option<i64>)> {
    eventually("an assignment", || match poll(member) {
        Polled::Assigned(partitions) => Some(partitions),
        Polled::Idle | Polled::Records(_) => None,
        other => panic!("an assignment was expected, not {other:?}"),
    })
}

/// Polls until partitions are assigned, and starts them where the group is.
fn started(member: &mut dyn Member) -> BTreeSet<TopicPartition> {
    let from: Vec<_> = assigned(member)
        .into_iter()
        .map(|(partition, committed)| (partition, committed.unwrap_or(0)))
        .collect();
    member
        .start(&from)
        .expect("what is assigned can be started");
    from.into_iter().map(|(partition, _)| partition).collect()
}

/// Polls both until one has partitions taken away.
fn revoked(member: &mut dyn Member, other: &mut dyn Member) -> Vec<TopicPartition> {
    eventually("a revocation", || {
        let polled = poll(other);
        assert!(
            matches!(polled, Polled::Idle),
            "the other gets nothing before the release, not {polled:?}"
        );
        match poll(member) {
            Polled::Revoking(partitions) => Some(partitions),
            _ => None,
        }
    })
}

/// Polls both until one has partitions assigned.
fn taken(member: &mut dyn Member, other: &mut dyn Member) -> BTreeMap<TopicPartition, Option<i64>> {
    eventually("an assignment", || {
        let _ = poll(other);
        match poll(member) {
            Polled::Assigned(partitions) => Some(partitions.into_iter().collect()),
            _ => None,
        }
    })
}

fn values(batch: &RecordBatch) -> Vec<String> {
    batch
        .iter()
        .map(|record| String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned())
        .collect()
}

fn unit(output: Option<(&Arc<str>, u32, &str)>, offsets: &[(TopicPartition, i64)]) -> UnitOfWork {
    let mut unit = UnitOfWork {
        outputs: OutputBatch::default(),
        offsets: offsets.to_vec(),
    };
    if let Some((topic, partition, value)) = output {
        let write = &mut |out: &mut Vec<u8>| out.extend_from_slice(value.as_bytes());
        unit.outputs
            .push(topic, partition, Some(b"key"), Some(write), []);
    }
    unit
}

/// Everything in a partition that a reader is shown, up to its end.
fn contents(log: &KafkaLog, partition: &TopicPartition) -> Vec<String> {
    let end = log.offsets(partition).expect("offsets").end;
    let mut reader = log.reader(&[(partition.clone(), 0)]).expect("a reader");
    let (mut position, mut seen) = (0, Vec::new());
    eventually("the end of the partition", || {
        if position >= end {
            return Some(());
        }
        if let Some(batch) = reader.poll(100, POLL).expect("reading") {
            seen.extend(values(&batch));
            position = batch.next_offset();
        }
        None
    });
    seen
}

#[test]
fn topics_are_created_once_and_never_changed() {
    let log = open_or_skip!();
    let name = unique("topics");
    assert_eq!(log.partitions(&name).expect("an answer"), None);
    let wanted = topic_config(&name, 3);
    let compacted = TopicConfig {
        name: unique("compacted").into(),
        cleanup: CleanupPolicy::Compact {
            tombstone_retention_ms: 1000,
        },
        ..topic_config("", 3)
    };
    for _ in 0..2 {
        log.ensure_topics(&[wanted.clone(), compacted.clone()])
            .expect("created, then found as wanted");
    }
    assert_eq!(log.partitions(&name).expect("an answer"), Some(3));

    for other in [
        TopicConfig {
            partitions: 4,
            ..wanted.clone()
        },
        TopicConfig {
            cleanup: compacted.cleanup,
            ..wanted.clone()
        },
        TopicConfig {
            cleanup: wanted.cleanup,
            ..compacted
        },
    ] {
        let error = log
            .ensure_topics(std::slice::from_ref(&other))
            .expect_err("another topic than that which exists");
        assert!(
            matches!(&error, LogError::TopicMismatch { topic, .. } if *topic == *other.name),
            "{error}"
        );
    }
    let missing = TopicPartition::new(&*name, 3);
    assert!(
        matches!(log.offsets(&missing), Err(LogError::UnknownPartition { partition }) if partition == missing)
    );
}

#[test]
fn an_append_is_found_by_its_offset_and_time() {
    let log = open_or_skip!();
    let partition = TopicPartition::new(topic(&log, "append", 1), 0);
    let appender = log.appender().expect("an appender");
    let offsets =
        ["a", "b", "c"].map(|value| append(&*appender, &partition, value).expect("appended"));
    assert_eq!(offsets, [0, 1, 2]);
    let mut reader = log.reader(&[(partition.clone(), 1)]).expect("a reader");
    let batch = eventually("records", || reader.poll(1, POLL).expect("reading"));
    assert_eq!(
        (values(&batch), batch.next_offset()),
        (vec!["b".to_owned()], 2)
    );
    let time = batch.iter().next().expect("one record").timestamp;
    let at = log
        .offset_at(&partition, time)
        .expect("an answer")
        .expect("a record of that time");
    assert!(
        at <= 1,
        "the first record of that time or later is not after {at}"
    );
    assert_eq!(
        log.offset_at(&partition, i64::MIN).expect("an answer"),
        Some(0)
    );
    assert_eq!(
        log.offset_at(&partition, time + 3_600_000)
            .expect("an answer"),
        None
    );
}

#[test]
fn an_append_is_refused_at_once_where_the_queue_is_full() {
    let Some(brokers) = brokers() else { return };
    let mut config = config(brokers);
    // Nothing leaves the queue of two by itself.
    for (name, value) in [
        ("queue.buffering.max.messages", "2"),
        ("linger.ms", "300000"),
    ] {
        config.properties.insert(name.to_owned(), value.to_owned());
    }
    config.delivery_timeout = Duration::from_secs(600);
    let log = open(config);
    let partition = TopicPartition::new(topic(&log, "busy", 1), 0);
    let appender = log.appender().expect("an appender");
    let queued = [
        appender.append(&partition, None, b"a"),
        appender.append(&partition, None, b"b"),
    ];
    let refused = wait(appender.append(&partition, None, b"c")).expect_err("a full queue");
    assert!(matches!(refused, LogError::Busy { .. }), "{refused}");
    log.close().expect("closing delivers what is queued");
    for (queued, offset) in queued.into_iter().zip(0..) {
        assert_eq!(wait(queued).expect("delivered"), offset);
    }
    assert!(matches!(
        append(&*appender, &partition, "d"),
        Err(LogError::Closed { .. })
    ));
    assert!(matches!(log.appender(), Err(LogError::Closed { .. })));
}

#[test]
fn a_second_member_takes_half_and_gives_it_back_when_it_leaves() {
    let log = open_or_skip!();
    let (topic, group) = (topic(&log, "rebalance", 4), unique("group"));
    let mut first = join(&log, &group, &topic, "one");
    assert_eq!(started(&mut *first).len(), 4);
    let mut second = join(&log, &group, &topic, "two");

    let revoked = revoked(&mut *first, &mut *second);
    assert_eq!(revoked.len(), 2);
    let offsets: Vec<_> = revoked
        .iter()
        .map(|partition| (partition.clone(), 7))
        .collect();
    first
        .commit(&unit(None, &offsets))
        .expect("a commit before the release counts");
    for partition in &revoked {
        assert!(
            matches!(poll(&mut *second), Polled::Idle),
            "nothing before all is released"
        );
        first
            .release(std::slice::from_ref(partition))
            .expect("released one by one");
    }
    let taken = taken(&mut *second, &mut *first);
    assert_eq!(
        taken,
        offsets
            .into_iter()
            .map(|(partition, offset)| (partition, Some(offset)))
            .collect()
    );
    for partition in taken.into_keys() {
        second.start(&[(partition, 7)]).expect("started one by one");
    }

    second.leave();
    assert_eq!(started(&mut *first), revoked.into_iter().collect());
}

#[test]
fn a_partition_that_was_never_started_can_be_taken_away() {
    let log = open_or_skip!();
    let (topic, group) = (topic(&log, "unstarted", 2), unique("group"));
    let mut first = join(&log, &group, &topic, "one");
    let partitions = assigned(&mut *first);
    // The assignor takes the lower of two away, which is the one that is not started.
    let (start, _) = partitions.iter().max().expect("two partitions");
    first.start(&[(start.clone(), 0)]).expect("started");
    let mut second = join(&log, &group, &topic, "two");
    let revoked = revoked(&mut *first, &mut *second);
    assert_ne!(
        revoked,
        std::slice::from_ref(start),
        "the test is about the other one"
    );
    first.release(&revoked).expect("released");
    let taken = taken(&mut *second, &mut *first);
    assert_eq!(taken.into_keys().collect::<Vec<_>>(), revoked);
    // A member can go at any moment: this one has not answered its assignment.
    drop(second);
    first.leave();
}

/// Leaving is not to wait for the session to end, nor to hang.
#[test]
fn a_member_can_leave_at_every_point_of_a_rebalance() {
    let log = open_or_skip!();
    let (topic, group) = (topic(&log, "leaving", 2), unique("group"));

    join(&log, &group, &topic, "not polled").leave();

    let mut unanswered = join(&log, &group, &topic, "assigned");
    let all: BTreeSet<_> = assigned(&mut *unanswered)
        .into_iter()
        .map(|(partition, _)| partition)
        .collect();
    unanswered.leave();

    let mut first = join(&log, &group, &topic, "revoking");
    assert_eq!(started(&mut *first), all);
    let mut second = join(&log, &group, &topic, "two");
    let revoked = revoked(&mut *first, &mut *second);
    assert_eq!(revoked.len(), 1);
    first.leave();
    let mut got = BTreeSet::new();
    while got.len() < 2 {
        got.extend(started(&mut *second));
    }
    assert_eq!(got, all);

    // This one goes while the group shares out anew because another came.
    let third = join(&log, &group, &topic, "three");
    second.leave();
    third.leave();
}

#[test]
fn of_two_of_one_name_the_older_is_fenced() {
    let log = open_or_skip!();
    let (topic, group) = (topic(&log, "zombie", 1), unique("group"));
    let partition = TopicPartition::new(Arc::clone(&topic), 0);
    let mut zombie = join(&log, &group, &topic, "one");
    started(&mut *zombie);
    zombie
        .commit(&unit(
            Some((&topic, 0, "before")),
            &[(partition.clone(), 1)],
        ))
        .expect("the only one of its name");

    let mut heir = join(&log, &group, &topic, "one");
    for offsets in [&[(partition.clone(), 9)][..], &[]] {
        let error = zombie
            .commit(&unit(Some((&topic, 0, "zombie")), offsets))
            .expect_err("fenced");
        assert!(matches!(error, CommitError::Fenced { .. }), "{error:?}");
    }
    // At once: the session of five minutes is not waited for.
    assert_eq!(assigned(&mut *heir), [(partition.clone(), Some(1))]);
    heir.start(&[(partition.clone(), 1)]).expect("started");
    heir.commit(&unit(Some((&topic, 0, "heir")), &[(partition.clone(), 2)]))
        .expect("the heir commits");
    assert_eq!(contents(&log, &partition), ["before", "heir"]);
}

#[test]
fn outputs_alone_of_a_fenced_member_leave_no_trace() {
    let log = open_or_skip!();
    let (topic, group) = (topic(&log, "zombie-outputs", 1), unique("group"));
    let mut zombie = join(&log, &group, &topic, "one");
    zombie
        .commit(&unit(Some((&topic, 0, "before")), &[]))
        .expect("the only one of its name");
    let mut heir = join(&log, &group, &topic, "one");
    let error = zombie
        .commit(&unit(Some((&topic, 0, "zombie")), &[]))
        .expect_err("fenced");
    assert!(matches!(error, CommitError::Fenced { .. }), "{error:?}");
    heir.commit(&unit(Some((&topic, 0, "heir")), &[]))
        .expect("the heir commits");
    assert_eq!(
        contents(&log, &TopicPartition::new(topic, 0)),
        ["before", "heir"]
    );
}

/// A configuration under which who does not poll for two seconds is out.
fn impatient(brokers: String) -> KafkaConfig {
    let mut config = config(brokers);
    config.session_timeout = Duration::from_secs(2);
    config.max_poll_interval = Duration::from_secs(2);
    config
}

#[test]
fn a_member_that_does_not_poll_loses_its_place_and_cannot_commit() {
    let Some(brokers) = brokers() else { return };
    let log = open(impatient(brokers));
    let (topic, group) = (topic(&log, "lost", 1), unique("group"));
    let partition = TopicPartition::new(Arc::clone(&topic), 0);
    let mut slow = join(&log, &group, &topic, "slow");
    started(&mut *slow);
    let mut other = join(&log, &group, &topic, "other");
    assert_eq!(assigned(&mut *other), [(partition.clone(), None)]);
    other.start(&[(partition.clone(), 0)]).expect("started");
    other
        .commit(&unit(Some((&topic, 0, "other")), &[(partition.clone(), 5)]))
        .expect("in the group");

    let error = slow
        .commit(&unit(Some((&topic, 0, "slow")), &[(partition.clone(), 3)]))
        .expect_err("out of the group");
    assert!(matches!(error, CommitError::Fenced { .. }), "{error:?}");
    assert_eq!(
        log.committed(&group, std::slice::from_ref(&partition))
            .expect("an answer"),
        [Some(5)]
    );
    assert_eq!(contents(&log, &partition), ["other"]);
}

#[test]
fn a_member_that_lost_its_partitions_is_told_and_gets_them_back() {
    let Some(brokers) = brokers() else { return };
    let log = open(impatient(brokers));
    let (topic, group) = (topic(&log, "told", 2), unique("group"));
    let mut member = join(&log, &group, &topic, "one");
    let held = started(&mut *member);
    std::thread::sleep(Duration::from_secs(4));
    let lost = eventually("the loss", || match poll(&mut *member) {
        Polled::Lost(partitions) => Some(partitions),
        Polled::Records(_) | Polled::Idle => None,
        other => panic!("a loss was expected, not {other:?}"),
    });
    assert_eq!(lost.into_iter().collect::<BTreeSet<_>>(), held);
    assert_eq!(started(&mut *member), held);
    let offsets: Vec<_> = held.into_iter().map(|partition| (partition, 1)).collect();
    member
        .commit(&unit(None, &offsets))
        .expect("in the group again");
}

#[test]
fn transaction_markers_are_passed_at_the_end_of_a_partition() {
    let log = open_or_skip!();
    let (source, group) = (topic(&log, "markers", 1), unique("group"));
    let partition = TopicPartition::new(Arc::clone(&source), 0);
    let mut writer = join(&log, &unique("writer"), &source, "one");
    for value in ["a", "b"] {
        writer
            .commit(&unit(Some((&source, 0, value)), &[]))
            .expect("committed");
    }
    // Two records, each with a marker behind it.
    let offsets = log.offsets(&partition).expect("offsets");
    assert_eq!((offsets.start, offsets.end), (0, 4));

    let mut member = join(&log, &group, &source, "reader");
    started(&mut *member);
    let (mut seen, mut position) = (Vec::new(), 0);
    eventually("the end, past the last marker", || {
        if let Polled::Records(batch) = poll(&mut *member) {
            seen.extend(values(&batch));
            position = batch.next_offset();
        }
        (position == 4).then_some(())
    });
    assert_eq!(seen, ["a", "b"]);
    assert_eq!(contents(&log, &partition), ["a", "b"]);
}

#[test]
fn seeking_and_pausing_neither_lose_nor_repeat() {
    let log = open_or_skip!();
    let (topic, group) = (topic(&log, "seek", 2), unique("group"));
    let appender = log.appender().expect("an appender");
    let [paused, running] = [0, 1].map(|number| TopicPartition::new(Arc::clone(&topic), number));
    for n in 0..10 {
        append(&*appender, &paused, &format!("p{n}")).expect("appended");
    }
    let mut member = join(&log, &group, &topic, "one");
    assert!(matches!(
        member.seek(&paused, 0),
        Err(LogError::NotAssigned { .. })
    ));
    started(&mut *member);
    let some = |member: &mut dyn Member| {
        eventually("records", || match member.poll(3, POLL).expect("polling") {
            Polled::Records(batch) if !batch.is_empty() => Some(values(&batch)),
            _ => None,
        })
    };
    assert_eq!(some(&mut *member), ["p0", "p1", "p2"]);
    member.pause(std::slice::from_ref(&paused)).expect("paused");
    append(&*appender, &running, "r0").expect("appended");
    assert_eq!(
        some(&mut *member),
        ["r0"],
        "nothing of the partition that is paused"
    );
    member
        .resume(std::slice::from_ref(&paused))
        .expect("resumed");

    let rest = |member: &mut dyn Member| {
        let mut seen = Vec::new();
        eventually("the last record", || {
            if let Polled::Records(batch) = member.poll(4, POLL).expect("polling") {
                assert!(batch.len() <= 4);
                seen.extend(batch.iter().map(|record| record.offset));
            }
            (seen.last() == Some(&9)).then_some(())
        });
        seen
    };
    assert_eq!(rest(&mut *member), (3..10).collect::<Vec<_>>());
    member.seek(&paused, 6).expect("back");
    assert_eq!(rest(&mut *member), (6..10).collect::<Vec<_>>());
    // A seek while paused holds after the resumption.
    member.pause(std::slice::from_ref(&paused)).expect("paused");
    member.seek(&paused, 2).expect("back");
    member
        .resume(std::slice::from_ref(&paused))
        .expect("resumed");
    assert_eq!(rest(&mut *member), (2..10).collect::<Vec<_>>());
}

#[test]
fn a_position_below_the_start_of_the_log_is_an_error() {
    use rdkafka::admin::{AdminClient, AdminOptions};
    let log = open_or_skip!();
    let (topic, group) = (topic(&log, "range", 1), unique("group"));
    let partition = TopicPartition::new(Arc::clone(&topic), 0);
    let appender = log.appender().expect("an appender");
    for n in 0..5 {
        append(&*appender, &partition, &format!("{n}")).expect("appended");
    }
    let admin: AdminClient<_> = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", brokers().expect("set"))
        .create()
        .expect("an admin client");
    let mut until = rdkafka::TopicPartitionList::new();
    until
        .add_partition_offset(&topic, 0, rdkafka::Offset::Offset(3))
        .expect("an offset");
    wait(admin.delete_records(&until, &AdminOptions::new())).expect("records can be deleted");

    let is_range = |error: &LogError| {
        matches!(
            error,
            LogError::OutOfRange {
                offset: 1,
                start: 3,
                ..
            }
        )
    };
    let mut member = join(&log, &group, &topic, "one");
    assigned(&mut *member);
    member.start(&[(partition.clone(), 1)]).expect("started");
    let error = eventually("the error", || member.poll(100, POLL).err());
    assert!(is_range(&error), "{error}");
    let mut reader = log.reader(&[(partition, 1)]).expect("a reader");
    let error = eventually("the error", || reader.poll(100, POLL).err());
    assert!(is_range(&error), "{error}");
}

#[test]
fn a_unit_that_cannot_be_written_is_aborted_whole_and_the_member_goes_on() {
    let log = open_or_skip!();
    let (topic, group) = (topic(&log, "abort", 1), unique("group"));
    let partition = TopicPartition::new(Arc::clone(&topic), 0);
    let mut member = join(&log, &group, &topic, "one");
    started(&mut *member);
    let mut too_large = unit(Some((&topic, 0, "small")), &[(partition.clone(), 1)]);
    too_large.outputs.push(
        &topic,
        0,
        None,
        Some(&mut |out| out.resize(out.len() + (5 << 20), 0)),
        [],
    );
    let error = member.commit(&too_large).expect_err("5 MiB in one record");
    assert!(
        matches!(error, CommitError::Log(LogError::TooLarge { .. })),
        "{error:?}"
    );
    member
        .commit(&UnitOfWork::default())
        .expect("nothing to do");
    member
        .commit(&unit(Some((&topic, 0, "next")), &[(partition.clone(), 2)]))
        .expect("the member goes on");
    assert_eq!(contents(&log, &partition), ["next"]);
    assert_eq!(
        log.committed(&group, &[partition]).expect("an answer"),
        [Some(2)]
    );
}

/// A broker of this test alone, which is stopped with it.
struct Broker(tempfile::TempDir);

impl Broker {
    fn command(&self, command: &str) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka.sh");
        let output = Command::new(script)
            .arg(command)
            .env("ROLLCALL_KAFKA_HOME", self.0.path())
            .stderr(Stdio::inherit())
            .output()
            .expect("scripts/kafka.sh");
        assert!(output.status.success(), "kafka.sh {command}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.command("kill");
    }
}

#[test]
fn a_broker_that_is_killed_costs_time_and_no_records() {
    if brokers().is_none() {
        return;
    }
    let broker = Broker(tempfile::tempdir().expect("a folder"));
    let log = open(config(broker.command("start")));
    let (topic, group) = (topic(&log, "broker", 1), unique("group"));
    let partition = TopicPartition::new(Arc::clone(&topic), 0);
    let mut member = join(&log, &group, &topic, "one");
    started(&mut *member);

    let last = 60;
    let outage = std::thread::scope(|scope| {
        let broker = &broker;
        let mut outage = None;
        let mut next = 0;
        while next < last {
            if next == last / 2 {
                outage.get_or_insert_with(|| {
                    scope.spawn(|| {
                        broker.command("kill");
                        broker.command("start")
                    })
                });
            }
            let unit = unit(
                Some((&topic, 0, &next.to_string())),
                &[(partition.clone(), next + 1)],
            );
            match member.commit(&unit) {
                Ok(()) => next += 1,
                Err(CommitError::Aborted { .. }) => {}
                Err(CommitError::Unclear { reason }) => {
                    eprintln!("joining anew: {reason}");
                    drop(member);
                    member = join(&log, &group, &topic, "one");
                    next = assigned(&mut *member)[0].1.expect("committed before");
                    member.start(&[(partition.clone(), next)]).expect("started");
                }
                Err(error) => panic!("{error:?}"),
            }
            // Most of the outage is to be seen.
            if outage.as_ref().is_some_and(|outage| !outage.is_finished()) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        outage.map(|outage| outage.join())
    });
    assert!(outage.expect("an outage").is_ok());
    assert_eq!(
        contents(&log, &partition),
        (0..last).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    assert_eq!(
        log.committed(&group, &[partition]).expect("an answer"),
        [Some(last)]
    );
}

/// The steps of a commit, and the names under which a child process is told to stop at one.
const STEPS: [(&str, CommitStep); 4] = [
    ("begun", CommitStep::Begun),
    ("outputs", CommitStep::OutputsWritten),
    ("offsets", CommitStep::OffsetsWritten),
    ("committed", CommitStep::Committed),
];

#[test]
fn a_process_killed_inside_of_a_commit_leaves_all_or_nothing() {
    let log = open_or_skip!();
    for (name, step) in STEPS {
        let (topic, group) = (topic(&log, name, 1), unique("group"));
        let partition = TopicPartition::new(Arc::clone(&topic), 0);
        kill_child_at(name, &topic, &group);

        // A restart under the same name takes over at once, and ends what was left open.
        let mut heir = join(&log, &group, &topic, "one");
        let (committed, left) = match step {
            CommitStep::Committed => (Some(1), vec!["child"]),
            _ => (None, Vec::new()),
        };
        assert_eq!(
            assigned(&mut *heir),
            [(partition.clone(), committed)],
            "at {name}"
        );
        assert_eq!(contents(&log, &partition), left, "at {name}");
        heir.start(&[(partition.clone(), 0)]).expect("started");
        heir.commit(&unit(Some((&topic, 0, "heir")), &[(partition.clone(), 2)]))
            .expect("committed");
        assert_eq!(
            contents(&log, &partition),
            [left, vec!["heir"]].concat(),
            "at {name}"
        );
        assert_eq!(
            log.committed(&group, &[partition]).expect("an answer"),
            [Some(2)]
        );
    }
}

/// Runs [`child_that_stops_inside_of_a_commit`] in a process of its own, and kills it there.
fn kill_child_at(step: &str, topic: &str, group: &str) {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "child_that_stops_inside_of_a_commit",
            "--ignored",
            "--nocapture",
        ])
        .envs([
            ("CHILD_STEP", step),
            ("CHILD_TOPIC", topic),
            ("CHILD_GROUP", group),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let reached = lines
        .map_while(Result::ok)
        .any(|line| line.contains("CHILD REACHED"));
    child.kill().expect("killed"); // SIGKILL
    child.wait().expect("ended");
    assert!(reached, "the child never came to {step}");
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn child_that_stops_inside_of_a_commit() {
    let Some(brokers) = brokers() else { return };
    let Ok(step) = std::env::var("CHILD_STEP") else {
        return;
    };
    let of_child = |name: &str| std::env::var(name).expect("given by the parent");
    let (topic, group) = (
        Arc::<str>::from(of_child("CHILD_TOPIC")),
        of_child("CHILD_GROUP"),
    );
    let stop_at = STEPS
        .into_iter()
        .find(|(name, _)| *name == step)
        .expect("a step")
        .1;
    let mut config = config(brokers);
    config.on_commit_step = Some(Arc::new(move |step| {
        if step == stop_at {
            println!("CHILD REACHED");
            loop {
                std::thread::park();
            }
        }
    }));
    let log = open(config);
    let mut member = join(&log, &group, &topic, "one");
    started(&mut *member);
    let partition = TopicPartition::new(Arc::clone(&topic), 0);
    member
        .commit(&unit(Some((&topic, 0, "child")), &[(partition, 1)]))
        .expect("never here");
}
