//! What became of the records of the sources, counted. Told to the metrics once it is committed.

use std::collections::BTreeMap;

/// Counts of records that the sink is done with.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Records of which all that they ask for is settled.
    pub effective: u64,
    /// Records that ask for nothing, or for what is done with, by reason.
    pub ignored: BTreeMap<&'static str, u64>,
    /// Records that went to the dead letters, by class of fault.
    pub dead: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// All records counted.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.effective + self.ignored.values().chain(self.dead.values()).sum::<u64>()
    }

    /// Counts a record that had no effect.
    pub fn count_ignored(&mut self, reason: &'static str) {
        *self.ignored.entry(reason).or_default() += 1;
    }

    /// Counts a record that can never succeed.
    pub fn count_dead(&mut self, class: &'static str) {
        *self.dead.entry(class).or_default() += 1;
    }

    /// Adds what another counted.
    pub fn add(&mut self, other: Self) {
        self.effective += other.effective;
        for (counts, others) in [
            (&mut self.ignored, other.ignored),
            (&mut self.dead, other.dead),
        ] {
            for (reason, count) in others {
                *counts.entry(reason).or_default() += count;
            }
        }
    }
}
