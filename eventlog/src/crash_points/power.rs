//! What a power failure can take: what was written and not synced, and what a folder that was not
//! synced says of its files.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::Operation;

/// What is not on disk for certain.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// Files that were written to, each with its length at the last sync.
    lengths: BTreeMap<PathBuf, u64>,
    /// Changes of folders, each with what stood under the name before.
    names: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Unsynced {
    /// Keeps what the operation is about to change.
    pub(super) fn before(&mut self, operation: Operation<'_>) -> io::Result<()> {
        match operation {
            Operation::Create(path)
            | Operation::Remove(path)
            | Operation::Rename { to: path, .. } => {
                let old = match fs::read(path) {
                    Ok(old) => Some(old),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                    Err(error) => return Err(error),
                };
                self.names.push((path.to_owned(), old));
            }
            _ => {}
        }
        Ok(())
    }

    /// Learns that an operation was done.
    pub(super) fn after(&mut self, operation: Operation<'_>) {
        match operation {
            Operation::CreateFolder => {}
            Operation::Create(path) => {
                self.lengths.insert(path.to_owned(), 0);
            }
            Operation::Sync(path) | Operation::Truncate(path) | Operation::Remove(path) => {
                self.lengths.remove(path);
            }
            Operation::SyncFolder(path) => {
                self.names.retain(|(name, _)| name.parent() != Some(path))
            }
            Operation::Rename { from, to } => {
                self.names.retain(|(name, _)| name != from);
                self.lengths.remove(to);
                if let Some(length) = self.lengths.remove(from) {
                    self.lengths.insert(to.to_owned(), length);
                }
            }
        }
    }

    /// Learns of a write that is about to happen.
    pub(super) fn before_write(&mut self, path: &Path) -> io::Result<()> {
        if !self.lengths.contains_key(path) {
            self.lengths
                .insert(path.to_owned(), fs::metadata(path)?.len());
        }
        Ok(())
    }

    /// Takes some of it from the disk; `chance` says which.
    pub(super) fn lose(&mut self, chance: u64) -> io::Result<()> {
        let mut chance = Chance(chance);
        for (path, synced) in std::mem::take(&mut self.lengths) {
            let length = match fs::metadata(&path) {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let unsynced = length.saturating_sub(synced);
            let kept = match chance.below(3) {
                0 => 0,
                1 => unsynced,
                _ => chance.below(unsynced + 1),
            };
            let file = OpenOptions::new().write(true).open(&path)?;
            file.set_len(synced.min(length) + kept)?;
            // A file system may know of a length before it has the bytes: they are zero then.
            if chance.below(2) == 0 {
                file.set_len(length)?;
            }
        }
        // What changed last comes back first, so that each name ends as it once was.
        for (path, old) in std::mem::take(&mut self.names).into_iter().rev() {
            if chance.below(2) == 0 {
                continue;
            }
            match old {
                Some(old) => fs::write(&path, old)?,
                None => remove(&path)?,
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The same numbers for the same start.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
