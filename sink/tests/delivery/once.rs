//! Everything reaches Brevo, and what must happen once happens once.

use std::collections::BTreeMap;

use rollcall_eventlog::EventLog as _;
use rollcall_sandbox::account;
use rollcall_sandbox::brevo::{Behaviour, FaultRates};
use rollcall_schemas::record::{DeliveryState, MilestoneKind};

use crate::line::{Brevo, Line, activity, contact, options};

/// Two versions of every contact, and three activities that came with them.
fn write(line: &Line, people: &[String]) {
    let contacts: Vec<_> = (1..=2)
        .flat_map(|version| people.iter().map(move |email| contact(email, version)))
        .collect();
    let activities: Vec<_> = people
        .iter()
        .flat_map(|email| {
            [
                (activity(email, MilestoneKind::Registered, "r"), 1),
                (activity(email, MilestoneKind::Attended, "1"), 2),
                (activity(email, MilestoneKind::RecordingReady, "1"), 2),
            ]
        })
        .collect();
    line.append(&contacts, &activities);
}

/// What Brevo must hold in the end, and nothing beside it.
fn assert_complete(brevo: &Brevo, people: &[String]) {
    let held = brevo.account.snapshot();
    assert_eq!(held.violations, []);
    assert_eq!(held.contacts.len(), people.len());
    for contact in held.contacts.values() {
        assert_eq!(
            serde_json::to_string(&contact.attributes).unwrap(),
            r#"{"FIRSTNAME":"Ann","MEETING_DURATION":120,"MEETING_JOIN_DATE":"2026-09-14"}"#
        );
    }
    let lists = account::Lists::default();
    for list in [lists.webinar_attendees, lists.webinar_registrants] {
        assert_eq!(
            held.lists[&list].iter().collect::<Vec<_>>(),
            people.iter().collect::<Vec<_>>()
        );
    }
    assert!(held.lists[&lists.meeting_participants].is_empty());
    let mut events: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &held.events {
        *events.entry(event.source_event_id().unwrap()).or_default() += 1;
    }
    assert_eq!(events.len(), people.len() * 3);
    assert!(events.values().all(|times| *times == 1), "{events:?}");
    // In the order in which they happened, each person's.
    for email in people {
        let of: Vec<_> = held
            .events
            .iter()
            .filter(|event| event.email == **email)
            .map(|event| &*event.name)
            .collect();
        assert_eq!(of.len(), 3);
    }
}

fn people(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("person{number:03}@example.com"))
        .collect()
}

#[test]
fn a_contact_its_lists_and_its_events_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    let people = people(200);
    write(&line, &people);
    let sink = line.sink(&brevo, options(&brevo));
    let status = sink.wait("everything", |status| {
        status.confirmed.events == 600 && status.is_drained()
    });
    assert_eq!(status.confirmed.list_additions, 400);
    assert_eq!((status.failed, status.skipped, status.unknown), (0, 0, 0));
    sink.stop();

    assert_complete(&brevo, &people);
    let held = brevo.account.snapshot();
    for email in &people {
        let names: Vec<_> = held
            .events
            .iter()
            .filter(|event| event.email == *email)
            .map(|event| &*event.name)
            .collect();
        assert_eq!(
            names,
            ["zoom_registered", "zoom_attended", "zoom_recording_ready"]
        );
    }
    // Coalesced: the older version of those who waited was not sent. Lists: many at once.
    let requests = |name: &str| {
        held.requests
            .iter()
            .filter(|(request, _)| request.starts_with(name))
            .map(|(_, count)| *count)
            .sum::<u64>()
    };
    assert_eq!(requests("POST /v3/contacts 201"), 200);
    assert_eq!(requests("POST /v3/contacts 204"), 0);
    assert_eq!(requests("GET /v3/events"), 0);
    assert!(
        line.ledger()
            .values()
            .all(|state| *state == DeliveryState::Confirmed)
    );
}

#[test]
fn every_effect_once_under_faults_and_with_the_log_taken_away_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let rough = FaultRates {
        answer_lost: 0.05,
        server_error: 0.03,
        too_early: 0.03,
        slow: 0.1,
        ..FaultRates::ROUGH
    };
    let brevo = Brevo::start(rough, Behaviour::default());
    let people = people(60);
    let line = Line::open(folder.path());
    write(&line, &people);
    line.log.close().unwrap();
    drop(line);

    for requests in [20, 60, 120] {
        let line = Line::open(folder.path());
        let sink = line.sink(&brevo, options(&brevo));
        let before = count(&brevo);
        sink.wait("some requests", |status| {
            count(&brevo) >= before + requests || status.confirmed.events > 170
        });
        sink.cut(line);
    }
    let line = Line::open(folder.path());
    let sink = line.sink(&brevo, options(&brevo));
    let settled = |state: &DeliveryState| *state == DeliveryState::Confirmed;
    sink.wait("the rest", |status| {
        status.active
            && status.paused.is_none()
            && status.is_drained()
            && line.ledger().len() == 360
            && line.ledger().values().all(settled)
    });
    sink.stop();
    assert_complete(&brevo, &people);

    // A restart finds everything done.
    brevo.account.set_fault_rates(FaultRates::NONE);
    let before = brevo.account.snapshot();
    let sink = line.sink(&brevo, options(&brevo));
    sink.wait("a standstill", |status| {
        status.active && status.paused.is_none() && status.is_drained()
    });
    sink.stop();
    let after = brevo.account.snapshot();
    assert_eq!(
        (after.contacts, after.events),
        (before.contacts, before.events)
    );
}

fn count(brevo: &Brevo) -> u64 {
    brevo.account.snapshot().requests.values().sum()
}

#[test]
fn one_is_active_and_the_other_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let brevo = Brevo::start(FaultRates::NONE, Behaviour::default());
    let line = Line::open(folder.path());
    let first = line.sink(&brevo, options(&brevo));
    first.wait("the first", |status| {
        status.active && status.paused.is_none()
    });
    let second = line.sink(
        &brevo,
        rollcall_sink::Options {
            instance: "two".to_owned(),
            ..options(&brevo)
        },
    );
    let people = people(20);
    write(&line, &people);
    first.wait("its work", |status| {
        status.confirmed.events == 60 && status.is_drained()
    });
    assert!(!second.handle.status().active);
    first.stop();
    second.wait("the other", |status| {
        status.active && status.paused.is_none()
    });
    line.append(
        &[contact(&people[0], 3)],
        &[(activity(&people[0], MilestoneKind::NoShow, "2"), 3)],
    );
    let status = second.wait("its work", |status| {
        status.confirmed.events == 1 && status.is_drained()
    });
    assert_eq!(status.confirmed.contacts, 1);
    second.stop();
    assert_eq!(brevo.account.snapshot().events.len(), 61);
}
