//! An event log in memory, for what the embedded engine never does and a cluster does: partitions that
//! are lost without asking, offsets with holes behind every commit, and retention at a word.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rollcall_eventlog::{
    Appender, CommitError, EventLog, Headers, LogError, Member, MemberConfig, Offsets, Polled,
    Reader, RecordBatch, RecordBatchBuilder, RecordRef, TopicConfig, TopicPartition, UnitOfWork,
};

#[derive(Clone, Default)]
pub(crate) struct MemoryLog {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    gaps: bool,
    partitions: BTreeMap<TopicPartition, Partition>,
    groups: HashMap<String, Group>,
    next_member: u64,
}

#[derive(Clone, Default)]
struct Partition {
    start: i64,
    end: i64,
    records: Vec<Record>,
}

#[derive(Clone)]
struct Record {
    offset: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<u8>,
}

#[derive(Default)]
struct Group {
    committed: HashMap<TopicPartition, i64>,
    topics: Vec<Arc<str>>,
    members: Vec<u64>,
    instances: HashMap<String, u64>,
    owners: HashMap<TopicPartition, u64>,
    leaving: Vec<TopicPartition>,
    events: HashMap<u64, VecDeque<Polled>>,
    /// Where members have read to.
    read: HashMap<TopicPartition, i64>,
}

impl MemoryLog {
    /// Where `gaps` is set, each commit leaves a hole in the offsets of every partition it touches.
    pub(crate) fn new(gaps: bool) -> Self {
        let log = Self::default();
        log.lock().gaps = gaps;
        log
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap()
    }

    /// Drops all records of a partition below `start`, as retention does.
    pub(crate) fn drop_below(&self, partition: &TopicPartition, start: i64) {
        let mut inner = self.lock();
        let partition = inner.partitions.get_mut(partition).unwrap();
        partition.start = start;
        partition.records.retain(|record| record.offset >= start);
    }

    /// Takes all partitions from a member without asking, as a session time-out does.
    pub(crate) fn time_out(&self, group: &str, instance: &str) {
        let mut inner = self.lock();
        let all: Vec<TopicPartition> = inner.partitions.keys().cloned().collect();
        let Some(group) = inner.groups.get_mut(group) else {
            return;
        };
        let Some(member) = group.instances.get(instance).copied() else {
            return;
        };
        let lost: Vec<_> = group
            .owners
            .iter()
            .filter(|(_, owner)| **owner == member)
            .map(|(at, _)| at.clone())
            .collect();
        for at in &lost {
            group.owners.remove(at);
        }
        group.leaving.retain(|at| !lost.contains(at));
        let events = group.events.get_mut(&member).unwrap();
        events.clear();
        events.push_back(Polled::Lost(lost));
        // It joins again, behind the others.
        group.members.retain(|other| *other != member);
        group.members.push(member);
        group.share_out(&all);
        drop(inner);
        self.shared.changed.notify_all();
    }

    /// Lets all other members come before this one when partitions are shared out.
    pub(crate) fn put_last(&self, group: &str, instance: &str) {
        let mut inner = self.lock();
        let all: Vec<TopicPartition> = inner.partitions.keys().cloned().collect();
        let group = inner.groups.get_mut(group).unwrap();
        let member = group.instances[instance];
        group.members.retain(|other| *other != member);
        group.members.push(member);
        group.share_out(&all);
        drop(inner);
        self.shared.changed.notify_all();
    }

    /// Offsets of a group's input that no member has been given.
    pub(crate) fn unread(&self, group: &str) -> i64 {
        let inner = self.lock();
        let Some(group) = inner.groups.get(group) else {
            return i64::MAX;
        };
        let ours = inner
            .partitions
            .iter()
            .filter(|(at, _)| group.topics.contains(&at.topic));
        ours.map(|(at, partition)| partition.end - group.read.get(at).copied().unwrap_or(0))
            .sum()
    }

    pub(crate) fn set_committed(&self, group: &str, partition: &TopicPartition, offset: i64) {
        self.lock()
            .groups
            .entry(group.to_owned())
            .or_default()
            .committed
            .insert(partition.clone(), offset);
    }
}

impl Partition {
    fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, headers: Vec<u8>) {
        let record = Record {
            offset: self.end,
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            headers,
        };
        self.records.push(record);
        self.end += 1;
    }

    fn read(
        &self,
        at: &TopicPartition,
        from: i64,
        max: usize,
    ) -> Result<Option<RecordBatch>, LogError> {
        if from < self.start {
            return Err(LogError::OutOfRange {
                partition: at.clone(),
                offset: from,
                start: self.start,
            });
        }
        if from >= self.end {
            return Ok(None);
        }
        let mut builder = RecordBatchBuilder::new(at.clone());
        let first = self.records.partition_point(|record| record.offset < from);
        let mut next = self.end;
        for (index, record) in self.records[first..].iter().enumerate() {
            if index == max {
                next = record.offset;
                break;
            }
            builder.push(RecordRef {
                offset: record.offset,
                timestamp: 1_000 + record.offset,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: Headers::from_encoded(&record.headers),
            });
        }
        Ok(Some(builder.finish(next)))
    }
}

