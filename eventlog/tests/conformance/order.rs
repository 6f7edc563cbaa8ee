//! Records of a partition are read in the order in which they were appended.

use std::collections::HashMap;

use crate::harness::{
    Engine, append, contents_at, join, partition, topic, unique, unit, values, wait,
};

pub(crate) fn records_of_a_partition_keep_their_order(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "order", 2);
    let source = partition(&topic, 0);
    let appender = log.appender().unwrap();
    let mut member = join(&*log, &unique("group"), &topic, "one");
    let mut expected = Vec::new();
    let mut last = -1;
    for round in 0..10 {
        let value = format!("append {round}");
        let offset = append(&*appender, &source, "k", &value);
        assert!(offset > last, "offsets grow");
        last = offset;
        append(&*appender, &partition(&topic, 1), "k", "elsewhere");
        let (first, second) = (format!("unit {round} a"), format!("unit {round} b"));
        member
            .commit(&unit(
                &[(&topic, 0, "x", &first), (&topic, 0, "a", &second)],
                &[],
            ))
            .unwrap();
        expected.extend([value, first, second]);
    }
    assert_eq!(values(&*log, &source), expected);
    assert_eq!(values(&*log, &partition(&topic, 1)), ["elsewhere"; 10]);
}

pub(crate) fn appends_from_many_threads_keep_each_threads_order(engine: &dyn Engine) {
    const THREADS: usize = 8;
    const RECORDS: usize = 250;
    let log = engine.open();
    let topic = topic(&*log, "threads", 2);
    let appender = log.appender().unwrap();
    std::thread::scope(|scope| {
        for name in 0..THREADS {
            let (appender, topic) = (&appender, &topic);
            scope.spawn(move || {
                let source = partition(topic, u32::try_from(name % 2).unwrap());
                let pending: Vec<_> = (0..RECORDS)
                    .map(|number| {
                        let value = number.to_string();
                        appender.append(
                            &source,
                            Some(name.to_string().as_bytes()),
                            value.as_bytes(),
                        )
                    })
                    .collect();
                let offsets: Vec<_> = pending.into_iter().map(|it| wait(it).unwrap()).collect();
                assert!(
                    offsets.is_sorted_by(|a, b| a < b),
                    "one thread's offsets grow"
                );
            });
        }
    });
    for number in 0..2 {
        let mut next: HashMap<String, usize> = HashMap::new();
        for (_, (key, value)) in contents_at(&*log, &partition(&topic, number)) {
            let next = next.entry(key).or_default();
            assert_eq!(value.unwrap(), next.to_string());
            *next += 1;
        }
        assert_eq!(next.len(), THREADS / 2);
        assert!(next.values().all(|count| *count == RECORDS));
    }
}
