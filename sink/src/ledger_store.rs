//! The ledger's memory: what `brevo.deliveries` says, by effect.
//!
//! Rebuilt from the topic when this instance becomes the active one. It is a map of compact entries
//! under fingerprints of their keys, about 50 bytes an event or list addition and 100 a contact: the
//! stores of the runtime belong to one task of a stage, and the ledger spans all partitions.

use std::collections::HashMap;

use rollcall_schemas::key;
use rollcall_schemas::record::{Delivery, Effect};
use sha2::{Digest as _, Sha256};

use crate::effect::EffectId;
use crate::ledger::{ContactEntry, OnceEntry};

/// The first 128 bits of the SHA-256 of a key: two keys of one ledger never share one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
struct Fingerprint([u8; 16]);

impl Fingerprint {
    fn of(key: &[u8]) -> Self {
        let hash = Sha256::digest(key);
        Self(*hash.first_chunk().expect("SHA-256 has 32 bytes"))
    }
}

/// What is known of every effect.
#[derive(Debug, Default)]
pub struct LedgerStore {
    contacts: HashMap<Fingerprint, ContactEntry>,
    once: HashMap<Fingerprint, OnceEntry>,
}

/// The key of an effect in `brevo.deliveries`.
#[must_use]
pub fn ledger_key(email: &str, id: &EffectId) -> String {
    key::join(email, &id.to_string())
}

impl LedgerStore {
    /// Takes a record of `brevo.deliveries`; `None` is a tombstone.
    pub fn restore(&mut self, key: &[u8], delivery: Option<&Delivery<'_>>) {
        let fingerprint = Fingerprint::of(key);
        match delivery {
            None => {
                self.contacts.remove(&fingerprint);
                self.once.remove(&fingerprint);
            }
            Some(delivery) if delivery.effect == Effect::ContactUpsert => {
                self.contacts
                    .insert(fingerprint, ContactEntry::of(delivery));
            }
            Some(delivery) => {
                self.once.insert(fingerprint, OnceEntry::of(delivery));
            }
        }
    }

    /// What is known of a contact.
    #[must_use]
    pub fn contact(&self, email: &str) -> Option<ContactEntry> {
        self.contacts
            .get(&Fingerprint::of(
                ledger_key(email, &EffectId::Contact).as_bytes(),
            ))
            .copied()
    }

    /// What is known of a once-effect.
    #[must_use]
    pub fn once(&self, email: &str, id: &EffectId) -> Option<OnceEntry> {
        self.once
            .get(&Fingerprint::of(ledger_key(email, id).as_bytes()))
            .copied()
    }

    /// How many contacts and once-effects are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.contacts.len() + self.once.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
