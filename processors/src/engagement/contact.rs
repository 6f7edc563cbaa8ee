//! From all that a person's rows contribute to his contact.

use std::cmp::Reverse;

use rollcall_runtime::StateError;
use rollcall_schemas::record::{AttendanceStatus, Contact, LastOccurrence, NextOccurrence, Phase};
use rollcall_schemas::{Text, TextMap};

use super::contribution::{Facts, Form, Registration, Words};
use super::form::{FormId, Forms};
use super::person::decoded;

/// Occurrences attended beyond this many add nothing to the score.
const SCORED_OCCURRENCES: i32 = 5;

/// What a row that exists contributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contributed<'a> {
    /// The id of its occurrence or series.
    pub(super) occurrence: &'a str,
    pub(super) facts: Facts,
    /// Its [`Words`], encoded.
    pub(super) words: &'a [u8],
}

impl<'a> Contributed<'a> {
    fn words(&self) -> Result<Words<'a>, StateError> {
        decoded(self.words)
    }
}

/// The contact that `rows` make, in any order; none where none of them makes one.
///
/// # Errors
///
/// Where the words or a form are not of this version's making.
pub(super) fn fold<'r>(
    email: &'r str,
    version: i64,
    rows: &[Contributed<'r>],
    forms: &'r Forms,
) -> Result<Option<Contact<'r>>, StateError> {
    if !rows.iter().any(|row| row.facts.makes_a_contact()) {
        return Ok(None);
    }
    let attended = || {
        rows.iter()
            .filter(|row| row.facts.has_ended_as(AttendanceStatus::Attended))
    };
    let webinars_attended = count(attended().filter(|row| row.facts.webinar));
    let meetings_attended = count(attended().filter(|row| !row.facts.webinar));
    let average_share = average(attended().filter_map(|row| row.facts.share));
    let last_attended = attended().max_by_key(|row| (row.facts.ended_at, row.occurrence));
    let last_registered = registrations(rows)
        .filter(|(_, registration)| registration.approved)
        .max_by_key(|(row, registration)| (registration.approved_at, row.occurrence));
    let recorded = rows
        .iter()
        .filter(|row| row.facts.recording_ready_at.is_some())
        .max_by_key(|row| (row.facts.recording_ready_at, row.occurrence));

    let mut contact = Contact {
        email: email.into(),
        version,
        last: match last_ended(rows)? {
            Some(last) => Some(last),
            None => last_approved(rows)?,
        },
        next: next(rows)?,
        webinars_registered: count(
            registrations(rows)
                .filter(|(row, registration)| row.facts.webinar && registration.approved),
        ),
        webinars_attended,
        meetings_attended,
        no_shows: count(
            rows.iter()
                .filter(|row| row.facts.has_ended_as(AttendanceStatus::NoShow)),
        ),
        total_seconds: attended().map(|row| row.facts.seconds).sum(),
        average_share,
        first_seen: rows.iter().filter_map(|row| row.facts.first_seen).min(),
        last_registered_at: last_registered.map(|(_, registration)| registration.approved_at),
        last_registered_time_zone: word(last_registered.map(|(row, _)| row), |words| {
            words.time_zone
        })?,
        last_attended_at: last_attended.and_then(|row| row.facts.first_join),
        last_attended_time_zone: word(last_attended, |words| words.time_zone)?,
        recording_url: word(recorded, |words| words.recording_url)?,
        score: score(webinars_attended + meetings_attended, average_share),
        ..Contact::default()
    };
    describe(&mut contact, rows, forms)?;
    Ok(Some(contact))
}

