//! Keeps an alarm that every request, or every tick, would raise from filling the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Lets one alarm through a minute.
#[derive(Debug)]
pub(crate) struct Throttle {
    started: Instant,
    /// Whole minutes since `started`, plus one, of the last alarm; zero before any.
    last: AtomicU64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            last: AtomicU64::new(0),
        }
    }
}

impl Throttle {
    /// Whether the alarm may be raised now.
    pub(crate) fn allows(&self) -> bool {
        self.allows_in_minute(self.started.elapsed().as_secs() / 60)
    }

    fn allows_in_minute(&self, minute: u64) -> bool {
        self.last.fetch_max(minute + 1, Ordering::Relaxed) < minute + 1
    }
}

#[cfg(test)]
mod tests {
    use super::Throttle;

    #[test]
    fn one_a_minute() {
        let throttle = Throttle::default();
        let allowed = [0, 0, 1, 1, 0, 7].map(|minute| throttle.allows_in_minute(minute));
        assert_eq!(allowed, [true, false, true, false, false, true]);
    }
}
