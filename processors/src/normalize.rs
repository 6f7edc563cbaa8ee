//! From what came in to what happened: a pure function of one record of `zoom.raw`.
//!
//! A webhook's body becomes a typed event of the canonical log, without tokens, passcodes, street
//! and network addresses. The event's id is the same for every copy of it that Zoom delivers, so
//! that what follows can drop the copies. Nothing here remembers a record: what was seen before is
//! for the attendance stage to know, which also numbers the events.

mod body;
mod event_name;
mod identity;
mod lenient;
mod time;
mod webhook;

use rollcall_runtime::Rejection;
use rollcall_schemas::record::{RawKind, RawRecord, ZoomEvent};

use identity::Identity;

/// A webhook whose event this version does not know. It stays in `zoom.raw`.
pub const UNKNOWN_EVENT: &str = "unknown event";
/// A record of `zoom.raw` whose kind this version does not know.
pub const UNKNOWN_RECORD: &str = "unknown kind of record";
/// A webhook of an app, not of a meeting: the app was removed from the account.
pub const APP_DEAUTHORIZED: &str = "app deauthorized";
/// A meeting became a webinar, or the other way round. Its rows follow from the events after it.
pub const CONVERTED: &str = "meeting converted";
/// Someone waits for the host. Zoom names no seat, and waiting counts for nothing.
pub const BEFORE_THE_HOST: &str = "before the host";

/// What a record of `zoom.raw` comes to.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every record is an event, and a box would cost it an allocation"
)]
pub enum Normalized<'a> {
    /// Something happened. `sequence` is 0: the attendance stage counts.
    Event(ZoomEvent<'a>),
    /// Time reached a moment.
    Tick {
        /// The clock's reading, in milliseconds since 1970.
        at: i64,
    },
    /// The record has no effect: one of the reasons above.
    Ignored(&'static str),
    /// The record can never have the effect that its kind has.
    Rejected(Rejection),
}

/// Makes canonical events of raw records. What it keeps are buffers.
#[derive(Debug, Default)]
pub struct Normalizer {
    identity: Identity,
}

impl Normalizer {
    /// A normalizer with empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What `raw` comes to. Depends on `raw` alone, and borrows from it.
    #[must_use]
    pub fn normalize<'a>(&mut self, raw: &RawRecord<'a>) -> Normalized<'a> {
        match (raw.kind, &raw.webhook, &raw.tick) {
            (RawKind::Tick, _, Some(tick)) => Normalized::Tick { at: tick.at },
            (RawKind::Webhook, Some(delivery), _) => {
                webhook::normalize(raw, delivery.body, &mut self.identity)
            }
            (RawKind::Unknown, _, _) => Normalized::Ignored(UNKNOWN_RECORD),
            (RawKind::Tick, _, None) => Normalized::Rejected(empty_group("tick")),
            (RawKind::Webhook, None, _) => Normalized::Rejected(empty_group("webhook")),
        }
    }
}

fn empty_group(kind: &str) -> Rejection {
    Rejection {
        class: "raw_record",
        message: format!(
            "a record of kind {kind} without its group {kind}: it was not written by Rollcall"
        ),
    }
}

#[cfg(test)]
mod tests;
