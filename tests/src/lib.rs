//! Runs the binary as a user does, against a sandbox, and reads what it made.
//!
//! The tests that use this are in `tests/`. They need the binary: `cargo build --bin rollcall`.

pub mod commit;
pub mod line;
pub mod rows;
