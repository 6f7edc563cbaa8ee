//! Units of work are visible whole, or not at all.

use std::collections::HashMap;

use rollcall_eventlog::CommitError;

use crate::harness::{
    Engine, POLL, assigned, committed, contents_at, eventually, join, partition, put, started,
    topic, unique, unit, values,
};

pub(crate) fn a_unit_becomes_visible_whole(engine: &dyn Engine) {
    let log = engine.open();
    let (first, second) = (topic(&*log, "first", 2), topic(&*log, "second", 1));
    let group = unique("group");
    let mut member = join(&*log, &group, &first, "one");
    let held = started(&mut *member);
    let offsets: Vec<_> = held.iter().map(|held| (held.clone(), 7)).collect();
    let outputs = [
        (&first, 1, "a", "1"),
        (&second, 0, "b", "2"),
        (&first, 0, "c", "3"),
        (&first, 1, "d", "4"),
    ];
    member.commit(&unit(&outputs, &offsets)).unwrap();

    assert_eq!(values(&*log, &partition(&first, 0)), ["3"]);
    assert_eq!(values(&*log, &partition(&first, 1)), ["1", "4"]);
    assert_eq!(values(&*log, &partition(&second, 0)), ["2"]);
    for held in &held {
        assert_eq!(committed(&*log, &group, held), Some(7));
    }
    assert_eq!(
        committed(&*log, &unique("other"), &partition(&first, 0)),
        None
    );
}

pub(crate) fn a_unit_that_fails_leaves_no_trace(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "failing", 2);
    let group = unique("group");
    let [source, other] = [0, 1].map(|number| partition(&topic, number));
    let mut member = join(&*log, &group, &topic, "one");
    started(&mut *member);

    let mut failing = unit(
        &[(&topic, 0, "a", "never"), (&topic, 1, "b", "never")],
        &[(source.clone(), 3)],
    );
    let large = "x".repeat(5 << 20);
    put(&mut failing, &topic, 1, "c", Some(&large));
    let error = member.commit(&failing).unwrap_err();
    assert!(
        matches!(error, CommitError::Log(_) | CommitError::Aborted { .. }),
        "{error:?}"
    );
    assert_eq!(committed(&*log, &group, &source), None);

    // The member goes on, and a reader never sees the other.
    member
        .commit(&unit(
            &[(&topic, 0, "a", "next"), (&topic, 1, "b", "next")],
            &[(source.clone(), 4)],
        ))
        .unwrap();
    assert_eq!(values(&*log, &source), ["next"]);
    assert_eq!(values(&*log, &other), ["next"]);
    assert_eq!(committed(&*log, &group, &source), Some(4));
}

pub(crate) fn a_large_unit_is_one(engine: &dyn Engine) {
    const OUTPUTS: usize = 50_000;
    let log = engine.open();
    let topic = topic(&*log, "large", 4);
    let mut member = join(&*log, &unique("group"), &topic, "one");
    let mut large = unit(&[], &[]);
    for number in 0..OUTPUTS {
        let value = format!("{number:0100}");
        put(
            &mut large,
            &topic,
            u32::try_from(number % 4).unwrap(),
            &value[90..],
            Some(&value),
        );
    }
    member.commit(&large).unwrap();
    for number in 0..4 {
        let values = values(&*log, &partition(&topic, number));
        let expected = (0..OUTPUTS)
            .skip(number as usize)
            .step_by(4)
            .map(|it| format!("{it:0100}"));
        assert!(values.into_iter().eq(expected), "partition {number}");
    }
}

pub(crate) fn units_survive_a_reopening(engine: &dyn Engine) {
    let group = unique("group");
    let log = engine.open();
    let topic = topic(&*log, "reopened", 2);
    let source = partition(&topic, 0);
    for round in 0..3 {
        let log = engine.open();
        let mut member = join(&*log, &group, &topic, "one");
        let expected = (round > 0).then_some(round);
        let found = assigned(&mut *member)
            .into_iter()
            .find(|(found, _)| *found == source);
        assert_eq!(found, Some((source.clone(), expected)));
        let value = round.to_string();
        let outputs = [(&topic, 0, "k", &*value), (&topic, 1, "k", &*value)];
        member
            .commit(&unit(&outputs, &[(source.clone(), round + 1)]))
            .unwrap();
        for number in 0..2 {
            let expected: Vec<_> = (0..=round).map(|it| it.to_string()).collect();
            assert_eq!(values(&*log, &partition(&topic, number)), expected);
        }
        member.leave();
    }
}

pub(crate) fn readers_see_the_units_of_many_members_in_order(engine: &dyn Engine) {
    const MEMBERS: u32 = 3;
    const UNITS: u32 = 20;
    let log = engine.open();
    let topic = topic(&*log, "many", 2);
    std::thread::scope(|scope| {
        for name in 0..MEMBERS {
            let (log, topic) = (&log, &topic);
            scope.spawn(move || {
                let mut member = join(&**log, &unique("group"), topic, "one");
                for number in 0..UNITS {
                    let (key, value) = (name.to_string(), number.to_string());
                    let outputs = [
                        (topic, 0, &*key, &*value),
                        (topic, 1, &*key, &*value),
                        (topic, 0, &*key, "end"),
                    ];
                    member.commit(&unit(&outputs, &[])).unwrap();
                }
            });
        }
        // Reads along: what it is shown of a unit ends with its end, and no unit is shown twice.
        let mut reader = log.reader(&[(partition(&topic, 0), 0)]).unwrap();
        let mut next: HashMap<String, u32> = HashMap::new();
        eventually("all units", || {
            if let Some(batch) = reader.poll(7, POLL).unwrap() {
                for (key, value) in crate::harness::seen(&batch) {
                    let next = next.entry(key).or_default();
                    let value = value.unwrap();
                    let expected = if next.is_multiple_of(2) {
                        (*next / 2).to_string()
                    } else {
                        "end".into()
                    };
                    assert_eq!(value, expected);
                    *next += 1;
                }
            }
            (next.values().sum::<u32>() == 2 * MEMBERS * UNITS).then_some(())
        });
    });
    // The two records of a unit are never apart, whoever else commits at the time.
    let keys: Vec<_> = contents_at(&*log, &partition(&topic, 0))
        .into_iter()
        .map(|(_, (key, _))| key)
        .collect();
    assert!(keys.chunks(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(
        contents_at(&*log, &partition(&topic, 1)).len(),
        (MEMBERS * UNITS) as usize
    );
}
