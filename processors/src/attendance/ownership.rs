//! Whose a seat is, and whose a registration.
//!
//! Identity, strongest first: the registration, the address, the account's user, the seat that it
//! belongs to. A seat that was seen before what decides it goes to its person when that is seen.

use std::collections::BTreeSet;

use rollcall_runtime::{StateError, StateView};
use rollcall_schemas::record::{Participant, Registrant, ZoomEvent};
use serde::{Deserialize, Serialize};

use super::latest::Latest;
use super::person::{Registration, Seat};
use super::roll::Roll;

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

impl Roll {
    pub(super) fn apply_registration(
        &mut self,
        state: &mut dyn StateView,
        event: &ZoomEvent<'_>,
        registrant: &Registrant<'_>,
        hash: u64,
        touched: &mut BTreeSet<String>,
    ) -> Result<bool, StateError> {
        let id = registrant.id.as_str();
        let former = self.registrants.get(state, id)?.email.text().map(by_email);
        let mut registration = None;
        if let Some(former) = &former {
            self.people.load(state, former)?;
            let known = self
                .people
                .loaded(former)
                .and_then(|person| person.registrations.iter().find(|known| known.id == id));
            if known.is_some_and(|known| known.seen.binary_search(&hash).is_ok()) {
                return Ok(false);
            }
            registration = self.people.change(state, former)?.take_registration(id);
        }
        let mut registration = registration.unwrap_or_else(|| Registration {
            id: id.to_owned(),
            ..Registration::default()
        });
        registration.apply(event, registrant, hash);

        let index = self.registrants.change(state, id)?;
        index
            .email
            .see_text(event.occurred_at, Some(&registrant.email));
        let owner = by_email(index.email.text().expect("an address was seen just now"));
        let mut holders = std::mem::take(&mut index.waiting);
        self.people
            .change(state, &owner)?
            .put_registration(registration);
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

    pub(super) fn apply_seat(
        &mut self,
        state: &mut dyn StateView,
        event: &ZoomEvent<'_>,
        participant: &Participant<'_>,
        (session, user_id): (u32, &str),
        hash: u64,
        touched: &mut BTreeSet<String>,
    ) -> Result<bool, StateError> {
        let key = seat_key(session, user_id);
        let owner = self.seats.get(state, &key)?.owner.clone();
        let mut seat = None;
        if !owner.is_empty() {
            self.people.load(state, &owner)?;
            let known = self.people.loaded(&owner).and_then(|person| {
                person
                    .seats
                    .iter()
                    .find(|seat| seat.session == session && seat.user_id == user_id)
            });
            if known.is_some_and(|known| known.seen.binary_search(&hash).is_ok()) {
                return Ok(false);
            }
            seat = self
                .people
                .change(state, &owner)?
                .take_seat(session, user_id);
        }
        let mut seat = seat.unwrap_or_else(|| Seat {
            session,
            user_id: user_id.to_owned(),
            ..Seat::default()
        });
        seat.apply(event, participant, hash);
        if let Some(parent) = seat.belongs_to.text() {
            let parent = seat_key(session, parent);
            if !self.seats.get(state, &parent)?.children.contains(user_id) {
                self.seats
                    .change(state, &parent)?
                    .children
                    .insert(user_id.to_owned());
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
        let owner = self
            .seats
            .get(state, &seat_key(session, user_id))?
            .owner
            .clone();
        if owner.is_empty() {
            return Ok(());
        }
        let Some(seat) = self
            .people
            .change(state, &owner)?
            .take_seat(session, user_id)
        else {
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
            let owner = seat
                .email
                .text()
                .map_or_else(|| format!("r:{registrant_id}"), by_email);
            let index = self.registrants.get(state, registrant_id)?;
            if !index.waiting.contains(&owner) {
                self.registrants
                    .change(state, registrant_id)?
                    .waiting
                    .insert(owner.clone());
            }
            return Ok(owner);
        }
        if let Some(email) = seat.email.text() {
            return Ok(by_email(email));
        }
        if let Some(user) = seat.participant_user_id.text() {
            return Ok(format!("u:{user}"));
        }
        if let Some(parent) = seat
            .belongs_to
            .text()
            .filter(|parent| *parent != seat.user_id)
        {
            let owner = &self
                .seats
                .get(state, &seat_key(seat.session, parent))?
                .owner;
            if !owner.is_empty() {
                return Ok(owner.clone());
            }
        }
        Ok(format!("s:{}", seat_key(seat.session, &seat.user_id)))
    }
}
