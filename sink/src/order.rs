//! What waits for one person, and what may go out next.
//!
//! One request is in flight for a person. What must happen once keeps its order, and waits for the
//! contact's version that it came with. An effect of unknown outcome leaves the queue, so that it holds
//! back nothing but itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::effect::{EffectId, OnceEffect};
use crate::mapping::MappedContact;
use crate::progress::Place;
use crate::request::Digest;

/// A record of a source, whole: what becomes a dead letter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// Where it was read.
    pub place: Place,
    /// When it was appended there, in milliseconds since 1970.
    pub timestamp: i64,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// Its headers, encoded.
    pub headers: Vec<u8>,
}

/// A contact's version that Brevo does not have.
#[derive(Clone, Debug)]
pub struct WaitingContact {
    /// Its version.
    pub version: i64,
    /// What is sent.
    pub mapped: MappedContact,
    /// Of the values mapped, phones included also where they are left out.
    pub digest: Digest,
    /// The record.
    pub source: Arc<Source>,
    /// Phones are left out: Brevo refused them.
    pub without_phones: bool,
    /// How often Brevo told of a conflict of identifiers. After the first the contact is updated by
    /// its id.
    pub conflicts: u32,
}

/// Something that must happen once and did not, as far as is known.
#[derive(Clone, Debug)]
pub struct WaitingEffect {
    /// What.
    pub effect: OnceEffect,
    /// The records that ask for it: several activities ask for one list.
    pub sources: Vec<Arc<Source>>,
    /// It goes out in a request of its own: together with others it was refused.
    pub alone: bool,
}

/// An effect of which Brevo has to tell whether it happened.
#[derive(Clone, Debug)]
pub struct UnknownEffect {
    /// What waits for the answer.
    pub waiting: WaitingEffect,
    /// When its outcome became unknown.
    pub since: Instant,
    /// How often Brevo was asked.
    pub asked: usize,
}

/// What is in flight.
#[derive(Clone, Debug)]
pub enum InFlight {
    /// The contact.
    Contact(WaitingContact),
    /// Something that must happen once.
    Once(WaitingEffect),
}

/// What may be done next for a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// The contact is sent.
    Contact,
    /// An event is sent.
    Event,
    /// The person is added to a list.
    List(i64),
    /// The first effect can never be done: its contact cannot be written.
    Doomed,
}

/// What waits for one person.
#[derive(Debug, Default)]
pub struct Person {
    /// The version that Brevo has; 0 for none.
    pub confirmed: i64,
    /// The last version that Brevo refused for good; 0 for none.
    pub refused: i64,
    /// The newest version that Brevo does not have.
    pub contact: Option<WaitingContact>,
    /// What must happen once, in order.
    pub effects: VecDeque<WaitingEffect>,
    /// Effects of unknown outcome.
    pub unknown: Vec<UnknownEffect>,
    /// The request in flight.
    pub in_flight: Option<InFlight>,
    /// Brevo may hold a version of which the ledger does not know: one that was sent and not
    /// answered. Then equal values are sent again.
    pub is_unsure: bool,
    /// Failures in a row that are worth another try.
    pub failures: u32,
    /// Waits before another try.
    pub resting: bool,
    /// Stands in a queue of those for whom something may be done.
    pub queued: bool,
}

impl Person {
    /// What may be done next.
    #[must_use]
    pub fn step(&self) -> Step {
        if self.in_flight.is_some() || self.resting {
            return Step::Nothing;
        }
        match self.effects.front() {
            Some(first) if self.confirmed >= first.effect.after_version.max(1) => {
                match first.effect.id {
                    EffectId::List(list) => Step::List(list),
                    _ => Step::Event,
                }
            }
            _ if self.contact.is_some() => Step::Contact,
            Some(first) if self.refused >= first.effect.after_version.max(1) => Step::Doomed,
            _ => Step::Nothing,
        }
    }

