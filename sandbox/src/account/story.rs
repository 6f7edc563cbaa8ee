//! The story: which meetings take place in the week, and who plays which part.
//!
//! The story keeps clear of what nobody defines: all that is said of registrations is said between
//! 08:00 and 15:00 UTC, so that it is the same day in every time zone played; somebody whose
//! registration is ever pending, denied or cancelled has no other; nobody outside the account only
//! comes to a practice session.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    Address, BEGINS_MS, Change, Fact, Lists, Meeting, Plan, Recording, Registration, Scope,
    Session, Shows, Slot, Status,
    cast::{INTERNAL_DOMAIN, Person, guest_name},
    stays::{self, Conduct, uuid_base64},
};
use crate::time::{DAY, HOUR, MINUTE, SECOND};

/// What becomes of a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Approved,
    ApprovedLater,
    Pending,
    Denied,
    /// Taken back before the start.
    Cancelled,
    /// Taken back while the session runs.
    CancelledDuring,
    /// Taken back and approved again.
    CancelledAndBack,
    /// Made while the session runs.
    Walk,
}

/// How a registrant shows himself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Guise {
    /// By his registration.
    Registrant,
    /// By his registration, with another address.
    RegistrantElsewhere,
    /// By another address alone: nobody can know that it is he.
    Stranger,
}

/// One part in the play.
#[derive(Clone, Copy, Debug)]
struct Part {
    fate: Fate,
    guise: Guise,
    /// How he attends; absent for somebody who does not come.
    conduct: Option<Conduct>,
}

const fn comes(conduct: Conduct) -> Part {
    Part {
        fate: Fate::Approved,
        guise: Guise::Registrant,
        conduct: Some(conduct),
    }
}

const fn part(fate: Fate, conduct: Option<Conduct>) -> Part {
    Part {
        fate,
        guise: Guise::Registrant,
        conduct,
    }
}

const ABSENT: Part = part(Fate::Approved, None);

/// Parts of a webinar, the rarest needed first: a small story casts the first ones only.
const WEBINAR_PARTS: [Part; 15] = [
    comes(Conduct::Throughout),
    ABSENT,
    comes(Conduct::Rejoins),
    part(Fate::Cancelled, None),
    comes(Conduct::TwoDevices),
    part(Fate::Pending, None),
    comes(Conduct::Crashes),
    part(Fate::Denied, None),
    part(Fate::ApprovedLater, Some(Conduct::ComesEarly)),
    part(Fate::Cancelled, Some(Conduct::Throughout)),
    comes(Conduct::NoGoodbye),
    part(Fate::CancelledAndBack, Some(Conduct::Throughout)),
    Part {
        fate: Fate::Approved,
        guise: Guise::RegistrantElsewhere,
        conduct: Some(Conduct::Throughout),
    },
    part(Fate::CancelledDuring, None),
    comes(Conduct::Brief),
];

/// Parts that one holding of the series has besides.
const SERIES_PARTS: [Part; 2] = [
    Part {
        fate: Fate::Approved,
        guise: Guise::Stranger,
        conduct: Some(Conduct::Throughout),
    },
    part(Fate::Walk, Some(Conduct::Throughout)),
];

/// Parts of a meeting.
const MEETING_PARTS: [Part; 14] = [
    comes(Conduct::WaitsThenEnters),
    ABSENT,
    comes(Conduct::OnlyWaits),
    comes(Conduct::PutBackAndReadmitted),
    comes(Conduct::Breakout),
    comes(Conduct::PhonesIn),
    part(Fate::Cancelled, None),
    comes(Conduct::PutBackForGood),
    comes(Conduct::BreakoutAlone),
    comes(Conduct::BecomesCoHost),
    part(Fate::Denied, None),
    Part {
        fate: Fate::Approved,
        guise: Guise::RegistrantElsewhere,
        conduct: Some(Conduct::WaitsThenEnters),
    },
    Part {
        fate: Fate::ApprovedLater,
        guise: Guise::Stranger,
        conduct: Some(Conduct::TwoDevices),
    },
    comes(Conduct::Rejoins),
];

/// What most people do.
const CROWD: [Part; 8] = [
    comes(Conduct::Throughout),
    comes(Conduct::Throughout),
    comes(Conduct::ComesEarly),
    comes(Conduct::Rejoins),
    comes(Conduct::NoGoodbye),
    ABSENT,
    ABSENT,
    ABSENT,
];

