//! A Brevo account on loopback: it answers, refuses, limits and fails as Brevo does, and remembers
//! everything that arrived.
//!
//! What Brevo's documentation leaves open is a switch of [`Behaviour`]. The account lives in memory:
//! it outlasts the pipeline that is tested against it, not the process.

mod account;
mod answer;
mod connection;
mod contacts;
mod control;
mod events;
mod fault;
mod limits;
mod server;
mod snapshot;

pub use account::{Behaviour, UnknownAttribute, UnknownContact};
pub use fault::{Fault, FaultOrder, FaultRates};
pub use limits::{Limit, RateLimits};
pub use server::{BrevoAccount, BrevoOptions};
pub use snapshot::{ContactSnapshot, EventSnapshot, Snapshot, Violation};
