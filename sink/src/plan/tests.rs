//! The planner against answers given by hand, and against a model of Brevo that loses them.

mod model;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rollcall_schemas::record::{Activity, Contact, DeliveryState, MilestoneKind};

use super::{Answer, Call, Moment, Outputs, Planner, ReadContact, Rules, Taken};
use crate::backoff::Backoff;
use crate::effect::Wanted;
use crate::error_class::{Class, Heal};
use crate::ledger_store::LedgerStore;
use crate::limits::{Limiter, Plan};
use crate::mapping::Mapping;
use crate::mapping::attribute::AttributeType;
use crate::options::{FieldMapping, Lists, Options, UpdatePolicy};
use crate::order::Source;
use crate::progress::{Place, SourceTopic};

const ANN: &str = "ann@example.com";
const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 1_789_398_000_000;
const ATTENDEES: i64 = 16;

fn rules() -> Rules {
    let lists = Lists {
        webinar_attendees: Some(ATTENDEES),
        ..Lists::default()
    };
    let mapping = [("score", "SCORE"), ("phone", "SMS")].map(|(field, attribute)| FieldMapping {
        field: field.into(),
        attribute: attribute.into(),
        update: UpdatePolicy::Always,
    });
    Rules {
        wanted: Wanted::of(Options::all_events(), lists),
        mapping: Mapping::new(&mapping).unwrap(),
        max_activity_age: Duration::from_secs(72 * 3600),
        verify_after: vec![Duration::from_secs(120), Duration::from_secs(600)],
        backoff: Backoff {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        },
        list_linger: Duration::ZERO,
        max_calls: 64,
    }
}

fn types() -> BTreeMap<String, AttributeType> {
    [
        ("SCORE".to_owned(), AttributeType::Float),
        ("SMS".to_owned(), AttributeType::Text),
    ]
    .into()
}

fn source(topic: SourceTopic, offset: i64) -> Arc<Source> {
    let place = Place {
        topic,
        partition: 0,
        offset,
    };
    Arc::new(Source {
        place,
        timestamp: START_MS,
        key: b"k".to_vec(),
        value: b"v".to_vec(),
        headers: Vec::new(),
    })
}

fn contact(email: &str, version: i64) -> Contact<'static> {
    Contact {
        email: email.to_owned().into(),
        version,
        score: i32::try_from(version).unwrap(),
        ..Contact::default()
    }
}

fn activity(email: &str, kind: MilestoneKind, about: &str, at: i64) -> Activity<'static> {
    Activity {
        id: format!("{email} x:{about}").into(),
        email: email.to_owned().into(),
        kind,
        at,
        occurrence: about.to_owned().into(),
        meeting_id: "1".into(),
        webinar: true,
        ..Activity::default()
    }
}

/// A planner and the time, driven by hand.
struct Rig {
    planner: Planner,
    limiter: Limiter,
    at: Instant,
    clock_ms: i64,
    offset: i64,
    outputs: Outputs,
    durable: Vec<(String, rollcall_schemas::record::Delivery<'static>)>,
}

impl Rig {
    fn new() -> Self {
        Self::over(Vec::new())
    }