pub(super) fn tell(seed: u64, registrants: usize) -> Plan {
    let registrants = registrants.max(8);
    let share = |percent: usize| (registrants * percent / 100).max(1);
    let (meeting, never_held, standing, restarted) = (share(17), share(3), share(7), share(33));
    let series = registrants - meeting - never_held - standing - restarted;
    let mut teller = Teller {
        rng: StdRng::seed_from_u64(seed),
        people: Vec::new(),
        regulars: Vec::new(),
    };
    let account_id = format!("Nl{}", teller.letters(20));
    let meetings = vec![
        teller.series_webinar(series),
        teller.restarted_webinar(restarted),
        teller.registered_meeting(meeting),
        teller.standing_meeting(standing),
        teller.meeting_never_held(never_held),
        teller.instant_meeting(),
    ];
    Plan {
        seed,
        account_id,
        internal_domains: vec![INTERNAL_DOMAIN.to_owned()],
        lists: Lists::default(),
        meetings,
    }
}

struct Teller {
    rng: StdRng,
    people: Vec<Person>,
    /// People whose only registrations are approved ones: they may come to more.
    regulars: Vec<usize>,
}

impl Teller {
    /// A recurring webinar: three holdings in the story, a practice session before the first, one slot
    /// deleted and one still ahead at the end.
    fn series_webinar(&mut self, registrants: usize) -> Meeting {
        let mut webinar = self.meeting(
            "Streaming for people with deadlines — Reihe",
            true,
            9,
            "Europe/Berlin",
        );
        webinar.created_ms = Some(BEGINS_MS + 5 * MINUTE);
        webinar.registration_type = Some(3);
        webinar.slots = [DAY, 2 * DAY, 3 * DAY, 8 * DAY, 10 * DAY]
            .map(|offset| self.slot(BEGINS_MS + 2 * HOUR + offset))
            .into();
        webinar.slots[3].deleted_ms = Some(BEGINS_MS + 12 * MINUTE + 400);
        webinar.sessions = vec![
            // The practice session ends minutes before the first holding starts.
            self.session(at(1, 9, 40, 0), at(1, 9, 52, 10), true),
            self.session(at(1, 9, 58, 20), at(1, 10, 57, 30), false),
            // Over early: the holding counts as ended at its planned end, half an hour later.
            self.session(at(2, 10, 1, 5), at(2, 10, 30, 5), false),
            // Overruns its planned end.
            self.session(at(3, 10, 0, 30), at(3, 11, 8, 0), false),
        ];
        self.record(&mut webinar, 2, 18 * MINUTE, false, Some(25 * MINUTE));
        self.record(&mut webinar, 3, 21 * MINUTE, true, None);
        let holdings: [&[usize]; 3] = [&[1], &[2], &[3]];
        let mut parts = WEBINAR_PARTS
            .iter()
            .chain(&SERIES_PARTS)
            .copied()
            .collect::<Vec<_>>();
        parts.rotate_right(SERIES_PARTS.len());
        for number in 0..registrants {
            // A quarter registers for the series; one in a while for two slots, or for the one still ahead.
            let whole_series = number % 4 == 2;
            if whole_series {
                let person = self.regular_for(&webinar);
                let (said, before) = (at(0, 8, 30, 0), at(0, 15, 0, 0));
                let mut registration = self.registration(
                    &webinar,
                    person,
                    Scope::Series,
                    Fate::Approved,
                    (said, before),
                    None,
                );
                registration.source = None;
                for (holding, sessions) in holdings.iter().enumerate() {
                    if self.rng.random_bool(0.5) || (number == 2 && holding == 0) {
                        let conduct = if number == 6 {
                            Conduct::Crashes
                        } else {
                            Conduct::Throughout
                        };
                        self.seat(
                            &mut webinar,
                            sessions,
                            &registration,
                            Guise::Registrant,
                            conduct,
                        );
                    }
                }
                webinar.registrations.push(registration);
                continue;
            }
            let part = self.part(&parts, number);
            let person = self.person_for(&webinar, part);
            let holding = if number < parts.len() {
                number % 2
            } else {
                self.rng.random_range(0..3)
            };
            let mut slots = vec![holding];
            if part.fate == Fate::Approved && number % 10 == 7 {
                slots.push(2);
                slots.dedup();
            }
            if part.fate == Fate::Approved && part.conduct.is_none() && number % 3 == 0 {
                slots.push(4);
            }
            let during = webinar.sessions[holdings[holding][0]].started_ms;
            let window = if holding == 0 {
                (at(0, 8, 30, 0), at(0, 15, 0, 0))
            } else {
                (at(1, 8, 5, 0), at(1, 9, 30, 0))
            };
            let registration = self.registration(
                &webinar,
                person,
                Scope::Slots(slots.clone()),
                part.fate,
                window,
                Some(during),
            );
            if let Some(conduct) = part.conduct {
                for slot in slots.iter().filter(|slot| **slot < holdings.len()) {
                    self.seat(
                        &mut webinar,
                        holdings[*slot],
                        &registration,
                        part.guise,
                        conduct,
                    );
                }
            }
            webinar.registrations.push(registration);
        }
        self.double_registration(&mut webinar);
        self.registered_colleague(&mut webinar, &[1]);
        self.extras(&mut webinar, 4, 3);
        webinar
    }

