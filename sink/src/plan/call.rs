//! What is asked of Brevo, and what comes back.

use std::collections::HashSet;
use std::sync::Arc;

use crate::effect::EffectId;
use crate::error_class::Class;
use crate::limits::EndpointGroup;
use crate::request::{ContactUpsert, EventRequest};

/// A call to make.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Writes a contact.
    Upsert {
        /// What is written.
        request: ContactUpsert,
        /// Attributes that are written only where Brevo has nothing: the contact is read first.
        if_blank: Vec<Arc<str>>,
        /// The contact is found by its address and updated by its id.
        by_id: bool,
    },
    /// Creates an event.
    Event {
        /// The effect's name.
        id: EffectId,
        /// The event.
        request: Arc<EventRequest>,
    },
    /// Adds people to a list.
    AddToList {
        /// Brevo's id.
        list: i64,
        /// Who.
        emails: Vec<Arc<str>>,
    },
    /// Reads a contact, to see whether it is on a list.
    ReadContact {
        /// Whose.
        email: Arc<str>,
        /// Brevo's id of the list.
        list: i64,
    },
    /// Reads one page of events, to see which are there.
    FindEvents {
        /// Their names.
        names: Vec<&'static str>,
        /// From this moment on, in milliseconds since 1970.
        from_ms: i64,
        /// Up to this moment.
        to_ms: i64,
        /// How many are skipped.
        offset: usize,
    },
}

impl Call {
    /// The limit that it counts towards.
    #[must_use]
    pub fn group(&self) -> EndpointGroup {
        match self {
            Self::Upsert { .. } | Self::AddToList { .. } | Self::ReadContact { .. } => {
                EndpointGroup::Contacts
            }
            Self::Event { .. } => EndpointGroup::Events,
            Self::FindEvents { .. } => EndpointGroup::Other,
        }
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Done.
    Done {
        /// Brevo's status.
        status: u16,
    },
    /// People were added to a list.
    Added {
        /// Brevo's status.
        status: u16,
        /// Those whom Brevo did not add.
        left_out: HashSet<String>,
    },
    /// A contact was read; `None` where there is none.
    Contact(Option<ReadContact>),
    /// A page of events was read.
    Events {
        /// How many the page had.
        read: usize,
        /// How many there are in all.
        count: usize,
        /// The source ids of those that have one.
        source_ids: Vec<String>,
    },
    /// It did not leave this machine.
    NotSent {
        /// Why.
        reason: String,
    },
    /// It left, and no answer came.
    NoAnswer {
        /// Why.
        reason: String,
    },
    /// Brevo did not do it, or perhaps did.
    Refused {
        /// Brevo's status.
        status: u16,
        /// What that means; never [`Class::Ok`].
        class: Class,
    },
}

/// What Brevo has of a contact, of what the ledger needs to know.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ReadContact {
    /// The lists that it is on.
    pub lists: Vec<i64>,
    /// The lists that the person left.
    pub left: Vec<i64>,
}
