//! `engagement.attendance`: one person and one occurrence.

use serde::{Deserialize, Serialize};

use crate::avro::{record, symbols};
use crate::{Text, TextMap};

/// One person and one occurrence, or one person and a series. Topic engagement.attendance; key: email, a space, occurrence.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct AttendanceRow<'a> {
    /// Normalised address.
    #[serde(borrow)]
    pub email: Text<'a>,
    /// Id of the occurrence; for the row of a series the meeting id.
    #[serde(borrow)]
    pub occurrence: Text<'a>,
    /// Grows with every change of this row.
    pub version: i64,
    /// True for the row of a person who registered for a series.
    #[serde(default)]
    pub series: bool,
    /// Zoom's account id.
    #[serde(default, borrow)]
    pub account_id: Option<Text<'a>>,
    /// Zoom's meeting or webinar id.
    #[serde(borrow)]
    pub meeting_id: Text<'a>,
    /// Zoom's uuid of the occurrence's last session.
    #[serde(default, borrow)]
    pub session_uuid: Option<Text<'a>>,
    /// True for a webinar, false for a meeting.
    #[serde(default)]
    pub webinar: bool,
    /// Title.
    #[serde(default, borrow)]
    pub topic: Option<Text<'a>>,
    /// The host's address, where known.
    #[serde(default, borrow)]
    pub host_email: Option<Text<'a>>,
    /// IANA name of the meeting's time zone; a day is the day there.
    #[serde(default, borrow)]
    pub time_zone: Option<Text<'a>>,
    /// What is known of the person's attendance.
    #[serde(default)]
    pub status: AttendanceStatus,
    /// Where the occurrence stands.
    #[serde(default)]
    pub phase: Phase,
    /// Whether the row may still change by itself.
    #[serde(default)]
    pub state: RowState,
    /// True where the row changed after it was final.
    #[serde(default)]
    pub corrected: bool,
    /// Planned start, UTC; of a series the next occurrence's.
    #[serde(default)]
    pub scheduled_start: Option<i64>,
    /// Planned length in minutes.
    #[serde(default)]
    pub scheduled_minutes: Option<i32>,
    /// Start of the first session, UTC.
    #[serde(default)]
    pub started_at: Option<i64>,
    /// End of the last session, UTC.
    #[serde(default)]
    pub ended_at: Option<i64>,
    /// Length of all sessions together, in seconds.
    pub occurrence_seconds: i64,
    /// Zoom's registrant id; of several the latest approved.
    #[serde(default, borrow)]
    pub registrant_id: Option<Text<'a>>,
    /// When the registration was approved, UTC.
    #[serde(default)]
    pub registered_at: Option<i64>,
    /// Zoom's tracking source.
    #[serde(default, borrow)]
    pub registration_source: Option<Text<'a>>,
    /// From the registration.
    #[serde(default, borrow)]
    pub first_name: Option<Text<'a>>,
    /// From the registration.
    #[serde(default, borrow)]
    pub last_name: Option<Text<'a>>,
    /// The name shown in the session.
    #[serde(default, borrow)]
    pub display_name: Option<Text<'a>>,
    /// The registrant's own link.
    #[serde(default, borrow)]
    pub join_url: Option<Text<'a>>,
    /// Other fields of the registration form by Zoom's names.
    #[serde(default, borrow)]
    pub fields: TextMap<'a>,
    /// Answers by the question's title.
    #[serde(default, borrow)]
    pub custom_questions: TextMap<'a>,
    /// First join, UTC.
    #[serde(default)]
    pub first_join: Option<i64>,
    /// Last leave, UTC.
    #[serde(default)]
    pub last_leave: Option<i64>,
    /// Length of the union of the segments, in seconds.
    pub seconds: i64,
    /// Seconds attended in whole percent of occurrence_seconds; absent until a session ended.
    #[serde(default)]
    pub share: Option<i32>,
    /// Stays, by join time.
    #[serde(default, borrow)]
    pub segments: Vec<Segment<'a>>,
    /// The recording's page.
    #[serde(default, borrow)]
    pub recording_url: Option<Text<'a>>,
    /// What happened once, by time and id.
    #[serde(default, borrow)]
    pub milestones: Vec<Milestone<'a>>,
}

/// Something that happened to the person once. Never removed from the row.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Milestone<'a> {
    /// Deterministic; the key of the activity that it becomes.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// What happened.
    #[serde(default)]
    pub kind: MilestoneKind,
    /// When it happened, UTC: the approval, the cancellation, the start, the end, the recording's completion.
    pub at: i64,
    /// Seconds attended when it was recorded.
    #[serde(default)]
    pub seconds: Option<i64>,
    /// Seconds attended in whole percent of the sessions' length when it was recorded.
    #[serde(default)]
    pub share: Option<i32>,
    /// The recording's page.
    #[serde(default, borrow)]
    pub url: Option<Text<'a>>,
}

/// What happened.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum MilestoneKind {
    /// A symbol that a newer writer used and this version does not know.
    #[default]
    Unknown,
    /// `registered`.
    Registered,
    /// `cancelled`.
    Cancelled,
    /// `started`.
    Started,
    /// `ended`.
    Ended,
    /// `attended`.
    Attended,
    /// `no_show`.
    NoShow,
    /// `recording_ready`.
    RecordingReady,
}

/// One stay.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Segment<'a> {
    /// Joined, UTC, clipped to the session.
    pub join: i64,
    /// Left, UTC, clipped to the session; absent while he is there.
    #[serde(default)]
    pub leave: Option<i64>,
    /// Zoom's uuid of the session.
    #[serde(borrow)]
    pub session_uuid: Text<'a>,
}

/// Whether the row may still change by itself.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    /// A symbol that a newer writer used and this version does not know.
    #[default]
    Unknown,
    /// `provisional`.
    Provisional,
    /// `final`.
    Final,
}

/// Where the occurrence stands.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A symbol that a newer writer used and this version does not know.
    #[default]
    Unknown,
    /// `upcoming`.
    Upcoming,
    /// `running`.
    Running,
    /// `ended`.
    Ended,
    /// `not_held`.
    NotHeld,
}

/// What is known of the person's attendance.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum AttendanceStatus {
    /// A symbol that a newer writer used and this version does not know.
    #[default]
    Unknown,
    /// `pending`.
    Pending,
    /// `denied`.
    Denied,
    /// `registered`.
    Registered,
    /// `attended`.
    Attended,
    /// `no_show`.
    NoShow,
    /// `unverified`.
    Unverified,
    /// `cancelled`.
    Cancelled,
}

record!(AttendanceRow<'a>: email, occurrence, version, series, account_id, meeting_id, session_uuid, webinar, topic, host_email, time_zone, status, phase, state, corrected, scheduled_start, scheduled_minutes, started_at, ended_at, occurrence_seconds, registrant_id, registered_at, registration_source, first_name, last_name, display_name, join_url, fields, custom_questions, first_join, last_leave, seconds, share, segments, recording_url, milestones);

record!(Segment<'a>: join, leave, session_uuid);

record!(Milestone<'a>: id, kind, at, seconds, share, url);

symbols!(AttendanceStatus: Unknown, Pending, Denied, Registered, Attended, NoShow, Unverified, Cancelled);

symbols!(Phase: Unknown, Upcoming, Running, Ended, NotHeld);

symbols!(RowState: Unknown, Provisional, Final);

symbols!(MilestoneKind: Unknown, Registered, Cancelled, Started, Ended, Attended, NoShow, RecordingReady);
