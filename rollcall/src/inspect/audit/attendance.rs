//! The account of attendance: from `zoom.raw` to `zoom.events`.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use rollcall_eventlog::{RecordRef, TopicPartition};
use rollcall_processors::normalize::{Normalized, Normalizer};
use rollcall_schemas::catalogue::{ZOOM_EVENTS, ZOOM_RAW};
use rollcall_schemas::record::{EventKind, RawRecord, ZoomEvent};
use rollcall_schemas::wire::{RAW_RECORD, ZOOM_EVENT};

use super::Ledger;
use super::letters::Letters;
use crate::inspect::{Inspector, Place};

pub(super) const STAGE: &str = "attendance";

/// Appends at the same moment may come to the log in another order than they were received.
const REORDERING_MS: i64 = 60_000;

/// An event of the canonical log.
struct Event {
    offset: i64,
    received_at: i64,
    /// Where the event is of the clock, the moment that it reached.
    clock: Option<i64>,
    /// Copies of it in `zoom.raw`.
    copies: u64,
}

/// The canonical log of a partition.
#[derive(Default)]
struct Events {
    /// By key. Of one that was erased the key alone is known.
    by_key: HashMap<Vec<u8>, Option<Event>>,
    /// Moments that the clock's events reached, by whether a tick was found for them.
    moments: HashMap<i64, bool>,
}

/// What a record of `zoom.raw` comes to.
enum Raw {
    Event(Vec<u8>),
    Tick(i64),
    Ignored,
    Dead(String),
}

impl Inspector {
    pub(super) fn audit_attendance(&self, ledger: &mut Ledger<'_>) -> Result<()> {
        let inputs: Vec<_> = self.topics.route(&ZOOM_RAW).all().collect();
        let positions: Vec<_> = inputs
            .iter()
            .map(|input| self.position(STAGE, input))
            .collect::<Result<_>>()?;
        let letters = self.letters(STAGE)?;
        for (input, position) in inputs.iter().zip(positions) {
            self.audit_raw(input, position, &letters, ledger)?;
        }
        Ok(())
    }

    fn audit_raw(
        &self,
        input: &TopicPartition,
        position: i64,
        letters: &Letters,
        ledger: &mut Ledger<'_>,
    ) -> Result<()> {
        // Events stay in the partition that their records came in.
        let output = self.topics.route(&ZOOM_EVENTS).partition(input.partition);
        let mut events = self.read_events(&output, ledger)?;
        let start = self.log.offsets(input)?.start;
        let mut normalizer = Normalizer::new();
        let mut ticks = HashSet::new();
        let mut first_received = None;
        let mut matched = HashSet::new();
        self.scan_to_end(input, |record| {
            let raw = classify(&mut normalizer, record, &mut first_received);
            let taken = record.offset < position;
            if let Raw::Tick(at) = raw {
                let _ = ticks.insert(at);
            }
            if !taken {
                ledger.account.waiting += 1;
                if let Raw::Event(key) = &raw
                    && let Some(Some(event)) = events.by_key.get_mut(key)
                {
                    event.copies += 1;
                }
                return Ok(());
            }
            ledger.account.records += 1;
            let dead = letters.of(input, record.offset);
            if dead > 0 {
                let _ = matched.insert(record.offset);
                ledger.account.dead_letters += 1;
                if dead > 1 {
                    ledger.fault(
                        input,
                        record.offset,
                        format!("{dead} dead letters were made of it, not one"),
                    );
                }
                return Ok(());
            }
            match raw {
                Raw::Event(key) => match events.by_key.get_mut(&key) {
                    Some(Some(event)) => {
                        event.copies += 1;
                        if event.copies == 1 {
                            ledger.account.effective += 1;
                        } else {
                            ledger.account.ignored += 1;
                        }
                    }
                    Some(None) => ledger.account.ignored += 1,
                    None => {
                        let key = String::from_utf8_lossy(&key);
                        ledger.fault(
                            input,
                            record.offset,
                            format!("its event {key} is not in {}", output.topic),
                        );
                    }
                },
                Raw::Tick(at) => match events.moments.get_mut(&at) {
                    Some(found @ false) => {
                        *found = true;
                        ledger.account.effective += 1;
                    }
                    _ => ledger.account.ignored += 1,
                },
                Raw::Ignored => ledger.account.ignored += 1,
                Raw::Dead(_) if !letters.are_all_here() => ledger.account.dead_letters += 1,
                Raw::Dead(reason) => {
                    ledger.fault(
                        input,
                        record.offset,
                        format!("it can never succeed, and no dead letter says so: {reason}"),
                    );
                }
            }
            Ok(())
        })?;
        let oldest = (start > 0).then(|| first_received.unwrap_or(i64::MAX));
        check_sources(&events, &ticks, oldest, &output, ledger);
        for (source, letter) in letters.iter().filter(|(source, _)| is_in(source, input)) {
            if (start..position).contains(&source.offset) && !matched.contains(&source.offset) {
                ledger.fault(
                    input,
                    source.offset,
                    format!("the dead letter {letter} is made of it, and it does not exist"),
                );
            }
        }
        Ok(())
    }

