//! How much of the disk is left.

use super::disk::failed;
use super::folder::Folder;
use crate::LogError;

/// The step at which a test fills the disk.
#[cfg(feature = "crash-points")]
pub(super) const CHECK: &str = "find room for";

/// What of the disk is never used, so that the log stops while a checkpoint can still be written.
#[derive(Debug)]
pub(super) struct Space {
    folder: Folder,
    reserve: u64,
}

impl Space {
    pub(super) fn new(folder: Folder, reserve: u64) -> Self {
        Self { folder, reserve }
    }

    /// Bytes that may still be written.
    pub(super) fn left(&self) -> Result<u64, LogError> {
        Ok(self.free()?.saturating_sub(self.reserve))
    }

    /// Whether `bytes` more may be written.
    pub(super) fn check(&self, bytes: u64) -> Result<(), LogError> {
        let free = self.free()?;
        #[cfg(feature = "crash-points")]
        let free = crate::crash_points::reach(CHECK).map_or(0, |()| free);
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

    fn free(&self) -> Result<u64, LogError> {
        let root = self.folder.root();
        fs4::available_space(root).map_err(failed("ask for the free space of", root))
    }
}
