//! Accounts that balance: every record that a stage has taken had an effect, had none for a reason, or
//! is a dead letter.
//!
//! Read from the topics alone, while the pipeline runs or not. Each partition is read in an order that
//! makes this right while it runs: first how far a stage has come, then what it wrote, then what it
//! read. What it wrote holds at least what that position stands for, because both were one unit of
//! work; and what it read holds at least the sources of what it wrote.

mod attendance;
mod engagement;
mod letters;
mod sink;
#[cfg(test)]
mod tests;

use anyhow::Result;
use rollcall_eventlog::TopicPartition;
use rollcall_sink::effect::Wanted;
use serde::{Deserialize, Serialize};

use super::{Inspector, Place};
use letters::Letters;

/// Faults that are told one by one; more are only counted.
const MOST_TOLD: usize = 200;

/// What the accounts of all stages come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AuditReport {
    pub(crate) accounts: Vec<Account>,
    /// What does not add up; the first of them where there are very many.
    pub(crate) faults: Vec<AuditFault>,
    /// How much does not add up.
    pub(crate) fault_count: u64,
}

/// What became of the records of a stage's input that the topic still holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) stage: String,
    /// Records that it has taken.
    pub(crate) records: u64,
    /// Of those, the ones that had an effect.
    pub(crate) effective: u64,
    /// Of those, the ones that had none.
    pub(crate) ignored: u64,
    /// Of those, the ones that can never succeed.
    pub(crate) dead_letters: u64,
    /// Records that it has not taken yet.
    pub(crate) waiting: u64,
}

impl Account {
    fn of(stage: &str) -> Self {
        Self {
            stage: stage.to_owned(),
            ..Self::default()
        }
    }

    /// Records of which nothing tells what became of them.
    pub(crate) fn unaccounted(&self) -> u64 {
        self.records
            .saturating_sub(self.effective + self.ignored + self.dead_letters)
    }
}

/// Something that does not add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AuditFault {
    pub(crate) stage: String,
    /// The record that shows it.
    pub(crate) place: Place,
    /// What is wrong.
    pub(crate) what: String,
}

impl AuditReport {
    /// Whether everything adds up.
    pub(crate) fn balances(&self) -> bool {
        self.fault_count == 0
            && self
                .accounts
                .iter()
                .all(|account| account.unaccounted() == 0)
    }
}

/// The account of one stage while it is drawn up, and where its faults go.
struct Ledger<'r> {
    account: Account,
    faults: &'r mut Vec<AuditFault>,
    fault_count: &'r mut u64,
}

impl Ledger<'_> {
    fn fault(&mut self, partition: &TopicPartition, offset: i64, what: impl Into<String>) {
        *self.fault_count += 1;
        if self.faults.len() < MOST_TOLD {
            self.faults.push(AuditFault {
                stage: self.account.stage.clone(),
                place: Place::of(partition, offset),
                what: what.into(),
            });
        }
    }
}

impl Inspector {
    /// Adds up what became of every record. `wanted` says what the sink does for an activity.
    pub(crate) fn audit(&self, wanted: &Wanted) -> Result<AuditReport> {
        let mut report = AuditReport::default();
        let AuditReport {
            accounts,
            faults,
            fault_count,
        } = &mut report;
        for stage in [attendance::STAGE, engagement::STAGE, sink::STAGE] {
            let mut ledger = Ledger {
                account: Account::of(stage),
                faults,
                fault_count,
            };
            match stage {
                attendance::STAGE => self.audit_attendance(&mut ledger)?,
                engagement::STAGE => self.audit_engagement(&mut ledger)?,
                _ => self.audit_sink(wanted, &mut ledger)?,
            }
            accounts.push(ledger.account);
        }
        Ok(report)
    }

    /// How far a stage has come in a partition: below it, everything was taken.
    fn position(&self, stage: &str, partition: &TopicPartition) -> Result<i64> {
        let group = rollcall_runtime::group(&self.topics, stage);
        let committed = self
            .log
            .committed(&group, std::slice::from_ref(partition))?;
        match committed.first().copied().flatten() {
            Some(position) => Ok(position),
            None => Ok(self.log.offsets(partition)?.start),
        }
    }

    fn letters(&self, stage: &str) -> Result<Letters> {
        Letters::read(self, stage)
    }
}
