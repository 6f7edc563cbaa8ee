//! The stage: records of `zoom.raw` in, events and rows out.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rollcall_eventlog::{Header, RecordBatch};
use rollcall_runtime::{
    Outcome, Rejection, Route, Stage, StateError, StateView, Task, TopicSettings, Unit, View,
};
use rollcall_schemas::catalogue::{
    ENGAGEMENT_ATTENDANCE, ENGAGEMENT_OCCURRENCES, ZOOM_EVENTS, ZOOM_RAW,
};
use rollcall_schemas::record::{EventKind, RawRecord, ZoomEvent};
use rollcall_schemas::wire::{ATTENDANCE_ROW, Encoder, OCCURRENCE_ROW, RAW_RECORD, ZOOM_EVENT};
use rollcall_schemas::{header, key};
use xxhash_rust::xxh3::xxh3_64;

use super::derive::{Role, Scene};
use super::ownership::email_of;
use super::peak::Presence;
use super::person::Person;
use super::record::{attendance_row, occurrence_row};
use super::roll::{Roll, role};
use super::settings::AttendanceSettings;
use super::stay::{Stay, clip, each_stay};
use super::timer::due;
use crate::normalize::{Normalized, Normalizer};

/// Values kept in memory between units of work, per task.
const MEMORY: usize = 20_000;

/// The stage that normalizes what came in and takes the roll.
#[derive(Clone, Debug)]
pub struct Attendance {
    settings: Arc<AttendanceSettings>,
    routes: Arc<Routes>,
}

#[derive(Debug)]
struct Routes {
    events: Route,
    occurrences: Route,
    attendance: Route,
}

impl Attendance {
    /// The stage, writing to the topics of `topics`.
    #[must_use]
    pub fn new(settings: AttendanceSettings, topics: &TopicSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            routes: Arc::new(Routes {
                events: topics.route(&ZOOM_EVENTS),
                occurrences: topics.route(&ENGAGEMENT_OCCURRENCES),
                attendance: topics.route(&ENGAGEMENT_ATTENDANCE),
            }),
        }
    }
}

impl Stage for Attendance {
    fn name(&self) -> &'static str {
        "attendance"
    }

    fn input(&self) -> &'static str {
        ZOOM_RAW.name
    }

    fn view(&self) -> View {
        View::Output(ZOOM_EVENTS.name)
    }

    fn state_version(&self) -> u32 {
        2
    }

    fn task(&self, partition: u32) -> Box<dyn Task> {
        Box::new(AttendanceTask {
            stage: self.clone(),
            partition,
            normalizer: Normalizer::new(),
            events: ZOOM_EVENT.encoder(),
            occurrences: OCCURRENCE_ROW.encoder(),
            attendance: ATTENDANCE_ROW.encoder(),
            rolls: HashMap::default(),
            touched: Vec::new(),
            taken: 0,
            idle_until: None,
        })
    }
}

struct AttendanceTask {
    stage: Attendance,
    partition: u32,
    normalizer: Normalizer,
    events: Encoder,
    occurrences: Encoder,
    attendance: Encoder,
    rolls: HashMap<String, Roll, RandomState>,
    /// Meetings of which something changed in this unit of work, in order.
    touched: Vec<String>,
    /// How many events were taken, to know which meeting was touched last.
    taken: u64,
    /// No timer is due before this moment; not known where something changed since.
    idle_until: Option<i64>,
}

impl Task for AttendanceTask {
    fn process(
        &mut self,
        batch: &RecordBatch,
        unit: &mut Unit<'_>,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), StateError> {
        for record in batch.iter() {
            let Some(value) = record.value else {
                outcomes.push(rejected(
                    "raw_record",
                    "a record without a value: nothing of Rollcall writes one here",
                ));
                continue;
            };
            let raw: RawRecord<'_> = match RAW_RECORD.decode(value) {
                Ok(raw) => raw,
                Err(error) => {
                    outcomes.push(rejected("raw_record", &error.to_string()));
                    continue;
                }
            };
            outcomes.push(match self.normalizer.normalize(&raw) {
                Normalized::Event(mut event) => {
                    if self.admit(&mut event, unit)? {
                        Outcome::Effective
                    } else {
                        Outcome::Ignored("duplicate")
                    }
                }
                Normalized::Tick { at } => self.tick(at, unit)?,
                Normalized::Ignored(reason) => Outcome::Ignored(reason),
                Normalized::Rejected(rejection) => Outcome::Rejected(rejection),
            });
        }
        Ok(())
    }

    fn restore(&mut self, batch: &RecordBatch, unit: &mut Unit<'_>) -> Result<(), StateError> {
        for record in batch.iter() {
            let Some(value) = record.value else { continue };
            let event: ZoomEvent<'_> =
                ZOOM_EVENT.decode(value).map_err(|error| StateError::View {
                    topic: batch.partition().topic.to_string(),
                    partition: batch.partition().partition,
                    offset: record.offset,
                    reason: error.to_string(),
                })?;
            // The count in the state is the true position: what it covers was taken before.
            if event.sequence > self.roll(&event.meeting_id, unit.state)?.facts.sequence {
                self.take(&event, unit.state)?;
                self.roll(&event.meeting_id, unit.state)?.facts.sequence = event.sequence;
            }
        }
        Ok(())
    }

    fn finish(&mut self, unit: &mut Unit<'_>) -> Result<(), StateError> {
        let touched = std::mem::take(&mut self.touched);
        for id in touched {
            let Some(mut roll) = self.rolls.remove(&id) else {
                continue;
            };
            self.write(&mut roll, unit)?;
            self.rolls.insert(id, roll);
        }
        self.make_room();
        Ok(())
    }

    fn reset(&mut self) {
        self.rolls.clear();
        self.touched.clear();
        self.idle_until = None;
    }
}

