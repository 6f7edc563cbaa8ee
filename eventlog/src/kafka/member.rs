//! A member of a consumer group.

mod rebalancing;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::{CommitError, LogError, Member, MemberConfig, Polled, TopicPartition, UnitOfWork};

use super::batches::Batches;
use super::config::KafkaConfig;
use super::context::{Membership, Rebalance};
use super::failure::{Failure, Kind};
use super::lag::Lag;
use super::transactions::Transactions;
use super::{Closed, out_of_range, partitions};

use rebalancing::Revocation;

/// How long leaving may take before the session's time-out is left to do it.
const LEAVE_PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct KafkaMember {
    config: Arc<KafkaConfig>,
    closed: Closed,
    group: String,
    client_id: String,
    consumer: BaseConsumer<Membership>,
    transactions: Transactions,
    batches: Batches,
    lag: Arc<Lag>,
    /// Assigned by the group, and not started yet: librdkafka does not know them.
    unstarted: HashSet<TopicPartition>,
    /// What [`Polled::Revoking`] named, and which of it was not released yet.
    revoking: Option<Revocation>,
    /// Whether librdkafka refused an answer, and so may still wait for one.
    refused: bool,
    /// Whether the group has given up on this member, and not taken it back since.
    out_of_group: bool,
    /// Why this member is of no more use.
    ended: Option<String>,
}

impl KafkaMember {
    pub(super) fn join(
        config: Arc<KafkaConfig>,
        closed: Closed,
        member: &MemberConfig,
    ) -> Result<Self, LogError> {
        let MemberConfig {
            group,
            topics,
            instance,
        } = member;
        let failed =
            |error: KafkaError| Failure::from(error).during(format!("joining group {group}"));
        let client_id = format!("{}-{instance}", config.client_id);
        // Before the group is joined, so that no transaction of a predecessor hides its offsets.
        let transactions = Transactions::open(&config, &client_id, &format!("{group}-{instance}"))?;
        let lag = Arc::new(Lag::new(group));
        let consumer = config
            .member(&client_id, group, instance)
            .create_with_context::<_, BaseConsumer<Membership>>(Membership::new(Arc::clone(&lag)))
            .map_err(failed)?;
        consumer
            .subscribe(&topics.iter().map(|topic| &**topic).collect::<Vec<_>>())
            .map_err(failed)?;
        Ok(Self {
            config,
            closed,
            group: group.clone(),
            client_id,
            consumer,
            transactions,
            batches: Batches::default(),
            lag,
            unstarted: HashSet::new(),
            revoking: None,
            refused: false,
            out_of_group: false,
            ended: None,
        })
    }

    fn failed(&mut self, error: KafkaError, action: &str) -> LogError {
        let failure = Failure::from(error);
        if matches!(failure.kind(), Kind::Fatal | Kind::Fenced) {
            self.ended = Some(failure.reason().to_owned());
        }
        failure.during(format!("group {}, {action}", self.group))
    }

    fn check_usable(&self) -> Result<(), LogError> {
        self.closed.check()?;
        match &self.ended {
            None => Ok(()),
            Some(reason) => Err(LogError::Kafka {
                action: format!("group {}", self.group),
                reason: format!("this member is of no more use and must join anew: {reason}"),
                retriable: false,
            }),
        }
    }

    /// Reads from the consumer, and sorts out its errors.
    fn fill(&mut self, max_records: usize, timeout: Duration) -> Result<(), LogError> {
        let Err(error) = self.batches.fill(&self.consumer, max_records, timeout) else {
            return Ok(());
        };
        if let Some((code, reason)) = self.consumer.client().fatal_error() {
            let fenced = code == RDKafkaErrorCode::FencedInstanceId;
            let reason = if fenced {
                format!("another process has taken its place ({reason})")
            } else {
                reason
            };
            self.ended = Some(reason.clone());
            return Err(LogError::Kafka {
                action: format!("group {}, reading", self.group),
                reason,
                retriable: false,
            });
        }
        let failure = Failure::from(error);
        match failure.code() {
            Some(RDKafkaErrorCode::AutoOffsetReset) => Err(out_of_range::find(
                &self.consumer,
                &self.batches,
                self.config.request_timeout,
                &failure,
            )),
            // Comes with a rebalance in which the partitions are lost.
            Some(RDKafkaErrorCode::PollExceeded) => Ok(()),
            _ => failure.unless_passing(format!("group {}, reading", self.group)),
        }
    }

