//! Compaction keeps the last record of every key, and drops old tombstones.

use std::collections::BTreeMap;

use rollcall_eventlog::CleanupPolicy;

use crate::harness::{
    Engine, contents_at, eventually, join, partition, put, records, started, unique, unit,
};

const COMPACT: CleanupPolicy = CleanupPolicy::Compact {
    tombstone_retention_ms: 0,
};

pub(crate) fn only_the_last_record_of_each_key_stays(engine: &dyn Engine) {
    let log = engine.open();
    let topic = engine.create(&*log, "compacted", 1, COMPACT);
    let source = partition(&topic, 0);
    let mut member = join(&*log, &unique("group"), &topic, "one");
    let mut latest = BTreeMap::new();
    for round in 0..5 {
        let mut one = unit(&[], &[]);
        for key in 0..40 {
            // Some keys have no record in some rounds; those of every third are tombstones at last.
            if key % 5 == round {
                continue;
            }
            let (key, value) = (format!("key {key}"), format!("{round} {}", "x".repeat(100)));
            let value = (round < 4 || !key.ends_with('3')).then_some(value);
            put(&mut one, &topic, 0, &key, value.as_deref());
            latest.insert(key, value);
        }
        member.commit(&one).unwrap();
    }
    let before = contents_at(&*log, &source);
    let start = log.offsets(&source).unwrap().start;

    let wanted: Vec<_> = latest
        .into_iter()
        .filter_map(|(key, value)| Some((key, Some(value?))))
        .collect();
    assert!(wanted.len() < 40, "some are tombstones");
    let after = eventually("a compacted topic", || {
        engine.clean(&*log, &topic);
        let mut after = contents_at(&*log, &source);
        after.retain(|(_, (key, _))| key != "filler");
        (after.len() == wanted.len()).then_some(after)
    });
    // What is left is where it was.
    assert!(after.iter().all(|record| before.contains(record)));
    let mut left: Vec<_> = after.into_iter().map(|(_, record)| record).collect();
    left.sort();
    assert_eq!(left, wanted);
    assert_eq!(
        log.offsets(&source).unwrap().start,
        start,
        "compaction moves no start"
    );

    let log = engine.open();
    let mut reopened: Vec<_> = contents_at(&*log, &source)
        .into_iter()
        .map(|(_, record)| record)
        .collect();
    reopened.retain(|(key, _)| key != "filler");
    reopened.sort();
    assert_eq!(reopened, wanted);
}

pub(crate) fn a_reader_in_the_middle_goes_on(engine: &dyn Engine) {
    let log = engine.open();
    let topic = engine.create(&*log, "compacted-below", 1, COMPACT);
    let source = partition(&topic, 0);
    let mut member = join(&*log, &unique("group"), &topic, "one");
    started(&mut *member);
    let mut total = 0;
    for round in 0..60 {
        let mut one = unit(&[], &[]);
        for key in 0..3 {
            put(
                &mut one,
                &topic,
                0,
                &format!("{key}"),
                Some(&format!("{round} {}", "y".repeat(200))),
            );
            total += 1;
        }
        member.commit(&one).unwrap();
    }
    let batch = records(&mut *member, 5);
    let mut next = batch.next_offset();
    eventually("a compacted topic", || {
        engine.clean(&*log, &topic);
        (contents_at(&*log, &source).len() < total / 4).then_some(())
    });
    // It reads on, in order, and comes to the last of every key.
    let mut last = BTreeMap::new();
    eventually("the last record of each key", || {
        let batch = records(&mut *member, 7);
        for (record, (key, value)) in batch.iter().zip(crate::harness::seen(&batch)) {
            assert!(record.offset >= next, "in order");
            next = record.offset + 1;
            last.insert(key, value.unwrap());
        }
        let is_last = |key: &str| last.get(key).is_some_and(|value| value.starts_with("59 "));
        (is_last("0") && is_last("1") && is_last("2")).then_some(())
    });
}
