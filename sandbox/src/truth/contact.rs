//! What a contact must say: the sums and the lasts of a person's rows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Attendance, ContactTruth, RowTruth, Truth, counted, recordings};
use crate::{account::Plan, time::day};

/// The type of a Brevo attribute.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// Any text.
    Text,
    /// Any number; Brevo has no other.
    Float,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// True or false.
    Boolean,
}

/// A field of the contact and the Brevo attribute that it is mapped to.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The field's name in `field_mapping`.
    pub name: &'static str,
    /// The attribute.
    pub attribute: &'static str,
    /// The attribute's type.
    pub kind: AttributeKind,
}

const fn field(name: &'static str, attribute: &'static str, kind: AttributeKind) -> Field {
    Field {
        name,
        attribute,
        kind,
    }
}

/// The mapping that the sandbox's configuration has: the default one and everything else that can be known.
pub const FIELDS: [Field; 23] = [
    field("name", "FIRSTNAME", AttributeKind::Text),
    field("last_name", "LASTNAME", AttributeKind::Text),
    field("join_time", "MEETING_JOIN_DATE", AttributeKind::Date),
    field("duration", "MEETING_DURATION", AttributeKind::Float),
    field("webinar_title", "WEBINAR_NAME", AttributeKind::Text),
    field(
        "attendance_status",
        "ATTENDANCE_STATUS",
        AttributeKind::Text,
    ),
    field("registration_source", "UTM_SOURCE", AttributeKind::Text),
    field("share", "ZOOM_SHARE", AttributeKind::Float),
    field("next_title", "ZOOM_NEXT_TITLE", AttributeKind::Text),
    field("next_start", "ZOOM_NEXT_START", AttributeKind::Date),
    field("join_url", "ZOOM_NEXT_JOIN_URL", AttributeKind::Text),
    field(
        "webinars_registered",
        "ZOOM_WEBINARS_REGISTERED",
        AttributeKind::Float,
    ),
    field(
        "webinars_attended",
        "ZOOM_WEBINARS_ATTENDED",
        AttributeKind::Float,
    ),
    field(
        "meetings_attended",
        "ZOOM_MEETINGS_ATTENDED",
        AttributeKind::Float,
    ),
    field("no_shows", "ZOOM_NO_SHOWS", AttributeKind::Float),
    field("total_seconds", "ZOOM_TOTAL_SECONDS", AttributeKind::Float),
    field("average_share", "ZOOM_AVERAGE_SHARE", AttributeKind::Float),
    field("first_seen", "ZOOM_FIRST_SEEN_ON", AttributeKind::Date),
    field(
        "last_registered_at",
        "ZOOM_LAST_REGISTERED_ON",
        AttributeKind::Date,
    ),
    field(
        "last_attended_at",
        "ZOOM_LAST_ATTENDED_ON",
        AttributeKind::Date,
    ),
    field("recording_url", "ZOOM_RECORDING_URL", AttributeKind::Text),
    field("score", "ZOOM_SCORE", AttributeKind::Float),
    field("org", "ZOOM_ORG", AttributeKind::Text),
];

/// Fills [`Truth::contacts`] from the rows.
pub(super) fn contacts(plan: &Plan, truth: &mut Truth) {
    let mut people: BTreeMap<&str, Vec<(&str, &RowTruth)>> = BTreeMap::new();
    for ((email, occurrence), row) in &truth.attendance {
        people.entry(email).or_default().push((occurrence, row));
    }
    let contacts: BTreeMap<String, ContactTruth> = people
        .into_iter()
        // Who was only ever pending or denied is no contact.
        .filter(|(_, rows)| {
            rows.iter()
                .any(|(_, row)| !matches!(row.status, Attendance::Pending | Attendance::Denied))
        })
        .map(|(email, rows)| (email.to_owned(), contact(plan, email, &rows)))
        .collect();
    truth.contacts = contacts;
}

