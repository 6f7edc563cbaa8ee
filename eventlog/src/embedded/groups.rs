//! Consumer groups within the process: who is a member, who has which partition, and how partitions
//! go from one to another without ever being two members' at once.
//!
//! A partition that is to move is first named to its holder as revoked, goes on when the holder
//! releases it, and only then is named to the next as assigned. A member that is fenced, or is gone,
//! loses its partitions at once, but not while a commit of its is on the way: the next holder must
//! see what that commits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use foldhash::HashMap;

use super::assignment::assign;
use super::sync::{Signal, lock};
use crate::{MemberConfig, TopicPartition};

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Mutex<HashMap<String, Group>>,
}

/// A member, as it and its group both know it.
#[derive(Debug)]
pub(super) struct Membership {
    id: u64,
    pub(super) group: String,
    instance: String,
    topics: Vec<Arc<str>>,
    /// Raised when there is something to poll for.
    pub(super) signal: Arc<Signal>,
    /// Counts the changes of the group, so that most polls need not take its lock.
    changes: AtomicU64,
    fenced: AtomicBool,
}

/// Another member has joined under the same instance name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fenced;

/// What has changed for a member.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// These partitions are now its own.
    Assigned(Vec<TopicPartition>),
    /// These partitions are to be released.
    Revoking(Vec<TopicPartition>),
}

#[derive(Debug, Default)]
struct Group {
    next_id: u64,
    /// In the order of their instance names.
    members: Vec<Arc<Membership>>,
    /// Who has a commit on the way.
    committing: Vec<u64>,
    slots: BTreeMap<TopicPartition, Slot>,
}

/// Where a partition is, and where it is to be.
#[derive(Debug, Default)]
struct Slot {
    holder: Option<(u64, Holding)>,
    target: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Holding {
    /// The holder has not been told yet.
    Untold,
    Told,
    /// The holder was told that it is to release it.
    Revoked,
}

impl Membership {
    pub(super) fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// How often the group has changed so far.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    fn notify(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.signal.raise();
    }
}

impl Groups {
    /// Adds a member, which takes the place of one with the same instance name. `partitions` are
    /// those of its topics.
    pub(super) fn join(
        &self,
        config: MemberConfig,
        partitions: Vec<TopicPartition>,
    ) -> Arc<Membership> {
        let mut groups = lock(&self.groups);
        let group = groups.entry(config.group.clone()).or_default();
        group.next_id += 1;
        let member = Arc::new(Membership {
            id: group.next_id,
            group: config.group,
            instance: config.instance,
            topics: config.topics,
            signal: Arc::default(),
            changes: AtomicU64::new(1),
            fenced: AtomicBool::new(false),
        });
        for partition in partitions {
            group.slots.entry(partition).or_default();
        }
        match group
            .members
            .binary_search_by(|other| other.instance.cmp(&member.instance))
        {
            Ok(place) => {
                let old = std::mem::replace(&mut group.members[place], Arc::clone(&member));
                old.fenced.store(true, Ordering::Release);
                group.share_out(Some((old.id, member.id)));
                group.give_up(old.id);
                old.notify();
            }
            Err(place) => {
                group.members.insert(place, Arc::clone(&member));
                group.share_out(None);
            }
        }
        group.settle();
        member
    }

    /// What a member has not been told yet, which it is herewith; to be asked again until there is
    /// nothing.
    pub(super) fn tell(&self, member: &Membership) -> Option<Change> {
        self.with(member, |group| {
            let revoking = group.advance(member.id, |holding, target| {
                holding == Holding::Told && target != Some(member.id)
            });
            if !revoking.is_empty() {
                return Some(Change::Revoking(revoking));
            }
            let assigned = group.advance(member.id, |holding, _| holding == Holding::Untold);
            (!assigned.is_empty()).then_some(Change::Assigned(assigned))
        })
    }

    /// Lets partitions go.
    pub(super) fn release(&self, member: &Membership, partitions: &[TopicPartition]) {
        self.with(member, |group| {
            for partition in partitions {
                if let Some(slot) = group.slots.get_mut(partition) {
                    slot.holder = slot.holder.filter(|(holder, _)| *holder != member.id);
                }
            }
            group.settle();
        });
    }

    /// Begins a commit, which must be ended.
    pub(super) fn begin_commit(&self, member: &Membership) -> Result<(), Fenced> {
        self.with(member, |group| {
            if member.is_fenced() {
                return Err(Fenced);
            }
            group.committing.push(member.id);
            Ok(())
        })
    }

    /// Ends a commit, whatever became of it.
    pub(super) fn end_commit(&self, member: &Membership) {
        self.with(member, |group| {
            group.committing.retain(|id| *id != member.id);
            if member.is_fenced() {
                group.give_up(member.id);
                group.settle();
            }
        });
    }

    /// Removes a member, and with it its hold on partitions.
    pub(super) fn leave(&self, member: &Membership) {
        self.with(member, |group| {
            group.members.retain(|other| other.id != member.id);
            group.give_up(member.id);
            group.share_out(None);
            group.settle();
        });
    }

    /// Wakes every member, since the log has closed.
    pub(super) fn wake_all(&self) {
        for group in lock(&self.groups).values() {
            group
                .members
                .iter()
                .for_each(|member| member.signal.raise());
        }
    }

    fn with<T>(&self, member: &Membership, act: impl FnOnce(&mut Group) -> T) -> T {
        let mut groups = lock(&self.groups);
        act(groups
            .get_mut(&member.group)
            .expect("a group is there as long as the log"))
    }
}

impl Holding {
    fn next(self) -> Self {
        match self {
            Self::Untold => Self::Told,
            Self::Told | Self::Revoked => Self::Revoked,
        }
    }
}

