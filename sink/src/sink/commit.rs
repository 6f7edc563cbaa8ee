//! From what the planner wants committed to a unit of work.

use rollcall_eventlog::{Header, Headers, UnitOfWork};
use rollcall_runtime::{Route, TopicSettings, dead_letter};
use rollcall_schemas::catalogue::{
    BREVO_DELIVERIES, DEAD_LETTERS, ENGAGEMENT_ACTIVITIES, ENGAGEMENT_CONTACTS,
};
use rollcall_schemas::wire::{DELIVERY, Encoder};

use crate::metric::STAGE;
use crate::plan::{DeadLetter, Outputs};
use crate::progress::SourceTopic;

/// The ways of the sink's records, out and in.
pub(super) struct Routes {
    pub(super) deliveries: Route,
    pub(super) contacts: Route,
    pub(super) activities: Route,
    dead_letters: Route,
}

impl Routes {
    pub(super) fn new(topics: &TopicSettings) -> Self {
        Self {
            deliveries: topics.route(&BREVO_DELIVERIES),
            contacts: topics.route(&ENGAGEMENT_CONTACTS),
            activities: topics.route(&ENGAGEMENT_ACTIVITIES),
            dead_letters: topics.route(&DEAD_LETTERS),
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
        let (number, offset, timestamp) = (
            place.partition.to_string(),
            place.offset.to_string(),
            source.timestamp.to_string(),
        );
        let own = [
            (dead_letter::CLASS, dead.class),
            (dead_letter::MESSAGE, &*dead.message),
            (dead_letter::STAGE, STAGE),
            (dead_letter::TOPIC, &*self.source(place.topic).topic),
            (dead_letter::PARTITION, &*number),
            (dead_letter::OFFSET, &*offset),
            (dead_letter::TIMESTAMP, &*timestamp),
        ];
        let headers = Headers::from_encoded(&source.headers);
        let kept = headers
            .iter()
            .filter(|header| !header.name.starts_with(dead_letter::HEADER_PREFIX));
        let headers = kept.chain(own.map(|(name, value)| Header {
            name,
            value: value.as_bytes(),
        }));
        let mut write = |out: &mut Vec<u8>| out.extend_from_slice(&source.value);
        let topic = &self.dead_letters;
        let partition = topic.partition_for(&source.key);
        unit.outputs.push(
            &topic.topic,
            partition,
            Some(&source.key),
            Some(&mut write),
            headers,
        );
    }
}

/// An encoder of ledger records.
pub(super) fn encoder() -> Encoder {
    DELIVERY.encoder()
}
