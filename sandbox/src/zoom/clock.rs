//! Virtual time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// The played account's clock; clones tell the same time. It never goes back.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<Mutex<Reading>>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    at_ms: i64,
    /// Since when it runs by itself, as fast as any clock.
    running_since: Option<Instant>,
}

impl VirtualClock {
    /// A clock that stands at `at_ms`.
    #[must_use]
    pub fn standing_at(at_ms: i64) -> Self {
        Self(Arc::new(Mutex::new(Reading {
            at_ms,
            running_since: None,
        })))
    }

    /// Milliseconds since 1970, UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        let reading = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ran = reading.running_since.map_or(0, |since| {
            i64::try_from(since.elapsed().as_millis()).unwrap_or(0)
        });
        reading.at_ms + ran
    }

    /// Jumps to a moment, unless it is past.
    pub fn jump_to(&self, at_ms: i64) {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.at_ms = reading.at_ms.max(at_ms);
    }

    /// Runs by itself from now on.
    pub fn run(&self) {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.running_since.get_or_insert_with(Instant::now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_jumps_ahead_and_never_back() {
        let clock = VirtualClock::standing_at(5);
        let same = clock.clone();
        clock.jump_to(9);
        clock.jump_to(7);
        assert_eq!(same.now_ms(), 9);
        clock.run();
        assert!(same.now_ms() >= 9);
    }
}
