//! Who may be served next, by what is to be done.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::order::Step;
use crate::request::LIST_ADDITION_LIMIT;

/// Queues of people, first come first served. Whoever stands in one may meanwhile have nothing to do.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) contacts: VecDeque<Arc<str>>,
    pub(super) events: VecDeque<Arc<str>>,
    lists: BTreeMap<i64, ListQueue>,
    resting: BTreeMap<(Instant, u64), Arc<str>>,
    sequence: u64,
}

#[derive(Debug)]
struct ListQueue {
    emails: VecDeque<Arc<str>>,
    since: Instant,
}

impl Ready {
    /// Queues a person for a step; false where there is none to do.
    pub(super) fn push(&mut self, email: &Arc<str>, step: &Step, now: Instant) -> bool {
        let email = Arc::clone(email);
        match step {
            Step::Contact => self.contacts.push_back(email),
            Step::Event => self.events.push_back(email),
            Step::List(list) => {
                let queue = self.lists.entry(*list);
                queue
                    .or_insert_with(|| ListQueue {
                        emails: VecDeque::new(),
                        since: now,
                    })
                    .emails
                    .push_back(email);
            }
            Step::Nothing | Step::Doomed => return false,
        }
        true
    }

    /// The lists to which enough are to be added, or one for long enough.
    pub(super) fn lists_due(&self, now: Instant, linger: Duration) -> Vec<i64> {
        let due = |queue: &ListQueue| {
            queue.emails.len() >= LIST_ADDITION_LIMIT || now >= queue.since + linger
        };
        self.lists
            .iter()
            .filter(|(_, queue)| due(queue))
            .map(|(list, _)| *list)
            .collect()
    }

    pub(super) fn first_of_list(&self, list: i64) -> Option<Arc<str>> {
        self.lists.get(&list)?.emails.front().cloned()
    }

    pub(super) fn pop_of_list(&mut self, list: i64) {
        if let Some(queue) = self.lists.get_mut(&list) {
            queue.emails.pop_front();
            if queue.emails.is_empty() {
                self.lists.remove(&list);
            }
        }
    }

    /// Lets a person rest until a moment.
    pub(super) fn rest(&mut self, email: &Arc<str>, until: Instant) {
        self.sequence += 1;
        self.resting
            .insert((until, self.sequence), Arc::clone(email));
    }

    /// Those whose rest is over.
    pub(super) fn rested(&mut self, now: Instant) -> Vec<Arc<str>> {
        let still = self.resting.split_off(&(now, u64::MAX));
        std::mem::replace(&mut self.resting, still)
            .into_values()
            .collect()
    }
}