    fn over(durable: Vec<(String, rollcall_schemas::record::Delivery<'static>)>) -> Self {
        let mut ledger = LedgerStore::default();
        for (key, delivery) in &durable {
            ledger.restore(key.as_bytes(), Some(delivery));
        }
        Self {
            planner: Planner::new(rules(), types(), ledger),
            limiter: Limiter::new(Plan::Unlimited, 1.0),
            at: Instant::now(),
            clock_ms: START_MS,
            offset: 0,
            outputs: Outputs::default(),
            durable,
        }
    }

    fn restarted(self) -> Self {
        Self::over(self.durable)
    }

    fn now(&self) -> Moment {
        Moment {
            clock_ms: self.clock_ms,
            at: self.at,
            chance: 1.0,
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.at += Duration::from_secs(seconds);
        self.clock_ms += i64::try_from(seconds * 1000).unwrap();
    }

    fn contact(&mut self, contact: &Contact<'_>) -> Taken {
        self.offset += 1;
        let now = self.now();
        let taken = self.planner.contact(
            source(SourceTopic::Contacts, self.offset),
            contact,
            true,
            now,
        );
        self.planner
            .read_to(SourceTopic::Contacts, 0, self.offset + 1);
        taken
    }

    fn activity(&mut self, activity: &Activity<'_>, version: i64) -> Taken {
        self.offset += 1;
        let now = self.now();
        let taken = self.planner.activity(
            source(SourceTopic::Activities, self.offset),
            activity,
            version,
            now,
        );
        self.planner
            .read_to(SourceTopic::Activities, 0, self.offset + 1);
        taken
    }

    fn plan(&mut self) -> Vec<Call> {
        let now = self.now();
        let calls = self.planner.plan(&mut self.limiter, now);
        self.outputs = self.planner.take_outputs();
        self.durable.extend(self.outputs.ledger.iter().cloned());
        calls
    }

    /// Plans, and expects one call.
    fn one(&mut self) -> Call {
        let mut calls = self.plan();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.remove(0)
    }

    fn answer(&mut self, call: &Call, answer: Answer) {
        let now = self.now();
        self.planner.answered(call, answer, now);
    }

    fn done(&mut self, call: &Call) {
        let answer = match call {
            Call::AddToList { .. } => Answer::Added {
                status: 201,
                left_out: HashSet::new(),
            },
            _ => Answer::Done { status: 204 },
        };
        self.answer(call, answer);
    }

    /// States of an effect in the ledger, in order.
    fn states(&self, effect: &str) -> Vec<DeliveryState> {
        let of = self
            .durable
            .iter()
            .filter(|(_, delivery)| &*delivery.effect_id == effect);
        of.map(|(_, delivery)| delivery.state).collect()
    }

    /// How often the ledger says that an effect was sent, or may have been.
    fn sendings(&self, effect: &str) -> i32 {
        let last = self
            .durable
            .iter()
            .rfind(|(_, delivery)| &*delivery.effect_id == effect);
        last.unwrap().1.attempts
    }

    /// A contact that Brevo has.
    fn with_contact(mut self) -> Self {
        self.contact(&contact(ANN, 1));
        let call = self.one();
        self.done(&call);
        self.plan();
        self
    }
}

fn lost() -> Answer {
    Answer::NoAnswer {
        reason: "timed out".into(),
    }
}

fn refused(status: u16, class: Class) -> Answer {
    Answer::Refused { status, class }
}

fn page(source_ids: &[&str]) -> Answer {
    let source_ids: Vec<_> = source_ids.iter().map(|id| (*id).to_owned()).collect();
    Answer::Events {
        read: source_ids.len(),
        count: source_ids.len(),
        source_ids,
    }
}

const NO_SHOW: MilestoneKind = MilestoneKind::NoShow;
use DeliveryState::{Confirmed, Failed, Intended, Skipped, UnknownOutcome};

#[test]
fn contact_then_list_then_event_one_at_a_time() {
    let mut rig = Rig::new();
    rig.activity(&activity(ANN, MilestoneKind::Attended, "1", START_MS), 2);
    assert_eq!(rig.plan(), []);
    rig.contact(&contact(ANN, 2));
    let upsert = rig.one();
    assert!(matches!(&upsert, Call::Upsert { request, .. } if &*request.email == ANN));
    assert_eq!(rig.plan(), []);
    rig.done(&upsert);
    let list = rig.one();
    assert_eq!(
        list,
        Call::AddToList {
            list: ATTENDEES,
            emails: vec![ANN.into()]
        }
    );
    assert_eq!(rig.states("list:16"), [Intended]);
    assert_eq!(rig.plan(), []);
    rig.done(&list);
    let event = rig.one();
    assert!(matches!(&event, Call::Event { request, .. } if request.event_name == "zoom_attended"));
    assert_eq!(rig.states("event:x:1"), [Intended]);
    rig.done(&event);
    assert_eq!(rig.plan(), []);
    assert_eq!(rig.states("contact"), [Confirmed]);
    assert_eq!(rig.states("list:16"), [Intended, Confirmed]);
    assert_eq!(rig.states("event:x:1"), [Intended, Confirmed]);
    assert_eq!(rig.planner.unsettled(SourceTopic::Activities), 0);
    assert!(rig.planner.people.is_empty());
}

#[test]
fn versions_are_coalesced_while_they_wait() {
    let mut rig = Rig::new();
    rig.contact(&contact(ANN, 1));
    rig.contact(&contact(ANN, 2));
    let first = rig.one();
    rig.contact(&contact(ANN, 3));
    rig.contact(&contact(ANN, 4));
    assert_eq!(rig.plan(), []);
    assert_eq!(rig.outputs.positions, [(SourceTopic::Contacts, 0, 2)]);
    rig.done(&first);
    let second = rig.one();
    let sent = |call: &Call| match call {
        Call::Upsert { request, .. } => serde_json::to_string(&request.attributes).unwrap(),
        _ => panic!("{call:?}"),
    };
    assert_eq!(
        (sent(&first).as_str(), sent(&second).as_str()),
        (r#"{"SCORE":2}"#, r#"{"SCORE":4}"#)
    );
    rig.done(&second);
    rig.plan();
    assert_eq!(rig.outputs.positions, [(SourceTopic::Contacts, 0, 5)]);
}

#[test]
fn equal_values_are_not_sent_again_for_a_week() {
    let mut rig = Rig::new().with_contact();
    let same = |version| Contact {
        version,
        ..contact(ANN, 1)
    };
    rig.wait(6 * 24 * 3600);
    rig.contact(&same(2));
    assert_eq!(rig.plan(), []);
    assert_eq!(rig.states("contact"), [Confirmed, Confirmed]);
    // Not the skip, but the sending is a week ago.
    rig.wait(24 * 3600);
    rig.contact(&same(3));
    let call = rig.one();
    rig.done(&call);
    // And an activity that names a version which was skipped goes out after a restart too.
    let mut rig = rig.restarted();
    rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 2);
    assert!(matches!(rig.one(), Call::Event { .. }));
}

#[test]
fn equal_values_are_sent_again_where_a_version_between_may_have_arrived() {
    // 1 is confirmed, 2 is sent and not answered, 3 has the values of 1.
    let mut rig = Rig::new().with_contact();
    rig.contact(&contact(ANN, 2));
    let second = rig.one();
    rig.contact(&Contact {
        version: 3,
        ..contact(ANN, 1)
    });
    rig.answer(&second, lost());
    rig.wait(60);
    let third = rig.one();
    rig.done(&third);
    // The same with a crash between.
    rig.contact(&contact(ANN, 4));
    rig.one();
    let mut rig = rig.restarted();
    let now = rig.now();
    let again = Contact {
        version: 5,
        ..contact(ANN, 1)
    };
    rig.planner.contact(
        source(SourceTopic::Contacts, 4),
        &contact(ANN, 4),
        false,
        now,
    );
    rig.planner
        .contact(source(SourceTopic::Contacts, 5), &again, true, now);
    rig.one();
}

#[test]
fn an_event_of_unknown_outcome_is_looked_for_three_times_and_sent_once_more() {
    let mut rig = Rig::new().with_contact();
    rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 1);
    rig.activity(&activity(ANN, NO_SHOW, "2", START_MS), 1);
    let first = rig.one();
    rig.answer(&first, lost());
    // It holds back nothing but itself.
    let mut calls = rig.plan();
    assert_eq!(calls.len(), 2, "{calls:?}");
    let (second, look_up) = (calls.pop().unwrap(), calls.pop().unwrap());
    rig.done(&second);
    assert_eq!(
        look_up,
        Call::FindEvents {
            names: vec!["zoom_no_show"],
            from_ms: START_MS - 60_000,
            to_ms: START_MS + 60_000,
            offset: 0,
        }
    );
    rig.answer(&look_up, page(&["someone else's"]));
    assert_eq!(rig.plan(), []);
    rig.wait(120);
    let look_up = rig.one();
    rig.answer(&look_up, page(&[]));
    rig.wait(479);
    assert_eq!(rig.plan(), []);
    rig.wait(1);
    let look_up = rig.one();
    rig.answer(&look_up, page(&[]));
    let again = rig.one();
    assert_eq!(again, first);
    rig.done(&again);
    rig.plan();
    assert_eq!(
        rig.states("event:x:1"),
        [Intended, UnknownOutcome, Intended, Confirmed]
    );
    assert_eq!(
        rig.durable.last().map(|(_, delivery)| delivery.attempts),
        Some(2)
    );
    assert_eq!(rig.planner.unknown(), 0);
}

#[test]
fn an_event_that_is_found_is_not_sent_again() {
    let mut rig = Rig::new().with_contact();
    rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 1);
    let event = rig.one();
    rig.answer(
        &event,
        refused(
            502,
            Class::Unclear {
                reason: "502".into(),
            },
        ),
    );
    let look_up = rig.one();
    // It is on the second page.
    rig.answer(
        &look_up,
        Answer::Events {
            read: 1,
            count: 2,
            source_ids: vec!["another's".into()],
        },
    );
    let second_page = rig.one();
    assert!(matches!(second_page, Call::FindEvents { offset: 1, .. }));
    rig.answer(
        &second_page,
        Answer::Events {
            read: 1,
            count: 2,
            source_ids: vec![format!("{ANN} x:1")],
        },
    );
    assert_eq!(rig.plan(), []);
    assert_eq!(
        rig.states("event:x:1"),
        [Intended, UnknownOutcome, Confirmed]
    );
    assert_eq!(rig.planner.unsettled(SourceTopic::Activities), 0);
}

#[test]
fn what_was_intended_before_a_restart_is_looked_for_first() {
    let mut rig = Rig::new().with_contact();
    rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 1);
    rig.one();
    let mut rig = rig.restarted();
    assert_eq!(
        rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 1),
        Taken::Effective
    );
    let look_up = rig.one();
    assert!(matches!(look_up, Call::FindEvents { .. }));
    assert_eq!(rig.states("event:x:1"), [Intended, UnknownOutcome]);
    rig.answer(&look_up, page(&[&format!("{ANN} x:1")]));
    assert_eq!(rig.plan(), []);
    // And what is confirmed is not even looked for.
    let mut rig = rig.restarted();
    assert_eq!(
        rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 1),
        Taken::Ignored("settled")
    );
    assert_eq!(rig.plan(), []);
}

