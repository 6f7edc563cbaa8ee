//! Reads the rows of the log, and holds them to the truth.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use rollcall_eventlog::{EventLog, TopicPartition};
use rollcall_sandbox::truth::{OccurrenceTruth, Truth};
use rollcall_schemas::record::{AttendanceRow, OccurrenceRow, Phase};
use rollcall_schemas::wire::{ATTENDANCE_ROW, OCCURRENCE_ROW};

/// What a row says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// As in the schema.
    pub status: String,
    /// Seconds attended.
    pub seconds: i64,
    /// Whole percent.
    pub share: i64,
}

/// The last value of every key of a topic, tombstones left out.
///
/// # Panics
///
/// Where the log cannot be read.
#[must_use]
pub fn last_values(log: &Arc<dyn EventLog>, topic: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let partitions = log
        .partitions(topic)
        .expect("the log can be asked")
        .expect("the topic exists");
    let mut last = BTreeMap::new();
    for partition in (0..partitions).map(|number| TopicPartition::new(topic, number)) {
        let offsets = log.offsets(&partition).expect("the log can be asked");
        let mut position = offsets.start;
        if position >= offsets.end {
            continue;
        }
        let mut reader = log.reader(&[(partition, position)]).expect("a reader");
        while position < offsets.end {
            let Some(batch) = reader
                .poll(10_000, Duration::from_secs(30))
                .expect("the log can be read")
            else {
                panic!("{topic} answers nothing at {position} of {}", offsets.end);
            };
            for record in batch.iter() {
                let key = record.key.expect("every record has a key").to_vec();
                match record.value {
                    Some(value) => last.insert(key, value.to_vec()),
                    None => last.remove(&key),
                };
            }
            position = batch.next_offset();
        }
    }
    last
}

/// The rows that stand, by address and occurrence.
///
/// # Panics
///
/// Where the log cannot be read.
#[must_use]
pub fn rows(log: &Arc<dyn EventLog>, prefix: &str) -> BTreeMap<(String, String), Row> {
    last_values(log, &format!("{prefix}engagement.attendance"))
        .values()
        .map(|value| {
            let row: AttendanceRow<'_> = ATTENDANCE_ROW.decode(value).expect("a row");
            let status = serde_json::to_value(row.status).expect("a symbol");
            let row_says = Row {
                status: status.as_str().expect("a symbol").to_owned(),
                seconds: row.seconds,
                share: row.share.map(i64::from).unwrap_or_default(),
            };
            (
                (row.email.to_string(), row.occurrence.to_string()),
                row_says,
            )
        })
        .collect()
}

/// What the rows of the occurrences that took place say, by their ids. The seconds that people
/// attended are those of their rows.
///
/// # Panics
///
/// Where the log cannot be read, or an occurrence that did not take place says that somebody came.
#[must_use]
pub fn occurrences(log: &Arc<dyn EventLog>, prefix: &str) -> BTreeMap<String, OccurrenceTruth> {
    let mut seconds: BTreeMap<String, i64> = BTreeMap::new();
    for ((_, occurrence), row) in rows(log, prefix) {
        *seconds.entry(occurrence).or_default() += row.seconds;
    }
    let mut took_place = BTreeMap::new();
    for value in last_values(log, &format!("{prefix}engagement.occurrences")).values() {
        let row: OccurrenceRow<'_> = OCCURRENCE_ROW.decode(value).expect("a row");
        if row.phase != Phase::Ended {
            assert_eq!(
                (row.attended, row.no_shows, row.occurrence_seconds),
                (0, 0, 0),
                "{row:?}"
            );
            continue;
        }
        let count = |count: i32| usize::try_from(count).expect("a count");
        let says = OccurrenceTruth {
            topic: row.topic.as_deref().unwrap_or_default().to_owned(),
            webinar: row.webinar,
            seconds: row.occurrence_seconds,
            registered: count(row.registered),
            attended: count(row.attended),
            no_shows: count(row.no_shows),
            seconds_attended: seconds.get(&*row.occurrence).copied().unwrap_or_default(),
            recordings: row
                .recordings
                .iter()
                .map(|recording| recording.url.to_string())
                .collect(),
        };
        took_place.insert(row.occurrence.to_string(), says);
    }
    took_place
}

/// Asserts that every row of a person and of an occurrence is as it must be, and that there is no
/// other.
///
/// # Panics
///
/// Where one is not.
pub fn assert_rows(log: &Arc<dyn EventLog>, prefix: &str, truth: &Truth) {
    let wanted = truth
        .attendance
        .iter()
        .map(|(key, row)| {
            let row = Row {
                status: row.status.as_str().to_owned(),
                seconds: row.seconds,
                share: row.share.unwrap_or_default(),
            };
            (key.clone(), row)
        })
        .collect();
    assert_same("rows of people", &rows(log, prefix), &wanted);
    assert!(
        !truth.occurrences.is_empty(),
        "the story has occurrences that took place"
    );
    assert_same(
        "rows of occurrences",
        &occurrences(log, prefix),
        &truth.occurrences,
    );
}

fn assert_same<K: Debug + Ord, V: Debug + PartialEq>(
    what: &str,
    got: &BTreeMap<K, V>,
    wanted: &BTreeMap<K, V>,
) {
    let mut wrong: Vec<String> = wanted
        .iter()
        .filter(|(key, row)| got.get(*key) != Some(*row))
        .map(|(key, row)| format!("{key:?}: {:?}, wanted {row:?}", got.get(key)))
        .collect();
    wrong.extend(
        got.keys()
            .filter(|key| !wanted.contains_key(*key))
            .map(|key| format!("{key:?}: should not be")),
    );
    assert!(
        wrong.is_empty(),
        "{} of {} {what}:\n{}",
        wrong.len(),
        wanted.len(),
        wrong.join("\n")
    );
}
