//! How an embedded log is to be opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How an embedded log is to be opened.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// The log's folder; created where there is none.
    pub path: PathBuf,
    /// Bytes of the disk that are never used: appends are refused before less is free.
    pub reserve_bytes: u64,
    /// Bytes of single records that may wait to be written before further ones are refused.
    pub queue_bytes: usize,
    /// Bytes of journal after which a checkpoint is made. A restart replays at most about twice as
    /// many.
    pub checkpoint_bytes: u64,
    /// How often old records are looked for, and a checkpoint is made where anything was written.
    pub housekeeping_every: Duration,
    /// How segments are cut, dropped and compacted.
    pub segments: SegmentPolicy,
    /// The clock that gives records their time and says how old they are.
    pub now: Now,
}

impl EmbeddedConfig {
    /// A log in `path`, with what suits a machine of any size.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            reserve_bytes: 512 * 1024 * 1024,
            queue_bytes: 64 * 1024 * 1024,
            checkpoint_bytes: 64 * 1024 * 1024,
            housekeeping_every: Duration::from_secs(60),
            segments: SegmentPolicy::default(),
            now: Now::default(),
        }
    }
}

/// How segments are cut, dropped and compacted. Only a segment that is no longer written to can be
/// dropped or compacted.
#[derive(Clone, Copy, Debug)]
pub struct SegmentPolicy {
    /// Bytes after which a segment is ended.
    pub bytes: u64,
    /// Age of its first record after which a segment is ended (sooner where the topic's retention is
    /// shorter).
    pub age: Duration,
    /// Percent of a partition's ended segments that must be new before it is compacted.
    pub compact_at_percent: u8,
    /// Age of a record that was not compacted yet, after which its partition is compacted in any
    /// case: how long an erased value may stay.
    pub compact_within: Duration,
}

impl Default for SegmentPolicy {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            bytes: 32 * 1024 * 1024,
            age: DAY,
            compact_at_percent: 50,
            compact_within: DAY * 7,
        }
    }
}

/// A clock: milliseconds since 1970, UTC. The machine's, unless said otherwise.
#[derive(Clone)]
pub struct Now(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Now {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(super) fn ms(&self) -> i64 {
        (self.0)()
    }
}

impl Default for Now {
    fn default() -> Self {
        Self::new(|| {
            let since = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Now")
    }
}
