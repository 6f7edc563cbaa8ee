//! The rolls of running meetings, as the public topics tell them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rollcall_eventlog::{EventLog, RecordRef};
use rollcall_runtime::{Shutdown, TopicSettings};
use rollcall_schemas::catalogue::{ENGAGEMENT_ATTENDANCE, ENGAGEMENT_OCCURRENCES};
use rollcall_schemas::record::{AttendanceRow, AttendanceStatus, OccurrenceRow, Phase};
use rollcall_schemas::wire::{ATTENDANCE_ROW, OCCURRENCE_ROW};

/// A meeting that runs now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct RunningRoll {
    pub(crate) topic: String,
    pub(crate) webinar: bool,
    pub(crate) present: usize,
    pub(crate) came: usize,
    pub(crate) registered: usize,
}

/// What a row says of a person: whether he came, and whether he is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Standing {
    pub(crate) status: AttendanceStatus,
    pub(crate) seconds: i64,
    pub(crate) share: Option<i32>,
    there: bool,
}

#[derive(Clone, Debug)]
struct Held {
    topic: String,
    webinar: bool,
    running: bool,
    registered: i32,
}

/// All rows, as they are read.
#[derive(Debug, Default)]
pub(crate) struct Rolls {
    occurrences: BTreeMap<String, Held>,
    rows: BTreeMap<(String, String), Standing>,
}

/// Reads both topics on a thread of its own until it is asked to stop.
pub(crate) fn follow(
    log: &Arc<dyn EventLog>,
    topics: &TopicSettings,
    stop: &Shutdown,
) -> Result<Arc<Mutex<Rolls>>> {
    let rolls = Arc::<Mutex<Rolls>>::default();
    let from: Vec<_> = [&ENGAGEMENT_OCCURRENCES, &ENGAGEMENT_ATTENDANCE]
        .into_iter()
        .flat_map(|topic| topics.route(topic).all())
        .map(|partition| (partition, 0))
        .collect();
    let mut reader = log.reader(&from)?;
    let (occurrences, stop, shared) = (
        topics.name(&ENGAGEMENT_OCCURRENCES),
        stop.clone(),
        Arc::clone(&rolls),
    );
    std::thread::Builder::new()
        .name("rolls".to_owned())
        .spawn(move || {
            while !stop.is_requested() {
                let Ok(batch) = reader.poll(1_000, Duration::from_millis(100)) else {
                    return;
                };
                let Some(batch) = batch else { continue };
                let mut rolls = shared.lock().unwrap_or_else(PoisonError::into_inner);
                for record in batch.iter() {
                    if batch.partition().topic == occurrences {
                        rolls.occurrence(&record)
                    } else {
                        rolls.row(&record)
                    }
                }
            }
        })?;
    Ok(rolls)
}

impl Rolls {
    fn occurrence(&mut self, record: &RecordRef<'_>) {
        let Some(row) = record
            .value
            .and_then(|value| OCCURRENCE_ROW.decode::<OccurrenceRow<'_>>(value).ok())
        else {
            return;
        };
        let held = Held {
            topic: row
                .topic
                .map(rollcall_schemas::Text::into_string)
                .unwrap_or_default(),
            webinar: row.webinar,
            running: row.phase == Phase::Running
                && row
                    .sessions
                    .iter()
                    .any(|session| session.ended_at.is_none()),
            registered: row.registered,
        };
        self.occurrences.insert(row.occurrence.into_string(), held);
    }

    fn row(&mut self, record: &RecordRef<'_>) {
        let Some(key) = record
            .key
            .and_then(|key| std::str::from_utf8(key).ok())
            .and_then(|key| key.split_once(' '))
        else {
            return;
        };
        let key = (key.0.to_owned(), key.1.to_owned());
        match record
            .value
            .and_then(|value| ATTENDANCE_ROW.decode::<AttendanceRow<'_>>(value).ok())
        {
            Some(row) => {
                let there = row.segments.iter().any(|segment| segment.leave.is_none());
                self.rows.insert(
                    key,
                    Standing {
                        status: row.status,
                        seconds: row.seconds,
                        share: row.share,
                        there,
                    },
                );
            }
            None => {
                self.rows.remove(&key);
            }
        }
    }

    /// The rolls of what runs now.
    pub(crate) fn running(&self) -> Vec<RunningRoll> {
        let running = self.occurrences.iter().filter(|(_, held)| held.running);
        running
            .map(|(id, held)| {
                let people = || {
                    self.rows
                        .iter()
                        .filter(|((_, occurrence), _)| occurrence == id)
                        .map(|(_, row)| row)
                };
                RunningRoll {
                    topic: held.topic.clone(),
                    webinar: held.webinar,
                    present: people().filter(|row| row.there).count(),
                    came: people()
                        .filter(|row| row.status == AttendanceStatus::Attended)
                        .count(),
                    registered: usize::try_from(held.registered).unwrap_or_default(),
                }
            })
            .collect()
    }

    /// Every row that stands, by address and occurrence.
    pub(crate) fn rows(&self) -> &BTreeMap<(String, String), Standing> {
        &self.rows
    }
}
