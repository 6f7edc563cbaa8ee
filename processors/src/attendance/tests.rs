//! The stage as a whole: webhooks in, rows out.

mod laws;
mod line;
mod stories;