    /// A webinar that is cut and restarted, with a rehearsal the day before, at a time that is the next day where it is held.
    fn restarted_webinar(&mut self, registrants: usize) -> Meeting {
        let mut webinar = self.meeting("Exactly once, live: 東京", true, 5, "Asia/Tokyo");
        webinar.created_ms = Some(BEGINS_MS + 7 * MINUTE);
        webinar.slots = vec![self.slot(at(1, 15, 30, 0))];
        webinar.sessions = vec![
            self.session(at(0, 14, 0, 0), at(0, 14, 25, 0), false),
            self.session(at(1, 15, 29, 10), at(1, 15, 53, 40), false),
            self.session(at(1, 15, 58, 30), at(1, 16, 24, 0), false),
        ];
        self.record(&mut webinar, 2, 21 * MINUTE, true, Some(40 * MINUTE));
        for number in 0..registrants {
            let part = self.part(&WEBINAR_PARTS, number);
            let person = self.person_for(&webinar, part);
            // Whoever rehearses registers before it.
            let rehearses = number == 0 || number == 4;
            let early = rehearses || number % 2 == 0;
            let window = if early {
                (at(0, 8, 30, 0), at(0, 13, 40, 0))
            } else {
                (at(1, 8, 5, 0), at(1, 14, 0, 0))
            };
            let registration = self.registration(
                &webinar,
                person,
                Scope::Slots(vec![0]),
                part.fate,
                window,
                Some(at(1, 15, 29, 10)),
            );
            if rehearses {
                self.seat(
                    &mut webinar,
                    &[0],
                    &registration,
                    Guise::Registrant,
                    Conduct::Throughout,
                );
            }
            if let Some(conduct) = part.conduct {
                let both: [&[usize]; 4] = [&[1, 2], &[1, 2], &[1], &[2]];
                let sessions = if number < 3 {
                    both[number + 1]
                } else {
                    both[self.rng.random_range(0..4)]
                };
                self.seat(&mut webinar, sessions, &registration, part.guise, conduct);
            }
            webinar.registrations.push(registration);
        }
        // Nobody unregistered shows an address here: see the module's words on days.
        self.extras(&mut webinar, 3, 0);
        webinar
    }

    /// A meeting with registration and a waiting room, moved by half an hour and renamed the evening before.
    fn registered_meeting(&mut self, registrants: usize) -> Meeting {
        let mut meeting = self.meeting("Office hours", false, 2, "America/New_York");
        meeting.created_ms = Some(BEGINS_MS + 9 * MINUTE);
        meeting.slots = vec![self.slot(at(2, 13, 0, 0))];
        meeting.change = Some(Change {
            at_ms: at(1, 17, 0, 0),
            topic: "Office hours: \"ask anything\" & more".to_owned(),
            start_ms: at(2, 13, 30, 0),
        });
        meeting.sessions = vec![self.session(at(2, 13, 28, 0), at(2, 14, 20, 0), false)];
        self.record(&mut meeting, 0, 22 * MINUTE, true, Some(31 * MINUTE));
        for number in 0..registrants {
            let part = self.part(&MEETING_PARTS, number);
            let person = self.person_for(&meeting, part);
            let window = if number % 2 == 0 {
                (at(0, 8, 30, 0), at(0, 14, 30, 0))
            } else {
                (at(2, 8, 5, 0), at(2, 11, 0, 0))
            };
            let registration = self.registration(
                &meeting,
                person,
                Scope::Slots(vec![0]),
                part.fate,
                window,
                Some(at(2, 13, 28, 0)),
            );
            if let Some(conduct) = part.conduct {
                self.seat(&mut meeting, &[0], &registration, part.guise, conduct);
            }
            meeting.registrations.push(registration);
        }
        self.extras(&mut meeting, 3, 2);
        meeting
    }

