//! The log's folder: its layout, its format, and the lock that keeps a second process out.
//!
//! ```text
//! lock            held while the log is open; holds the process id
//! format          the number of the format
//! topics.json     the manifest
//! checkpoint      what the segments and groups were when the journal's first file began
//! journal/        <number>.journal
//! partitions/     <topic>-<partition>/<base offset>-<generation>.segment
//! ```

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::disk::{Disk, ReplaceSteps, Step, failed, read_if_exists};
use crate::LogError;

/// The format that this version writes.
const FORMAT: u32 = 1;

/// The paths of a log.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Creates the folder where there is none, locks it, and checks its format.
    pub(super) fn open(disk: &Disk, root: PathBuf) -> Result<(Self, FolderLock), LogError> {
        let folder = Self { root };
        disk.create_folder(Step::FolderCreate, &folder.root)?;
        let lock = FolderLock::take(&folder.root)?;
        folder.check_format(disk)?;
        disk.create_folder(Step::FolderCreate, &folder.journal())?;
        disk.create_folder(Step::FolderCreate, &folder.partitions())?;
        Ok((folder, lock))
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn manifest(&self) -> PathBuf {
        self.root.join("topics.json")
    }

    pub(super) fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(super) fn partition(&self, topic: &str, partition: u32) -> PathBuf {
        self.partitions().join(format!("{topic}-{partition}"))
    }

    fn partitions(&self) -> PathBuf {
        self.root.join("partitions")
    }

    fn check_format(&self, disk: &Disk) -> Result<(), LogError> {
        let path = self.root.join("format");
        let Some(content) = read_if_exists(&path)? else {
            let steps = ReplaceSteps {
                write: Step::FormatWrite,
                sync: Step::FormatWrite,
                rename: Step::FormatWrite,
                folder: Step::FormatWrite,
            };
            return disk.replace(steps, &path, format!("{FORMAT}\n").as_bytes());
        };
        let text = String::from_utf8_lossy(&content);
        match text.trim().parse::<u32>() {
            Ok(found) if found > FORMAT => Err(LogError::Format {
                path: self.root.clone(),
                found,
                known: FORMAT,
            }),
            Ok(_) => Ok(()),
            Err(_) => Err(LogError::Damaged {
                path,
                position: 0,
                reason: format!("{:?} is not the number of a format", text.trim()),
            }),
        }
    }
}

/// Keeps other processes out, for as long as it lives. The operating system ends it with the
/// process, so that it is never left behind.
#[derive(Debug)]
pub(super) struct FolderLock {
    file: File,
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file is not enough where another thread is starting a process, which holds a
        // copy of it for a moment. Where this fails, closing is what is left.
        let _ = self.file.unlock();
    }
}

impl FolderLock {
    fn take(root: &Path) -> Result<Self, LogError> {
        let path = root.join("lock");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The process id only helps a person; without it the answer is the same.
                let _ = file.read_to_string(&mut pid);
                return Err(LogError::InUse {
                    path: root.to_owned(),
                    pid: pid.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed("write the process id to", &path))?;
        Ok(Self { file })
    }
}
