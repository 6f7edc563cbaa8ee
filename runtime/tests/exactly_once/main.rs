//! Every record counts once, whatever happens: in the topics and in the stores, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod balance;
mod counting;
mod faults;
mod harness;
mod laws;
mod lease;
mod memory;
mod rebuild;
mod sharing;
