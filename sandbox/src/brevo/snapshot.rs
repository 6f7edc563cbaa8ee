//! All that arrived, for people and comparisons.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

/// Everything that a Brevo account holds and saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// Contacts by address, in lower case.
    pub contacts: BTreeMap<String, ContactSnapshot>,
    /// Members by list.
    pub lists: BTreeMap<i64, BTreeSet<String>>,
    /// Events in the order in which they arrived.
    pub events: Vec<EventSnapshot>,
    /// Additions to a list of somebody who was a member, by list and address.
    pub repeated_additions: BTreeMap<String, u64>,
    /// What must never be asked of Brevo and was.
    pub violations: Vec<Violation>,
    /// Requests by method, path and status: `POST /v3/events 204`. Addresses are left out of paths.
    pub requests: BTreeMap<String, u64>,
}

/// One contact.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ContactSnapshot {
    /// Brevo's id.
    pub id: i64,
    /// Its attributes; empty ones are not there.
    pub attributes: Map<String, Value>,
    /// On the campaigns' blocklist.
    pub email_blacklisted: bool,
    /// Upserts that took effect.
    pub upserts: u64,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventSnapshot {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub email: String,
    /// When it happened, as it was sent.
    pub date: String,
    /// Its properties.
    pub properties: Map<String, Value>,
}

impl EventSnapshot {
    /// The sender's own id of it.
    #[must_use]
    pub fn source_event_id(&self) -> Option<&str> {
        self.properties
            .get("source_event_id")
            .and_then(Value::as_str)
    }
}

/// Something that must never be asked of Brevo, though it may answer 2xx.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Violation {
    /// Which rule.
    pub rule: String,
    /// Whose contact.
    pub email: String,
    /// What was asked.
    pub asked: String,
}
