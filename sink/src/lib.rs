//! Brevo out: client, limits, field mapping, ledger.
//!
//! The sink reads `engagement.contacts` and `engagement.activities` and keeps a Brevo account in step
//! with them. One instance is active at a time (the lease). What must happen once is written to
//! `brevo.deliveries` before it is sent and after it is answered (see [`ledger`]); per person one
//! request is in flight, and an activity goes out after the contact it came with (see [`plan`]).
//!
//! [`plan`], [`order`], [`ledger`], [`effect`], [`mapping`], [`error_class`], [`limits`],
//! [`progress`] and [`tally`] are pure: time and chance are handed to them. [`client`], [`check`],
//! [`lag`] and [`sink`] talk to the world.

pub mod backoff;
pub mod check;
pub mod client;
pub mod effect;
pub mod error_class;
pub mod lag;
pub mod ledger;
pub mod ledger_store;
pub mod limits;
pub mod mapping;
pub mod metric;
pub mod options;
pub mod order;
pub mod plan;
pub mod progress;
pub mod request;
pub mod sink;
pub mod status;
pub mod tally;

pub use options::{FieldMapping, Lists, Options, UpdatePolicy};
pub use sink::{RedriveError, Sink, SinkError, SinkHandle};
pub use status::SinkStatus;
