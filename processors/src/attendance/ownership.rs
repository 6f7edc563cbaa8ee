//! Whose a seat is, and whose a registration.
//!
//! Identity, strongest first: the registration, the address, the account's user, the seat that it
//! belongs to. A seat that was seen before what decides it goes to its person when that is seen.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rollcall_runtime::{StateError, StateView};
use rollcall_schemas::record::{Participant, Registrant, ZoomEvent};
use serde::{Deserialize, Serialize};

use super::cache::Place;
use super::latest::Latest;
use super::person::{Registration, Seat};
use super::roll::Roll;

/// Who has a seat.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct SeatIndex {
    /// Key of the person; empty where the seat was not seen itself.
    owner: Box<str>,
    /// Seats of the same session that belong to this one.
    children: BTreeSet<Box<str>>,
}

/// What is known of a registrant id.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct RegistrantIndex {
    /// The address of the registration, once it was seen.
    email: Latest<Box<str>>,
    /// Keys of people who have seats of this registrant while his registration is not known.
    waiting: BTreeSet<Box<str>>,
}

/// People whose facts an event changed, each once.
#[derive(Debug, Default)]
pub(super) struct Touched(Vec<Place>);

impl Touched {
    fn add(&mut self, person: Place) {
        if !self.0.contains(&person) {
            self.0.push(person);
        }
    }

    /// Where they are.
    pub(super) fn people(&self) -> &[Place] {
        &self.0
    }
}

/// Key of a person by address.
fn by_email(email: &str) -> String {
    ["e:", email].concat()
}

/// The address of a person, from his key.
pub(super) fn email_of(person_key: &str) -> Option<&str> {
    person_key.strip_prefix("e:")
}

/// The key of a seat, made in `buffer`.
fn seat_key<'k>(buffer: &'k mut String, session: u32, user_id: &str) -> &'k str {
    buffer.clear();
    write!(buffer, "{session}/").expect("a string takes every write");
    buffer.push_str(user_id);
    buffer
}

impl Roll {
    pub(super) fn apply_registration(
        &mut self,
        state: &mut dyn StateView,
        event: &ZoomEvent<'_>,
        registrant: &Registrant<'_>,
        hash: u64,
        touched: &mut Touched,
    ) -> Result<bool, StateError> {
        let id = registrant.id.as_str();
        let index = self.registrants.find(state, id)?;
        let former = match self.registrants[index].email.text() {
            Some(email) => Some(self.people.find(state, &by_email(email))?),
            None => None,
        };
        let mut registration = None;
        if let Some(former) = former {
            let known = self.people[former].facts.registration(id);
            if known.is_some_and(|known| known.has_seen(hash)) {
                return Ok(false);
            }
            registration = self.people.change(former).facts.take_registration(id);
        }
        let mut registration = registration.unwrap_or_else(|| Registration {
            id: id.into(),
            ..Registration::default()
        });
        registration.apply(event, registrant, hash)?;

        let index = self.registrants.change(index);
        index
            .email
            .see_text(event.occurred_at, Some(&registrant.email));
        let owner = by_email(index.email.text().expect("an address was seen just now"));
        let mut holders = std::mem::take(&mut index.waiting);
        let owner = self.people.find(state, &owner)?;
        self.people
            .change(owner)
            .facts
            .put_registration(registration);
        touched.add(owner);
        if let Some(former) = former.filter(|former| *former != owner) {
            touched.add(former);
            holders.insert((&**self.people.key(former)).into());
        }
        for holder in holders {
            let holder = self.people.find(state, &holder)?;
            let of_registrant: Vec<(u32, Box<str>)> = self.people[holder]
                .facts
                .seats
                .iter()
                .filter(|seat| seat.registrant_id.text() == Some(id))
                .map(|seat| (seat.session, seat.user_id.clone()))
                .collect();
            for (session, user_id) in of_registrant {
                self.settle(state, session, &user_id, touched)?;
            }
        }
        Ok(true)
    }

