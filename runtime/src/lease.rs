//! One active process a role: whoever is assigned the one partition of the leases' topic in the
//! role's group.

use std::sync::Arc;
use std::time::Duration;

use rollcall_eventlog::{
    CommitError, EventLog, LogError, Member, MemberConfig, Polled, TopicPartition, UnitOfWork,
};
use rollcall_schemas::catalogue::LEASES;

use crate::TopicSettings;

/// A claim to be the active one of a role. Used by one thread.
pub struct Lease {
    log: Arc<dyn EventLog>,
    config: MemberConfig,
    member: Option<Box<dyn Member>>,
    held: Option<TopicPartition>,
    to_release: Vec<TopicPartition>,
}

/// A change of who is active.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transition {
    /// This process is the active one now. What another committed before is visible: read it first.
    Active,
    /// Another is about to be the active one, and waits. A commit before the next [`Lease::poll`]
    /// still counts; that poll lets the lease go.
    Ending,
    /// Another is the active one, or none: no commit counts any more.
    Standby,
}

/// A unit of work that was not committed under a lease, or perhaps was.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// This process is not the active one; nothing was sent.
    #[error("this process does not hold the lease of {group}")]
    Standby {
        /// The role's group.
        group: String,
    },
    /// The log did not commit it. After [`CommitError::Unclear`] and [`CommitError::Fenced`] the lease
    /// is given up, and claimed anew by the next [`Lease::poll`].
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Lease {
    /// Claims the lease of `role`, in the group `<prefix>rollcall-<role>`, by the name `instance`.
    ///
    /// # Errors
    ///
    /// Where the log cannot be reached.
    pub fn claim(
        log: Arc<dyn EventLog>,
        topics: &TopicSettings,
        role: &str,
        instance: &str,
    ) -> Result<Self, LogError> {
        let config = MemberConfig {
            group: topics.prefixed(&format!("rollcall-{role}")).to_string(),
            topics: vec![topics.name(&LEASES)],
            instance: instance.to_owned(),
        };
        let member = Some(log.join(config.clone())?);
        Ok(Self {
            log,
            config,
            member,
            held: None,
            to_release: Vec::new(),
        })
    }

    /// Whether this process is the active one, as far as it knows. A commit tells for certain.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.held.is_some()
    }

    /// The role's group, for [`EventLog::committed`].
    #[must_use]
    pub fn group(&self) -> &str {
        &self.config.group
    }

    /// Waits at most `timeout` for a change. To be called again and again, at least every few seconds:
    /// a cluster takes the lease from one who is not heard of.
    ///
    /// # Errors
    ///
    /// Where the log cannot be read.
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<Transition>, LogError> {
        let member = match &mut self.member {
            Some(member) => member,
            None => self.member.insert(self.log.join(self.config.clone())?),
        };
        if !self.to_release.is_empty() {
            member.release(&self.to_release)?;
            self.to_release.clear();
            return Ok(self.held.take().map(|_| Transition::Standby));
        }
        match member.poll(1, timeout)? {
            Polled::Assigned(partitions) => {
                let Some((partition, _)) = partitions.into_iter().next() else {
                    return Ok(None);
                };
                self.held = Some(partition);
                Ok(Some(Transition::Active))
            }
            Polled::Revoking(partitions) => {
                self.to_release = partitions;
                Ok(self.held.is_some().then_some(Transition::Ending))
            }
            Polled::Lost(_) => Ok(self.held.take().map(|_| Transition::Standby)),
            Polled::Records(_) | Polled::Idle => Ok(None),
        }
    }

    /// Commits a unit of work as the active one. The lease's own partition is named in it, so that the
    /// log refuses the unit of one who lost the lease without noticing.
    ///
    /// # Errors
    ///
    /// See [`LeaseError`]. Only after [`CommitError::Unclear`] may the unit have become visible.
    pub fn commit(&mut self, unit: &mut UnitOfWork) -> Result<(), LeaseError> {
        let (Some(member), Some(held)) = (&mut self.member, &self.held) else {
            return Err(LeaseError::Standby {
                group: self.config.group.clone(),
            });
        };
        unit.offsets.push((held.clone(), 0));
        let committed = member.commit(unit);
        unit.offsets.pop();
        if let Err(CommitError::Unclear { .. } | CommitError::Fenced { .. }) = &committed {
            self.held = None;
            self.to_release.clear();
            if let Some(member) = self.member.take() {
                member.leave();
            }
        }
        Ok(committed?)
    }

    /// Gives the lease up, so that another need not wait.
    pub fn leave(self) {
        if let Some(member) = self.member {
            member.leave();
        }
    }
}
