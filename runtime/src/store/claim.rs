//! Which stores this process has open.
//!
//! RocksDB refuses a folder that is open, but moves the log files in it about before it does: two
//! tasks that open one store at a time can each fail for a file that the other took away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static OPEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A store that is open, or about to be.
#[derive(Debug)]
pub(super) struct Claim(PathBuf);

impl Claim {
    /// None where another has it.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(path.to_owned()).then(|| Self(path.to_owned()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.0);
    }
}
