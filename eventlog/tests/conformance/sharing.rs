//! Members of a group share out its partitions, and each partition has one reader at a time.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_eventlog::{Member, Polled, TopicPartition};

use crate::harness::{
    Engine, POLL, append, assigned, committed, eventually, join, partition, records, seen, started,
    topic, unique, unit,
};

/// Polls both until the first has partitions taken away; the other gets none meanwhile.
pub(crate) fn revoked(member: &mut dyn Member, other: &mut dyn Member) -> Vec<TopicPartition> {
    eventually("a revocation", || {
        let polled = other.poll(100, POLL).unwrap();
        assert!(
            matches!(polled, Polled::Idle),
            "nothing before the release, not {polled:?}"
        );
        match member.poll(100, POLL).unwrap() {
            Polled::Revoking(partitions) => Some(partitions),
            _ => None,
        }
    })
}

/// Polls both until the first has partitions assigned.
pub(crate) fn taken(
    member: &mut dyn Member,
    other: &mut dyn Member,
) -> BTreeMap<TopicPartition, Option<i64>> {
    eventually("an assignment", || {
        let _ = other.poll(100, POLL).unwrap();
        match member.poll(100, POLL).unwrap() {
            Polled::Assigned(partitions) => Some(partitions.into_iter().collect()),
            _ => None,
        }
    })
}

pub(crate) fn partitions_move_only_after_their_release(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "moving", 4);
    let group = unique("group");
    let mut first = join(&*log, &group, &topic, "one");
    let all = started(&mut *first);
    assert_eq!(all.len(), 4);
    let mut second = join(&*log, &group, &topic, "two");
    let revoked = revoked(&mut *first, &mut *second);
    assert_eq!(revoked.len(), 2);
    first.release(&revoked).unwrap();
    let taken = taken(&mut *second, &mut *first);
    assert_eq!(
        taken.into_keys().collect::<Vec<_>>(),
        BTreeSet::from_iter(revoked.clone())
            .into_iter()
            .collect::<Vec<_>>()
    );
    let from: Vec<_> = revoked.iter().map(|it| (it.clone(), 0)).collect();
    second.start(&from).unwrap();

    // Each reads its own, and nothing else.
    let appender = log.appender().unwrap();
    for partition in &all {
        append(&*appender, partition, "k", &partition.partition.to_string());
    }
    let read = |member: &mut dyn Member| {
        (0..2)
            .map(|_| records(member, 10).partition().clone())
            .collect::<BTreeSet<_>>()
    };
    let seconds = read(&mut *second);
    assert_eq!(seconds, revoked.into_iter().collect());
    assert_eq!(read(&mut *first), &all - &seconds);

    second.leave();
    let back: BTreeSet<_> = assigned(&mut *first)
        .into_iter()
        .map(|(it, _)| it)
        .collect();
    assert_eq!(back, seconds);
}

pub(crate) fn a_commit_before_the_release_counts(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "handed-over", 2);
    let group = unique("group");
    let appender = log.appender().unwrap();
    for number in 0..2 {
        for value in ["a", "b", "c"] {
            append(&*appender, &partition(&topic, number), "k", value);
        }
    }
    let mut first = join(&*log, &group, &topic, "one");
    started(&mut *first);
    let mut second = join(&*log, &group, &topic, "two");
    let revoked = eventually("a revocation", || {
        let _ = second.poll(100, POLL).unwrap();
        match first.poll(1, POLL).unwrap() {
            Polled::Revoking(partitions) => Some(partitions),
            _ => None,
        }
    });
    let [moving] = &revoked[..] else {
        panic!("one of two moves, not {revoked:?}")
    };
    first.commit(&unit(&[], &[(moving.clone(), 1)])).unwrap();
    first.release(&revoked).unwrap();
    assert_eq!(
        taken(&mut *second, &mut *first),
        BTreeMap::from([(moving.clone(), Some(1))])
    );
    second.start(&[(moving.clone(), 1)]).unwrap();
    assert_eq!(seen(&records(&mut *second, 1))[0].1.as_deref(), Some("b"));
    assert_eq!(committed(&*log, &group, moving), Some(1));
}

pub(crate) fn groups_do_not_disturb_each_other(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "groups", 2);
    let source = partition(&topic, 0);
    append(&*log.appender().unwrap(), &source, "k", "v");
    let groups = [unique("group"), unique("group")];
    for (group, offset) in groups.iter().zip([1, 0]) {
        let mut member = join(&*log, group, &topic, "same name");
        assert_eq!(started(&mut *member).len(), 2);
        assert_eq!(seen(&records(&mut *member, 10)).len(), 1);
        member
            .commit(&unit(&[], &[(source.clone(), offset)]))
            .unwrap();
    }
    for (group, offset) in groups.iter().zip([1, 0]) {
        assert_eq!(committed(&*log, group, &source), Some(offset));
    }
}