#[test]
fn an_event_that_is_absent_each_time_is_a_dead_letter_also_across_restarts() {
    for restarts in [false, true] {
        let mut rig = Rig::new().with_contact();
        let no_show = activity(ANN, NO_SHOW, "1", START_MS);
        rig.activity(&no_show, 1);
        for _ in 0..5 {
            let event = rig.one();
            assert!(matches!(event, Call::Event { .. }));
            if restarts {
                rig = rig.restarted();
                rig.activity(&no_show, 1);
            } else {
                rig.answer(&event, lost());
            }
            for _ in 0..3 {
                let look_up = rig.one();
                rig.answer(&look_up, page(&[]));
                rig.wait(600);
            }
        }
        assert_eq!(rig.plan(), []);
        assert_eq!(rig.states("event:x:1").last(), Some(&Failed));
        let [dead] = &rig.outputs.dead_letters[..] else {
            panic!("{:?}", rig.outputs)
        };
        assert_eq!(
            (dead.why.class, &*dead.why.message),
            (
                "no_answer",
                "event:x:1: sent 5 times without an answer, and not found in Brevo"
            )
        );
        assert_eq!(rig.planner.unsettled(SourceTopic::Activities), 0);
    }
}

#[test]
fn a_list_addition_that_is_left_out_each_time_comes_to_an_end() {
    let mut rig = Rig::new().with_contact();
    rig.activity(&activity(ANN, MilestoneKind::Attended, "1", START_MS), 1);
    let mut additions = 0;
    for _ in 0..20 {
        for call in rig.plan() {
            let answer = match &call {
                Call::AddToList { .. } => {
                    additions += 1;
                    Answer::Added {
                        status: 201,
                        left_out: [ANN.to_owned()].into(),
                    }
                }
                Call::ReadContact { .. } => Answer::Contact(Some(ReadContact::default())),
                _ => Answer::Done { status: 204 },
            };
            rig.answer(&call, answer);
        }
    }
    assert_eq!(additions, 5);
    assert_eq!(rig.states("list:16").last(), Some(&Failed));
}

