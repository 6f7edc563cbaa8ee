//! Stays: from the marks of a seat to intervals, and from intervals to time attended.
//!
//! Time attended is the length of the union of a person's stays, clipped to the sessions; never the
//! sum, because two devices, breakout rooms and clock overlap would count twice (design rule 6).
//! Everything here is a function of the *set* of marks, so no order of arrival can change a result.

use serde::{Deserialize, Serialize};

/// What a seat did at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
pub(super) enum MarkKind {
    /// Left the session or the breakout room.
    Leave,
    /// Was put back into the waiting room: ends a stay until he is let in again.
    ToWaitingRoom,
    /// Was let in from the waiting room: goes on with a stay that the waiting room ended. The first
    /// entry is told by a join of its own.
    Admitted,
    /// Joined the session or the breakout room.
    Join,
}

/// A moment of a seat, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) at: i64,
    pub(super) kind: MarkKind,
}

/// From when to when; no end while it lasts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub(super) struct Stay {
    pub(super) join: i64,
    pub(super) leave: Option<i64>,
}

/// Hands over the stays of one seat, in order. A leave without a join before it counts for nothing.
///
/// `marks` must be sorted. At one moment a leave comes before a join, unless that would leave the
/// join without an end: then it is a stay of no length.
pub(super) fn each_stay(marks: &[Mark], mut take: impl FnMut(Stay)) {
    let mut joined: Option<i64> = None;
    let mut waiting = false;
    for moment in marks.chunk_by(|a, b| a.at == b.at) {
        let at = moment[0].at;
        let has = |kind| moment.iter().any(|mark| mark.kind == kind);
        let leaves = has(MarkKind::Leave) || has(MarkKind::ToWaitingRoom);
        let was_in = joined.is_some();
        if leaves && let Some(join) = joined.take() {
            take(Stay {
                join,
                leave: Some(at),
            });
            waiting = has(MarkKind::ToWaitingRoom);
        }
        if has(MarkKind::Join) || (has(MarkKind::Admitted) && waiting) {
            if leaves && !was_in && has(MarkKind::Join) {
                take(Stay {
                    join: at,
                    leave: Some(at),
                });
                waiting = has(MarkKind::ToWaitingRoom);
            } else {
                joined.get_or_insert(at);
                waiting = false;
            }
        }
    }
    if let Some(join) = joined {
        take(Stay { join, leave: None });
    }
}

/// The stay clipped to a session. One that lies outside becomes one of no length at the session's
/// nearer end: it was seen, and counts no time. One still open when the session ended ends with it.
pub(super) fn clip(stay: Stay, session_start: i64, session_end: Option<i64>) -> Stay {
    let bound = |at: i64| {
        at.max(session_start)
            .min(session_end.unwrap_or(i64::MAX).max(session_start))
    };
    Stay {
        join: bound(stay.join),
        leave: stay.leave.map(bound).or(session_end.map(bound)),
    }
}

/// Whole seconds of the union of `stays`, which come sorted; open ones do not count yet.
pub(super) fn seconds(stays: impl Iterator<Item = Stay>) -> i64 {
    let mut total = 0;
    let mut covered_to = i64::MIN;
    for stay in stays {
        let Some(leave) = stay.leave else { continue };
        let from = stay.join.max(covered_to);
        if leave > from {
            total += leave - from;
            covered_to = leave;
        }
    }
    total / 1000
}

