//! What the sink is doing, for the admin server.

use std::time::{Duration, Instant};

use rollcall_schemas::record::{Delivery, DeliveryState, Effect};

use crate::lag::Lag;

/// How long a drained sink has had nothing to do.
const DRAINED_FOR: Duration = Duration::from_millis(250);

/// What the sink is doing.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct SinkStatus {
    /// Whether this instance is the active one.
    pub active: bool,
    /// Why nothing is sent: what is wrong with the account or the configuration, and what to do. It
    /// goes on by itself once that is mended.
    pub paused: Option<String>,
    /// Records that this instance has before it, read or not, as of the last look; unknown where it is
    /// not the active one.
    pub lag: Option<Lag>,
    /// Contacts that were read, and that Brevo does not have as they are.
    pub contacts_waiting: usize,
    /// Activities that were read, and are not done with.
    pub activities_waiting: usize,
    /// Events and list additions of unknown outcome, about which Brevo is asked.
    pub unknown: usize,
    /// Requests in flight.
    pub in_flight: usize,
    /// What Brevo confirmed since this process became the active one.
    pub confirmed: Confirmed,
    /// Effects that failed for good since then; their records are dead letters.
    pub failed: u64,
    /// Effects that were not to be sent since then.
    pub skipped: u64,
    /// Since when there is nothing to read, to send or to wait for.
    #[serde(skip)]
    pub idle_since: Option<Instant>,
}

/// What Brevo confirmed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct Confirmed {
    /// Versions of contacts.
    pub contacts: u64,
    /// Events.
    pub events: u64,
    /// Additions to lists.
    pub list_additions: u64,
}

impl SinkStatus {
    /// Takes note of a committed ledger record.
    pub(crate) fn count(&mut self, delivery: &Delivery<'_>) {
        match (delivery.state, delivery.effect) {
            (DeliveryState::Confirmed, Effect::ContactUpsert) => self.confirmed.contacts += 1,
            (DeliveryState::Confirmed, Effect::Event) => self.confirmed.events += 1,
            (DeliveryState::Confirmed, Effect::ListAddition) => self.confirmed.list_additions += 1,
            (DeliveryState::Failed, _) => self.failed += 1,
            (DeliveryState::Skipped, _) => self.skipped += 1,
            _ => {}
        }
    }

    /// Whether there is nothing to read, to send or to wait for, and has not been for a while, so that
    /// a record committed just before is not overlooked.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.idle_since
            .is_some_and(|since| since.elapsed() >= DRAINED_FOR)
    }
}
