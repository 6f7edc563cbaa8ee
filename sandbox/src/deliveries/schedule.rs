//! When each webhook arrives, and how often.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    Delivery, DeliveryFaults, Nature,
    happening::{About, Happening, happenings},
    render::render,
};
use crate::{
    account::{Holding, Meeting, Plan},
    time::{MINUTE, SECOND},
};

/// Deliveries of one such span of virtual time are sent together, in no order.
pub const SLOT_MS: i64 = 10 * SECOND;

/// The first retry that Zoom makes, and the second after it.
const FIRST_RETRY_MS: i64 = 5 * MINUTE + 4 * SECOND;
const SECOND_RETRY_MS: i64 = 25 * MINUTE;
/// How late the news of a registration may be: until Zoom's last retry.
const LATEST_REGISTRATION_MS: i64 = 85 * MINUTE;
/// Kept clear before a moment that must not be passed.
const MARGIN_MS: i64 = MINUTE;

pub(super) fn schedule(plan: &Plan, faults: &DeliveryFaults) -> Vec<Delivery> {
    let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x5eed_de11_7e47);
    let limits = Limits::of(plan);
    let happenings = happenings(plan);
    let mut arrivals: Vec<(usize, i64, Nature)> = happenings
        .iter()
        .enumerate()
        .map(|(number, happening)| arrival(number, happening, &limits, faults, &mut rng))
        .collect();
    hold_back_ends(&happenings, &limits, &mut arrivals);

    let mut deliveries = Vec::new();
    for (number, due_ms, nature) in arrivals {
        let happening = &happenings[number];
        let request_id = new_request_id(&mut rng);
        let tracking_id = format!("v=2.0;clid=us02;rid=WEB_{:032x}", rng.random::<u128>());
        let delivery = Delivery {
            due_ms,
            event: happening.event,
            meeting_id: plan.meetings[happening.meeting].id,
            request_id,
            tracking_id: tracking_id.clone(),
            body: render(&happening.body, &mut rng),
            nature,
        };
        if rng.random_bool(faults.second_subscription) {
            deliveries.push(Delivery {
                due_ms: rounded_up(due_ms + rng.random_range(0..40 * SECOND)),
                request_id: new_request_id(&mut rng),
                body: render(&happening.body, &mut rng),
                nature: Nature::SecondSubscription,
                ..delivery.clone()
            });
        }
        if rng.random_bool(faults.repeated) {
            let again = Delivery {
                due_ms: rounded_up(due_ms + FIRST_RETRY_MS),
                nature: Nature::Repeated,
                ..delivery.clone()
            };
            deliveries.push(again);
        }
        deliveries.push(delivery);
    }
    deliveries.shuffle(&mut rng);
    deliveries.sort_by_key(|delivery| delivery.due_ms);
    deliveries
}

/// When one happening arrives for the first time.
fn arrival(
    number: usize,
    happening: &Happening,
    limits: &Limits,
    faults: &DeliveryFaults,
    rng: &mut StdRng,
) -> (usize, i64, Nature) {
    let prompt = happening.at_ms + rng.random_range(150..900);
    let retry = |rng: &mut StdRng| {
        if rng.random_bool(0.8) {
            FIRST_RETRY_MS
        } else {
            SECOND_RETRY_MS
        }
    };
    let (mut late, mut nature) = (0, Nature::First);
    if rng.random_bool(faults.first_try_lost) {
        (late, nature) = (retry(rng), Nature::Retry);
    } else if rng.random_bool(faults.overtaken) {
        late = rng.random_range(SLOT_MS..2 * MINUTE);
    }
    let disturbed = *faults != DeliveryFaults::NONE;
    let mut due_ms = prompt + late;
    match happening.about {
        // What a meeting is called and when it is planned fixes the ids of its occurrences.
        About::Schedule => (due_ms, nature) = (prompt, Nature::First),
        About::Registration => {
            if rng.random_bool(faults.registration_late) {
                (due_ms, nature) = (
                    prompt + rng.random_range(MINUTE..LATEST_REGISTRATION_MS),
                    Nature::Retry,
                );
            }
            due_ms = due_ms
                .min(limits.next_start(happening.meeting, happening.at_ms) - MARGIN_MS)
                .max(prompt);
            if limits.runs(happening.meeting, happening.at_ms) {
                (due_ms, nature) = (prompt, Nature::First);
            }
        }
        // Comes in time, so that the end before it can come after it.
        About::Start { session } if limits.is_restart(happening.meeting, session) => {
            (due_ms, nature) = (prompt, Nature::First)
        }
        About::Start { session } => {
            due_ms = due_ms
                .min(prompt + FIRST_RETRY_MS)
                .min(limits.arrives_by(happening.meeting, session))
                .max(prompt);
        }
        About::End { session } => {
            if disturbed && let Some(next_ms) = limits.restart(happening.meeting, session) {
                // The end comes after the next start.
                due_ms = next_ms + rng.random_range(30..90) * SECOND;
            }
            due_ms = due_ms
                .min(limits.arrives_by(happening.meeting, session))
                .max(prompt);
        }
        About::Seat { session, after_ms } => {
            if disturbed && let Some(after_ms) = after_ms {
                due_ms = prompt.max(after_ms + rng.random_range(30..80) * SECOND);
            }
            due_ms = due_ms
                .min(limits.arrives_by(happening.meeting, session))
                .max(prompt);
        }
        About::Recording => {}
    }
    (number, rounded_up(due_ms), nature)
}