impl AttendanceTask {
    /// Where there is too much in memory, lets go of the meetings that were longest not touched.
    fn make_room(&mut self) {
        let mut rolls: Vec<(u64, usize)> = self
            .rolls
            .values()
            .map(|roll| (roll.touched_at, roll.weight()))
            .collect();
        if rolls.iter().map(|(_, weight)| weight).sum::<usize>() <= MEMORY {
            return;
        }
        rolls.sort_unstable_by_key(|(touched_at, _)| std::cmp::Reverse(*touched_at));
        let mut weight = 0;
        let kept = rolls.iter().take_while(|roll| {
            weight += roll.1;
            // Half, so that room is not made again after every unit of work.
            weight <= MEMORY / 2
        });
        let since = kept.last().map_or(u64::MAX, |(touched_at, _)| *touched_at);
        self.rolls.retain(|_, roll| roll.touched_at >= since);
    }

    /// Takes an event into the roll of its meeting; gives that back. None where it is a duplicate.
    fn take(
        &mut self,
        event: &ZoomEvent<'_>,
        state: &mut dyn StateView,
    ) -> Result<Option<&mut Roll>, StateError> {
        let settings = &self.stage.settings;
        let roll = find_roll(&mut self.rolls, &event.meeting_id, state, settings)?;
        if !roll.admit(state, settings, event)? {
            return Ok(None);
        }
        self.taken += 1;
        roll.touched_at = self.taken;
        if !std::mem::replace(&mut roll.touched, true) {
            self.touched.push(event.meeting_id.to_string());
        }
        self.idle_until = None;
        Ok(Some(roll))
    }

    fn roll(&mut self, id: &str, state: &mut dyn StateView) -> Result<&mut Roll, StateError> {
        find_roll(&mut self.rolls, id, state, &self.stage.settings)
    }

    /// Takes an event, and writes it to the canonical log where it is new.
    fn admit(
        &mut self,
        event: &mut ZoomEvent<'_>,
        unit: &mut Unit<'_>,
    ) -> Result<bool, StateError> {
        let Some(roll) = self.take(event, unit.state)? else {
            return Ok(false);
        };
        roll.facts.sequence += 1;
        event.sequence = roll.facts.sequence;
        let events = &mut self.events;
        unit.outputs.push(
            &self.stage.routes.events.topic,
            self.partition,
            Some(event.event_id.as_bytes()),
            Some(&mut |out| events.encode_into(event, out)),
            [],
        );
        Ok(true)
    }

    /// Lets time reach the meetings that wait for it. Each is an event of the canonical log, because
    /// the state is a fold of that alone.
    fn tick(&mut self, at: i64, unit: &mut Unit<'_>) -> Result<Outcome, StateError> {
        const NOTHING_DUE: Outcome = Outcome::Ignored("nothing due");
        if self.idle_until.is_some_and(|until| at < until) {
            return Ok(NOTHING_DUE);
        }
        let (meetings, next) = due(unit.state, at)?;
        let mut outcome = NOTHING_DUE;
        for meeting_id in meetings {
            let event_id = key::join(&meeting_id, &format!("clock:{at}"));
            let mut clock = ZoomEvent {
                event_id: event_id.into(),
                kind: EventKind::Clock,
                webinar: self.roll(&meeting_id, unit.state)?.facts.webinar,
                meeting_id: meeting_id.into(),
                occurred_at: at,
                received_at: at,
                ..ZoomEvent::default()
            };
            if self.admit(&mut clock, unit)? {
                outcome = Outcome::Effective;
            }
        }
        if outcome == NOTHING_DUE {
            self.idle_until = Some(next.unwrap_or(i64::MAX));
        }
        Ok(outcome)
    }