#[test]
fn a_list_addition_of_unknown_outcome_is_read_back() {
    for (read, expected) in [
        (
            Some(ReadContact {
                lists: vec![ATTENDEES],
                left: vec![],
            }),
            Confirmed,
        ),
        // One who left is not put back.
        (
            Some(ReadContact {
                lists: vec![],
                left: vec![ATTENDEES],
            }),
            Skipped,
        ),
        (None, Skipped),
    ] {
        let mut rig = Rig::new().with_contact();
        rig.activity(&activity(ANN, MilestoneKind::Attended, "1", START_MS), 1);
        let list = rig.one();
        rig.answer(&list, lost());
        let calls = rig.plan();
        let read_back = calls
            .iter()
            .find(|call| matches!(call, Call::ReadContact { .. }))
            .unwrap();
        rig.answer(read_back, Answer::Contact(read));
        rig.plan();
        rig.activity(&activity(ANN, MilestoneKind::Attended, "2", START_MS), 1);
        let later = rig.plan();
        assert!(
            !later
                .iter()
                .any(|call| matches!(call, Call::AddToList { .. })),
            "{later:?}"
        );
        assert_eq!(rig.states("list:16"), [Intended, UnknownOutcome, expected]);
    }
    // Absent, and never left: sent again.
    let mut rig = Rig::new().with_contact();
    rig.activity(&activity(ANN, MilestoneKind::Attended, "1", START_MS), 1);
    let list = rig.one();
    rig.answer(&list, lost());
    for call in rig.plan() {
        match call {
            Call::ReadContact { .. } => {
                rig.answer(&call, Answer::Contact(Some(ReadContact::default())))
            }
            _ => rig.done(&call),
        }
    }
    assert_eq!(rig.one(), list);
    assert_eq!(rig.states("list:16"), [Intended, UnknownOutcome, Intended]);
}

