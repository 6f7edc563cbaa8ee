//! Whoever tells a story: makes up people, registrations, seats and meetings, one at a time.

use rand::{RngExt, rngs::StdRng};

use super::{
    parts::{CROWD, Fate, Guise, Part},
    typed,
};
use crate::{
    account::{
        Fact, Meeting, Recording, Registration, Scope, Session, Shows, Slot, Status,
        cast::{INTERNAL_DOMAIN, Person},
        stays::{self, Conduct, uuid_base64},
    },
    time::{MINUTE, SECOND},
};

pub(super) struct Teller {
    pub(super) rng: StdRng,
    pub(super) people: Vec<Person>,
    /// People whose only registrations are approved ones: they may come to more.
    pub(super) regulars: Vec<usize>,
}

impl Teller {
    pub(super) fn seat(
        &mut self,
        meeting: &mut Meeting,
        sessions: &[usize],
        registration: &Registration,
        guise: Guise,
        conduct: Conduct,
    ) {
        let name = match &registration.last_name {
            Some(last) => format!("{} {last}", registration.first_name),
            None => registration.first_name.clone(),
        };
        let elsewhere = || typed(&registration.address.canonical.replace('@', ".elsewhere@"));
        let shows = Shows {
            name,
            email: Some(if guise == Guise::Registrant {
                registration.address.clone()
            } else {
                elsewhere()
            }),
            registrant_id: (guise != Guise::Stranger).then(|| registration.registrant_id.clone()),
            participant_user_id: None,
        };
        let walked_in = registration.facts[0].at_ms;
        for number in sessions {
            let session = &mut meeting.sessions[*number];
            let first = stays::attend(session, conduct, &shows, &mut self.rng);
            // Nobody comes before he registered.
            for seat in &mut session.seats[first..] {
                for mark in &mut seat.marks {
                    mark.at_ms = mark.at_ms.max(walked_in / SECOND * SECOND + 30 * SECOND);
                }
            }
        }
    }

    pub(super) fn registration(
        &mut self,
        meeting: &Meeting,
        person: usize,
        scope: Scope,
        fate: Fate,
        (from_ms, to_ms): (i64, i64),
        during_ms: Option<i64>,
    ) -> Registration {
        let rng = &mut self.rng;
        let mut says = |from_ms: i64, to_ms: i64| rng.random_range(from_ms..to_ms);
        let half = i64::midpoint(from_ms, to_ms);
        let quarter = i64::midpoint(half, to_ms);
        let first = says(from_ms, half);
        let fact = |at_ms, status| Fact { at_ms, status };
        let facts = match (fate, during_ms) {
            (Fate::ApprovedLater, _) => vec![
                fact(first, Status::Pending),
                fact(says(half, to_ms), Status::Approved),
            ],
            (Fate::Pending, _) => vec![fact(first, Status::Pending)],
            (Fate::Denied, _) => vec![
                fact(first, Status::Pending),
                fact(says(half, to_ms), Status::Denied),
            ],
            (Fate::Cancelled, _) => vec![
                fact(first, Status::Approved),
                fact(says(half, to_ms), Status::Cancelled),
            ],
            (Fate::CancelledAndBack, _) => {
                vec![
                    fact(first, Status::Approved),
                    fact(says(half, quarter), Status::Cancelled),
                    fact(says(quarter, to_ms), Status::Approved),
                ]
            }
            (Fate::CancelledDuring, Some(started)) => {
                vec![
                    fact(first, Status::Approved),
                    fact(
                        says(started + 5 * MINUTE, started + 12 * MINUTE),
                        Status::Cancelled,
                    ),
                ]
            }
            (Fate::Walk, Some(started)) => vec![fact(
                says(started + 3 * MINUTE, started + 6 * MINUTE),
                Status::Approved,
            )],
            (Fate::Approved | Fate::CancelledDuring | Fate::Walk, _) => {
                vec![fact(first, Status::Approved)]
            }
        };
        let registrant_id = self.letters(22);
        let address = self.people[person].address(&mut self.rng);
        let source = (meeting.webinar && self.rng.random_bool(0.7)).then(|| {
            ["newsletter", "linkedin", "website", "partner"][self.rng.random_range(0..4)].to_owned()
        });
        let person = &self.people[person];
        Registration {
            join_url: format!(
                "https://us02web.zoom.us/w/{}?tk={registrant_id}",
                meeting.id
            ),
            registrant_id,
            address,
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            org: person.org.clone(),
            team_size: meeting.webinar.then(|| person.team_size.clone()),
            scope,
            source,
            facts,
        }
    }

