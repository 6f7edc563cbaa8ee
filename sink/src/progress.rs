//! How far the sources were worked off: the offsets that may be committed.
//!
//! A record counts until all that it asks for is settled. What is committed for a partition is the
//! first record that still counts, so that a restart reads everything again that the ledger does not
//! settle.

use std::collections::{BTreeMap, BTreeSet};

use crate::tally::Tally;

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
    open: BTreeMap<i64, OpenRecord>,
    /// Where reading goes on; nothing is committed of a partition of which that is not known.
    next: Option<i64>,
}

#[derive(Debug, Default)]
struct OpenRecord {
    effects: u32,
    /// What it asks for can never be done.
    fault: Option<&'static str>,
}

impl PartitionProgress {
    /// The first record that still counts. A record that was re-driven may lie ahead of what was read.
    fn position(&self) -> Option<i64> {
        let next = self.next?;
        Some(self.open.keys().next().map_or(next, |open| next.min(*open)))
    }
}

/// How far every partition was worked off.
#[derive(Debug, Default)]
pub struct Progress {
    partitions: BTreeMap<(SourceTopic, u32), PartitionProgress>,
    changed: BTreeSet<(SourceTopic, u32)>,
    tally: Tally,
    open_contacts: usize,
    open_activities: usize,
}

impl Progress {
    /// Reading begins at `next`, where the group is: that is nothing to commit.
    pub fn begin(&mut self, topic: SourceTopic, partition: u32, next: i64) {
        self.partitions.entry((topic, partition)).or_default().next = Some(next);
    }

    /// A record asks for `effects` things that are not settled yet. The position goes back to it where
    /// it was passed.
    pub fn open(&mut self, place: Place, effects: u32) {
        if effects == 0 {
            return;
        }
        let partition = self
            .partitions
            .entry((place.topic, place.partition))
            .or_default();
        let record = partition.open.entry(place.offset).or_default();
        let was_open = record.effects > 0;
        record.effects += effects;
        if !was_open {
            *self.count(place.topic) += 1;
            self.changed.insert((place.topic, place.partition));
        }
    }

    /// What a record asks for can never be done: it is a dead letter, once it is settled.
    pub fn mark_dead(&mut self, place: Place, class: &'static str) {
        let partition = self.partitions.get_mut(&(place.topic, place.partition));
        if let Some(record) = partition.and_then(|partition| partition.open.get_mut(&place.offset))
        {
            record.fault = Some(class);
        }
    }

    /// One thing that a record asked for is settled.
    pub fn settle(&mut self, place: Place) {
        let Some(partition) = self.partitions.get_mut(&(place.topic, place.partition)) else {
            return;
        };
        let Some(record) = partition.open.get_mut(&place.offset) else {
            return;
        };
        record.effects -= 1;
        if record.effects == 0 {
            match record.fault {
                Some(class) => self.tally.count_dead(class),
                None => self.tally.effective += 1,
            }
            partition.open.remove(&place.offset);
            *self.count(place.topic) -= 1;
            self.changed.insert((place.topic, place.partition));
        }
    }

    /// All records below `next` were read.
    pub fn read_to(&mut self, topic: SourceTopic, partition: u32, next: i64) {
        let progress = self.partitions.entry((topic, partition)).or_default();
        if progress.next != Some(next) {
            progress.next = Some(next);
            self.changed.insert((topic, partition));
        }
    }

    /// The positions that changed since they were last taken.
    pub fn take_positions(&mut self) -> Vec<(SourceTopic, u32, i64)> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .filter_map(|(topic, number)| {
                let position = self.partitions[&(topic, number)].position()?;
                Some((topic, number, position))
            })
            .collect()
    }

    /// What became of the records that were settled since it was last taken.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
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

    #[test]
    fn where_nothing_was_read_the_position_is_where_reading_begins() {
        let mut progress = Progress::default();
        progress.begin(ACTIVITIES, 1, 40);
        assert_eq!(progress.take_positions(), []);
        progress.open(at(7), 1);
        assert_eq!(progress.take_positions(), [(ACTIVITIES, 1, 7)]);
        progress.settle(at(7));
        assert_eq!(progress.take_positions(), [(ACTIVITIES, 1, 40)]);
    }

    #[test]
    fn what_is_taken_ahead_of_reading_skips_nothing() {
        let mut progress = Progress::default();
        progress.begin(ACTIVITIES, 1, 40);
        progress.open(at(45), 1);
        assert_eq!(progress.take_positions(), [(ACTIVITIES, 1, 40)]);
    }

    #[test]
    fn what_is_asked_of_an_open_record_adds_to_what_it_asks_for() {
        let mut progress = Progress::default();
        progress.open(at(5), 1);
        progress.open(at(5), 1);
        progress.read_to(ACTIVITIES, 1, 6);
        progress.settle(at(5));
        assert_eq!(progress.take_positions(), [(ACTIVITIES, 1, 5)]);
        assert_eq!(progress.unsettled(ACTIVITIES), 1);
        progress.settle(at(5));
        assert_eq!(progress.take_positions(), [(ACTIVITIES, 1, 6)]);
    }

    #[test]
    fn a_record_counts_once_and_when_it_is_settled() {
        let mut progress = Progress::default();
        progress.open(at(5), 2);
        progress.open(at(6), 2);
        progress.settle(at(5));
        progress.mark_dead(at(6), "event_refused");
        progress.settle(at(6));
        assert_eq!(progress.take_tally().records(), 0);
        progress.settle(at(5));
        progress.settle(at(6));
        let tally = progress.take_tally();
        assert_eq!(
            (tally.effective, tally.dead),
            (1, [("event_refused", 1)].into())
        );
    }
}
