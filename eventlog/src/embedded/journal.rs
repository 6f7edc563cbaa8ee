//! The journal: files of frames, one after the other, that make everything durable first.
//!
//! A file begins with `magic u64 | number u64 | sequence of its first frame u64`. Files are numbered
//! without a gap. Only the end of the last file can be torn by a crash.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chunk::u64_at;
use super::disk::{Disk, LogFile, Step, file_names, read_if_exists};
use super::frame::{self, FoundFrame, Frame};
use crate::LogError;

const MAGIC: u64 = u64::from_le_bytes(*b"RcJrnl01");
const HEADER_BYTES: usize = 24;
const EXTENSION: &str = ".journal";

/// Writes frames.
#[derive(Debug)]
pub(super) struct Journal {
    disk: Disk,
    folder: PathBuf,
    /// The file that is written to, or would be next.
    number: u64,
    /// Of the next frame.
    sequence: u64,
    /// The first sequence that is not durable yet.
    durable: u64,
    file: Option<OpenFile>,
}

#[derive(Debug)]
struct OpenFile {
    file: Arc<LogFile>,
    length: u64,
    /// Whether the folder is known to hold the file after a crash.
    listed: bool,
}

impl Journal {
    /// A journal that goes on with a new file, `number`, and the frame `sequence`.
    pub(super) fn new(disk: Disk, folder: PathBuf, number: u64, sequence: u64) -> Self {
        Self {
            disk,
            folder,
            number,
            sequence,
            durable: sequence,
            file: None,
        }
    }

    /// Gives the frame its place and writes it. It is durable after [`Journal::sync`].
    pub(super) fn write(&mut self, frame: &mut Frame) -> Result<(), LogError> {
        frame.seal(self.sequence, self.durable);
        let open = match &mut self.file {
            Some(open) => open,
            None => self.file.insert(create(
                &self.disk,
                &self.folder,
                self.number,
                self.sequence,
            )?),
        };
        self.disk
            .write_at(Step::JournalWrite, &open.file, frame.bytes(), open.length)?;
        open.length += frame.bytes().len() as u64;
        self.sequence += 1;
        Ok(())
    }

    /// Makes durable what was written.
    pub(super) fn sync(&mut self) -> Result<(), LogError> {
        let Some(open) = &mut self.file else {
            return Ok(());
        };
        self.disk.sync(Step::JournalSync, &open.file)?;
        if !open.listed {
            self.disk
                .sync_folder(Step::JournalFolderSync, &self.folder)?;
            open.listed = true;
        }
        self.durable = self.sequence;
        Ok(())
    }

    /// Ends the file, and says which will be next: nothing written so far is in that one or later.
    pub(super) fn roll(&mut self) -> Position {
        if self.file.take().is_some() {
            self.number += 1;
        }
        Position {
            number: self.number,
            sequence: self.sequence,
        }
    }
}

/// Why a frame cannot be replayed.
#[derive(Debug)]
pub(super) enum ReplayError {
    /// It does not follow on what the log holds.
    DoesNotFit(String),
    /// The log failed.
    Log(LogError),
}

/// Where the journal goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Position {
    pub(super) number: u64,
    pub(super) sequence: u64,
}

fn create(disk: &Disk, folder: &Path, number: u64, sequence: u64) -> Result<OpenFile, LogError> {
    let file = disk.create(Step::JournalCreate, &path_of(folder, number))?;
    let mut header = [0; HEADER_BYTES];
    header[0..8].copy_from_slice(&MAGIC.to_le_bytes());
    header[8..16].copy_from_slice(&number.to_le_bytes());
    header[16..24].copy_from_slice(&sequence.to_le_bytes());
    disk.write_at(Step::JournalWrite, &file, &header, 0)?;
    Ok(OpenFile {
        file,
        length: HEADER_BYTES as u64,
        listed: false,
    })
}

fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}{EXTENSION}"))
}

