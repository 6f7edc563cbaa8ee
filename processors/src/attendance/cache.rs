//! State values of one kind, decoded once and encoded once a unit of work.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Index;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rollcall_runtime::{StateError, StateView};
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};

/// Values by key, as the unit of work sees them. All keys share a prefix of the state's key space.
#[derive(Debug)]
pub(super) struct Cache<T> {
    keys: StateKeys,
    places: HashMap<Arc<str>, Place, RandomState>,
    entries: Vec<Entry<T>>,
    /// In the order in which they were first changed.
    changed: Vec<Place>,
    /// Whether the state holds no value that is not in memory.
    complete: bool,
}

/// Where a value lies in its cache, for as long as that lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place(usize);

#[derive(Debug)]
struct Entry<T> {
    key: Arc<str>,
    value: T,
    changed: bool,
}

/// Makes keys of the state in one buffer.
#[derive(Debug)]
struct StateKeys {
    buffer: Vec<u8>,
    prefix: usize,
}

impl StateKeys {
    fn prefix(&self) -> &[u8] {
        &self.buffer[..self.prefix]
    }

    fn of(&mut self, key: &str) -> &[u8] {
        self.buffer.truncate(self.prefix);
        self.buffer.extend_from_slice(key.as_bytes());
        &self.buffer
    }
}

thread_local! {
    /// Grown as needed: a value's length is known only when it is encoded.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 4096]);
}

/// A value encoded for the state.
pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    SCRATCH.with_borrow_mut(|scratch| {
        loop {
            match postcard::to_slice(value, scratch) {
                Ok(encoded) => return encoded.to_vec(),
                Err(postcard::Error::SerializeBufferFull) => scratch.resize(2 * scratch.len(), 0),
                Err(error) => unreachable!("every type here has a length: {error}"),
            }
        }
    })
}

/// A value from the state.
pub(super) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StateError> {
    postcard::from_bytes(bytes).map_err(|error| StateError::Value {
        reason: error.to_string(),
    })
}

impl<T> Index<Place> for Cache<T> {
    type Output = T;

    fn index(&self, place: Place) -> &T {
        &self.entries[place.0].value
    }
}

impl<T: Default + PartialEq + Serialize + DeserializeOwned> Cache<T> {
    /// A cache with nothing in memory; `complete` where the state is known to hold nothing either.
    pub(super) fn new(prefix: String, complete: bool) -> Self {
        Self {
            keys: StateKeys {
                prefix: prefix.len(),
                buffer: prefix.into_bytes(),
            },
            places: HashMap::default(),
            entries: Vec::new(),
            changed: Vec::new(),
            complete,
        }
    }

    /// Brings a value into memory: the default where the state has none.
    pub(super) fn find(
        &mut self,
        state: &mut dyn StateView,
        key: &str,
    ) -> Result<Place, StateError> {
        if let Some(place) = self.places.get(key) {
            return Ok(*place);
        }
        let value = if self.complete {
            None
        } else {
            state.get(self.keys.of(key))?
        };
        let value = value.map_or_else(|| Ok(T::default()), |bytes| decode(&bytes))?;
        Ok(self.insert(key, value))
    }

    fn insert(&mut self, key: &str, value: T) -> Place {
        let (key, place): (Arc<str>, _) = (key.into(), Place(self.entries.len()));
        self.entries.push(Entry {
            key: Arc::clone(&key),
            value,
            changed: false,
        });
        self.places.insert(key, place);
        place
    }

    /// Brings every value into memory.
    pub(super) fn load_all(&mut self, state: &mut dyn StateView) -> Result<(), StateError> {
        if self.complete {
            return Ok(());
        }
        let prefix = self.keys.prefix().to_vec();
        let mut fault = None;
        state.scan(&prefix, &mut |key, bytes| {
            let Ok(key) = std::str::from_utf8(&key[prefix.len()..]) else {
                fault = Some(StateError::Value {
                    reason: "a key is not UTF-8".to_owned(),
                });
                return false;
            };
            if !self.places.contains_key(key) {
                match decode(bytes) {
                    Ok(value) => _ = self.insert(key, value),
                    Err(error) => fault = Some(error),
                }
            }
            fault.is_none()
        })?;
        self.complete = fault.is_none();
        fault.map_or(Ok(()), Err)
    }

    /// The key of a value.
    pub(super) fn key(&self, place: Place) -> &Arc<str> {
        &self.entries[place.0].key
    }

    /// The value to change.
    pub(super) fn change(&mut self, place: Place) -> &mut T {
        self.mark(place);
        &mut self.entries[place.0].value
    }

    /// A key, and its value to change: [`Cache::mark`] is to be told where it did.
    pub(super) fn open(&mut self, place: Place) -> (&str, &mut T) {
        let entry = &mut self.entries[place.0];
        (&entry.key, &mut entry.value)
    }

    /// Says that a value changed.
    pub(super) fn mark(&mut self, place: Place) {
        let entry = &mut self.entries[place.0];
        if !std::mem::replace(&mut entry.changed, true) {
            self.changed.push(place);
        }
    }

    /// Where all values in memory lie.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<T> {
        (0..self.entries.len()).map(Place)
    }

    /// How many values are in memory.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The values in memory, by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().map(|entry| (&*entry.key, &entry.value))
    }

    /// Writes what changed to the state, each value after `visit` has seen it. A default value is
    /// not kept.
    pub(super) fn flush(
        &mut self,
        state: &mut dyn StateView,
        mut visit: impl FnMut(&str, &mut T) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        for place in self.changed.drain(..) {
            let entry = &mut self.entries[place.0];
            visit(&entry.key, &mut entry.value)?;
            entry.changed = false;
            let key = self.keys.of(&entry.key);
            if entry.value == T::default() {
                state.delete(key);
            } else {
                state.put(key, encode(&entry.value));
            }
        }
        Ok(())
    }
}
