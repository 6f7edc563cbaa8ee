//! Any interleaving of answers, losses, refusals, re-drives and crashes: a model of Brevo sees every
//! effect once, each person's in order, and the newest contact in the end, where every dead letter is
//! re-driven until none is left. One that was re-driven is not re-driven again unless it dies again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rollcall_schemas::record::{Contact, Delivery, MilestoneKind};

use super::{ATTENDEES, START_MS, activity, contact, rules, source, types};
use crate::error_class::{Class, Heal};
use crate::ledger_store::LedgerStore;
use crate::limits::{Limiter, Plan};
use crate::plan::{Answer, Call, Moment, Planner, ReadContact};
use crate::progress::SourceTopic;
use crate::request::{AttributeValue, EventRequest};

/// What the world does next.
#[derive(Clone, Copy, Debug)]
enum Move {
    ReadContact,
    ReadActivity,
    /// Plans, commits and sends.
    Send,
    /// The oldest call in flight but `0..` is answered so.
    Answer(usize, Fate),
    Wait(u64),
    /// A person has one of the dead letters tried again.
    Redrive(usize),
    /// The process dies and starts again; of the calls in flight those whose bit is set arrive.
    Crash(u64),
    /// It plans, and dies before it commits.
    CrashBeforeCommit,
    /// It plans, commits, and dies before it sends.
    CrashBeforeSending,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    AnswerLost,
    LostOnTheWay,
    ServerFailedAfter,
    ServerFailedBefore,
    NotSent,
    TooEarly,
    TooMany,
    RefusedForGood,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Answered),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::LostOnTheWay),
        1 => Just(Fate::ServerFailedAfter),
        1 => Just(Fate::ServerFailedBefore),
        1 => Just(Fate::NotSent),
        1 => Just(Fate::TooEarly),
        1 => Just(Fate::TooMany),
        1 => Just(Fate::RefusedForGood),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => Just(Move::ReadContact),
        4 => Just(Move::ReadActivity),
        6 => Just(Move::Send),
        8 => (0_usize..4, fate()).prop_map(|(index, fate)| Move::Answer(index, fate)),
        3 => (0_u64..200).prop_map(Move::Wait),
        3 => any::<usize>().prop_map(Move::Redrive),
        1 => any::<u64>().prop_map(Move::Crash),
        1 => Just(Move::CrashBeforeCommit),
        1 => Just(Move::CrashBeforeSending),
    ];
    prop::collection::vec(one, 0..120)
}

/// A person's change, and whether an activity came with it.
fn story() -> impl Strategy<Value = Vec<(usize, Option<bool>)>> {
    prop::collection::vec((0_usize..3, prop::option::of(any::<bool>())), 1..20)
}

#[derive(Debug, Default)]
struct ModelBrevo {
    versions: BTreeMap<String, i64>,
    /// Source ids, with the moment from which a look-up shows them.
    events: Vec<(String, Instant)>,
    list: BTreeSet<String>,
    additions: BTreeMap<String, usize>,
    /// A call had an effect, and its caller does not know.
    unanswered: bool,
    /// Values recur with this period, so that versions cannot be told from them; 0 for never.
    period: i64,
}

