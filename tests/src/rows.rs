//! Reads the rows of the log, and holds them to the truth.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rollcall_eventlog::{EventLog, TopicPartition};
use rollcall_sandbox::truth::Truth;
use rollcall_schemas::record::AttendanceRow;
use rollcall_schemas::wire::ATTENDANCE_ROW;

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

/// Asserts that every row is as it must be, and that there is no other.
///
/// # Panics
///
/// Where one is not.
pub fn assert_rows(log: &Arc<dyn EventLog>, prefix: &str, truth: &Truth) {
    let got = rows(log, prefix);
    let wanted: BTreeMap<_, _> = truth
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
        "{} of {} rows:\n{}",
        wrong.len(),
        wanted.len(),
        wrong.join("\n")
    );
}
