//! Milestones: what is said to a person once.
//!
//! A milestone is recorded when it first holds and is never removed. What it says (time, seconds,
//! share, page) follows the facts for as long as it holds, so that neither the order of arrival nor
//! the size of a batch can show in a row.

use rollcall_schemas::record::{MilestoneKind, Phase};

use super::derive::{About, Derived, Scene};
use super::person::{Milestone, Person, Row};

/// The milestones that hold for a row.
fn holding(scene: &Scene<'_>, person: &Person, about: About, derived: &Derived<'_>) -> Vec<Milestone> {
    let name = scene.name(about);
    let mut holding = Vec::new();
    for registration in &person.registrations {
        // Of a registration for several occurrences the first of them has it.
        if scene.scope(registration).first() != Some(&about) {
            continue;
        }
        let times = [
            (MilestoneKind::Registered, "registered", registration.approved_at()),
            (MilestoneKind::Cancelled, "cancelled", registration.cancelled_at()),
        ];
        for (kind, word, at) in times {
            if let Some(at) = at {
                let id = format!("{word}:{}:{}", scene.id, registration.id);
                holding.push(Milestone { at, id, kind, seconds: None, share: None, url: None });
            }
        }
    }
    let (About::Occurrence(_), Some(occurrence)) = (about, derived.occurrence) else {
        return holding;
    };
    let came = !derived.stays.is_empty();
    let plain = |at: i64, kind, word: &str| Milestone {
        at,
        id: format!("{word}:{name}"),
        kind,
        seconds: None,
        share: None,
        url: None,
    };
    if let Some(started_at) = occurrence.started_at.filter(|_| occurrence.begun && derived.approved.at_start) {
        holding.push(plain(started_at, MilestoneKind::Started, "started"));
    }
    let Some(ended_at) = occurrence.ended_at.filter(|_| occurrence.phase == Phase::Ended) else {
        return holding;
    };
    if derived.approved.at_end || came {
        holding.push(plain(ended_at, MilestoneKind::Ended, "ended"));
    }
    if came {
        holding.push(Milestone {
            seconds: Some(derived.seconds),
            share: derived.share,
            ..plain(ended_at, MilestoneKind::Attended, "attended")
        });
    } else if derived.approved.now && occurrence.proven {
        holding.push(plain(ended_at, MilestoneKind::NoShow, "no_show"));
    }
    if let Some((completed_at, url)) = occurrence.recording.as_ref().filter(|_| came || derived.approved.now) {
        holding.push(Milestone {
            url: Some(url.clone()),
            ..plain(*completed_at, MilestoneKind::RecordingReady, "recording_ready")
        });
    }
    holding
}

/// Records what holds now in the row.
pub(super) fn record(scene: &Scene<'_>, person: &Person, about: About, derived: &Derived<'_>, row: &mut Row) {
    for mut milestone in holding(scene, person, about, derived) {
        let of_registration = matches!(milestone.kind, MilestoneKind::Registered | MilestoneKind::Cancelled);
        let elsewhere = of_registration
            && person.rows.iter().any(|other| {
                other.about != row.about && other.milestones.iter().any(|known| known.id == milestone.id)
            });
        if elsewhere {
            continue;
        }
        let known = row.milestones.iter_mut().find(|known| {
            if of_registration { known.id == milestone.id } else { known.kind == milestone.kind }
        });
        match known {
            Some(known) => {
                milestone.id.clone_from(&known.id);
                *known = milestone;
            }
            None => row.milestones.push(milestone),
        }
    }
    row.milestones.sort_unstable_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
}

/// Moves the milestones of a row whose occurrence is no more; what was said is not said again.
pub(super) fn absorb(from: &mut Row, to: &mut Row) {
    for milestone in std::mem::take(&mut from.milestones) {
        let of_registration = matches!(milestone.kind, MilestoneKind::Registered | MilestoneKind::Cancelled);
        let known = to.milestones.iter().any(|known| {
            if of_registration { known.id == milestone.id } else { known.kind == milestone.kind }
        });
        if !known {
            to.milestones.push(milestone);
        }
    }
    to.milestones.sort_unstable_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
}
