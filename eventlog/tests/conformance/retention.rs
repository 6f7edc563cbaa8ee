//! Records older than a topic keeps them are dropped, and nobody misses them quietly.

use rollcall_eventlog::{CleanupPolicy, LogError};

use crate::harness::{
    Engine, POLL, append, assigned, contents_at, eventually, join, partition, unique,
};

pub(crate) fn old_records_are_dropped_and_missed_ones_are_an_error(engine: &dyn Engine) {
    let log = engine.open();
    let topic = engine.create(
        &*log,
        "dropped",
        1,
        CleanupPolicy::Delete { retention_ms: 1 },
    );
    let source = partition(&topic, 0);
    let appender = log.appender().unwrap();
    for number in 0..30 {
        append(
            &*appender,
            &source,
            "k",
            &format!("{number} {}", "z".repeat(500)),
        );
    }
    let offsets = eventually("a later start", || {
        engine.clean(&*log, &topic);
        let offsets = log.offsets(&source).unwrap();
        (offsets.start >= 30).then_some(offsets)
    });
    assert!(offsets.end >= offsets.start);
    assert!(
        contents_at(&*log, &source)
            .iter()
            .all(|(offset, _)| *offset >= 30)
    );

    let is_missed = |error: &LogError| matches!(error, LogError::OutOfRange { partition, offset: 3, start } if *partition == source && *start >= 30);
    let mut member = join(&*log, &unique("group"), &topic, "one");
    assigned(&mut *member);
    member.start(&[(source.clone(), 3)]).unwrap();
    let error = eventually("an error", || member.poll(10, POLL).err());
    assert!(is_missed(&error), "{error}");
    let mut reader = log.reader(&[(source.clone(), 3)]).unwrap();
    let error = eventually("an error", || reader.poll(10, POLL).err());
    assert!(is_missed(&error), "{error}");

    let log = engine.open();
    let reopened = log.offsets(&source).unwrap();
    assert!(reopened.start >= offsets.start && reopened.end >= offsets.end);
    assert!(append(&*log.appender().unwrap(), &source, "k", "v") >= offsets.end);
}
