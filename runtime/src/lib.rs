//! Runs a stage exactly once over a store: tasks, folding, commit, recovery.
//!
//! A [`Stage`] is pure; a [`Worker`] runs it. How a worker, its stores and the log stay in step is
//! said in `recovery.rs`.

/// Where a test can make a worker fail. Not compiled without the feature.
macro_rules! crash_point {
    ($step:ident) => {
        #[cfg(feature = "crash-points")]
        rollcall_eventlog::crash_points::reach(crate::crash_points::$step)?;
    };
}

pub mod clock;
#[cfg(feature = "crash-points")]
pub mod crash_points;
pub mod dead_letter;
mod error;
mod lag;
mod lease;
pub mod metric;
mod overlay;
mod pace;
mod recovery;
pub mod secret;
mod shutdown;
mod stage;
pub mod status;
mod store;
mod tally;
mod task;
mod topics;
mod worker;

pub use error::RuntimeError;
pub use lease::{Lease, LeaseError, Transition};
pub use pace::CommitPolicy;
pub use recovery::StateSettings;
pub use shutdown::Shutdown;
pub use stage::{Outcome, Rejection, Stage, StateError, StateView, Task, Unit, View};
pub use status::StageStatus;
pub use store::{FlushPolicy, StateMemory, WriteBackPolicy};
pub use topics::{Route, TopicSettings, WriteValue};
pub use worker::{Worker, WorkerConfig, group};
