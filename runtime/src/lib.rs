//! Runs a stage exactly once over a store: tasks, folding, commit, recovery.

pub mod clock;
mod stage;

pub use stage::{Outcome, Rejection, Stage, StateError, StateView, Task, Unit, View};
