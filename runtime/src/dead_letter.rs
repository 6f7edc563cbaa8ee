//! Where records go that can never succeed: whole, with what is wrong in their headers.

use rollcall_eventlog::{Header, OutputBatch, RecordRef, TopicPartition};
use rollcall_schemas::catalogue::DEAD_LETTERS;

use crate::topics::WriteValue;
use crate::{Rejection, Route, TopicSettings};

/// Begins the names of all headers that a dead letter has beside those of the source record.
pub const HEADER_PREFIX: &str = "rollcall.error.";
/// The class of fault, as counted in the metrics.
pub const CLASS: &str = "rollcall.error.class";
/// What is wrong, for a person to read.
pub const MESSAGE: &str = "rollcall.error.message";
/// The stage that could not take the record.
pub const STAGE: &str = "rollcall.error.stage";
/// The topic that the record was read from, with the prefix.
pub const TOPIC: &str = "rollcall.error.topic";
/// The partition that it was read from, decimal.
pub const PARTITION: &str = "rollcall.error.partition";
/// The offset that it was read at, decimal.
pub const OFFSET: &str = "rollcall.error.offset";
/// When it was appended there, in milliseconds since 1970, decimal.
pub const TIMESTAMP: &str = "rollcall.error.timestamp";

/// The way of one stage's dead letters.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    route: Route,
    stage: &'static str,
}

impl DeadLetters {
    /// Dead letters of `stage`.
    #[must_use]
    pub fn new(topics: &TopicSettings, stage: &'static str) -> Self {
        Self {
            route: topics.route(&DEAD_LETTERS),
            stage,
        }
    }

    /// Adds the dead letter of `record` to `outputs`. A record without a key goes to the partition of
    /// its source's number.
    pub fn push(
        &self,
        outputs: &mut OutputBatch,
        from: &TopicPartition,
        record: &RecordRef<'_>,
        why: &Rejection,
    ) {
        let partition = match record.key {
            Some(key) => self.route.partition_for(key),
            None => from.partition % self.route.partitions,
        };
        let (number, offset, timestamp) = (
            from.partition.to_string(),
            record.offset.to_string(),
            record.timestamp.to_string(),
        );
        let own = [
            (CLASS, why.class),
            (MESSAGE, &*why.message),
            (STAGE, self.stage),
            (TOPIC, &*from.topic),
            (PARTITION, &*number),
            (OFFSET, &*offset),
            (TIMESTAMP, &*timestamp),
        ];
        let headers = record
            .headers
            .iter()
            .filter(|header| !header.name.starts_with(HEADER_PREFIX))
            .chain(own.map(|(name, value)| Header {
                name,
                value: value.as_bytes(),
            }));
        let value = record.value;
        let mut write = |out: &mut Vec<u8>| out.extend_from_slice(value.unwrap_or_default());
        let write = value.is_some().then_some(&mut write as WriteValue<'_>);
        outputs.push(&self.route.topic, partition, record.key, write, headers);
    }
}

#[cfg(test)]
mod tests {
    use rollcall_eventlog::{Header, Headers, OutputBatch, RecordRef, TopicPartition};

    use super::{DeadLetters, HEADER_PREFIX, OFFSET};
    use crate::{Rejection, TopicSettings};

    #[test]
    fn a_dead_letter_is_the_record_whole_and_what_is_wrong() {
        let dead = DeadLetters::new(
            &TopicSettings {
                prefix: "acme.".into(),
                ..TopicSettings::default()
            },
            "normalize",
        );
        let mut headers = Vec::new();
        Headers::encode_into(
            Header {
                name: "request",
                value: b"r-1",
            },
            &mut headers,
        );
        Headers::encode_into(
            Header {
                name: OFFSET,
                value: b"of a former death",
            },
            &mut headers,
        );
        let record = RecordRef {
            offset: 17,
            timestamp: 1_772_409_600_000,
            key: Some(b"860 x"),
            value: Some(b"{"),
            headers: Headers::from_encoded(&headers),
        };
        let why = Rejection {
            class: "json",
            message: "ends early".into(),
        };
        let mut outputs = OutputBatch::default();
        dead.push(
            &mut outputs,
            &TopicPartition::new("acme.zoom.raw", 5),
            &record,
            &why,
        );
        dead.push(
            &mut outputs,
            &TopicPartition::new("acme.zoom.raw", 5),
            &RecordRef {
                key: None,
                value: None,
                ..record
            },
            &why,
        );

        let letters: Vec<_> = outputs.iter().collect();
        assert_eq!(&**letters[0].topic, "acme.rollcall.dead-letters");
        assert_eq!(
            (letters[0].key, letters[0].value),
            (Some(&b"860 x"[..]), Some(&b"{"[..]))
        );
        let told: Vec<_> = letters[0]
            .headers
            .iter()
            .map(|h| {
                (
                    h.name.strip_prefix(HEADER_PREFIX).unwrap_or(h.name),
                    std::str::from_utf8(h.value).unwrap(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("request", "r-1"),
                ("class", "json"),
                ("message", "ends early"),
                ("stage", "normalize"),
                ("topic", "acme.zoom.raw"),
                ("partition", "5"),
                ("offset", "17"),
                ("timestamp", "1772409600000"),
            ]
        );
        assert_eq!(
            (letters[1].key, letters[1].value, letters[1].partition),
            (None, None, 1)
        );
    }
}
