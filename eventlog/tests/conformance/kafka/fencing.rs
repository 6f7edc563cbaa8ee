//! Who was replaced, or is out of the group, can do no harm and is told.

use std::collections::BTreeSet;
use std::time::Duration;

use rollcall_eventlog::kafka::{KafkaConfig, KafkaLog};
use rollcall_eventlog::{CommitError, Polled};

use crate::harness::{
    POLL, assigned, committed, eventually, join, partition, started, topic, unique, unit, values,
};

#[test]
fn a_restart_takes_over_without_the_end_of_the_session() {
    let Some(brokers) = super::brokers() else {
        return;
    };
    // The session of five minutes is longer than anything is waited for.
    let log = KafkaLog::open(super::patient(brokers)).unwrap();
    let (topic, group) = (topic(&*log, "restart", 1), unique("group"));
    let source = partition(&topic, 0);
    let mut before = join(&*log, &group, &topic, "one");
    started(&mut *before);
    before
        .commit(&unit(&[(&topic, 0, "k", "before")], &[(source.clone(), 1)]))
        .unwrap();
    let mut heir = join(&*log, &group, &topic, "one");
    assert_eq!(assigned(&mut *heir), [(source.clone(), Some(1))]);
    heir.start(&[(source.clone(), 1)]).unwrap();
    heir.commit(&unit(&[(&topic, 0, "k", "heir")], &[(source.clone(), 2)]))
        .unwrap();
    assert_eq!(values(&*log, &source), ["before", "heir"]);
}

#[test]
fn outputs_alone_of_a_fenced_member_leave_no_trace() {
    let Some(brokers) = super::brokers() else {
        return;
    };
    let log = KafkaLog::open(super::patient(brokers)).unwrap();
    let (topic, group) = (topic(&*log, "zombie-outputs", 1), unique("group"));
    // Neither is in the group yet: the transactional id alone decides.
    let mut zombie = join(&*log, &group, &topic, "one");
    zombie
        .commit(&unit(&[(&topic, 0, "k", "before")], &[]))
        .unwrap();
    let mut heir = join(&*log, &group, &topic, "one");
    let error = zombie
        .commit(&unit(&[(&topic, 0, "k", "zombie")], &[]))
        .unwrap_err();
    assert!(matches!(error, CommitError::Fenced { .. }), "{error:?}");
    heir.commit(&unit(&[(&topic, 0, "k", "heir")], &[]))
        .unwrap();
    assert_eq!(values(&*log, &partition(&topic, 0)), ["before", "heir"]);
}

/// A configuration under which who does not poll for two seconds is out.
fn impatient(brokers: String) -> KafkaConfig {
    let mut config = KafkaConfig::new(brokers);
    config.session_timeout = Duration::from_secs(2);
    config.max_poll_interval = Duration::from_secs(2);
    config
}

#[test]
fn a_member_that_does_not_poll_loses_its_place_and_cannot_commit() {
    let Some(brokers) = super::brokers() else {
        return;
    };
    let log = KafkaLog::open(impatient(brokers)).unwrap();
    let (topic, group) = (topic(&*log, "lost", 1), unique("group"));
    let source = partition(&topic, 0);
    let mut slow = join(&*log, &group, &topic, "slow");
    started(&mut *slow);
    let mut other = join(&*log, &group, &topic, "other");
    assert_eq!(assigned(&mut *other), [(source.clone(), None)]);
    other.start(&[(source.clone(), 0)]).unwrap();
    other
        .commit(&unit(&[(&topic, 0, "k", "other")], &[(source.clone(), 5)]))
        .unwrap();

    let error = slow
        .commit(&unit(&[(&topic, 0, "k", "slow")], &[(source.clone(), 3)]))
        .unwrap_err();
    assert!(matches!(error, CommitError::Fenced { .. }), "{error:?}");
    assert_eq!(committed(&*log, &group, &source), Some(5));
    assert_eq!(values(&*log, &source), ["other"]);
}

#[test]
fn a_member_that_lost_its_partitions_is_told_and_gets_them_back() {
    let Some(brokers) = super::brokers() else {
        return;
    };
    let log = KafkaLog::open(impatient(brokers)).unwrap();
    let (topic, group) = (topic(&*log, "told", 2), unique("group"));
    let mut member = join(&*log, &group, &topic, "one");
    let held = started(&mut *member);
    std::thread::sleep(Duration::from_secs(4));
    let lost = eventually("the loss", || match member.poll(100, POLL).unwrap() {
        Polled::Lost(partitions) => Some(partitions),
        Polled::Records(_) | Polled::Idle => None,
        other => panic!("a loss was expected, not {other:?}"),
    });
    assert_eq!(lost.into_iter().collect::<BTreeSet<_>>(), held);
    assert_eq!(started(&mut *member), held);
    let offsets: Vec<_> = held.into_iter().map(|partition| (partition, 1)).collect();
    member.commit(&unit(&[], &offsets)).unwrap();
}
