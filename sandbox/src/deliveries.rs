//! The webhooks of a story: what Zoom says of it, when, and how badly.
//!
//! Faults disturb the order and the number of deliveries, never what they say in the end: all that
//! concerns a session arrives before its occurrence counts as ended, and all that concerns a
//! registration before the next session of its meeting, so that the truth stays defined.

mod happening;
mod payload;
mod render;
mod schedule;

pub use schedule::SLOT_MS;

use crate::account::Plan;

/// One webhook, ready to be signed and sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// When it reaches the receiver, virtual time; a multiple of [`SLOT_MS`].
    pub due_ms: i64,
    /// Zoom's name of the event.
    pub event: &'static str,
    /// Zoom's id of the meeting or webinar.
    pub meeting_id: u64,
    /// The `x-zm-request-id`: the same for every try of one delivery.
    pub request_id: String,
    /// The `x-zm-trackingid`: not unique.
    pub tracking_id: String,
    /// The bytes of the body.
    pub body: String,
    /// Why it is sent.
    pub nature: Nature,
}

/// Why a delivery is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Nature {
    /// The first try.
    First,
    /// A retry; nothing of the tries before it got through.
    Retry,
    /// A retry although the first try got through: its answer was lost.
    Repeated,
    /// Another subscription of the same app has the same event: another request id.
    SecondSubscription,
}

/// How often Zoom's deliveries go wrong, each as a probability from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeliveryFaults {
    /// The answer is lost and the delivery comes again, with the same request id.
    pub repeated: f64,
    /// A second subscription delivers it too.
    pub second_subscription: f64,
    /// The first try is lost: it comes 5 minutes late, or 25.
    pub first_try_lost: f64,
    /// It comes up to two minutes late, so that others overtake it.
    pub overtaken: f64,
    /// A registration's news comes up to 85 minutes late.
    pub registration_late: f64,
}

impl DeliveryFaults {
    /// Everything comes once and in order.
    pub const NONE: Self = Self {
        repeated: 0.0,
        second_subscription: 0.0,
        first_try_lost: 0.0,
        overtaken: 0.0,
        registration_late: 0.0,
    };
}

impl Default for DeliveryFaults {
    fn default() -> Self {
        Self {
            repeated: 0.04,
            second_subscription: 0.05,
            first_try_lost: 0.05,
            overtaken: 0.15,
            registration_late: 0.1,
        }
    }
}

/// The webhooks of a story, by due time; the same for the same plan and faults.
#[must_use]
pub fn deliveries(plan: &Plan, faults: &DeliveryFaults) -> Vec<Delivery> {
    schedule::schedule(plan, faults)
}
