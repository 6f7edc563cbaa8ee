//! The fields of a contact that may be mapped, and what kind of value each holds.

use rollcall_schemas::record::{Contact, LastOccurrence, NextOccurrence};

/// A field of a contact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Field {
    /// Normalised address.
    Email,
    /// First and last name, or the display name.
    Name,
    /// First name of the registration.
    FirstName,
    /// Last name of the registration.
    LastName,
    /// First join of the last occurrence.
    JoinTime,
    /// Whole seconds attended of the last occurrence.
    Duration,
    /// Title of the last occurrence, meetings too.
    WebinarTitle,
    /// `registered`, `attended`, `no_show`, `unverified` or `cancelled`.
    AttendanceStatus,
    /// Zoom's tracking source.
    RegistrationSource,
    /// Seconds attended in whole percent of the last occurrence's length.
    Share,
    /// Title of what is ahead.
    NextTitle,
    /// Planned start of what is ahead.
    NextStart,
    /// The registrant's own link to what is ahead.
    JoinUrl,
    /// Approved registrations to webinars, a series once.
    WebinarsRegistered,
    /// Webinar occurrences attended.
    WebinarsAttended,
    /// Meeting occurrences attended.
    MeetingsAttended,
    /// Occurrences proven not to have been attended.
    NoShows,
    /// Seconds attended over all occurrences.
    TotalSeconds,
    /// Mean share of the occurrences attended, whole percent.
    AverageShare,
    /// Earliest of approvals and joins.
    FirstSeen,
    /// Day of the last approved registration.
    LastRegisteredAt,
    /// Day of the first join of the last occurrence attended.
    LastAttendedAt,
    /// Page of the latest recording.
    RecordingUrl,
    /// Engagement from 0 to 100.
    Score,
    /// A field of the registration form, by Zoom's name.
    Registrant(Box<str>),
    /// The answer to a question of the registration form, by its title.
    CustomQuestion(Box<str>),
}

/// What kind of value a field holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Whole,
    /// A moment: a day where the attribute is a date.
    Instant,
    /// A day, always.
    Day,
}

