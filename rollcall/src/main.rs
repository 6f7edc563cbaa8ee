//! The command line: reads the configuration and puts the roles together.

fn main() {}