    /// Somebody for a part: new for the parts that bar another registration, else now and then a regular.
    pub(super) fn person_for(&mut self, meeting: &Meeting, part: Part) -> usize {
        if part.fate == Fate::Approved {
            self.regular_for(meeting)
        } else {
            self.new_person()
        }
    }

    pub(super) fn regular_for(&mut self, meeting: &Meeting) -> usize {
        if !self.regulars.is_empty() && self.rng.random_bool(0.35) {
            let regular = self.regulars[self.rng.random_range(0..self.regulars.len())];
            let address = self.people[regular].address(&mut self.rng).canonical;
            if !meeting
                .registrations
                .iter()
                .any(|known| known.address.canonical == address)
            {
                return regular;
            }
        }
        let person = self.new_person();
        self.regulars.push(person);
        person
    }

    pub(super) fn new_person(&mut self) -> usize {
        self.people
            .push(Person::cast(self.people.len(), &mut self.rng));
        self.people.len() - 1
    }

    /// Somebody who registers for nothing and shows an address.
    pub(super) fn stranger(&mut self) -> Shows {
        let number = self.new_person();
        let person = &self.people[number];
        Shows {
            name: person.name(),
            email: Some(person.private_address()),
            registrant_id: None,
            participant_user_id: None,
        }
    }

    /// The part of the `number`-th registrant: one of the needed ones, then one of the crowd's.
    pub(super) fn part(&mut self, needed: &[Part], number: usize) -> Part {
        needed
            .get(number)
            .copied()
            .unwrap_or_else(|| CROWD[self.rng.random_range(0..CROWD.len())])
    }

    pub(super) fn meeting(
        &mut self,
        topic: &str,
        webinar: bool,
        kind: u8,
        time_zone: &str,
    ) -> Meeting {
        Meeting {
            id: self.rng.random_range(81_000_000_000..89_999_999_999),
            uuid: uuid_base64(&mut self.rng),
            webinar,
            kind,
            topic: topic.to_owned(),
            minutes: 60,
            time_zone: time_zone.to_owned(),
            host_id: format!("Nn{}", self.letters(20)),
            host_email: format!("nora@{INTERNAL_DOMAIN}"),
            created_ms: None,
            registration_type: None,
            slots: Vec::new(),
            change: None,
            registrations: Vec::new(),
            sessions: Vec::new(),
        }
    }

    pub(super) fn slot(&mut self, first_start_ms: i64) -> Slot {
        Slot {
            occurrence_id: self
                .rng
                .random_range(1_600_000_000_000_i64..1_800_000_000_000)
                .to_string(),
            first_start_ms,
            deleted_ms: None,
        }
    }

    pub(super) fn session(&mut self, started_ms: i64, ended_ms: i64, practice: bool) -> Session {
        Session {
            uuid: uuid_base64(&mut self.rng),
            started_ms,
            ended_ms,
            practice,
            seats: Vec::new(),
            recording: None,
        }
    }

    pub(super) fn record(
        &mut self,
        meeting: &mut Meeting,
        session: usize,
        done_after_ms: i64,
        said_twice: bool,
        transcript_after_ms: Option<i64>,
    ) {
        let ended_ms = meeting.sessions[session].ended_ms;
        meeting.sessions[session].recording = Some(Recording {
            completed_ms: ended_ms + done_after_ms,
            share_url: format!("https://us02web.zoom.us/rec/share/{}", self.letters(32)),
            said_twice,
            transcript_ms: transcript_after_ms.map(|after| ended_ms + after),
        });
    }

    pub(super) fn letters(&mut self, count: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
        (0..count)
            .map(|_| char::from(LETTERS[self.rng.random_range(0..LETTERS.len())]))
            .collect()
    }
}
