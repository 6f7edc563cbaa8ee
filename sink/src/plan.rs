//! Decides what is sent, and when: the sink without its hands.
//!
//! [`Planner`] takes records and answers, and gives calls to make and records to commit. It is pure:
//! the time comes with every call as a [`Moment`]. Its caller commits [`Planner::take_outputs`] before
//! it makes the calls that [`Planner::plan`] gave, which is what makes the ledger a ledger: no call that
//! must happen once goes out before its intent is durable.

mod answer;
mod call;
mod queue;
mod verify;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rollcall_schemas::record::{Activity, Contact, Delivery, DeliveryState};

use crate::backoff::Backoff;
use crate::effect::{EffectId, OnceEffect, Wanted};
use crate::ledger::{self, Arrival, ContactEntry, OnceEntry, Transition};
use crate::ledger_store::LedgerStore;
use crate::limits::{EndpointGroup, Limiter};
use crate::mapping::Mapping;
use crate::mapping::attribute::{AttributeType, rfc3339};
use crate::options::Options;
use crate::order::{InFlight, Person, Source, Step, WaitingContact, WaitingEffect};
use crate::progress::{Progress, SourceTopic};
use crate::request::{ContactUpsert, LIST_ADDITION_LIMIT};

pub use call::{Answer, Call, ReadContact};
use queue::Ready;
use verify::Checks;

/// When something happens: by the clock that the data goes by, and by the one that waits go by.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub clock_ms: i64,
    /// Real time.
    pub at: Instant,
    /// Drawn evenly from 0 to 1.
    pub chance: f64,
}

/// What became of a record of a source when it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Taken {
    /// It asks for something.
    Effective,
    /// It asks for nothing, or for what is done with.
    Ignored(&'static str),
}

/// A record that can never succeed.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The record.
    pub source: Arc<Source>,
    /// A short name of the class of fault.
    pub class: &'static str,
    /// What is wrong.
    pub message: String,
}

/// What is to be committed.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Records of the ledger, with their keys, in order.
    pub ledger: Vec<(String, Delivery<'static>)>,
    /// Records that can never succeed.
    pub dead_letters: Vec<DeadLetter>,
    /// Positions of the sources.
    pub positions: Vec<(SourceTopic, u32, i64)>,
}

impl Outputs {
    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ledger.is_empty() && self.dead_letters.is_empty() && self.positions.is_empty()
    }
}

/// How the planner decides.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Which activities do what.
    pub wanted: Wanted,
    /// Which fields go where.
    pub mapping: Mapping,
    /// Above this age an activity sends nothing.
    pub max_activity_age: Duration,
    /// When Brevo is asked again about an unknown outcome.
    pub verify_after: Vec<Duration>,
    /// Waits between tries.
    pub backoff: Backoff,
    /// How long an addition to a list waits for others.
    pub list_linger: Duration,
    /// Most calls in flight.
    pub max_calls: usize,
}

impl Rules {
    /// As configured.
    #[must_use]
    pub fn new(options: &Options, mapping: Mapping) -> Self {
        Self {
            wanted: Wanted::new(options),
            mapping,
            max_activity_age: options.max_activity_age,
            verify_after: options.verify_after.clone(),
            backoff: Backoff {
                base: Duration::from_millis(500),
                cap: Duration::from_secs(60),
            },
            list_linger: Duration::from_millis(300),
            max_calls: 64,
        }
    }
}

/// How often something that must happen once is sent at most. Every time but the first follows a full
/// round of look-ups that did not find it.
pub const MOST_ATTEMPTS: u16 = 5;

/// How often a contact whose identifiers are in conflict is tried.
const MOST_CONFLICTS: u32 = 3;

/// Decides what is sent, and when.
#[derive(Debug)]
pub struct Planner {
    rules: Rules,
    types: BTreeMap<String, AttributeType>,
    ledger: LedgerStore,
    people: HashMap<Arc<str>, Person>,
    ready: Ready,
    checks: Checks,
    progress: Progress,
    outputs: Outputs,
    misfits: Vec<Arc<str>>,
    paused: Option<String>,
    calls: usize,
}

