//! What the log says of a person, an occurrence, a delivery, a dead letter: read from the topics, with
//! the place of every record that it comes from.
//!
//! The reports are plain data: they are printed in a terminal, and sent as JSON by the admin address
//! of a running process, which alone can read an embedded log.

mod audit;
mod contact;
mod dead_letters;
mod deliveries;
mod occurrence;
mod scan;

use std::sync::Arc;

use rollcall_eventlog::{EventLog, TopicPartition};
use rollcall_runtime::TopicSettings;
use serde::{Deserialize, Serialize};

pub(crate) use audit::{Account, AuditReport};
pub(crate) use contact::ContactReport;
pub(crate) use dead_letters::{Content, DeadLetter, DeadLetterContent, Redriven};
pub(crate) use deliveries::DeliveryLine;
pub(crate) use occurrence::OccurrenceReport;

/// Where a record is.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) offset: i64,
}

impl Place {
    fn of(partition: &TopicPartition, offset: i64) -> Self {
        Self {
            topic: partition.topic.to_string(),
            partition: partition.partition,
            offset,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]@{}", self.topic, self.partition, self.offset)
    }
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (topic, rest) = text.split_once('[')?;
            let (partition, offset) = rest.split_once("]@")?;
            Some(Self {
                topic: topic.to_owned(),
                partition: partition.parse().ok()?,
                offset: offset.parse().ok()?,
            })
        };
        parse().ok_or_else(|| format!("{text:?} is no place of a record: it looks like rollcall.dead-letters[0]@17, as `dead-letters list` shows it"))
    }
}

/// Reads the topics.
pub(crate) struct Inspector {
    log: Arc<dyn EventLog>,
    topics: TopicSettings,
}

impl Inspector {
    pub(crate) fn new(log: Arc<dyn EventLog>, topics: TopicSettings) -> Self {
        Self { log, topics }
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_is_read_as_it_is_shown() {
        let place = Place {
            topic: "acme.rollcall.dead-letters".to_owned(),
            partition: 3,
            offset: 17,
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        assert!("17".parse::<Place>().is_err());
    }
}
