//! Which sessions are one holding of a meeting, and when it counts as ended.
//!
//! A session belongs to the planned slot whose window (an hour before its start to an hour after its
//! end) it starts in, the nearest start if several, or whose window opens while it runs. Sessions
//! outside of every window that are less than half an hour apart are one holding.

use super::{Meeting, Plan};
use crate::time::{MINUTE, compact};

/// How far before and after a slot a session still belongs to it.
pub const WINDOW_MS: i64 = 60 * MINUTE;
/// How long after its last session a holding waits for another.
pub const JOIN_GAP_MS: i64 = 30 * MINUTE;

/// One occurrence of a meeting that took place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holding {
    /// Index in [`Plan::meetings`].
    pub meeting: usize,
    /// Index in [`Meeting::slots`]; absent for one that nobody had planned.
    pub slot: Option<usize>,
    /// The id of the occurrence: meeting id, hyphen, start.
    pub id: String,
    /// Indexes in [`Meeting::sessions`], by start; practice sessions left out.
    pub sessions: Vec<usize>,
    /// Indexes of its practice sessions.
    pub practice: Vec<usize>,
    /// Start of the first session.
    pub started_ms: i64,
    /// End of the last session.
    pub ended_ms: i64,
    /// When it counts as ended: at its end, its planned end, or half an hour after, whichever the rule says.
    pub settled_ms: i64,
}

impl Plan {
    /// Every occurrence that took place, by meeting and start. Practice sessions alone are none.
    #[must_use]
    pub fn holdings(&self) -> Vec<Holding> {
        self.meetings
            .iter()
            .enumerate()
            .flat_map(|(index, meeting)| holdings_of(index, meeting))
            .collect()
    }
}

fn holdings_of(index: usize, meeting: &Meeting) -> Vec<Holding> {
    // (slot, sessions, end of the last session)
    let mut groups: Vec<(Option<usize>, Vec<usize>, i64)> = Vec::new();
    for (number, session) in meeting.sessions.iter().enumerate() {
        let slot = slot_of(meeting, session.started_ms, session.ended_ms);
        let open = groups
            .iter_mut()
            .rev()
            .find(|(other, _, ended_ms)| match slot {
                Some(_) => *other == slot,
                None => other.is_none() && session.started_ms - *ended_ms < JOIN_GAP_MS,
            });
        match open {
            Some((_, sessions, ended_ms)) => {
                sessions.push(number);
                *ended_ms = session.ended_ms.max(*ended_ms);
            }
            None => groups.push((slot, vec![number], session.ended_ms)),
        }
    }
    groups
        .into_iter()
        .filter_map(|(slot, sessions, _)| holding(index, meeting, slot, &sessions))
        .collect()
}

fn slot_of(meeting: &Meeting, started_ms: i64, ended_ms: i64) -> Option<usize> {
    let length = meeting.minutes * MINUTE;
    (0..meeting.slots.len())
        .filter(|slot| meeting.slots[*slot].deleted_ms.is_none())
        .filter(|slot| {
            let opens = meeting.final_start(*slot) - WINDOW_MS;
            let closes = meeting.final_start(*slot) + length + WINDOW_MS;
            (opens..=closes).contains(&started_ms) || (started_ms < opens && opens < ended_ms)
        })
        .min_by_key(|slot| (meeting.final_start(*slot) - started_ms).abs())
}

fn holding(
    index: usize,
    meeting: &Meeting,
    slot: Option<usize>,
    numbers: &[usize],
) -> Option<Holding> {
    let (practice, sessions): (Vec<usize>, Vec<usize>) = numbers
        .iter()
        .partition(|number| meeting.sessions[**number].practice);
    let started_ms = sessions
        .iter()
        .map(|number| meeting.sessions[*number].started_ms)
        .min()?;
    let ended_ms = sessions
        .iter()
        .map(|number| meeting.sessions[*number].ended_ms)
        .max()?;
    let gap_over = ended_ms + JOIN_GAP_MS;
    let settled_ms = match slot {
        Some(slot) => {
            ended_ms.max(gap_over.min(meeting.final_start(slot) + meeting.minutes * MINUTE))
        }
        None => gap_over,
    };
    let named_by = slot.map_or(started_ms, |slot| meeting.slots[slot].first_start_ms);
    let id = format!("{}-{}", meeting.id, compact(named_by));
    Some(Holding {
        meeting: index,
        slot,
        id,
        sessions,
        practice,
        started_ms,
        ended_ms,
        settled_ms,
    })
}