/// The forms that `rows` refer to.
pub(super) fn forms_used(rows: &[Contributed<'_>]) -> Vec<FormId> {
    registrations(rows)
        .map(|(_, registration)| registration.form)
        .collect()
}

/// Names, form fields and answers: the latest registration first, a display name where none is.
fn describe<'r>(
    contact: &mut Contact<'r>,
    rows: &[Contributed<'r>],
    forms: &'r Forms,
) -> Result<(), StateError> {
    let forms = latest_forms(rows, forms)?;
    contact.first_name = forms
        .iter()
        .find_map(|form| form.first_name)
        .map(Text::from);
    contact.last_name = forms.iter().find_map(|form| form.last_name).map(Text::from);
    contact.fields = forms.first().map_or_else(TextMap::default, |form| {
        form.fields
            .iter()
            .map(|(name, value)| (Text::from(*name), Text::from(*value)))
            .collect()
    });
    // The latest last: of two answers to one question it counts.
    contact.custom_questions = forms
        .iter()
        .rev()
        .flat_map(|form| &form.custom_questions)
        .map(|(title, answer)| (Text::from(*title), Text::from(*answer)))
        .collect();
    contact.name = match (&contact.first_name, &contact.last_name) {
        (Some(first), Some(last)) => Some(format!("{first} {last}").into()),
        (Some(name), None) | (None, Some(name)) => Some(name.clone()),
        (None, None) => word(
            rows.iter()
                .filter(|row| row.facts.has_display_name)
                .max_by_key(|row| (row.facts.first_join, row.occurrence)),
            |words| words.display_name,
        )?,
    };
    if contact.first_name.is_none() && contact.last_name.is_none() {
        contact.first_name = contact.name.clone();
    }
    Ok(())
}

/// The forms of all registrations, the latest first, each where it was filled in last: what is said
/// again by an earlier one changes nothing.
fn latest_forms<'r>(
    rows: &[Contributed<'_>],
    forms: &'r Forms,
) -> Result<Vec<Form<'r>>, StateError> {
    let mut registrations: Vec<_> = registrations(rows).collect();
    registrations.sort_unstable_by_key(|(row, registration)| {
        Reverse((registration.approved_at, row.occurrence))
    });
    let mut ids: Vec<FormId> = Vec::new();
    for (_, registration) in registrations {
        if !ids.contains(&registration.form) {
            ids.push(registration.form);
        }
    }
    ids.into_iter().map(|id| decoded(forms.get(id)?)).collect()
}

/// The occurrence that ended last for the person.
fn last_ended<'r>(rows: &[Contributed<'r>]) -> Result<Option<LastOccurrence<'r>>, StateError> {
    use AttendanceStatus::{Attended, NoShow, Unverified};
    rows.iter()
        .filter(|row| {
            row.facts.phase == Phase::Ended
                && matches!(row.facts.status, Attended | NoShow | Unverified)
        })
        .max_by_key(|row| (row.facts.ended_at, row.occurrence))
        .map(|row| {
            Ok(LastOccurrence {
                join_time: row.facts.first_join,
                duration: Some(row.facts.seconds),
                share: row.facts.share,
                ..registered_for(row, status_name(row.facts.status))?
            })
        })
        .transpose()
}

/// The registration that was approved last: what there is of a person for whom nothing has ended.
fn last_approved<'r>(rows: &[Contributed<'r>]) -> Result<Option<LastOccurrence<'r>>, StateError> {
    registrations(rows)
        .filter(|(row, _)| {
            !matches!(
                row.facts.status,
                AttendanceStatus::Pending | AttendanceStatus::Denied
            )
        })
        .max_by_key(|(row, registration)| (registration.approved_at, row.occurrence))
        // That he is there is said when it is over.
        .map(|(row, registration)| {
            let status = if registration.approved {
                "registered"
            } else {
                "cancelled"
            };
            registered_for(row, status)
        })
        .transpose()
}

fn registered_for<'r>(
    row: &Contributed<'r>,
    status: &'static str,
) -> Result<LastOccurrence<'r>, StateError> {
    let words = row.words()?;
    Ok(LastOccurrence {
        occurrence: row.occurrence.into(),
        webinar_title: words.topic.map(Text::from),
        attendance_status: status.into(),
        time_zone: words.time_zone.map(Text::from),
        registration_source: words.registration_source.map(Text::from),
        ..LastOccurrence::default()
    })
}

/// The nearest occurrence that the person is registered for.
fn next<'r>(rows: &[Contributed<'r>]) -> Result<Option<NextOccurrence<'r>>, StateError> {
    let nearest = rows
        .iter()
        .filter(|row| {
            row.facts.phase == Phase::Upcoming && row.facts.status == AttendanceStatus::Registered
        })
        .filter_map(|row| Some((row.facts.scheduled_start?, row)))
        .min_by_key(|(start, row)| (*start, row.occurrence));
    let Some((start, row)) = nearest else {
        return Ok(None);
    };
    let words = row.words()?;
    Ok(Some(NextOccurrence {
        occurrence: row.occurrence.into(),
        title: words.topic.map(Text::from),
        start,
        time_zone: words.time_zone.map(Text::from),
        join_url: words.join_url.map(Text::from),
    }))
}

/// One of the words of a row, if there is such a row.
fn word<'r>(
    row: Option<&Contributed<'r>>,
    choose: impl FnOnce(Words<'r>) -> Option<&'r str>,
) -> Result<Option<Text<'r>>, StateError> {
    let words = row.map(Contributed::words).transpose()?;
    Ok(words.and_then(choose).map(Text::from))
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

fn registrations<'s, 'r>(
    rows: &'s [Contributed<'r>],
) -> impl Iterator<Item = (&'s Contributed<'r>, Registration)> {
    rows.iter()
        .filter_map(|row| Some((row, row.facts.registration?)))
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