#[test]
fn already_in_the_list_is_read_back_each_by_himself() {
    let mut rig = Rig::new();
    for email in [ANN, "bob@example.com"] {
        rig.contact(&contact(email, 1));
        rig.activity(&activity(email, MilestoneKind::Attended, "1", START_MS), 1);
    }
    for call in rig.plan() {
        rig.done(&call);
    }
    let list = rig.one();
    assert!(matches!(&list, Call::AddToList { emails, .. } if emails.len() == 2));
    rig.answer(&list, refused(400, Class::Heal(Heal::ReadBack)));
    let (mut read_backs, mut again) = (0, Vec::new());
    for call in rig.plan() {
        match &call {
            Call::ReadContact { email, .. } => {
                read_backs += 1;
                let lists = if &**email == ANN {
                    vec![ATTENDEES]
                } else {
                    vec![]
                };
                rig.answer(
                    &call,
                    Answer::Contact(Some(ReadContact {
                        lists,
                        left: vec![],
                    })),
                );
            }
            _ => rig.done(&call),
        }
    }
    again.extend(
        rig.plan()
            .into_iter()
            .filter(|call| matches!(call, Call::AddToList { .. })),
    );
    assert_eq!(read_backs, 2);
    assert_eq!(
        again,
        [Call::AddToList {
            list: ATTENDEES,
            emails: vec!["bob@example.com".into()]
        }]
    );
}

#[test]
fn a_list_is_added_once_for_many_activities() {
    let mut rig = Rig::new().with_contact();
    for about in ["1", "2", "3"] {
        rig.activity(&activity(ANN, MilestoneKind::Attended, about, START_MS), 1);
    }
    let mut additions = 0;
    for _ in 0..8 {
        for call in rig.plan() {
            additions += usize::from(matches!(call, Call::AddToList { .. }));
            rig.done(&call);
        }
    }
    assert_eq!(additions, 1);
    rig.activity(&activity(ANN, MilestoneKind::Attended, "4", START_MS), 1);
    assert!(matches!(rig.one(), Call::Event { .. }));
    assert_eq!(rig.planner.unsettled(SourceTopic::Activities), 1);
}

