//! Milestones: what is said to a person once.
//!
//! A milestone is recorded when it first holds and is never removed. What it says (time, seconds,
//! share, page) follows the facts for as long as it holds, so that neither the order of arrival nor
//! the size of a batch can show in a row.

use rollcall_schemas::record::{MilestoneKind, Phase};

use super::derive::{About, Derived, Scene};
use super::person::{Milestone, PersonFacts, Registration, Row};

/// A milestone that holds for a row. Its id is made only where it is said for the first time.
struct Holding<'a> {
    kind: MilestoneKind,
    at: i64,
    registration: Option<&'a Registration>,
    seconds: Option<i64>,
    share: Option<i32>,
    url: Option<&'a str>,
}

impl Holding<'_> {
    fn is(&self, known: &Milestone) -> bool {
        known.kind == self.kind
            && self.registration.is_none_or(|registration| {
                known
                    .id
                    .rsplit_once(':')
                    .is_some_and(|(_, id)| *id == *registration.id)
            })
    }

    fn id(&self, scene: &Scene<'_>, about: &str) -> String {
        let word = match self.kind {
            MilestoneKind::Registered => "registered",
            MilestoneKind::Cancelled => "cancelled",
            MilestoneKind::Started => "started",
            MilestoneKind::Ended => "ended",
            MilestoneKind::Attended => "attended",
            MilestoneKind::NoShow => "no_show",
            MilestoneKind::RecordingReady => "recording_ready",
            MilestoneKind::Unknown => "unknown",
        };
        match self.registration {
            Some(registration) => format!("{word}:{}:{}", scene.id, registration.id),
            None => format!("{word}:{about}"),
        }
    }
}

/// Whether a milestone is one of a registration.
pub(super) fn is_of_registration(milestone: &Milestone, registrant_id: &str) -> bool {
    matches!(
        milestone.kind,
        MilestoneKind::Registered | MilestoneKind::Cancelled
    ) && milestone
        .id
        .rsplit_once(':')
        .is_some_and(|(_, id)| id == registrant_id)
}

/// Hands over the milestones that hold for a row.
fn each_holding<'a>(
    scene: &Scene<'a>,
    person: &'a PersonFacts,
    about: About,
    derived: &Derived<'a>,
    mut take: impl FnMut(Holding<'a>),
) {
    let plain = |at, kind| Holding {
        kind,
        at,
        registration: None,
        seconds: None,
        share: None,
        url: None,
    };
    for registration in &person.registrations {
        // Of a registration for several occurrences the first of them has it.
        if scene.home(registration) != Some(about) {
            continue;
        }
        let times = [
            (MilestoneKind::Registered, registration.approved_at()),
            (MilestoneKind::Cancelled, registration.cancelled_at()),
        ];
        for (kind, at) in times {
            if let Some(at) = at {
                take(Holding {
                    registration: Some(registration),
                    ..plain(at, kind)
                });
            }
        }
    }
    let (About::Occurrence(_), Some(occurrence)) = (about, derived.occurrence) else {
        return;
    };
    let came = !derived.stays.is_empty();
    if let Some(started_at) = occurrence
        .started_at
        .filter(|_| occurrence.begun && derived.approved.at_start)
    {
        take(plain(started_at, MilestoneKind::Started));
    }
    let Some(ended_at) = occurrence
        .ended_at
        .filter(|_| occurrence.phase == Phase::Ended)
    else {
        return;
    };
    if derived.approved.at_end || came {
        take(plain(ended_at, MilestoneKind::Ended));
    }
    if came {
        let measured = Holding {
            seconds: Some(derived.seconds),
            share: derived.share,
            ..plain(ended_at, MilestoneKind::Attended)
        };
        take(measured);
    } else if derived.approved.now && occurrence.proven {
        take(plain(ended_at, MilestoneKind::NoShow));
    }
    if let Some((completed_at, url)) = occurrence
        .recording
        .as_ref()
        .filter(|_| came || derived.approved.now)
    {
        take(Holding {
            url: Some(url),
            ..plain(*completed_at, MilestoneKind::RecordingReady)
        });
    }
}

/// Records what holds now in the row, which is not among the person's `others`. Tells whether
/// something was recorded for the first time.
pub(super) fn record<'a>(
    scene: &Scene<'a>,
    person: &'a PersonFacts,
    others: &[Row],
    about: About,
    derived: &Derived<'a>,
    row: &mut Row,
) -> bool {
    let mut reordered = false;
    let known_before = row.milestones.len();
    each_holding(scene, person, about, derived, |holding| {
        if let Some(known) = row.milestones.iter_mut().find(|known| holding.is(known)) {
            reordered |= known.at != holding.at;
            known.at = holding.at;
            known.seconds = holding.seconds;
            known.share = holding.share;
            if known.url.as_deref() != holding.url {
                known.url = holding.url.map(Into::into);
            }
            return;
        }
        let elsewhere = holding.registration.is_some()
            && others
                .iter()
                .any(|other| other.milestones.iter().any(|known| holding.is(known)));
        if !elsewhere {
            row.milestones.push(Milestone {
                at: holding.at,
                id: holding.id(scene, &row.about).into(),
                kind: holding.kind,
                seconds: holding.seconds,
                share: holding.share,
                url: holding.url.map(Into::into),
            });
            reordered = true;
        }
    });
    if reordered {
        sort(row);
    }
    row.milestones.len() > known_before
}

/// Rows show milestones by time and id, whatever the order in which they were said.
fn sort(row: &mut Row) {
    row.milestones
        .sort_unstable_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
}

/// Gives a row milestones that were said in another.
pub(super) fn put(row: &mut Row, milestones: Vec<Milestone>) {
    row.milestones.extend(milestones);
    sort(row);
}

/// Gives a row the milestones of one whose occurrence is no more; what was said is not said again.
pub(super) fn absorb(milestones: Vec<Milestone>, to: &mut Row) {
    for milestone in milestones {
        let of_registration = matches!(
            milestone.kind,
            MilestoneKind::Registered | MilestoneKind::Cancelled
        );
        let known = to.milestones.iter().any(|known| {
            if of_registration {
                known.id == milestone.id
            } else {
                known.kind == milestone.kind
            }
        });
        if !known {
            to.milestones.push(milestone);
        }
    }
    sort(to);
}
