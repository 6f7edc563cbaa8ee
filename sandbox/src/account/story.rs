//! The story: which meetings take place in the week, and who plays which part.
//!
//! The story keeps clear of what nobody defines: every approval is given between 08:00 and 15:00
//! UTC, so that it is the same day in every time zone played; somebody whose
//! registration is ever pending, denied or cancelled has no other; nobody outside the account only
//! comes to a practice session.

mod parts;
mod teller;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    Address, BEGINS_MS, Change, Lists, Meeting, Plan, Scope, Shows,
    cast::{INTERNAL_DOMAIN, guest_name},
    stays::{self, Conduct},
};
use crate::time::{DAY, HOUR, MINUTE, SECOND};
use parts::{Fate, Guise, MEETING_PARTS, SERIES_PARTS, WEBINAR_PARTS};
use teller::Teller;

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
