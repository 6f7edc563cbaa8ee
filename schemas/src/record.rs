//! The Rust types of the records, one module a schema in `avsc/`.
//!
//! They borrow from the bytes they were read from. Times are milliseconds since 1970, UTC.

mod activity;
mod attendance_row;
mod bytes;
mod contact;
mod delivery;
mod occurrence_row;
mod raw_record;
mod zoom_event;

pub use activity::Activity;
pub use attendance_row::{
    AttendanceRow, AttendanceStatus, Milestone, MilestoneKind, Phase, RowState, Segment,
};
pub use contact::{Contact, LastOccurrence, NextOccurrence};
pub use delivery::{Delivery, DeliveryState, Effect};
pub use occurrence_row::{OccurrenceRow, RecordingLink, Session};
pub use raw_record::{RawKind, RawRecord, Tick, WebhookDelivery};
pub use zoom_event::{
    EventKind, Participant, Recording, Registrant, Schedule, ScheduledOccurrence, SessionEnd,
    ZoomEvent,
};
