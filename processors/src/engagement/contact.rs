//! From all that a person's rows contribute to his contact.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rollcall_schemas::Text;
use rollcall_schemas::record::{AttendanceStatus, Contact, LastOccurrence, NextOccurrence, Phase};

use super::contribution::{Contribution, Registration};

/// Occurrences attended beyond this many add nothing to the score.
const SCORED_OCCURRENCES: i32 = 5;

/// A row's contribution, with the id of its occurrence or series.
pub(super) type Contributed<'a> = (&'a str, Contribution<'a>);

/// The contact that `rows` make, in any order; none where none of them makes one.
pub(super) fn fold<'r>(
    email: &'r str,
    version: i64,
    rows: &'r [Contributed<'_>],
) -> Option<Contact<'r>> {
    if !rows.iter().any(|(_, row)| row.makes_a_contact()) {
        return None;
    }
    let attended = || {
        rows.iter()
            .filter(|(_, row)| row.has_ended_as(AttendanceStatus::Attended))
    };
    let webinars_attended = count(attended().filter(|(_, row)| row.webinar));
    let meetings_attended = count(attended().filter(|(_, row)| !row.webinar));
    let average_share = average(attended().filter_map(|(_, row)| row.share));
    let last_attended = attended().max_by_key(|(occurrence, row)| (row.ended_at, *occurrence));
    let last_registered = registrations(rows)
        .filter(|(_, _, registration)| registration.approved)
        .max_by_key(|(occurrence, _, registration)| (registration.approved_at, *occurrence));
    let recording = rows
        .iter()
        .filter_map(|(occurrence, row)| Some((row.recording.as_ref()?, *occurrence)))
        .max_by_key(|(recording, occurrence)| (recording.ready_at, *occurrence));

    let mut contact = Contact {
        email: email.into(),
        version,
        last: last_ended(rows).or_else(|| last_approved(rows)),
        next: next(rows),
        webinars_registered: count(
            registrations(rows)
                .filter(|(_, row, registration)| row.webinar && registration.approved),
        ),
        webinars_attended,
        meetings_attended,
        no_shows: count(
            rows.iter()
                .filter(|(_, row)| row.has_ended_as(AttendanceStatus::NoShow)),
        ),
        total_seconds: attended().map(|(_, row)| row.seconds).sum(),
        average_share,
        first_seen: rows.iter().filter_map(|(_, row)| row.first_seen).min(),
        last_registered_at: last_registered.map(|(_, _, registration)| registration.approved_at),
        last_registered_time_zone: last_registered.and_then(|(_, row, _)| borrowed(&row.time_zone)),
        last_attended_at: last_attended.and_then(|(_, row)| row.first_join),
        last_attended_time_zone: last_attended.and_then(|(_, row)| borrowed(&row.time_zone)),
        recording_url: recording.map(|(recording, _)| recording.url.borrowed()),
        score: score(webinars_attended + meetings_attended, average_share),
        ..Contact::default()
    };
    describe(&mut contact, rows);
    Some(contact)
}

/// Names, form fields and answers: the latest registration first, a display name where none is.
fn describe<'r>(contact: &mut Contact<'r>, rows: &'r [Contributed<'_>]) {
    let mut forms: Vec<_> = registrations(rows).collect();
    forms.sort_unstable_by_key(|(occurrence, _, form)| Reverse((form.approved_at, *occurrence)));
    let forms = || forms.iter().map(|(_, _, form)| *form);

    contact.first_name = forms().find_map(|form| borrowed(&form.first_name));
    contact.last_name = forms().find_map(|form| borrowed(&form.last_name));
    contact.fields = forms()
        .next()
        .map(|form| as_map(&form.fields))
        .unwrap_or_default();
    for form in forms() {
        for (title, answer) in &form.custom_questions {
            contact
                .custom_questions
                .entry(title.borrowed())
                .or_insert_with(|| answer.borrowed());
        }
    }
    contact.name = match (&contact.first_name, &contact.last_name) {
        (Some(first), Some(last)) => Some(format!("{first} {last}").into()),
        (Some(name), None) | (None, Some(name)) => Some(name.clone()),
        (None, None) => rows
            .iter()
            .filter_map(|(occurrence, row)| {
                Some((row.display_name.as_ref()?, (row.first_join, *occurrence)))
            })
            .max_by_key(|(_, age)| *age)
            .map(|(name, _)| name.borrowed()),
    };
    if contact.first_name.is_none() && contact.last_name.is_none() {
        contact.first_name = contact.name.clone();
    }
}

