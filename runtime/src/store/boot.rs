//! Whether the write-ahead log of a store is all of what was written to it.
//!
//! It is never synced. A process that is killed leaves it whole with the kernel; a machine that stops
//! leaves any part of it, even the end without the middle. So a store notes which run of the machine
//! writes its write-ahead log, and one of an earlier run is dropped before the store is opened: what
//! was flushed is left, which is synced and in order.

use std::io::ErrorKind;
use std::path::Path;

/// The kernel's name for the time since the machine was started.
const RUN_OF_THE_MACHINE: &str = "/proc/sys/kernel/random/boot_id";
/// The file in a store's folder that says which run wrote its write-ahead log.
const NOTE: &str = "BOOT";

/// Drops the write-ahead log of the store in `path` where the machine was started anew since it was
/// written, or where the system does not say. Makes the folder.
pub(super) fn drop_write_ahead_log_of_an_earlier_run(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)?;
    let run = std::fs::read(RUN_OF_THE_MACHINE).ok();
    let note = path.join(NOTE);
    if run.is_some() && read(&note)? == run {
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "log") {
            std::fs::remove_file(file)?;
        }
    }
    match run {
        Some(run) => std::fs::write(note, run),
        None => Ok(()),
    }
}

fn read(note: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match std::fs::read(note) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