impl ModelBrevo {
    fn apply(&mut self, call: &Call, at: Instant, required: &BTreeMap<String, i64>) -> Answer {
        match call {
            Call::Upsert { request, .. } => {
                let Some(AttributeValue::Whole(version)) = request.attributes.get("SCORE") else {
                    panic!("{call:?}")
                };
                let held = self.versions.entry(request.email.to_string()).or_default();
                // What arrived and was not answered may be followed by what was read again from before it.
                assert!(
                    *version >= *held || self.unanswered || self.period > 0,
                    "an older version after a newer"
                );
                *held = *version;
                Answer::Done { status: 204 }
            }
            Call::Event { request, .. } => {
                let id = source_id(request);
                let held = self
                    .versions
                    .get(&*request.identifiers.email_id)
                    .copied()
                    .unwrap_or_default();
                assert!(
                    held >= required[&id] || self.period > 0,
                    "{id} before the version that it names"
                );
                // Brevo takes a while until it shows an event: less than the last look-up waits.
                self.events.push((id, at + Duration::from_secs(300)));
                Answer::Done { status: 204 }
            }
            Call::AddToList { emails, .. } => {
                if emails.iter().any(|email| self.list.contains(&**email)) {
                    let class = Class::Heal(Heal::ReadBack);
                    return Answer::Refused { status: 400, class };
                }
                for email in emails {
                    assert!(self.versions.contains_key(&**email));
                    self.list.insert(email.to_string());
                    *self.additions.entry(email.to_string()).or_default() += 1;
                }
                Answer::Added {
                    status: 201,
                    left_out: HashSet::new(),
                }
            }
            Call::ReadContact { email, .. } => {
                let lists = if self.list.contains(&**email) {
                    vec![ATTENDEES]
                } else {
                    vec![]
                };
                Answer::Contact(self.versions.contains_key(&**email).then_some(ReadContact {
                    lists,
                    left: vec![],
                }))
            }
            Call::FindEvents { offset, .. } => {
                let shown: Vec<_> = self
                    .events
                    .iter()
                    .filter(|(_, shown)| *shown <= at)
                    .map(|(id, _)| id.clone())
                    .collect();
                // Pages of two.
                let page: Vec<_> = shown.iter().skip(*offset).take(2).cloned().collect();
                Answer::Events {
                    read: page.len(),
                    count: shown.len(),
                    source_ids: page,
                }
            }
        }
    }
}

enum Record {
    Contact(String, i64),
    Activity(String, String, MilestoneKind, i64),
}

fn value(version: i64, period: i64) -> i32 {
    i32::try_from(if period > 0 {
        version % period
    } else {
        version
    })
    .unwrap()
}

struct World {
    planner: Planner,
    limiter: Limiter,
    brevo: ModelBrevo,
    in_flight: Vec<Call>,
    at: Instant,
    begun: Instant,
    contacts: Vec<Record>,
    activities: Vec<Record>,
    required: BTreeMap<String, i64>,
    read: BTreeMap<SourceTopic, usize>,
    committed: BTreeMap<SourceTopic, usize>,
    /// How far an instance before this one may have read.
    opened: BTreeMap<SourceTopic, usize>,
    ledger: Vec<(String, Delivery<'static>)>,
    /// Records that can never succeed, as far as is committed.
    letters: Vec<(SourceTopic, usize)>,
    /// Of them, those that are re-driven and not committed yet.
    redriven: Vec<(SourceTopic, usize)>,
    /// How often each event went out without its outcome being known, since it was asked for.
    unclear: BTreeMap<String, usize>,
    /// Losses and crashes that are still allowed.
    losses: usize,
}

impl World {
    fn new(story: &[(usize, Option<bool>)], period: i64) -> Self {
        let (mut contacts, mut activities, mut required) =
            (Vec::new(), Vec::new(), BTreeMap::new());
        let mut versions = [0_i64; 3];
        for (number, (person, with)) in story.iter().enumerate() {
            let email = format!("{person}@example.com");
            versions[*person] += 1;
            contacts.push(Record::Contact(email.clone(), versions[*person]));
            if let Some(attended) = with {
                let kind = if *attended {
                    MilestoneKind::Attended
                } else {
                    MilestoneKind::NoShow
                };
                required.insert(format!("{email} x:{number}"), versions[*person]);
                activities.push(Record::Activity(
                    email,
                    number.to_string(),
                    kind,
                    versions[*person],
                ));
            }
        }
        let at = Instant::now();
        Self {
            planner: Planner::new(rules(), types(), LedgerStore::default()),
            limiter: Limiter::new(Plan::Unlimited, 1.0),
            brevo: ModelBrevo {
                period,
                ..ModelBrevo::default()
            },
            opened: BTreeMap::new(),
            in_flight: Vec::new(),
            at,
            begun: at,
            contacts,
            activities,
            required,
            read: BTreeMap::new(),
            committed: BTreeMap::new(),
            ledger: Vec::new(),
            letters: Vec::new(),
            redriven: Vec::new(),
            unclear: BTreeMap::new(),
            losses: 8,
        }
    }

