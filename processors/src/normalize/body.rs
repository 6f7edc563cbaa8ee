//! The body of a webhook: of all that Zoom sends, what Rollcall keeps.
//!
//! One shape serves every event, because they share most of their members, and because a body is
//! then read once. What is not named here is dropped: tokens, passcodes, network and street
//! addresses, links that carry a token.

use rollcall_schemas::Text;
use serde::Deserialize;

use super::lenient::{Email, List, Loose, MeetingId, Moment, Nested};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) event: Loose<Text<'a>>,
    /// When Zoom emitted the event, in milliseconds since 1970.
    pub(super) event_ts: Loose<i64>,
    #[serde(borrow)]
    pub(super) payload: Nested<Payload<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload<'a> {
    #[serde(borrow)]
    pub(super) account_id: Loose<Text<'a>>,
    /// Of created and deleted events: all, single or range.
    #[serde(borrow)]
    pub(super) operation: Loose<Text<'a>>,
    /// Of updated events, what `operation` is of the others.
    #[serde(borrow)]
    pub(super) scope: Loose<Text<'a>>,
    /// When a change was made, in milliseconds since 1970.
    pub(super) time_stamp: Loose<i64>,
    #[serde(borrow)]
    pub(super) object: Nested<Object<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    pub(super) id: Loose<MeetingId<'a>>,
    #[serde(borrow)]
    pub(super) uuid: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) host_id: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) host_email: Loose<Email<'a>>,
    #[serde(borrow)]
    pub(super) topic: Loose<Text<'a>>,
    pub(super) r#type: Loose<i64>,
    pub(super) start_time: Loose<Moment>,
    pub(super) end_time: Loose<Moment>,
    /// Scheduled minutes; of recordings, minutes recorded.
    pub(super) duration: Loose<i64>,
    #[serde(borrow)]
    pub(super) timezone: Loose<Text<'a>>,
    pub(super) practice_session: Loose<bool>,
    #[serde(borrow)]
    pub(super) breakout_room_uuid: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) participant: Nested<Seat<'a>>,
    #[serde(borrow)]
    pub(super) registrant: Nested<Form<'a>>,
    #[serde(borrow)]
    pub(super) occurrences: List<Planned<'a>>,
    pub(super) settings: Nested<Settings>,
    #[serde(borrow)]
    pub(super) share_url: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) recording_files: List<RecordingFile<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    pub(super) registration_type: Loose<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Planned<'a> {
    #[serde(borrow)]
    pub(super) occurrence_id: Loose<Text<'a>>,
    pub(super) start_time: Loose<Moment>,
    pub(super) duration: Loose<i64>,
    #[serde(borrow)]
    pub(super) status: Loose<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Seat<'a> {
    #[serde(borrow)]
    pub(super) user_id: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) participant_uuid: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) registrant_id: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) participant_user_id: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) email: Loose<Email<'a>>,
    #[serde(borrow)]
    pub(super) user_name: Loose<Text<'a>>,
    pub(super) join_time: Loose<Moment>,
    pub(super) leave_time: Loose<Moment>,
    pub(super) date_time: Loose<Moment>,
    #[serde(borrow)]
    pub(super) leave_reason: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) parent_user_id: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) bind_user_id: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) new_role: Loose<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Form<'a> {
    #[serde(borrow)]
    pub(super) id: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) email: Loose<Email<'a>>,
    #[serde(borrow)]
    pub(super) first_name: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) last_name: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) status: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) join_url: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) tracking_source: Nested<TrackingSource<'a>>,
    #[serde(borrow)]
    pub(super) custom_questions: List<Answer<'a>>,
    #[serde(borrow)]
    pub(super) city: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) comments: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) country: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) industry: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) job_title: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) no_of_employees: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) org: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) phone: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) purchasing_time_frame: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) role_in_purchase_process: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) state: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) zip: Loose<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TrackingSource<'a> {
    #[serde(borrow)]
    pub(super) source_name: Loose<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    pub(super) title: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) value: Loose<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RecordingFile<'a> {
    #[serde(borrow)]
    pub(super) id: Loose<Text<'a>>,
    pub(super) recording_start: Loose<Moment>,
    pub(super) recording_end: Loose<Moment>,
    #[serde(borrow)]
    pub(super) file_type: Loose<Text<'a>>,
    #[serde(borrow)]
    pub(super) status: Loose<Text<'a>>,
}
