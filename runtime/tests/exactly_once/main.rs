//! Every record counts once, whatever happens: in the topics and in the stores, byte for byte.

mod counting;
mod faults;
mod harness;
mod laws;
mod memory;
mod rebuild;
mod sharing;
