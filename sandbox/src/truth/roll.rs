//! The roll of one occurrence: who sat in it, second by second.

use std::collections::BTreeMap;

use super::is_internal;
use crate::{
    account::{Holding, Meeting, Place, Plan, Seat, Session},
    time::SECOND,
};

/// Who came to an occurrence.
pub(super) struct Roll {
    /// Length of all its sessions together, in seconds.
    pub(super) length: i64,
    /// People with an address, staff left out.
    pub(super) people: BTreeMap<String, Present>,
}

/// One person who came.
pub(super) struct Present {
    /// Seconds in which he sat on at least one seat.
    pub(super) seconds: i64,
    pub(super) first_join_ms: i64,
    pub(super) name: String,
}

/// One person while the roll is taken.
struct Taken {
    /// One entry for each second from the occurrence's start to its end.
    present: Vec<bool>,
    first_join_ms: i64,
    name: String,
}

pub(super) fn call(plan: &Plan, holding: &Holding) -> Roll {
    let meeting = &plan.meetings[holding.meeting];
    let all = usize::try_from((holding.ended_ms - holding.started_ms) / SECOND).unwrap_or(0);
    let mut taken: BTreeMap<String, Taken> = BTreeMap::new();
    let mut length = 0;
    for number in &holding.sessions {
        let session = &meeting.sessions[*number];
        length += (session.ended_ms - session.started_ms) / SECOND;
        for seat in &session.seats {
            let Some(address) = sitter(plan, meeting, session, seat) else {
                continue;
            };
            let Some(joined_ms) = seat.first_join() else {
                continue;
            };
            let person = taken.entry(address).or_insert_with(|| Taken {
                present: vec![false; all],
                first_join_ms: joined_ms,
                name: seat.shows.name.clone(),
            });
            person.first_join_ms = person.first_join_ms.min(joined_ms);
            for (from, to) in seat.stays(session) {
                let second =
                    |ms: i64| usize::try_from((ms - holding.started_ms) / SECOND).unwrap_or(0);
                person.present[second(from)..second(to)].fill(true);
            }
        }
    }
    let people = taken.into_iter().map(|(address, person)| {
        let seconds = person.present.iter().filter(|second| **second).count();
        let present = Present {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            first_join_ms: person.first_join_ms,
            name: person.name,
        };
        (address, present)
    });
    Roll {
        length,
        people: people.collect(),
    }
}

/// Seconds in whole percent of a length, rounded half up, at most 100.
pub(super) fn share(seconds: i64, length: i64) -> i64 {
    if length == 0 {
        0
    } else {
        ((200 * seconds + length) / (2 * length)).min(100)
    }
}

/// The address of the person on a seat; none for staff and guests.
fn sitter(plan: &Plan, meeting: &Meeting, session: &Session, seat: &Seat) -> Option<String> {
    let belongs_to = match &seat.place {
        Place::Main => None,
        Place::Breakout { parent_user_id, .. } => Some(parent_user_id),
        Place::Phone { bound, .. } => bound.as_ref().map(|bound| &bound.user_id),
    };
    if let Some(user_id) = belongs_to {
        let main = session
            .seats
            .iter()
            .find(|other| other.user_id == *user_id)?;
        return sitter(plan, meeting, session, main);
    }
    let registered = seat.shows.registrant_id.as_ref().and_then(|id| {
        meeting
            .registrations
            .iter()
            .find(|registration| registration.registrant_id == *id)
            .map(|registration| &registration.address)
    });
    let address = match registered {
        Some(address) => address,
        None if seat.shows.participant_user_id.is_some() => return None,
        None => seat.shows.email.as_ref()?,
    };
    (!is_internal(plan, &address.canonical)).then(|| address.canonical.clone())
}
