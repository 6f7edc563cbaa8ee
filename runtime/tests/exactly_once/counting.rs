//! Two stages in which every loss, doubling or change of order shows, and what must come of them.
//!
//! `count` reads `in` and writes each record that is new to `events`, of which its state is a view;
//! `total` reads `events`, and its state is a view of that. Both write a row a key to `rows-*`: how
//! many records, and a hash over all of them in their order.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_eventlog::{CleanupPolicy, OutputBatch, RecordBatch, RecordRef, TopicConfig};
use rollcall_runtime::{Outcome, Rejection, Stage, StateError, StateView, Task, Unit, View};

pub(crate) const INPUT: &str = "in";
pub(crate) const EVENTS: &str = "events";
pub(crate) const PARTITIONS: u32 = 3;

/// The topics of the stages.
pub(crate) fn topics() -> Vec<TopicConfig> {
    let topic = |name: &str| TopicConfig {
        name: name.into(),
        partitions: PARTITIONS,
        replication: 1,
        cleanup: CleanupPolicy::Delete {
            retention_ms: 1 << 50,
        },
    };
    [INPUT, EVENTS, "rows-count", "rows-total"]
        .map(topic)
        .to_vec()
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Counting {
    Count,
    Total,
}

impl Counting {
    pub(crate) fn rows(self) -> &'static str {
        match self {
            Self::Count => "rows-count",
            Self::Total => "rows-total",
        }
    }
}

impl Stage for Counting {
    fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Total => "total",
        }
    }

    fn input(&self) -> &'static str {
        match self {
            Self::Count => INPUT,
            Self::Total => EVENTS,
        }
    }

    fn view(&self) -> View {
        match self {
            Self::Count => View::Output(EVENTS),
            Self::Total => View::Input,
        }
    }

    fn task(&self, partition: u32) -> Box<dyn Task> {
        Box::new(CountingTask {
            stage: *self,
            partition,
            rows: BTreeMap::new(),
        })
    }
}

/// How many records, and their hash.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Row {
    count: u64,
    hash: u64,
}

impl Row {
    pub(crate) fn take(&mut self, value: &[u8]) {
        self.count += 1;
        for byte in value {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        [self.count.to_le_bytes(), self.hash.to_le_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Self {
        let (count, hash) = bytes.split_at(8);
        Self {
            count: u64::from_le_bytes(count.try_into().unwrap()),
            hash: u64::from_le_bytes(hash.try_into().unwrap()),
        }
    }
}

struct CountingTask {
    stage: Counting,
    partition: u32,
    /// Rows changed in this unit of work.
    rows: BTreeMap<Vec<u8>, Row>,
}

/// What a record of the input is to the stage.
pub(crate) fn judge<'a>(record: &RecordRef<'a>) -> Result<&'a [u8], Outcome> {
    match record.value {
        None | Some(b"") => Err(Outcome::Ignored("empty")),
        Some([b'!', ..]) => Err(Outcome::Rejected(Rejection {
            class: "shout",
            message: "begins with an exclamation mark".into(),
        })),
        Some(value) => Ok(value),
    }
}

fn row_key(key: &[u8]) -> Vec<u8> {
    [b"row ", key].concat()
}

fn seen_key(value: &[u8]) -> Vec<u8> {
    [b"seen ", value].concat()
}

impl CountingTask {
    fn take(
        &mut self,
        key: &[u8],
        value: &[u8],
        state: &mut dyn StateView,
    ) -> Result<(), StateError> {
        if !self.rows.contains_key(key) {
            let row = state
                .get(&row_key(key))?
                .map(|bytes| Row::decode(&bytes))
                .unwrap_or_default();
            self.rows.insert(key.to_vec(), row);
        }
        self.rows.get_mut(key).unwrap().take(value);
        state.put(&seen_key(value), Vec::new());
        Ok(())
    }
}

impl Task for CountingTask {
    fn process(
        &mut self,
        batch: &RecordBatch,
        unit: &mut Unit<'_>,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), StateError> {
        for record in batch.iter() {
            let value = match judge(&record) {
                Ok(value) => value,
                Err(outcome) => {
                    outcomes.push(outcome);
                    continue;
                }
            };
            if unit.state.multi_get(&[&seen_key(value)])?[0].is_some() {
                outcomes.push(Outcome::Ignored("duplicate"));
                continue;
            }
            let key = record.key.unwrap_or_default();
            self.take(key, value, unit.state)?;
            if matches!(self.stage, Counting::Count) {
                push(unit.outputs, EVENTS, self.partition, key, value);
            }
            outcomes.push(Outcome::Effective);
        }
        Ok(())
    }

    fn restore(&mut self, batch: &RecordBatch, unit: &mut Unit<'_>) -> Result<(), StateError> {
        batch.iter().try_for_each(|record| {
            self.take(record.key.unwrap(), record.value.unwrap(), unit.state)
        })
    }

    fn finish(&mut self, unit: &mut Unit<'_>) -> Result<(), StateError> {
        for (key, row) in std::mem::take(&mut self.rows) {
            unit.state.put(&row_key(&key), row.encode());
            push(
                unit.outputs,
                self.stage.rows(),
                self.partition,
                &key,
                &row.encode(),
            );
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.rows.clear();
    }
}

fn push(outputs: &mut OutputBatch, topic: &str, partition: u32, key: &[u8], value: &[u8]) {
    outputs.push(
        &topic.into(),
        partition,
        Some(key),
        Some(&mut |out| out.extend_from_slice(value)),
        [],
    );
}

/// A key and a value.
pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// What must come of the input, by partition.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Truth {
    /// Key and value of each event, in order.
    pub(crate) events: BTreeMap<u32, Vec<Entry>>,
    /// Last value of each key.
    pub(crate) rows: BTreeMap<(u32, Vec<u8>), Vec<u8>>,
    /// Values of the dead letters, in order.
    pub(crate) dead: BTreeMap<u32, Vec<Vec<u8>>>,
    /// What a store holds.
    pub(crate) stores: BTreeMap<u32, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Truth {
    pub(crate) fn of(input: &[(u32, String, String)]) -> Self {
        let mut truth = Self::default();
        let mut seen = BTreeSet::new();
        let mut rows: BTreeMap<(u32, Vec<u8>), Row> = BTreeMap::new();
        for (partition, key, value) in input {
            let (key, value) = (key.as_bytes().to_vec(), value.as_bytes().to_vec());
            if value.first() == Some(&b'!') {
                truth.dead.entry(*partition).or_default().push(value);
            } else if !value.is_empty() && seen.insert((*partition, value.clone())) {
                rows.entry((*partition, key.clone()))
                    .or_default()
                    .take(&value);
                let store = truth.stores.entry(*partition).or_default();
                store.insert(seen_key(&value), Vec::new());
                store.insert(row_key(&key), rows[&(*partition, key.clone())].encode());
                truth
                    .events
                    .entry(*partition)
                    .or_default()
                    .push((key, value));
            }
        }
        truth.rows = rows
            .into_iter()
            .map(|(at, row)| (at, row.encode()))
            .collect();
        truth
    }
}
