//! A member of a consumer group.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::follow::Follow;
use super::groups::{Change, Fenced, Membership};
use super::lag::{self, LagReport};
use super::unit;
use crate::{CommitError, LogError, Member, MemberConfig, Polled, TopicPartition, UnitOfWork};

#[derive(Debug)]
pub(super) struct EmbeddedMember {
    engine: Arc<Engine>,
    membership: Arc<Membership>,
    group: Arc<str>,
    /// What is this member's.
    assigned: Vec<TopicPartition>,
    /// What of that is read.
    follow: Follow,
    /// How many changes of the group were looked at.
    seen_changes: u64,
    lag: LagReport,
}

impl EmbeddedMember {
    pub(super) fn join(engine: Arc<Engine>, config: MemberConfig) -> Result<Self, LogError> {
        let mut partitions = Vec::new();
        for name in &config.topics {
            let topic = engine
                .topics
                .get(name)
                .ok_or_else(|| LogError::UnknownPartition {
                    partition: TopicPartition::new(Arc::clone(name), 0),
                })?;
            partitions.extend(
                topic
                    .partitions
                    .iter()
                    .map(|partition| partition.name.clone()),
            );
        }
        let group = config.group.as_str().into();
        let membership = engine.groups.join(config, partitions);
        Ok(Self {
            engine,
            membership,
            group,
            assigned: Vec::new(),
            follow: Follow::default(),
            seen_changes: 0,
            lag: LagReport::default(),
        })
    }

    /// What the group has to say, if anything.
    fn news(&mut self) -> Result<Option<Polled>, LogError> {
        let changes = self.membership.changes();
        if changes == self.seen_changes {
            return Ok(None);
        }
        if self.membership.is_fenced() {
            return self.farewell().map(Some);
        }
        match self.engine.groups.tell(&self.membership) {
            Some(Change::Assigned(partitions)) => {
                self.assigned.extend_from_slice(&partitions);
                let mut with_offsets = Vec::with_capacity(partitions.len());
                for name in partitions {
                    let partition = self.engine.topics.partition(&name)?;
                    with_offsets.push((name, self.engine.committed(&self.group, partition.id)));
                }
                Ok(Some(Polled::Assigned(with_offsets)))
            }
            Some(Change::Revoking(partitions)) => {
                partitions
                    .iter()
                    .for_each(|partition| self.follow.remove(partition));
                Ok(Some(Polled::Revoking(partitions)))
            }
            None => {
                self.seen_changes = changes;
                Ok(None)
            }
        }
    }

    /// What a fenced member is told: first what it has lost, then that it is over.
    fn farewell(&mut self) -> Result<Polled, LogError> {
        self.follow.clear();
        let lost = std::mem::take(&mut self.assigned);
        if !lost.is_empty() {
            return Ok(Polled::Lost(lost));
        }
        Err(LogError::Closed {
            reason: Some(self.fenced()),
        })
    }

    fn fenced(&self) -> String {
        let instance = self.membership.instance();
        format!(
            "another member has joined group {} as {instance}",
            self.group
        )
    }

    fn check_assigned(&self, partition: &TopicPartition) -> Result<(), LogError> {
        if self.assigned.contains(partition) {
            return Ok(());
        }
        Err(LogError::NotAssigned {
            partition: partition.clone(),
        })
    }

    fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) -> Result<(), LogError> {
        for partition in partitions {
            self.check_assigned(partition)?;
            // One that was not started yet, or is about to go, is not read anyway.
            let _ = self.follow.pause(partition, paused);
        }
        Ok(())
    }
}

impl Member for EmbeddedMember {
    fn poll(&mut self, max_records: usize, timeout: Duration) -> Result<Polled, LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            self.engine.ensure_open()?;
            if let Some(news) = self.news()? {
                return Ok(news);
            }
            self.lag
                .report_if_due(&self.engine, &self.group, &self.assigned);
            if let Some(batch) = self.follow.next(max_records)? {
                return Ok(Polled::Records(batch));
            }
            if Instant::now() >= deadline {
                return Ok(Polled::Idle);
            }
            let is_due = || {
                self.membership.changes() != self.seen_changes || self.engine.ensure_open().is_err()
            };
            self.follow.wait(&self.membership.signal, deadline, is_due);
        }
    }

    fn start(&mut self, from: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        for (partition, offset) in from {
            self.check_assigned(partition)?;
            self.follow
                .add(self.engine.topics.partition(partition)?, *offset);
        }
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        for partition in partitions {
            self.follow.remove(partition);
        }
        self.assigned
            .retain(|partition| !partitions.contains(partition));
        lag::forget(&self.group, partitions);
        self.engine.groups.release(&self.membership, partitions);
        Ok(())
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError> {
        self.check_assigned(partition)?;
        // One that is about to go is not read any more.
        let _ = self.follow.seek(partition, offset);
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.set_paused(partitions, true)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.set_paused(partitions, false)
    }

    fn commit(&mut self, unit: &UnitOfWork) -> Result<(), CommitError> {
        self.engine.ensure_open()?;
        let frame = unit::encode(&self.engine.topics, &self.group, unit)?;
        let engine = &self.engine;
        if let Err(Fenced) = engine.groups.begin_commit(&self.membership) {
            return Err(CommitError::Fenced {
                reason: self.fenced(),
            });
        }
        let outcome = match engine.queue.commit(frame) {
            Ok(completion) => completion.wait(),
            Err(error) => Err(error.into()),
        };
        engine.groups.end_commit(&self.membership);
        outcome
    }

    fn leave(self: Box<Self>) {
        // Dropping it is leaving.
    }
}

impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        lag::forget(&self.group, &self.assigned);
        self.engine.groups.leave(&self.membership);
    }
}
