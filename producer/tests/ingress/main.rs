//! The webhook address, through a real socket, request by request as bytes.

mod delivery;
mod log;
mod server;

mod deliveries_kept;
mod requests_refused;
mod what_is_logged;