impl Planner {
    /// A planner over what the ledger says, for a Brevo whose attributes have these types.
    #[must_use]
    pub fn new(rules: Rules, types: BTreeMap<String, AttributeType>, ledger: LedgerStore) -> Self {
        Self {
            rules,
            types,
            ledger,
            people: HashMap::new(),
            ready: Ready::default(),
            checks: Checks::default(),
            progress: Progress::default(),
            outputs: Outputs::default(),
            misfits: Vec::new(),
            paused: None,
            calls: 0,
        }
    }

    /// Takes a version of a contact. A later one takes the place of one that waits.
    pub fn contact(&mut self, source: Arc<Source>, contact: &Contact<'_>, now: Moment) -> Taken {
        self.take_contact(source, contact, false, now)
    }

    /// Takes a contact once more although Brevo refused this version.
    pub fn redrive_contact(
        &mut self,
        source: Arc<Source>,
        contact: &Contact<'_>,
        now: Moment,
    ) -> Taken {
        self.take_contact(source, contact, true, now)
    }

    fn take_contact(
        &mut self,
        source: Arc<Source>,
        contact: &Contact<'_>,
        redriven: bool,
        now: Moment,
    ) -> Taken {
        let email: Arc<str> = contact.email.as_str().into();
        let person = person(&mut self.people, &self.ledger, &email);
        let waiting = person.contact.as_ref().map_or(0, |waiting| waiting.version);
        let in_flight = match &person.in_flight {
            Some(InFlight::Contact(in_flight)) => in_flight.version,
            _ => 0,
        };
        let refused = if redriven { 0 } else { person.refused };
        if contact.version <= person.confirmed.max(waiting).max(in_flight).max(refused) {
            self.tidy(&email);
            return Taken::Ignored("version_known");
        }
        let mapped = self.rules.mapping.apply(contact, &self.types);
        self.misfits.extend(mapped.misfits.iter().cloned());
        self.progress.open(source.place, 1);
        let superseded = person.contact.replace(WaitingContact {
            version: contact.version,
            digest: mapped.attributes.digest(),
            mapped,
            source,
            without_phones: false,
            conflicts: 0,
        });
        if let Some(superseded) = superseded {
            self.progress.settle(superseded.source.place);
        }
        self.enqueue(&email, now);
        Taken::Effective
    }

    /// A contact was erased: nothing that waits for it is done any more.
    pub fn contact_erased(&mut self, email: &str, now: Moment) {
        let email: Arc<str> = email.into();
        let Some(person) = self.people.get_mut(&email) else {
            return;
        };
        let contact = person.contact.take();
        let effects = std::mem::take(&mut person.effects);
        let unknown = std::mem::take(&mut person.unknown);
        for source in contact.into_iter().map(|contact| contact.source) {
            self.progress.settle(source.place);
        }
        for waiting in effects
            .into_iter()
            .chain(unknown.into_iter().map(|unknown| unknown.waiting))
        {
            settle_sources(&mut self.progress, &waiting);
        }
        self.enqueue(&email, now);
    }

    /// Takes an activity, which came with this version of its contact.
    pub fn activity(
        &mut self,
        source: Arc<Source>,
        activity: &Activity<'_>,
        contact_version: i64,
        now: Moment,
    ) -> Taken {
        self.take_activity(source, activity, contact_version, false, now)
    }

    /// Takes an activity once more although what it asks for failed or was skipped.
    pub fn redrive_activity(
        &mut self,
        source: Arc<Source>,
        activity: &Activity<'_>,
        contact_version: i64,
        now: Moment,
    ) -> Taken {
        self.take_activity(source, activity, contact_version, true, now)
    }

    fn take_activity(
        &mut self,
        source: Arc<Source>,
        activity: &Activity<'_>,
        contact_version: i64,
        redriven: bool,
        now: Moment,
    ) -> Taken {
        let email: Arc<str> = activity.email.as_str().into();
        let effects = self.rules.wanted.effects(activity, contact_version);
        if effects.is_empty() {
            return Taken::Ignored("not_wanted");
        }
        let mut unsettled = 0;
        for effect in effects {
            unsettled += u32::from(self.take_effect(&email, &source, effect, redriven, now));
        }
        self.progress.open(source.place, unsettled);
        self.enqueue(&email, now);
        if unsettled == 0 {
            Taken::Ignored("settled")
        } else {
            Taken::Effective
        }
    }

