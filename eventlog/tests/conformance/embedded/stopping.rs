//! After a write that failed the log stops, and a restart says what there is.

use rollcall_eventlog::{CommitError, EventLog, LogError};
use tempfile::TempDir;

use super::{open, small};
use crate::harness::{committed, join, partition, topic, unique, unit, values};

#[test]
fn a_failed_write_stops_the_log_until_it_is_opened_again() {
    let folder = TempDir::new().unwrap();
    let log = open(small(folder.path()));
    let topic = topic(&*log, "stops", 1);
    let source = partition(&topic, 0);
    let group = unique("group");
    let mut member = join(&*log, &group, &topic, "one");
    member
        .commit(&unit(&[(&topic, 0, "k", "before")], &[(source.clone(), 1)]))
        .unwrap();
    log.close().unwrap();
    drop(member);

    let log = open(small(folder.path()));
    let mut member = join(&*log, &group, &topic, "one");
    // The next journal file cannot be created.
    std::fs::remove_dir_all(folder.path().join("journal")).unwrap();
    let error = member
        .commit(&unit(
            &[(&topic, 0, "k", "unclear")],
            &[(source.clone(), 2)],
        ))
        .unwrap_err();
    assert!(matches!(error, CommitError::Unclear { .. }), "{error:?}");
    let error = member
        .commit(&unit(&[(&topic, 0, "k", "later")], &[]))
        .unwrap_err();
    let CommitError::Log(LogError::Closed {
        reason: Some(reason),
    }) = &error
    else {
        panic!("{error:?}")
    };
    assert!(reason.contains("create the journal"), "{reason}");
    assert!(matches!(
        log.offsets(&source),
        Err(LogError::Closed { reason: Some(_) })
    ));
    assert!(matches!(
        log.close(),
        Err(LogError::Closed { reason: Some(_) })
    ));

    let log = open(small(folder.path()));
    assert_eq!(values(&*log, &source), ["before"]);
    assert_eq!(committed(&*log, &group, &source), Some(1));
}