impl Group {
    fn share_out(&mut self, all: &[TopicPartition]) {
        if self.members.is_empty() {
            return;
        }
        let ours: Vec<_> = all
            .iter()
            .filter(|at| self.topics.contains(&at.topic))
            .collect();
        for (index, at) in ours.into_iter().enumerate() {
            let wanted = self.members[index % self.members.len()];
            match self.owners.get(at) {
                None => {
                    self.owners.insert(at.clone(), wanted);
                    let committed = self.committed.get(at).copied();
                    self.events
                        .get_mut(&wanted)
                        .unwrap()
                        .push_back(Polled::Assigned(vec![(at.clone(), committed)]));
                }
                Some(owner) if *owner != wanted && !self.leaving.contains(at) => {
                    self.leaving.push(at.clone());
                    self.events
                        .get_mut(owner)
                        .unwrap()
                        .push_back(Polled::Revoking(vec![at.clone()]));
                }
                Some(_) => {}
            }
        }
    }

    fn remove(&mut self, member: u64, all: &[TopicPartition]) {
        self.members.retain(|other| *other != member);
        self.instances.retain(|_, other| *other != member);
        self.owners.retain(|at, owner| {
            let keeps = *owner != member;
            if !keeps {
                self.leaving.retain(|leaving| leaving != at);
            }
            keeps
        });
        self.share_out(all);
    }
}

impl EventLog for MemoryLog {
    fn ensure_topics(&self, topics: &[TopicConfig]) -> Result<(), LogError> {
        let mut inner = self.lock();
        for topic in topics {
            for partition in 0..topic.partitions {
                inner
                    .partitions
                    .entry(TopicPartition::new(Arc::clone(&topic.name), partition))
                    .or_default();
            }
        }
        Ok(())
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        let count = self
            .lock()
            .partitions
            .keys()
            .filter(|at| &*at.topic == topic)
            .count();
        Ok((count > 0).then_some(u32::try_from(count).unwrap()))
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<Offsets, LogError> {
        let inner = self.lock();
        let found = inner
            .partitions
            .get(partition)
            .ok_or(LogError::UnknownPartition {
                partition: partition.clone(),
            })?;
        Ok(Offsets {
            start: found.start,
            end: found.end,
        })
    }

    fn offset_at(&self, _: &TopicPartition, _: i64) -> Result<Option<i64>, LogError> {
        Ok(None)
    }

    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<i64>>, LogError> {
        let inner = self.lock();
        let committed = inner.groups.get(group).map(|group| &group.committed);
        Ok(partitions
            .iter()
            .map(|at| committed.and_then(|committed| committed.get(at).copied()))
            .collect())
    }

    fn appender(&self) -> Result<Arc<dyn Appender>, LogError> {
        Err(LogError::Closed { reason: None })
    }

    fn join(&self, config: MemberConfig) -> Result<Box<dyn Member>, LogError> {
        let mut inner = self.lock();
        inner.next_member += 1;
        let member = inner.next_member;
        let all: Vec<TopicPartition> = inner.partitions.keys().cloned().collect();
        let group = inner.groups.entry(config.group.clone()).or_default();
        group.topics = config.topics;
        if let Some(dead) = group.instances.get(&config.instance).copied() {
            group.remove(dead, &[]);
        }
        group.instances.insert(config.instance, member);
        group.members.push(member);
        group.events.insert(member, VecDeque::new());
        group.share_out(&all);
        drop(inner);
        self.shared.changed.notify_all();
        Ok(Box::new(MemoryMember {
            log: self.clone(),
            group: config.group,
            id: member,
            positions: BTreeMap::new(),
            last: None,
        }))
    }

    fn reader(&self, from: &[(TopicPartition, i64)]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(MemoryReader {
            log: self.clone(),
            positions: from.to_vec(),
        }))
    }

    fn free_space(&self) -> Result<Option<u64>, LogError> {
        Ok(None)
    }

    fn close(&self) -> Result<(), LogError> {
        Ok(())
    }
}

struct MemoryReader {
    log: MemoryLog,
    positions: Vec<(TopicPartition, i64)>,
}

