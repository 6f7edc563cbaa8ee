//! All that Zoom has to say of a story, in the order in which it happens.

use serde_json::Value;

use super::payload;
use crate::{
    account::{Mark, Meeting, Place, Plan, Seat, Session, Status, What},
    time::SECOND,
};

/// One thing that Zoom says.
pub(super) struct Happening {
    /// `event_ts`: when Zoom says it.
    pub(super) at_ms: i64,
    pub(super) event: &'static str,
    /// Index in [`Plan::meetings`].
    pub(super) meeting: usize,
    pub(super) about: About,
    pub(super) body: Value,
}

/// What it is about, as far as that limits when it may arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum About {
    /// The meeting as it is planned.
    Schedule,
    /// A registration.
    Registration,
    /// The start of a session.
    Start { session: usize },
    /// The end of a session.
    End { session: usize },
    /// A seat of a session; `after_ms` where it must be overtaken by what happens then.
    Seat {
        session: usize,
        after_ms: Option<i64>,
    },
    /// A recording.
    Recording,
}

pub(super) fn happenings(plan: &Plan) -> Vec<Happening> {
    let mut happenings = Vec::new();
    for (number, meeting) in plan.meetings.iter().enumerate() {
        let mut says = |at_ms: i64, event: &'static str, about: About, body: Value| {
            happenings.push(Happening {
                at_ms,
                event,
                meeting: number,
                about,
                body,
            });
        };
        schedule(plan, meeting, &mut says);
        registrations(plan, meeting, &mut says);
        for (session_number, session) in meeting.sessions.iter().enumerate() {
            run(plan, meeting, session_number, session, &mut says);
            recording(plan, meeting, session, &mut says);
        }
    }
    happenings.sort_by_key(|happening| happening.at_ms);
    happenings
}

