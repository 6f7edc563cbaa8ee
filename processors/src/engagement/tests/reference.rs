//! What must come out, slowly and plainly: from the last version of every row, and from nothing else.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_schemas::record::{LastOccurrence, NextOccurrence};

use super::line::Record;
use super::*;

pub(super) struct Expected {
    pub(super) contacts: BTreeMap<String, Contact<'static>>,
    pub(super) activities: BTreeSet<String>,
    /// The last version of every row that exists.
    pub(super) rows: Vec<AttendanceRow<'static>>,
}

pub(super) fn expected(records: &[Record]) -> Expected {
    let mut last: BTreeMap<(String, String), (i64, Option<AttendanceRow<'static>>)> =
        BTreeMap::new();
    let mut activities = BTreeSet::new();
    for record in records {
        let (place, version, row) = match record {
            Record::Row(row) => {
                activities.extend(
                    row.milestones
                        .iter()
                        .map(|milestone| format!("{} {}", row.email, milestone.id)),
                );
                (
                    (row.email.to_string(), row.occurrence.to_string()),
                    row.version,
                    Some(row.clone()),
                )
            }
            Record::Gone {
                email,
                occurrence,
                version,
            } => ((email.clone(), occurrence.clone()), *version, None),
            Record::Raw { .. } => continue,
        };
        let known = last.entry(place).or_insert((i64::MIN, None));
        if version > known.0 {
            *known = (version, row);
        }
    }
    let emails: BTreeSet<&String> = last.keys().map(|(email, _)| email).collect();
    let mut contacts = BTreeMap::new();
    for email in emails {
        let of_person = || {
            last.iter()
                .filter(|((of, _), _)| of == email)
                .map(|(_, known)| known)
        };
        let version = of_person().map(|(version, _)| version).sum();
        let rows: Vec<AttendanceRow<'static>> =
            of_person().filter_map(|(_, row)| row.clone()).collect();
        if let Some(contact) = contact(email, version, &rows) {
            contacts.insert(email.clone(), contact);
        }
    }
    Expected {
        contacts,
        activities,
        rows: last.into_values().filter_map(|(_, row)| row).collect(),
    }
}

/// When the row's registration was approved last, if ever.
fn approval(row: &AttendanceRow<'_>) -> Option<i64> {
    let milestones = row
        .milestones
        .iter()
        .filter(|milestone| milestone.kind == MilestoneKind::Registered);
    row.registered_at
        .or(milestones.map(|milestone| milestone.at).max())
}

fn stands(row: &AttendanceRow<'_>) -> bool {
    use AttendanceStatus::{Cancelled, Denied, Pending};
    row.registered_at.is_some() && ![Cancelled, Denied, Pending].contains(&row.status)
}

fn contact(email: &str, version: i64, rows: &[AttendanceRow<'static>]) -> Option<Contact<'static>> {
    use AttendanceStatus::{Attended, Denied, NoShow, Pending, Registered, Unknown, Unverified};
    let only_asked = |row: &&AttendanceRow<'_>| {
        [Pending, Denied, Unknown].contains(&row.status)
            && approval(row).is_none()
            && row.first_join.is_none()
    };
    if rows.iter().all(|row| only_asked(&row)) {
        return None;
    }
    let mut contact = Contact {
        email: email.to_owned().into(),
        version,
        ..Contact::default()
    };

    // By end, then by occurrence: the last of a kind is the last in this list.
    let mut ended: Vec<_> = rows
        .iter()
        .filter(|row| row.phase == Phase::Ended)
        .collect();
    ended.sort_by_key(|row| (row.ended_at, row.occurrence.clone()));
    // By approval, likewise.
    let mut approved: Vec<_> = rows.iter().filter(|row| approval(row).is_some()).collect();
    approved.sort_by_key(|row| (approval(row), row.occurrence.clone()));

    for row in &ended {
        match row.status {
            Attended => {
                contact.webinars_attended += i32::from(row.webinar);
                contact.meetings_attended += i32::from(!row.webinar);
                contact.total_seconds += row.seconds;
                contact.last_attended_at = row.first_join;
                contact.last_attended_time_zone = row.time_zone.clone();
            }
            NoShow => contact.no_shows += 1,
            _ => (),
        }
        let word = match row.status {
            Attended => "attended",
            NoShow => "no_show",
            Unverified => "unverified",
            _ => continue,
        };
        contact.last = Some(LastOccurrence {
            occurrence: row.occurrence.clone(),
            webinar_title: row.topic.clone(),
            attendance_status: word.into(),
            join_time: row.first_join,
            time_zone: row.time_zone.clone(),
            duration: Some(row.seconds),
            share: row.share,
            registration_source: row.registration_source.clone(),
        });
    }
    let nothing_ended = contact.last.is_none();
    for row in &approved {
        if nothing_ended && row.status != Pending && row.status != Denied {
            contact.last = Some(LastOccurrence {
                occurrence: row.occurrence.clone(),
                webinar_title: row.topic.clone(),
                attendance_status: if stands(row) {
                    "registered"
                } else {
                    "cancelled"
                }
                .into(),
                time_zone: row.time_zone.clone(),
                registration_source: row.registration_source.clone(),
                ..LastOccurrence::default()
            });
        }
        if stands(row) {
            contact.webinars_registered += i32::from(row.webinar);
            contact.last_registered_at = approval(row);
            contact.last_registered_time_zone = row.time_zone.clone();
        }
        contact.first_name = row.first_name.clone().or(contact.first_name);
        contact.last_name = row.last_name.clone().or(contact.last_name);
        contact.fields = row.fields.clone();
        let earlier = std::mem::take(&mut contact.custom_questions);
        contact.custom_questions = earlier
            .iter()
            .chain(row.custom_questions.iter())
            .map(|(title, answer)| (title.clone(), answer.clone()))
            .collect();
    }

    let shares: Vec<i32> = ended
        .iter()
        .filter(|row| row.status == Attended)
        .filter_map(|row| row.share)
        .collect();
    if !shares.is_empty() {
        let mean = f64::from(shares.iter().sum::<i32>()) / shares.len() as f64;
        contact.average_share = Some((mean + 0.5).floor() as i32);
    }
    let occurrences = f64::from((contact.webinars_attended + contact.meetings_attended).min(5));
    let score = 8.0 * occurrences + 0.4 * f64::from(contact.average_share.unwrap_or(0));
    contact.score = (score + 0.5 + 1e-9).floor() as i32;

    let mut upcoming: Vec<_> = rows
        .iter()
        .filter(|row| row.phase == Phase::Upcoming && row.status == Registered)
        .collect();
    upcoming.sort_by_key(|row| (row.scheduled_start, row.occurrence.clone()));
    contact.next = upcoming
        .iter()
        .find(|row| row.scheduled_start.is_some())
        .map(|row| NextOccurrence {
            occurrence: row.occurrence.clone(),
            title: row.topic.clone(),
            start: row.scheduled_start.unwrap(),
            time_zone: row.time_zone.clone(),
            join_url: row.join_url.clone(),
        });

    let milestones = || {
        rows.iter()
            .flat_map(|row| row.milestones.iter().map(move |milestone| (milestone, row)))
    };
    let approvals = milestones()
        .filter(|(milestone, _)| milestone.kind == MilestoneKind::Registered)
        .map(|(m, _)| m.at);
    contact.first_seen = approvals
        .chain(rows.iter().filter_map(|row| row.first_join))
        .min();
    let mut pages: Vec<_> = milestones()
        .filter(|(milestone, _)| milestone.kind == MilestoneKind::RecordingReady)
        .filter_map(|(milestone, row)| {
            Some((
                milestone.at,
                &row.occurrence,
                milestone.url.as_ref().or(row.recording_url.as_ref())?,
            ))
        })
        .collect();
    pages.sort();
    contact.recording_url = pages.last().map(|(_, _, url)| (*url).clone());

    let mut joined: Vec<_> = rows
        .iter()
        .filter(|row| row.display_name.is_some())
        .collect();
    joined.sort_by_key(|row| (row.first_join, row.occurrence.clone()));
    let shown = joined.last().and_then(|row| row.display_name.clone());
    contact.name = match (&contact.first_name, &contact.last_name) {
        (None, None) => shown.clone(),
        (first, last) => {
            let words: Vec<&str> = [first, last]
                .into_iter()
                .flatten()
                .map(|name| name.as_str())
                .collect();
            Some(words.join(" ").into())
        }
    };
    if contact.first_name.is_none() && contact.last_name.is_none() {
        contact.first_name = shown;
    }
    Some(contact)
}
