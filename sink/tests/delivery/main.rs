//! The sink over real sockets, between an embedded log and a Brevo account on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod busy;
mod faults;
mod line;
mod once;
mod redrive;
