//! Brevo's rate limits, by endpoint group and in both windows, and how the sink stays below them.
//!
//! Figures: Brevo's documentation of API limits (2026). All of `/contacts` shares one limit, `POST
//! /events` has its own, and whatever is not listed shares 100 requests an hour. The limits are the
//! account's: [`Limiter`] uses a share of them, and slows down further where Brevo's headers say that
//! others use it too.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;

/// What a request counts towards.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum EndpointGroup {
    /// All of `/contacts`: contacts, lists, attributes.
    Contacts,
    /// `POST /events`.
    Events,
    /// Whatever has no limit of its own: the account, and reading events.
    Other,
}

impl EndpointGroup {
    /// Every group.
    pub const ALL: [Self; 3] = [Self::Contacts, Self::Events, Self::Other];

    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Events => "events",
            Self::Other => "other",
        }
    }
}

/// Which of Brevo's published limits apply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Plan {
    /// Every account.
    General,
    /// Professional and Enterprise.
    Advanced,
    /// Enterprise with the add-on.
    Extended,
    /// None: for a Brevo that is a sandbox.
    Unlimited,
}

impl Plan {
    /// Requests a second and an hour, of the whole account.
    fn rates(self, group: EndpointGroup) -> (Option<u32>, Option<u32>) {
        match (self, group) {
            (Self::Unlimited, _) => (None, None),
            (Self::General, EndpointGroup::Contacts | EndpointGroup::Events) => {
                (Some(10), Some(36_000))
            }
            (Self::Advanced, EndpointGroup::Contacts | EndpointGroup::Events) => {
                (Some(20), Some(72_000))
            }
            (Self::Extended, EndpointGroup::Contacts | EndpointGroup::Events) => {
                (Some(60), Some(216_000))
            }
            (Self::General, EndpointGroup::Other) => (None, Some(100)),
            (Self::Advanced, EndpointGroup::Other) => (None, Some(200)),
            (Self::Extended, EndpointGroup::Other) => (None, Some(600)),
        }
    }
}

/// What Brevo's `x-sib-ratelimit-*` headers say. Some answers carry none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RateHeaders {
    /// Requests in the window.
    pub limit: u64,
    /// Of these, left.
    pub remaining: u64,
    /// Until the window begins anew.
    pub reset: Duration,
}

/// Waits after a 429 without headers.
const THROTTLED: Backoff = Backoff {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(120),
};

/// Longest wait that a header can ask for: a window is an hour.
const LONGEST_RESET: Duration = Duration::from_secs(3600);

/// Says when a request may go out.
#[derive(Debug)]
pub struct Limiter {
    groups: [Group; 3],
    share: f64,
}

#[derive(Debug)]
struct Group {
    windows: Vec<Window>,
    blocked_until: Option<Instant>,
    pace: Option<Pace>,
    throttled: u32,
}

/// Requests spread evenly over what is left of a window.
#[derive(Clone, Copy, Debug)]
struct Pace {
    next: Instant,
    interval: Duration,
    until: Instant,
}

/// At most `limit` requests in any stretch of `length`: exact, where a bucket of tokens would let
/// twice as many through around its filling.
#[derive(Debug)]
struct Window {
    limit: usize,
    length: Duration,
    sent: VecDeque<Instant>,
}

impl Window {
    fn new(limit: u32, length: Duration, share: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a positive number of at most 216,000"
        )]
        let limit = ((f64::from(limit) * share).floor() as usize).max(1);
        Self {
            limit,
            length,
            sent: VecDeque::new(),
        }
    }

    fn room(&mut self, now: Instant) -> usize {
        while self
            .sent
            .front()
            .is_some_and(|first| now.duration_since(*first) >= self.length)
        {
            self.sent.pop_front();
        }
        self.limit.saturating_sub(self.sent.len())
    }
}

