//! What comes in: a played account's webhooks, and the clock's ticks between them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rollcall_processors::attendance::{AttendanceSettings, NoShowProof};
use rollcall_sandbox::account::{Plan, SETTLED_MS};
use rollcall_sandbox::deliveries::{DeliveryFaults, deliveries};
use rollcall_sandbox::truth::{Truth, truth};
use rollcall_schemas::record::{RawKind, RawRecord, Tick, WebhookDelivery};
use rollcall_schemas::wire::{Encoder, RAW_RECORD};

/// Least virtual time between two ticks.
const TICK_EVERY_MS: i64 = 20 * 60_000;
/// Registrations of an account that is played: the least that has every role.
const REGISTRANTS: usize = 8;

/// A record for `zoom.raw`.
pub(crate) struct Input {
    /// The key, whose part decides the partition; none for a tick, which goes to every partition.
    pub(crate) key: Option<String>,
    pub(crate) value: Vec<u8>,
}

/// A played account.
pub(crate) struct Story {
    pub(crate) settings: AttendanceSettings,
    pub(crate) truth: Truth,
    pub(crate) input: Vec<Input>,
}

impl Story {
    /// The account of a seed; the same one is told once.
    pub(crate) fn of(seed: u64) -> Arc<Self> {
        static TOLD: Mutex<BTreeMap<u64, Arc<Story>>> = Mutex::new(BTreeMap::new());
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            told.entry(seed)
                .or_insert_with(|| Arc::new(Self::tell(seed))),
        )
    }

    fn tell(seed: u64) -> Self {
        let plan = Plan::seeded(seed, REGISTRANTS);
        let mut encoder = RAW_RECORD.encoder();
        let mut input = Vec::new();
        let webhooks = deliveries(&plan, &DeliveryFaults::default());
        let mut last_tick = i64::MIN;
        for (index, webhook) in webhooks.iter().enumerate() {
            let meeting_id = webhook.meeting_id.to_string();
            let record = RawRecord {
                kind: RawKind::Webhook,
                received_at: webhook.due_ms,
                account_id: Some(plan.account_id.as_str().into()),
                meeting_id: Some(meeting_id.as_str().into()),
                webhook: Some(WebhookDelivery {
                    request_id: Some(webhook.request_id.as_str().into()),
                    body: webhook.body.as_bytes(),
                }),
                tick: None,
            };
            let mut value = Vec::new();
            encoder.encode_into(&record, &mut value);
            input.push(Input {
                key: Some(meeting_id),
                value,
            });
            // Time goes past a moment once all that was due by then has come in.
            let next = webhooks
                .get(index + 1)
                .map_or(SETTLED_MS, |next| next.due_ms);
            for at in [webhook.due_ms, next - 1] {
                if at >= webhook.due_ms
                    && at < next
                    && at.saturating_sub(last_tick) >= TICK_EVERY_MS
                {
                    input.push(tick(&mut encoder, at));
                    last_tick = at;
                }
            }
        }
        input.push(tick(&mut encoder, SETTLED_MS));
        let settings = AttendanceSettings {
            no_show_proof: NoShowProof::Webhooks,
            internal_domains: plan.internal_domains.clone(),
            ..AttendanceSettings::default()
        };
        Self {
            settings,
            truth: truth(&plan),
            input,
        }
    }
}

fn tick(encoder: &mut Encoder, at: i64) -> Input {
    let record = RawRecord {
        kind: RawKind::Tick,
        received_at: at,
        tick: Some(Tick { at }),
        ..RawRecord::default()
    };
    let mut value = Vec::new();
    encoder.encode_into(&record, &mut value);
    Input { key: None, value }
}
