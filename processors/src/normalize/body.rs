//! The body of a webhook: of all that Zoom sends, what Rollcall keeps.
//!
//! One shape serves every event, because they share most of their members, and because a body is
//! then read once. What is not named here is dropped: tokens, passcodes, network and street
//! addresses, links that carry a token.

use rollcall_schemas::Text;
use serde::de::{IgnoredAny, MapAccess};

use super::lenient::{Email, List, Loose, MeetingId, Members, Moment, Nested, Place, members};

#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    pub(super) event: Loose<Text<'a>>,
    /// When Zoom emitted the event, in milliseconds since 1970.
    pub(super) event_ts: Loose<i64>,
    pub(super) payload: Nested<Payload<'a>>,
}

members!(Body<'a>: event, event_ts, payload);

#[derive(Debug, Default)]
pub(super) struct Payload<'a> {
    pub(super) account_id: Loose<Text<'a>>,
    /// Of created and deleted events: all, single or range.
    pub(super) operation: Loose<Text<'a>>,
    /// Of updated events, what `operation` is of the others.
    pub(super) scope: Loose<Text<'a>>,
    /// When a change was made, in milliseconds since 1970.
    pub(super) time_stamp: Loose<i64>,
    pub(super) object: Nested<Object<'a>>,
}

members!(Payload<'a>: account_id, operation, scope, time_stamp, object);

#[derive(Debug, Default)]
pub(super) struct Object<'a> {
    pub(super) id: Loose<MeetingId<'a>>,
    pub(super) uuid: Loose<Text<'a>>,
    pub(super) host_id: Loose<Text<'a>>,
    pub(super) host_email: Loose<Email<'a>>,
    pub(super) topic: Loose<Text<'a>>,
    pub(super) meeting_type: Loose<i64>,
    pub(super) start_time: Loose<Moment>,
    pub(super) end_time: Loose<Moment>,
    /// Scheduled minutes; of recordings, minutes recorded.
    pub(super) duration: Loose<i64>,
    pub(super) timezone: Loose<Text<'a>>,
    pub(super) practice_session: Loose<bool>,
    pub(super) breakout_room_uuid: Loose<Text<'a>>,
    pub(super) participant: Nested<Seat<'a>>,
    pub(super) registrant: Nested<Form<'a>>,
    pub(super) occurrences: List<Planned<'a>>,
    pub(super) settings: Nested<Settings>,
    pub(super) share_url: Loose<Text<'a>>,
    pub(super) recording_files: List<RecordingFile<'a>>,
}

members!(Object<'a>: id, uuid, host_id, host_email, topic, meeting_type = "type", start_time, end_time, duration, timezone, practice_session, breakout_room_uuid, participant, registrant, occurrences, settings, share_url, recording_files);

#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) registration_type: Loose<i64>,
}

members!(Settings: registration_type);

#[derive(Debug, Default)]
pub(super) struct Planned<'a> {
    pub(super) occurrence_id: Loose<Text<'a>>,
    pub(super) start_time: Loose<Moment>,
    pub(super) duration: Loose<i64>,
    pub(super) status: Loose<Text<'a>>,
}

members!(Planned<'a>: occurrence_id, start_time, duration, status);

#[derive(Debug, Default)]
pub(super) struct Seat<'a> {
    pub(super) user_id: Loose<Text<'a>>,
    pub(super) participant_uuid: Loose<Text<'a>>,
    pub(super) registrant_id: Loose<Text<'a>>,
    pub(super) participant_user_id: Loose<Text<'a>>,
    pub(super) email: Loose<Email<'a>>,
    pub(super) user_name: Loose<Text<'a>>,
    pub(super) join_time: Loose<Moment>,
    pub(super) leave_time: Loose<Moment>,
    pub(super) date_time: Loose<Moment>,
    pub(super) leave_reason: Loose<Text<'a>>,
    pub(super) parent_user_id: Loose<Text<'a>>,
    pub(super) bind_user_id: Loose<Text<'a>>,
    pub(super) new_role: Loose<Text<'a>>,
}

members!(Seat<'a>: user_id, participant_uuid, registrant_id, participant_user_id, email, user_name, join_time, leave_time, date_time, leave_reason, parent_user_id, bind_user_id, new_role);

#[derive(Debug, Default)]
pub(super) struct Form<'a> {
    pub(super) id: Loose<Text<'a>>,
    pub(super) email: Loose<Email<'a>>,
    pub(super) first_name: Loose<Text<'a>>,
    pub(super) last_name: Loose<Text<'a>>,
    pub(super) status: Loose<Text<'a>>,
    pub(super) join_url: Loose<Text<'a>>,
    pub(super) tracking_source: Nested<TrackingSource<'a>>,
    pub(super) custom_questions: List<Answer<'a>>,
    pub(super) city: Loose<Text<'a>>,
    pub(super) comments: Loose<Text<'a>>,
    pub(super) country: Loose<Text<'a>>,
    pub(super) industry: Loose<Text<'a>>,
    pub(super) job_title: Loose<Text<'a>>,
    pub(super) no_of_employees: Loose<Text<'a>>,
    pub(super) org: Loose<Text<'a>>,
    pub(super) phone: Loose<Text<'a>>,
    pub(super) purchasing_time_frame: Loose<Text<'a>>,
    pub(super) role_in_purchase_process: Loose<Text<'a>>,
    pub(super) state: Loose<Text<'a>>,
    pub(super) zip: Loose<Text<'a>>,
}

members!(Form<'a>: id, email, first_name, last_name, status, join_url, tracking_source, custom_questions, city, comments, country, industry, job_title, no_of_employees, org, phone, purchasing_time_frame, role_in_purchase_process, state, zip);

#[derive(Debug, Default)]
pub(super) struct TrackingSource<'a> {
    pub(super) source_name: Loose<Text<'a>>,
}

members!(TrackingSource<'a>: source_name);

#[derive(Debug, Default)]
pub(super) struct Answer<'a> {
    pub(super) title: Loose<Text<'a>>,
    pub(super) value: Loose<Text<'a>>,
}

members!(Answer<'a>: title, value);

#[derive(Debug, Default)]
pub(super) struct RecordingFile<'a> {
    pub(super) id: Loose<Text<'a>>,
    pub(super) recording_start: Loose<Moment>,
    pub(super) recording_end: Loose<Moment>,
    pub(super) file_type: Loose<Text<'a>>,
    pub(super) status: Loose<Text<'a>>,
}

members!(RecordingFile<'a>: id, recording_start, recording_end, file_type, status);
