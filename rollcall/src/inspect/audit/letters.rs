//! The dead letters of a stage, by the records that they were made of.

use std::collections::HashMap;

use anyhow::Result;
use rollcall_eventlog::{RecordRef, TopicPartition};
use rollcall_schemas::catalogue::DEAD_LETTERS;

use crate::inspect::dead_letters::letter;
use crate::inspect::{Inspector, Place};

/// The dead letters of one stage.
#[derive(Debug, Default)]
pub(super) struct Letters {
    by_source: HashMap<Place, Vec<Place>>,
    by_key: HashMap<(String, Vec<u8>), u64>,
    /// Records of the topic that retention dropped: what is missing may have been among them.
    some_are_gone: bool,
}

impl Letters {
    pub(super) fn read(inspector: &Inspector, stage: &str) -> Result<Self> {
        let mut letters = Self::default();
        for partition in inspector.topics.route(&DEAD_LETTERS).all() {
            letters.some_are_gone |= inspector.log.offsets(&partition)?.start > 0;
            inspector.scan_to_end(&partition, |record: &RecordRef<'_>| {
                let found = letter(&Place::of(&partition, record.offset), record);
                if found.stage == stage {
                    let key = record.key.unwrap_or_default().to_vec();
                    *letters
                        .by_key
                        .entry((found.source.topic.clone(), key))
                        .or_default() += 1;
                    letters
                        .by_source
                        .entry(found.source)
                        .or_default()
                        .push(found.place);
                }
                Ok(())
            })?;
        }
        Ok(letters)
    }

    /// How many were made of a record.
    pub(super) fn of(&self, partition: &TopicPartition, offset: i64) -> usize {
        self.by_source
            .get(&Place::of(partition, offset))
            .map_or(0, Vec::len)
    }

    /// Whether one was made of a record of this key, at any offset.
    pub(super) fn of_key(&self, topic: &str, key: &[u8]) -> bool {
        self.by_key.contains_key(&(topic.to_owned(), key.to_vec()))
    }

    /// Whether one that is missing can be held against the pipeline.
    pub(super) fn are_all_here(&self) -> bool {
        !self.some_are_gone
    }

    /// Every one, with the record that it names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Place, &Place)> {
        self.by_source
            .iter()
            .flat_map(|(source, letters)| letters.iter().map(move |letter| (source, letter)))
    }
}
