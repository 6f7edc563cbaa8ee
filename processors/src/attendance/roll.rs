//! The roll of one meeting: takes its events, in order, and keeps what every row of it says.

use std::collections::BTreeSet;

use rollcall_runtime::{StateError, StateView};
use rollcall_schemas::record::{EventKind, Phase, RowState, ZoomEvent};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::cache::Cache;
use super::derive::{About, Role, Scene};
use super::fingerprint::Fingerprint;
use super::latest::Latest;
use super::meeting::{Meeting, see};
use super::milestone;
use super::occurrence::{Moved, Views, look, regroup};
use super::person::{Counted, Person, Registration, Row, Seat};
use super::settings::AttendanceSettings;

/// Who has a seat.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct SeatIndex {
    /// Key of the person; empty where the seat was not seen itself.
    owner: String,
    /// Seats of the same session that belong to this one.
    children: BTreeSet<String>,
}

/// What is known of a registrant id.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct RegistrantIndex {
    /// The address of the registration, once it was seen.
    email: Latest<String>,
    /// Keys of people who have seats of this registrant while his registration is not known.
    waiting: BTreeSet<String>,
}

/// One meeting, in memory.
#[derive(Debug)]
pub(super) struct Roll {
    pub(super) id: String,
    pub(super) facts: Meeting,
    pub(super) views: Views,
    pub(super) people: Cache<Person>,
    seats: Cache<SeatIndex>,
    registrants: Cache<RegistrantIndex>,
    everybody_loaded: bool,
    pub(super) facts_changed: bool,
    /// Whether an event took effect since it was last written.
    pub(super) touched: bool,
    /// Ids of occurrences that are no more; their rows are to be erased.
    pub(super) gone: Vec<String>,
    print: Fingerprint,
    /// Places of ended occurrences in which somebody's stays may have changed.
    pub(super) peaks_stale: BTreeSet<usize>,
}

/// Key of a person by address.
fn by_email(email: &str) -> String {
    format!("e:{email}")
}

/// The address of a person, from his key.
pub(super) fn email_of(person_key: &str) -> Option<&str> {
    person_key.strip_prefix("e:")
}

