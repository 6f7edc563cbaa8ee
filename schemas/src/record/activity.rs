//! `engagement.activities`: what happens once.

use serde::{Deserialize, Serialize};

use crate::Text;
use crate::avro::record;

/// What happens once to a person. Topic engagement.activities; key: activity id. The header contact-version names the contact's version that it came with.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Activity<'a> {
    /// The record's key: email, a space, kind, a colon, and what it is about.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// Normalised address.
    #[serde(borrow)]
    pub email: Text<'a>,
    /// What happened.
    #[serde(default)]
    pub kind: super::MilestoneKind,
    /// When it happened, UTC; its age is counted from here.
    pub at: i64,
    /// Id of the occurrence or series.
    #[serde(borrow)]
    pub occurrence: Text<'a>,
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
    /// Planned start, UTC.
    #[serde(default)]
    pub scheduled_start: Option<i64>,
    /// IANA name.
    #[serde(default, borrow)]
    pub time_zone: Option<Text<'a>>,
    /// Seconds attended.
    #[serde(default)]
    pub seconds: Option<i64>,
    /// Seconds attended in whole percent.
    #[serde(default)]
    pub share: Option<i32>,
    /// The registrant's own link.
    #[serde(default, borrow)]
    pub join_url: Option<Text<'a>>,
    /// Zoom's tracking source.
    #[serde(default, borrow)]
    pub registration_source: Option<Text<'a>>,
    /// The recording's page.
    #[serde(default, borrow)]
    pub recording_url: Option<Text<'a>>,
}

record!(Activity<'a>: id, email, kind, at, occurrence, meeting_id, session_uuid, webinar, topic, scheduled_start, time_zone, seconds, share, join_url, registration_source, recording_url);
