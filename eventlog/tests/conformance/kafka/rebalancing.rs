//! Partitions go from one member to another, whatever the two are at.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_eventlog::Polled;
use rollcall_eventlog::kafka::KafkaLog;

use crate::harness::{POLL, assigned, join, started, topic, unique, unit};
use crate::sharing::{revoked, taken};

#[test]
fn partitions_are_released_and_started_one_by_one() {
    let Some(brokers) = super::brokers() else {
        return;
    };
    let log = KafkaLog::open(super::patient(brokers)).unwrap();
    let (topic, group) = (topic(&*log, "rebalance", 4), unique("group"));
    let mut first = join(&*log, &group, &topic, "one");
    assert_eq!(started(&mut *first).len(), 4);
    let mut second = join(&*log, &group, &topic, "two");

    let revoked = revoked(&mut *first, &mut *second);
    assert_eq!(revoked.len(), 2);
    let offsets: BTreeMap<_, _> = revoked.iter().map(|it| (it.clone(), Some(7))).collect();
    let committed: Vec<_> = revoked.iter().map(|it| (it.clone(), 7)).collect();
    first.commit(&unit(&[], &committed)).unwrap();
    for partition in &revoked {
        let polled = second.poll(100, POLL).unwrap();
        assert!(
            matches!(polled, Polled::Idle),
            "nothing before all is released, not {polled:?}"
        );
        first.release(std::slice::from_ref(partition)).unwrap();
    }
    let taken = taken(&mut *second, &mut *first);
    assert_eq!(taken, offsets);
    for partition in taken.into_keys() {
        second.start(&[(partition, 7)]).unwrap();
    }
    second.leave();
    assert_eq!(started(&mut *first), revoked.into_iter().collect());
}

#[test]
fn a_partition_that_was_never_started_can_be_taken_away() {
    let Some(brokers) = super::brokers() else {
        return;
    };
    let log = KafkaLog::open(super::patient(brokers)).unwrap();
    let (topic, group) = (topic(&*log, "unstarted", 2), unique("group"));
    let mut first = join(&*log, &group, &topic, "one");
    let partitions = assigned(&mut *first);
    // The assignor takes the lower of two away, which is the one that is not started.
    let (start, _) = partitions.iter().max().expect("two partitions");
    first.start(&[(start.clone(), 0)]).unwrap();
    let mut second = join(&*log, &group, &topic, "two");
    let revoked = revoked(&mut *first, &mut *second);
    assert_ne!(
        revoked,
        std::slice::from_ref(start),
        "the test is about the other one"
    );
    first.release(&revoked).unwrap();
    let taken = taken(&mut *second, &mut *first);
    assert_eq!(taken.into_keys().collect::<Vec<_>>(), revoked);
    // A member can go at any moment: this one has not answered its assignment.
    drop(second);
    first.leave();
}

/// Leaving is not to wait for the session to end, nor to hang.
#[test]
fn a_member_can_leave_at_every_point_of_a_rebalance() {
    let Some(brokers) = super::brokers() else {
        return;
    };
    let log = KafkaLog::open(super::patient(brokers)).unwrap();
    let (topic, group) = (topic(&*log, "leaving", 2), unique("group"));

    join(&*log, &group, &topic, "not polled").leave();

    let mut unanswered = join(&*log, &group, &topic, "assigned");
    let all: BTreeSet<_> = assigned(&mut *unanswered)
        .into_iter()
        .map(|(partition, _)| partition)
        .collect();
    unanswered.leave();

    let mut first = join(&*log, &group, &topic, "revoking");
    assert_eq!(started(&mut *first), all);
    let mut second = join(&*log, &group, &topic, "two");
    let revoked = revoked(&mut *first, &mut *second);
    assert_eq!(revoked.len(), 1);
    first.leave();
    let mut got = BTreeSet::new();
    while got.len() < 2 {
        got.extend(started(&mut *second));
    }
    assert_eq!(got, all);

    // This one goes while the group shares out anew because another came.
    let third = join(&*log, &group, &topic, "three");
    second.leave();
    third.leave();
}
