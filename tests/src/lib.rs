//! End to end, on both engines.
