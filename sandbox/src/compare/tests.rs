use std::collections::BTreeSet;

use serde_json::{Map, json};

use super::*;
use crate::{
    account::Plan,
    brevo::{ContactSnapshot, Violation},
    truth::{AttributeKind, truth},
};

/// What a pipeline without faults leaves in Brevo.
fn perfect(truth: &Truth) -> Snapshot {
    let contacts = truth.contacts.iter().map(|(email, contact)| {
        let attributes: Map<String, Value> = contact.attributes.clone().into_iter().collect();
        (
            email.clone(),
            ContactSnapshot {
                attributes,
                ..ContactSnapshot::default()
            },
        )
    });
    let events = truth.events.iter().map(|(id, event)| {
        let properties = json!({"source_event_id": id, "meeting_id": event.meeting_id.to_string(), "occurrence": "o", "topic": "t"});
        EventSnapshot {
            name: event.name.clone(),
            email: event.email.clone(),
            date: String::new(),
            properties: properties.as_object().cloned().unwrap_or_default(),
        }
    });
    Snapshot {
        contacts: contacts.collect(),
        lists: truth.lists.clone(),
        events: events.collect(),
        ..Snapshot::default()
    }
}

#[test]
fn a_perfect_pipeline_shows_no_difference() {
    let truth = truth(&Plan::seeded(3, 40));
    let snapshot = perfect(&truth);
    assert_eq!(compare(&truth, &snapshot), []);
    let summary = Summary::of(&truth, &snapshot);
    assert!(summary.agrees(), "{summary}");
}

/// A fault put into a perfect snapshot, and the words by which it must be found.
type Spoiled = (fn(&mut Snapshot), &'static str);

#[test]
fn every_kind_of_fault_is_found() {
    let truth = truth(&Plan::seeded(3, 40));
    let faults: [Spoiled; 9] = [
        (
            |brevo| _ = brevo.contacts.pop_first(),
            "is no contact in Brevo",
        ),
        (
            |brevo| {
                _ = brevo
                    .contacts
                    .insert("x@y.example".into(), ContactSnapshot::default())
            },
            "should not be",
        ),
        (
            |brevo| {
                for contact in brevo.contacts.values_mut() {
                    contact
                        .attributes
                        .insert("ZOOM_TOTAL_SECONDS".into(), json!(1_000_001));
                }
            },
            "ZOOM_TOTAL_SECONDS is 1000001",
        ),
        (
            |brevo| _ = brevo.lists.insert(16, BTreeSet::new()),
            "is not on list 16",
        ),
        (
            |brevo| {
                _ = brevo
                    .lists
                    .entry(15)
                    .or_default()
                    .insert("x@y.example".into())
            },
            "is on list 15",
        ),
        (|brevo| _ = brevo.events.pop(), "never arrived"),
        (
            |brevo| brevo.events.push(brevo.events[0].clone()),
            "arrived 2 times",
        ),
        (
            |brevo| {
                _ = brevo.events[0]
                    .properties
                    .insert("source_event_id".into(), json!("other"))
            },
            "should not have",
        ),
        (
            |brevo| {
                brevo.violations.push(Violation {
                    rule: "never".into(),
                    email: "a".into(),
                    asked: "b".into(),
                })
            },
            "a: never (b)",
        ),
    ];
    for (spoil, words) in faults {
        let mut snapshot = perfect(&truth);
        spoil(&mut snapshot);
        let found: Vec<String> = compare(&truth, &snapshot)
            .iter()
            .map(Difference::to_string)
            .collect();
        assert!(
            found.iter().any(|line| line.contains(words)),
            "{words:?} not in {found:?}"
        );
        assert!(
            !Summary::of(&truth, &snapshot).agrees() || words == "should not have",
            "{words}"
        );
    }
}

#[test]
fn nothing_and_zero_are_the_same_and_other_types_are_not() {
    assert!(same(&json!(0), &Value::Null));
    assert!(same(&Value::Null, &json!("")));
    assert!(same(&json!(5), &json!(5.0)));
    assert!(!same(&json!(5), &json!("5")));
    assert!(!same(&json!("a"), &Value::Null));
    let kinds = FIELDS
        .iter()
        .filter(|field| field.kind == AttributeKind::Float)
        .count();
    assert_eq!(kinds, 9);
}
