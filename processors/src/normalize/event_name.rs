//! The names of Zoom's webhook events.

use rollcall_schemas::record::EventKind;

use super::{APP_DEAUTHORIZED, BEFORE_THE_HOST, CONVERTED, UNKNOWN_EVENT};

/// Whose event it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Subject {
    Meeting,
    Webinar,
    /// A recording of either: the type of the object tells which.
    Recording,
}

/// What the name of an event says, or why the event has no effect.
pub(super) fn parse(name: &str) -> Result<(Subject, EventKind), &'static str> {
    if let Some(event) = name.strip_prefix("meeting.") {
        held(event).map(|kind| (Subject::Meeting, kind))
    } else if let Some(event) = name.strip_prefix("webinar.") {
        held(event).map(|kind| (Subject::Webinar, kind))
    } else {
        match name {
            "recording.completed" => Ok((Subject::Recording, EventKind::RecordingCompleted)),
            "recording.transcript_completed" => {
                Ok((Subject::Recording, EventKind::TranscriptCompleted))
            }
            "app_deauthorized" => Err(APP_DEAUTHORIZED),
            _ => Err(UNKNOWN_EVENT),
        }
    }
}

/// An event of a meeting or of a webinar: both have the same ones, where they have them.
fn held(event: &str) -> Result<EventKind, &'static str> {
    Ok(match event {
        "participant_joined" => EventKind::ParticipantJoined,
        "participant_left" => EventKind::ParticipantLeft,
        "registration_created" => EventKind::RegistrationCreated,
        "registration_approved" => EventKind::RegistrationApproved,
        "registration_cancelled" => EventKind::RegistrationCancelled,
        "registration_denied" => EventKind::RegistrationDenied,
        "participant_joined_waiting_room" => EventKind::WaitingRoomJoined,
        "participant_left_waiting_room" => EventKind::WaitingRoomLeft,
        "participant_put_in_waiting_room" => EventKind::WaitingRoomPut,
        "participant_admitted" => EventKind::ParticipantAdmitted,
        "participant_joined_breakout_room" => EventKind::BreakoutJoined,
        "participant_left_breakout_room" => EventKind::BreakoutLeft,
        "participant_bind" => EventKind::PhoneBound,
        "participant_role_changed" => EventKind::RoleChanged,
        "started" => EventKind::Started,
        "ended" => EventKind::Ended,
        "created" => EventKind::Created,
        "updated" => EventKind::Updated,
        "deleted" => EventKind::Deleted,
        "participant_jbh_waiting" | "participant_jbh_waiting_left" | "participant_jbh_joined" => {
            return Err(BEFORE_THE_HOST);
        }
        "converted_to_webinar" | "converted_to_meeting" => return Err(CONVERTED),
        _ => return Err(UNKNOWN_EVENT),
    })
}