/// Where a holding counts as ended at the very end of its last session, that end must be the last
/// that arrives of it.
fn hold_back_ends(
    happenings: &[Happening],
    limits: &Limits,
    arrivals: &mut [(usize, i64, Nature)],
) {
    let mut last: HashMap<usize, i64> = HashMap::new();
    for (number, due_ms, _) in arrivals.iter() {
        let happening = &happenings[*number];
        let about_session = match happening.about {
            About::Start { session } | About::Seat { session, .. } | About::End { session } => {
                session
            }
            About::Schedule | About::Registration | About::Recording => continue,
        };
        let Some(holding) = limits.holding(happening.meeting, about_session) else {
            continue;
        };
        if limits.closing_session(holding) == Some(about_session)
            && matches!(happening.about, About::End { .. })
        {
            continue;
        }
        let latest = last.entry(holding).or_insert(*due_ms);
        *latest = (*latest).max(*due_ms);
    }
    for (number, due_ms, _) in arrivals.iter_mut() {
        let happening = &happenings[*number];
        let About::End { session } = happening.about else {
            continue;
        };
        let Some(holding) = limits.holding(happening.meeting, session) else {
            continue;
        };
        if limits.ends_at_once(holding) && limits.closing_session(holding) == Some(session) {
            let others = last.get(&holding).copied().unwrap_or(*due_ms);
            *due_ms = rounded_up((*due_ms).max(others + SLOT_MS));
        }
    }
}

/// What may arrive until when.
struct Limits {
    holdings: Vec<Holding>,
    /// Holding of (meeting, session), practice sessions included.
    of_session: HashMap<(usize, usize), usize>,
    /// Starts and ends of the sessions, and planned starts, of each meeting.
    sessions: Vec<Vec<(i64, i64)>>,
    planned: Vec<Vec<i64>>,
}

impl Limits {
    fn of(plan: &Plan) -> Self {
        let holdings = plan.holdings();
        let mut of_session = HashMap::new();
        for (number, holding) in holdings.iter().enumerate() {
            for session in holding.sessions.iter().chain(&holding.practice) {
                of_session.insert((holding.meeting, *session), number);
            }
        }
        let times = |meeting: &Meeting| {
            meeting
                .sessions
                .iter()
                .map(|session| (session.started_ms, session.ended_ms))
                .collect()
        };
        let starts = |meeting: &Meeting| {
            (0..meeting.slots.len())
                .map(|slot| meeting.final_start(slot))
                .collect()
        };
        Self {
            holdings,
            of_session,
            sessions: plan.meetings.iter().map(times).collect(),
            planned: plan.meetings.iter().map(starts).collect(),
        }
    }

    fn holding(&self, meeting: usize, session: usize) -> Option<usize> {
        self.of_session.get(&(meeting, session)).copied()
    }

    /// The session whose end ends the holding.
    fn closing_session(&self, holding: usize) -> Option<usize> {
        self.holdings[holding].sessions.last().copied()
    }

    /// Whether the holding counts as ended as soon as nothing of it runs.
    fn ends_at_once(&self, holding: usize) -> bool {
        self.holdings[holding].settled_ms - self.holdings[holding].ended_ms < 2 * MARGIN_MS
    }

    /// The latest arrival of what concerns a session.
    fn arrives_by(&self, meeting: usize, session: usize) -> i64 {
        let (started_ms, ended_ms) = self.sessions[meeting][session];
        match self.holding(meeting, session) {
            Some(holding) if self.ends_at_once(holding) => {
                self.holdings[holding].ended_ms + FIRST_RETRY_MS
            }
            Some(holding) => {
                let settled_ms = self.holdings[holding].settled_ms - MARGIN_MS;
                // A session after a cut must be known before the first one's gap is over.
                match self.sessions[meeting].get(session + 1) {
                    Some((next_ms, _)) if *next_ms < settled_ms && started_ms < *next_ms => {
                        settled_ms.min(*next_ms + 10 * MINUTE)
                    }
                    _ => settled_ms,
                }
            }
            // A practice session alone.
            None => ended_ms + FIRST_RETRY_MS,
        }
    }

    /// The start of the session that follows within the same holding.
    fn restart(&self, meeting: usize, session: usize) -> Option<i64> {
        let holding = self.holding(meeting, session)?;
        let next = session + 1;
        (self.holdings[holding].sessions.contains(&session)
            && self.holdings[holding].sessions.contains(&next))
        .then(|| self.sessions[meeting][next].0)
    }

    fn is_restart(&self, meeting: usize, session: usize) -> bool {
        session
            .checked_sub(1)
            .is_some_and(|before| self.restart(meeting, before).is_some())
    }

    /// The next start of anything of a meeting, planned or real.
    fn next_start(&self, meeting: usize, after_ms: i64) -> i64 {
        let starts = self.sessions[meeting]
            .iter()
            .map(|(started_ms, _)| *started_ms)
            .chain(self.planned[meeting].iter().copied());
        starts
            .filter(|start_ms| *start_ms > after_ms)
            .min()
            .unwrap_or(i64::MAX)
    }

    fn runs(&self, meeting: usize, at_ms: i64) -> bool {
        self.sessions[meeting]
            .iter()
            .any(|(started_ms, ended_ms)| *started_ms <= at_ms && at_ms <= *ended_ms)
    }
}

fn rounded_up(ms: i64) -> i64 {
    (ms + SLOT_MS - 1).div_euclid(SLOT_MS) * SLOT_MS
}

/// Like `0a3fc1d2_77aa_4bcd_9e01_2f3a4b5c6d7e`.
fn new_request_id(rng: &mut StdRng) -> String {
    let [a, b]: [u64; 2] = [rng.random(), rng.random()];
    format!(
        "{:08x}_{:04x}_{:04x}_{:04x}_{:012x}",
        a >> 32,
        (a >> 16) & 0xFFFF,
        a & 0xFFFF,
        b >> 48,
        b & 0xFFFF_FFFF_FFFF
    )
}