/// `part` in whole percent of `whole`, rounded half up, at most 100; 0 of nothing.
pub(super) fn percent(part: i64, whole: i64) -> i32 {
    if whole <= 0 {
        return 0;
    }
    let percent = (200 * part + whole) / (2 * whole);
    i32::try_from(percent.clamp(0, 100)).expect("clamped")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Mark, MarkKind, Stay, clip, each_stay, percent, seconds};

    fn marks(list: &[(i64, MarkKind)]) -> Vec<Mark> {
        let mut marks: Vec<_> = list
            .iter()
            .map(|(at, kind)| Mark {
                at: *at,
                kind: *kind,
            })
            .collect();
        marks.sort_unstable();
        marks
    }

    fn stays(marks: &[Mark]) -> Vec<Stay> {
        let mut stays = Vec::new();
        each_stay(marks, |stay| stays.push(stay));
        stays
    }

    fn stay(join: i64, leave: i64) -> Stay {
        Stay {
            join,
            leave: Some(leave),
        }
    }

    #[test]
    fn the_waiting_room_ends_a_stay_and_being_admitted_goes_on_with_it() {
        use MarkKind::{Admitted, Join, Leave, ToWaitingRoom};
        let told_once = marks(&[
            (5, Admitted),
            (6, Join),
            (10, ToWaitingRoom),
            (20, Admitted),
            (30, Leave),
        ]);
        assert_eq!(stays(&told_once), [stay(6, 10), stay(20, 30)]);
        let told_twice = marks(&[
            (6, Join),
            (10, ToWaitingRoom),
            (20, Admitted),
            (21, Join),
            (30, Leave),
        ]);
        assert_eq!(stays(&told_twice), [stay(6, 10), stay(20, 30)]);
    }

    #[test]
    fn the_waiting_room_alone_is_no_stay() {
        use MarkKind::{Admitted, Leave};
        assert_eq!(stays(&marks(&[(5, Admitted), (6, Leave)])), []);
        assert_eq!(stays(&marks(&[(6, Leave)])), []);
    }

    #[test]
    fn a_rejoin_in_the_same_second_goes_on() {
        use MarkKind::{Join, Leave};
        assert_eq!(
            stays(&marks(&[(1, Join), (5, Leave), (5, Join), (9, Leave)])),
            [stay(1, 5), stay(5, 9)]
        );
        assert_eq!(stays(&marks(&[(5, Leave), (5, Join)])), [stay(5, 5)]);
    }

    #[test]
    fn clipping_keeps_that_he_was_seen() {
        assert_eq!(clip(stay(0, 10), 20, Some(50)), stay(20, 20));
        assert_eq!(clip(stay(60, 70), 20, Some(50)), stay(50, 50));
        assert_eq!(
            clip(
                Stay {
                    join: 30,
                    leave: None
                },
                20,
                Some(50)
            ),
            stay(30, 50)
        );
        assert_eq!(
            clip(
                Stay {
                    join: 10,
                    leave: None
                },
                20,
                None
            ),
            Stay {
                join: 20,
                leave: None
            }
        );
    }

    #[test]
    fn percents_are_rounded_half_up() {
        assert_eq!(
            [
                percent(0, 200),
                percent(1, 200),
                percent(3, 200),
                percent(200, 200),
                percent(7, 0)
            ],
            [0, 1, 2, 100, 0]
        );
    }

    proptest! {
        /// The union agrees with a plain array of seconds.
        #[test]
        fn the_union_is_what_a_count_of_seconds_says(list in prop::collection::vec((0_i64..300, 0_i64..120), 0..12)) {
            let mut covered = [false; 500];
            for (join, length) in &list {
                for second in *join..*join + *length {
                    covered[usize::try_from(second).expect("not negative")] = true;
                }
            }
            let mut stays: Vec<_> = list.iter().map(|(join, length)| stay(join * 1000, (join + length) * 1000)).collect();
            let expected = covered.iter().filter(|second| **second).count();
            stays.sort_unstable();
            prop_assert_eq!(seconds(stays.into_iter()), i64::try_from(expected).expect("small"));
        }

        /// Joins and leaves that take turns give back the stays they came from.
        #[test]
        fn turns_of_join_and_leave_come_back(gaps in prop::collection::vec(1_i64..50, 0..20)) {
            let mut at = 0;
            let mut expected = Vec::new();
            let mut list = Vec::new();
            for pair in gaps.chunks_exact(2) {
                let (join, leave) = (at + pair[0], at + pair[0] + pair[1]);
                list.extend([(join, MarkKind::Join), (leave, MarkKind::Leave)]);
                expected.push(stay(join, leave));
                at = leave;
            }
            prop_assert_eq!(stays(&marks(&list)), expected);
        }
    }
}
