//! How one person attends one session: the seats that he takes and what happens to them.

use rand::{RngExt, rngs::StdRng};

use super::{Bound, Mark, Place, Seat, Session, Shows, What};
use crate::time::SECOND;

/// How somebody attends. What only meetings have (waiting room, breakout rooms) is for meetings alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Conduct {
    Throughout,
    /// Leaves within two minutes.
    Brief,
    /// Zoom never says that he left.
    NoGoodbye,
    Rejoins,
    /// The client crashes: Zoom notices after the rejoin.
    Crashes,
    TwoDevices,
    WaitsThenEnters,
    OnlyWaits,
    PutBackAndReadmitted,
    PutBackForGood,
    /// A breakout room beside the main seat.
    Breakout,
    /// A breakout room after the main seat was left.
    BreakoutAlone,
    /// Sound by phone, bound to the seat; the seat itself goes early.
    PhonesIn,
    BecomesCoHost,
    /// Opens the page before the session starts.
    ComesEarly,
}

const LEFT: &str = "left the meeting.<br>Reason: left the meeting.";
const HOST_ENDED: &str = "left the meeting.<br>Reason: Host ended the meeting.";
const FAILOVER: &str = "left the meeting. Reason : left the meeting with Unknown Failover Reason";
const FROM_WAITING_ROOM: &str = "left the meeting.<br>Reason: Leave waiting room.";

/// Seats one person in one session; returns the number of his first seat.
pub(super) fn attend(
    session: &mut Session,
    conduct: Conduct,
    shows: &Shows,
    rng: &mut StdRng,
) -> usize {
    let first = session.seats.len();
    let (start, end) = (session.started_ms, session.ended_ms);
    let length = (end - start) / SECOND;
    // Early enough for the slowest conduct to fit its steps in, in order, with seconds between them.
    let join = start + rng.random_range(100..100 + length / 6) * SECOND;
    let leave = if rng.random_bool(0.4) {
        end
    } else {
        end - rng.random_range(5..length / 6) * SECOND
    };
    let middle =
        |rng: &mut StdRng| start + rng.random_range(length * 2 / 5..length * 3 / 5) * SECOND;
    let goes = if leave == end {
        leaves(leave, HOST_ENDED)
    } else {
        leaves(leave, LEFT)
    };
    match conduct {
        Conduct::Throughout => take(session, shows, Place::Main, vec![joins(join), goes], rng),
        Conduct::ComesEarly => {
            let early = start - rng.random_range(5..50) * SECOND;
            take(session, shows, Place::Main, vec![joins(early), goes], rng)
        }
        Conduct::Brief => {
            let out = join + rng.random_range(10..110) * SECOND;
            take(
                session,
                shows,
                Place::Main,
                vec![joins(join), leaves(out, LEFT)],
                rng,
            )
        }
        Conduct::NoGoodbye => take(session, shows, Place::Main, vec![joins(join)], rng),
        Conduct::Rejoins => {
            let out = middle(rng);
            take(
                session,
                shows,
                Place::Main,
                vec![joins(join), leaves(out, LEFT)],
                rng,
            );
            let back = out + rng.random_range(20..200) * SECOND;
            take(session, shows, Place::Main, vec![joins(back), goes], rng);
        }
        Conduct::Crashes => {
            let back = middle(rng);
            // What Zoom says of the dead seat may lie before or after the rejoin.
            let out = back + rng.random_range(-40..40) * SECOND;
            let crash = Mark {
                at_ms: out,
                what: What::Leaves {
                    reason: FAILOVER,
                    noticed_late: true,
                },
            };
            take(session, shows, Place::Main, vec![joins(join), crash], rng);
            take(session, shows, Place::Main, vec![joins(back), goes], rng);
        }
        Conduct::TwoDevices => {
            take(session, shows, Place::Main, vec![joins(join), goes], rng);
            let from = join + rng.random_range(30..length / 4) * SECOND;
            let to = from + rng.random_range(length / 8..length / 4) * SECOND;
            let second = Shows {
                name: "iPad".to_owned(),
                ..shows.clone()
            };
            // A name counts only where no registration gives one, and there it must be the same on every seat.
            let second = if shows.registrant_id.is_some() {
                second
            } else {
                shows.clone()
            };
            take(
                session,
                &second,
                Place::Main,
                vec![joins(from), leaves(to, LEFT)],
                rng,
            );
        }
        Conduct::WaitsThenEnters => {
            let waits = mark(join - rng.random_range(10..80) * SECOND, What::Waits);
            take(
                session,
                shows,
                Place::Main,
                vec![waits, mark(join, What::Admitted), joins(join), goes],
                rng,
            );
        }
        Conduct::OnlyWaits => {
            let gone = join + rng.random_range(60..300) * SECOND;
            let mut marks = vec![mark(join, What::Waits), mark(gone, What::LeavesWaitingRoom)];
            if rng.random_bool(0.5) {
                marks.push(leaves(gone, FROM_WAITING_ROOM));
            }
            take(session, shows, Place::Main, marks, rng);
        }
        Conduct::PutBackAndReadmitted => {
            let put = middle(rng);
            let again = put + rng.random_range(60..240) * SECOND;
            let mut marks = vec![
                joins(join),
                mark(put, What::PutInWaitingRoom),
                mark(again, What::Admitted),
            ];
            if rng.random_bool(0.5) {
                marks.push(joins(again));
            }
            marks.push(goes);
            take(session, shows, Place::Main, marks, rng);
        }
        Conduct::PutBackForGood => {
            let put = middle(rng);
            let gone = put + rng.random_range(60..240) * SECOND;
            let marks = vec![
                joins(join),
                mark(put, What::PutInWaitingRoom),
                mark(gone, What::LeavesWaitingRoom),
                leaves(gone, FROM_WAITING_ROOM),
            ];
            take(session, shows, Place::Main, marks, rng);
        }
        Conduct::Breakout | Conduct::BreakoutAlone => {
            let enters = middle(rng);
            let returns = enters + rng.random_range(120..length / 4) * SECOND;
            let main = if conduct == Conduct::Breakout {
                goes
            } else {
                leaves(enters - 2 * SECOND, LEFT)
            };
            take(session, shows, Place::Main, vec![joins(join), main], rng);
            let place = Place::Breakout {
                parent_user_id: session.seats[first].user_id.clone(),
                room_uuid: uuid_base64(rng),
            };
            // Some rooms' events say who it is, some only whose seat it belongs to.
            let inside = if rng.random_bool(0.5) {
                shows.clone()
            } else {
                Shows {
                    name: shows.name.clone(),
                    email: None,
                    registrant_id: None,
                    participant_user_id: None,
                }
            };
            take(
                session,
                &inside,
                place,
                vec![joins(enters), leaves(returns, LEFT)],
                rng,
            );
        }
        Conduct::PhonesIn => {
            let dials = join + rng.random_range(20..120) * SECOND;
            let out = middle(rng);
            take(
                session,
                shows,
                Place::Main,
                vec![joins(join), leaves(out, LEFT)],
                rng,
            );
            let seat = &session.seats[first];
            let bound = Bound {
                user_id: seat.user_id.clone(),
                participant_uuid: seat.participant_uuid.clone(),
                at_ms: dials + rng.random_range(10..40) * SECOND,
            };
            dial_in(session, Some(bound), vec![joins(dials), goes], rng);
        }
        Conduct::BecomesCoHost => {
            let promoted = mark(
                middle(rng),
                What::ChangesRole {
                    old: "attendee",
                    new: "co-host",
                },
            );
            take(
                session,
                shows,
                Place::Main,
                vec![joins(join), promoted, goes],
                rng,
            );
        }
    }
    first
}

