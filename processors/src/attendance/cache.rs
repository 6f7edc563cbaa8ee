//! State values of one kind, decoded once and encoded once a unit of work.

use std::cell::RefCell;
use std::collections::HashMap;

use foldhash::fast::RandomState;
use rollcall_runtime::{StateError, StateView};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Values by key, as the unit of work sees them. All keys share a prefix of the state's key space.
#[derive(Debug)]
pub(super) struct Cache<T> {
    prefix: Vec<u8>,
    entries: HashMap<String, Entry<T>, RandomState>,
    /// In the order in which they were first changed.
    changed: Vec<String>,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    changed: bool,
}

thread_local! {
    /// Grown once: a value's length is known only when it is encoded.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A value encoded for the state.
pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        *scratch = postcard::to_extend(value, std::mem::take(scratch))
            .expect("a vector takes every write, and every type has a length");
        scratch.clone()
    })
}

/// A value from the state.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    postcard::from_bytes(bytes).map_err(|error| StateError::Value {
        reason: error.to_string(),
    })
}

impl<T: Clone + Default + PartialEq + Serialize + DeserializeOwned> Cache<T> {
    pub(super) fn new(prefix: String) -> Self {
        Self {
            prefix: prefix.into_bytes(),
            entries: HashMap::default(),
            changed: Vec::new(),
        }
    }

    fn state_key(&self, key: &str) -> Vec<u8> {
        [&self.prefix, key.as_bytes()].concat()
    }

    /// Makes sure that the value is in memory.
    pub(super) fn load(&mut self, state: &mut dyn StateView, key: &str) -> Result<(), StateError> {
        if !self.entries.contains_key(key) {
            let value = match state.get(&self.state_key(key))? {
                Some(bytes) => decode(&bytes)?,
                None => T::default(),
            };
            self.entries.insert(
                key.to_owned(),
                Entry {
                    value,
                    changed: false,
                },
            );
        }
        Ok(())
    }

    /// The value to read.
    pub(super) fn get(&mut self, state: &mut dyn StateView, key: &str) -> Result<&T, StateError> {
        self.load(state, key)?;
        Ok(&self.entries[key].value)
    }

    /// The value to change.
    pub(super) fn change(
        &mut self,
        state: &mut dyn StateView,
        key: &str,
    ) -> Result<&mut T, StateError> {
        self.load(state, key)?;
        let entry = self.entries.get_mut(key).expect("it was loaded");
        if !entry.changed {
            entry.changed = true;
            self.changed.push(key.to_owned());
        }
        Ok(&mut entry.value)
    }

    /// A value in memory.
    pub(super) fn loaded(&self, key: &str) -> Option<&T> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Brings every value into memory.
    pub(super) fn load_all(&mut self, state: &mut dyn StateView) -> Result<(), StateError> {
        let mut fault = None;
        let skip = self.prefix.len();
        let entries = &mut self.entries;
        state.scan(&self.prefix, &mut |key, bytes| {
            let Ok(key) = std::str::from_utf8(&key[skip..]) else {
                fault = Some(StateError::Value {
                    reason: "a key is not UTF-8".to_owned(),
                });
                return false;
            };
            if !entries.contains_key(key) {
                match decode(bytes) {
                    Ok(value) => {
                        entries.insert(
                            key.to_owned(),
                            Entry {
                                value,
                                changed: false,
                            },
                        );
                    }
                    Err(error) => fault = Some(error),
                }
            }
            fault.is_none()
        })?;
        fault.map_or(Ok(()), Err)
    }

    /// The keys of all values in memory, in order.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.entries.keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// How many values are in memory.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The values in memory, by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries
            .iter()
            .map(|(key, entry)| (key.as_str(), &entry.value))
    }

    /// Keys of what changed, in the order of their first change.
    pub(super) fn changed(&self) -> &[String] {
        &self.changed
    }

    /// Changes further what changed.
    pub(super) fn each_changed(&mut self, mut change: impl FnMut(&mut T)) {
        for key in &self.changed {
            change(
                &mut self
                    .entries
                    .get_mut(key)
                    .expect("what changed is in memory")
                    .value,
            );
        }
    }

    /// Writes what changed to the state. A default value is not kept.
    pub(super) fn flush(&mut self, state: &mut dyn StateView) {
        for key in std::mem::take(&mut self.changed) {
            let state_key = self.state_key(&key);
            let entry = self
                .entries
                .get_mut(&key)
                .expect("what changed is in memory");
            entry.changed = false;
            if entry.value == T::default() {
                state.delete(&state_key);
            } else {
                state.put(&state_key, encode(&entry.value));
            }
        }
    }
}
