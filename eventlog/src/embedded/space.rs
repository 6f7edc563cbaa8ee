//! How much of the disk is left, and the word about it before it is too little.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::disk::failed;
use super::folder::Folder;
use super::sync::lock;
use crate::{LogError, metric};

/// The warning comes while less than so many times the reserve is left above it.
const FEW_RESERVES: u64 = 2;
const WARN_EVERY: Duration = Duration::from_secs(10 * 60);

/// The step at which a test fills the disk.
#[cfg(feature = "crash-points")]
pub(super) const CHECK: &str = "find room for";

/// What of the disk is never used, so that the log stops while a checkpoint can still be written.
#[derive(Debug)]
pub(super) struct Space {
    folder: Folder,
    reserve: u64,
    warned: Mutex<Option<Instant>>,
}

impl Space {
    pub(super) fn new(folder: Folder, reserve: u64) -> Self {
        Self {
            folder,
            reserve,
            warned: Mutex::default(),
        }
    }

    /// Bytes that may still be written.
    pub(super) fn left(&self) -> Result<u64, LogError> {
        Ok(self.free()?.saturating_sub(self.reserve))
    }

    /// Whether `bytes` more may be written.
    pub(super) fn check(&self, bytes: u64) -> Result<(), LogError> {
        let free = self.free()?;
        #[cfg(feature = "crash-points")]
        let free = match crate::crash_points::reach(CHECK) {
            Ok(()) => free,
            // A process that is dead does not wait for room.
            Err(error) if crate::crash_points::current().is_some_and(|points| points.is_dead()) => {
                return Err(error);
            }
            Err(_) => 0,
        };
        self.tell(free);
        if free.saturating_sub(bytes) < self.reserve {
            let path = self.folder.root().to_owned();
            return Err(LogError::DiskFull {
                path,
                free,
                reserve: self.reserve,
            });
        }
        Ok(())
    }

    /// Tells monitors and, where there is little, people how much is left.
    pub(super) fn look(&self) -> Result<(), LogError> {
        self.tell(self.free()?);
        Ok(())
    }

    fn tell(&self, free: u64) {
        let left = free.saturating_sub(self.reserve);
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!(metric::EMBEDDED_FREE_BYTES).set(left as f64);
        if is_little(left, self.reserve) && is_due(&mut lock(&self.warned), Instant::now()) {
            tracing::warn!(
                path = %self.folder.root().display(),
                left_bytes = left,
                "the disk is nearly full, and the log takes no more records once nothing is left: make room, shorten topics.retention, or move the folder to a larger disk"
            );
        }
    }

    fn free(&self) -> Result<u64, LogError> {
        let root = self.folder.root();
        fs4::available_space(root).map_err(failed("ask for the free space of", root))
    }
}

fn is_little(left: u64, reserve: u64) -> bool {
    left < reserve.saturating_mul(FEW_RESERVES)
}

/// Whether a warning is due now; then the next one is a while later.
fn is_due(warned: &mut Option<Instant>, now: Instant) -> bool {
    let due = warned.is_none_or(|at| now.duration_since(at) >= WARN_EVERY);
    if due {
        *warned = Some(now);
    }
    due
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{WARN_EVERY, is_due, is_little};

    #[test]
    fn little_is_less_than_two_reserves_above_the_reserve() {
        const MIB: u64 = 1 << 20;
        assert!(is_little(0, 512 * MIB) && is_little(1023 * MIB, 512 * MIB));
        assert!(!is_little(1024 * MIB, 512 * MIB));
        assert!(!is_little(0, 0), "whoever reserves nothing is not warned");
        assert!(is_little(1, u64::MAX));
    }

    #[test]
    fn a_warning_now_and_then() {
        let (mut warned, now) = (None, Instant::now());
        let due = [
            Duration::ZERO,
            WARN_EVERY / 2,
            WARN_EVERY,
            WARN_EVERY * 3 / 2,
        ]
        .map(|after| is_due(&mut warned, now + after));
        assert_eq!(due, [true, false, true, false]);
    }
}
