//! The roll of one meeting: takes its events, in order, and keeps what every row of it says.

use std::collections::BTreeSet;

use rollcall_runtime::{StateError, StateView};
use rollcall_schemas::record::{EventKind, Phase, RowState, ZoomEvent};
use rollcall_schemas::wire::{ATTENDANCE_ROW, Encoder};
use xxhash_rust::xxh3::xxh3_64;

use super::cache::{Cache, Place};
use super::derive::{About, Derived, Role, Scene};
use super::fingerprint::Fingerprint;
use super::meeting::{Meeting, see};
use super::milestone;
use super::occurrence::{Moved, Views, look, regroup};
use super::ownership::{RegistrantIndex, SeatIndex, Touched, email_of};
use super::person::{Counted, Person, PersonFacts, Row, Said};
use super::record::attendance_row;
use super::settings::AttendanceSettings;
use super::timer::set_timer;

/// One meeting, in memory.
pub(super) struct Roll {
    pub(super) id: String,
    pub(super) facts: Meeting,
    pub(super) views: Views,
    pub(super) people: Cache<Person>,
    pub(super) seats: Cache<SeatIndex>,
    pub(super) registrants: Cache<RegistrantIndex>,
    pub(super) facts_changed: bool,
    /// Whether an event took effect since it was last written.
    pub(super) touched: bool,
    /// The number of the last event that took effect, among all of the task's.
    pub(super) touched_at: u64,
    /// Ids of occurrences that are no more; their rows are to be erased.
    pub(super) gone: Vec<String>,
    /// Rows as they were when something was recorded in them that is not written yet, encoded. One
    /// that is taken back before it is written is written once, so that what is said does not depend
    /// on where a unit of work ends. The others are mostly what is to be written.
    pub(super) said: Vec<u8>,
    /// Places of ended occurrences in which somebody's stays may have changed.
    pub(super) peaks_stale: BTreeSet<usize>,
    /// Where keys of seats are made.
    pub(super) seat_key: String,
    desk: Desk,
}

/// What the look at a row needs, kept for the next.
struct Desk {
    encoder: Encoder,
    print: Fingerprint,
    abouts: Vec<About>,
    /// Places of occurrences in which a person counts differently now.
    counted: Vec<(usize, Counted, Counted)>,
}

/// The hash within an event id.
fn event_hash(event: &ZoomEvent<'_>) -> u64 {
    let hex = rollcall_schemas::key::rest(&event.event_id);
    if hex.len() == 16
        && let Ok(hash) = u64::from_str_radix(hex, 16)
    {
        return hash;
    }
    xxh3_64(hex.as_bytes())
}

impl Roll {
    /// A meeting as the state has it.
    pub(super) fn load(
        state: &mut dyn StateView,
        id: &str,
        settings: &AttendanceSettings,
    ) -> Result<Self, StateError> {
        let known = state.get(Self::state_key(id).as_bytes())?;
        // Whatever is kept of a meeting is kept with its facts.
        let is_new = known.is_none();
        let facts: Meeting = known
            .map(|bytes| super::cache::decode(&bytes))
            .transpose()?
            .unwrap_or_default();
        let (views, _) = look(&facts, settings);
        Ok(Self {
            id: id.to_owned(),
            views,
            facts,
            people: Cache::new(format!("p/{id}/"), is_new),
            seats: Cache::new(format!("s/{id}/"), is_new),
            registrants: Cache::new(format!("r/{id}/"), is_new),
            facts_changed: false,
            touched: false,
            touched_at: 0,
            gone: Vec::new(),
            said: Vec::new(),
            peaks_stale: BTreeSet::new(),
            seat_key: String::new(),
            desk: Desk {
                encoder: ATTENDANCE_ROW.encoder(),
                print: Fingerprint::default(),
                abouts: Vec::new(),
                counted: Vec::new(),
            },
        })
    }

    /// The state key of a meeting's facts.
    pub(super) fn state_key(id: &str) -> String {
        format!("m/{id}")
    }

    /// How many values are in memory.
    pub(super) fn weight(&self) -> usize {
        1 + self.people.len() + self.seats.len() + self.registrants.len()
    }

