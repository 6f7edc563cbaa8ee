//! `zoom.events`: the canonical log.

use serde::{Deserialize, Serialize};

use crate::avro::{record, symbols};
use crate::{Text, TextMap};

/// The canonical log of what happened in Zoom: typed, de-duplicated, without tokens, passcodes and network addresses. Topic zoom.events.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct ZoomEvent<'a> {
    /// The record's key: the meeting id, a space, and a hash of what makes the event one of its kind.
    #[serde(borrow)]
    pub event_id: Text<'a>,
    /// What happened. `clock` is stream time reaching a moment that something of this meeting waited for.
    #[serde(default)]
    pub kind: EventKind,
    /// True for a webinar, false for a meeting, from the event's name.
    #[serde(default)]
    pub webinar: bool,
    /// Zoom's account id.
    #[serde(default, borrow)]
    pub account_id: Option<Text<'a>>,
    /// Zoom's meeting or webinar id in decimal digits.
    #[serde(borrow)]
    pub meeting_id: Text<'a>,
    /// Counts the distinct events of the meeting, from 1, in the order in which they took effect.
    pub sequence: i64,
    /// When it happened, UTC, by Zoom's clock: event_ts, or the time stamp of a change.
    pub occurred_at: i64,
    /// When Rollcall received the first copy, UTC.
    pub received_at: i64,
    /// Zoom's uuid of the session that the event belongs to; of created and registration events, not that of a session.
    #[serde(default, borrow)]
    pub session_uuid: Option<Text<'a>>,
    /// Zoom's user id of the host.
    #[serde(default, borrow)]
    pub host_id: Option<Text<'a>>,
    /// The host's address, where Zoom sends it.
    #[serde(default, borrow)]
    pub host_email: Option<Text<'a>>,
    /// Title of the meeting or webinar.
    #[serde(default, borrow)]
    pub topic: Option<Text<'a>>,
    /// Zoom's type: 1 instant, 2 scheduled, 3 recurring without fixed time, 4 personal room, 5 webinar, 6 recurring webinar without fixed time, 8 recurring, 9 recurring webinar.
    #[serde(default)]
    pub meeting_type: Option<i32>,
    /// UTC. Of session events the actual start of the session, of all others the scheduled start.
    #[serde(default)]
    pub start_time: Option<i64>,
    /// Scheduled length in minutes.
    #[serde(default)]
    pub duration_minutes: Option<i32>,
    /// IANA name of the meeting's time zone.
    #[serde(default, borrow)]
    pub time_zone: Option<Text<'a>>,
    /// Set on ended.
    #[serde(default)]
    pub ended: Option<SessionEnd>,
    /// Set on created, updated, deleted and registration events.
    #[serde(default, borrow)]
    pub schedule: Option<Schedule<'a>>,
    /// Set on participant, waiting room, breakout, phone and role events.
    #[serde(default, borrow)]
    pub participant: Option<Participant<'a>>,
    /// Set on registration events.
    #[serde(default, borrow)]
    pub registrant: Option<Registrant<'a>>,
    /// Set on recording and transcript events.
    #[serde(default, borrow)]
    pub recording: Option<Recording<'a>>,
}

/// Cloud recordings of a session, without links that carry a token.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Recording<'a> {
    /// The page where the recording is watched.
    #[serde(default, borrow)]
    pub share_url: Option<Text<'a>>,
    /// Start of the earliest file, UTC.
    #[serde(default)]
    pub recording_start: Option<i64>,
    /// End of the latest file, UTC.
    #[serde(default)]
    pub recording_end: Option<i64>,
    /// How many files are complete.
    pub files: i32,
    /// True where a transcript is among the files.
    #[serde(default)]
    pub transcript: bool,
}

/// A registration, as its form was filled in.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Registrant<'a> {
    /// Zoom's registrant id.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// Normalised address: trimmed, lower case, IDNA domain.
    #[serde(borrow)]
    pub email: Text<'a>,
    /// First name.
    #[serde(default, borrow)]
    pub first_name: Option<Text<'a>>,
    /// Last name.
    #[serde(default, borrow)]
    pub last_name: Option<Text<'a>>,
    /// approved, pending, denied or cancelled, at the time of the event.
    #[serde(default, borrow)]
    pub status: Option<Text<'a>>,
    /// The registrant's own link.
    #[serde(default, borrow)]
    pub join_url: Option<Text<'a>>,
    /// Name of Zoom's tracking source.
    #[serde(default, borrow)]
    pub tracking_source: Option<Text<'a>>,
    /// Other fields of the form by Zoom's names (phone, org, job_title, country, city, zip, state, industry, comments, …), empty ones left out; the street address is not kept.
    #[serde(default, borrow)]
    pub fields: TextMap<'a>,
    /// Answers by the question's title.
    #[serde(default, borrow)]
    pub custom_questions: TextMap<'a>,
}

