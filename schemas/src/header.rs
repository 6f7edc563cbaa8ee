//! Names of record headers that another part reads.
//!
//! What depends on how records were batched stands in headers and not in values, so that values are
//! the same for any batching.

/// Of an activity: the version of the contact that it came with, in decimal digits.
pub const CONTACT_VERSION: &str = "contact-version";

/// Of a tombstone on `engagement.attendance` and `engagement.contacts`: the version with which the
/// row or the contact ended, in decimal digits.
pub const VERSION: &str = "version";
