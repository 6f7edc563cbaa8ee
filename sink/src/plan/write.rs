//! What the ledger is told.

use std::sync::Arc;

use rollcall_runtime::Rejection;
use rollcall_schemas::key;
use rollcall_schemas::record::Delivery;

use super::{DeadLetter, Moment, Planner, settle_sources};
use crate::effect::EffectId;
use crate::ledger::{self, ContactEntry, OnceEntry, Transition};
use crate::order::WaitingEffect;

impl Planner {
    /// An effect can never succeed: it goes to the dead letters with the records that ask for it.
    pub(super) fn fail(
        &mut self,
        email: &Arc<str>,
        waiting: &WaitingEffect,
        class: &'static str,
        status: Option<u16>,
        reason: String,
        now: Moment,
    ) {
        for source in &waiting.sources {
            self.progress.mark_dead(source.place, class);
            let message = format!("{}: {reason}", waiting.effect.id);
            self.outputs.dead_letters.push(DeadLetter {
                source: Arc::clone(source),
                why: Rejection { class, message },
            });
        }
        self.write_once(email, waiting, Transition::Fail, status, Some(reason), now);
        settle_sources(&mut self.progress, waiting);
    }

    /// Writes a transition of a once-effect to the ledger.
    pub(super) fn write_once(
        &mut self,
        email: &Arc<str>,
        waiting: &WaitingEffect,
        transition: Transition,
        status: Option<u16>,
        reason: Option<String>,
        now: Moment,
    ) {
        let effect = &waiting.effect;
        let entry = self.ledger.once(email, &effect.id);
        let Some(state) = ledger::after(entry.map(|entry| entry.state), transition) else {
            debug_assert!(false, "{transition:?} of {entry:?} would break the ledger");
            return;
        };
        let entry = OnceEntry {
            state,
            attempts: ledger::attempts_after(entry.map_or(0, |entry| entry.attempts), transition),
            intended_at: entry.map_or(now.clock_ms, |entry| entry.intended_at),
        };
        let list_id = match effect.id {
            EffectId::List(list) => Some(list),
            _ => None,
        };
        self.write(Delivery {
            email: email.to_string().into(),
            effect_id: effect.id.to_string().into(),
            effect: effect.id.effect(),
            state,
            attempts: entry.attempts.into(),
            intended_at: entry.intended_at,
            updated_at: now.clock_ms,
            activity_id: Some(effect.activity_id.to_string().into()),
            occurrence: Some(effect.occurrence.to_string().into()),
            contact_version: Some(effect.after_version),
            list_id,
            digest: None,
            http_status: status.map(i32::from),
            reason: reason.map(Into::into),
        });
    }

    /// Writes a contact's answer to the ledger, or that one which was refused is to be sent again.
    pub(super) fn write_contact(
        &mut self,
        email: &Arc<str>,
        entry: ContactEntry,
        status: Option<u16>,
        reason: Option<String>,
        now: Moment,
    ) {
        self.write(Delivery {
            email: email.to_string().into(),
            effect_id: EffectId::Contact.to_string().into(),
            effect: EffectId::Contact.effect(),
            state: entry.state,
            attempts: entry.attempts,
            intended_at: entry.sent_at,
            updated_at: now.clock_ms,
            contact_version: Some(entry.version),
            digest: entry.digest.map(|digest| digest.to_hex().into()),
            http_status: status.map(i32::from),
            reason: reason.map(Into::into),
            ..Delivery::default()
        });
    }

    fn write(&mut self, delivery: Delivery<'static>) {
        let key = key::join(&delivery.email, &delivery.effect_id);
        self.ledger.restore(key.as_bytes(), Some(&delivery));
        self.outputs.ledger.push((key, delivery));
    }
}