    /// Whether the effect waits now.
    fn take_effect(
        &mut self,
        email: &Arc<str>,
        source: &Arc<Source>,
        effect: OnceEffect,
        redriven: bool,
        now: Moment,
    ) -> bool {
        let person = person(&mut self.people, &self.ledger, email);
        if let Some(known) = person.find(&effect.id) {
            if known
                .sources
                .iter()
                .any(|known| known.place == source.place)
            {
                return false;
            }
            // A younger activity may ask for the same list: it is not too old as long as one is not.
            known.effect.at = known.effect.at.max(effect.at);
            known.sources.push(Arc::clone(source));
            return true;
        }
        let entry = self.ledger.once(email, &effect.id);
        let id = effect.id.clone();
        let waiting = WaitingEffect {
            effect,
            sources: vec![Arc::clone(source)],
            returned: false,
            alone: false,
        };
        match ledger::arrival(&id, entry.map(|entry| entry.state), redriven) {
            Arrival::Settled(_) => false,
            Arrival::Wait => {
                person.effects.push_back(waiting);
                true
            }
            Arrival::Verify => {
                if entry.is_some_and(|entry| entry.state == DeliveryState::Intended) {
                    self.write_once(email, &waiting, Transition::LoseTrack, None, None, now);
                }
                self.verify(email, waiting, now);
                true
            }
        }
    }

    /// An activity was erased: what it asks for is not done any more, unless it is under way.
    pub fn activity_erased(&mut self, email: &str, activity: &str, now: Moment) {
        let email: Arc<str> = email.into();
        let Some(person) = self.people.get_mut(&email) else {
            return;
        };
        let id = EffectId::Event(activity.into());
        let waiting = person
            .effects
            .iter()
            .position(|waiting| waiting.effect.id == id);
        if let Some(waiting) = waiting.and_then(|index| person.effects.remove(index)) {
            settle_sources(&mut self.progress, &waiting);
        }
        self.enqueue(&email, now);
    }

    /// A record that is not what its topic holds.
    pub fn unreadable(&mut self, source: Arc<Source>, message: String) {
        self.outputs.dead_letters.push(DeadLetter {
            source,
            class: "unreadable",
            message,
        });
    }

    /// All records of a partition below `next` were handed over.
    pub fn read_to(&mut self, topic: SourceTopic, partition: u32, next: i64) {
        self.progress.read_to(topic, partition, next);
    }

    /// The calls to make now, once what [`Planner::take_outputs`] gives is committed.
    pub fn plan(&mut self, limiter: &mut Limiter, now: Moment) -> Vec<Call> {
        let mut calls = Vec::new();
        if self.paused.is_some() {
            return calls;
        }
        for email in self.ready.rested(now.at) {
            if let Some(person) = self.people.get_mut(&email) {
                person.resting = false;
            }
            self.enqueue(&email, now);
        }
        self.plan_checks(limiter, now, &mut calls);
        self.plan_list_additions(limiter, now, &mut calls);
        // Turn by turn, so that neither contacts nor events take all of the calls that may be in
        // flight.
        loop {
            let before = calls.len();
            self.plan_contact(limiter, now, &mut calls);
            self.plan_event(limiter, now, &mut calls);
            if calls.len() == before {
                break;
            }
        }
        calls
    }

    fn has_room(&self) -> bool {
        self.calls < self.rules.max_calls
    }