    pub(super) fn apply_seat(
        &mut self,
        state: &mut dyn StateView,
        event: &ZoomEvent<'_>,
        participant: &Participant<'_>,
        (session, user_id): (u32, &str),
        hash: u64,
        touched: &mut Touched,
    ) -> Result<bool, StateError> {
        let index = self
            .seats
            .find(state, seat_key(&mut self.seat_key, session, user_id))?;
        let (mut former, mut known) = (None, None);
        if !self.seats[index].owner.is_empty() {
            let holder = self.people.find(state, &self.seats[index].owner)?;
            former = Some(holder);
            let seats = &self.people[holder].facts.seats;
            if let Some(place) = seats.iter().position(|seat| seat.is(session, user_id)) {
                if seats[place].has_seen(hash) {
                    return Ok(false);
                }
                let seats = &mut self.people.change(holder).facts.seats;
                if !seats[place].apply(event, participant, hash) {
                    touched.add(holder);
                    return Ok(true);
                }
                known = Some(seats.remove(place));
            }
        }
        let seat = known.unwrap_or_else(|| {
            let mut seat = Seat {
                session,
                user_id: user_id.into(),
                ..Seat::default()
            };
            seat.apply(event, participant, hash);
            seat
        });
        if let Some(parent) = seat.belongs_to.text() {
            let parent = self
                .seats
                .find(state, seat_key(&mut self.seat_key, session, parent))?;
            if !self.seats[parent].children.contains(user_id) {
                self.seats.change(parent).children.insert(user_id.into());
            }
        }
        self.place(state, seat, index, former, touched)?;
        Ok(true)
    }

    /// Looks again at whose a seat is.
    fn settle(
        &mut self,
        state: &mut dyn StateView,
        session: u32,
        user_id: &str,
        touched: &mut Touched,
    ) -> Result<(), StateError> {
        let index = self
            .seats
            .find(state, seat_key(&mut self.seat_key, session, user_id))?;
        if self.seats[index].owner.is_empty() {
            return Ok(());
        }
        let former = self.people.find(state, &self.seats[index].owner)?;
        let person = self.people.change(former);
        let Some(seat) = person.facts.take_seat(session, user_id) else {
            return Ok(());
        };
        self.place(state, seat, index, Some(former), touched)
    }

    /// Gives a seat to the person whose it is, and looks again at the seats that belong to it where
    /// that is another one than before.
    fn place(
        &mut self,
        state: &mut dyn StateView,
        seat: Seat,
        index: Place,
        former: Option<Place>,
        touched: &mut Touched,
    ) -> Result<(), StateError> {
        let owner_key = self.owner(state, &seat)?;
        let owner = self.people.find(state, &owner_key)?;
        former.into_iter().for_each(|former| touched.add(former));
        touched.add(owner);
        let session = seat.session;
        self.people.change(owner).facts.put_seat(seat);
        if former == Some(owner) {
            return Ok(());
        }
        let index = self.seats.change(index);
        index.owner = owner_key.into();
        for child in index.children.clone() {
            self.settle(state, session, &child, touched)?;
        }
        Ok(())
    }

    /// Whose a seat is. Identity, strongest first: the registration, the address, the account's
    /// user, the seat that it belongs to.
    ///
    /// Nothing but these decides it: where none of them changed, neither did the owner.
    fn owner(&mut self, state: &mut dyn StateView, seat: &Seat) -> Result<String, StateError> {
        if let Some(registrant_id) = seat.registrant_id.text() {
            let index = self.registrants.find(state, registrant_id)?;
            if let Some(email) = self.registrants[index].email.text() {
                return Ok(by_email(email));
            }
            let owner = seat
                .email
                .text()
                .map_or_else(|| ["r:", registrant_id].concat(), by_email);
            if !self.registrants[index].waiting.contains(&*owner) {
                let waiting = &mut self.registrants.change(index).waiting;
                waiting.insert(owner.as_str().into());
            }
            return Ok(owner);
        }
        if let Some(email) = seat.email.text() {
            return Ok(by_email(email));
        }
        if let Some(user) = seat.participant_user_id.text() {
            return Ok(["u:", user].concat());
        }
        if let Some(parent) = seat
            .belongs_to
            .text()
            .filter(|parent| **parent != *seat.user_id)
        {
            let parent = self
                .seats
                .find(state, seat_key(&mut self.seat_key, seat.session, parent))?;
            let owner = &self.seats[parent].owner;
            if !owner.is_empty() {
                return Ok(owner.to_string());
            }
        }
        let own_key = seat_key(&mut self.seat_key, seat.session, &seat.user_id);
        Ok(["s:", own_key].concat())
    }
}
