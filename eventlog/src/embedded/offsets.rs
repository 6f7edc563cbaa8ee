//! The offsets that consumer groups have committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::frame::{GroupOffset, PartitionId};
use super::sync::lock;

/// Committed offsets, by group and partition. Changed by the writer thread alone.
#[derive(Debug, Default)]
pub(super) struct CommittedOffsets {
    groups: Mutex<BTreeMap<Arc<str>, BTreeMap<PartitionId, i64>>>,
}

impl CommittedOffsets {
    pub(super) fn from_all(offsets: Vec<GroupOffset>) -> Self {
        let committed = Self::default();
        committed.apply(&offsets);
        committed
    }

    pub(super) fn apply(&self, offsets: &[GroupOffset]) {
        if offsets.is_empty() {
            return;
        }
        let mut groups = lock(&self.groups);
        for offset in offsets {
            let group = match groups.get_mut(&offset.group) {
                Some(group) => group,
                None => groups.entry(Arc::clone(&offset.group)).or_default(),
            };
            group.insert(offset.partition, offset.offset);
        }
    }

    pub(super) fn get(&self, group: &str, partition: PartitionId) -> Option<i64> {
        lock(&self.groups).get(group)?.get(&partition).copied()
    }

    /// All of them, in order of group and partition.
    pub(super) fn all(&self) -> Vec<GroupOffset> {
        let groups = lock(&self.groups);
        let all = groups.iter().flat_map(|(group, partitions)| {
            partitions.iter().map(|(partition, offset)| GroupOffset {
                group: Arc::clone(group),
                partition: *partition,
                offset: *offset,
            })
        });
        all.collect()
    }
}
