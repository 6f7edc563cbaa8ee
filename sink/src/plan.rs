//! Decides what is sent, and when: the sink without its hands.
//!
//! [`Planner`] takes records and answers, and gives calls to make and records to commit. It is pure:
//! the time comes with every call as a [`Moment`]. Its caller commits [`Planner::take_outputs`] before
//! it makes the calls that [`Planner::plan`] gave, which is what makes the ledger a ledger: no call that
//! must happen once goes out before its intent is durable.

mod answer;
mod call;
mod queue;
mod send;
mod verify;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rollcall_runtime::Rejection;
use rollcall_schemas::record::{Activity, Contact, Delivery, DeliveryState};

use crate::backoff::Backoff;
use crate::effect::{EffectId, OnceEffect, Wanted};
use crate::ledger::{self, Arrival, ContactEntry, Transition};
use crate::ledger_store::LedgerStore;
use crate::mapping::Mapping;
use crate::mapping::attribute::AttributeType;
use crate::options::Options;
use crate::order::{InFlight, Person, Source, WaitingContact, WaitingEffect};
use crate::progress::{Progress, SourceTopic};
use crate::tally::Tally;

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
    /// Why.
    pub why: Rejection,
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
    /// What became of records, for the metrics: it comes with what it counts.
    pub tally: Tally,
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

/// How often something that must happen once is sent at most where nothing tells whether Brevo took it.
/// Each full round of look-ups that does not find it allows one more sending: a process that dies again
/// before the answer leaves it unknown again. Sendings that Brevo clearly did not take are not counted.
pub const MOST_SENDINGS: u16 = 5;

/// The class of a record that is not what its topic holds.
pub const UNREADABLE: &str = "unreadable";

/// How often a contact whose identifiers are in conflict is tried.
const MOST_CONFLICTS: u32 = 3;

/// Why the ledger holds something as intended that was done with.
const ASKED_AGAIN: &str = "a person asked for it again";

/// Decides what is sent, and when.
#[derive(Debug)]
pub struct Planner {
    rules: Rules,
    types: BTreeMap<String, AttributeType>,
    ledger: LedgerStore,
    people: HashMap<Arc<str>, Person>,
    /// Versions with which contacts went away, of those that have not come back.
    erased: HashMap<Arc<str>, i64>,
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
            erased: HashMap::new(),
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
    ///
    /// `first_read` is false where an instance before this one may have read it, and sent it without
    /// coming to write so into the ledger.
    pub fn contact(
        &mut self,
        source: Arc<Source>,
        contact: &Contact<'_>,
        first_read: bool,
        now: Moment,
    ) -> Taken {
        self.take_contact(source, contact, first_read, false, now)
    }

    /// Reading of a partition begins at `next`, where the group is. To be told of every partition
    /// before anything is taken.
    pub fn reading_begins(&mut self, topic: SourceTopic, partition: u32, next: i64) {
        self.progress.begin(topic, partition, next);
    }

    /// Takes a contact once more although Brevo refused this version. Once the outputs are committed,
    /// it is not lost: who begins anew finds it in the ledger, and reads its record again.
    pub fn redrive_contact(
        &mut self,
        source: Arc<Source>,
        contact: &Contact<'_>,
        now: Moment,
    ) -> Taken {
        self.take_contact(source, contact, false, true, now)
    }

    fn take_contact(
        &mut self,
        source: Arc<Source>,
        contact: &Contact<'_>,
        first_read: bool,
        redriven: bool,
        now: Moment,
    ) -> Taken {
        let email: Arc<str> = contact.email.as_str().into();
        match self.erased.get(&email) {
            Some(erased) if contact.version <= *erased => return Taken::Ignored("erased"),
            Some(_) => _ = self.erased.remove(&email),
            None => {}
        }
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
        person.is_unsure |= !first_read;
        let asked_again = contact.version <= person.refused;
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
        if asked_again {
            let entry = ContactEntry {
                state: DeliveryState::Intended,
                version: contact.version,
                digest: None,
                attempts: self
                    .ledger
                    .contact(&email)
                    .map_or(0, |known| known.attempts),
                sent_at: now.clock_ms,
            };
            self.write_contact(&email, entry, None, Some(ASKED_AGAIN.to_owned()), now);
        }
        self.enqueue(&email, now);
        Taken::Effective
    }

    /// A contact went away with this version: nothing that waits for it, or came with it or before, is
    /// done any more.
    pub fn contact_erased(&mut self, email: &str, version: i64, now: Moment) {
        let email: Arc<str> = email.into();
        let erased = self.erased.entry(Arc::clone(&email)).or_default();
        *erased = version.max(*erased);
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

    /// Takes an activity once more although what it asks for failed or was skipped. Once the outputs
    /// are committed, it is not lost: who begins anew finds it in the ledger, and reads its record again.
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
        let is_erased = self
            .erased
            .get(&email)
            .is_some_and(|erased| contact_version <= *erased);
        for effect in effects {
            unsettled += u32::from(if is_erased {
                self.skip_of_erased(&email, &source, effect, now);
                false
            } else {
                self.take_effect(&email, &source, effect, redriven, now)
            });
        }
        self.progress.open(source.place, unsettled);
        self.enqueue(&email, now);
        if unsettled == 0 {
            Taken::Ignored("settled")
        } else {
            Taken::Effective
        }
    }

    /// An effect whose contact went away before it could be done.
    fn skip_of_erased(
        &mut self,
        email: &Arc<str>,
        source: &Arc<Source>,
        effect: OnceEffect,
        now: Moment,
    ) {
        if self.ledger.once(email, &effect.id).is_none() {
            let waiting = WaitingEffect {
                effect,
                sources: vec![Arc::clone(source)],
                alone: false,
            };
            let reason = "the contact is no more: its rows were taken back".to_owned();
            self.write_once(email, &waiting, Transition::Skip, None, Some(reason), now);
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
            alone: false,
        };
        match ledger::arrival(&id, entry, redriven) {
            Arrival::Settled(_) => false,
            Arrival::Wait => {
                let was_done_with = entry.is_some_and(|entry| {
                    matches!(entry.state, DeliveryState::Failed | DeliveryState::Skipped)
                });
                if redriven && was_done_with {
                    let reason = Some(ASKED_AGAIN.to_owned());
                    self.write_once(email, &waiting, Transition::AskAgain, None, reason, now);
                }
                let person = self.people.get_mut(email).expect("just seen");
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
            why: Rejection {
                class: UNREADABLE,
                message,
            },
        });
    }

    /// All records of a partition below `next` were handed over.
    pub fn read_to(&mut self, topic: SourceTopic, partition: u32, next: i64) {
        self.progress.read_to(topic, partition, next);
    }

    /// Queues a person for what may be done next, once.
    fn enqueue(&mut self, email: &Arc<str>, now: Moment) {
        self.settle_front(email, now);
        if let Some(person) = self.people.get_mut(email)
            && !person.queued
        {
            person.queued = self.ready.push(email, &person.step(), now.at);
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
        self.outputs.tally = self.progress.take_tally();
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

fn settle_sources(progress: &mut Progress, waiting: &WaitingEffect) {
    for source in &waiting.sources {
        progress.settle(source.place);
    }
}

#[cfg(test)]
mod tests;