    /// Whether nothing waits, and nothing is known that the ledger does not know.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.contact.is_none()
            && self.effects.is_empty()
            && self.unknown.is_empty()
            && self.in_flight.is_none()
            && !self.resting
    }

    /// The waiting effect of this name, wherever it is.
    pub fn find(&mut self, id: &EffectId) -> Option<&mut WaitingEffect> {
        let in_flight = match &mut self.in_flight {
            Some(InFlight::Once(waiting)) => Some(waiting),
            _ => None,
        };
        self.effects
            .iter_mut()
            .chain(self.unknown.iter_mut().map(|unknown| &mut unknown.waiting))
            .chain(in_flight)
            .find(|waiting| waiting.effect.id == *id)
    }

    /// Takes an effect out of those of unknown outcome.
    pub fn take_unknown(&mut self, id: &EffectId) -> Option<UnknownEffect> {
        let index = self
            .unknown
            .iter()
            .position(|unknown| unknown.waiting.effect.id == *id)?;
        Some(self.unknown.remove(index))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{InFlight, Person, Source, Step, WaitingContact, WaitingEffect};
    use crate::effect::{EffectId, OnceEffect};
    use crate::mapping::MappedContact;
    use crate::progress::{Place, SourceTopic};

    fn source() -> Arc<Source> {
        let place = Place {
            topic: SourceTopic::Activities,
            partition: 0,
            offset: 0,
        };
        Arc::new(Source {
            place,
            timestamp: 0,
            key: vec![],
            value: vec![],
            headers: vec![],
        })
    }

    fn effect(id: EffectId, after_version: i64) -> WaitingEffect {
        let effect = OnceEffect {
            id,
            activity_id: "a".into(),
            occurrence: "o".into(),
            at: 0,
            after_version,
            event: None,
        };
        WaitingEffect {
            effect,
            sources: vec![source()],
            alone: false,
        }
    }

    fn contact(version: i64) -> WaitingContact {
        let mapped = MappedContact::default();
        let digest = mapped.attributes.digest();
        WaitingContact {
            version,
            mapped,
            digest,
            source: source(),
            without_phones: false,
            conflicts: 0,
        }
    }

    #[test]
    fn an_effect_waits_for_the_version_that_it_names() {
        let mut person = Person {
            confirmed: 2,
            ..Person::default()
        };
        person
            .effects
            .push_back(effect(EffectId::Event("x:1".into()), 3));
        assert_eq!(person.step(), Step::Nothing);
        person.contact = Some(contact(4));
        assert_eq!(person.step(), Step::Contact);
        person.in_flight = person.contact.take().map(InFlight::Contact);
        assert_eq!(person.step(), Step::Nothing);
        person.in_flight = None;
        person.confirmed = 4;
        assert_eq!(person.step(), Step::Event);
        person.effects.push_front(effect(EffectId::List(7), 1));
        assert_eq!(person.step(), Step::List(7));
        person.resting = true;
        assert_eq!(person.step(), Step::Nothing);
    }

    #[test]
    fn an_effect_without_a_version_still_waits_for_a_contact() {
        let mut person = Person::default();
        person
            .effects
            .push_back(effect(EffectId::Event("x:1".into()), 0));
        assert_eq!(person.step(), Step::Nothing);
        person.confirmed = 1;
        assert_eq!(person.step(), Step::Event);
    }

    #[test]
    fn an_effect_is_doomed_with_its_contact_unless_a_later_version_waits() {
        let mut person = Person {
            confirmed: 1,
            refused: 3,
            ..Person::default()
        };
        person
            .effects
            .push_back(effect(EffectId::Event("x:1".into()), 2));
        assert_eq!(person.step(), Step::Doomed);
        person.contact = Some(contact(4));
        assert_eq!(person.step(), Step::Contact);
        person.effects[0].effect.after_version = 1;
        assert_eq!(person.step(), Step::Event);
    }
}
