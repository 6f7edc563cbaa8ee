//! The roll of one meeting: takes its events, in order, and keeps what every row of it says.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use rollcall_runtime::{StateError, StateView};
use rollcall_schemas::record::{EventKind, Phase, RowState, ZoomEvent};
use xxhash_rust::xxh3::xxh3_64;

use super::cache::Cache;
use super::derive::{About, Role, Scene};
use super::fingerprint::Fingerprint;
use super::meeting::{Meeting, see};
use super::milestone;
use super::occurrence::{Moved, Views, look, regroup};
use super::ownership::{RegistrantIndex, SeatIndex, email_of};
use super::person::{Counted, Person, Row};
use super::record::encoded_row;
use super::settings::AttendanceSettings;
use super::timer::set_timer;

/// One meeting, in memory.
#[derive(Debug)]
pub(super) struct Roll {
    pub(super) id: String,
    pub(super) facts: Meeting,
    pub(super) views: Views,
    pub(super) people: Cache<Person>,
    pub(super) seats: Cache<SeatIndex>,
    pub(super) registrants: Cache<RegistrantIndex>,
    everybody_loaded: bool,
    pub(super) facts_changed: bool,
    /// Whether an event took effect since it was last written.
    pub(super) touched: bool,
    /// Ids of occurrences that are no more; their rows are to be erased.
    pub(super) gone: Vec<String>,
    print: Fingerprint,
    /// Rows as they were when something was recorded in them that is not written yet, by person and
    /// occurrence. One that is taken back before it is written is written once, so that what is said
    /// does not depend on where a unit of work ends.
    pub(super) said: HashMap<(String, String), Vec<u8>, RandomState>,
    /// Places of ended occurrences in which somebody's stays may have changed.
    pub(super) peaks_stale: BTreeSet<usize>,
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
        let facts: Meeting = match state.get(Self::state_key(id).as_bytes())? {
            Some(bytes) => super::cache::decode(&bytes)?,
            None => Meeting::default(),
        };
        let (views, _) = look(&facts, settings);
        Ok(Self {
            id: id.to_owned(),
            views,
            facts,
            people: Cache::new(format!("p/{id}/")),
            seats: Cache::new(format!("s/{id}/")),
            registrants: Cache::new(format!("r/{id}/")),
            everybody_loaded: false,
            facts_changed: false,
            touched: false,
            gone: Vec::new(),
            print: Fingerprint::default(),
            said: HashMap::default(),
            peaks_stale: BTreeSet::new(),
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
        let mut touched = BTreeSet::new();
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
        if structure {
            self.restructure(state, settings, &mut touched)?;
        }
        for key in touched {
            self.derive(state, settings, &key)?;
        }
        Ok(true)
    }

    /// Finds anew what the facts come to; where rows may show it, everybody is looked at again.
    fn restructure(
        &mut self,
        state: &mut dyn StateView,
        settings: &AttendanceSettings,
        touched: &mut BTreeSet<String>,
    ) -> Result<(), StateError> {
        let moved = regroup(&mut self.facts, &self.id, settings);
        let (views, timer) = look(&self.facts, settings);
        if timer != self.facts.timer {
            set_timer(state, &self.id, self.facts.timer, timer);
            self.facts.timer = timer;
        }
        let changed = views != self.views;
        self.views = views;
        if changed || !moved.is_empty() {
            self.load_everybody(state)?;
            touched.extend(self.people.keys());
            self.peaks_stale = (0..self.views.occurrences.len())
                .filter(|place| self.views.occurrences[*place].phase == Phase::Ended)
                .collect();
        }
        for Moved { from, to } in moved {
            if let Some(to) = to {
                self.move_milestones(state, &from, &to)?;
            }
            self.gone.push(from);
        }
        Ok(())
    }

    /// Brings everybody of the meeting into memory.
    pub(super) fn load_everybody(&mut self, state: &mut dyn StateView) -> Result<(), StateError> {
        if !self.everybody_loaded {
            self.people.load_all(state)?;
            self.everybody_loaded = true;
        }
        Ok(())
    }

    fn move_milestones(
        &mut self,
        state: &mut dyn StateView,
        from: &str,
        to: &str,
    ) -> Result<(), StateError> {
        for key in self.people.keys() {
            if !self
                .people
                .get(state, &key)?
                .rows
                .iter()
                .any(|row| row.about == from)
            {
                continue;
            }
            let person = self.people.change(state, &key)?;
            let mut source = take_row(&mut person.rows, from);
            let mut target = take_row(&mut person.rows, to);
            milestone::absorb(&mut source, &mut target);
            put_row(&mut person.rows, source);
            put_row(&mut person.rows, target);
        }
        Ok(())
    }

    /// Brings the rows of a person up to his facts, and the counts with them.
    fn derive(
        &mut self,
        state: &mut dyn StateView,
        settings: &AttendanceSettings,
        key: &str,
    ) -> Result<(), StateError> {
        let mut person = std::mem::take(self.people.change(state, key)?);
        let scene = Scene {
            id: &self.id,
            facts: &self.facts,
            views: &self.views,
        };
        let role = role(&person, key, settings);
        settle_registrations(&scene, &mut person);
        let mut counted = Vec::new();
        let abouts = scene.abouts(&person);
        for about in abouts.iter().copied() {
            let name = scene.name(about);
            let mut row = take_row(&mut person.rows, name);
            let derived = scene.derive(&person, about);
            let now = derived
                .as_ref()
                .map(|derived| derived.counted(role))
                .unwrap_or_default();
            if let About::Occurrence(place) = about {
                counted.push((place, std::mem::replace(&mut row.counted, now), now));
                if self.views.occurrences[place].phase == Phase::Ended {
                    self.peaks_stale.insert(place);
                }
            }
            match derived.filter(|_| role == Role::Contact) {
                Some(derived) => {
                    let is_new = milestone::record(&scene, &person, about, &derived, &mut row);
                    let print = &mut self.print;
                    print.clear();
                    derived.print(&scene, print);
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
                    if is_new && let Some(email) = email_of(key) {
                        let value = encoded_row(&scene, email, &row, &derived);
                        self.said.insert((key.to_owned(), row.about.clone()), value);
                    }
                }
                None => hide(&mut row),
            }
            put_row(&mut person.rows, row);
        }
        for row in &mut person.rows {
            if abouts.iter().any(|about| scene.name(*about) == row.about) {
                continue;
            }
            hide(row);
            let before = std::mem::take(&mut row.counted);
            if let Some(About::Occurrence(place)) = scene.find(&row.about) {
                counted.push((place, before, Counted::default()));
            }
        }
        for (place, before, now) in counted {
            let counts = &mut self.facts.occurrences[place].counts;
            let mut turn = |count: &mut i32, before: bool, now: bool| {
                *count += i32::from(now) - i32::from(before);
                self.facts_changed |= before != now;
            };
            turn(&mut counts.registered, before.registered, now.registered);
            turn(&mut counts.attended, before.attended, now.attended);
            turn(&mut counts.no_shows, before.no_show, now.no_show);
            turn(&mut counts.guests, before.guest, now.guest);
            turn(&mut counts.staff, before.staff, now.staff);
        }
        *self.people.change(state, key)? = person;
        Ok(())
    }

    /// Writes what changed to the state.
    pub(super) fn flush(&mut self, state: &mut dyn StateView) {
        if self.facts_changed {
            state.put(
                Self::state_key(&self.id).as_bytes(),
                super::cache::encode(&self.facts),
            );
            self.facts_changed = false;
        }
        self.seats.flush(state);
        self.registrants.flush(state);
        self.people.each_changed(|person| {
            person
                .rows
                .iter_mut()
                .for_each(|row| row.written = row.version)
        });
        self.people.flush(state);
    }
}

/// Who a person is to the account.
pub(super) fn role(person: &Person, key: &str, settings: &AttendanceSettings) -> Role {
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
/// learned late.
fn settle_registrations(scene: &Scene<'_>, person: &mut Person) {
    if person.rows.len() < 2 {
        return;
    }
    let Person {
        registrations,
        rows,
        ..
    } = person;
    for registration in registrations.iter() {
        let Some(home) = scene.home(registration).map(|about| scene.name(about)) else {
            continue;
        };
        let mut astray = Vec::new();
        for row in rows.iter_mut().filter(|row| row.about != home) {
            astray.extend(row.milestones.extract_if(.., |milestone| {
                milestone::is_of_registration(milestone, &registration.id)
            }));
        }
        if !astray.is_empty() {
            let mut row = take_row(rows, home);
            milestone::put(&mut row, astray);
            put_row(rows, row);
        }
    }
}

fn hide(row: &mut Row) {
    if row.shown {
        row.shown = false;
        row.version += 1;
        row.fingerprint = 0;
    }
}

fn take_row(rows: &mut Vec<Row>, about: &str) -> Row {
    match rows.binary_search_by(|row| row.about.as_str().cmp(about)) {
        Ok(place) => rows.remove(place),
        Err(_) => Row {
            about: about.to_owned(),
            ..Row::default()
        },
    }
}

fn put_row(rows: &mut Vec<Row>, row: Row) {
    let place = rows.partition_point(|known| known.about < row.about);
    rows.insert(place, row);
}
