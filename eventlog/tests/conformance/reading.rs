//! Positions, pauses, and what a record holds.

use std::collections::BTreeSet;

use rollcall_eventlog::{Header, LogError, Member, Polled, UnitOfWork};

use crate::harness::{
    Engine, POLL, append, assigned, eventually, join, partition, records, seen, started, topic,
    unique, wait,
};

fn values_of(member: &mut dyn Member, max_records: usize) -> Vec<String> {
    let batch = records(member, max_records);
    assert!(batch.len() <= max_records);
    seen(&batch)
        .into_iter()
        .map(|(_, value)| value.unwrap())
        .collect()
}

pub(crate) fn positions_can_be_sought_and_paused(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "positions", 2);
    let [paused, running] = [0, 1].map(|number| partition(&topic, number));
    let appender = log.appender().unwrap();
    for number in 0..10 {
        append(&*appender, &paused, "k", &format!("p{number}"));
    }
    let mut member = join(&*log, &unique("group"), &topic, "one");
    assert!(matches!(
        member.seek(&paused, 0),
        Err(LogError::NotAssigned { .. })
    ));
    let from: Vec<_> = assigned(&mut *member)
        .into_iter()
        .map(|(it, _)| (it, 0))
        .collect();
    assert!(
        matches!(member.poll(10, POLL).unwrap(), Polled::Idle),
        "nothing before the start"
    );
    member.start(&from).unwrap();

    assert_eq!(values_of(&mut *member, 3), ["p0", "p1", "p2"]);
    member.pause(std::slice::from_ref(&paused)).unwrap();
    append(&*appender, &running, "k", "r0");
    assert_eq!(
        values_of(&mut *member, 3),
        ["r0"],
        "nothing of what is paused"
    );
    member.resume(std::slice::from_ref(&paused)).unwrap();
    let rest = |member: &mut dyn Member| {
        let mut rest = Vec::new();
        while rest.last().is_none_or(|last| last != "p9") {
            rest.extend(values_of(member, 4));
        }
        rest
    };
    let from = |first: usize| {
        (first..10)
            .map(|number| format!("p{number}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(rest(&mut *member), from(3));
    member.seek(&paused, 6).unwrap();
    assert_eq!(rest(&mut *member), from(6));
    // A seek while paused holds after the resumption, and one forward skips.
    member.pause(std::slice::from_ref(&paused)).unwrap();
    member.seek(&paused, 2).unwrap();
    assert!(matches!(member.poll(10, POLL).unwrap(), Polled::Idle));
    member.resume(std::slice::from_ref(&paused)).unwrap();
    assert_eq!(values_of(&mut *member, 1), ["p2"]);
    member.seek(&paused, 8).unwrap();
    assert_eq!(rest(&mut *member), from(8));
}

pub(crate) fn partitions_are_read_in_turn(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "turns", 3);
    let appender = log.appender().unwrap();
    let pending: Vec<_> = (0..900)
        .map(|number: u32| appender.append(&partition(&topic, number % 3), None, b"v"))
        .collect();
    for it in pending {
        wait(it).unwrap();
    }
    let mut reader = log
        .reader(&[0, 1, 2].map(|number| (partition(&topic, number), 0)))
        .unwrap();
    let mut served = BTreeSet::new();
    let mut read = 0;
    eventually("all records", || {
        if let Some(batch) = reader.poll(50, POLL).unwrap() {
            assert!(batch.len() <= 50);
            served.insert(batch.partition().clone());
            read += batch.len();
        }
        (read == 900).then_some(())
    });
    assert_eq!(served.len(), 3);
}

pub(crate) fn what_a_record_holds_is_what_was_written(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "whole", 1);
    let mut member = join(&*log, &unique("group"), &topic, "one");
    started(&mut *member);
    let mut unit = UnitOfWork::default();
    let headers = [
        Header {
            name: "version",
            value: b"7",
        },
        Header {
            name: "",
            value: b"",
        },
    ];
    unit.outputs.push(
        &topic,
        0,
        Some(b"\xff\x00key"),
        Some(&mut |out| out.extend_from_slice(b"value")),
        headers,
    );
    unit.outputs.push(&topic, 0, Some(b"gone"), None, []);
    unit.outputs.push(&topic, 0, None, Some(&mut |_| ()), []);
    member.commit(&unit).unwrap();
    wait(
        log.appender()
            .unwrap()
            .append(&partition(&topic, 0), None, b"appended"),
    )
    .unwrap();

    let mut whole = Vec::new();
    while whole.len() < 4 {
        for record in records(&mut *member, 10).iter() {
            assert!(
                record.timestamp > 1_700_000_000_000,
                "in milliseconds since 1970"
            );
            let headers: Vec<_> = record
                .headers
                .iter()
                .map(|it| (it.name.to_owned(), it.value.to_vec()))
                .collect();
            whole.push((
                record.key.map(<[u8]>::to_vec),
                record.value.map(<[u8]>::to_vec),
                headers,
            ));
        }
    }
    let header = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec());
    assert_eq!(
        whole,
        [
            (
                Some(b"\xff\x00key".to_vec()),
                Some(b"value".to_vec()),
                vec![header("version", b"7"), header("", b"")]
            ),
            (Some(b"gone".to_vec()), None, vec![]),
            (None, Some(vec![]), vec![]),
            (None, Some(b"appended".to_vec()), vec![]),
        ]
    );
}

pub(crate) fn a_position_outside_of_the_log_is_an_error(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "outside", 1);
    let source = partition(&topic, 0);
    append(&*log.appender().unwrap(), &source, "k", "v");
    let mut reader = log.reader(&[(source.clone(), 9)]).unwrap();
    let error = eventually("an error", || reader.poll(10, POLL).err());
    assert!(
        matches!(&error, LogError::OutOfRange { partition, offset: 9, start: 0 } if *partition == source),
        "{error}"
    );
}

pub(crate) fn a_record_that_is_too_large_is_refused(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "too-large", 1);
    let source = partition(&topic, 0);
    let appender = log.appender().unwrap();
    let error = wait(appender.append(&source, Some(b"k"), &vec![0; 5 << 20])).unwrap_err();
    assert!(
        matches!(&error, LogError::TooLarge { partition, .. } if *partition == source),
        "{error}"
    );
    assert!(!error.is_retriable());
    append(&*appender, &source, "k", "v");
}
