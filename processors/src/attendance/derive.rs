//! From facts to what a row says: a pure function of a person's facts and of what the meeting's come
//! to.

use rollcall_schemas::record::{AttendanceStatus, Phase, RowState};

use super::fingerprint::Fingerprint;
use super::meeting::Meeting;
use super::occurrence::{OccurrenceView, Views};
use super::person::{Counted, PersonFacts, Registration, Standing};
use super::stay::{Stay, clip, each_stay, percent, seconds};

/// What a row is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(super) enum About {
    /// The occurrence at this place of [`Meeting::occurrences`].
    Occurrence(usize),
    /// The series: one who may come to any of its occurrences.
    Series,
}

/// Who a person is to the account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// Has an address: becomes a row and a contact.
    Contact,
    /// Has none: counts, and becomes a row when one is learned.
    Guest,
    /// A user of the account, or of an internal domain: counted apart.
    Staff,
}

/// A meeting as the rows of its people see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) id: &'a str,
    pub(super) facts: &'a Meeting,
    pub(super) views: &'a Views,
}

/// What a row says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Derived<'a> {
    pub(super) status: AttendanceStatus,
    pub(super) phase: Phase,
    pub(super) state: RowState,
    /// The occurrence; of a series the next one that is ahead.
    pub(super) occurrence: Option<&'a OccurrenceView>,
    pub(super) series: bool,
    /// The registration whose form the row shows.
    pub(super) registration: Option<&'a Registration>,
    pub(super) registered_at: Option<i64>,
    pub(super) display_name: Option<&'a str>,
    /// By join time, each with the place of its session.
    pub(super) stays: Vec<(Stay, u32)>,
    pub(super) seconds: i64,
    pub(super) share: Option<i32>,
    /// An approved registration for exactly this occurrence, now, at the start, at the end.
    pub(super) approved: Approved,
}

/// When a registration for exactly this occurrence stood approved.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Approved {
    pub(super) now: bool,
    pub(super) at_start: bool,
    pub(super) at_end: bool,
}

impl<'a> Scene<'a> {
    /// Whether a registration is for the series.
    fn is_for_series(&self, registration: &Registration) -> bool {
        if self.views.recurs {
            registration.scope.get().is_none() || self.views.once_for_all
        } else {
            self.views.only.is_none()
        }
    }

    /// Whether a registration is for this occurrence, and not for the series.
    fn is_for_occurrence(&self, registration: &Registration, place: usize) -> bool {
        if self.views.recurs {
            !self.is_for_series(registration)
                && registration
                    .scope
                    .get()
                    .zip(self.facts.occurrences[place].planned.as_ref())
                    .is_some_and(|(scope, key)| scope.contains(key))
        } else {
            self.views.only == Some(place)
        }
    }

    /// The first of what a registration is for: nothing where its occurrences are not known yet.
    pub(super) fn home(&self, registration: &Registration) -> Option<About> {
        if self.is_for_series(registration) {
            return Some(About::Series);
        }
        if !self.views.recurs {
            return self.views.only.map(About::Occurrence);
        }
        (0..self.facts.occurrences.len())
            .find(|place| self.is_for_occurrence(registration, *place))
            .map(About::Occurrence)
    }

    /// Puts everything that a person's facts are about into `abouts`, in order.
    pub(super) fn abouts(&self, person: &PersonFacts, abouts: &mut Vec<About>) {
        abouts.clear();
        for seat in &person.seats {
            if let Some(Some(place)) = self.views.placed.get(seat.session as usize) {
                abouts.push(About::Occurrence(*place));
            }
        }
        for registration in &person.registrations {
            if self.views.recurs && !self.is_for_series(registration) {
                let places = 0..self.facts.occurrences.len();
                abouts.extend(
                    places
                        .filter(|place| self.is_for_occurrence(registration, *place))
                        .map(About::Occurrence),
                );
            } else {
                abouts.extend(self.home(registration));
            }
        }
        abouts.sort_unstable();
        abouts.dedup();
    }