impl Group {
    /// Moves on those partitions of a holder that `is_due` says, given also where they are to be.
    fn advance(
        &mut self,
        id: u64,
        is_due: impl Fn(Holding, Option<u64>) -> bool,
    ) -> Vec<TopicPartition> {
        let mut advanced = Vec::new();
        for (partition, slot) in &mut self.slots {
            if let Some((holder, holding)) = &mut slot.holder
                && *holder == id
                && is_due(*holding, slot.target)
            {
                *holding = holding.next();
                advanced.push(partition.clone());
            }
        }
        advanced
    }

    /// Decides anew who is to have what. Of `successor`, the second takes what the first had.
    fn share_out(&mut self, successor: Option<(u64, u64)>) {
        let place_of = |id: u64| {
            let id = successor
                .filter(|(old, _)| *old == id)
                .map_or(id, |(_, new)| new);
            self.members.iter().position(|member| member.id == id)
        };
        let partitions: Vec<_> = self.slots.keys().cloned().collect();
        let now: Vec<_> = self
            .slots
            .values()
            .map(|slot| slot.holder.and_then(|(holder, _)| place_of(holder)))
            .collect();
        let topics: Vec<&[Arc<str>]> = self.members.iter().map(|it| &it.topics[..]).collect();
        let targets = assign(&topics, &partitions, &now);
        let ids: Vec<_> = targets
            .into_iter()
            .map(|place| place.map(|place| self.members[place].id))
            .collect();
        for (slot, target) in self.slots.values_mut().zip(ids) {
            slot.target = target;
        }
    }

    /// Frees what a fenced or gone member holds, unless its commit is on the way.
    fn give_up(&mut self, id: u64) {
        if self.committing.contains(&id) {
            return;
        }
        for slot in self.slots.values_mut() {
            slot.holder = slot.holder.filter(|(holder, _)| *holder != id);
        }
    }

    /// Hands partitions that nobody holds, or whose holder has not been told, to whom they are to go,
    /// and says to all members that there may be something new.
    fn settle(&mut self) {
        for slot in self.slots.values_mut() {
            match slot.holder {
                Some((holder, Holding::Untold)) if slot.target != Some(holder) => {
                    slot.holder = slot.target.map(|target| (target, Holding::Untold));
                }
                None => slot.holder = slot.target.map(|target| (target, Holding::Untold)),
                Some(_) => {}
            }
        }
        self.members.iter().for_each(|member| member.notify());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Change, Fenced, Groups, Membership};
    use crate::{MemberConfig, TopicPartition};

    fn partition(number: u32) -> TopicPartition {
        TopicPartition::new("t", number)
    }

    fn join(groups: &Groups, instance: &str) -> Arc<Membership> {
        let config = MemberConfig {
            group: "g".into(),
            topics: vec!["t".into()],
            instance: instance.into(),
        };
        groups.join(config, (0..4).map(partition).collect())
    }

    fn assigned(numbers: impl IntoIterator<Item = u32>) -> Option<Change> {
        Some(Change::Assigned(
            numbers.into_iter().map(partition).collect(),
        ))
    }

    fn revoking(numbers: impl IntoIterator<Item = u32>) -> Option<Change> {
        Some(Change::Revoking(
            numbers.into_iter().map(partition).collect(),
        ))
    }

    #[test]
    fn a_partition_moves_once_it_was_released() {
        let groups = Groups::default();
        let a = join(&groups, "a");
        assert_eq!(groups.tell(&a), assigned(0..4));
        let b = join(&groups, "b");
        assert_eq!(groups.tell(&b), None);
        assert_eq!(groups.tell(&a), revoking(2..4));
        assert_eq!(groups.tell(&a), None);
        groups.release(&a, &[partition(3)]);
        assert_eq!(groups.tell(&b), assigned([3]));
        groups.leave(&b);
        // 2 was named as revoked, so that it has to go round by a release; 3 is free.
        assert_eq!(groups.tell(&a), assigned([3]));
        groups.release(&a, &[partition(2)]);
        assert_eq!(groups.tell(&a), assigned([2]));
    }

    #[test]
    fn what_nobody_was_told_moves_at_once() {
        let groups = Groups::default();
        let a = join(&groups, "a");
        let b = join(&groups, "b");
        assert_eq!(groups.tell(&a), assigned(0..2));
        assert_eq!(groups.tell(&b), assigned(2..4));
    }

    #[test]
    fn a_namesake_fences_and_takes_over() {
        let groups = Groups::default();
        let a = join(&groups, "a");
        let b = join(&groups, "b");
        assert_eq!(groups.tell(&a), assigned(0..2));
        assert_eq!(groups.tell(&b), assigned(2..4));
        let successor = join(&groups, "a");
        assert!(a.is_fenced());
        assert_eq!(groups.begin_commit(&a), Err(Fenced));
        assert_eq!(groups.tell(&a), None);
        assert_eq!(groups.tell(&successor), assigned(0..2));
        assert_eq!(groups.tell(&b), None);
        // The end of the fenced one changes nothing.
        groups.leave(&a);
        assert_eq!(groups.tell(&b), None);
        assert_eq!(groups.begin_commit(&successor), Ok(()));
    }

    #[test]
    fn a_successor_waits_for_the_commit_on_the_way() {
        let groups = Groups::default();
        let a = join(&groups, "a");
        assert_eq!(groups.tell(&a), assigned(0..4));
        assert_eq!(groups.begin_commit(&a), Ok(()));
        let successor = join(&groups, "a");
        assert_eq!(groups.tell(&successor), None);
        groups.end_commit(&a);
        assert_eq!(groups.tell(&successor), assigned(0..4));
    }
}