    /// Takes an event. False where it is a duplicate, and nothing changed.
    pub(super) fn admit(
        &mut self,
        state: &mut dyn StateView,
        settings: &AttendanceSettings,
        event: &ZoomEvent<'_>,
    ) -> Result<bool, StateError> {
        let hash = event_hash(event);
        let mut touched = Touched::default();
        let structure = if let Some(registrant) = &event.registrant {
            if !self.apply_registration(state, event, registrant, hash, &mut touched)? {
                return Ok(false);
            }
            self.facts.apply(event).structure
        } else if let (Some(participant), Some(user_id)) = (
            &event.participant,
            event
                .participant
                .as_ref()
                .and_then(|seat| seat.user_id.as_deref().or(seat.participant_uuid.as_deref())),
        ) && event.session_uuid.is_some()
        {
            let before = self.facts.sessions.len();
            let change = self.facts.apply(event);
            let session = change.session.expect("a seat's event names a session");
            if !self.apply_seat(
                state,
                event,
                participant,
                (session, user_id),
                hash,
                &mut touched,
            )? {
                debug_assert_eq!(
                    before,
                    self.facts.sessions.len(),
                    "a duplicate shows no new session"
                );
                return Ok(false);
            }
            change.structure
        } else {
            if event.kind == EventKind::Clock {
                if event.occurred_at <= self.facts.time {
                    return Ok(false);
                }
            } else if !see(&mut self.facts.seen, hash) {
                return Ok(false);
            }
            self.facts.apply(event).structure
        };
        self.facts_changed = true;
        if structure && self.restructure(state, settings)? {
            for person in self.people.places() {
                self.derive(settings, person)?;
            }
        } else {
            for person in touched.people() {
                self.derive(settings, *person)?;
            }
        }
        Ok(true)
    }

    /// Finds anew what the facts come to. Tells whether rows may show it: then everybody is in
    /// memory, to be looked at again.
    fn restructure(
        &mut self,
        state: &mut dyn StateView,
        settings: &AttendanceSettings,
    ) -> Result<bool, StateError> {
        let moved = regroup(&mut self.facts, &self.id, settings);
        let (views, timer) = look(&self.facts, settings);
        if timer != self.facts.timer {
            set_timer(state, &self.id, self.facts.timer, timer);
            self.facts.timer = timer;
        }
        let concerns_everybody = views != self.views || !moved.is_empty();
        self.views = views;
        if concerns_everybody {
            self.people.load_all(state)?;
            self.peaks_stale = (0..self.views.occurrences.len())
                .filter(|place| self.views.occurrences[*place].phase == Phase::Ended)
                .collect();
        }
        for Moved { from, to } in moved {
            if let Some(to) = to {
                self.move_milestones(&from, &to);
            }
            self.gone.push(from);
        }
        Ok(concerns_everybody)
    }

    fn move_milestones(&mut self, from: &str, to: &str) {
        for place in self.people.places() {
            let rows = &self.people[place].rows;
            if !rows.iter().any(|row| *row.about == *from) {
                continue;
            }
            let rows = &mut self.people.change(place).rows;
            let (source, _) = find_row(rows, from);
            let milestones = std::mem::take(&mut rows[source].milestones);
            let (target, _) = find_row(rows, to);
            milestone::absorb(milestones, &mut rows[target]);
        }
    }

    /// Brings the rows of a person up to his facts, and the counts with them.
    fn derive(&mut self, settings: &AttendanceSettings, place: Place) -> Result<(), StateError> {
        let scene = Scene {
            id: &self.id,
            facts: &self.facts,
            views: &self.views,
        };
        let (key, person) = self.people.open(place);
        let role = role(&person.facts, key, settings);
        let mut changed = settle_registrations(&scene, person);
        let mut abouts = std::mem::take(&mut self.desk.abouts);
        scene.abouts(&person.facts, &mut abouts);
        for about in abouts.iter().copied() {
            let (at, is_new) = find_row(&mut person.rows, scene.name(about));
            // Taken out, so that the others can be looked at beside it.
            let mut row = std::mem::take(&mut person.rows[at]);
            let before = (row.version, row.was_final);
            let derived = scene.derive(&person.facts, about);
            let now = derived
                .as_ref()
                .map(|derived| derived.counted(role))
                .unwrap_or_default();
            if let About::Occurrence(occurrence) = about {
                self.desk.count(occurrence, &mut row, now);
                if self.views.occurrences[occurrence].phase == Phase::Ended {
                    self.peaks_stale.insert(occurrence);
                }
            }
            match derived.filter(|_| role == Role::Contact) {
                Some(derived) => {
                    let is_said = milestone::record(
                        &scene,
                        &person.facts,
                        &person.rows,
                        about,
                        &derived,
                        &mut row,
                    );
                    self.desk.show(&scene, &derived, &mut row);
                    if is_said && let Some(email) = email_of(key) {
                        let shown = attendance_row(&scene, email, &row, &derived)?;
                        let start = self.said.len();
                        self.desk.encoder.encode_into(&shown, &mut self.said);
                        row.said = Some(Said {
                            version: row.version,
                            place: start..self.said.len(),
                        });
                    }
                }
                None => hide(&mut row),
            }
            changed |= is_new || before != (row.version, row.was_final);
            person.rows[at] = row;
        }
        // A row without facts: of an occurrence that is no more, or of one whom they were taken from.
        if person.rows.len() > abouts.len() {
            for row in &mut person.rows {
                let about = scene.find(&row.about);
                if about.is_some_and(|about| abouts.contains(&about)) {
                    continue;
                }
                changed |= row.shown;
                hide(row);
                match about {
                    Some(About::Occurrence(occurrence)) => {
                        self.desk.count(occurrence, row, Counted::default());
                    }
                    // It took its counts with it.
                    _ => {
                        changed |= std::mem::take(&mut row.counted) != Counted::default();
                    }
                }
            }
        }
        self.desk.abouts = abouts;
        changed |= !self.desk.counted.is_empty();
        self.facts_changed |= !self.desk.counted.is_empty();
        for (place, before, now) in self.desk.counted.drain(..) {
            self.facts.occurrences[place].counts.turn(before, now);
        }
        if changed {
            self.people.mark(place);
        }
        Ok(())
    }

