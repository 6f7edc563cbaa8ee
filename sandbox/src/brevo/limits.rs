//! Brevo's rate limits: requests a second and an hour, counted by groups of endpoints.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Limits of one group; absent means without.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Limit {
    /// Requests in one second.
    pub per_second: Option<u32>,
    /// Requests in one hour.
    pub per_hour: Option<u32>,
}

/// Limits of an account, as Brevo publishes them by plan.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RateLimits {
    /// Everything under `/v3/contacts`, lists and attributes included.
    pub contacts: Limit,
    /// `POST /v3/events`.
    pub events: Limit,
    /// Everything that is listed nowhere.
    pub other: Limit,
}

impl RateLimits {
    /// No limits.
    pub const NONE: Self = Self::of(None, None, None);
    /// All plans.
    pub const GENERAL: Self = Self::of(Some(10), Some(36_000), Some(100));
    /// Professional and Enterprise.
    pub const ADVANCED: Self = Self::of(Some(20), Some(72_000), Some(200));
    /// Enterprise's add-on.
    pub const EXTENDED: Self = Self::of(Some(60), Some(216_000), Some(600));

    const fn of(
        per_second: Option<u32>,
        per_hour: Option<u32>,
        other_per_hour: Option<u32>,
    ) -> Self {
        let listed = Limit {
            per_second,
            per_hour,
        };
        Self {
            contacts: listed,
            events: listed,
            other: Limit {
                per_second: None,
                per_hour: other_per_hour,
            },
        }
    }
}

/// A group of endpoints that share limits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Group {
    Contacts,
    Events,
    Other,
}

impl Group {
    pub(super) fn of(method: &str, path: &str) -> Self {
        if path == "/v3/contacts" || path.starts_with("/v3/contacts/") {
            Self::Contacts
        } else if method == "POST" && path == "/v3/events" {
            Self::Events
        } else {
            Self::Other
        }
    }
}

/// Counts requests in fixed windows.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    windows: HashMap<(Group, i64), Window>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    began_ms: i64,
    used: u32,
}

/// How a request fared, and what the headers say of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// Limit, remaining, seconds until the reset: of the window that is fullest.
    pub(super) shown: Option<(u32, u32, i64)>,
}

const SECOND_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600_000;

impl Limiter {
    /// Counts a request at `now_ms` (monotonic). A request that is refused is not counted.
    pub(super) fn take(&mut self, limits: &RateLimits, group: Group, now_ms: i64) -> Verdict {
        let limit = match group {
            Group::Contacts => limits.contacts,
            Group::Events => limits.events,
            Group::Other => limits.other,
        };
        let of = [(limit.per_second, SECOND_MS), (limit.per_hour, HOUR_MS)];
        let windows: Vec<(u32, i64)> = of
            .into_iter()
            .filter_map(|(most, length)| most.map(|most| (most, length)))
            .collect();
        let mut full = None;
        for (most, length_ms) in &windows {
            let window = self.windows.entry((group, *length_ms)).or_insert(Window {
                began_ms: now_ms,
                used: 0,
            });
            if now_ms - window.began_ms >= *length_ms {
                *window = Window {
                    began_ms: now_ms,
                    used: 0,
                };
            }
            if window.used >= *most {
                full = Some((*most, 0, seconds_left(window.began_ms, *length_ms, now_ms)));
            }
        }
        if full.is_some() {
            return Verdict {
                allowed: false,
                shown: full,
            };
        }
        let mut shown: Option<(u32, u32, i64)> = None;
        for (most, length_ms) in &windows {
            let Some(window) = self.windows.get_mut(&(group, *length_ms)) else {
                continue;
            };
            window.used += 1;
            let remaining = most - window.used;
            if shown.is_none_or(|(_, least, _)| remaining < least) {
                shown = Some((
                    *most,
                    remaining,
                    seconds_left(window.began_ms, *length_ms, now_ms),
                ));
            }
        }
        Verdict {
            allowed: true,
            shown,
        }
    }
}

fn seconds_left(began_ms: i64, length_ms: i64, now_ms: i64) -> i64 {
    (began_ms + length_ms - now_ms + SECOND_MS - 1) / SECOND_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_counted_apart_and_windows_start_anew() {
        let mut limiter = Limiter::default();
        let limits = RateLimits::GENERAL;
        for used in 1..=10 {
            let verdict = limiter.take(&limits, Group::Contacts, 5);
            assert_eq!(
                verdict,
                Verdict {
                    allowed: true,
                    shown: Some((10, 10 - used, 1))
                }
            );
        }
        assert_eq!(
            limiter.take(&limits, Group::Contacts, 900),
            Verdict {
                allowed: false,
                shown: Some((10, 0, 1))
            }
        );
        assert!(limiter.take(&limits, Group::Events, 900).allowed);
        assert!(limiter.take(&limits, Group::Contacts, 1_005).allowed);
    }

    #[test]
    fn the_hour_counts_too() {
        let mut limiter = Limiter::default();
        let hundred = (0..101).map(|number| {
            limiter
                .take(&RateLimits::GENERAL, Group::Other, number * 2_000)
                .allowed
        });
        assert_eq!(hundred.filter(|allowed| *allowed).count(), 100);
        assert_eq!(
            limiter
                .take(&RateLimits::GENERAL, Group::Other, 202_000)
                .shown,
            Some((100, 0, 3_398))
        );
        assert!(
            limiter
                .take(&RateLimits::GENERAL, Group::Other, HOUR_MS)
                .allowed
        );
        assert_eq!(
            limiter.take(&RateLimits::NONE, Group::Other, 0),
            Verdict {
                allowed: true,
                shown: None
            }
        );
    }

    #[test]
    fn endpoints_fall_into_their_groups() {
        assert_eq!(Group::of("GET", "/v3/contacts/lists"), Group::Contacts);
        assert_eq!(Group::of("POST", "/v3/events"), Group::Events);
        assert_eq!(Group::of("GET", "/v3/events"), Group::Other);
        assert_eq!(Group::of("GET", "/v3/account"), Group::Other);
    }
}