    fn check_started(&self, partition: &TopicPartition) -> Result<(), LogError> {
        if self.batches.is_open(partition) {
            Ok(())
        } else {
            Err(LogError::NotAssigned {
                partition: partition.clone(),
            })
        }
    }

    fn is_revoking(&self, partition: &TopicPartition) -> bool {
        self.revoking
            .as_ref()
            .is_some_and(|revocation| revocation.holds(partition))
    }

    fn seek_to(&mut self, from: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        let deadline = Instant::now() + self.config.request_timeout;
        loop {
            let list = partitions::list_at(from).map_err(|error| self.failed(error, "seeking"))?;
            let sought = self
                .consumer
                .seek_partitions(list, self.config.request_timeout);
            let sought = sought.and_then(|list| {
                list.elements()
                    .iter()
                    .try_for_each(|element| element.error())
            });
            match sought {
                Ok(()) => break,
                // A partition that has only just been assigned is not being fetched yet.
                Err(error) if is_state(&error) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(self.failed(error, "seeking")),
            }
        }
        for (partition, offset) in from {
            self.batches.seek(partition, *offset);
        }
        Ok(())
    }

    /// Whether the cluster still counts this member in.
    fn is_listed(&self) -> bool {
        let listed = self
            .consumer
            .fetch_group_list(Some(&self.group), Duration::from_secs(1));
        listed.map_or(true, |list| {
            let mut members = list.groups().iter().flat_map(|group| group.members());
            members.any(|member| member.client_id() == self.client_id)
        })
    }
}

fn is_state(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::State | RDKafkaErrorCode::PreviousInProgress)
    )
}

impl Member for KafkaMember {
    fn poll(&mut self, max_records: usize, timeout: Duration) -> Result<Polled, LogError> {
        self.check_usable()?;
        if let Some(polled) = self.next_rebalance()? {
            return Ok(polled);
        }
        if let Some(batch) = self.batches.take(max_records) {
            return Ok(Polled::Records(batch));
        }
        self.fill(max_records, timeout)?;
        if let Some(polled) = self.next_rebalance()? {
            return Ok(polled);
        }
        Ok(self
            .batches
            .take(max_records)
            .map_or(Polled::Idle, Polled::Records))
    }

    fn start(&mut self, from: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        self.check_usable()?;
        for (partition, _) in from {
            if !self.unstarted.contains(partition) {
                self.check_started(partition)?;
            }
        }
        let (new, running): (Vec<_>, Vec<_>) = from
            .iter()
            .cloned()
            .partition(|(partition, _)| self.unstarted.contains(partition));
        if !running.is_empty() {
            self.seek_to(&running)?;
        }
        if new.is_empty() {
            return Ok(());
        }
        self.answer(|consumer| consumer.incremental_assign(&partitions::list_at(&new)?))?;
        for (partition, offset) in &new {
            self.unstarted.remove(partition);
            self.batches.open(partition, *offset);
            self.lag.hold(partition, *offset);
        }
        Ok(())
    }