    /// Writes what changed to the state, but for people.
    pub(super) fn flush(&mut self, state: &mut dyn StateView) -> Result<(), StateError> {
        if self.facts_changed {
            state.put(
                Self::state_key(&self.id).as_bytes(),
                super::cache::encode(&self.facts),
            );
            self.facts_changed = false;
        }
        self.seats.flush(state, |_, _| Ok(()))?;
        self.registrants.flush(state, |_, _| Ok(()))
    }
}

impl Desk {
    /// Says how a person counts in an occurrence now.
    fn count(&mut self, occurrence: usize, row: &mut Row, now: Counted) {
        let before = std::mem::replace(&mut row.counted, now);
        if before != now {
            self.counted.push((occurrence, before, now));
        }
    }

    /// Lets a row show what was derived: a new version, unless that is what it shows.
    fn show(&mut self, scene: &Scene<'_>, derived: &Derived<'_>, row: &mut Row) {
        let print = &mut self.print;
        print.clear();
        derived.print(scene, print);
        for milestone in &row.milestones {
            print.number(milestone.at);
            print.text(Some(&milestone.id));
            print.option(milestone.seconds);
            print.option(milestone.share.map(i64::from));
            print.text(milestone.url.as_deref());
        }
        let print = print.finish();
        if !row.shown || row.fingerprint != print {
            row.version += 1;
            row.corrected |= row.was_final;
            row.shown = true;
            row.fingerprint = print;
        }
        row.was_final |= derived.state == RowState::Final;
    }
}

/// Who a person is to the account.
pub(super) fn role(person: &PersonFacts, key: &str, settings: &AttendanceSettings) -> Role {
    let is_user = person
        .seats
        .iter()
        .any(|seat| seat.participant_user_id.text().is_some());
    match email_of(key) {
        _ if is_user => Role::Staff,
        Some(email) if settings.is_internal(email) => Role::Staff,
        Some(_) => Role::Contact,
        None => Role::Guest,
    }
}

/// Moves what was said of a registration to the row that it is told in now: what it is for may be
/// learned late. Tells whether anything was moved.
fn settle_registrations(scene: &Scene<'_>, person: &mut Person) -> bool {
    if person.rows.len() < 2 {
        return false;
    }
    let Person { facts, rows } = person;
    let mut moved = false;
    for registration in &facts.registrations {
        let Some(home) = scene.home(registration).map(|about| scene.name(about)) else {
            continue;
        };
        let mut astray = Vec::new();
        for row in rows.iter_mut().filter(|row| *row.about != *home) {
            astray.extend(row.milestones.extract_if(.., |milestone| {
                milestone::is_of_registration(milestone, &registration.id)
            }));
        }
        if !astray.is_empty() {
            let (at, _) = find_row(rows, home);
            milestone::put(&mut rows[at], astray);
            moved = true;
        }
    }
    moved
}

fn hide(row: &mut Row) {
    if row.shown {
        row.shown = false;
        row.version += 1;
        row.fingerprint = 0;
    }
}

/// Where the row about something is, and whether it is a new one.
fn find_row(rows: &mut Vec<Row>, about: &str) -> (usize, bool) {
    match rows.binary_search_by(|row| (*row.about).cmp(about)) {
        Ok(at) => (at, false),
        Err(at) => {
            let row = Row {
                about: about.into(),
                ..Row::default()
            };
            rows.insert(at, row);
            (at, true)
        }
    }
}
