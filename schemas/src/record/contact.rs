//! `engagement.contacts`: one aggregate a person.

use serde::{Deserialize, Serialize};

use crate::avro::record;
use crate::{Text, TextMap};

/// One aggregate a person. Topic engagement.contacts; key: email.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Contact<'a> {
    /// Normalised address.
    #[serde(borrow)]
    pub email: Text<'a>,
    /// Grows with every change of this contact.
    pub version: i64,
    /// From the latest registration that has one; else from a display name.
    #[serde(default, borrow)]
    pub first_name: Option<Text<'a>>,
    /// From the latest registration that has one.
    #[serde(default, borrow)]
    pub last_name: Option<Text<'a>>,
    /// First and last name, or the display name.
    #[serde(default, borrow)]
    pub name: Option<Text<'a>>,
    /// Other fields of the latest registration by Zoom's names.
    #[serde(default, borrow)]
    pub fields: TextMap<'a>,
    /// Answers by the question's title, the latest of each.
    #[serde(default, borrow)]
    pub custom_questions: TextMap<'a>,
    /// Absent only for a person who has nothing left.
    #[serde(default, borrow)]
    pub last: Option<LastOccurrence<'a>>,
    /// Absent where nothing is ahead.
    #[serde(default, borrow)]
    pub next: Option<NextOccurrence<'a>>,
    /// Approved registrations to webinars, a series once.
    pub webinars_registered: i32,
    /// Webinar occurrences attended.
    pub webinars_attended: i32,
    /// Meeting occurrences attended.
    pub meetings_attended: i32,
    /// Occurrences proven not to have been attended.
    pub no_shows: i32,
    /// Seconds attended over all occurrences.
    pub total_seconds: i64,
    /// Mean of the shares of the occurrences attended, in whole percent; absent where none was.
    #[serde(default)]
    pub average_share: Option<i32>,
    /// Earliest of approvals and joins, UTC.
    #[serde(default)]
    pub first_seen: Option<i64>,
    /// Last approved registration, UTC.
    #[serde(default)]
    pub last_registered_at: Option<i64>,
    /// IANA name of that meeting's time zone.
    #[serde(default, borrow)]
    pub last_registered_time_zone: Option<Text<'a>>,
    /// First join of the last occurrence attended, UTC.
    #[serde(default)]
    pub last_attended_at: Option<i64>,
    /// IANA name of that meeting's time zone.
    #[serde(default, borrow)]
    pub last_attended_time_zone: Option<Text<'a>>,
    /// Page of the latest recording that concerns the person.
    #[serde(default, borrow)]
    pub recording_url: Option<Text<'a>>,
    /// Engagement from 0 to 100: 8 for each occurrence attended (5 at most), 0.4 times average_share, 2 for each interaction (10 at most), rounded.
    pub score: i32,
}

/// What is ahead, the nearest of all.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct NextOccurrence<'a> {
    /// Id of the occurrence or series.
    #[serde(borrow)]
    pub occurrence: Text<'a>,
    /// Title.
    #[serde(default, borrow)]
    pub title: Option<Text<'a>>,
    /// Planned start, UTC.
    pub start: i64,
    /// IANA name.
    #[serde(default, borrow)]
    pub time_zone: Option<Text<'a>>,
    /// The registrant's own link.
    #[serde(default, borrow)]
    pub join_url: Option<Text<'a>>,
}

/// One set, from the last occurrence that ended for the person; before any has, from the registration.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct LastOccurrence<'a> {
    /// Id of the occurrence or series.
    #[serde(borrow)]
    pub occurrence: Text<'a>,
    /// Title, of meetings too.
    #[serde(default, borrow)]
    pub webinar_title: Option<Text<'a>>,
    /// registered, attended, no_show, unverified or cancelled.
    #[serde(borrow)]
    pub attendance_status: Text<'a>,
    /// First join, UTC.
    #[serde(default)]
    pub join_time: Option<i64>,
    /// IANA name; the day of a time is the day there.
    #[serde(default, borrow)]
    pub time_zone: Option<Text<'a>>,
    /// Seconds attended.
    #[serde(default)]
    pub duration: Option<i64>,
    /// Seconds attended in whole percent of the sessions' length.
    #[serde(default)]
    pub share: Option<i32>,
    /// Zoom's tracking source.
    #[serde(default, borrow)]
    pub registration_source: Option<Text<'a>>,
}

record!(Contact<'a>: email, version, first_name, last_name, name, fields, custom_questions, last, next, webinars_registered, webinars_attended, meetings_attended, no_shows, total_seconds, average_share, first_seen, last_registered_at, last_registered_time_zone, last_attended_at, last_attended_time_zone, recording_url, score);

record!(LastOccurrence<'a>: occurrence, webinar_title, attendance_status, join_time, time_zone, duration, share, registration_source);

record!(NextOccurrence<'a>: occurrence, title, start, time_zone, join_url);
