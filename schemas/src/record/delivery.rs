//! `brevo.deliveries`: the sink's ledger.

use serde::{Deserialize, Serialize};

use crate::Text;
use crate::avro::{record, symbols};

/// What the sink did to Brevo, from intent to answer. Topic brevo.deliveries; key: email, a space, and the effect id.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Delivery<'a> {
    /// Normalised address.
    #[serde(borrow)]
    pub email: Text<'a>,
    /// What is done once, or kept in step: contact, event:ACTIVITY, list:ID.
    #[serde(borrow)]
    pub effect_id: Text<'a>,
    /// What is done.
    #[serde(default)]
    pub effect: Effect,
    /// How far it came.
    #[serde(default)]
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: i32,
    /// When it was first written, UTC.
    pub intended_at: i64,
    /// When this state was reached, UTC.
    pub updated_at: i64,
    /// The activity that asked for it.
    #[serde(default, borrow)]
    pub activity_id: Option<Text<'a>>,
    /// Id of the occurrence that it is about.
    #[serde(default, borrow)]
    pub occurrence: Option<Text<'a>>,
    /// The contact's version that was sent.
    #[serde(default)]
    pub contact_version: Option<i64>,
    /// Brevo's list id.
    #[serde(default)]
    pub list_id: Option<i64>,
    /// SHA-256 of the values sent, in hexadecimal: equal values are not sent again.
    #[serde(default, borrow)]
    pub digest: Option<Text<'a>>,
    /// Status of Brevo's last answer.
    #[serde(default)]
    pub http_status: Option<i32>,
    /// Why it was skipped or failed, for a person to read.
    #[serde(default, borrow)]
    pub reason: Option<Text<'a>>,
}

/// How far it came.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// A symbol that a newer writer used and this version does not know.
    #[default]
    Unknown,
    /// `intended`.
    Intended,
    /// `confirmed`.
    Confirmed,
    /// `skipped`.
    Skipped,
    /// `unknown_outcome`.
    UnknownOutcome,
    /// `failed`.
    Failed,
}

/// What is done.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A symbol that a newer writer used and this version does not know.
    #[default]
    Unknown,
    /// `contact_upsert`.
    ContactUpsert,
    /// `event`.
    Event,
    /// `list_addition`.
    ListAddition,
}

record!(Delivery<'a>: email, effect_id, effect, state, attempts, intended_at, updated_at, activity_id, occurrence, contact_version, list_id, digest, http_status, reason);

symbols!(Effect: Unknown, ContactUpsert, Event, ListAddition);

symbols!(DeliveryState: Unknown, Intended, Confirmed, Skipped, UnknownOutcome, Failed);
