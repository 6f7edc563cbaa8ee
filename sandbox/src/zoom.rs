//! The player: Zoom as a pipeline meets it.
//!
//! It keeps a virtual clock, sends the story's webhooks as they fall due, and lets the clock pass a
//! moment only when everything due until then was answered for good. A pipeline that is slow or down
//! stops the time; it cannot make the truth wrong.

mod clock;
mod player;
mod progress;
mod signature;

pub use clock::VirtualClock;
pub use player::{PlayError, PlayerOptions, RunOn, ZoomPlayer};
pub use progress::{Phase, Progress, Refusal};
pub use signature::sign;