    /// The id that a row is kept under.
    pub(super) fn name(&self, about: About) -> &'a str {
        match about {
            About::Occurrence(place) => &self.facts.occurrences[place].id,
            About::Series => self.id,
        }
    }

    /// The occurrence or series that a row is kept under; none where it is no more.
    pub(super) fn find(&self, name: &str) -> Option<About> {
        if name == self.id {
            return Some(About::Series);
        }
        self.facts
            .occurrences
            .iter()
            .position(|occurrence| *occurrence.id == *name)
            .map(About::Occurrence)
    }

    /// What the row about an occurrence or the series says; none where there is nothing to say.
    pub(super) fn derive(&self, person: &'a PersonFacts, about: About) -> Option<Derived<'a>> {
        match about {
            About::Occurrence(place) => self.derive_occurrence(person, place),
            About::Series => self.derive_series(person),
        }
    }

    fn derive_occurrence(&self, person: &'a PersonFacts, place: usize) -> Option<Derived<'a>> {
        let occurrence = &self.views.occurrences[place];
        let mut all: Vec<(Stay, u32)> = Vec::new();
        for seat in &person.seats {
            if self.views.placed.get(seat.session as usize) != Some(&Some(place)) {
                continue;
            }
            let Some((start, end)) = self.views.spans[seat.session as usize] else {
                continue;
            };
            each_stay(&seat.marks, |stay| {
                all.push((clip(stay, start, end), seat.session));
            });
        }
        all.sort_by(|(a, a_session), (b, b_session)| {
            let uuid = |session: &u32| &self.facts.sessions[*session as usize].uuid;
            a.cmp(b).then_with(|| uuid(a_session).cmp(uuid(b_session)))
        });
        let scoped = || {
            let registrations = person.registrations.iter();
            registrations.filter(|registration| self.is_for_occurrence(registration, place))
        };
        let best = best(scoped());
        let status = if !all.is_empty() {
            AttendanceStatus::Attended
        } else {
            match best?.standing()? {
                Standing::Approved if occurrence.phase != Phase::Ended => {
                    AttendanceStatus::Registered
                }
                Standing::Approved if occurrence.proven => AttendanceStatus::NoShow,
                Standing::Approved => AttendanceStatus::Unverified,
                Standing::Cancelled => AttendanceStatus::Cancelled,
                Standing::Pending => AttendanceStatus::Pending,
                Standing::Denied => AttendanceStatus::Denied,
            }
        };
        let stood = |at: Option<i64>| {
            at.is_some_and(|at| {
                scoped()
                    .any(|registration| registration.standing_at(at) == Some(Standing::Approved))
            })
        };
        let attended_seconds = seconds(all.iter().map(|(stay, _)| *stay));
        Some(Derived {
            status,
            phase: occurrence.phase,
            state: occurrence.state,
            occurrence: Some(occurrence),
            series: false,
            registration: best.or_else(|| self::best(person.registrations.iter())),
            registered_at: approval(best),
            display_name: display_name(person),
            share: (!all.is_empty() && occurrence.seconds > 0)
                .then(|| percent(attended_seconds, occurrence.seconds)),
            stays: all,
            seconds: attended_seconds,
            approved: Approved {
                now: best.is_some_and(|best| best.standing() == Some(Standing::Approved)),
                at_start: stood(occurrence.started_at),
                at_end: stood(occurrence.ended_at),
            },
        })
    }

    fn derive_series(&self, person: &'a PersonFacts) -> Option<Derived<'a>> {
        let registrations = person.registrations.iter();
        let best = best(registrations.filter(|registration| self.is_for_series(registration)))?;
        let status = match best.standing()? {
            Standing::Approved => AttendanceStatus::Registered,
            Standing::Cancelled => AttendanceStatus::Cancelled,
            Standing::Pending => AttendanceStatus::Pending,
            Standing::Denied => AttendanceStatus::Denied,
        };
        let next = self.views.next.map(|place| &self.views.occurrences[place]);
        Some(Derived {
            status,
            phase: if next.is_some() {
                Phase::Upcoming
            } else {
                Phase::Ended
            },
            state: RowState::Provisional,
            occurrence: next,
            series: true,
            registration: Some(best),
            registered_at: approval(Some(best)),
            display_name: None,
            stays: Vec::new(),
            seconds: 0,
            share: None,
            approved: Approved::default(),
        })
    }
}

/// The registration that counts most: approved before cancelled before pending before denied, then
/// the latest.
fn best<'a>(registrations: impl Iterator<Item = &'a Registration>) -> Option<&'a Registration> {
    registrations.max_by_key(|registration| {
        let rank = match registration.standing() {
            Some(Standing::Approved) => 3,
            Some(Standing::Cancelled) => 2,
            Some(Standing::Pending) => 1,
            Some(Standing::Denied) | None => 0,
        };
        (
            rank,
            registration.facts.last().map(|(at, _)| *at),
            &registration.id,
        )
    })
}

fn approval(registration: Option<&Registration>) -> Option<i64> {
    registration
        .filter(|registration| registration.standing() == Some(Standing::Approved))
        .and_then(Registration::approved_at)
}

/// The name that the person showed last.
fn display_name(person: &PersonFacts) -> Option<&str> {
    person
        .seats
        .iter()
        .filter_map(|seat| Some((seat.display_name.at()?, seat.display_name.text()?)))
        .max()
        .map(|(_, name)| name)
}

impl Derived<'_> {
    /// How the person counts in the occurrence.
    pub(super) fn counted(&self, role: Role) -> Counted {
        let came = self.status == AttendanceStatus::Attended;
        match role {
            Role::Contact => Counted {
                registered: self.approved.now,
                attended: came,
                no_show: self.status == AttendanceStatus::NoShow,
                ..Counted::default()
            },
            Role::Guest => Counted {
                guest: came,
                ..Counted::default()
            },
            Role::Staff => Counted {
                staff: came,
                ..Counted::default()
            },
        }
    }

    /// Adds all that the row shows, but its milestones and version.
    pub(super) fn print(&self, scene: &Scene<'_>, print: &mut Fingerprint) {
        print.number(self.status as i64);
        print.number(self.phase as i64);
        print.number(self.state as i64);
        match self.occurrence {
            Some(occurrence) => print.number(occurrence.fingerprint.cast_signed()),
            None => {
                print.text(scene.facts.topic.text());
                print.text(scene.facts.host_email.text());
                print.text(scene.facts.time_zone.text());
            }
        }
        print.option(self.registered_at);
        if let Some(registration) = self.registration {
            print.text(Some(&registration.id));
            print.number(registration.form.print().cast_signed());
        }
        print.text(self.display_name);
        for (stay, session) in &self.stays {
            print.number(stay.join);
            print.option(stay.leave);
            print.text(Some(&scene.facts.sessions[*session as usize].uuid));
        }
        print.number(self.seconds);
        print.option(self.share.map(i64::from));
    }
}