/// The occurrence that ended last for the person.
fn last_ended<'r>(rows: &'r [Contributed<'_>]) -> Option<LastOccurrence<'r>> {
    use AttendanceStatus::{Attended, NoShow, Unverified};
    let (occurrence, row) = rows
        .iter()
        .filter(|(_, row)| {
            row.phase == Phase::Ended && matches!(row.status, Attended | NoShow | Unverified)
        })
        .max_by_key(|(occurrence, row)| (row.ended_at, *occurrence))?;
    Some(LastOccurrence {
        join_time: row.first_join,
        duration: Some(row.seconds),
        share: row.share,
        ..registered_for(occurrence, row, status_name(row.status))
    })
}

/// The registration that was approved last: what there is of a person for whom nothing has ended.
fn last_approved<'r>(rows: &'r [Contributed<'_>]) -> Option<LastOccurrence<'r>> {
    let (occurrence, row, registration) = registrations(rows)
        .filter(|(_, row, _)| {
            !matches!(
                row.status,
                AttendanceStatus::Pending | AttendanceStatus::Denied
            )
        })
        .max_by_key(|(occurrence, _, registration)| (registration.approved_at, *occurrence))?;
    // That he is there is said when it is over.
    Some(registered_for(
        occurrence,
        row,
        if registration.approved {
            "registered"
        } else {
            "cancelled"
        },
    ))
}

fn registered_for<'r>(
    occurrence: &'r str,
    row: &'r Contribution<'_>,
    status: &'static str,
) -> LastOccurrence<'r> {
    LastOccurrence {
        occurrence: occurrence.into(),
        webinar_title: borrowed(&row.topic),
        attendance_status: status.into(),
        time_zone: borrowed(&row.time_zone),
        registration_source: borrowed(&row.registration_source),
        ..LastOccurrence::default()
    }
}

/// The nearest occurrence that the person is registered for.
fn next<'r>(rows: &'r [Contributed<'_>]) -> Option<NextOccurrence<'r>> {
    let (start, occurrence, row) = rows
        .iter()
        .filter(|(_, row)| {
            row.phase == Phase::Upcoming && row.status == AttendanceStatus::Registered
        })
        .filter_map(|(occurrence, row)| Some((row.scheduled_start?, *occurrence, row)))
        .min_by_key(|(start, occurrence, _)| (*start, *occurrence))?;
    Some(NextOccurrence {
        occurrence: occurrence.into(),
        title: borrowed(&row.topic),
        start,
        time_zone: borrowed(&row.time_zone),
        join_url: borrowed(&row.join_url),
    })
}

/// 8 for each occurrence attended (5 at most) and 0.4 times the average share, rounded half up.
fn score(attended: i32, average_share: Option<i32>) -> i32 {
    let tenths = 80 * attended.min(SCORED_OCCURRENCES) + 4 * average_share.unwrap_or(0);
    ((tenths + 5) / 10).min(100)
}

/// The mean, rounded half up.
fn average(shares: impl Iterator<Item = i32>) -> Option<i32> {
    let (sum, count) = shares.fold((0_i64, 0_i64), |(sum, count), share| {
        (sum + i64::from(share), count + 1)
    });
    if count == 0 {
        return None;
    }
    i32::try_from((2 * sum + count).div_euclid(2 * count)).ok()
}

fn registrations<'r, 'a>(
    rows: &'r [Contributed<'a>],
) -> impl Iterator<Item = (&'a str, &'r Contribution<'a>, &'r Registration<'a>)> {
    rows.iter()
        .filter_map(|(occurrence, row)| Some((*occurrence, row, row.registration.as_ref()?)))
}

fn status_name(status: AttendanceStatus) -> &'static str {
    match status {
        AttendanceStatus::Unknown => "unknown",
        AttendanceStatus::Pending => "pending",
        AttendanceStatus::Denied => "denied",
        AttendanceStatus::Registered => "registered",
        AttendanceStatus::Attended => "attended",
        AttendanceStatus::NoShow => "no_show",
        AttendanceStatus::Unverified => "unverified",
        AttendanceStatus::Cancelled => "cancelled",
    }
}

fn count(rows: impl Iterator) -> i32 {
    i32::try_from(rows.count()).unwrap_or(i32::MAX)
}

fn as_map<'r>(pairs: &'r [(Text<'_>, Text<'_>)]) -> BTreeMap<Text<'r>, Text<'r>> {
    pairs
        .iter()
        .map(|(name, value)| (name.borrowed(), value.borrowed()))
        .collect()
}

fn borrowed<'r>(text: &'r Option<Text<'_>>) -> Option<Text<'r>> {
    text.as_ref().map(Text::borrowed)
}
