//! Runs a stage exactly once over a store: tasks, folding, commit, recovery.

pub mod clock;
pub mod secret;
mod stage;
mod topics;

pub use stage::{Outcome, Rejection, Stage, StateError, StateView, Task, Unit, View};
pub use topics::{Route, TopicSettings};
