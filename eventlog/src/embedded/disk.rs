//! Every change that the embedded log makes on disk, each step with a name.
//!
//! Nothing else in the engine writes, syncs, renames, truncates or removes a file. So a test can
//! make any one step fail or stop half-way, and knows that it reached all of them.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::LogError;
#[cfg(feature = "crash-points")]
use crate::crash_points::Operation;

/// A step at which the log changes something on disk, in words that complete "cannot ...".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    FolderCreate,
    FormatWrite,
    JournalCreate,
    JournalWrite,
    JournalSync,
    JournalFolderSync,
    JournalTruncate,
    JournalRemove,
    SegmentCreate,
    SegmentWrite,
    SegmentSync,
    SegmentFolderSync,
    SegmentTruncate,
    SegmentRemove,
    CompactionCreate,
    CompactionWrite,
    CompactionSync,
    CheckpointWrite,
    CheckpointSync,
    CheckpointRename,
    CheckpointFolderSync,
    ManifestWrite,
    ManifestSync,
    ManifestRename,
    ManifestFolderSync,
}

impl Step {
    #[cfg(feature = "crash-points")]
    const ALL: &[Self] = &[
        Self::FolderCreate,
        Self::FormatWrite,
        Self::JournalCreate,
        Self::JournalWrite,
        Self::JournalSync,
        Self::JournalFolderSync,
        Self::JournalTruncate,
        Self::JournalRemove,
        Self::SegmentCreate,
        Self::SegmentWrite,
        Self::SegmentSync,
        Self::SegmentFolderSync,
        Self::SegmentTruncate,
        Self::SegmentRemove,
        Self::CompactionCreate,
        Self::CompactionWrite,
        Self::CompactionSync,
        Self::CheckpointWrite,
        Self::CheckpointSync,
        Self::CheckpointRename,
        Self::CheckpointFolderSync,
        Self::ManifestWrite,
        Self::ManifestSync,
        Self::ManifestRename,
        Self::ManifestFolderSync,
    ];

    fn action(self) -> &'static str {
        match self {
            Self::FolderCreate => "create the folder",
            Self::FormatWrite => "write the format to",
            Self::JournalCreate => "create the journal",
            Self::JournalWrite => "write to the journal",
            Self::JournalSync => "sync the journal",
            Self::JournalFolderSync => "sync the journal's folder",
            Self::JournalTruncate => "truncate the journal",
            Self::JournalRemove => "remove the journal",
            Self::SegmentCreate => "create the segment",
            Self::SegmentWrite => "write to the segment",
            Self::SegmentSync => "sync the segment",
            Self::SegmentFolderSync => "sync the segments' folder",
            Self::SegmentTruncate => "truncate the segment",
            Self::SegmentRemove => "remove the segment",
            Self::CompactionCreate => "create the compacted segment",
            Self::CompactionWrite => "write to the compacted segment",
            Self::CompactionSync => "sync the compacted segment",
            Self::CheckpointWrite => "write the checkpoint",
            Self::CheckpointSync => "sync the checkpoint",
            Self::CheckpointRename => "rename the checkpoint",
            Self::CheckpointFolderSync => "sync the checkpoint's folder",
            Self::ManifestWrite => "write the manifest",
            Self::ManifestSync => "sync the manifest",
            Self::ManifestRename => "rename the manifest",
            Self::ManifestFolderSync => "sync the manifest's folder",
        }
    }
}

/// An open file that knows its name, for errors.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    path: PathBuf,
}

impl LogFile {
    /// Opens an existing file for reading alone.
    pub(super) fn open(path: &Path) -> Result<Self, LogError> {
        let file = File::open(path).map_err(failed("open", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Fills `buffer` from `position` on.
    pub(super) fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<(), LogError> {
        self.file
            .read_exact_at(buffer, position)
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::UnexpectedEof => LogError::Damaged {
                    path: self.path.clone(),
                    position,
                    reason: "the file ends early".into(),
                },
                _ => failed("read", &self.path)(source),
            })
    }

    pub(super) fn length(&self) -> Result<u64, LogError> {
        Ok(self
            .file
            .metadata()
            .map_err(failed("ask for the length of", &self.path))?
            .len())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// How one kind of small file is replaced as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplaceSteps {
    pub(super) write: Step,
    pub(super) sync: Step,
    pub(super) rename: Step,
    pub(super) folder: Step,
}

/// The way to the disk; where tests want it, under the crash points of the thread that opened the log.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "crash-points"), derive(Default))]
pub(super) struct Disk {
    #[cfg(feature = "crash-points")]
    points: Option<Arc<crate::crash_points::CrashPoints>>,
}

#[cfg(feature = "crash-points")]
impl Default for Disk {
    fn default() -> Self {
        Self {
            points: crate::crash_points::current(),
        }
    }
}

/// The names of all steps.
#[cfg(feature = "crash-points")]
#[must_use]
pub fn steps() -> Vec<&'static str> {
    let on_disk = Step::ALL.iter().map(|step| step.action());
    on_disk.chain([super::space::CHECK]).collect()
}

/// Does something on disk: `$operation` says what, for crash points, and is not compiled without.
macro_rules! operate {
    ($disk:expr, $step:expr, $operation:expr, $act:expr) => {{
        #[cfg(feature = "crash-points")]
        let done = match &$disk.points {
            Some(points) => points.operate($step.action(), $operation, $act),
            None => $act(),
        };
        #[cfg(not(feature = "crash-points"))]
        let done = $act();
        done
    }};
}

impl Disk {
    /// Creates a folder, and those above it, where there is none.
    pub(super) fn create_folder(&self, step: Step, path: &Path) -> Result<(), LogError> {
        if path.is_dir() {
            return Ok(());
        }
        operate!(self, step, Operation::CreateFolder, || {
            std::fs::create_dir_all(path)
        })
        .map_err(failed(step.action(), path))?;
        path.parent()
            .map_or(Ok(()), |above| self.sync_folder(step, above))
    }