    fn plan_contact(&mut self, limiter: &mut Limiter, now: Moment, calls: &mut Vec<Call>) {
        while self.has_room() {
            let Some(email) = self.ready.contacts.front().cloned() else {
                return;
            };
            let person = self
                .people
                .get_mut(&email)
                .expect("whoever is queued is known");
            let (Step::Contact, Some(contact)) = (person.step(), &person.contact) else {
                self.ready.contacts.pop_front();
                self.requeue(&email, now);
                continue;
            };
            let known = self.ledger.contact(&email);
            if known.is_some_and(|known| known.holds(contact.digest, now.clock_ms)) {
                self.ready.contacts.pop_front();
                let contact = person.contact.take().expect("just seen");
                self.contact_held_already(&email, contact);
                self.requeue(&email, now);
                continue;
            }
            let reads_first = !contact.mapped.if_blank.is_empty() || contact.conflicts > 0;
            if !limiter.try_take(
                EndpointGroup::Contacts,
                1 + usize::from(reads_first),
                now.at,
            ) {
                return;
            }
            self.ready.contacts.pop_front();
            person.queued = false;
            let contact = person.contact.take().expect("just seen");
            let attributes = if contact.without_phones {
                contact.mapped.attributes.without_phones()
            } else {
                contact.mapped.attributes.clone()
            };
            calls.push(Call::Upsert {
                request: ContactUpsert {
                    email: Arc::clone(&email),
                    attributes,
                },
                if_blank: contact.mapped.if_blank.clone(),
                by_id: contact.conflicts > 0,
            });
            person.in_flight = Some(InFlight::Contact(contact));
            self.calls += 1;
            return;
        }
    }

    fn plan_event(&mut self, limiter: &mut Limiter, now: Moment, calls: &mut Vec<Call>) {
        while self.has_room() {
            let Some(email) = self.ready.events.front().cloned() else {
                return;
            };
            self.settle_front(&email, now);
            let person = self
                .people
                .get_mut(&email)
                .expect("whoever is queued is known");
            let request = person
                .effects
                .front()
                .and_then(|first| first.effect.event.clone());
            let (Step::Event, Some(request)) = (person.step(), request) else {
                self.ready.events.pop_front();
                self.requeue(&email, now);
                continue;
            };
            if !limiter.try_take(EndpointGroup::Events, 1, now.at) {
                return;
            }
            self.ready.events.pop_front();
            let id = self.begin(&email, now);
            calls.push(Call::Event { id, request });
            self.calls += 1;
            return;
        }
    }

    fn plan_list_additions(&mut self, limiter: &mut Limiter, now: Moment, calls: &mut Vec<Call>) {
        for list in self.ready.lists_due(now.at, self.rules.list_linger) {
            while self.has_room() {
                let mut emails = Vec::new();
                while emails.len() < LIST_ADDITION_LIMIT {
                    let Some(email) = self.ready.first_of_list(list) else {
                        break;
                    };
                    self.settle_front(&email, now);
                    let person = self
                        .people
                        .get_mut(&email)
                        .expect("whoever is queued is known");
                    if person.step() != Step::List(list) {
                        self.ready.pop_of_list(list);
                        self.requeue(&email, now);
                        continue;
                    }
                    let alone = person.effects.front().is_some_and(|first| first.alone);
                    if alone && !emails.is_empty() {
                        break;
                    }
                    if emails.is_empty() && !limiter.try_take(EndpointGroup::Contacts, 1, now.at) {
                        return;
                    }
                    self.ready.pop_of_list(list);
                    self.begin(&email, now);
                    emails.push(email);
                    if alone {
                        break;
                    }
                }
                if emails.is_empty() {
                    break;
                }
                calls.push(Call::AddToList { list, emails });
                self.calls += 1;
            }
        }
    }

    /// Puts the first effect of a person in flight, its intent into the ledger, and tells its name.
    fn begin(&mut self, email: &Arc<str>, now: Moment) -> EffectId {
        let person = self
            .people
            .get_mut(email)
            .expect("whoever is queued is known");
        person.queued = false;
        let mut waiting = person.effects.pop_front().expect("its step is to send it");
        if !waiting.returned {
            self.write_once(email, &waiting, Transition::Intend, None, None, now);
        }
        waiting.returned = false;
        let id = waiting.effect.id.clone();
        let person = self.people.get_mut(email).expect("just seen");
        person.in_flight = Some(InFlight::Once(waiting));
        id
    }

