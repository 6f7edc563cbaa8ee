//! The event log: a small port, and its two engines.
//!
//! The pipeline is written against [`EventLog`] alone: append, read partitions, commit a unit of
//! work (outputs and consumed offsets) atomically, find an offset by time, configure topics. The
//! [`embedded`] engine is one process and one folder; the [`kafka`] engine is Apache Kafka. One
//! conformance suite (`tests/conformance`) says what both must do.

mod batch;
mod error;
mod port;

#[cfg(feature = "crash-points")]
pub mod crash_points;
pub mod embedded;
pub mod kafka;
pub mod metric;

pub use batch::{Header, Headers, Output, OutputBatch, RecordBatch, RecordBatchBuilder, RecordRef};
pub use error::{CommitError, LogError};
pub use port::{
    AppendFuture, Appender, CleanupPolicy, EventLog, Member, MemberConfig, Offsets, Polled, Reader,
    TopicConfig, TopicPartition, UnitOfWork,
};
