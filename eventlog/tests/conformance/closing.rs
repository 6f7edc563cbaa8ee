//! Closing writes what was taken, and refuses everything after.

use std::time::Duration;

use rollcall_eventlog::{CommitError, LogError};

use crate::harness::{
    Engine, KEPT, POLL, is_closed, join, partition, started, topic, topic_config, unique, unit,
    values, wait,
};

pub(crate) fn everything_fails_once_the_log_is_closed(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "closed", 1);
    let source = partition(&topic, 0);
    let group = unique("group");
    let appender = log.appender().unwrap();
    let mut reader = log.reader(&[(source.clone(), 0)]).unwrap();
    let mut member = join(&*log, &group, &topic, "one");
    started(&mut *member);

    log.close().unwrap();
    log.close().unwrap();
    assert!(is_closed(wait(appender.append(&source, None, b"late"))));
    assert!(is_closed(reader.poll(1, Duration::ZERO)));
    assert!(is_closed(member.poll(1, POLL)));
    let commit = member.commit(&unit(&[(&topic, 0, "k", "late")], &[]));
    assert!(
        matches!(
            commit,
            Err(CommitError::Log(LogError::Closed { reason: None }))
        ),
        "{commit:?}"
    );
    assert!(is_closed(
        log.ensure_topics(&[topic_config(&topic, 1, KEPT)])
    ));
    assert!(is_closed(log.partitions(&topic)));
    assert!(is_closed(log.offsets(&source)));
    assert!(is_closed(log.offset_at(&source, 0)));
    assert!(is_closed(
        log.committed(&group, std::slice::from_ref(&source))
    ));
    assert!(is_closed(log.appender()));
    assert!(is_closed(log.reader(&[(source.clone(), 0)])));
    assert!(is_closed(log.free_space()));

    let log = engine.open();
    assert!(values(&*log, &source).is_empty(), "nothing that came late");
}

pub(crate) fn what_was_appended_before_is_durable(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "drained", 1);
    let source = partition(&topic, 0);
    let appender = log.appender().unwrap();
    let pending: Vec<_> = (0..200)
        .map(|number| appender.append(&source, None, format!("{number}").as_bytes()))
        .collect();
    log.close().unwrap();
    for (pending, offset) in pending.into_iter().zip(0..) {
        assert_eq!(wait(pending).unwrap(), offset);
    }
    let log = engine.open();
    let expected: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(values(&*log, &source), expected);
}