    /// Creates an empty file, for reading and writing.
    pub(super) fn create(&self, step: Step, path: &Path) -> Result<Arc<LogFile>, LogError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let file = operate!(self, step, Operation::Create(path), || options.open(path))
            .map_err(failed(step.action(), path))?;
        Ok(Arc::new(LogFile {
            file,
            path: path.to_owned(),
        }))
    }

    /// Opens an existing file for reading and writing.
    pub(super) fn reopen(&self, path: &Path) -> Result<Arc<LogFile>, LogError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed("open", path))?;
        Ok(Arc::new(LogFile {
            file,
            path: path.to_owned(),
        }))
    }

    /// Writes all of `bytes` at `position`.
    pub(super) fn write_at(
        &self,
        step: Step,
        file: &LogFile,
        bytes: &[u8],
        position: u64,
    ) -> Result<(), LogError> {
        #[cfg(feature = "crash-points")]
        if let Some(points) = &self.points {
            return points
                .write(step.action(), &file.path, bytes, position, |part, at| {
                    file.file.write_all_at(part, at)
                })
                .map_err(failed(step.action(), &file.path));
        }
        file.file
            .write_all_at(bytes, position)
            .map_err(failed(step.action(), &file.path))
    }

    /// Makes durable what was written to a file.
    pub(super) fn sync(&self, step: Step, file: &LogFile) -> Result<(), LogError> {
        operate!(self, step, Operation::Sync(&file.path), || file
            .file
            .sync_data())
        .map_err(failed(step.action(), &file.path))
    }

    /// Makes durable which files a folder holds.
    pub(super) fn sync_folder(&self, step: Step, path: &Path) -> Result<(), LogError> {
        // The parent of a relative path of one part is "".
        let folder = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        operate!(self, step, Operation::SyncFolder(path), || File::open(
            folder
        )
        .and_then(|folder| folder.sync_all()))
        .map_err(failed(step.action(), path))
    }

    /// Cuts a file to `length` bytes, durably.
    pub(super) fn truncate(&self, step: Step, path: &Path, length: u64) -> Result<(), LogError> {
        let file = self.reopen(path)?;
        operate!(self, step, Operation::Truncate(path), || file
            .file
            .set_len(length)
            .and_then(|()| file.file.sync_all()))
        .map_err(failed(step.action(), path))
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, step: Step, path: &Path) -> Result<(), LogError> {
        match operate!(
            self,
            step,
            Operation::Remove(path),
            || std::fs::remove_file(path)
        ) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(failed(step.action(), path)(source))
            }
            _ => Ok(()),
        }
    }

    /// Replaces a file as a whole: whoever reads it finds the old content or the new.
    pub(super) fn replace(
        &self,
        steps: ReplaceSteps,
        path: &Path,
        content: &[u8],
    ) -> Result<(), LogError> {
        let temporary = path.with_extension("tmp");
        let file = self.create(steps.write, &temporary)?;
        self.write_at(steps.write, &file, content, 0)?;
        self.sync(steps.sync, &file)?;
        operate!(
            self,
            steps.rename,
            Operation::Rename {
                from: &temporary,
                to: path
            },
            || std::fs::rename(&temporary, path)
        )
        .map_err(failed(steps.rename.action(), path))?;
        self.sync_folder(steps.folder, path.parent().unwrap_or(Path::new("")))
    }
}

/// Reads a small file; `None` where there is none.
pub(super) fn read_if_exists(path: &Path) -> Result<Option<Vec<u8>>, LogError> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", path)(source)),
    }
}

/// The names of the files in a folder, in order; none where there is no such folder.
pub(super) fn file_names(folder: &Path) -> Result<Vec<String>, LogError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed("list", folder)(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("list", folder))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Turns an error of the operating system into one that says what was tried on which file.
pub(super) fn failed(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> LogError + use<> {
    let path = path.to_owned();
    move |source| LogError::Io {
        action,
        path,
        source,
    }
}
