//! The stage, run as the runtime runs it, over a store in memory.

use std::collections::BTreeMap;

pub(super) use crate::memory_state::MemoryState as Memory;
use rollcall_eventlog::{
    Header, Headers, OutputBatch, RecordBatch, RecordBatchBuilder, RecordRef, TopicPartition,
};
use rollcall_runtime::{Outcome, Stage, StateError, Task, TopicSettings, Unit};
use rollcall_schemas::header::{CONTACT_VERSION, VERSION};
use rollcall_schemas::record::{Activity, AttendanceRow, Contact};
use rollcall_schemas::wire::{ACTIVITY, ATTENDANCE_ROW, CONTACT};
use rollcall_schemas::{key, partitioner};

use super::Engagement;

/// A record of `engagement.attendance`.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "tests hold few")]
pub(super) enum Record {
    Row(AttendanceRow<'static>),
    Gone {
        email: String,
        occurrence: String,
        version: i64,
    },
    Raw {
        key: Option<String>,
        value: Option<Vec<u8>>,
        version: Option<String>,
    },
}

impl Record {
    pub(super) fn gone(email: &str, occurrence: &str, version: i64) -> Self {
        Self::Gone {
            email: email.to_owned(),
            occurrence: occurrence.to_owned(),
            version,
        }
    }

    fn key(&self) -> Option<String> {
        match self {
            Self::Row(row) => Some(key::join(&row.email, &row.occurrence)),
            Self::Gone {
                email, occurrence, ..
            } => Some(key::join(email, occurrence)),
            Self::Raw { key, .. } => key.clone(),
        }
    }

    pub(super) fn value(&self) -> Option<Vec<u8>> {
        match self {
            Self::Row(row) => Some(ATTENDANCE_ROW.encoder().encode(row)),
            Self::Gone { .. } => None,
            Self::Raw { value, .. } => value.clone(),
        }
    }

    fn version(&self) -> Option<String> {
        match self {
            Self::Row(_) => None,
            Self::Gone { version, .. } => Some(version.to_string()),
            Self::Raw { version, .. } => version.clone(),
        }
    }
}

fn batch(records: &[Record]) -> RecordBatch {
    let mut builder = RecordBatchBuilder::new(TopicPartition::new("engagement.attendance", 0));
    for (offset, record) in (0..).zip(records) {
        let mut headers = Vec::new();
        if let Some(version) = record.version() {
            Headers::encode_into(
                Header {
                    name: VERSION,
                    value: version.as_bytes(),
                },
                &mut headers,
            );
        }
        builder.push(RecordRef {
            offset,
            timestamp: 0,
            key: record.key().as_deref().map(str::as_bytes),
            value: record.value().as_deref(),
            headers: Headers::from_encoded(&headers),
        });
    }
    builder.finish(i64::try_from(records.len()).unwrap())
}

/// An activity that was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    pub(super) contact_version: i64,
}

impl Said {
    pub(super) fn activity(&self) -> Activity<'_> {
        ACTIVITY.decode(&self.value).unwrap()
    }
}

/// One partition of the stage, its store, and what it wrote.
pub(super) struct Line {
    pub(super) state: Memory,
    task: Box<dyn Task>,
    /// The last value of every contact's key.
    pub(super) contacts: BTreeMap<String, Vec<u8>>,
    /// Every write of a contact: whose, and of a tombstone the version.
    pub(super) contacts_written: Vec<(String, Option<i64>)>,
    pub(super) said: Vec<Said>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            state: Memory::default(),
            task: Engagement::new(&TopicSettings::default()).task(0),
            contacts: BTreeMap::new(),
            contacts_written: Vec::new(),
            said: Vec::new(),
        }
    }

    /// One unit of work of one batch.
    pub(super) fn unit(&mut self, records: &[Record]) -> Vec<Outcome> {
        self.try_unit(records).unwrap()
    }

    pub(super) fn try_unit(&mut self, records: &[Record]) -> Result<Vec<Outcome>, StateError> {
        self.unit_of(&[records])
    }

    /// One unit of work of several batches.
    pub(super) fn unit_of(&mut self, batches: &[&[Record]]) -> Result<Vec<Outcome>, StateError> {
        let mut outputs = OutputBatch::default();
        let mut outcomes = Vec::new();
        for records in batches {
            let mut unit = Unit {
                state: &mut self.state,
                outputs: &mut outputs,
            };
            self.task
                .process(&batch(records), &mut unit, &mut outcomes)?;
        }
        assert_eq!(
            outcomes.len(),
            batches.iter().map(|records| records.len()).sum::<usize>()
        );
        self.task.finish(&mut Unit {
            state: &mut self.state,
            outputs: &mut outputs,
        })?;
        self.commit(&outputs);
        Ok(outcomes)
    }

    /// A unit of work that is given up before its end.
    pub(super) fn aborted(&mut self, records: &[Record]) {
        let (mut state, mut outputs) = (self.state.clone(), OutputBatch::default());
        let mut unit = Unit {
            state: &mut state,
            outputs: &mut outputs,
        };
        self.task
            .process(&batch(records), &mut unit, &mut Vec::new())
            .unwrap();
        self.task.reset();
    }

    /// The process died: memory is gone, and with `store_too` the store, which is read anew from
    /// what was committed of the input.
    pub(super) fn crash(&mut self, store_too: bool, committed: &[Record]) {
        self.task = Engagement::new(&TopicSettings::default()).task(0);
        if store_too {
            self.state = Memory::default();
            for records in committed.chunks(3) {
                let mut outputs = OutputBatch::default();
                self.task
                    .restore(
                        &batch(records),
                        &mut Unit {
                            state: &mut self.state,
                            outputs: &mut outputs,
                        },
                    )
                    .unwrap();
            }
        }
    }

    pub(super) fn contact(&self, email: &str) -> Option<Contact<'static>> {
        let bytes: &'static [u8] = self.contacts.get(email)?.clone().leak();
        Some(CONTACT.decode(bytes).unwrap())
    }

    pub(super) fn last_said(&self, key: &str) -> Activity<'_> {
        self.said
            .iter()
            .rev()
            .find(|said| said.key == key)
            .expect("it was said")
            .activity()
    }

    fn commit(&mut self, outputs: &OutputBatch) {
        let number = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().parse::<i64>().unwrap();
        for output in outputs.iter() {
            let key = String::from_utf8(output.key.unwrap().to_vec()).unwrap();
            let part = key::partition_part(key.as_bytes());
            assert_eq!(output.partition, partitioner::partition(part, 4), "{key}");
            match (&**output.topic, output.value) {
                ("engagement.contacts", Some(value)) => {
                    self.contacts.insert(key.clone(), value.to_vec());
                    self.contacts_written.push((key, None));
                }
                ("engagement.contacts", None) => {
                    self.contacts.remove(&key);
                    self.contacts_written
                        .push((key, output.headers.get(VERSION).map(number)));
                }
                ("engagement.activities", Some(value)) => self.said.push(Said {
                    key,
                    value: value.to_vec(),
                    contact_version: number(output.headers.get(CONTACT_VERSION).unwrap()),
                }),
                (topic, value) => panic!("{topic}: {value:?}"),
            }
        }
    }
}