    fn now(&self) -> Moment {
        let passed = i64::try_from((self.at - self.begun).as_millis()).unwrap();
        Moment {
            clock_ms: START_MS + passed,
            at: self.at,
            chance: 0.5,
        }
    }

    fn read(&mut self, topic: SourceTopic) -> bool {
        let now = self.now();
        let next = self.read.entry(topic).or_default();
        let records = if topic == SourceTopic::Contacts {
            &self.contacts
        } else {
            &self.activities
        };
        let Some(record) = records.get(*next) else {
            return false;
        };
        let offset = offset(*next);
        let source = source(topic, offset);
        match record {
            Record::Contact(email, version) => {
                let first_read = *next >= self.opened.get(&topic).copied().unwrap_or_default();
                let contact = Contact {
                    score: value(*version, self.brevo.period),
                    ..contact(email, *version)
                };
                self.planner.contact(source, &contact, first_read, now);
            }
            Record::Activity(email, about, kind, version) => {
                self.planner.activity(
                    source,
                    &activity(email, *kind, about, START_MS),
                    *version,
                    now,
                );
            }
        }
        *next += 1;
        self.planner.read_to(topic, 0, offset + 1);
        true
    }

    /// Takes a dead letter again: the last record of its key, read or not.
    fn redrive(&mut self, letter: (SourceTopic, usize)) {
        let now = self.now();
        self.redriven.push(letter);
        let (topic, number) = letter;
        match topic {
            SourceTopic::Contacts => {
                let of = |record: &Record| match record {
                    Record::Contact(email, version) => Some((email.clone(), *version)),
                    Record::Activity(..) => None,
                };
                let (email, _) = of(&self.contacts[number]).unwrap();
                let last = self
                    .contacts
                    .iter()
                    .enumerate()
                    .rev()
                    .find_map(|(number, record)| {
                        of(record)
                            .filter(|(of, _)| *of == email)
                            .map(|found| (number, found.1))
                    });
                let (number, version) = last.unwrap();
                let contact = Contact {
                    score: value(version, self.brevo.period),
                    ..contact(&email, version)
                };
                self.planner
                    .redrive_contact(source(topic, offset(number)), &contact, now);
            }
            SourceTopic::Activities => {
                let Record::Activity(email, about, kind, version) = &self.activities[number] else {
                    panic!("a contact among the activities")
                };
                let activity = activity(email, *kind, about, START_MS);
                self.unclear.remove(&*activity.id);
                self.planner.redrive_activity(
                    source(topic, offset(number)),
                    &activity,
                    *version,
                    now,
                );
            }
        }
    }

    /// An event went out, and whether it arrived is not known.
    fn lose_sight(&mut self, call: &Call) {
        if let Call::Event { request, .. } = call {
            let sendings = self.unclear.entry(source_id(request)).or_default();
            *sendings += 1;
            assert!(*sendings <= 2, "{call:?} is sent again more than once");
        }
    }

    fn plan_and_commit(&mut self) -> Vec<Call> {
        let now = self.now();
        let calls = self.planner.plan(&mut self.limiter, now);
        let outputs = self.planner.take_outputs();
        self.redriven.clear();
        for dead in outputs.dead_letters {
            let place = dead.source.place;
            let letter = (place.topic, usize::try_from(place.offset).unwrap());
            if !self.letters.contains(&letter) {
                self.letters.push(letter);
            }
        }
        self.ledger.extend(outputs.ledger);
        for (topic, _, position) in outputs.positions {
            self.committed
                .insert(topic, usize::try_from(position).unwrap());
        }
        let mut people = BTreeSet::new();
        for call in calls.iter().chain(&self.in_flight) {
            let emails: Vec<&str> = match call {
                Call::Upsert { request, .. } => vec![&request.email],
                Call::Event { request, .. } => vec![&request.identifiers.email_id],
                Call::AddToList { emails, .. } => emails.iter().map(|email| &**email).collect(),
                Call::ReadContact { .. } | Call::FindEvents { .. } => vec![],
            };
            for email in emails {
                assert!(
                    people.insert(email.to_owned()),
                    "two requests in flight for {email}"
                );
            }
        }
        calls
    }

