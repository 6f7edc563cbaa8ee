//! The ledger: the states of an effect, and what each means when the effect is asked for again.
//!
//! ```text
//!                  ┌───────────── asked again of what is absent ─────────────┐
//!                  ▼                                                         │
//! (nothing) ─> intended ──answered──> confirmed | failed | skipped           │
//!     │            └────no answer───> unknown_outcome ──looked up──> confirmed, or absent
//!     └─> skipped (too old) | failed (its contact cannot be written)
//! ```
//!
//! An effect is committed as intended before its request is sent. Whoever finds it intended without
//! having sent it knows only that it may have been: its outcome is unknown. Sendings that Brevo clearly
//! did not take are taken back; where none is left, it waits to be sent.

use rollcall_schemas::record::{Delivery, DeliveryState};

use crate::effect::EffectId;
use crate::request::Digest;

/// What happens to an effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transition {
    /// It is about to be sent.
    Intend,
    /// It was sent, and clearly not done: it is to be sent again.
    TakeBack,
    /// A person asks for what failed or was skipped: it is to be sent, as if it never had been.
    AskAgain,
    /// Brevo has it.
    Confirm,
    /// It can never succeed.
    Fail,
    /// It is not to be sent.
    Skip,
    /// It was sent, or may have been, and there is no answer.
    LoseTrack,
}

/// The state of a once-effect after a transition; `None` where the transition would break the rule
/// that it happens once.
#[must_use]
pub fn after(state: Option<DeliveryState>, transition: Transition) -> Option<DeliveryState> {
    use DeliveryState as S;
    use Transition as T;
    Some(match (state, transition) {
        // A list that was skipped because its activity was old may be asked for by a younger one; a
        // failed effect may be re-driven by a person.
        (None | Some(S::UnknownOutcome | S::Skipped | S::Failed), T::Intend) => S::Intended,
        (Some(S::Intended), T::Intend | T::TakeBack) => S::Intended,
        (Some(S::Skipped | S::Failed), T::AskAgain) => S::Intended,
        (Some(S::Intended | S::UnknownOutcome), T::Confirm) => S::Confirmed,
        (None | Some(S::Intended | S::UnknownOutcome | S::Skipped | S::Failed), T::Fail) => {
            S::Failed
        }
        (None | Some(S::Intended | S::UnknownOutcome | S::Skipped | S::Failed), T::Skip) => {
            S::Skipped
        }
        (Some(S::Intended | S::UnknownOutcome), T::LoseTrack) => S::UnknownOutcome,
        _ => return None,
    })
}

/// What to do with a once-effect that a record asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// It never was sent: it waits for its turn.
    Wait,
    /// It may have been sent: Brevo is asked what it has.
    Verify,
    /// It is done with.
    Settled(DeliveryState),
}

/// How often an effect was sent, or may have been, after a transition; without the sendings that were
/// clearly not done.
#[must_use]
pub fn attempts_after(attempts: u16, transition: Transition) -> u16 {
    match transition {
        Transition::Intend => attempts.saturating_add(1),
        Transition::TakeBack => attempts.saturating_sub(1),
        Transition::AskAgain => 0,
        Transition::Confirm | Transition::Fail | Transition::Skip | Transition::LoseTrack => {
            attempts
        }
    }
}

/// What to do with a once-effect of which the ledger says this, and which no request of ours is under
/// way for. `redriven` where a person asks for it although it failed.
#[must_use]
pub fn arrival(id: &EffectId, entry: Option<OnceEntry>, redriven: bool) -> Arrival {
    let Some(entry) = entry else {
        return Arrival::Wait;
    };
    match entry.state {
        DeliveryState::Intended if entry.attempts == 0 => Arrival::Wait,
        DeliveryState::Intended | DeliveryState::UnknownOutcome => Arrival::Verify,
        // It was too old, and a younger reason is not. Where it was sent, it was skipped because the
        // person has left meanwhile: he is not put back.
        DeliveryState::Skipped if matches!(id, EffectId::List(_)) && entry.attempts == 0 => {
            Arrival::Wait
        }
        DeliveryState::Failed | DeliveryState::Skipped if redriven => Arrival::Wait,
        state => Arrival::Settled(state),
    }
}

/// What the ledger holds of a once-effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OnceEntry {
    /// How far it came.
    pub state: DeliveryState,
    /// How often it was sent, or may have been, since it was asked for; without the sendings that were
    /// clearly not done.
    pub attempts: u16,
    /// When it was first written, in milliseconds since 1970.
    pub intended_at: i64,
}

/// What the ledger holds of a contact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ContactEntry {
    /// [`DeliveryState::Confirmed`] or [`DeliveryState::Failed`]; [`DeliveryState::Intended`] where a
    /// person asks for a version that was refused.
    pub state: DeliveryState,
    /// The version that was answered.
    pub version: i64,
    /// The values that Brevo confirmed.
    pub digest: Option<Digest>,
    /// How often it was sent.
    pub attempts: i32,
    /// When these values were sent last, in milliseconds since 1970.
    pub sent_at: i64,
}

/// How long Brevo is trusted to hold what was sent: then equal values are sent again, because others
/// may have changed them.
pub const TRUST_MS: i64 = 7 * 24 * 60 * 60 * 1000;