/// Seats the host, who opens and ends the session.
pub(super) fn host(session: &mut Session, shows: &Shows, rng: &mut StdRng) {
    let marks = vec![
        joins(session.started_ms),
        leaves(session.ended_ms, HOST_ENDED),
    ];
    take(session, shows, Place::Main, marks, rng);
}

/// Seats somebody who only phones: a guest, unless the phone is bound.
pub(super) fn caller(session: &mut Session, rng: &mut StdRng) {
    let length = (session.ended_ms - session.started_ms) / SECOND;
    let dials = session.started_ms + rng.random_range(30..length / 2) * SECOND;
    let marks = vec![
        joins(dials),
        leaves(dials + rng.random_range(60..length / 3) * SECOND, LEFT),
    ];
    dial_in(session, None, marks, rng);
}

fn dial_in(session: &mut Session, bound: Option<Bound>, marks: Vec<Mark>, rng: &mut StdRng) {
    let number = format!("1415555{:04}", rng.random_range(0..10_000));
    let shows = Shows {
        name: format!("1415***{}", &number[7..]),
        email: None,
        registrant_id: None,
        participant_user_id: None,
    };
    take(session, &shows, Place::Phone { number, bound }, marks, rng);
}

fn take(session: &mut Session, shows: &Shows, place: Place, marks: Vec<Mark>, rng: &mut StdRng) {
    session.seats.push(Seat {
        user_id: (16_778_240 + 1024 * (session.seats.len() + 1)).to_string(),
        participant_uuid: uuid_dashed(rng),
        shows: shows.clone(),
        place,
        marks,
    });
}

fn mark(at_ms: i64, what: What) -> Mark {
    Mark { at_ms, what }
}

fn joins(at_ms: i64) -> Mark {
    mark(at_ms, What::Joins)
}

fn leaves(at_ms: i64, reason: &'static str) -> Mark {
    mark(
        at_ms,
        What::Leaves {
            reason,
            noticed_late: false,
        },
    )
}

/// Like `364B3A17-05C0-6B63-F4FA-2180DCC26971`.
fn uuid_dashed(rng: &mut StdRng) -> String {
    let [a, b]: [u64; 2] = [rng.random(), rng.random()];
    format!(
        "{:08X}-{:04X}-{:04X}-{:04X}-{:012X}",
        a >> 32,
        (a >> 16) & 0xFFFF,
        a & 0xFFFF,
        b >> 48,
        b & 0xFFFF_FFFF_FFFF
    )
}

/// Like `BOKXuumlTAGXuqwr3bLyuQ==`: sixteen bytes in base64, so that `/` and `+` occur.
pub(super) fn uuid_base64(rng: &mut StdRng) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text: String = (0..21)
        .map(|_| char::from(LETTERS[rng.random_range(0..64)]))
        .collect();
    text.push(['A', 'Q', 'g', 'w'][rng.random_range(0..4)]);
    text.push_str("==");
    text
}
