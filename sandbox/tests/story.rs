//! Seeded stories keep the limits within which their truth is defined, and have the parts they promise.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rollcall_sandbox::{
    account::{BEGINS_MS, JOIN_GAP_MS, Plan, Status},
    deliveries::{Delivery, DeliveryFaults, Nature, SLOT_MS, deliveries},
    truth::{Attendance, truth},
};
use serde_json::Value;

const MINUTE: i64 = 60_000;

/// One thing that Zoom says, with the first time it arrives.
struct Said {
    event: &'static str,
    at_ms: i64,
    uuid: String,
    body: Value,
    first_due_ms: i64,
}

fn said(deliveries: &[Delivery]) -> Vec<Said> {
    let mut said: BTreeMap<String, Said> = BTreeMap::new();
    for delivery in deliveries {
        let body: Value = serde_json::from_str(&delivery.body).expect("JSON");
        let first = said.entry(body.to_string()).or_insert_with(|| Said {
            event: delivery.event,
            at_ms: body["event_ts"].as_i64().expect("event_ts"),
            uuid: body["payload"]["object"]["uuid"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            body: body.clone(),
            first_due_ms: delivery.due_ms,
        });
        first.first_due_ms = first.first_due_ms.min(delivery.due_ms);
    }
    said.into_values().collect()
}

fn is_of_a_session(said: &Said) -> bool {
    let (_, what) = said.event.split_once('.').expect("a dot");
    what.starts_with("participant")
        || what.starts_with("sharing")
        || matches!(what, "started" | "ended")
}

fn check_limits(seed: u64, registrants: usize) -> Result<(), TestCaseError> {
    let plan = Plan::seeded(seed, registrants);
    let deliveries = deliveries(&plan, &DeliveryFaults::default());
    prop_assert!(deliveries.is_sorted_by_key(|delivery| delivery.due_ms));
    let all = said(&deliveries);
    for said in &all {
        prop_assert!(
            said.first_due_ms >= said.at_ms,
            "{} arrives before it happens",
            said.event
        );
        prop_assert_eq!(said.first_due_ms % SLOT_MS, 0);
    }
    for holding in plan.holdings() {
        let meeting = &plan.meetings[holding.meeting];
        let sessions: Vec<_> = holding
            .sessions
            .iter()
            .map(|session| &meeting.sessions[*session])
            .collect();
        let last = sessions.last().expect("a session");
        let of_it: Vec<&Said> = all
            .iter()
            .filter(|said| {
                is_of_a_session(said) && sessions.iter().any(|session| session.uuid == said.uuid)
            })
            .collect();
        let end = of_it
            .iter()
            .find(|said| said.event.ends_with(".ended") && said.uuid == last.uuid)
            .expect("an end");
        for said in &of_it {
            let before_it_counts_as_ended = said.first_due_ms < holding.settled_ms;
            let before_anybody_knows =
                said.first_due_ms < end.first_due_ms || std::ptr::eq(*said, *end);
            prop_assert!(
                before_it_counts_as_ended || before_anybody_knows,
                "{} of {} comes too late",
                said.event,
                holding.id
            );
            prop_assert!(
                said.first_due_ms - said.at_ms < JOIN_GAP_MS,
                "{} is later than the gap",
                said.event
            );
        }
        // A restart is known before the gap after the session before it is over.
        for pair in sessions.windows(2) {
            let start = of_it
                .iter()
                .find(|said| said.event.ends_with(".started") && said.uuid == pair[1].uuid)
                .expect("a start");
            prop_assert!(start.first_due_ms < pair[0].ended_ms + JOIN_GAP_MS);
        }
    }
    for (meeting, registration) in plan
        .meetings
        .iter()
        .flat_map(|meeting| meeting.registrations.iter().map(move |one| (meeting, one)))
    {
        for fact in &registration.facts {
            let said = all
                .iter()
                .find(|said| {
                    said.at_ms == fact.at_ms
                        && said.body["payload"]["object"]["registrant"]["id"]
                            == registration.registrant_id.as_str()
                })
                .expect("every fact is said");
            prop_assert!(said.first_due_ms - fact.at_ms <= 85 * MINUTE + SLOT_MS);
            for session in meeting
                .sessions
                .iter()
                .filter(|session| session.started_ms > fact.at_ms)
            {
                prop_assert!(
                    said.first_due_ms < session.started_ms,
                    "a registration comes after a start"
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_arrives_late_still_arrives_in_time(seed: u64, registrants in 8_usize..90) {
        check_limits(seed, registrants)?;
    }

    #[test]
    fn a_truth_is_consistent_in_itself(seed: u64, registrants in 8_usize..90) {
        let plan = Plan::seeded(seed, registrants);
        let truth = truth(&plan);
        for ((email, occurrence), row) in &truth.attendance {
            let length = truth.occurrences.get(occurrence).map_or(0, |held| held.seconds);
            prop_assert!(row.seconds <= length, "{email} sat longer in {occurrence} than it ran");
            prop_assert!(row.seconds == 0 || row.status == Attendance::Attended);
            prop_assert!(row.share.unwrap_or(0) <= 100);
            prop_assert!(!email.ends_with("northlight.example"), "staff have no row");
        }
        let contacts: BTreeSet<&String> = truth.contacts.keys().collect();
        prop_assert!(truth.lists.values().flatten().all(|email| contacts.contains(email)));
        prop_assert!(truth.events.values().all(|event| contacts.contains(&event.email)));
        let owned = truth.events.iter().all(|(id, event)| id.split(' ').next() == Some(event.email.as_str()));
        prop_assert!(owned, "an event's id begins with the address");
        let listed: BTreeSet<&String> = truth.lists.values().flatten().collect();
        for event in truth.events.values().filter(|event| event.name == "zoom_attended") {
            prop_assert!(listed.contains(&event.email));
        }
        for registration in plan.meetings.iter().flat_map(|meeting| &meeting.registrations) {
            let only_once = registration.facts.iter().all(|fact| fact.status == Status::Approved);
            let spelled = registration.address.canonical.as_str();
            let others = plan.meetings.iter().flat_map(|meeting| &meeting.registrations);
            let all = others.filter(|other| other.address.canonical == spelled).count();
            prop_assert!(only_once || all == 1, "whose registration has a fate has no other");
        }
    }
}

#[test]
fn the_full_story_keeps_its_limits() {
    check_limits(1, 300).expect("within limits");
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_another() {
    let bodies = |seed| deliveries(&Plan::seeded(seed, 30), &DeliveryFaults::default());
    assert_eq!(bodies(5), bodies(5));
    assert_ne!(bodies(5), bodies(6));
}

#[test]
fn the_full_story_has_the_parts_it_promises() {
    let plan = Plan::seeded(1, 300);
    assert!(
        (300..=310).contains(&plan.registrations()),
        "{}",
        plan.registrations()
    );
    let truth = truth(&plan);
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    for row in truth.attendance.values() {
        *statuses.entry(row.status.as_str()).or_default() += 1;
    }
    for status in [
        "pending",
        "denied",
        "registered",
        "attended",
        "no_show",
        "cancelled",
    ] {
        assert!(
            statuses.get(status).is_some_and(|count| *count >= 2),
            "{status}: {statuses:?}"
        );
    }
    // Three of the series, the rehearsal, the restarted webinar, office hours, two standing tables, the call.
    assert_eq!(truth.occurrences.len(), 9);
    let held: Vec<_> = plan.holdings();
    assert_eq!(
        held.iter()
            .filter(|holding| holding.sessions.len() == 2)
            .count(),
        2,
        "one restarted, one cut"
    );
    assert_eq!(
        held.iter()
            .filter(|holding| !holding.practice.is_empty())
            .count(),
        1
    );
    let attributes: BTreeSet<&String> = truth
        .contacts
        .values()
        .flat_map(|contact| contact.attributes.keys())
        .collect();
    for field in &rollcall_sandbox::truth::FIELDS {
        assert!(
            attributes.contains(&field.attribute.to_owned()),
            "nobody has {}",
            field.attribute
        );
    }

    let deliveries = deliveries(&plan, &DeliveryFaults::default());
    for nature in [
        Nature::First,
        Nature::Retry,
        Nature::Repeated,
        Nature::SecondSubscription,
    ] {
        assert!(
            deliveries
                .iter()
                .filter(|delivery| delivery.nature == nature)
                .count()
                >= 20,
            "{nature:?}"
        );
    }
    for event in [
        "meeting.participant_put_in_waiting_room",
        "meeting.participant_left_waiting_room",
        "meeting.participant_joined_breakout_room",
        "meeting.participant_bind",
        "meeting.participant_role_changed",
        "meeting.participant_data_connection_established",
        "webinar.registration_denied",
        "recording.transcript_completed",
        "webinar.deleted",
        "meeting.updated",
    ] {
        assert!(
            deliveries.iter().any(|delivery| delivery.event == event),
            "{event}"
        );
    }
    let said = said(&deliveries);
    let due = |event: &str, uuid: &str| {
        said.iter()
            .find(|said| said.event == event && said.uuid == uuid)
            .expect("said")
            .first_due_ms
    };
    for holding in held.iter().filter(|holding| holding.sessions.len() == 2) {
        let meeting = &plan.meetings[holding.meeting];
        let kind = if meeting.webinar {
            "webinar"
        } else {
            "meeting"
        };
        let [first, second] =
            [0, 1].map(|number| meeting.sessions[holding.sessions[number]].uuid.as_str());
        assert!(
            due(&format!("{kind}.ended"), first) > due(&format!("{kind}.started"), second),
            "the end comes after the next start"
        );
    }
    let late = said.iter().filter(|said| {
        said.event.contains("registration_") && said.first_due_ms - said.at_ms > 30 * MINUTE
    });
    assert!(late.count() > 5);
    let twice: Vec<&Said> = said
        .iter()
        .filter(|said| said.event == "recording.completed")
        .collect();
    let same_but_for_its_token =
        |one: &Said, other: &Said| one.uuid == other.uuid && one.body != other.body;
    assert!(
        twice
            .iter()
            .any(|one| twice.iter().any(|other| same_but_for_its_token(one, other)))
    );
}

#[test]
fn a_crashed_clients_leave_comes_after_its_rejoin() {
    let plan = Plan::seeded(1, 300);
    let said = said(&deliveries(&plan, &DeliveryFaults::default()));
    let is_crash = |said: &&Said| {
        let participant = &said.body["payload"]["object"]["participant"];
        participant["leave_reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("Failover"))
    };
    let crashes: Vec<&Said> = said.iter().filter(is_crash).collect();
    assert!(crashes.len() >= 2);
    let inverted = crashes.iter().filter(|crash| {
        let who = &crash.body["payload"]["object"]["participant"];
        let same = |said: &&Said| {
            let other = &said.body["payload"]["object"]["participant"];
            said.uuid == crash.uuid
                && other["registrant_id"] == who["registrant_id"]
                && other["join_time"].is_string()
                && other["user_id"] != who["user_id"]
        };
        said.iter().any(|join| {
            same(&join)
                && join.first_due_ms < crash.first_due_ms
                && (join.at_ms - crash.at_ms).abs() < 2 * MINUTE
        })
    });
    assert!(inverted.count() >= 1);
}

#[test]
fn without_faults_everything_comes_once_and_in_order() {
    let plan = Plan::seeded(2, 40);
    let deliveries = deliveries(&plan, &DeliveryFaults::NONE);
    assert_eq!(deliveries.len(), said(&deliveries).len());
    for said in said(&deliveries) {
        let late = said.first_due_ms - said.at_ms;
        // Where an occurrence ends at its very end, that end waits for what was said in the same moment.
        assert!(late <= 4 * SLOT_MS, "{} is {late} ms late", said.event);
    }
    assert!(deliveries[0].due_ms > BEGINS_MS);
}