/// A person's seat in a session.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Participant<'a> {
    /// Seat number within the session, new after each rejoin; never an identity of a person.
    #[serde(default, borrow)]
    pub user_id: Option<Text<'a>>,
    /// Zoom's id of one stay; changes on a rejoin.
    #[serde(default, borrow)]
    pub participant_uuid: Option<Text<'a>>,
    /// Zoom's registrant id, the only id of a guest that survives a rejoin.
    #[serde(default, borrow)]
    pub registrant_id: Option<Text<'a>>,
    /// Zoom's user id; set only for users of this account.
    #[serde(default, borrow)]
    pub participant_user_id: Option<Text<'a>>,
    /// Normalised address: trimmed, lower case, IDNA domain.
    #[serde(default, borrow)]
    pub email: Option<Text<'a>>,
    /// The name shown in the session.
    #[serde(default, borrow)]
    pub display_name: Option<Text<'a>>,
    /// When he joined, left, waited or was let in, UTC.
    pub at: i64,
    /// Zoom's free text.
    #[serde(default, borrow)]
    pub leave_reason: Option<Text<'a>>,
    /// In a breakout room: the seat in the main session.
    #[serde(default, borrow)]
    pub parent_user_id: Option<Text<'a>>,
    /// Of a phone seat: the seat that it belongs to.
    #[serde(default, borrow)]
    pub bound_user_id: Option<Text<'a>>,
}

/// What is planned, or which planned occurrences the event is about.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Schedule<'a> {
    /// The occurrences that the event names; empty for a meeting that does not recur.
    #[serde(default, borrow)]
    pub occurrences: Vec<ScheduledOccurrence<'a>>,
    /// Zoom's settings.registration_type: 1 once for the series, 2 for each occurrence, 3 once for chosen occurrences.
    #[serde(default)]
    pub registration_type: Option<i32>,
}

/// One planned occurrence of a recurring meeting.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct ScheduledOccurrence<'a> {
    /// Zoom's occurrence id.
    #[serde(borrow)]
    pub occurrence_id: Text<'a>,
    /// Planned start, UTC.
    #[serde(default)]
    pub start_time: Option<i64>,
    /// Planned length in minutes.
    #[serde(default)]
    pub duration_minutes: Option<i32>,
    /// True where this occurrence was taken out of the series.
    #[serde(default)]
    pub deleted: bool,
}

/// The end of a session.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// When the session ended, UTC.
    pub end_time: i64,
    /// True for a webinar's practice session, which counts for nothing.
    #[serde(default)]
    pub practice_session: bool,
}

/// What happened; names follow Zoom's webhook events.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A symbol that a newer writer used and this version does not know.
    #[default]
    Unknown,
    /// `created`.
    Created,
    /// `updated`.
    Updated,
    /// `deleted`.
    Deleted,
    /// `started`.
    Started,
    /// `ended`.
    Ended,
    /// `registration_created`.
    RegistrationCreated,
    /// `registration_approved`.
    RegistrationApproved,
    /// `registration_cancelled`.
    RegistrationCancelled,
    /// `registration_denied`.
    RegistrationDenied,
    /// `participant_joined`.
    ParticipantJoined,
    /// `participant_left`.
    ParticipantLeft,
    /// `waiting_room_joined`.
    WaitingRoomJoined,
    /// `waiting_room_left`.
    WaitingRoomLeft,
    /// `waiting_room_put`.
    WaitingRoomPut,
    /// `participant_admitted`.
    ParticipantAdmitted,
    /// `breakout_joined`.
    BreakoutJoined,
    /// `breakout_left`.
    BreakoutLeft,
    /// `phone_bound`.
    PhoneBound,
    /// `role_changed`.
    RoleChanged,
    /// `recording_completed`.
    RecordingCompleted,
    /// `transcript_completed`.
    TranscriptCompleted,
    /// `clock`.
    Clock,
}

record!(ZoomEvent<'a>: event_id, kind, webinar, account_id, meeting_id, sequence, occurred_at, received_at, session_uuid, host_id, host_email, topic, meeting_type, start_time, duration_minutes, time_zone, ended, schedule, participant, registrant, recording);

record!(SessionEnd: end_time, practice_session);

record!(Schedule<'a>: occurrences, registration_type);

record!(ScheduledOccurrence<'a>: occurrence_id, start_time, duration_minutes, deleted);

record!(Participant<'a>: user_id, participant_uuid, registrant_id, participant_user_id, email, display_name, at, leave_reason, parent_user_id, bound_user_id);

record!(Registrant<'a>: id, email, first_name, last_name, status, join_url, tracking_source, fields, custom_questions);

record!(Recording<'a>: share_url, recording_start, recording_end, files, transcript);

symbols!(EventKind: Unknown, Created, Updated, Deleted, Started, Ended, RegistrationCreated, RegistrationApproved, RegistrationCancelled, RegistrationDenied, ParticipantJoined, ParticipantLeft, WaitingRoomJoined, WaitingRoomLeft, WaitingRoomPut, ParticipantAdmitted, BreakoutJoined, BreakoutLeft, PhoneBound, RoleChanged, RecordingCompleted, TranscriptCompleted, Clock);