    fn start_again(&mut self) {
        let mut ledger = LedgerStore::default();
        for (key, delivery) in &self.ledger {
            ledger.restore(key.as_bytes(), Some(delivery));
        }
        self.planner = Planner::new(rules(), types(), ledger);
        self.letters.append(&mut self.redriven);
        // Answers that came since the last commit are forgotten too.
        self.brevo.unanswered = true;
        self.in_flight.clear();
        for (topic, read) in &self.read {
            let opened = self.opened.entry(*topic).or_default();
            *opened = (*opened).max(*read);
        }
        self.read = self.committed.clone();
        self.begin_reading();
    }

    fn begin_reading(&mut self) {
        for topic in [SourceTopic::Contacts, SourceTopic::Activities] {
            let next = self.read.get(&topic).copied().unwrap_or_default();
            self.planner.reading_begins(topic, 0, offset(next));
        }
    }

    fn answer(&mut self, index: usize, fate: Fate) {
        if self.in_flight.is_empty() {
            return;
        }
        let call = self.in_flight.remove(index % self.in_flight.len());
        let lossy = !matches!(
            fate,
            Fate::Answered | Fate::NotSent | Fate::TooEarly | Fate::TooMany | Fate::RefusedForGood
        );
        let fate = if lossy && self.losses == 0 {
            Fate::Answered
        } else {
            fate
        };
        if lossy && self.losses > 0 {
            self.losses -= 1;
            self.lose_sight(&call);
        }
        let unclear = || Class::Unclear {
            reason: "502".into(),
        };
        let lost = || Answer::NoAnswer {
            reason: "timed out".into(),
        };
        let at = self.at;
        let answer = match fate {
            Fate::Answered => self.brevo.apply(&call, at, &self.required),
            Fate::AnswerLost => {
                self.brevo.apply(&call, at, &self.required);
                lost()
            }
            Fate::LostOnTheWay => lost(),
            Fate::ServerFailedAfter => {
                self.brevo.apply(&call, at, &self.required);
                Answer::Refused {
                    status: 502,
                    class: unclear(),
                }
            }
            Fate::ServerFailedBefore => Answer::Refused {
                status: 502,
                class: unclear(),
            },
            Fate::NotSent => Answer::NotSent {
                reason: "connection refused".into(),
            },
            Fate::TooEarly => Answer::Refused {
                status: 425,
                class: Class::Retry {
                    reason: "425".into(),
                },
            },
            Fate::TooMany => Answer::Refused {
                status: 429,
                class: Class::Slow,
            },
            Fate::RefusedForGood => Answer::Refused {
                status: 400,
                class: Class::DeadLetter {
                    class: "refused",
                    reason: "no".into(),
                },
            },
        };
        let now = self.now();
        self.planner.answered(&call, answer, now);
    }

