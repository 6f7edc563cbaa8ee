//! How long to wait before a failed request is tried again.

use std::time::Duration;

/// Exponential backoff with full jitter: a wait drawn evenly from nothing to a ceiling that doubles
/// with every attempt, so that those who failed together do not come back together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    /// Ceiling after the first failure.
    pub base: Duration,
    /// Highest ceiling.
    pub cap: Duration,
}

impl Backoff {
    /// The wait after `failures` failures in a row (1 is the first). `chance` is drawn evenly from
    /// 0 to 1. Never less than a tenth of the base, so that no failure is answered at once.
    #[must_use]
    pub fn wait(&self, failures: u32, chance: f64) -> Duration {
        let doubled = self.base.saturating_mul(
            1_u32
                .checked_shl(failures.saturating_sub(1))
                .unwrap_or(u32::MAX)
                .max(1),
        );
        let ceiling = doubled.min(self.cap);
        ceiling.mul_f64(chance.clamp(0.0, 1.0)).max(self.base / 10)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_millis(500),
        cap: Duration::from_secs(60),
    };

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let ceilings: Vec<_> = (1..=9)
            .map(|failures| BACKOFF.wait(failures, 1.0).as_millis())
            .collect();
        assert_eq!(
            ceilings,
            [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]
        );
        assert_eq!(BACKOFF.wait(u32::MAX, 1.0), BACKOFF.cap);
    }

    #[test]
    fn the_wait_is_anything_below_but_never_nothing() {
        assert_eq!(BACKOFF.wait(3, 0.25).as_millis(), 500);
        assert_eq!(BACKOFF.wait(3, 0.0).as_millis(), 50);
    }
}