    /// A recurring meeting where one registration is for every occurrence, though Zoom lists them.
    fn standing_meeting(&mut self, registrants: usize) -> Meeting {
        let mut meeting = self.meeting("Standing table", false, 8, "Europe/Berlin");
        meeting.minutes = 45;
        meeting.created_ms = Some(BEGINS_MS + 11 * MINUTE);
        meeting.registration_type = Some(1);
        meeting.slots = vec![self.slot(at(2, 9, 0, 0)), self.slot(at(3, 9, 0, 0))];
        meeting.sessions = vec![
            self.session(at(2, 8, 58, 0), at(2, 9, 41, 0), false),
            self.session(at(3, 9, 2, 0), at(3, 9, 40, 0), false),
        ];
        for number in 0..registrants {
            let person = self.regular_for(&meeting);
            let window = (at(0, 8, 40, 0), at(0, 15, 0, 0));
            let registration = self.registration(
                &meeting,
                person,
                Scope::Series,
                Fate::Approved,
                window,
                None,
            );
            for session in 0..2 {
                if number == 0 || self.rng.random_bool(0.5) {
                    let conduct = if number % 2 == 0 {
                        Conduct::WaitsThenEnters
                    } else {
                        Conduct::Throughout
                    };
                    self.seat(
                        &mut meeting,
                        &[session],
                        &registration,
                        Guise::Registrant,
                        conduct,
                    );
                }
            }
            meeting.registrations.push(registration);
        }
        self.extras(&mut meeting, 1, 1);
        meeting
    }

    /// A meeting that people register for and nobody ever starts.
    fn meeting_never_held(&mut self, registrants: usize) -> Meeting {
        let mut meeting = self.meeting("The one that never was", false, 2, "Europe/London");
        meeting.created_ms = Some(BEGINS_MS + 13 * MINUTE);
        meeting.slots = vec![self.slot(at(2, 16, 0, 0))];
        for _ in 0..registrants {
            let person = self.regular_for(&meeting);
            let window = (at(0, 8, 45, 0), at(0, 15, 0, 0));
            let registration = self.registration(
                &meeting,
                person,
                Scope::Slots(vec![0]),
                Fate::Approved,
                window,
                None,
            );
            meeting.registrations.push(registration);
        }
        meeting
    }

    /// A meeting without plan or registration, cut after forty minutes; its recording is done before it ends.
    fn instant_meeting(&mut self) -> Meeting {
        let mut meeting = self.meeting("Quick call", false, 1, "Europe/London");
        meeting.sessions = vec![
            self.session(at(3, 14, 0, 7), at(3, 14, 40, 7), false),
            self.session(at(3, 14, 43, 30), at(3, 15, 5, 0), false),
        ];
        self.record(&mut meeting, 0, 18 * MINUTE, false, None);
        self.extras(&mut meeting, 3, 4);
        meeting
    }

    /// Staff, guests and people who never registered, in every session.
    fn extras(&mut self, meeting: &mut Meeting, guests: usize, walk_ins: usize) {
        let strangers: Vec<Shows> = (0..walk_ins).map(|_| self.stranger()).collect();
        for number in 0..meeting.sessions.len() {
            let host = Shows {
                name: "Nora Northlight".to_owned(),
                email: Some(typed(&meeting.host_email)),
                registrant_id: None,
                participant_user_id: Some(meeting.host_id.clone()),
            };
            stays::host(&mut meeting.sessions[number], &host, &mut self.rng);
            let colleague = Shows {
                name: "Olaf (Northlight)".to_owned(),
                email: None,
                registrant_id: None,
                participant_user_id: Some(format!("Ol{}", self.letters(20))),
            };
            let intern = Shows {
                name: "Ida".to_owned(),
                email: Some(typed(&format!("Ida@{INTERNAL_DOMAIN}"))),
                registrant_id: None,
                participant_user_id: None,
            };
            for staff in [&colleague, &intern] {
                stays::attend(
                    &mut meeting.sessions[number],
                    Conduct::Throughout,
                    staff,
                    &mut self.rng,
                );
            }
            if meeting.sessions[number].practice {
                continue;
            }
            for guest in 0..guests {
                let shows = Shows {
                    name: guest_name(&mut self.rng),
                    email: None,
                    registrant_id: None,
                    participant_user_id: None,
                };
                let conduct = if guest == 0 {
                    Conduct::Rejoins
                } else {
                    Conduct::Throughout
                };
                stays::attend(
                    &mut meeting.sessions[number],
                    conduct,
                    &shows,
                    &mut self.rng,
                );
            }
            stays::caller(&mut meeting.sessions[number], &mut self.rng);
            for (stranger, shows) in strangers.iter().enumerate() {
                let conduct = match stranger {
                    0 => Conduct::Rejoins,
                    1 if !meeting.webinar => Conduct::OnlyWaits,
                    2 => Conduct::TwoDevices,
                    _ => Conduct::Throughout,
                };
                if stranger % 2 == 1 || self.rng.random_bool(0.6) {
                    stays::attend(&mut meeting.sessions[number], conduct, shows, &mut self.rng);
                }
            }
        }
    }

