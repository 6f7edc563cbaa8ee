use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::TopicPartition;
use crate::batch::Headers;
use crate::embedded::cursor::Cursor;
use crate::embedded::frame::{ChunkWriter, FrameBuilder, PartitionId};
use crate::embedded::partition::{Publication, View};
use crate::embedded::sync::write;

/// A record: its key (none for some), and whether it has a value.
type Written = (Option<u8>, bool);

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Written>),
    Seal,
    Compact {
        max_keys: usize,
        oldest_tombstone: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let record = (
        prop::option::weighted(0.9, 0..12_u8),
        prop::bool::weighted(0.8),
    );
    prop_oneof![
        6 => vec(record, 1..9).prop_map(Step::Append),
        2 => Just(Step::Seal),
        2 => (1..20_usize, 0..40_i64)
            .prop_map(|(max_keys, oldest_tombstone)| Step::Compact { max_keys, oldest_tombstone }),
    ]
}

struct Fixture {
    _folder: TempDir,
    partition: Arc<Partition>,
    publication: Publication,
}

/// A record as it was written or is read: offset, time, key, and whether it has a value.
type Record = (i64, i64, Option<u8>, bool);

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let publication = Publication::default();
        let name = TopicPartition::new("t", 0);
        let id = PartitionId {
            topic: 0,
            partition: 0,
        };
        let path = folder.path().to_owned();
        let partition = Partition::open(
            &Disk::default(),
            name,
            id,
            path,
            Arc::clone(&publication),
            View::default(),
        );
        Self {
            _folder: folder,
            partition: Arc::new(partition.unwrap()),
            publication,
        }
    }

    fn append(&self, records: &[Written], timestamp: i64) -> Vec<Record> {
        let mut builder = FrameBuilder::with_capacity(0);
        builder.section(self.partition.id, |out| {
            let mut writer = ChunkWriter::default();
            for (key, has_value) in records {
                let key = key.map(|key| [key]);
                let value = has_value.then_some(&b"some value"[..]);
                writer.push(
                    out,
                    key.as_ref().map(|key| &key[..]),
                    value,
                    Headers::default(),
                );
            }
            writer.close(out);
        });
        let mut frame = builder.finish(Vec::new()).unwrap();
        let base = self.partition.stamp(&mut frame, 0, timestamp);
        let chunks = frame.sections()[0].chunks.clone();
        self.partition
            .write(&Disk::default(), &frame.bytes()[chunks], 200)
            .unwrap();
        self.partition.publish(&write(&self.publication));
        (base..)
            .zip(records)
            .map(|(offset, record)| (offset, timestamp, record.0, record.1))
            .collect()
    }

    fn read(&self) -> Vec<Record> {
        let mut cursor = Cursor::new(Arc::clone(&self.partition), 0);
        let (mut records, mut position) = (Vec::new(), 0);
        while let Some(batch) = cursor.next(3).unwrap() {
            assert!(batch.next_offset() > position);
            position = batch.next_offset();
            records.extend(batch.iter().map(|record| {
                (
                    record.offset,
                    record.timestamp,
                    record.key.map(|key| key[0]),
                    record.value.is_some(),
                )
            }));
        }
        assert_eq!(position, self.partition.offsets().end);
        records
    }

    fn compact(&self, max_keys: usize, oldest_tombstone: i64) -> bool {
        let rules = CompactionRules {
            at_percent: 0,
            oldest_new: i64::MAX,
            oldest_tombstone,
            segment_bytes: 300,
            max_keys,
        };
        let compacted = compact(&Disk::default(), &self.partition, &rules).unwrap();
        for segment in compacted.iter().flat_map(|it| &it.replaced) {
            std::fs::remove_file(segment.path()).unwrap();
        }
        compacted.is_some()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Whatever is appended, ended and compacted, and in however many rounds: no record changes or
    /// moves; the last record of every key stays, unless it is an old tombstone; and once all is
    /// compacted nothing else does.
    #[test]
    fn the_last_record_of_each_key_stays(steps in vec(step(), 1..40)) {
        let log = Fixture::new();
        let mut written: Vec<Record> = Vec::new();
        let mut tombstones_dropped_to = -1;
        for (time, step) in (0..).zip(steps) {
            match step {
                Step::Append(records) => written.extend(log.append(&records, time)),
                Step::Seal => log.partition.seal(),
                Step::Compact { max_keys, oldest_tombstone } => {
                    log.compact(max_keys, oldest_tombstone);
                    tombstones_dropped_to = tombstones_dropped_to.max(oldest_tombstone);
                }
            }
            let found = log.read();
            prop_assert!(found.iter().all(|record| written.contains(record)));
            for last in last_of_each_key(&written) {
                let may_go = !last.3 && last.1 <= tombstones_dropped_to;
                prop_assert!(may_go || found.contains(&last), "{last:?} of {found:?}");
            }
        }
        log.partition.seal();
        while log.compact(4, -1) {}
        let mut wanted = last_of_each_key(&written);
        wanted.extend(written.iter().filter(|record| record.2.is_none()));
        wanted.sort_unstable();
        let mut found = log.read();
        found.retain(|record| record.3 || record.2.is_none());
        wanted.retain(|record| record.3 || record.2.is_none());
        prop_assert_eq!(found, wanted);
    }
}

#[test]
fn a_partition_of_which_nothing_is_left_is_read_to_its_end() {
    let log = Fixture::new();
    log.append(&[(Some(0), true), (Some(0), false)], 0);
    log.partition.seal();
    assert!(log.compact(1, 0));
    assert_eq!(log.read(), []);
    let after = log.append(&[(Some(1), true)], 1);
    assert_eq!(log.read(), after);
}

fn last_of_each_key(written: &[Record]) -> Vec<Record> {
    let keyed = written
        .iter()
        .filter_map(|record| Some((record.2?, *record)));
    keyed.collect::<BTreeMap<_, _>>().into_values().collect()
}
