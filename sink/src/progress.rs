//! How far the sources were worked off: the offsets that may be committed.
//!
//! A record counts until all that it asks for is settled. What is committed for a partition is the
//! first record that still counts, so that a restart reads everything again that the ledger does not
//! settle.

use std::collections::{BTreeMap, BTreeSet};

/// A topic that the sink reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum SourceTopic {
    /// `engagement.contacts`.
    Contacts,
    /// `engagement.activities`.
    Activities,
}

impl SourceTopic {
    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Contacts => "engagement.contacts",
            Self::Activities => "engagement.activities",
        }
    }
}

/// A place in a source.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Place {
    /// The topic.
    pub topic: SourceTopic,
    /// The partition.
    pub partition: u32,
    /// The record's offset.
    pub offset: i64,
}

#[derive(Debug, Default)]
struct PartitionProgress {
    open: BTreeMap<i64, u32>,
    next: i64,
}

/// How far every partition was worked off.
#[derive(Debug, Default)]
pub struct Progress {
    partitions: BTreeMap<(SourceTopic, u32), PartitionProgress>,
    changed: BTreeSet<(SourceTopic, u32)>,
    open_contacts: usize,
    open_activities: usize,
}

impl Progress {
    /// A record asks for `effects` things that are not settled yet.
    pub fn open(&mut self, place: Place, effects: u32) {
        if effects == 0 {
            return;
        }
        let partition = self
            .partitions
            .entry((place.topic, place.partition))
            .or_default();
        if partition.open.insert(place.offset, effects).is_none() {
            *self.count(place.topic) += 1;
        }
    }

    /// One thing that a record asked for is settled.
    pub fn settle(&mut self, place: Place) {
        let Some(partition) = self.partitions.get_mut(&(place.topic, place.partition)) else {
            return;
        };
        let Some(effects) = partition.open.get_mut(&place.offset) else {
            return;
        };
        *effects -= 1;
        if *effects == 0 {
            partition.open.remove(&place.offset);
            *self.count(place.topic) -= 1;
            self.changed.insert((place.topic, place.partition));
        }
    }

    /// All records below `next` were read.
    pub fn read_to(&mut self, topic: SourceTopic, partition: u32, next: i64) {
        let progress = self.partitions.entry((topic, partition)).or_default();
        if next != progress.next {
            progress.next = next;
            self.changed.insert((topic, partition));
        }
    }

    /// The positions that changed since they were last taken.
    pub fn take_positions(&mut self) -> Vec<(SourceTopic, u32, i64)> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .map(|(topic, number)| {
                let partition = &self.partitions[&(topic, number)];
                let position = partition
                    .open
                    .keys()
                    .next()
                    .copied()
                    .unwrap_or(partition.next);
                (topic, number, position)
            })
            .collect()
    }

    /// How many records of a topic are not settled.
    #[must_use]
    pub fn unsettled(&self, topic: SourceTopic) -> usize {
        match topic {
            SourceTopic::Contacts => self.open_contacts,
            SourceTopic::Activities => self.open_activities,
        }
    }

    fn count(&mut self, topic: SourceTopic) -> &mut usize {
        match topic {
            SourceTopic::Contacts => &mut self.open_contacts,
            SourceTopic::Activities => &mut self.open_activities,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Progress, SourceTopic};

    const ACTIVITIES: SourceTopic = SourceTopic::Activities;

    fn at(offset: i64) -> Place {
        Place {
            topic: ACTIVITIES,
            partition: 1,
            offset,
        }
    }

    #[test]
    fn the_first_unsettled_record_holds_the_position() {
        let mut progress = Progress::default();
        progress.open(at(5), 2);
        progress.open(at(7), 1);
        progress.read_to(ACTIVITIES, 1, 9);
        assert_eq!(progress.take_positions(), [(ACTIVITIES, 1, 5)]);
        progress.settle(at(7));
        progress.settle(at(5));
        assert_eq!(progress.take_positions(), [(ACTIVITIES, 1, 5)]);
        progress.settle(at(5));
        assert_eq!(progress.take_positions(), [(ACTIVITIES, 1, 9)]);
        assert_eq!(progress.take_positions(), []);
        assert_eq!(progress.unsettled(ACTIVITIES), 0);
    }

    #[test]
    fn what_asks_for_nothing_holds_nothing() {
        let mut progress = Progress::default();
        progress.open(at(5), 0);
        progress.read_to(ACTIVITIES, 1, 6);
        progress.settle(at(5));
        assert_eq!(progress.take_positions(), [(ACTIVITIES, 1, 6)]);
        progress.read_to(ACTIVITIES, 1, 6);
        assert_eq!(progress.take_positions(), []);
    }
}
