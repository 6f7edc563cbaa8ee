//! The topics of one installation: the catalogue, with what the configuration says of names,
//! partitions, copies and retention.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use rollcall_eventlog::{CleanupPolicy, Header, OutputBatch, TopicConfig, TopicPartition};
use rollcall_schemas::catalogue::{Cleanup, Partitions, TOPICS, Topic};
use rollcall_schemas::{key, partitioner};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What may be configured of the topics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicSettings {
    /// Stands in front of every topic and group, as it is: a separator is part of it.
    pub prefix: String,
    /// Partitions of every topic whose count is not fixed. Decides where a key lives, and so is fixed
    /// once the topics exist.
    pub partitions: NonZeroU32,
    /// Copies that a cluster keeps. The embedded engine keeps one.
    pub replication: u16,
    /// Least age in milliseconds at which a tombstone of a compacted topic may go. A store that was
    /// away for more than half of this is rebuilt, because it may have missed a deletion.
    pub tombstone_retention_ms: u64,
    /// Least age in milliseconds at which a record may go, by topic (without the prefix), where it is
    /// not the catalogue's. Names of compacted topics have no effect here.
    pub retention_ms: BTreeMap<String, u64>,
}

impl Default for TopicSettings {
    /// No prefix, four partitions, one copy, tombstones kept for 30 days, retention as catalogued.
    fn default() -> Self {
        Self {
            prefix: String::new(),
            partitions: NonZeroU32::new(4).expect("four is not zero"),
            replication: 1,
            tombstone_retention_ms: 30 * DAY_MS,
            retention_ms: BTreeMap::new(),
        }
    }
}

impl TopicSettings {
    /// The topic's name, with the prefix.
    #[must_use]
    pub fn name(&self, topic: &Topic) -> Arc<str> {
        self.prefixed(topic.name)
    }

    /// `name` (a topic's or a group's) with the prefix.
    #[must_use]
    pub fn prefixed(&self, name: &str) -> Arc<str> {
        format!("{}{name}", self.prefix).into()
    }

    /// How many partitions the topic has.
    #[must_use]
    pub fn partitions(&self, topic: &Topic) -> u32 {
        match topic.partitions {
            Partitions::Configured => self.partitions.get(),
            Partitions::Fixed(partitions) => partitions,
        }
    }

    /// The way of records into the topic.
    #[must_use]
    pub fn route(&self, topic: &Topic) -> Route {
        Route {
            topic: self.name(topic),
            partitions: self.partitions(topic),
        }
    }

    /// How the topic is to be in the log.
    #[must_use]
    pub fn config(&self, topic: &Topic) -> TopicConfig {
        let cleanup = match topic.cleanup {
            Cleanup::Compact => CleanupPolicy::Compact {
                tombstone_retention_ms: self.tombstone_retention_ms,
            },
            Cleanup::Delete { retention_ms } => CleanupPolicy::Delete {
                retention_ms: self
                    .retention_ms
                    .get(topic.name)
                    .copied()
                    .unwrap_or(retention_ms),
            },
        };
        TopicConfig {
            name: self.name(topic),
            partitions: self.partitions(topic),
            replication: self.replication,
            cleanup,
        }
    }

    /// How every topic of the catalogue is to be in the log.
    #[must_use]
    pub fn configs(&self) -> Vec<TopicConfig> {
        TOPICS.iter().map(|topic| self.config(topic)).collect()
    }
}

/// Writes a record's value to the end of the buffer it is given, and nothing else.
pub type WriteValue<'a> = &'a mut dyn FnMut(&mut Vec<u8>);

/// The way of records into a topic: the key decides the partition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The topic, with the prefix.
    pub topic: Arc<str>,
    /// How many partitions it has; never zero.
    pub partitions: u32,
}

impl Route {
    /// The partition of a key: murmur2 of the part before the first space.
    #[must_use]
    pub fn partition_for(&self, key: &[u8]) -> u32 {
        partitioner::partition(key::partition_part(key), self.partitions)
    }