/// The numbers of the files that a folder holds, in order.
fn numbers(folder: &Path) -> Result<Vec<u64>, LogError> {
    let names = file_names(folder)?;
    Ok(names
        .iter()
        .filter_map(|name| name.strip_suffix(EXTENSION)?.parse().ok())
        .collect())
}

/// Removes the files before `number`, oldest first, so that no gap can come about.
pub(super) fn remove_before(disk: &Disk, folder: &Path, number: u64) -> Result<(), LogError> {
    for old in numbers(folder)?.into_iter().filter(|old| *old < number) {
        disk.remove(Step::JournalRemove, &path_of(folder, old))?;
    }
    Ok(())
}

/// Calls `replay` with every whole frame from a position on, in order, and the bytes of its file.
/// Cuts off what a crash has torn. Returns where the journal goes on, and the bytes replayed.
pub(super) fn recover(
    disk: &Disk,
    folder: &Path,
    from: Position,
    mut replay: impl FnMut(&[u8], &FoundFrame) -> Result<(), ReplayError>,
) -> Result<(Position, u64), LogError> {
    let files: Vec<u64> = numbers(folder)?
        .into_iter()
        .filter(|number| *number >= from.number)
        .collect();
    let mut next = from;
    let mut replayed = 0;
    for (index, number) in files.iter().enumerate() {
        let path = path_of(folder, *number);
        let damaged = |position: usize, reason: String| LogError::Damaged {
            path: path.clone(),
            position: position as u64,
            reason,
        };
        if *number != next.number {
            return Err(damaged(
                0,
                format!("journal file {} before it is missing", next.number),
            ));
        }
        let is_last = index + 1 == files.len();
        let file = read_if_exists(&path)?.unwrap_or_default();
        if !begins_rightly(&file, next) {
            // The file was created, and the process died before its head was durable: no frame in it
            // can have been.
            if is_last && durable_after(&file, 0).is_none_or(|durable| durable <= next.sequence) {
                disk.remove(Step::JournalRemove, &path)?;
                break;
            }
            return Err(damaged(
                0,
                "it does not begin as a journal file that comes next".into(),
            ));
        }
        let mut at = HEADER_BYTES;
        while at < file.len() {
            let found = frame::read(&file, at).filter(|frame| frame.sequence == next.sequence);
            let Some(frame) = found else {
                let later = durable_after(&file, at);
                if !is_last || later.is_some_and(|durable| durable > next.sequence) {
                    let reason = format!("frame {} was durable and cannot be read", next.sequence);
                    return Err(damaged(at, reason));
                }
                tracing::warn!(
                    path = %path.display(),
                    position = at,
                    dropped_bytes = file.len() - at,
                    "the last write to the journal was torn by a crash; nothing of it was acknowledged",
                );
                disk.truncate(Step::JournalTruncate, &path, at as u64)?;
                break;
            };
            replay(&file, &frame).map_err(|error| match error {
                ReplayError::DoesNotFit(reason) => damaged(at, reason),
                ReplayError::Log(error) => error,
            })?;
            at += frame.bytes;
            next.sequence += 1;
        }
        replayed += at as u64;
        next.number += 1;
    }
    Ok((next, replayed))
}

fn begins_rightly(file: &[u8], expected: Position) -> bool {
    file.get(..HEADER_BYTES).is_some_and(|head| {
        u64_at(head, 0) == MAGIC
            && u64_at(head, 8) == expected.number
            && u64_at(head, 16) == expected.sequence
    })
}

/// What the last whole frame from `at` on says was durable when it was written.
fn durable_after(file: &[u8], mut at: usize) -> Option<u64> {
    let mut durable = None;
    while let Some(found) = frame::find_magic(file, at) {
        match frame::read(file, found) {
            Some(frame) => {
                durable = durable.max(Some(frame.durable));
                at = found + frame.bytes;
            }
            None => at = found + 1,
        }
    }
    durable
}
