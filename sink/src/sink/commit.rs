//! From what the planner wants committed to a unit of work.

use rollcall_eventlog::{Headers, RecordRef, UnitOfWork};
use rollcall_runtime::dead_letter::DeadLetters;
use rollcall_runtime::{Route, TopicSettings};
use rollcall_schemas::catalogue::{BREVO_DELIVERIES, ENGAGEMENT_ACTIVITIES, ENGAGEMENT_CONTACTS};
use rollcall_schemas::wire::{DELIVERY, Encoder};

use crate::metric::STAGE;
use crate::plan::{DeadLetter, Outputs};
use crate::progress::SourceTopic;

/// The ways of the sink's records, out and in.
pub(super) struct Routes {
    pub(super) deliveries: Route,
    pub(super) contacts: Route,
    pub(super) activities: Route,
    dead_letters: DeadLetters,
}

impl Routes {
    pub(super) fn new(topics: &TopicSettings) -> Self {
        Self {
            deliveries: topics.route(&BREVO_DELIVERIES),
            contacts: topics.route(&ENGAGEMENT_CONTACTS),
            activities: topics.route(&ENGAGEMENT_ACTIVITIES),
            dead_letters: DeadLetters::new(topics, STAGE),
        }
    }

    pub(super) fn source(&self, topic: SourceTopic) -> &Route {
        match topic {
            SourceTopic::Contacts => &self.contacts,
            SourceTopic::Activities => &self.activities,
        }
    }

    pub(super) fn unit(&self, outputs: &Outputs, encoder: &mut Encoder) -> UnitOfWork {
        let mut unit = UnitOfWork::default();
        for (key, delivery) in &outputs.ledger {
            let mut write = |out: &mut Vec<u8>| encoder.encode_into(delivery, out);
            self.deliveries
                .push(&mut unit.outputs, key, Some(&mut write), []);
        }
        for dead in &outputs.dead_letters {
            self.push_dead_letter(&mut unit, dead);
        }
        for (topic, partition, position) in &outputs.positions {
            unit.offsets
                .push((self.source(*topic).partition(*partition), *position));
        }
        unit
    }

    fn push_dead_letter(&self, unit: &mut UnitOfWork, dead: &DeadLetter) {
        let source = &dead.source;
        let place = source.place;
        let record = RecordRef {
            offset: place.offset,
            timestamp: source.timestamp,
            key: Some(&source.key),
            value: Some(&source.value),
            headers: Headers::from_encoded(&source.headers),
        };
        let from = self.source(place.topic).partition(place.partition);
        self.dead_letters
            .push(&mut unit.outputs, &from, &record, &dead.why);
    }
}

/// An encoder of ledger records.
pub(super) fn encoder() -> Encoder {
    DELIVERY.encoder()
}
