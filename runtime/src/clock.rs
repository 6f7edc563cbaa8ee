//! Wall-clock time, for everything outside of the stages.
//!
//! No stage asks for the time (design rule 2: time is an input, by ticks). What does ask (the clock
//! role that appends the ticks, the sink's ages and waits) asks a [`Clock`], so that a sandbox which
//! plays an account in fast-forward can lend its own.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970, UTC.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}