fn schedule(
    plan: &Plan,
    meeting: &Meeting,
    says: &mut impl FnMut(i64, &'static str, About, Value),
) {
    let Some(created_ms) = meeting.created_ms else {
        return;
    };
    let event = of(meeting, "meeting.created", "webinar.created");
    says(
        created_ms,
        event,
        About::Schedule,
        payload::created(plan, meeting, created_ms, event),
    );
    if let Some(change) = &meeting.change {
        let event = of(meeting, "meeting.updated", "webinar.updated");
        says(
            change.at_ms + 450,
            event,
            About::Schedule,
            payload::updated(plan, meeting, change, event),
        );
    }
    for slot in meeting
        .slots
        .iter()
        .filter(|slot| slot.deleted_ms.is_some())
    {
        let at_ms = slot.deleted_ms.unwrap_or(created_ms);
        let event = of(meeting, "meeting.deleted", "webinar.deleted");
        says(
            at_ms,
            event,
            About::Schedule,
            payload::occurrence_deleted(plan, meeting, slot, at_ms, event),
        );
    }
}

fn registrations(
    plan: &Plan,
    meeting: &Meeting,
    says: &mut impl FnMut(i64, &'static str, About, Value),
) {
    for registration in &meeting.registrations {
        for (number, fact) in registration.facts.iter().enumerate() {
            let event = match (number, fact.status) {
                (0, _) => of(
                    meeting,
                    "meeting.registration_created",
                    "webinar.registration_created",
                ),
                (_, Status::Approved | Status::Pending) => of(
                    meeting,
                    "meeting.registration_approved",
                    "webinar.registration_approved",
                ),
                (_, Status::Denied) => of(
                    meeting,
                    "meeting.registration_denied",
                    "webinar.registration_denied",
                ),
                (_, Status::Cancelled) => of(
                    meeting,
                    "meeting.registration_cancelled",
                    "webinar.registration_cancelled",
                ),
            };
            says(
                fact.at_ms,
                event,
                About::Registration,
                payload::registration(plan, meeting, registration, *fact, event),
            );
        }
    }
}

fn run(
    plan: &Plan,
    meeting: &Meeting,
    number: usize,
    session: &Session,
    says: &mut impl FnMut(i64, &'static str, About, Value),
) {
    let started_at = session.started_ms + said_after(session.started_ms);
    let event = of(meeting, "meeting.started", "webinar.started");
    says(
        started_at,
        event,
        About::Start { session: number },
        payload::started(plan, meeting, session, started_at, event),
    );
    for (index, seat) in session.seats.iter().enumerate() {
        for mark in &seat.marks {
            let event = seat_event(meeting, seat, mark);
            let at_ms = mark.at_ms + said_after(mark.at_ms);
            let after_ms = match mark.what {
                // The next seat is the rejoin.
                What::Leaves {
                    noticed_late: true, ..
                } => session.seats.get(index + 1).and_then(Seat::first_join),
                _ => None,
            };
            says(
                at_ms,
                event,
                About::Seat {
                    session: number,
                    after_ms,
                },
                payload::seat(plan, meeting, session, seat, mark, at_ms, event),
            );
        }
        if let Place::Phone {
            bound: Some(bound), ..
        } = &seat.place
        {
            let event = of(
                meeting,
                "meeting.participant_bind",
                "webinar.participant_bind",
            );
            let at_ms = bound.at_ms + said_after(bound.at_ms);
            let about = About::Seat {
                session: number,
                after_ms: None,
            };
            says(
                at_ms,
                event,
                about,
                payload::bind(plan, meeting, session, seat, bound, at_ms, event),
            );
        }
    }
    // What no attendance is made of: a known event that says nothing of it, and one that nobody knows yet.
    let shares = i64::midpoint(session.started_ms, session.ended_ms) / SECOND * SECOND;
    let about = About::Seat {
        session: number,
        after_ms: None,
    };
    let event = of(
        meeting,
        "meeting.sharing_started",
        "webinar.sharing_started",
    );
    says(
        shares + 700,
        event,
        about,
        payload::sharing(plan, meeting, session, shares, shares + 700, event),
    );
    let event = of(
        meeting,
        "meeting.participant_data_connection_established",
        "webinar.participant_data_connection_established",
    );
    says(
        shares + 900,
        event,
        about,
        payload::sharing(plan, meeting, session, shares, shares + 900, event),
    );

    let ended_at = session.ended_ms + said_after(session.ended_ms);
    let event = of(meeting, "meeting.ended", "webinar.ended");
    says(
        ended_at,
        event,
        About::End { session: number },
        payload::ended(plan, meeting, session, ended_at, event),
    );
}

fn seat_event(meeting: &Meeting, seat: &Seat, mark: &Mark) -> &'static str {
    let breakout = matches!(seat.place, Place::Breakout { .. });
    match mark.what {
        What::Joins if breakout => "meeting.participant_joined_breakout_room",
        What::Leaves { .. } if breakout => "meeting.participant_left_breakout_room",
        What::Joins => of(
            meeting,
            "meeting.participant_joined",
            "webinar.participant_joined",
        ),
        What::Leaves { .. } => of(
            meeting,
            "meeting.participant_left",
            "webinar.participant_left",
        ),
        What::Waits => "meeting.participant_joined_waiting_room",
        What::Admitted => "meeting.participant_admitted",
        What::LeavesWaitingRoom => "meeting.participant_left_waiting_room",
        What::PutInWaitingRoom => "meeting.participant_put_in_waiting_room",
        What::ChangesRole { .. } => of(
            meeting,
            "meeting.participant_role_changed",
            "webinar.participant_role_changed",
        ),
    }
}

fn recording(
    plan: &Plan,
    meeting: &Meeting,
    session: &Session,
    says: &mut impl FnMut(i64, &'static str, About, Value),
) {
    let Some(recording) = &session.recording else {
        return;
    };
    let event = "recording.completed";
    let tokens: &[&str] = if recording.said_twice {
        &["first", "second"]
    } else {
        &["first"]
    };
    for token in tokens {
        let body = payload::recording(
            plan,
            meeting,
            session,
            recording,
            token,
            recording.completed_ms,
            event,
        );
        says(recording.completed_ms, event, About::Recording, body);
    }
    if let Some(transcript_ms) = recording.transcript_ms {
        let event = "recording.transcript_completed";
        let body = payload::recording(
            plan,
            meeting,
            session,
            recording,
            "transcript",
            transcript_ms,
            event,
        );
        says(transcript_ms, event, About::Recording, body);
    }
}

fn of(meeting: &Meeting, of_meeting: &'static str, of_webinar: &'static str) -> &'static str {
    if meeting.webinar {
        of_webinar
    } else {
        of_meeting
    }
}

/// Zoom says what happened 0.4 to 1.6 seconds after the whole second that it names.
fn said_after(at_ms: i64) -> i64 {
    400 + (at_ms / SECOND * 7_919).rem_euclid(1_200)
}
