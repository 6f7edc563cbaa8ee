//! What was done to Brevo: the ledger.

use std::collections::BTreeMap;

use anyhow::Result;
use rollcall_schemas::catalogue::BREVO_DELIVERIES;
use rollcall_schemas::key;
use rollcall_schemas::record::{Delivery, DeliveryState, Effect};
use rollcall_schemas::wire::DELIVERY;
use serde::{Deserialize, Serialize};

use super::{Inspector, Place};

/// One effect, as the ledger has it last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeliveryLine {
    pub(crate) email: String,
    pub(crate) effect: Effect,
    pub(crate) effect_id: String,
    pub(crate) state: DeliveryState,
    pub(crate) attempts: i32,
    pub(crate) intended_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) occurrence: Option<String>,
    pub(crate) http_status: Option<i32>,
    pub(crate) reason: Option<String>,
    pub(crate) place: Place,
}

impl Inspector {
    /// The effects of one person, or of all, by the time at which they were first meant.
    pub(crate) fn deliveries(&self, email: Option<&str>) -> Result<Vec<DeliveryLine>> {
        let route = self.topics.route(&BREVO_DELIVERIES);
        let partitions: Vec<_> = match email {
            Some(email) => vec![Self::home(&route, email)],
            None => route.all().collect(),
        };
        let mut last: BTreeMap<Vec<u8>, DeliveryLine> = BTreeMap::new();
        self.scan(partitions, |place, record| {
            let Some(record_key) = record.key else {
                return true;
            };
            if email.is_some_and(|email| key::partition_part(record_key) != email.as_bytes()) {
                return true;
            }
            let Some(Ok(delivery)) = record
                .value
                .map(|value| DELIVERY.decode::<Delivery<'_>>(value))
            else {
                last.remove(record_key);
                return true;
            };
            let line = DeliveryLine {
                email: delivery.email.into_string(),
                effect: delivery.effect,
                effect_id: delivery.effect_id.into_string(),
                state: delivery.state,
                attempts: delivery.attempts,
                intended_at: delivery.intended_at,
                updated_at: delivery.updated_at,
                occurrence: delivery.occurrence.map(rollcall_schemas::Text::into_string),
                http_status: delivery.http_status,
                reason: delivery.reason.map(rollcall_schemas::Text::into_string),
                place: place.clone(),
            };
            last.insert(record_key.to_vec(), line);
            true
        })?;
        let mut lines: Vec<_> = last.into_values().collect();
        lines.sort_by(|a, b| {
            (a.intended_at, &a.email, &a.effect_id).cmp(&(b.intended_at, &b.email, &b.effect_id))
        });
        Ok(lines)
    }
}