    fn read_events(&self, output: &TopicPartition, ledger: &mut Ledger<'_>) -> Result<Events> {
        let mut events = Events::default();
        self.scan_to_end(output, |record| {
            let key = record.key.unwrap_or_default().to_vec();
            let Some(value) = record.value else {
                let _ = events.by_key.insert(key, None);
                return Ok(());
            };
            let event: ZoomEvent<'_> = match ZOOM_EVENT.decode(value) {
                Ok(event) => event,
                Err(error) => {
                    ledger.fault(output, record.offset, format!("it cannot be read: {error}"));
                    return Ok(());
                }
            };
            let clock = (event.kind == EventKind::Clock).then_some(event.occurred_at);
            if let Some(at) = clock {
                let _ = events.moments.entry(at).or_default();
            }
            let event = Event {
                offset: record.offset,
                received_at: event.received_at,
                clock,
                copies: 0,
            };
            if let Some(Some(first)) = events.by_key.insert(key, Some(event)) {
                ledger.fault(
                    output,
                    record.offset,
                    format!(
                        "the event is there twice: offset {} has it too",
                        first.offset
                    ),
                );
            }
            Ok(())
        })?;
        Ok(events)
    }
}

/// Every event comes from a record, unless that was older than what retention left (`oldest`).
fn check_sources(
    events: &Events,
    ticks: &HashSet<i64>,
    oldest: Option<i64>,
    output: &TopicPartition,
    ledger: &mut Ledger<'_>,
) {
    for event in events.by_key.values().flatten() {
        let may_be_gone = oldest.is_some_and(|oldest| {
            // Ticks carry a clock's reading, which need not be this machine's time.
            event.clock.is_some() || event.received_at < oldest.saturating_add(REORDERING_MS)
        });
        let has_source = match event.clock {
            Some(at) => ticks.contains(&at),
            None => event.copies > 0,
        };
        if !has_source && !may_be_gone {
            ledger.fault(
                output,
                event.offset,
                "no record of zoom.raw comes to this event",
            );
        }
    }
}

fn is_in(place: &Place, partition: &TopicPartition) -> bool {
    place.topic == *partition.topic && place.partition == partition.partition
}

fn classify(
    normalizer: &mut Normalizer,
    record: &RecordRef<'_>,
    first_received: &mut Option<i64>,
) -> Raw {
    let Some(value) = record.value else {
        return Raw::Dead("it has no value".to_owned());
    };
    let raw: RawRecord<'_> = match RAW_RECORD.decode(value) {
        Ok(raw) => raw,
        Err(error) => return Raw::Dead(error.to_string()),
    };
    if raw.webhook.is_some() && first_received.is_none() {
        *first_received = Some(raw.received_at);
    }
    match normalizer.normalize(&raw) {
        Normalized::Event(event) => Raw::Event(event.event_id.as_bytes().to_vec()),
        Normalized::Tick { at } => Raw::Tick(at),
        Normalized::Ignored(_) => Raw::Ignored,
        Normalized::Rejected(rejection) => Raw::Dead(rejection.message),
    }
}