fn seat_key(session: u32, user_id: &str) -> String {
    format!("{session}/{user_id}")
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
    pub(super) fn load(state: &mut dyn StateView, id: &str, settings: &AttendanceSettings) -> Result<Self, StateError> {
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
            event.participant.as_ref().and_then(|seat| seat.user_id.as_deref().or(seat.participant_uuid.as_deref())),
        ) && event.session_uuid.is_some()
        {
            let before = self.facts.sessions.len();
            let change = self.facts.apply(event);
            let session = change.session.expect("a seat's event names a session");
            if !self.apply_seat(state, event, participant, (session, user_id), hash, &mut touched)? {
                debug_assert_eq!(before, self.facts.sessions.len(), "a duplicate shows no new session");
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

    fn move_milestones(&mut self, state: &mut dyn StateView, from: &str, to: &str) -> Result<(), StateError> {
        for key in self.people.keys() {
            if !self.people.get(state, &key)?.rows.iter().any(|row| row.about == from) {
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

    fn apply_registration(
        &mut self,
        state: &mut dyn StateView,
        event: &ZoomEvent<'_>,
        registrant: &rollcall_schemas::record::Registrant<'_>,
        hash: u64,
        touched: &mut BTreeSet<String>,
    ) -> Result<bool, StateError> {
        let id = registrant.id.as_str();
        let former = self.registrants.get(state, id)?.email.text().map(by_email);
        let mut registration = None;
        if let Some(former) = &former {
            self.people.load(state, former)?;
            let known = self.people.loaded(former).and_then(|person| person.registrations.iter().find(|known| known.id == id));
            if known.is_some_and(|known| known.seen.binary_search(&hash).is_ok()) {
                return Ok(false);
            }
            registration = self.people.change(state, former)?.take_registration(id);
        }
        let mut registration =
            registration.unwrap_or_else(|| Registration { id: id.to_owned(), ..Registration::default() });
        registration.apply(event, registrant, hash);

        let index = self.registrants.change(state, id)?;
        index.email.see_text(event.occurred_at, Some(&registrant.email));
        let owner = by_email(index.email.text().expect("an address was seen just now"));
        let mut holders = std::mem::take(&mut index.waiting);
        self.people.change(state, &owner)?.put_registration(registration);
        touched.insert(owner.clone());
        if let Some(former) = former.filter(|former| *former != owner) {
            touched.insert(former.clone());
            holders.insert(former);
        }
        for holder in holders {
            self.people.load(state, &holder)?;
            let of_registrant: Vec<(u32, String)> = self
                .people
                .loaded(&holder)
                .into_iter()
                .flat_map(|person| &person.seats)
                .filter(|seat| seat.registrant_id.text() == Some(id))
                .map(|seat| (seat.session, seat.user_id.clone()))
                .collect();
            for (session, user_id) in of_registrant {
                self.settle(state, session, &user_id, touched)?;
            }
        }
        Ok(true)
    }

    fn apply_seat(
        &mut self,
        state: &mut dyn StateView,
        event: &ZoomEvent<'_>,
        participant: &rollcall_schemas::record::Participant<'_>,
        (session, user_id): (u32, &str),
        hash: u64,
        touched: &mut BTreeSet<String>,
    ) -> Result<bool, StateError> {
        let key = seat_key(session, user_id);
        let owner = self.seats.get(state, &key)?.owner.clone();
        let mut seat = None;
        if !owner.is_empty() {
            self.people.load(state, &owner)?;
            let known = self
                .people
                .loaded(&owner)
                .and_then(|person| person.seats.iter().find(|seat| seat.session == session && seat.user_id == user_id));
            if known.is_some_and(|known| known.seen.binary_search(&hash).is_ok()) {
                return Ok(false);
            }
            seat = self.people.change(state, &owner)?.take_seat(session, user_id);
        }
        let mut seat =
            seat.unwrap_or_else(|| Seat { session, user_id: user_id.to_owned(), ..Seat::default() });
        seat.apply(event, participant, hash);
        if let Some(parent) = seat.belongs_to.text() {
            let parent = seat_key(session, parent);
            if !self.seats.get(state, &parent)?.children.contains(user_id) {
                self.seats.change(state, &parent)?.children.insert(user_id.to_owned());
            }
        }
        self.place(state, seat, &owner, touched)?;
        Ok(true)
    }

    /// Looks again at whose a seat is.
    fn settle(
        &mut self,
        state: &mut dyn StateView,
        session: u32,
        user_id: &str,
        touched: &mut BTreeSet<String>,
    ) -> Result<(), StateError> {
        let owner = self.seats.get(state, &seat_key(session, user_id))?.owner.clone();
        if owner.is_empty() {
            return Ok(());
        }
        let Some(seat) = self.people.change(state, &owner)?.take_seat(session, user_id) else {
            return Ok(());
        };
        self.place(state, seat, &owner, touched)
    }

    /// Gives a seat to the person whose it is, and looks again at the seats that belong to it where
    /// that is another one than before.
    fn place(
        &mut self,
        state: &mut dyn StateView,
        seat: Seat,
        former: &str,
        touched: &mut BTreeSet<String>,
    ) -> Result<(), StateError> {
        let owner = self.owner(state, &seat)?;
        let key = seat_key(seat.session, &seat.user_id);
        let session = seat.session;
        if !former.is_empty() {
            touched.insert(former.to_owned());
        }
        touched.insert(owner.clone());
        self.people.change(state, &owner)?.put_seat(seat);
        if owner == former {
            return Ok(());
        }
        let index = self.seats.change(state, &key)?;
        index.owner = owner;
        for child in index.children.clone() {
            self.settle(state, session, &child, touched)?;
        }
        Ok(())
    }

    /// Whose a seat is. Identity, strongest first: the registration, the address, the account's
    /// user, the seat that it belongs to.
    fn owner(&mut self, state: &mut dyn StateView, seat: &Seat) -> Result<String, StateError> {
        if let Some(registrant_id) = seat.registrant_id.text() {
            if let Some(email) = self.registrants.get(state, registrant_id)?.email.text() {
                return Ok(by_email(email));
            }
            let owner = seat.email.text().map_or_else(|| format!("r:{registrant_id}"), by_email);
            let index = self.registrants.get(state, registrant_id)?;
            if !index.waiting.contains(&owner) {
                self.registrants.change(state, registrant_id)?.waiting.insert(owner.clone());
            }
            return Ok(owner);
        }
        if let Some(email) = seat.email.text() {
            return Ok(by_email(email));
        }
        if let Some(user) = seat.participant_user_id.text() {
            return Ok(format!("u:{user}"));
        }
        if let Some(parent) = seat.belongs_to.text().filter(|parent| *parent != seat.user_id) {
            let owner = &self.seats.get(state, &seat_key(seat.session, parent))?.owner;
            if !owner.is_empty() {
                return Ok(owner.clone());
            }
        }
        Ok(format!("s:{}", seat_key(seat.session, &seat.user_id)))
    }

    /// Brings the rows of a person up to his facts, and the counts with them.
    fn derive(&mut self, state: &mut dyn StateView, settings: &AttendanceSettings, key: &str) -> Result<(), StateError> {
        let mut person = std::mem::take(self.people.change(state, key)?);
        let scene = Scene { id: &self.id, facts: &self.facts, views: &self.views };
        let role = role(&person, key, settings);
        let mut counted = Vec::new();
        let abouts = scene.abouts(&person);
        for about in abouts.iter().copied() {
            let name = scene.name(about);
            let mut row = take_row(&mut person.rows, name);
            let derived = scene.derive(&person, about);
            let now = derived.as_ref().map(|derived| derived.counted(role)).unwrap_or_default();
            if let About::Occurrence(place) = about {
                counted.push((place, std::mem::replace(&mut row.counted, now), now));
                if self.views.occurrences[place].phase == Phase::Ended {
                    self.peaks_stale.insert(place);
                }
            }
            match derived.filter(|_| role == Role::Contact) {
                Some(derived) => {
                    milestone::record(&scene, &person, about, &derived, &mut row);
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
            state.put(Self::state_key(&self.id).as_bytes(), super::cache::encode(&self.facts));
            self.facts_changed = false;
        }
        self.seats.flush(state);
        self.registrants.flush(state);
        self.people.each_changed(|person| person.rows.iter_mut().for_each(|row| row.written = row.version));
        self.people.flush(state);
    }
}

/// Who a person is to the account.
pub(super) fn role(person: &Person, key: &str, settings: &AttendanceSettings) -> Role {
    let is_user = person.seats.iter().any(|seat| seat.participant_user_id.text().is_some());
    match email_of(key) {
        _ if is_user => Role::Staff,
        Some(email) if settings.is_internal(email) => Role::Staff,
        Some(_) => Role::Contact,
        None => Role::Guest,
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
        Err(_) => Row { about: about.to_owned(), ..Row::default() },
    }
}

fn put_row(rows: &mut Vec<Row>, row: Row) {
    let place = rows.partition_point(|known| known.about < row.about);
    rows.insert(place, row);
}

const TIMERS: &[u8] = b"t/";

fn timer_key(due: i64, id: &str) -> Vec<u8> {
    [TIMERS, &due.to_be_bytes(), id.as_bytes()].concat()
}

fn set_timer(state: &mut dyn StateView, id: &str, former: Option<i64>, due: Option<i64>) {
    if let Some(former) = former {
        state.delete(&timer_key(former, id));
    }
    if let Some(due) = due {
        state.put(&timer_key(due, id), vec![1]);
    }
}

/// The meetings for which stream time matters by `now`, and the moment at which it matters next.
pub(super) fn due(state: &mut dyn StateView, now: i64) -> Result<(Vec<String>, Option<i64>), StateError> {
    let mut due = Vec::new();
    let mut next = None;
    state.scan(TIMERS, &mut |key, _| {
        let rest = &key[TIMERS.len()..];
        let Some((at, id)) = rest.split_first_chunk::<8>() else { return false };
        let at = i64::from_be_bytes(*at);
        if at > now {
            next = Some(at);
            return false;
        }
        due.push(String::from_utf8_lossy(id).into_owned());
        true
    })?;
    Ok((due, next))
}
