//! The folder: one process, a known format, and room on the disk.

use std::process::{Command, Stdio};

use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::{CommitError, EventLog, LogError};
use tempfile::TempDir;

use super::{open, small};
use crate::harness::{append, join, partition, topic, unique, unit, values, wait};

const CHILD_FOLDER: &str = "ROLLCALL_TEST_SECOND_PROCESS";

#[test]
fn a_second_process_is_refused() {
    let folder = TempDir::new().unwrap();
    let log = open(small(folder.path()));
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "embedded::folder::child_that_opens_the_folder",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD_FOLDER, folder.path())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let pid = format!("pid {}", std::process::id());
    assert!(
        said.contains("in use by another process") && said.contains(&pid),
        "{said}"
    );

    let again = EmbeddedLog::open(small(folder.path())).unwrap_err();
    assert!(
        matches!(again, LogError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{again}"
    );
    log.close().unwrap();
    open(small(folder.path()));
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn child_that_opens_the_folder() {
    let Ok(path) = std::env::var(CHILD_FOLDER) else {
        return;
    };
    match EmbeddedLog::open(small(path.as_ref())) {
        Ok(_) => println!("opened"),
        Err(error) => println!("{error}"),
    }
}

#[test]
fn a_newer_format_is_refused() {
    let folder = TempDir::new().unwrap();
    drop(open(small(folder.path())));
    std::fs::write(folder.path().join("format"), "2\n").unwrap();
    let error = EmbeddedLog::open(small(folder.path())).unwrap_err();
    assert!(
        matches!(
            error,
            LogError::Format {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    std::fs::write(folder.path().join("format"), "?").unwrap();
    let error = EmbeddedLog::open(small(folder.path())).unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
    // A refused folder is not locked.
    std::fs::write(folder.path().join("format"), "1\n").unwrap();
    open(small(folder.path()));
}

#[test]
fn a_disk_that_is_nearly_full_is_not_filled() {
    let folder = TempDir::new().unwrap();
    let log = open(small(folder.path()));
    let topic = topic(&*log, "full", 1);
    let source = partition(&topic, 0);
    append(&*log.appender().unwrap(), &source, "k", "before");
    assert!(log.free_space().unwrap().unwrap() > 0);
    log.close().unwrap();

    let mut full = EmbeddedConfig::new(folder.path());
    full.reserve_bytes = u64::MAX;
    let log = open(full);
    assert_eq!(log.free_space().unwrap(), Some(0));
    let error = wait(log.appender().unwrap().append(&source, None, b"v")).unwrap_err();
    assert!(
        matches!(
            error,
            LogError::DiskFull {
                reserve: u64::MAX,
                ..
            }
        ),
        "{error}"
    );
    let mut member = join(&*log, &unique("group"), &topic, "one");
    let error = member
        .commit(&unit(&[(&topic, 0, "k", "v")], &[(source.clone(), 1)]))
        .unwrap_err();
    assert!(
        matches!(error, CommitError::Log(LogError::DiskFull { .. })),
        "{error}"
    );
    // It goes on reading, and writing once there is room again.
    assert_eq!(values(&*log, &source), ["before"]);
    log.close().unwrap();
    let log = open(small(folder.path()));
    assert_eq!(append(&*log.appender().unwrap(), &source, "k", "after"), 1);
    assert_eq!(values(&*log, &source), ["before", "after"]);
}