fn contact(plan: &Plan, email: &str, rows: &[(&str, &RowTruth)]) -> ContactTruth {
    let mut values: BTreeMap<&'static str, Value> = BTreeMap::new();
    let mut set = |field: &'static str, value: Option<Value>| {
        if let Some(value) = value {
            values.insert(field, value);
        }
    };
    let zone = |row: &RowTruth| plan.meetings[row.meeting].time_zone.as_str();
    let topic = |row: &RowTruth| plan.meetings[row.meeting].topic_at(i64::MAX).to_owned();

    let registrations = || {
        plan.meetings
            .iter()
            .flat_map(|meeting| meeting.registrations.iter())
            .filter(|registration| counted(plan, registration) == Some(email))
    };
    let latest = registrations()
        .filter(|registration| registration.approval().is_some())
        .max_by_key(|registration| registration.approval());
    let shown = rows
        .iter()
        .filter_map(|(_, row)| row.display_name.clone())
        .next_back();
    let name = latest.map(|registration| match &registration.last_name {
        Some(last) => format!("{} {last}", registration.first_name),
        None => registration.first_name.clone(),
    });
    set("name", name.or(shown).map(Value::from));
    set(
        "last_name",
        latest
            .and_then(|registration| registration.last_name.clone())
            .map(Value::from),
    );
    set(
        "org",
        latest
            .and_then(|registration| registration.org.clone())
            .map(Value::from),
    );

    let over = rows
        .iter()
        .filter(|(_, row)| matches!(row.status, Attendance::Attended | Attendance::NoShow));
    let last_over = over.max_by_key(|(occurrence, row)| (row.ended_ms, *occurrence));
    let registered = rows
        .iter()
        .filter(|(_, row)| matches!(row.status, Attendance::Registered | Attendance::Cancelled));
    let last = last_over
        .or_else(|| registered.max_by_key(|(occurrence, row)| (row.ever_approved_ms, *occurrence)));
    if let Some((_, row)) = last {
        set("webinar_title", Some(topic(row).into()));
        set("attendance_status", Some(row.status.as_str().into()));
        set(
            "join_time",
            row.first_join_ms.map(|ms| day(ms, zone(row)).into()),
        );
        set("duration", Some(row.seconds.into()));
        set("share", row.share.map(Value::from));
        set("registration_source", row.source.clone().map(Value::from));
    }
    let ahead = rows
        .iter()
        .filter(|(_, row)| row.status == Attendance::Registered && row.ahead_ms.is_some());
    if let Some((_, row)) = ahead.min_by_key(|(_, row)| row.ahead_ms) {
        set("next_title", Some(topic(row).into()));
        set(
            "next_start",
            row.ahead_ms.map(|ms| day(ms, zone(row)).into()),
        );
        set("join_url", row.join_url.clone().map(Value::from));
    }

    let count = |condition: &dyn Fn(&RowTruth) -> bool| {
        json!(rows.iter().filter(|(_, row)| condition(row)).count())
    };
    let webinar = |row: &RowTruth| plan.meetings[row.meeting].webinar;
    let attended = |row: &RowTruth| row.status == Attendance::Attended;
    set(
        "webinars_registered",
        Some(count(&|row| webinar(row) && row.approved_ms.is_some())),
    );
    set(
        "webinars_attended",
        Some(count(&|row| webinar(row) && attended(row))),
    );
    set(
        "meetings_attended",
        Some(count(&|row| !webinar(row) && attended(row))),
    );
    set(
        "no_shows",
        Some(count(&|row| row.status == Attendance::NoShow)),
    );
    set(
        "total_seconds",
        Some(rows.iter().map(|(_, row)| row.seconds).sum::<i64>().into()),
    );
    let shares: Vec<i64> = rows
        .iter()
        .filter(|(_, row)| attended(row))
        .map(|(_, row)| row.share.unwrap_or(0))
        .collect();
    let average = rounded_mean(&shares);
    set("average_share", average.map(Value::from));
    set("score", Some(score(shares.len(), average).into()));

    let approvals = registrations().filter_map(|registration| {
        registration
            .facts
            .iter()
            .find(|fact| fact.status == super::Status::Approved)
            .map(|fact| fact.at_ms)
    });
    let joins = rows.iter().filter_map(|(_, row)| row.first_join_ms);
    set(
        "first_seen",
        approvals.chain(joins).min().map(|ms| day(ms, "UTC").into()),
    );
    let last_registered = rows
        .iter()
        .filter(|(_, row)| row.approved_ms.is_some())
        .max_by_key(|(_, row)| row.approved_ms);
    set(
        "last_registered_at",
        last_registered.and_then(|(_, row)| row.approved_ms.map(|ms| day(ms, zone(row)).into())),
    );
    let last_attended = rows
        .iter()
        .filter(|(_, row)| attended(row))
        .max_by_key(|(_, row)| row.ended_ms);
    set(
        "last_attended_at",
        last_attended.and_then(|(_, row)| row.first_join_ms.map(|ms| day(ms, zone(row)).into())),
    );
    set(
        "recording_url",
        latest_recording(plan, rows).map(Value::from),
    );

    let attributes = FIELDS
        .iter()
        .filter_map(|field| {
            values
                .remove(field.name)
                .map(|value| (field.attribute.to_owned(), value))
        })
        .collect();
    ContactTruth { attributes }
}

/// The page of the latest recording of what the person came to, or was expected at.
fn latest_recording(plan: &Plan, rows: &[(&str, &RowTruth)]) -> Option<String> {
    let holdings = plan.holdings();
    rows.iter()
        .filter(|(_, row)| matches!(row.status, Attendance::Attended | Attendance::NoShow))
        .filter_map(|(occurrence, row)| {
            let holding = holdings.iter().find(|holding| holding.id == *occurrence)?;
            recordings(&plan.meetings[row.meeting], holding).pop()
        })
        .max()
        .map(|(_, url)| url)
}

/// The mean, rounded half up.
pub(super) fn rounded_mean(values: &[i64]) -> Option<i64> {
    let count = i64::try_from(values.len())
        .ok()
        .filter(|count| *count > 0)?;
    Some((2 * values.iter().sum::<i64>() + count) / (2 * count))
}

/// 8 for each occurrence attended, five at most, and 0.4 of the average share, rounded; nobody interacts yet.
pub(super) fn score(attended: usize, average_share: Option<i64>) -> i64 {
    let attended = i64::try_from(attended.min(5)).unwrap_or(5);
    ((80 * attended + 4 * average_share.unwrap_or(0) + 5) / 10).min(100)
}
