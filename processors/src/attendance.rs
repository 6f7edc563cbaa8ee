//! From what came in to the roll of every occurrence: normalize and attendance, one stage.
//!
//! The two share key and partition, so they run as one task and one unit of work: `zoom.events` is
//! written, and not read back but to rebuild the state, which is a fold of it. The state holds facts
//! with the times inside them (`meeting`, `person`); what they come to (`grouping`, `occurrence`) and
//! what a row says (`derive`, `milestone`) are pure functions of them. `roll` keeps the facts of one
//! meeting and looks at the rows again that an event can have changed; `ownership` knows whose each
//! seat is; `task` takes records and writes records.
//!
//! A row is looked at after every event and not once a batch: what is recorded in it, and the count
//! of its versions, must not show how records were batched.

mod cache;
mod derive;
mod fingerprint;
mod form;
mod grouping;
mod latest;
mod meeting;
mod milestone;
mod occurrence;
mod ownership;
mod peak;
mod person;
mod record;
mod roll;
mod settings;
mod stay;
mod task;
#[cfg(test)]
mod tests;
mod timer;

pub use settings::{AttendanceSettings, NoShowProof};
pub use task::Attendance;
