//! Reads several partitions in turn, and waits for more.

use std::sync::Arc;
use std::time::Instant;

use super::cursor::Cursor;
use super::partition::Partition;
use super::sync::Signal;
use crate::{LogError, RecordBatch, TopicPartition};

/// Cursors over partitions, read in turn so that a full one does not starve the others.
#[derive(Debug, Default)]
pub(super) struct Follow {
    followed: Vec<Followed>,
    next: usize,
}

#[derive(Debug)]
struct Followed {
    cursor: Cursor,
    paused: bool,
}

impl Follow {
    pub(super) fn add(&mut self, partition: Arc<Partition>, offset: i64) {
        self.remove(&partition.name);
        self.followed.push(Followed {
            cursor: Cursor::new(partition, offset),
            paused: false,
        });
    }

    pub(super) fn remove(&mut self, partition: &TopicPartition) {
        self.followed
            .retain(|followed| followed.cursor.partition().name != *partition);
    }

    pub(super) fn clear(&mut self) {
        self.followed.clear();
    }

    pub(super) fn seek(&mut self, partition: &TopicPartition, offset: i64) -> bool {
        let followed = self.find(partition);
        followed
            .map(|followed| followed.cursor.seek(offset))
            .is_some()
    }

    pub(super) fn pause(&mut self, partition: &TopicPartition, paused: bool) -> bool {
        let followed = self.find(partition);
        followed.map(|followed| followed.paused = paused).is_some()
    }

    /// The next records of one of the partitions, if there are any now.
    pub(super) fn next(&mut self, max_records: usize) -> Result<Option<RecordBatch>, LogError> {
        for _ in 0..self.followed.len() {
            self.next = (self.next + 1) % self.followed.len();
            let followed = &mut self.followed[self.next];
            if followed.paused {
                continue;
            }
            if let Some(batch) = followed.cursor.next(max_records)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// Waits until there may be records, `signal` is raised otherwise, or `deadline`.
    ///
    /// `is_due` is asked once it is sure that nothing that comes from now on can be missed.
    pub(super) fn wait(
        &self,
        signal: &Arc<Signal>,
        deadline: Instant,
        is_due: impl FnOnce() -> bool,
    ) {
        let reading = || {
            self.followed
                .iter()
                .filter(|it| !it.paused)
                .map(|it| &it.cursor)
        };
        for cursor in reading() {
            cursor.partition().watch(signal);
        }
        if !is_due() && !reading().any(Cursor::has_more) {
            signal.wait_until(deadline);
        }
        for cursor in reading() {
            cursor.partition().unwatch(signal);
        }
    }

    fn find(&mut self, partition: &TopicPartition) -> Option<&mut Followed> {
        self.followed
            .iter_mut()
            .find(|it| it.cursor.partition().name == *partition)
    }
}
