//! One active process a role.

use std::sync::Arc;
use std::time::Duration;

use rollcall_eventlog::{CommitError, EventLog, UnitOfWork};
use rollcall_runtime::{Lease, LeaseError, Transition};

use crate::counting::EVENTS;
use crate::harness::{Engine, memory_log, records, settings};

const SOON: Duration = Duration::from_millis(20);

fn unit() -> UnitOfWork {
    let mut unit = UnitOfWork::default();
    unit.outputs.push(
        &EVENTS.into(),
        0,
        Some(b"key"),
        Some(&mut |out| out.push(b'v')),
        [],
    );
    unit
}

/// Polls until there is a transition.
fn next(lease: &mut Lease) -> Transition {
    for _ in 0..500 {
        if let Some(transition) = lease.poll(SOON).unwrap() {
            return transition;
        }
    }
    panic!("no transition within ten seconds");
}

#[test]
fn the_lease_goes_on_to_another_when_it_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let log = Engine::Embedded.open(folder.path());
    let claim = |name: &str| Lease::claim(Arc::clone(&log), &settings(), "sink", name).unwrap();
    let mut first = claim("first");
    assert_eq!(next(&mut first), Transition::Active);
    let mut second = claim("second");
    assert_eq!(second.poll(SOON).unwrap(), None);
    assert!(first.is_active() && !second.is_active());

    let mut first_unit = unit();
    first.commit(&mut first_unit).unwrap();
    assert!(
        first_unit.offsets.is_empty(),
        "the lease's own offset does not stay in the unit"
    );
    assert!(matches!(
        second.commit(&mut unit()),
        Err(LeaseError::Standby { .. })
    ));
    assert_eq!(records(log.as_ref(), EVENTS).len(), 1);

    first.leave();
    assert_eq!(next(&mut second), Transition::Active);
    second.commit(&mut unit()).unwrap();
    assert_eq!(records(log.as_ref(), EVENTS).len(), 2);
}

#[test]
fn one_who_lost_the_lease_without_noticing_commits_nothing() {
    let memory = memory_log(false);
    let log: Arc<dyn EventLog> = Arc::new(memory.clone());
    let claim = |name: &str| Lease::claim(Arc::clone(&log), &settings(), "sink", name).unwrap();
    let (mut first, mut second) = (claim("first"), claim("second"));
    assert_eq!(next(&mut first), Transition::Active);
    memory.time_out(first.group(), "first");
    assert_eq!(next(&mut second), Transition::Active);
    assert!(first.is_active(), "it does not know yet");
    let refused = first.commit(&mut unit());
    assert!(
        matches!(
            refused,
            Err(LeaseError::Commit(CommitError::Aborted { .. }))
        ),
        "{refused:?}"
    );
    assert!(records(&memory, EVENTS).is_empty());
    assert_eq!(next(&mut first), Transition::Standby);
    assert!(!first.is_active());
}

#[test]
fn one_who_is_asked_to_hand_over_may_finish_first() {
    let memory = memory_log(false);
    let log: Arc<dyn EventLog> = Arc::new(memory.clone());
    let claim = |name: &str| Lease::claim(Arc::clone(&log), &settings(), "sink", name).unwrap();
    let (mut first, mut second) = (claim("first"), claim("second"));
    assert_eq!(next(&mut first), Transition::Active);
    // The second now holds the lease, and the first comes before it in the group again.
    memory.time_out(second.group(), "first");
    assert_eq!(next(&mut second), Transition::Active);
    assert_eq!(next(&mut first), Transition::Standby);
    memory.put_last(second.group(), "second");
    assert_eq!(next(&mut second), Transition::Ending);
    second.commit(&mut unit()).unwrap();
    assert_eq!(
        first.poll(SOON).unwrap(),
        None,
        "it waits until the second has let go"
    );
    assert_eq!(next(&mut second), Transition::Standby);
    assert_eq!(next(&mut first), Transition::Active);
    assert!(matches!(
        second.commit(&mut unit()),
        Err(LeaseError::Standby { .. })
    ));
    assert_eq!(records(&memory, EVENTS).len(), 1);
}