    /// One partition of the topic.
    #[must_use]
    pub fn partition(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(Arc::clone(&self.topic), partition)
    }

    /// Every partition of the topic.
    pub fn all(&self) -> impl Iterator<Item = TopicPartition> + use<> {
        let topic = Arc::clone(&self.topic);
        (0..self.partitions)
            .map(move |partition| TopicPartition::new(Arc::clone(&topic), partition))
    }

    /// Adds a record to `outputs`, in the partition of its key. `value` writes the value to the end
    /// of the buffer it is given, and nothing else; where it is `None` the record is a tombstone.
    pub fn push<'h>(
        &self,
        outputs: &mut OutputBatch,
        key: &str,
        value: Option<WriteValue<'_>>,
        headers: impl IntoIterator<Item = Header<'h>>,
    ) {
        let key = key.as_bytes();
        outputs.push(
            &self.topic,
            self.partition_for(key),
            Some(key),
            value,
            headers,
        );
    }
}

#[cfg(test)]
mod tests {
    use rollcall_eventlog::{CleanupPolicy, Header, OutputBatch};
    use rollcall_schemas::catalogue::{
        DEAD_LETTERS, ENGAGEMENT_ATTENDANCE, LEASES, TOPICS, ZOOM_RAW,
    };

    use super::{DAY_MS, TopicSettings};

    fn settings() -> TopicSettings {
        TopicSettings {
            prefix: "acme.".into(),
            replication: 3,
            retention_ms: [("zoom.raw".to_owned(), DAY_MS)].into(),
            ..TopicSettings::default()
        }
    }

    #[test]
    fn the_catalogue_with_what_is_configured() {
        let settings = settings();
        let configs = settings.configs();
        assert_eq!(configs.len(), TOPICS.len());
        let of = |name: &str| {
            configs
                .iter()
                .find(|config| &*config.name == name)
                .expect("catalogued")
        };
        let raw = of("acme.zoom.raw");
        assert_eq!((raw.partitions, raw.replication), (4, 3));
        assert_eq!(
            raw.cleanup,
            CleanupPolicy::Delete {
                retention_ms: DAY_MS
            }
        );
        assert_eq!(
            of("acme.rollcall.dead-letters").cleanup,
            CleanupPolicy::Delete {
                retention_ms: 90 * DAY_MS
            }
        );
        assert_eq!(
            of("acme.zoom.events").cleanup,
            CleanupPolicy::Compact {
                tombstone_retention_ms: 30 * DAY_MS
            }
        );
        assert_eq!(of("acme.rollcall.leases").partitions, 1);
        assert_eq!(settings.route(&LEASES).partitions, 1);
        assert_eq!(&*settings.name(&DEAD_LETTERS), "acme.rollcall.dead-letters");
        assert_eq!(
            settings
                .route(&ZOOM_RAW)
                .all()
                .map(|p| p.to_string())
                .last()
                .as_deref(),
            Some("acme.zoom.raw[3]")
        );
    }

    #[test]
    fn the_part_before_the_space_decides_the_partition() {
        let route = settings().route(&ENGAGEMENT_ATTENDANCE);
        let mut outputs = OutputBatch::default();
        route.push(
            &mut outputs,
            "ann@example.com 1",
            Some(&mut |out| out.push(7)),
            [],
        );
        route.push(
            &mut outputs,
            "ann@example.com 2",
            None,
            [Header {
                name: "version",
                value: b"2",
            }],
        );
        let expected = route.partition_for(b"ann@example.com");
        let all: Vec<_> = outputs
            .iter()
            .map(|o| (o.partition, o.key, o.value))
            .collect();
        assert_eq!(
            all,
            [
                (expected, Some(&b"ann@example.com 1"[..]), Some(&[7_u8][..])),
                (expected, Some(b"ann@example.com 2"), None),
            ]
        );
        assert!(
            (0..100)
                .any(|id| route.partition_for(format!("{id}@example.com").as_bytes()) != expected)
        );
    }
}
