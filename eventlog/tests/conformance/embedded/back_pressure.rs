//! What waits for the writer shares a sync; units of work are not bounded, and who waits is woken.

use std::collections::BTreeSet;

use rollcall_eventlog::embedded::EmbeddedConfig;
use rollcall_eventlog::{EventLog, LogError, Reader};
use tempfile::TempDir;

use super::held_clock::HeldClock;
use super::open;
use crate::harness::{POLL, join, partition, topic, unique, unit, values, wait};

#[test]
fn what_waits_for_the_writer_shares_its_sync() {
    const THREADS: u32 = 8;
    const RECORDS: u32 = 500;
    let folder = TempDir::new().unwrap();
    let clock = HeldClock::default();
    let mut config = EmbeddedConfig::new(folder.path());
    config.reserve_bytes = 0;
    config.now = clock.now();
    let log = open(config);
    let topic = topic(&*log, "shared", 4);
    let appender = log.appender().unwrap();
    clock.hold();
    let pending: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|name| {
                let (appender, topic) = (&appender, &topic);
                scope.spawn(move || {
                    let append = |number: u32| {
                        appender.append(&partition(topic, (name + number) % 4), None, b"v")
                    };
                    (0..RECORDS).map(append).collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    clock.release();
    for it in pending {
        wait(it).unwrap();
    }

    let mut reader = log
        .reader(&[0, 1, 2, 3].map(|number| (partition(&topic, number), 0)))
        .unwrap();
    let mut times = BTreeSet::new();
    let mut read = 0;
    while read < THREADS * RECORDS {
        let Some(batch) = reader.poll(10_000, POLL).unwrap() else {
            continue;
        };
        read += u32::try_from(batch.len()).unwrap();
        times.extend(batch.iter().map(|record| record.timestamp));
    }
    // The writer looks at the clock once a sync: one for what it had taken, one for all the others.
    assert!(times.len() <= 2, "{times:?}");
}

#[test]
fn a_unit_is_taken_where_appends_are_refused() {
    let folder = TempDir::new().unwrap();
    let mut config = EmbeddedConfig::new(folder.path());
    config.reserve_bytes = 0;
    config.queue_bytes = 0;
    let log = open(config);
    let topic = topic(&*log, "units", 1);
    let refused = wait(
        log.appender()
            .unwrap()
            .append(&partition(&topic, 0), None, b"v"),
    );
    assert!(matches!(refused, Err(LogError::Busy { .. })), "{refused:?}");
    let mut member = join(&*log, &unique("group"), &topic, "one");
    member
        .commit(&unit(&[(&topic, 0, "k", "taken")], &[]))
        .unwrap();
    assert_eq!(values(&*log, &partition(&topic, 0)), ["taken"]);
}

#[test]
fn a_blocked_poll_ends_with_records_and_with_the_log() {
    let folder = TempDir::new().unwrap();
    let log = open(super::small(folder.path()));
    let topic = topic(&*log, "blocked", 1);
    let source = partition(&topic, 0);
    let forever = std::time::Duration::from_secs(3600);
    let mut reader: Box<dyn Reader> = log.reader(&[(source.clone(), 0)]).unwrap();
    let mut member = join(&*log, &unique("group"), &topic, "one");
    crate::harness::started(&mut *member);
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let batch = reader.poll(10, forever).unwrap().unwrap();
            (batch.len(), reader.poll(10, forever).is_err())
        });
        let polling = scope.spawn(move || {
            let records = member.poll(10, forever).unwrap();
            (
                matches!(records, rollcall_eventlog::Polled::Records(_)),
                member.poll(10, forever).is_err(),
            )
        });
        wait(log.appender().unwrap().append(&source, None, b"v")).unwrap();
        // Long enough that both wait again, as a rule; right in any case.
        std::thread::sleep(POLL);
        log.close().unwrap();
        assert_eq!(reading.join().unwrap(), (1, true));
        assert_eq!(polling.join().unwrap(), (true, true));
    });
}
