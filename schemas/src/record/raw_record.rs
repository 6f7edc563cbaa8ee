//! `zoom.raw`: what came in, in order of arrival.

use serde::{Deserialize, Serialize};

use crate::Text;
use crate::avro::{record, symbols};

/// What came in, in order of arrival: one flat record, whose kind says which group is set. Topic zoom.raw.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct RawRecord<'a> {
    /// Which of the groups below is set.
    #[serde(default)]
    pub kind: RawKind,
    /// When Rollcall received or made the record, UTC, by its own clock. Never used by a stage to decide anything but a tick's time.
    pub received_at: i64,
    /// Zoom's account id, from the body.
    #[serde(default, borrow)]
    pub account_id: Option<Text<'a>>,
    /// Zoom's meeting or webinar id in decimal digits, from the body; absent where the body names none.
    #[serde(default, borrow)]
    pub meeting_id: Option<Text<'a>>,
    /// Set where kind is webhook.
    #[serde(default, borrow)]
    pub webhook: Option<WebhookDelivery<'a>>,
    /// Set where kind is tick.
    #[serde(default)]
    pub tick: Option<Tick>,
}

/// Time as an input of the pipeline.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// The clock's reading, UTC. Stream time is the greatest tick seen.
    pub at: i64,
}

/// A verified webhook delivery.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct WebhookDelivery<'a> {
    /// Zoom's x-zm-request-id, the same on a retry.
    #[serde(default, borrow)]
    pub request_id: Option<Text<'a>>,
    /// The request's body, byte for byte as Zoom sent it.
    #[serde(borrow, with = "super::bytes")]
    pub body: &'a [u8],
}

/// Which group is set.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RawKind {
    /// A symbol that a newer writer used and this version does not know.
    #[default]
    Unknown,
    /// `webhook`.
    Webhook,
    /// `tick`.
    Tick,
}

record!(RawRecord<'a>: kind, received_at, account_id, meeting_id, webhook, tick);

record!(WebhookDelivery<'a>: request_id, body);

record!(Tick: at);

symbols!(RawKind: Unknown, Webhook, Tick);
