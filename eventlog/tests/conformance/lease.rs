//! The lease: of those that share one partition, one is active.

use std::sync::Arc;

use rollcall_eventlog::{CommitError, EventLog, Member, Polled};

use crate::harness::{
    Engine, POLL, assigned, committed, eventually, join, partition, started, topic, unique, unit,
    values,
};

/// Two that want the lease, the first of which has it.
fn contest(log: &dyn EventLog, group: &str, leases: &Arc<str>) -> [Box<dyn Member>; 2] {
    let mut active = join(log, group, leases, "active");
    started(&mut *active);
    let mut standby = join(log, group, leases, "standby");
    for round in 0..20 {
        assert!(
            matches!(standby.poll(10, POLL).unwrap(), Polled::Idle),
            "round {round}"
        );
        assert!(
            matches!(active.poll(10, POLL).unwrap(), Polled::Idle),
            "round {round}"
        );
        // While the standby joins, the generation that a commit names may be over.
        eventually("a commit of the active one", || {
            match active.commit(&unit(&[], &[(partition(leases, 0), 0)])) {
                Err(CommitError::Aborted { .. }) => {
                    assert!(matches!(active.poll(10, POLL).unwrap(), Polled::Idle));
                    None
                }
                Ok(()) => Some(()),
                Err(error) => panic!("{error:?}"),
            }
        });
    }
    [active, standby]
}

pub(crate) fn one_of_two_is_active_until_it_leaves(engine: &dyn Engine) {
    let log = engine.open();
    let (leases, output) = (topic(&*log, "leases", 1), topic(&*log, "output", 1));
    let group = unique("group");
    let [mut active, mut standby] = contest(&*log, &group, &leases);
    active
        .commit(&unit(
            &[(&output, 0, "k", "active")],
            &[(partition(&leases, 0), 0)],
        ))
        .unwrap();
    active.leave();
    assert_eq!(assigned(&mut *standby), [(partition(&leases, 0), Some(0))]);
    standby
        .commit(&unit(
            &[(&output, 0, "k", "standby")],
            &[(partition(&leases, 0), 0)],
        ))
        .unwrap();
    assert_eq!(values(&*log, &partition(&output, 0)), ["active", "standby"]);
    assert_eq!(committed(&*log, &group, &partition(&leases, 0)), Some(0));
}

pub(crate) fn one_of_two_is_active_until_it_dies(engine: &dyn Engine) {
    let log = engine.open();
    let leases = topic(&*log, "leases", 1);
    let group = unique("group");
    let [active, mut standby] = contest(&*log, &group, &leases);
    drop(active);
    assert_eq!(assigned(&mut *standby), [(partition(&leases, 0), Some(0))]);
}