impl Reader for MemoryReader {
    fn poll(&mut self, max_records: usize, _: Duration) -> Result<Option<RecordBatch>, LogError> {
        let inner = self.log.lock();
        for (at, position) in &mut self.positions {
            if let Some(batch) = inner.partitions[at].read(at, *position, max_records)? {
                *position = batch.next_offset();
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

struct MemoryMember {
    log: MemoryLog,
    group: String,
    id: u64,
    positions: BTreeMap<TopicPartition, i64>,
    last: Option<TopicPartition>,
}

impl MemoryMember {
    fn next(&mut self, inner: &mut Inner, max_records: usize) -> Result<Option<Polled>, LogError> {
        let group = inner.groups.get_mut(&self.group).unwrap();
        if let Some(event) = group.events.get_mut(&self.id).and_then(VecDeque::pop_front) {
            if let Polled::Lost(lost) = &event {
                self.positions.retain(|at, _| !lost.contains(at));
            }
            return Ok(Some(event));
        }
        let turn: Vec<TopicPartition> = {
            let (mut before, mut after): (Vec<_>, Vec<_>) = self
                .positions
                .keys()
                .cloned()
                .partition(|at| self.last.as_ref().is_some_and(|last| at <= last));
            after.append(&mut before);
            after
        };
        for at in turn {
            if group.owners.get(&at) != Some(&self.id) {
                continue;
            }
            let position = self.positions.get_mut(&at).unwrap();
            if let Some(batch) = inner.partitions[&at].read(&at, *position, max_records)? {
                *position = batch.next_offset();
                group.read.insert(at.clone(), batch.next_offset());
                self.last = Some(at);
                return Ok(Some(Polled::Records(batch)));
            }
        }
        Ok(None)
    }
}

impl Member for MemoryMember {
    fn poll(&mut self, max_records: usize, timeout: Duration) -> Result<Polled, LogError> {
        let log = self.log.clone();
        let mut inner = log.lock();
        if let Some(polled) = self.next(&mut inner, max_records)? {
            return Ok(polled);
        }
        let (mut inner, _) = log.shared.changed.wait_timeout(inner, timeout).unwrap();
        Ok(self.next(&mut inner, max_records)?.unwrap_or(Polled::Idle))
    }

    fn start(&mut self, from: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        from.iter().try_for_each(|(at, offset)| {
            let inner = self.log.lock();
            if inner.groups[&self.group].owners.get(at) != Some(&self.id) {
                return Err(LogError::NotAssigned {
                    partition: at.clone(),
                });
            }
            self.positions.insert(at.clone(), *offset);
            Ok(())
        })
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        let mut inner = self.log.lock();
        let all: Vec<TopicPartition> = inner.partitions.keys().cloned().collect();
        let group = inner.groups.get_mut(&self.group).unwrap();
        for at in partitions {
            self.positions.remove(at);
            if group.owners.get(at) == Some(&self.id) {
                group.owners.remove(at);
            }
            group.leaving.retain(|leaving| leaving != at);
        }
        group.share_out(&all);
        drop(inner);
        self.log.shared.changed.notify_all();
        Ok(())
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError> {
        self.start(&[(partition.clone(), offset)])
    }

    fn pause(&mut self, _: &[TopicPartition]) -> Result<(), LogError> {
        Ok(())
    }

    fn resume(&mut self, _: &[TopicPartition]) -> Result<(), LogError> {
        Ok(())
    }

    fn commit(&mut self, unit: &UnitOfWork) -> Result<(), CommitError> {
        let mut inner = self.log.lock();
        let group = &inner.groups[&self.group];
        if !group.members.contains(&self.id) {
            return Err(CommitError::Fenced {
                reason: "another joined by this name".into(),
            });
        }
        if let Some((at, _)) = unit.offsets.iter().find(|(at, _)| {
            group.topics.contains(&at.topic) && group.owners.get(at) != Some(&self.id)
        }) {
            return Err(CommitError::Aborted {
                reason: format!("{at} is another's"),
            });
        }
        let gaps = inner.gaps;
        let mut touched = Vec::new();
        for output in unit.outputs.iter() {
            let at = TopicPartition::new(Arc::clone(output.topic), output.partition);
            inner.partitions.get_mut(&at).unwrap().push(
                output.key,
                output.value,
                output.headers.encoded().to_vec(),
            );
            touched.push(at);
        }
        touched.sort();
        touched.dedup();
        for at in touched.iter().filter(|_| gaps) {
            inner.partitions.get_mut(at).unwrap().end += 1;
        }
        inner
            .groups
            .get_mut(&self.group)
            .unwrap()
            .committed
            .extend(unit.offsets.iter().cloned());
        drop(inner);
        self.log.shared.changed.notify_all();
        Ok(())
    }

    fn leave(self: Box<Self>) {
        let mut inner = self.log.lock();
        let all: Vec<TopicPartition> = inner.partitions.keys().cloned().collect();
        inner
            .groups
            .get_mut(&self.group)
            .unwrap()
            .remove(self.id, &all);
        drop(inner);
        self.log.shared.changed.notify_all();
    }
}
