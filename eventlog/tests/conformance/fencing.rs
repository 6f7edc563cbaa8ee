//! A restart takes the place of what it restarts, which can then do no harm.

use rollcall_eventlog::{CommitError, Polled};

use crate::harness::{
    Engine, POLL, assigned, committed, eventually, join, partition, started, topic, unique, unit,
    values,
};

pub(crate) fn of_two_of_one_name_the_older_is_fenced(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "zombie", 1);
    let source = partition(&topic, 0);
    let group = unique("group");
    let mut zombie = join(&*log, &group, &topic, "one");
    started(&mut *zombie);
    zombie
        .commit(&unit(&[(&topic, 0, "k", "before")], &[(source.clone(), 1)]))
        .unwrap();

    let mut heir = join(&*log, &group, &topic, "one");
    for offsets in [&[(source.clone(), 9)][..], &[]] {
        let error = zombie
            .commit(&unit(&[(&topic, 0, "k", "zombie")], offsets))
            .unwrap_err();
        assert!(matches!(error, CommitError::Fenced { .. }), "{error:?}");
    }
    assert_eq!(assigned(&mut *heir), [(source.clone(), Some(1))]);
    heir.start(&[(source.clone(), 1)]).unwrap();
    heir.commit(&unit(&[(&topic, 0, "k", "heir")], &[(source.clone(), 2)]))
        .unwrap();
    drop(zombie);
    heir.commit(&unit(
        &[(&topic, 0, "k", "heir still")],
        &[(source.clone(), 3)],
    ))
    .unwrap();
    assert_eq!(values(&*log, &source), ["before", "heir", "heir still"]);
    assert_eq!(committed(&*log, &group, &source), Some(3));
}

pub(crate) fn a_fenced_member_is_told(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "told", 2);
    let group = unique("group");
    let mut zombie = join(&*log, &group, &topic, "one");
    let held = started(&mut *zombie);
    let mut heir = join(&*log, &group, &topic, "one");
    assert_eq!(started(&mut *heir), held);
    eventually("an end", || match zombie.poll(10, POLL) {
        Ok(Polled::Lost(_) | Polled::Idle) => None,
        Ok(other) => panic!("nothing is a zombie's any more, not {other:?}"),
        Err(error) => Some(error),
    });
}