    /// Writes what changed in a roll: occurrence rows, people's rows, state.
    fn write(&mut self, roll: &mut Roll, unit: &mut Unit<'_>) -> Result<(), StateError> {
        roll.touched = false;
        self.count_peaks(roll, unit.state)?;
        self.write_occurrences(roll, unit);
        let said_rows = std::mem::take(&mut roll.said);
        let scene = Scene {
            id: &roll.id,
            facts: &roll.facts,
            views: &roll.views,
        };
        let route = &self.stage.routes.attendance;
        roll.people.flush(unit.state, |person_key, person| {
            let Person { facts, rows } = person;
            for row in rows {
                let said = row.said.take();
                let written = std::mem::replace(&mut row.written, row.version);
                let Some(email) = email_of(person_key).filter(|_| written != row.version) else {
                    continue;
                };
                let output_key = key::join(email, &row.about);
                let outputs = &mut *unit.outputs;
                if let Some(encoded) = said.filter(|said| said.shows(row)) {
                    let mut value = |out: &mut Vec<u8>| {
                        out.extend_from_slice(&said_rows[encoded.place.clone()]);
                    };
                    route.push(outputs, &output_key, Some(&mut value), []);
                } else if row.shown {
                    let derived = scene
                        .find(&row.about)
                        .and_then(|about| scene.derive(facts, about))
                        .expect("a row is shown where there is something to say");
                    let value = attendance_row(&scene, email, row, &derived)?;
                    let encoder = &mut self.attendance;
                    let mut value = |out: &mut Vec<u8>| encoder.encode_into(&value, out);
                    route.push(outputs, &output_key, Some(&mut value), []);
                }
                if !row.shown {
                    let version = row.version.to_string();
                    let header = Header {
                        name: header::VERSION,
                        value: version.as_bytes(),
                    };
                    route.push(outputs, &output_key, None, [header]);
                }
            }
            Ok(())
        })?;
        roll.flush(unit.state)
    }

    fn count_peaks(&self, roll: &mut Roll, state: &mut dyn StateView) -> Result<(), StateError> {
        let stale = std::mem::take(&mut roll.peaks_stale);
        if stale.is_empty() {
            return Ok(());
        }
        roll.people.load_all(state)?;
        let mut stays: Vec<Stay> = Vec::new();
        for place in stale {
            let mut presence = Presence::default();
            for (key, person) in roll.people.iter() {
                if role(&person.facts, key, &self.stage.settings) == Role::Staff {
                    continue;
                }
                stays.clear();
                for seat in &person.facts.seats {
                    let session = seat.session as usize;
                    if let (Some(Some(of)), Some(Some((start, end)))) = (
                        roll.views.placed.get(session),
                        roll.views.spans.get(session),
                    ) && *of == place
                    {
                        each_stay(&seat.marks, |stay| stays.push(clip(stay, *start, *end)));
                    }
                }
                presence.add(&mut stays);
            }
            let peak = Some(presence.peak());
            if std::mem::replace(&mut roll.facts.occurrences[place].peak, peak) != peak {
                roll.facts_changed = true;
            }
        }
        Ok(())
    }

    fn write_occurrences(&mut self, roll: &mut Roll, unit: &mut Unit<'_>) {
        let route = &self.stage.routes.occurrences;
        for gone in std::mem::take(&mut roll.gone) {
            route.push(unit.outputs, &key::join(&roll.id, &gone), None, []);
        }
        for place in 0..roll.facts.occurrences.len() {
            let scene = Scene {
                id: &roll.id,
                facts: &roll.facts,
                views: &roll.views,
            };
            let value = self.occurrences.encode(&occurrence_row(&scene, place));
            let print = xxh3_64(&value);
            let occurrence = &mut roll.facts.occurrences[place];
            if occurrence.written != print {
                occurrence.written = print;
                roll.facts_changed = true;
                let output_key = key::join(&roll.id, &occurrence.id);
                route.push(
                    unit.outputs,
                    &output_key,
                    Some(&mut |out| out.extend_from_slice(&value)),
                    [],
                );
            }
        }
    }
}

/// The roll of a meeting, from memory or from the state.
fn find_roll<'r>(
    rolls: &'r mut HashMap<String, Roll, RandomState>,
    id: &str,
    state: &mut dyn StateView,
    settings: &AttendanceSettings,
) -> Result<&'r mut Roll, StateError> {
    if !rolls.contains_key(id) {
        rolls.insert(id.to_owned(), Roll::load(state, id, settings)?);
    }
    Ok(rolls.get_mut(id).expect("it was put there"))
}

fn rejected(class: &'static str, message: &str) -> Outcome {
    Outcome::Rejected(Rejection {
        class,
        message: message.to_owned(),
    })
}
