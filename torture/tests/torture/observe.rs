//! What the topics hold in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use rollcall_eventlog::{EventLog, TopicPartition};
use rollcall_sandbox::truth::Attendance;
use rollcall_schemas::record::{AttendanceRow, Contact};
use rollcall_schemas::wire::{ATTENDANCE_ROW, CONTACT};

use crate::story::Story;

/// The topics that are compared.
pub(crate) const COMPARED: [&str; 6] = [
    "zoom.events",
    "engagement.occurrences",
    "engagement.attendance",
    "engagement.contacts",
    "engagement.activities",
    "rollcall.dead-letters",
];

/// The last value of every key, by topic; tombstones are left out.
pub(crate) type LastValues = BTreeMap<&'static str, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Every record of a topic: partition, key, value.
pub(crate) type Records = Vec<(u32, Vec<u8>, Option<Vec<u8>>)>;

pub(crate) fn records(log: &dyn EventLog, topic: &str) -> Records {
    let mut records = Vec::new();
    let partitions = log
        .partitions(topic)
        .expect("the log answers")
        .expect("the topic exists");
    // One reader for all: opening one on Kafka takes longer than reading what is there.
    let mut ends = BTreeMap::new();
    let mut from = Vec::new();
    for partition in 0..partitions {
        let at = TopicPartition::new(topic, partition);
        let offsets = log.offsets(&at).expect("the log answers");
        if offsets.start < offsets.end {
            ends.insert(partition, offsets.end);
            from.push((at, offsets.start));
        }
    }
    if from.is_empty() {
        return records;
    }
    let mut reader = log.reader(&from).expect("a reader");
    while !ends.is_empty() {
        let Some(batch) = reader
            .poll(10_000, Duration::from_secs(30))
            .expect("the log can be read")
        else {
            panic!("{topic} answers nothing before {ends:?}");
        };
        let partition = batch.partition().partition;
        if ends
            .get(&partition)
            .is_some_and(|end| batch.next_offset() >= *end)
        {
            ends.remove(&partition);
        }
        records.extend(batch.iter().map(|record| {
            (
                partition,
                record.key.expect("every record has a key").to_vec(),
                record.value.map(<[u8]>::to_vec),
            )
        }));
    }
    records
}

pub(crate) fn last_values(log: &dyn EventLog, prefix: &str) -> LastValues {
    let mut all = LastValues::new();
    for topic in COMPARED {
        let last = all.entry(topic).or_default();
        for (_, key, value) in records(log, &format!("{prefix}{topic}")) {
            match value {
                Some(value) => last.insert(key, value),
                None => last.remove(&key),
            };
        }
    }
    all
}

/// In what the last values differ, in words; nothing where they are the same.
pub(crate) fn differences(wanted: &LastValues, got: &LastValues) -> Vec<String> {
    let mut found = Vec::new();
    for topic in COMPARED {
        let (Some(wanted), Some(got)) = (wanted.get(topic), got.get(topic)) else {
            continue;
        };
        for (key, value) in wanted {
            let key_text = String::from_utf8_lossy(key);
            match got.get(key) {
                None => found.push(format!("{topic}: {key_text} is missing")),
                Some(other) if other != value => found.push(format!(
                    "{topic}: {key_text} is\n  {}, wanted\n  {}",
                    String::from_utf8_lossy(other),
                    String::from_utf8_lossy(value)
                )),
                Some(_) => {}
            }
        }
        for key in got.keys().filter(|key| !wanted.contains_key(*key)) {
            found.push(format!(
                "{topic}: {} should not be",
                String::from_utf8_lossy(key)
            ));
        }
    }
    found
}

/// What a contact adds up.
#[derive(Debug, Default, Eq, PartialEq)]
struct Totals {
    attended: i32,
    no_shows: i32,
    seconds: i64,
}

impl Totals {
    fn of_contact(contact: &Contact<'_>) -> Self {
        Self {
            attended: contact.webinars_attended + contact.meetings_attended,
            no_shows: contact.no_shows,
            seconds: contact.total_seconds,
        }
    }

    /// What the true rows of a person come to.
    fn of_rows(story: &Story, email: &str) -> Self {
        let mut totals = Self::default();
        for ((of, _), row) in &story.truth.attendance {
            if of == email {
                totals.attended += i32::from(row.status == Attendance::Attended);
                totals.no_shows += i32::from(row.status == Attendance::NoShow);
                totals.seconds += row.seconds;
            }
        }
        totals
    }
}

/// In what rows, contacts and activities are not the truth, in words.
pub(crate) fn untruths(story: &Story, values: &LastValues) -> Vec<String> {
    let mut rows = BTreeMap::new();
    for value in values["engagement.attendance"].values() {
        let row: AttendanceRow<'_> = ATTENDANCE_ROW.decode(value).expect("a row");
        let says = (
            format!("{:?}", row.status),
            row.seconds,
            row.share.map(i64::from).unwrap_or_default(),
        );
        rows.insert((row.email.to_string(), row.occurrence.to_string()), says);
    }
    let mut found = Vec::new();
    for (key, row) in &story.truth.attendance {
        let wanted = (
            format!("{:?}", row.status),
            row.seconds,
            row.share.unwrap_or_default(),
        );
        let got = rows.remove(key);
        if got.as_ref() != Some(&wanted) {
            found.push(format!(
                "{key:?}: the row says {got:?}, and {wanted:?} is true"
            ));
        }
    }
    found.extend(
        rows.keys()
            .map(|key| format!("{key:?}: there is a row and should not be")),
    );
    let contacts: BTreeMap<String, Totals> = values["engagement.contacts"]
        .values()
        .map(|value| {
            let contact: Contact<'_> = CONTACT.decode(value).expect("a contact");
            (contact.email.to_string(), Totals::of_contact(&contact))
        })
        .collect();
    for email in story.truth.contacts.keys() {
        let wanted = Totals::of_rows(story, email);
        let got = contacts.get(email);
        if got != Some(&wanted) {
            found.push(format!(
                "the contact {email} says {got:?}, and {wanted:?} is true"
            ));
        }
    }
    found.extend(
        contacts
            .keys()
            .filter(|email| !story.truth.contacts.contains_key(*email))
            .map(|email| format!("{email} is a contact and should not be")),
    );
    let activities: std::collections::BTreeSet<_> = values["engagement.activities"]
        .keys()
        .map(|key| String::from_utf8_lossy(key).into_owned())
        .collect();
    let wanted: std::collections::BTreeSet<_> = story.truth.events.keys().cloned().collect();
    found.extend(
        wanted
            .difference(&activities)
            .map(|id| format!("activity {id} is missing")),
    );
    found.extend(
        activities
            .difference(&wanted)
            .map(|id| format!("activity {id} should not be")),
    );
    found
}
