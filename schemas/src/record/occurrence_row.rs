//! `engagement.occurrences`: one holding of a meeting or webinar.

use serde::{Deserialize, Serialize};

use crate::Text;
use crate::avro::record;

/// One holding of a meeting or webinar. Topic engagement.occurrences; key: meeting id, a space, occurrence.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct OccurrenceRow<'a> {
    /// Id of the occurrence: meeting id, a hyphen, and the start that it was first seen with.
    #[serde(borrow)]
    pub occurrence: Text<'a>,
    /// Zoom's account id.
    #[serde(default, borrow)]
    pub account_id: Option<Text<'a>>,
    /// Zoom's meeting or webinar id.
    #[serde(borrow)]
    pub meeting_id: Text<'a>,
    /// True for a webinar, false for a meeting.
    #[serde(default)]
    pub webinar: bool,
    /// Title.
    #[serde(default, borrow)]
    pub topic: Option<Text<'a>>,
    /// The host's address, where known.
    #[serde(default, borrow)]
    pub host_email: Option<Text<'a>>,
    /// IANA name.
    #[serde(default, borrow)]
    pub time_zone: Option<Text<'a>>,
    /// Where the occurrence stands.
    #[serde(default)]
    pub phase: super::Phase,
    /// Whether the row may still change by itself.
    #[serde(default)]
    pub state: super::RowState,
    /// Planned start, UTC.
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
    /// Its sessions, by start; practice sessions left out.
    #[serde(default, borrow)]
    pub sessions: Vec<Session<'a>>,
    /// People with an approved registration for it.
    pub registered: i32,
    /// People with an address who came.
    pub attended: i32,
    /// People proven not to have come.
    pub no_shows: i32,
    /// People without an address who came.
    pub guests: i32,
    /// Hosts, users of the account and people of internal domains who came, counted apart.
    pub staff: i32,
    /// Most people present at once, guests included; known once it ended.
    #[serde(default)]
    pub peak: Option<i32>,
    /// Its recordings, by completion.
    #[serde(default, borrow)]
    pub recordings: Vec<RecordingLink<'a>>,
}

/// A cloud recording.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct RecordingLink<'a> {
    /// The recording's page.
    #[serde(borrow)]
    pub url: Text<'a>,
    /// When Zoom finished it, UTC.
    pub completed_at: i64,
    /// True where a transcript exists.
    #[serde(default)]
    pub transcript: bool,
}

/// One Zoom session.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Session<'a> {
    /// Zoom's uuid.
    #[serde(borrow)]
    pub uuid: Text<'a>,
    /// Start, UTC.
    pub started_at: i64,
    /// End, UTC; absent while it runs.
    #[serde(default)]
    pub ended_at: Option<i64>,
}

record!(OccurrenceRow<'a>: occurrence, account_id, meeting_id, webinar, topic, host_email, time_zone, phase, state, scheduled_start, scheduled_minutes, started_at, ended_at, occurrence_seconds, sessions, registered, attended, no_shows, guests, staff, peak, recordings);

record!(Session<'a>: uuid, started_at, ended_at);

record!(RecordingLink<'a>: url, completed_at, transcript);
