//! The sink over real sockets, between an embedded log and a Brevo account on loopback.

mod faults;
mod line;
mod once;
