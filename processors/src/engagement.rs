//! From rows to people: one contact a person, and what happens to him once.
//!
//! Reads `engagement.attendance`, keeps of each person what each of his rows contributes, and writes
//! `engagement.contacts` and `engagement.activities`. The store is a view of the input.
//!
//! What comes out depends on the last version of each row alone, not on the order of the rows, on
//! copies, or on versions that were folded away before they came here:
//!
//! - A contribution is absolute. It replaces the one of an older version of the row and is replaced
//!   by that of a newer one. A row that is gone leaves its version behind.
//! - The contact's version is the sum of the versions of all rows ever seen, of one that is gone the
//!   version of its tombstone. It grows with every change.
//! - A milestone is said at first sight. It is said again, under the same id, where what is said of
//!   it became another: then a reader of the compacted topic finds what the last version says, and
//!   one that acts once an id does nothing.

mod activity;
mod contact;
mod contribution;
mod form;
mod person;
mod task;

use rollcall_runtime::{Route, Stage, Task, TopicSettings, View};
use rollcall_schemas::catalogue::{
    ENGAGEMENT_ACTIVITIES, ENGAGEMENT_ATTENDANCE, ENGAGEMENT_CONTACTS,
};

use task::EngagementTask;

/// The stage that makes contacts and activities of rows.
#[derive(Clone, Debug)]
pub struct Engagement {
    contacts: Route,
    activities: Route,
}

impl Engagement {
    /// The stage, writing to the topics of an installation.
    #[must_use]
    pub fn new(settings: &TopicSettings) -> Self {
        Self {
            contacts: settings.route(&ENGAGEMENT_CONTACTS),
            activities: settings.route(&ENGAGEMENT_ACTIVITIES),
        }
    }
}

impl Stage for Engagement {
    fn name(&self) -> &'static str {
        "engagement"
    }

    fn input(&self) -> &'static str {
        ENGAGEMENT_ATTENDANCE.name
    }

    fn view(&self) -> View {
        View::Input
    }

    fn state_version(&self) -> u32 {
        2
    }

    fn task(&self, _: u32) -> Box<dyn Task> {
        Box::new(EngagementTask::new(
            self.contacts.clone(),
            self.activities.clone(),
        ))
    }
}

#[cfg(test)]
mod tests;
