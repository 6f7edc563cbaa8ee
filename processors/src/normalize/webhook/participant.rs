//! A seat in a session, and what happened at it.

use rollcall_runtime::Rejection;
use rollcall_schemas::record::{EventKind, Participant};

use super::required;
use crate::normalize::body::Seat;
use crate::normalize::identity::Identity;

/// What happened at a seat. The seat, the moment and, where it is about another seat or a role, that
/// too are part of the event's identity.
pub(super) fn from_seat<'a>(
    kind: EventKind,
    seat: &mut Seat<'a>,
    said_at: Option<i64>,
    identity: &mut Identity,
) -> Result<Participant<'a>, Rejection> {
    let seat_id = seat
        .user_id
        .0
        .as_deref()
        .or(seat.participant_uuid.0.as_deref());
    identity.text(Some(required(seat_id, kind, "participant.user_id")?));
    let (join, leave, date) = (
        seat.join_time.at(),
        seat.leave_time.at(),
        seat.date_time.at(),
    );
    let (at, member) = match kind {
        // Zoom's own example of a join has date_time where its schema has join_time.
        EventKind::ParticipantJoined | EventKind::BreakoutJoined => {
            (join.or(date), "participant.join_time")
        }
        EventKind::ParticipantLeft | EventKind::BreakoutLeft => {
            (leave.or(date), "participant.leave_time")
        }
        // Nothing is counted from the moment of these.
        EventKind::PhoneBound | EventKind::RoleChanged => {
            (date.or(join).or(said_at), "participant.date_time")
        }
        _ => (date.or(join), "participant.date_time"),
    };
    let at = required(at, kind, member)?;
    identity.number(Some(at));
    identity
        .text(seat.bind_user_id.0.as_deref())
        .text(seat.new_role.0.as_deref());
    Ok(Participant {
        user_id: seat.user_id.0.take(),
        participant_uuid: seat.participant_uuid.0.take(),
        registrant_id: seat.registrant_id.0.take(),
        participant_user_id: seat.participant_user_id.0.take(),
        email: seat.email.0.take().map(|email| email.0),
        display_name: seat.user_name.0.take(),
        at,
        leave_reason: seat.leave_reason.0.take(),
        parent_user_id: seat.parent_user_id.0.take(),
        bound_user_id: seat.bind_user_id.0.take(),
    })
}