#[test]
fn what_is_too_old_updates_the_contact_and_sends_nothing_else() {
    let mut rig = Rig::new();
    rig.contact(&contact(ANN, 1));
    let old = START_MS - 73 * HOUR_MS;
    rig.activity(&activity(ANN, MilestoneKind::Attended, "1", old), 1);
    let call = rig.one();
    rig.done(&call);
    assert_eq!(rig.plan(), []);
    assert_eq!(rig.states("event:x:1"), [Skipped]);
    assert_eq!(rig.states("list:16"), [Skipped]);
    assert_eq!(rig.planner.unsettled(SourceTopic::Activities), 0);
    // A younger activity asks for the list anew; the event stays as it is.
    let mut rig = rig.restarted();
    assert_eq!(
        rig.activity(&activity(ANN, NO_SHOW, "1", old), 1),
        Taken::Ignored("settled")
    );
    rig.activity(&activity(ANN, MilestoneKind::Attended, "2", START_MS), 1);
    assert!(matches!(rig.one(), Call::AddToList { .. }));
    assert_eq!(rig.states("list:16"), [Skipped, Intended]);
}

#[test]
fn what_can_succeed_later_waits_in_its_place() {
    for answer in [
        Answer::NotSent {
            reason: "refused".into(),
        },
        refused(
            425,
            Class::Retry {
                reason: "425".into(),
            },
        ),
        refused(429, Class::Slow),
    ] {
        let mut rig = Rig::new().with_contact();
        rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 1);
        rig.activity(&activity(ANN, NO_SHOW, "2", START_MS), 1);
        let first = rig.one();
        // However often: what was clearly not done does not count, and no look-up is made.
        for _ in 0..10 {
            rig.answer(&first, answer.clone());
            rig.wait(60);
            assert_eq!(rig.one(), first);
        }
        assert_eq!(rig.sendings("event:x:1"), 1);
        // And what is known not to have been done is sent by the next instance as it is.
        rig.answer(&first, answer);
        rig.planner.pause("the account".to_owned());
        rig.plan();
        assert_eq!(rig.sendings("event:x:1"), 0);
        let mut rig = rig.restarted();
        rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 1);
        assert_eq!(rig.one(), first);
    }
}

#[test]
fn a_failure_is_not_answered_at_once() {
    let mut rig = Rig::new();
    rig.contact(&contact(ANN, 1));
    for wait in [1, 2, 4] {
        let call = rig.one();
        rig.answer(&call, lost());
        rig.wait(wait - 1);
        assert_eq!(rig.plan(), []);
        rig.wait(1);
    }
    assert_eq!(rig.plan().len(), 1);
}

#[test]
fn what_never_can_succeed_is_a_dead_letter_and_lets_the_rest_through() {
    let mut rig = Rig::new().with_contact();
    rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 1);
    rig.activity(&activity(ANN, NO_SHOW, "2", START_MS), 1);
    let first = rig.one();
    rig.answer(
        &first,
        refused(
            400,
            Class::DeadLetter {
                class: "event_refused",
                reason: "400: too large".into(),
            },
        ),
    );
    let second = rig.one();
    assert_ne!(first, second);
    assert_eq!(rig.states("event:x:1"), [Intended, Failed]);
    let dead = &rig.outputs.dead_letters[0];
    assert_eq!(
        (dead.why.class, &*dead.why.message),
        ("event_refused", "event:x:1: 400: too large")
    );
    assert_eq!(dead.source.place.offset, 2);
}

#[test]
fn a_contact_that_is_refused_takes_its_activities_along_until_a_later_version() {
    let mut rig = Rig::new();
    rig.contact(&contact(ANN, 1));
    rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 1);
    let call = rig.one();
    rig.answer(
        &call,
        refused(
            400,
            Class::DeadLetter {
                class: "contact_refused",
                reason: "Invalid email".into(),
            },
        ),
    );
    assert_eq!(rig.plan(), []);
    assert_eq!(rig.states("event:x:1"), [Failed]);
    assert_eq!(rig.outputs.dead_letters.len(), 2);
    let mut rig = rig.restarted();
    assert_eq!(
        rig.contact(&contact(ANN, 1)),
        Taken::Ignored("version_known")
    );
    rig.contact(&contact(ANN, 2));
    rig.activity(&activity(ANN, NO_SHOW, "2", START_MS), 2);
    let call = rig.one();
    rig.done(&call);
    assert!(matches!(rig.one(), Call::Event { .. }));
}