    fn act(&mut self, next: Move) {
        match next {
            Move::ReadContact => {
                self.read(SourceTopic::Contacts);
            }
            Move::ReadActivity => {
                self.read(SourceTopic::Activities);
            }
            Move::Send => {
                let calls = self.plan_and_commit();
                self.in_flight.extend(calls);
            }
            Move::Answer(index, fate) => self.answer(index, fate),
            Move::Wait(seconds) => self.at += Duration::from_secs(seconds),
            Move::Redrive(which) if !self.letters.is_empty() => {
                let letter = self.letters.remove(which % self.letters.len());
                self.redrive(letter);
            }
            Move::Crash(arrives) if self.losses > 0 => {
                self.losses -= 1;
                for (index, call) in std::mem::take(&mut self.in_flight).into_iter().enumerate() {
                    self.lose_sight(&call);
                    if arrives >> (index % 64) & 1 == 1 {
                        self.brevo.apply(&call, self.at, &self.required);
                    }
                }
                self.start_again();
            }
            Move::CrashBeforeCommit if self.losses > 0 && self.in_flight.is_empty() => {
                self.losses -= 1;
                let now = self.now();
                self.planner.plan(&mut self.limiter, now);
                self.start_again();
            }
            Move::CrashBeforeSending if self.losses > 0 && self.in_flight.is_empty() => {
                self.losses -= 1;
                self.plan_and_commit();
                self.start_again();
            }
            Move::Redrive(_)
            | Move::Crash(_)
            | Move::CrashBeforeCommit
            | Move::CrashBeforeSending => {}
        }
    }

    /// Lets everything through, until there was nothing to do for longer than any wait is.
    fn settle(&mut self) {
        let mut idle = 0;
        while idle < 20 {
            while self.read(SourceTopic::Contacts) || self.read(SourceTopic::Activities) {}
            let calls = self.plan_and_commit();
            self.in_flight.extend(calls);
            if self.in_flight.is_empty() {
                idle += 1;
                self.at += Duration::from_secs(61);
            } else {
                idle = 0;
            }
            while !self.in_flight.is_empty() {
                self.answer(0, Fate::Answered);
            }
        }
    }

    /// Has every dead letter tried again: first the contacts, without which the rest cannot go.
    fn redrive_all(&mut self) {
        for topic in [SourceTopic::Contacts, SourceTopic::Activities] {
            for letter in std::mem::take(&mut self.letters) {
                if letter.0 == topic {
                    self.redrive(letter);
                } else {
                    self.letters.push(letter);
                }
            }
            self.settle();
        }
    }
}

fn offset(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}

fn source_id(request: &EventRequest) -> String {
    let body = serde_json::to_value(request).unwrap();
    body["event_properties"]["source_event_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), ..ProptestConfig::default() })]

    #[test]
    fn every_effect_happens_once_and_in_order(story in story(), moves in moves(), period in prop_oneof![Just(0), Just(2), Just(3)]) {
        let mut world = World::new(&story, period);
        world.begin_reading();
        for next in moves {
            world.act(next);
        }
        world.settle();
        world.redrive_all();
        prop_assert_eq!(&world.letters, &vec![], "what can succeed dies again");

        let mut happened: Vec<_> = world.brevo.events.iter().map(|(id, _)| id.clone()).collect();
        happened.sort();
        let mut expected: Vec<_> = world.required.keys().cloned().collect();
        expected.sort();
        prop_assert_eq!(happened, expected);

        let mut newest = BTreeMap::new();
        for record in &world.contacts {
            if let Record::Contact(email, version) = record {
                newest.insert(email.clone(), i64::from(value(*version, period)));
            }
        }
        prop_assert_eq!(&world.brevo.versions, &newest);

        let attended: BTreeSet<_> = world.activities.iter().filter_map(|record| match record {
            Record::Activity(email, _, MilestoneKind::Attended, _) => Some(email.clone()),
            _ => None,
        }).collect();
        prop_assert_eq!(&world.brevo.list, &attended);
        prop_assert!(world.brevo.additions.values().all(|additions| *additions == 1));

        prop_assert_eq!(world.planner.unsettled(SourceTopic::Contacts), 0);
        prop_assert_eq!(world.planner.unsettled(SourceTopic::Activities), 0);
        prop_assert!(world.planner.people.is_empty());
        prop_assert_eq!(world.committed.get(&SourceTopic::Contacts), Some(&world.contacts.len()));

        // And reading everything again from the beginning changes nothing in Brevo.
        world.committed.clear();
        world.start_again();
        while world.read(SourceTopic::Contacts) || world.read(SourceTopic::Activities) {}
        prop_assert_eq!(world.plan_and_commit(), vec![]);
    }
}
