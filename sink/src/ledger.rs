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
//! having sent it knows only that it may have been: its outcome is unknown.

use rollcall_schemas::record::{Delivery, DeliveryState};

use crate::effect::EffectId;
use crate::request::Digest;

/// What happens to an effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transition {
    /// It is about to be sent.
    Intend,
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
        (Some(S::Intended), T::Intend) => S::Intended,
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

/// What to do with a once-effect of this state, which no request of ours is under way for.
/// `redriven` where a person asks for it although it failed.
#[must_use]
pub fn arrival(id: &EffectId, state: Option<DeliveryState>, redriven: bool) -> Arrival {
    match state {
        None => Arrival::Wait,
        Some(DeliveryState::Intended | DeliveryState::UnknownOutcome) => Arrival::Verify,
        Some(DeliveryState::Skipped) if matches!(id, EffectId::List(_)) => Arrival::Wait,
        Some(DeliveryState::Failed | DeliveryState::Skipped) if redriven => Arrival::Wait,
        Some(state) => Arrival::Settled(state),
    }
}

/// What the ledger holds of a once-effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OnceEntry {
    /// How far it came.
    pub state: DeliveryState,
    /// How often it was sent, or may have been.
    pub attempts: u16,
    /// When it was first written, in milliseconds since 1970.
    pub intended_at: i64,
}

/// What the ledger holds of a contact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ContactEntry {
    /// [`DeliveryState::Confirmed`] or [`DeliveryState::Failed`].
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

    use super::{Arrival, ContactEntry, TRUST_MS, Transition, after, arrival};
    use crate::effect::EffectId;
    use crate::request::Attributes;

    const TRANSITIONS: [Transition; 5] = [
        Transition::Intend,
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
        for (state, expected) in [
            (None, Arrival::Wait),
            (Some(S::Intended), Arrival::Verify),
            (Some(S::UnknownOutcome), Arrival::Verify),
            (Some(S::Confirmed), Arrival::Settled(S::Confirmed)),
            (Some(S::Skipped), Arrival::Settled(S::Skipped)),
            (Some(S::Failed), Arrival::Settled(S::Failed)),
            (Some(S::Unknown), Arrival::Settled(S::Unknown)),
        ] {
            assert_eq!(arrival(&event, state, false), expected, "{state:?}");
        }
        assert_eq!(arrival(&list, Some(S::Skipped), false), Arrival::Wait);
        assert_eq!(arrival(&event, Some(S::Failed), true), Arrival::Wait);
        assert_eq!(
            arrival(&event, Some(S::Confirmed), true),
            Arrival::Settled(S::Confirmed)
        );
        assert_eq!(
            arrival(&event, Some(S::UnknownOutcome), true),
            Arrival::Verify
        );
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