#[test]
fn a_failed_effect_is_re_driven_on_request_only() {
    let mut rig = Rig::new();
    rig.contact(&contact(ANN, 1));
    rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 1);
    let call = rig.one();
    rig.answer(
        &call,
        refused(
            400,
            Class::DeadLetter {
                class: "contact_refused",
                reason: "x".into(),
            },
        ),
    );
    rig.plan();
    let now = rig.now();
    let taken =
        rig.planner
            .redrive_contact(source(SourceTopic::Contacts, 1), &contact(ANN, 1), now);
    assert_eq!(taken, Taken::Effective);
    let event = activity(ANN, NO_SHOW, "1", START_MS);
    rig.planner
        .redrive_activity(source(SourceTopic::Activities, 2), &event, 1, now);
    let call = rig.one();
    rig.done(&call);
    let call = rig.one();
    rig.done(&call);
    rig.plan();
    assert_eq!(
        rig.states("event:x:1"),
        [Failed, Intended, Intended, Confirmed]
    );
    let taken = rig
        .planner
        .redrive_activity(source(SourceTopic::Activities, 2), &event, 1, now);
    assert_eq!(taken, Taken::Ignored("settled"));
}

/// Who is killed right after a re-drive was committed, or after its call went out, goes on with it:
/// the position is back at the record, and the ledger says what it is about.
#[test]
fn a_re_drive_that_is_committed_outlives_a_crash() {
    let refused_for_good = || {
        refused(
            400,
            Class::DeadLetter {
                class: "contact_refused",
                reason: "x".into(),
            },
        )
    };
    for sent in [false, true] {
        let mut rig = Rig::new();
        rig.contact(&contact(ANN, 1));
        let event = activity(ANN, NO_SHOW, "1", START_MS);
        rig.activity(&event, 1);
        rig.contact(&contact("bob@example.com", 1));
        for call in rig.plan() {
            rig.answer(&call, refused_for_good());
        }
        rig.plan();
        assert_eq!(
            rig.outputs.positions,
            [
                (SourceTopic::Contacts, 0, 4),
                (SourceTopic::Activities, 0, 3)
            ]
        );

        let mut rig = rig.restarted();
        rig.planner.reading_begins(SourceTopic::Contacts, 0, 4);
        rig.planner.reading_begins(SourceTopic::Activities, 0, 3);
        rig.planner.pause("nothing goes out".to_owned());
        let now = rig.now();
        rig.planner
            .redrive_contact(source(SourceTopic::Contacts, 1), &contact(ANN, 1), now);
        rig.planner
            .redrive_activity(source(SourceTopic::Activities, 2), &event, 1, now);
        rig.plan();
        assert_eq!(
            rig.outputs.positions,
            [
                (SourceTopic::Contacts, 0, 1),
                (SourceTopic::Activities, 0, 2)
            ]
        );
        if sent {
            rig.planner.resume(types());
            assert!(matches!(rig.one(), Call::Upsert { .. }));
        }

        let mut rig = rig.restarted();
        rig.contact(&contact(ANN, 1));
        rig.activity(&event, 1);
        let call = rig.one();
        assert!(matches!(&call, Call::Upsert { request, .. } if &*request.email == ANN));
        rig.done(&call);
        let call = rig.one();
        assert!(matches!(call, Call::Event { .. }), "{call:?}");
        rig.done(&call);
        rig.plan();
        assert_eq!(rig.states("contact").last(), Some(&Confirmed));
        assert_eq!(rig.states("event:x:1").last(), Some(&Confirmed));
    }
}

#[test]
fn a_phone_that_belongs_to_another_is_left_out() {
    let mut rig = Rig::new();
    rig.contact(&Contact {
        fields: [("phone".into(), "+491".into())].into(),
        ..contact(ANN, 1)
    });
    let call = rig.one();
    rig.answer(&call, refused(400, Class::Heal(Heal::DropPhone)));
    let again = rig.one();
    let Call::Upsert { request, .. } = &again else {
        panic!("{again:?}")
    };
    assert_eq!(
        serde_json::to_string(&request.attributes).unwrap(),
        r#"{"SCORE":1}"#
    );
    rig.done(&again);
    rig.plan();
    let (_, delivery) = rig.durable.last().unwrap();
    assert_eq!(
        delivery.reason.as_deref(),
        Some("without the phone, which Brevo refused")
    );
    // The same values with the same phone are not sent again.
    rig.contact(&Contact {
        version: 2,
        fields: [("phone".into(), "+491".into())].into(),
        ..contact(ANN, 1)
    });
    assert_eq!(rig.plan(), []);
}

