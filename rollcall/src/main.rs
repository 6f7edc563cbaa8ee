//! The command line: reads the configuration and puts the roles together.

#[allow(dead_code, unused_imports, reason = "read by the commands")]
mod config;

fn main() {}