    /// One person with a registration for the series and one for its first slot, to which he does not come.
    fn double_registration(&mut self, webinar: &mut Meeting) {
        let person = self.new_person();
        for scope in [Scope::Series, Scope::Slots(vec![0])] {
            let window = (at(0, 8, 30, 0), at(0, 15, 0, 0));
            let mut registration =
                self.registration(webinar, person, scope, Fate::Approved, window, None);
            registration.source = None;
            webinar.registrations.push(registration);
        }
    }

    /// A colleague who registers like everybody: staff all the same.
    fn registered_colleague(&mut self, webinar: &mut Meeting, sessions: &[usize]) {
        let person = self.new_person();
        let mut registration = self.registration(
            webinar,
            person,
            Scope::Slots(vec![0]),
            Fate::Approved,
            (at(0, 8, 30, 0), at(0, 15, 0, 0)),
            None,
        );
        registration.address = typed(&format!("Olga@{INTERNAL_DOMAIN}"));
        let shows = Shows {
            name: "Olga".to_owned(),
            email: Some(registration.address.clone()),
            registrant_id: Some(registration.registrant_id.clone()),
            participant_user_id: Some(format!("Og{}", self.letters(20))),
        };
        for session in sessions {
            stays::attend(
                &mut webinar.sessions[*session],
                Conduct::Throughout,
                &shows,
                &mut self.rng,
            );
        }
        webinar.registrations.push(registration);
    }

    fn seat(
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

    fn registration(
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
    fn person_for(&mut self, meeting: &Meeting, part: Part) -> usize {
        if part.fate == Fate::Approved {
            self.regular_for(meeting)
        } else {
            self.new_person()
        }
    }

    fn regular_for(&mut self, meeting: &Meeting) -> usize {
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

    fn new_person(&mut self) -> usize {
        self.people
            .push(Person::cast(self.people.len(), &mut self.rng));
        self.people.len() - 1
    }

    /// Somebody who registers for nothing and shows an address.
    fn stranger(&mut self) -> Shows {
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
    fn part(&mut self, needed: &[Part], number: usize) -> Part {
        needed
            .get(number)
            .copied()
            .unwrap_or_else(|| CROWD[self.rng.random_range(0..CROWD.len())])
    }

    fn meeting(&mut self, topic: &str, webinar: bool, kind: u8, time_zone: &str) -> Meeting {
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

    fn slot(&mut self, first_start_ms: i64) -> Slot {
        Slot {
            occurrence_id: self
                .rng
                .random_range(1_600_000_000_000_i64..1_800_000_000_000)
                .to_string(),
            first_start_ms,
            deleted_ms: None,
        }
    }

    fn session(&mut self, started_ms: i64, ended_ms: i64, practice: bool) -> Session {
        Session {
            uuid: uuid_base64(&mut self.rng),
            started_ms,
            ended_ms,
            practice,
            seats: Vec::new(),
            recording: None,
        }
    }

    fn record(
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

    fn letters(&mut self, count: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
        (0..count)
            .map(|_| char::from(LETTERS[self.rng.random_range(0..LETTERS.len())]))
            .collect()
    }
}

/// A moment of the story: day 0 is the day it begins.
fn at(day: i64, hour: i64, minute: i64, second: i64) -> i64 {
    BEGINS_MS - 8 * HOUR + day * DAY + hour * HOUR + minute * MINUTE + second * SECOND
}

fn typed(address: &str) -> Address {
    Address {
        canonical: address.to_lowercase(),
        spelled: address.to_owned(),
    }
}