    /// Settles what stands first for a person and is not to be sent: too old, or without a contact.
    fn settle_front(&mut self, email: &Arc<str>, now: Moment) {
        while let Some(person) = self.people.get_mut(email) {
            let step = person.step();
            let Some(first) = person.effects.front() else {
                return;
            };
            match step {
                Step::Doomed => {
                    let waiting = person.effects.pop_front().expect("just seen");
                    let reason =
                        "the contact that it came with could not be written to Brevo".to_owned();
                    self.fail(email, &waiting, "contact_refused", None, reason, now);
                }
                Step::Event | Step::List(_) if is_too_old(&self.rules, &first.effect, now) => {
                    let waiting = person.effects.pop_front().expect("just seen");
                    let reason = format!(
                        "older than brevo.max_activity_age ({} h): it happened at {}",
                        self.rules.max_activity_age.as_secs() / 3600,
                        rfc3339(waiting.effect.at).unwrap_or_default()
                    );
                    self.write_once(email, &waiting, Transition::Skip, None, Some(reason), now);
                    settle_sources(&mut self.progress, &waiting);
                }
                _ => return,
            }
        }
    }

    /// The ledger shows that Brevo holds these values: the version is confirmed without a request.
    fn contact_held_already(&mut self, email: &Arc<str>, contact: WaitingContact) {
        let known = self.ledger.contact(email).expect("it holds the values");
        let reason = format!(
            "the same values were sent at {}",
            rfc3339(known.sent_at).unwrap_or_default()
        );
        self.write_contact(
            email,
            ContactEntry {
                version: contact.version,
                ..known
            },
            None,
            Some(reason),
        );
        let person = self
            .people
            .get_mut(email)
            .expect("whoever is queued is known");
        person.confirmed = person.confirmed.max(contact.version);
        self.progress.settle(contact.source.place);
    }

    /// An effect can never succeed: it goes to the dead letters with the records that ask for it.
    fn fail(
        &mut self,
        email: &Arc<str>,
        waiting: &WaitingEffect,
        class: &'static str,
        status: Option<u16>,
        reason: String,
        now: Moment,
    ) {
        for source in &waiting.sources {
            let message = format!("{}: {reason}", waiting.effect.id);
            self.outputs.dead_letters.push(DeadLetter {
                source: Arc::clone(source),
                class,
                message,
            });
        }
        self.write_once(email, waiting, Transition::Fail, status, Some(reason), now);
        settle_sources(&mut self.progress, waiting);
    }

    /// Writes a transition of a once-effect to the ledger.
    fn write_once(
        &mut self,
        email: &Arc<str>,
        waiting: &WaitingEffect,
        transition: Transition,
        status: Option<u16>,
        reason: Option<String>,
        now: Moment,
    ) {
        let effect = &waiting.effect;
        let entry = self.ledger.once(email, &effect.id);
        let Some(state) = ledger::after(entry.map(|entry| entry.state), transition) else {
            debug_assert!(false, "{transition:?} of {entry:?} would break the ledger");
            return;
        };
        let entry = OnceEntry {
            state,
            attempts: entry.map_or(0, |entry| entry.attempts)
                + u16::from(transition == Transition::Intend),
            intended_at: entry.map_or(now.clock_ms, |entry| entry.intended_at),
        };
        let list_id = match effect.id {
            EffectId::List(list) => Some(list),
            _ => None,
        };
        self.write(Delivery {
            email: email.to_string().into(),
            effect_id: effect.id.to_string().into(),
            effect: effect.id.effect(),
            state,
            attempts: entry.attempts.into(),
            intended_at: entry.intended_at,
            updated_at: now.clock_ms,
            activity_id: Some(effect.activity_id.to_string().into()),
            occurrence: Some(effect.occurrence.to_string().into()),
            contact_version: Some(effect.after_version),
            list_id,
            digest: None,
            http_status: status.map(i32::from),
            reason: reason.map(Into::into),
        });
    }

    /// Writes a contact's answer to the ledger.
    fn write_contact(
        &mut self,
        email: &Arc<str>,
        entry: ContactEntry,
        status: Option<u16>,
        reason: Option<String>,
    ) {
        self.write(Delivery {
            email: email.to_string().into(),
            effect_id: EffectId::Contact.to_string().into(),
            effect: EffectId::Contact.effect(),
            state: entry.state,
            attempts: entry.attempts,
            intended_at: entry.sent_at,
            updated_at: entry.sent_at,
            contact_version: Some(entry.version),
            digest: entry.digest.map(|digest| digest.to_hex().into()),
            http_status: status.map(i32::from),
            reason: reason.map(Into::into),
            ..Delivery::default()
        });
    }

