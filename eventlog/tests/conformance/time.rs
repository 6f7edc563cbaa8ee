//! Offsets are found by time.

use std::time::Duration;

use crate::harness::{Engine, POLL, append, eventually, partition, topic};

pub(crate) fn offsets_are_found_by_time(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "time", 1);
    let source = partition(&topic, 0);
    assert_eq!(log.offset_at(&source, 0).unwrap(), None);
    let appender = log.appender().unwrap();
    for number in 0..60 {
        append(
            &*appender,
            &source,
            "k",
            &format!("{number} {}", "t".repeat(200)),
        );
        if number % 10 == 0 {
            std::thread::sleep(Duration::from_millis(4));
        }
    }
    let mut reader = log.reader(&[(source.clone(), 0)]).unwrap();
    let mut times = Vec::new();
    eventually("all records", || {
        if let Some(batch) = reader.poll(100, POLL).unwrap() {
            times.extend(batch.iter().map(|record| (record.timestamp, record.offset)));
        }
        (times.len() == 60).then_some(())
    });
    assert!(times.is_sorted(), "time never goes back");
    let (first, last) = (times[0].0, times[59].0);
    assert!(last > first + 15, "the test is about several times");
    let first_from = |wanted: i64| {
        times
            .iter()
            .find(|(time, _)| *time >= wanted)
            .map(|(_, offset)| *offset)
    };
    for wanted in (first - 2)..=(last + 2) {
        assert_eq!(
            log.offset_at(&source, wanted).unwrap(),
            first_from(wanted),
            "at {wanted}"
        );
    }
    let log = engine.open();
    for wanted in [first, (first + last) / 2, last, last + 1] {
        assert_eq!(
            log.offset_at(&source, wanted).unwrap(),
            first_from(wanted),
            "at {wanted}, reopened"
        );
    }
}