impl Limiter {
    /// A limiter that uses `share` (above 0, at most 1) of the plan's limits.
    #[must_use]
    pub fn new(plan: Plan, share: f64) -> Self {
        let share = if share > 0.0 { share.min(1.0) } else { 1.0 };
        // A request that leaves a little late must not meet the next second's first.
        let second = Duration::from_millis(1050);
        let group = |group| {
            let (per_second, per_hour) = plan.rates(group);
            let windows = per_second
                .map(|limit| Window::new(limit, second, share))
                .into_iter()
                .chain(per_hour.map(|limit| Window::new(limit, Duration::from_secs(3600), share)))
                .collect();
            Group {
                windows,
                blocked_until: None,
                pace: None,
                throttled: 0,
            }
        };
        Self {
            groups: EndpointGroup::ALL.map(group),
            share,
        }
    }

    fn group(&mut self, group: EndpointGroup) -> &mut Group {
        &mut self.groups[group as usize]
    }

    /// Takes the right to send `requests` now; false where there is none.
    pub fn try_take(&mut self, group: EndpointGroup, requests: usize, now: Instant) -> bool {
        let group = self.group(group);
        if group.blocked_until.is_some_and(|until| now < until) {
            return false;
        }
        group.blocked_until = None;
        group.pace = group.pace.filter(|pace| now < pace.until);
        if group.pace.is_some_and(|pace| now < pace.next) {
            return false;
        }
        // More than a whole window allows could never go: then the window is used up.
        if !group
            .windows
            .iter_mut()
            .all(|window| window.room(now) >= requests.min(window.limit))
        {
            return false;
        }
        for window in &mut group.windows {
            window.sent.extend(std::iter::repeat_n(now, requests));
        }
        if let Some(pace) = &mut group.pace {
            pace.next = now + pace.interval;
        }
        true
    }

    /// How far apart requests that can wait are best made, so that the window lasts: nothing while it
    /// is fresh, up to an even spread of it once it is nearly used up.
    pub fn spacing(&mut self, group: EndpointGroup, now: Instant) -> Duration {
        let spread = |window: &mut Window| {
            let used = window.limit - window.room(now).min(window.limit);
            #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
            let (used, limit) = (used as f64, window.limit as f64);
            window.length.mul_f64((used / limit).powi(2) / limit)
        };
        self.group(group)
            .windows
            .iter_mut()
            .map(spread)
            .max()
            .unwrap_or_default()
    }