    fn write(&mut self, delivery: Delivery<'static>) {
        let key = rollcall_schemas::key::join(&delivery.email, &delivery.effect_id);
        self.ledger.restore(key.as_bytes(), Some(&delivery));
        self.outputs.ledger.push((key, delivery));
    }

    /// Queues a person for what may be done next, once.
    fn enqueue(&mut self, email: &Arc<str>, now: Moment) {
        self.settle_front(email, now);
        if let Some(person) = self.people.get_mut(email) {
            if !person.queued {
                person.queued = self.ready.push(email, &person.step(), now.at);
            }
        }
        self.tidy(email);
    }

    /// The same for one who was just taken out of a queue.
    fn requeue(&mut self, email: &Arc<str>, now: Moment) {
        if let Some(person) = self.people.get_mut(email) {
            person.queued = false;
        }
        self.enqueue(email, now);
    }

    /// Lets a person rest before another try.
    fn rest(&mut self, email: &Arc<str>, now: Moment) {
        let person = self
            .people
            .get_mut(email)
            .expect("something of his was in flight");
        person.failures += 1;
        person.resting = true;
        self.ready.rest(
            email,
            now.at + self.rules.backoff.wait(person.failures, now.chance),
        );
    }

    /// Forgets a person for whom nothing waits: the ledger knows the rest.
    fn tidy(&mut self, email: &Arc<str>) {
        if self
            .people
            .get(email)
            .is_some_and(|person| person.is_idle() && !person.queued)
        {
            self.people.remove(email);
        }
    }

    /// What is to be committed before any call that [`Planner::plan`] gave is made.
    pub fn take_outputs(&mut self) -> Outputs {
        self.outputs.positions = self.progress.take_positions();
        std::mem::take(&mut self.outputs)
    }

    /// Attributes for which a value did not fit, since they were last taken.
    pub fn take_misfits(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.misfits)
    }

    /// Why nothing is sent: what is wrong with the account or the configuration, and what to do.
    #[must_use]
    pub fn paused(&self) -> Option<&str> {
        self.paused.as_deref()
    }

    /// Stops sending until [`Planner::resume`].
    pub fn pause(&mut self, reason: String) {
        self.paused = Some(reason);
    }

    /// Sends again; attributes may have other types now.
    pub fn resume(&mut self, types: BTreeMap<String, AttributeType>) {
        self.paused = None;
        self.types = types;
    }

    /// Calls that were given and not answered.
    #[must_use]
    pub fn calls_in_flight(&self) -> usize {
        self.calls
    }

    /// Records that are not settled.
    #[must_use]
    pub fn unsettled(&self, topic: SourceTopic) -> usize {
        self.progress.unsettled(topic)
    }

    /// Effects of unknown outcome.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.checks.len()
    }

    /// When something is due that no answer and no record brings about.
    #[must_use]
    pub fn due_at(&self) -> Option<Instant> {
        [
            self.ready.due_at(self.rules.list_linger),
            self.checks.due_at(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// The person, with what the ledger knows of his contact.
fn person<'p>(
    people: &'p mut HashMap<Arc<str>, Person>,
    ledger: &LedgerStore,
    email: &Arc<str>,
) -> &'p mut Person {
    people.entry(Arc::clone(email)).or_insert_with(|| {
        let mut person = Person::default();
        match ledger.contact(email) {
            Some(entry) if entry.state == DeliveryState::Confirmed => {
                person.confirmed = entry.version
            }
            Some(entry) if entry.state == DeliveryState::Failed => person.refused = entry.version,
            _ => {}
        }
        person
    })
}

fn is_too_old(rules: &Rules, effect: &OnceEffect, now: Moment) -> bool {
    let limit = i64::try_from(rules.max_activity_age.as_millis()).unwrap_or(i64::MAX);
    now.clock_ms.saturating_sub(effect.at) > limit
}

fn settle_sources(progress: &mut Progress, waiting: &WaitingEffect) {
    for source in &waiting.sources {
        progress.settle(source.place);
    }
}

#[cfg(test)]
mod tests;
