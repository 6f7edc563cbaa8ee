//! What a member answers when its group shares partitions out anew.

use std::collections::HashSet;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;

use crate::{LogError, Polled, TopicPartition};

use super::super::context::{Membership, Rebalance};
use super::super::partitions;
use super::KafkaMember;

/// Partitions that are to be released, and which of them were not yet.
pub(super) struct Revocation {
    all: Vec<TopicPartition>,
    held: HashSet<TopicPartition>,
}

impl Revocation {
    pub(super) fn holds(&self, partition: &TopicPartition) -> bool {
        self.held.contains(partition)
    }
}

impl KafkaMember {
    /// Answers rebalances, up to the first that is the caller's part to answer.
    pub(super) fn next_rebalance(&mut self) -> Result<Option<Polled>, LogError> {
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            let polled = match rebalance {
                Rebalance::Assign(partitions) => self.assign(partitions)?,
                Rebalance::Revoke(partitions) => self.revoke(partitions)?,
                Rebalance::Lose(partitions) => self.lose(partitions)?,
            };
            if polled.is_some() {
                return Ok(polled);
            }
        }
        Ok(None)
    }

    fn assign(&mut self, partitions: Vec<TopicPartition>) -> Result<Option<Polled>, LogError> {
        if partitions.is_empty() {
            self.out_of_group = false;
            self.answer(|consumer| consumer.incremental_assign(&TopicPartitionList::new()))?;
            return Ok(None);
        }
        let timeout = self.config.undecided_timeout();
        let committed = match partitions::committed(&self.consumer, &partitions, timeout) {
            Ok(committed) => committed,
            Err(error) => {
                let context = self.consumer.context();
                context.put_back(Rebalance::Assign(partitions));
                return Err(self.failed(error, "asking what was committed"));
            }
        };
        self.out_of_group = false;
        self.unstarted.extend(partitions.iter().cloned());
        Ok(Some(Polled::Assigned(
            partitions.into_iter().zip(committed).collect(),
        )))
    }

    fn revoke(&mut self, partitions: Vec<TopicPartition>) -> Result<Option<Polled>, LogError> {
        if partitions.is_empty() {
            self.give_up(&partitions)?;
            return Ok(None);
        }
        // What was read of them and not handed on is the next owner's.
        for partition in &partitions {
            self.batches.close(partition);
        }
        self.revoking = Some(Revocation {
            held: partitions.iter().cloned().collect(),
            all: partitions.clone(),
        });
        Ok(Some(Polled::Revoking(partitions)))
    }

    fn lose(&mut self, partitions: Vec<TopicPartition>) -> Result<Option<Polled>, LogError> {
        self.out_of_group = true;
        self.revoking = None;
        self.give_up(&partitions)?;
        Ok((!partitions.is_empty()).then_some(Polled::Lost(partitions)))
    }

    /// Notes what was released; once it is all that was to be, the group is told.
    pub(super) fn note_released(&mut self, released: &[TopicPartition]) -> Result<(), LogError> {
        // Without a revocation they were lost meanwhile.
        let Some(revocation) = &mut self.revoking else {
            return Ok(());
        };
        for partition in released {
            revocation.held.remove(partition);
        }
        // librdkafka takes the first call for the whole answer.
        if revocation.held.is_empty() {
            self.give_up_revoked()
        } else {
            Ok(())
        }
    }

    /// Lets go of all that was to be released.
    pub(super) fn give_up_revoked(&mut self) -> Result<(), LogError> {
        match self.revoking.take() {
            Some(revocation) => self.give_up(&revocation.all),
            None => Ok(()),
        }
    }

    /// Tells librdkafka that these partitions are let go of, which it waits for.
    pub(super) fn give_up(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        // What was never started is unknown to librdkafka, and it would refuse to take it away.
        let unknown: Vec<_> = partitions
            .iter()
            .filter(|partition| self.unstarted.remove(*partition))
            .map(|partition| (partition.clone(), 0))
            .collect();
        for partition in partitions {
            self.batches.close(partition);
            self.lag.release(partition);
        }
        if !unknown.is_empty() {
            self.answer(|consumer| consumer.incremental_assign(&partitions::list_at(&unknown)?))?;
        }
        self.answer(|consumer| consumer.incremental_unassign(&partitions::list(partitions)))
    }

    pub(super) fn answer(
        &mut self,
        call: impl FnOnce(&BaseConsumer<Membership>) -> KafkaResult<()>,
    ) -> Result<(), LogError> {
        let answered = call(&self.consumer);
        self.refused = answered.is_err();
        answered.map_err(|error| self.failed(error, "changing the assignment"))
    }
}
