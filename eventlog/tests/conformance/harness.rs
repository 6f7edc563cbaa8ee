//! What the tests need of an engine, and helpers that make them short.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rollcall_eventlog::{
    Appender, CleanupPolicy, EventLog, LogError, Member, MemberConfig, Polled, RecordBatch,
    TopicConfig, TopicPartition, UnitOfWork,
};

/// How long anything may take before it counts as never. Nothing is asserted to be quick.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a poll waits.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// An engine under test. Each value is one log, which may be opened several times in a row.
pub(crate) trait Engine {
    /// Opens the log; closes it first where it is open.
    fn open(&self) -> Arc<dyn EventLog>;

    /// Makes a topic whose old records go as soon as the engine comes to it.
    fn create(
        &self,
        log: &dyn EventLog,
        name: &str,
        partitions: u32,
        cleanup: CleanupPolicy,
    ) -> Arc<str>;

    /// Brings the engine to drop and compact what it may of what is in the topic now.
    fn clean(&self, log: &dyn EventLog, topic: &Arc<str>);

    /// Where the log is, for [`engine_at`](crate::engine_at) in another process.
    fn address(&self) -> String;

    /// How often a process that works on it is killed: starting one takes engines differently long.
    fn kills(&self) -> u32;

    /// A further log, which has room for about a hundred records of 100 bytes that wait.
    fn crowded(&self) -> Box<dyn Crowded>;
}

/// A log that can be kept from writing.
pub(crate) trait Crowded {
    fn log(&self) -> &dyn EventLog;

    /// From now on nothing is written.
    fn hold(&mut self);

    /// It goes on.
    fn release(&mut self);
}

/// Keeps records for a day.
pub(crate) const KEPT: CleanupPolicy = CleanupPolicy::Delete {
    retention_ms: 86_400_000,
};

/// A name that no other test and no earlier run has.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!(
        "conformance-{}-{}-{name}",
        now.as_micros(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

pub(crate) fn topic_config(name: &str, partitions: u32, cleanup: CleanupPolicy) -> TopicConfig {
    TopicConfig {
        name: name.into(),
        partitions,
        replication: 1,
        cleanup,
    }
}

/// A new topic that keeps its records.
pub(crate) fn topic(log: &dyn EventLog, name: &str, partitions: u32) -> Arc<str> {
    let name = unique(name);
    log.ensure_topics(&[topic_config(&name, partitions, KEPT)])
        .unwrap();
    name.into()
}

pub(crate) fn partition(topic: &Arc<str>, number: u32) -> TopicPartition {
    TopicPartition::new(Arc::clone(topic), number)
}

/// Waits for a future.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

pub(crate) fn append(
    appender: &dyn Appender,
    partition: &TopicPartition,
    key: &str,
    value: &str,
) -> i64 {
    wait(appender.append(partition, Some(key.as_bytes()), value.as_bytes())).unwrap()
}

/// Calls `step` until it gives something.
pub(crate) fn eventually<T>(what: &str, mut step: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(result) = step() {
            return result;
        }
        assert!(Instant::now() < deadline, "never came: {what}");
    }
}

pub(crate) fn join(
    log: &dyn EventLog,
    group: &str,
    topic: &Arc<str>,
    instance: &str,
) -> Box<dyn Member> {
    log.join(MemberConfig {
        group: group.to_owned(),
        topics: vec![Arc::clone(topic)],
        instance: instance.to_owned(),
    })
    .unwrap()
}

/// Polls until partitions are assigned.
pub(crate) fn assigned(member: &mut dyn Member) -> Vec<(TopicPartition, Option<i64>)> {
    eventually("an assignment", || match member.poll(100, POLL).unwrap() {
        Polled::Assigned(partitions) => Some(partitions),
        Polled::Idle | Polled::Records(_) => None,
        other => panic!("an assignment was expected, not {other:?}"),
    })
}

/// Polls until partitions are assigned, and starts them where the group is.
pub(crate) fn started(member: &mut dyn Member) -> BTreeSet<TopicPartition> {
    let from: Vec<_> = assigned(member)
        .into_iter()
        .map(|(partition, committed)| (partition, committed.unwrap_or(0)))
        .collect();
    member.start(&from).unwrap();
    from.into_iter().map(|(partition, _)| partition).collect()
}

/// Polls until there are records.
pub(crate) fn records(member: &mut dyn Member, max_records: usize) -> RecordBatch {
    eventually("records", || {
        match member.poll(max_records, POLL).unwrap() {
            Polled::Records(batch) if !batch.is_empty() => Some(batch),
            Polled::Records(_) | Polled::Idle => None,
            other => panic!("records were expected, not {other:?}"),
        }
    })
}

/// A unit of work with one output each of topic, partition, key and value.
pub(crate) fn unit(
    outputs: &[(&Arc<str>, u32, &str, &str)],
    offsets: &[(TopicPartition, i64)],
) -> UnitOfWork {
    let mut unit = UnitOfWork {
        offsets: offsets.to_vec(),
        ..UnitOfWork::default()
    };
    for (topic, partition, key, value) in outputs {
        put(&mut unit, topic, *partition, key, Some(value));
    }
    unit
}

/// Adds an output.
pub(crate) fn put(
    unit: &mut UnitOfWork,
    topic: &Arc<str>,
    partition: u32,
    key: &str,
    value: Option<&str>,
) {
    let key = Some(key.as_bytes());
    match value {
        Some(value) => {
            let write = &mut |out: &mut Vec<u8>| out.extend_from_slice(value.as_bytes());
            unit.outputs.push(topic, partition, key, Some(write), []);
        }
        None => unit.outputs.push(topic, partition, key, None, []),
    }
}

/// A record, as far as most tests are interested in it.
pub(crate) type Seen = (String, Option<String>);

pub(crate) fn seen(batch: &RecordBatch) -> Vec<Seen> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    batch
        .iter()
        .map(|it| (text(it.key.unwrap_or_default()), it.value.map(text)))
        .collect()
}

/// Everything in a partition that a reader is shown from its start to its end: offset and record.
pub(crate) fn contents_at(log: &dyn EventLog, partition: &TopicPartition) -> Vec<(i64, Seen)> {
    let offsets = log.offsets(partition).unwrap();
    let mut reader = log.reader(&[(partition.clone(), offsets.start)]).unwrap();
    let (mut position, mut all) = (offsets.start, Vec::new());
    eventually("the end of the partition", || {
        if position >= offsets.end {
            return Some(());
        }
        if let Some(batch) = reader.poll(1000, POLL).unwrap() {
            assert!(
                batch.next_offset() > position,
                "a batch moves the position on"
            );
            let found = batch.iter().map(|it| it.offset).zip(seen(&batch));
            for (offset, record) in found {
                assert!(
                    offset >= position && offset < batch.next_offset(),
                    "offsets grow"
                );
                position = offset + 1;
                all.push((offset, record));
            }
            position = batch.next_offset();
        }
        None
    });
    all
}

/// The values in a partition, in order.
pub(crate) fn values(log: &dyn EventLog, partition: &TopicPartition) -> Vec<String> {
    contents_at(log, partition)
        .into_iter()
        .map(|(_, (_, value))| value.unwrap_or_default())
        .collect()
}

pub(crate) fn committed(
    log: &dyn EventLog,
    group: &str,
    partition: &TopicPartition,
) -> Option<i64> {
    log.committed(group, std::slice::from_ref(partition))
        .unwrap()[0]
}

/// Whether a call was refused because the log is closed.
pub(crate) fn is_closed<T>(result: Result<T, LogError>) -> bool {
    matches!(result, Err(LogError::Closed { .. }))
}