/// The value that a contact has in a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// A whole number.
    Whole(i64),
    /// A moment, in milliseconds since 1970, and the IANA name of the zone whose day counts.
    Instant(i64, Option<&'a str>),
    /// The day of a moment in that zone.
    Day(i64, Option<&'a str>),
}

const NAMED: &[(&str, Field, Kind)] = &[
    ("email", Field::Email, Kind::Text),
    ("name", Field::Name, Kind::Text),
    ("first_name", Field::FirstName, Kind::Text),
    ("last_name", Field::LastName, Kind::Text),
    ("join_time", Field::JoinTime, Kind::Instant),
    ("duration", Field::Duration, Kind::Whole),
    ("webinar_title", Field::WebinarTitle, Kind::Text),
    ("attendance_status", Field::AttendanceStatus, Kind::Text),
    ("registration_source", Field::RegistrationSource, Kind::Text),
    ("share", Field::Share, Kind::Whole),
    ("next_title", Field::NextTitle, Kind::Text),
    ("next_start", Field::NextStart, Kind::Instant),
    ("join_url", Field::JoinUrl, Kind::Text),
    (
        "webinars_registered",
        Field::WebinarsRegistered,
        Kind::Whole,
    ),
    ("webinars_attended", Field::WebinarsAttended, Kind::Whole),
    ("meetings_attended", Field::MeetingsAttended, Kind::Whole),
    ("no_shows", Field::NoShows, Kind::Whole),
    ("total_seconds", Field::TotalSeconds, Kind::Whole),
    ("average_share", Field::AverageShare, Kind::Whole),
    ("first_seen", Field::FirstSeen, Kind::Instant),
    ("last_registered_at", Field::LastRegisteredAt, Kind::Day),
    ("last_attended_at", Field::LastAttendedAt, Kind::Day),
    ("recording_url", Field::RecordingUrl, Kind::Text),
    ("score", Field::Score, Kind::Whole),
];

/// Fields of Zoom's registration form beside the names and the address.
const REGISTRANT: &[&str] = &[
    "address",
    "city",
    "country",
    "zip",
    "postal_code",
    "state",
    "phone",
    "industry",
    "org",
    "job_title",
    "purchasing_time_frame",
    "role_in_purchase_process",
    "no_of_employees",
    "comments",
    "language",
];

const CUSTOM_QUESTION: &str = "custom_questions.";

impl Field {
    /// The field of this name; `None` where there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if let Some((_, field, _)) = NAMED.iter().find(|(known, ..)| *known == name) {
            return Some(field.clone());
        }
        if let Some(title) = name
            .strip_prefix(CUSTOM_QUESTION)
            .filter(|title| !title.is_empty())
        {
            return Some(Self::CustomQuestion(title.into()));
        }
        REGISTRANT
            .contains(&name)
            .then(|| Self::Registrant(name.into()))
    }

    /// The names of all fields but the custom questions, whose titles are the form's.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED
            .iter()
            .map(|(name, ..)| *name)
            .chain(REGISTRANT.iter().copied())
    }

    /// What kind of value it holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        NAMED
            .iter()
            .find(|(_, field, _)| field == self)
            .map_or(Kind::Text, |(.., kind)| *kind)
    }

    /// Whether its absence clears the attribute.
    ///
    /// What Rollcall counts does. What a person said of himself does not: an attribute such as
    /// `FIRSTNAME` may have been filled by someone else, and knowing nothing is no reason to erase it.
    #[must_use]
    pub fn is_cleared_by_absence(&self) -> bool {
        !matches!(
            self,
            Self::Email
                | Self::Name
                | Self::FirstName
                | Self::LastName
                | Self::Registrant(_)
                | Self::CustomQuestion(_)
        )
    }

    /// What the contact has in it.
    #[must_use]
    pub fn value<'c>(&self, contact: &'c Contact<'_>) -> Option<Value<'c>> {
        let last = contact.last.as_ref();
        let next = contact.next.as_ref();
        let text = |text: Option<&'c rollcall_schemas::Text<'_>>| {
            text.map(|text| Value::Text(text.as_str()))
        };
        match self {
            Self::Email => Some(Value::Text(&contact.email)),
            Self::Name => text(contact.name.as_ref()),
            Self::FirstName => text(contact.first_name.as_ref()),
            Self::LastName => text(contact.last_name.as_ref()),
            Self::JoinTime => last.and_then(|last| {
                last.join_time
                    .map(|at| Value::Instant(at, zone_of_last(last)))
            }),
            Self::Duration => last.and_then(|last| last.duration.map(Value::Whole)),
            Self::WebinarTitle => text(last.and_then(|last| last.webinar_title.as_ref())),
            Self::AttendanceStatus => text(last.map(|last| &last.attendance_status)),
            Self::RegistrationSource => {
                text(last.and_then(|last| last.registration_source.as_ref()))
            }
            Self::Share => last.and_then(|last| last.share.map(|share| Value::Whole(share.into()))),
            Self::NextTitle => text(next.and_then(|next| next.title.as_ref())),
            Self::NextStart => next.map(|next| Value::Instant(next.start, zone_of_next(next))),
            Self::JoinUrl => text(next.and_then(|next| next.join_url.as_ref())),
            Self::WebinarsRegistered => Some(Value::Whole(contact.webinars_registered.into())),
            Self::WebinarsAttended => Some(Value::Whole(contact.webinars_attended.into())),
            Self::MeetingsAttended => Some(Value::Whole(contact.meetings_attended.into())),
            Self::NoShows => Some(Value::Whole(contact.no_shows.into())),
            Self::TotalSeconds => Some(Value::Whole(contact.total_seconds)),
            Self::AverageShare => contact
                .average_share
                .map(|share| Value::Whole(share.into())),
            Self::FirstSeen => contact.first_seen.map(|at| Value::Instant(at, None)),
            Self::LastRegisteredAt => contact
                .last_registered_at
                .map(|at| Value::Day(at, contact.last_registered_time_zone.as_deref())),
            Self::LastAttendedAt => contact
                .last_attended_at
                .map(|at| Value::Day(at, contact.last_attended_time_zone.as_deref())),
            Self::RecordingUrl => text(contact.recording_url.as_ref()),
            Self::Score => Some(Value::Whole(contact.score.into())),
            Self::Registrant(name) => text(contact.fields.get(name)),
            Self::CustomQuestion(title) => text(contact.custom_questions.get(title)),
        }
    }
}

fn zone_of_last<'c>(last: &'c LastOccurrence<'_>) -> Option<&'c str> {
    last.time_zone.as_deref()
}

fn zone_of_next<'c>(next: &'c NextOccurrence<'_>) -> Option<&'c str> {
    next.time_zone.as_deref()
}
