//! What the player did so far.

use serde::Serialize;

/// Where a story stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The receiver has not answered the URL validation yet.
    #[default]
    Validating,
    /// Webhooks are sent.
    Playing,
    /// Everything was sent; time runs on past the last deadline.
    RunningOn,
    /// The story is over.
    Finished,
    /// It cannot go on.
    Failed,
}

/// What the player did so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Progress {
    /// Where the story stands.
    pub phase: Phase,
    /// Virtual time.
    pub now_ms: i64,
    /// Webhooks of the story, duplicates included.
    pub deliveries: usize,
    /// Webhooks that were answered 2xx.
    pub accepted: usize,
    /// Tries that failed and were made again: 5xx, no connection, no answer in time.
    pub retried: usize,
    /// Webhooks that were answered 3xx or 4xx: Zoom never sends those again.
    pub refused: usize,
    /// The first few of them.
    pub refusals: Vec<Refusal>,
}

/// A webhook that the receiver refused for good.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// Zoom's name of the event.
    pub event: String,
    /// Its request id.
    pub request_id: String,
    /// The status answered.
    pub status: u16,
}