#[test]
fn a_conflict_of_identifiers_is_healed_by_id_and_given_up_in_the_end() {
    let conflict = || {
        refused(
            400,
            Class::Heal(Heal::IdentifierConflict {
                reason: "email is taken".into(),
            }),
        )
    };
    let mut rig = Rig::new();
    rig.contact(&contact(ANN, 1));
    let call = rig.one();
    assert!(matches!(call, Call::Upsert { by_id: false, .. }));
    rig.answer(&call, conflict());
    for _ in 0..3 {
        rig.wait(60);
        let call = rig.one();
        assert!(matches!(call, Call::Upsert { by_id: true, .. }));
        rig.answer(&call, conflict());
    }
    rig.wait(60);
    assert_eq!(rig.plan(), []);
    assert_eq!(rig.states("contact"), [Failed]);
    assert_eq!(rig.outputs.dead_letters[0].why.class, "identifier_conflict");
}

#[test]
fn a_fault_of_the_configuration_pauses_and_loses_nothing() {
    let mut rig = Rig::new().with_contact();
    rig.contact(&contact("bob@example.com", 1));
    rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 1);
    let calls = rig.plan();
    for call in &calls {
        rig.answer(
            call,
            refused(
                401,
                Class::Configuration {
                    reason: "set brevo.api_key".into(),
                },
            ),
        );
    }
    assert_eq!(rig.planner.paused(), Some("set brevo.api_key"));
    assert_eq!(rig.plan(), []);
    assert!(rig.outputs.dead_letters.is_empty());
    rig.planner.resume(types());
    assert_eq!(rig.plan().len(), calls.len());
    assert_eq!(rig.sendings("event:x:1"), 1);
}

#[test]
fn who_is_erased_waits_for_nothing() {
    let mut rig = Rig::new();
    rig.contact(&contact(ANN, 1));
    rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 9);
    let now = rig.now();
    rig.planner.contact_erased(ANN, 9, now);
    assert_eq!(rig.plan(), []);
    rig.activity(&activity(ANN, NO_SHOW, "2", START_MS), 10);
    rig.planner.activity_erased(ANN, "x:2", now);
    assert_eq!(rig.plan(), []);
    assert_eq!(rig.planner.unsettled(SourceTopic::Activities), 0);
    assert_eq!(rig.planner.unsettled(SourceTopic::Contacts), 0);
}

/// The two topics are read apart: what a contact came with may be read after that it went away.
#[test]
fn what_came_with_an_erased_contact_is_skipped_whichever_is_read_first() {
    let mut rig = Rig::new();
    let now = rig.now();
    rig.planner.contact_erased(ANN, 9, now);
    rig.activity(&activity(ANN, NO_SHOW, "1", START_MS), 9);
    rig.contact(&contact(ANN, 8));
    assert_eq!(rig.plan(), []);
    assert_eq!(rig.planner.unsettled(SourceTopic::Activities), 0);
    assert_eq!(rig.planner.unsettled(SourceTopic::Contacts), 0);
    rig.contact(&contact(ANN, 11));
    rig.activity(&activity(ANN, NO_SHOW, "2", START_MS), 11);
    assert_ne!(rig.plan(), [], "who comes back is taken again");
}

#[test]
fn the_limits_hold_calls_back() {
    let mut rig = Rig::new();
    rig.limiter = Limiter::new(Plan::General, 0.8);
    for person in 0..20 {
        rig.contact(&contact(&format!("{person}@example.com"), 1));
    }
    assert_eq!(rig.plan().len(), 8);
    assert_eq!(rig.plan().len(), 0);
    rig.wait(2);
    assert_eq!(rig.plan().len(), 8);
}
