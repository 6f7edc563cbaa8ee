//! The embedded engine: one process, one folder.