impl ContactEntry {
    /// Whether Brevo holds these values already.
    #[must_use]
    pub fn holds(&self, digest: Digest, now_ms: i64) -> bool {
        self.state == DeliveryState::Confirmed
            && self.digest == Some(digest)
            && now_ms - self.sent_at < TRUST_MS
    }

    /// What a ledger record says of a contact.
    #[must_use]
    pub fn of(delivery: &Delivery<'_>) -> Self {
        Self {
            state: delivery.state,
            version: delivery.contact_version.unwrap_or_default(),
            digest: delivery.digest.as_deref().and_then(Digest::from_hex),
            attempts: delivery.attempts,
            sent_at: delivery.intended_at,
        }
    }
}

impl OnceEntry {
    /// What a ledger record says of a once-effect.
    #[must_use]
    pub fn of(delivery: &Delivery<'_>) -> Self {
        Self {
            state: delivery.state,
            attempts: u16::try_from(delivery.attempts.max(0)).unwrap_or(u16::MAX),
            intended_at: delivery.intended_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use rollcall_schemas::record::DeliveryState as S;

    use super::{
        Arrival, ContactEntry, OnceEntry, TRUST_MS, Transition, after, arrival, attempts_after,
    };
    use crate::effect::EffectId;
    use crate::request::Attributes;

    const TRANSITIONS: [Transition; 7] = [
        Transition::Intend,
        Transition::TakeBack,
        Transition::AskAgain,
        Transition::Confirm,
        Transition::Fail,
        Transition::Skip,
        Transition::LoseTrack,
    ];

    #[test]
    fn what_is_confirmed_stays_confirmed() {
        for transition in TRANSITIONS {
            assert_eq!(
                after(Some(S::Confirmed), transition),
                None,
                "{transition:?}"
            );
            assert_eq!(after(Some(S::Unknown), transition), None, "{transition:?}");
        }
    }

    #[test]
    fn nothing_is_confirmed_that_was_not_intended() {
        for state in [None, Some(S::Skipped), Some(S::Failed)] {
            assert_eq!(after(state, Transition::Confirm), None);
            assert_eq!(after(state, Transition::LoseTrack), None);
        }
        assert_eq!(
            after(Some(S::Intended), Transition::Confirm),
            Some(S::Confirmed)
        );
        assert_eq!(
            after(Some(S::UnknownOutcome), Transition::Intend),
            Some(S::Intended)
        );
    }

    #[test]
    fn a_restart_by_state() {
        let event = EffectId::Event("attended:1".into());
        let list = EffectId::List(1);
        let sent = |state, attempts| {
            Some(OnceEntry {
                state,
                attempts,
                intended_at: 0,
            })
        };
        for (entry, expected) in [
            (None, Arrival::Wait),
            (sent(S::Intended, 1), Arrival::Verify),
            (sent(S::Intended, 0), Arrival::Wait),
            (sent(S::UnknownOutcome, 1), Arrival::Verify),
            (sent(S::Confirmed, 1), Arrival::Settled(S::Confirmed)),
            (sent(S::Skipped, 0), Arrival::Settled(S::Skipped)),
            (sent(S::Failed, 1), Arrival::Settled(S::Failed)),
            (sent(S::Unknown, 1), Arrival::Settled(S::Unknown)),
        ] {
            assert_eq!(arrival(&event, entry, false), expected, "{entry:?}");
        }
        assert_eq!(arrival(&list, sent(S::Skipped, 0), false), Arrival::Wait);
        assert_eq!(
            arrival(&list, sent(S::Skipped, 1), false),
            Arrival::Settled(S::Skipped)
        );
        assert_eq!(arrival(&event, sent(S::Failed, 1), true), Arrival::Wait);
        assert_eq!(
            arrival(&event, sent(S::Confirmed, 1), true),
            Arrival::Settled(S::Confirmed)
        );
        assert_eq!(
            arrival(&event, sent(S::UnknownOutcome, 1), true),
            Arrival::Verify
        );
    }

    #[test]
    fn a_sending_that_was_clearly_not_done_does_not_count() {
        let sent = attempts_after(0, Transition::Intend);
        assert_eq!(sent, 1);
        assert_eq!(attempts_after(sent, Transition::LoseTrack), 1);
        assert_eq!(attempts_after(sent, Transition::TakeBack), 0);
        assert_eq!(attempts_after(2, Transition::AskAgain), 0);
        for state in [None, Some(S::UnknownOutcome), Some(S::Failed)] {
            assert_eq!(after(state, Transition::TakeBack), None);
        }
        for state in [None, Some(S::Intended), Some(S::UnknownOutcome)] {
            assert_eq!(after(state, Transition::AskAgain), None);
        }
    }

    #[test]
    fn equal_values_are_trusted_for_a_week() {
        let digest = Attributes::default().digest();
        let entry = ContactEntry {
            state: S::Confirmed,
            version: 1,
            digest: Some(digest),
            attempts: 1,
            sent_at: 1000,
        };
        assert!(entry.holds(digest, 1000 + TRUST_MS - 1));
        assert!(!entry.holds(digest, 1000 + TRUST_MS));
        assert!(
            !ContactEntry {
                state: S::Failed,
                ..entry
            }
            .holds(digest, 1000)
        );
        assert!(
            !ContactEntry {
                digest: None,
                ..entry
            }
            .holds(digest, 1000)
        );
    }
}