    fn release(&mut self, released: &[TopicPartition]) -> Result<(), LogError> {
        self.check_usable()?;
        self.note_released(released)
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), LogError> {
        self.check_usable()?;
        if self.is_revoking(partition) {
            return Ok(());
        }
        self.check_started(partition)?;
        self.seek_to(&[(partition.clone(), offset)])
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.check_usable()?;
        let running: Vec<_> = partitions
            .iter()
            .filter(|partition| !self.is_revoking(partition))
            .collect();
        running
            .iter()
            .try_for_each(|partition| self.check_started(partition))?;
        self.answer(|consumer| consumer.pause(&partitions::list(running.iter().copied())))?;
        running
            .iter()
            .for_each(|partition| self.batches.set_paused(partition, true));
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.check_usable()?;
        let running: Vec<_> = partitions
            .iter()
            .filter(|partition| !self.is_revoking(partition))
            .collect();
        running
            .iter()
            .try_for_each(|partition| self.check_started(partition))?;
        self.answer(|consumer| consumer.resume(&partitions::list(running.iter().copied())))?;
        running
            .iter()
            .for_each(|partition| self.batches.set_paused(partition, false));
        Ok(())
    }

    fn commit(&mut self, unit: &UnitOfWork) -> Result<(), CommitError> {
        self.closed.check()?;
        if let Some(reason) = &self.ended {
            let reason = reason.clone();
            return Err(self.transactions.fence(&reason));
        }
        if self.out_of_group && !unit.offsets.is_empty() {
            return Err(self
                .transactions
                .fence("the group gave this member's place away"));
        }
        let consumer = &self.consumer;
        let result = self.transactions.commit(unit, || {
            let metadata = consumer
                .group_metadata()
                .ok_or_else(|| CommitError::Aborted {
                    reason: "the group's metadata is not there yet".to_owned(),
                })?;
            // Asked for after the metadata: a member that has been given up has no identity that the
            // group could refuse.
            if consumer.assignment_lost() {
                return Err(CommitError::Fenced {
                    reason: "the group gave this member's place away".to_owned(),
                });
            }
            Ok(metadata)
        });
        match &result {
            Ok(()) => self.lag.commit(&unit.offsets),
            Err(CommitError::Fenced { reason }) => {
                let reason = reason.clone();
                self.transactions.fence(&reason);
                self.ended = Some(reason);
            }
            Err(_) => {}
        }
        result
    }

    fn leave(mut self: Box<Self>) {
        // librdkafka leaves only once it has an answer to what it called back last: without, it waits
        // for one until the session times out, and closing waits for ever.
        let mut answered = if self.revoking.is_some() {
            self.give_up_revoked()
        } else if self.unstarted.is_empty() {
            Ok(())
        } else {
            self.answer(|consumer| consumer.incremental_assign(&TopicPartitionList::new()))
        };
        // Closing alone makes no static member leave.
        self.consumer.unsubscribe();
        let deadline = Instant::now() + LEAVE_PATIENCE;
        while answered.is_ok() && Instant::now() < deadline {
            let _ = self.consumer.poll(Duration::from_millis(20));
            while let Some(rebalance) = self.consumer.context().next_rebalance() {
                answered = match rebalance {
                    Rebalance::Assign(partitions) => {
                        self.unstarted.extend(partitions);
                        self.answer(|consumer| {
                            consumer.incremental_assign(&TopicPartitionList::new())
                        })
                    }
                    Rebalance::Revoke(partitions) | Rebalance::Lose(partitions) => {
                        self.give_up(&partitions)
                    }
                };
            }
            answered = answered.and_then(|()| self.give_up_revoked());
            if self
                .consumer
                .assignment()
                .is_ok_and(|assignment| assignment.count() == 0)
                && !self.is_listed()
            {
                return;
            }
        }
        tracing::warn!(
            group = self.group,
            "the group was not left in time: its session ends after its time-out"
        );
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        // Closing waits for all rebalances to be answered.
        self.consumer.context().abandon();
        let pending = self.consumer.context().has_rebalance()
            || self.revoking.is_some()
            || self.refused
            || !self.unstarted.is_empty();
        if pending {
            let _ = self
                .consumer
                .incremental_unassign(&TopicPartitionList::new());
            let _ = self.consumer.incremental_assign(&TopicPartitionList::new());
        }
        let held: Vec<_> = self
            .batches
            .positions()
            .map(|(partition, _)| partition.clone())
            .collect();
        held.iter()
            .for_each(|partition| self.lag.release(partition));
    }
}