    /// Takes note of the headers of an answer that was no 429. Where less is left than the share that
    /// is not ours, requests are spread over the rest of the window; where nothing is left they wait
    /// for its end.
    pub fn observe(&mut self, group: EndpointGroup, headers: Option<RateHeaders>, now: Instant) {
        let others = 1.0 - self.share;
        let group = self.group(group);
        group.throttled = 0;
        let Some(RateHeaders {
            limit,
            remaining,
            reset,
        }) = headers
        else {
            return;
        };
        let reset = reset.min(LONGEST_RESET);
        if remaining == 0 {
            group.blocked_until = group.blocked_until.max(Some(now + reset));
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
        let scarce = remaining as f64 <= limit as f64 * others.max(0.1);
        group.pace = scarce.then(|| {
            let interval = reset / u32::try_from(remaining).unwrap_or(u32::MAX);
            Pace {
                next: now + interval,
                interval,
                until: now + reset,
            }
        });
    }

    /// Takes note of a 429: the group waits, with a ceiling that doubles with every 429 in a row, and
    /// at least until the window's end where Brevo says when that is. `chance` is drawn evenly from 0
    /// to 1.
    pub fn throttled(
        &mut self,
        group: EndpointGroup,
        reset: Option<Duration>,
        chance: f64,
        now: Instant,
    ) {
        let group = self.group(group);
        // Requests that were in flight together are refused together: that is one refusal.
        let is_blocked = group.blocked_until.is_some_and(|until| now < until);
        if !is_blocked {
            group.throttled += 1;
            let wait = THROTTLED.wait(group.throttled, chance);
            group.blocked_until = Some(now + wait);
        }
        if let Some(reset) = reset {
            let least = now + reset.min(LONGEST_RESET) + Duration::from_millis(100);
            group.blocked_until = group.blocked_until.max(Some(least));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::{EndpointGroup, Limiter, Plan, RateHeaders};

    const MS: Duration = Duration::from_millis(1);

    /// When a request may go out; `None` where that is now.
    fn opens_at(limiter: &Limiter, group: EndpointGroup, now: Instant) -> Option<Instant> {
        let group = &limiter.groups[group as usize];
        let pace = group
            .pace
            .filter(|pace| now < pace.until)
            .map(|pace| pace.next);
        group
            .windows
            .iter()
            .filter_map(|window| {
                let first = (window.sent.len() + 1)
                    .checked_sub(window.limit)
                    .and_then(|over| over.checked_sub(1))?;
                window.sent.get(first).map(|first| *first + window.length)
            })
            .chain(group.blocked_until)
            .chain(pace)
            .filter(|opens| *opens > now)
            .max()
    }

    fn taken(limiter: &mut Limiter, group: EndpointGroup, now: Instant) -> usize {
        (0..100_000)
            .take_while(|_| limiter.try_take(group, 1, now))
            .count()
    }

    #[test]
    fn both_windows_count() {
        let start = Instant::now();
        let mut limiter = Limiter::new(Plan::General, 0.8);
        assert_eq!(taken(&mut limiter, EndpointGroup::Contacts, start), 8);
        assert_eq!(taken(&mut limiter, EndpointGroup::Events, start), 8);
        assert_eq!(
            taken(&mut limiter, EndpointGroup::Contacts, start + 999 * MS),
            0
        );
        assert_eq!(
            opens_at(&limiter, EndpointGroup::Contacts, start),
            Some(start + 1050 * MS)
        );
        assert_eq!(
            taken(&mut limiter, EndpointGroup::Contacts, start + 1050 * MS),
            8
        );
        assert_eq!(taken(&mut limiter, EndpointGroup::Other, start), 80);
        assert_eq!(
            opens_at(&limiter, EndpointGroup::Other, start),
            Some(start + Duration::from_secs(3600))
        );
        assert_eq!(
            taken(
                &mut limiter,
                EndpointGroup::Other,
                start + Duration::from_secs(3599)
            ),
            0
        );
    }

    #[test]
    fn plans_and_shares() {
        let now = Instant::now();
        for (plan, share, contacts, other) in [
            (Plan::General, 1.0, 10, 100),
            (Plan::Advanced, 1.0, 20, 200),
            (Plan::Extended, 0.5, 30, 300),
            (Plan::General, 0.001, 1, 1),
        ] {
            let mut limiter = Limiter::new(plan, share);
            assert_eq!(taken(&mut limiter, EndpointGroup::Contacts, now), contacts);
            assert_eq!(taken(&mut limiter, EndpointGroup::Other, now), other);
        }
        assert_eq!(
            taken(
                &mut Limiter::new(Plan::Unlimited, 0.8),
                EndpointGroup::Other,
                now
            ),
            100_000
        );
    }

    #[test]
    fn slows_down_before_nothing_is_left() {
        let now = Instant::now();
        let mut limiter = Limiter::new(Plan::Unlimited, 0.8);
        let headers = |remaining| {
            Some(RateHeaders {
                limit: 36_000,
                remaining,
                reset: Duration::from_secs(100),
            })
        };
        limiter.observe(EndpointGroup::Contacts, headers(20_000), now);
        assert!(limiter.try_take(EndpointGroup::Contacts, 5, now));
        limiter.observe(EndpointGroup::Contacts, headers(1_000), now);
        assert_eq!(taken(&mut limiter, EndpointGroup::Contacts, now), 0);
        assert_eq!(
            taken(&mut limiter, EndpointGroup::Contacts, now + 100 * MS),
            1
        );
        assert_eq!(
            taken(&mut limiter, EndpointGroup::Contacts, now + 200 * MS),
            1
        );
        limiter.observe(EndpointGroup::Contacts, headers(0), now);
        assert_eq!(
            taken(
                &mut limiter,
                EndpointGroup::Contacts,
                now + Duration::from_secs(99)
            ),
            0
        );
        assert!(limiter.try_take(EndpointGroup::Contacts, 5, now + Duration::from_secs(100)));
        assert!(limiter.try_take(EndpointGroup::Events, 5, now));
    }

    #[test]
    fn requests_that_can_wait_are_spread_as_the_window_is_used_up() {
        let now = Instant::now();
        let mut limiter = Limiter::new(Plan::General, 0.8);
        assert_eq!(limiter.spacing(EndpointGroup::Other, now), Duration::ZERO);
        assert!(limiter.try_take(EndpointGroup::Other, 40, now));
        assert_eq!(
            limiter.spacing(EndpointGroup::Other, now),
            Duration::from_millis(11_250)
        );
        assert!(limiter.try_take(EndpointGroup::Other, 40, now));
        assert_eq!(
            limiter.spacing(EndpointGroup::Other, now),
            Duration::from_secs(45)
        );
        assert_eq!(
            limiter.spacing(EndpointGroup::Other, now + Duration::from_secs(3600)),
            Duration::ZERO
        );
    }

    #[test]
    fn refusals_at_the_same_time_are_one() {
        let now = Instant::now();
        let mut limiter = Limiter::new(Plan::Unlimited, 1.0);
        for _ in 0..8 {
            limiter.throttled(EndpointGroup::Contacts, None, 1.0, now);
        }
        assert_eq!(
            opens_at(&limiter, EndpointGroup::Contacts, now),
            Some(now + Duration::from_secs(1))
        );
    }

    #[test]
    fn waits_after_a_429() {
        let now = Instant::now();
        let mut limiter = Limiter::new(Plan::Unlimited, 1.0);
        limiter.throttled(
            EndpointGroup::Events,
            Some(Duration::from_secs(17)),
            0.0,
            now,
        );
        assert_eq!(
            opens_at(&limiter, EndpointGroup::Events, now),
            Some(now + 17_100 * MS)
        );
        assert!(!limiter.try_take(EndpointGroup::Events, 1, now + 17_000 * MS));
        assert!(limiter.try_take(EndpointGroup::Events, 1, now + 17_100 * MS));
        // Without headers the wait grows with every 429 in a row, and begins anew after a success.
        let mut waits = Vec::new();
        let mut at = now;
        for _ in 0..4 {
            limiter.throttled(EndpointGroup::Contacts, None, 1.0, at);
            let opens = opens_at(&limiter, EndpointGroup::Contacts, at).unwrap();
            waits.push((opens - at).as_secs());
            at = opens;
        }
        assert_eq!(waits, [1, 2, 4, 8]);
        // Any part of the ceiling; and never less than what Brevo names.
        limiter.throttled(EndpointGroup::Contacts, None, 0.25, at);
        assert_eq!(
            opens_at(&limiter, EndpointGroup::Contacts, at),
            Some(at + Duration::from_secs(4))
        );
        at += Duration::from_secs(4);
        limiter.throttled(
            EndpointGroup::Contacts,
            Some(Duration::from_secs(3)),
            0.0,
            at,
        );
        assert_eq!(
            opens_at(&limiter, EndpointGroup::Contacts, at),
            Some(at + 3_100 * MS)
        );
        limiter.observe(EndpointGroup::Contacts, None, now);
        assert_eq!(limiter.group(EndpointGroup::Contacts).throttled, 0);
    }

    proptest! {
        #[test]
        fn no_stretch_of_a_second_holds_more_than_the_share(gaps in prop::collection::vec(0_u64..400, 1..400)) {
            let mut now = Instant::now();
            let mut limiter = Limiter::new(Plan::General, 0.8);
            let mut sent = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if limiter.try_take(EndpointGroup::Events, 1, now) {
                    sent.push(now);
                } else {
                    prop_assert!(opens_at(&limiter, EndpointGroup::Events, now).is_some_and(|opens| opens > now));
                }
            }
            for (i, first) in sent.iter().enumerate() {
                let within = sent[i..].iter().take_while(|at| **at - *first < Duration::from_secs(1)).count();
                prop_assert!(within <= 8);
            }
        }
    }
}
