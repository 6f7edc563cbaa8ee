//! Writes in memory, over a store that does not have them yet.
//!
//! Those of the unit of work that is open, and under them those of the units before it, which are in
//! the log and which the store takes together later. A key that many units write is written to the
//! store once, and what was written last is read from memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::StateError;
use crate::stage::StateView;
use crate::store::Store;

/// A value, or the removal of a key.
type Write = Option<Vec<u8>>;

/// What units of work have written.
///
/// Looked up by hash; put in order only when a scan asks for it, because most units never scan.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    places: HashMap<Arc<[u8]>, usize, RandomState>,
    entries: Vec<Entry>,
    /// Places of what the open unit has written.
    open: Vec<usize>,
    /// Bytes of keys and values that are committed.
    bytes: usize,
    /// What the store has taken last, as it is there: most of what is read next.
    stored: HashMap<Arc<[u8]>, Write, RandomState>,
    ordered: BTreeSet<Arc<[u8]>>,
    not_yet_ordered: Vec<Arc<[u8]>>,
}

#[derive(Debug)]
struct Entry {
    key: Arc<[u8]>,
    /// By the open unit of work.
    open: Option<Write>,
    /// By those before it.
    committed: Option<Write>,
}

impl Entry {
    fn write(&self) -> Option<&Write> {
        self.open.as_ref().or(self.committed.as_ref())
    }
}

impl Overlay {
    /// What is known of a key without the store.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Write> {
        self.places
            .get(key)
            .and_then(|place| self.entries[*place].write())
            .or_else(|| self.stored.get(key))
    }

    pub(crate) fn set(&mut self, key: &[u8], value: Write) {
        debug_assert!(!key.is_empty(), "the empty key is the store's own");
        let place = match self.places.get(key) {
            Some(place) => *place,
            None => {
                let key: Arc<[u8]> = key.into();
                self.not_yet_ordered.push(Arc::clone(&key));
                self.places.insert(Arc::clone(&key), self.entries.len());
                self.entries.push(Entry {
                    key,
                    open: None,
                    committed: None,
                });
                self.entries.len() - 1
            }
        };
        if self.entries[place].open.replace(value).is_none() {
            self.open.push(place);
        }
    }

    /// The log has the open unit of work.
    pub(crate) fn commit(&mut self) {
        let weight = |key: &[u8], write: &Write| key.len() + write.as_ref().map_or(0, Vec::len);
        for place in self.open.drain(..) {
            let Entry {
                key,
                open,
                committed,
            } = &mut self.entries[place];
            let before = committed.as_ref().map_or(0, |write| weight(key, write));
            *committed = open.take();
            let now = committed.as_ref().map_or(0, |write| weight(key, write));
            self.bytes = self.bytes + now - before;
        }
    }

    /// The log has not: what the open unit of work has written is dropped.
    pub(crate) fn abort(&mut self) {
        for place in self.open.drain(..) {
            self.entries[place].open = None;
        }
    }

    /// Bytes that the store is yet to take.
    pub(crate) fn committed_bytes(&self) -> usize {
        self.bytes
    }

    /// All that the store is yet to take, in the order of keys.
    pub(crate) fn committed(&self) -> Vec<(&[u8], Option<&[u8]>)> {
        let mut writes: Vec<_> = self
            .entries
            .iter()
            .filter_map(|entry| Some((&*entry.key, entry.committed.as_ref()?.as_deref())))
            .collect();
        writes.sort_unstable_by_key(|(key, _)| *key);
        writes
    }

    /// The store has all that is committed. No unit of work is open.
    pub(crate) fn stored(&mut self) {
        debug_assert!(self.open.is_empty(), "a unit of work is open");
        self.places.clear();
        self.ordered.clear();
        self.not_yet_ordered.clear();
        if self.bytes > 0 {
            self.stored.clear();
        }
        self.stored.extend(
            self.entries
                .drain(..)
                .filter_map(|entry| Some((entry.key, entry.committed?))),
        );
        self.bytes = 0;
    }

    /// The writes that the store does not have, and whose keys start with `prefix`, in order.
    fn scan<'a>(
        &'a mut self,
        prefix: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        self.ordered.extend(self.not_yet_ordered.drain(..));
        self.ordered
            .range::<[u8], _>((
                std::ops::Bound::Included(prefix),
                std::ops::Bound::Unbounded,
            ))
            .take_while(move |key| key.starts_with(prefix))
            .filter_map(|key| {
                let write = self.entries[self.places[key]].write()?;
                Some((&**key, write.as_deref()))
            })
    }
}

/// The state as a unit of work sees it: its own writes over the store.
pub(crate) struct OverlaidStore<'a> {
    pub(crate) store: &'a Store,
    pub(crate) overlay: &'a mut Overlay,
}

impl StateView for OverlaidStore<'_> {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.overlay.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.store.get(key),
        }
    }

    fn multi_get(&mut self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        let mut values = Vec::with_capacity(keys.len());
        let mut unwritten = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let written = self.overlay.get(key);
            if written.is_none() {
                unwritten.push(index);
            }
            values.push(written.cloned().flatten());
        }
        if !unwritten.is_empty() {
            let read = self
                .store
                .multi_get(unwritten.iter().map(|index| keys[*index]))?;
            for (index, value) in unwritten.into_iter().zip(read) {
                values[index] = value;
            }
        }
        Ok(values)
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.overlay.set(key, Some(value));
    }

    fn delete(&mut self, key: &[u8]) {
        self.overlay.set(key, None);
    }

    fn scan(
        &mut self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateError> {
        let mut written = self.overlay.scan(prefix).peekable();
        let mut going_on = true;
        self.store.scan(prefix, &mut |key, value| {
            while let Some((written_key, written_value)) =
                written.next_if(|(written_key, _)| *written_key < key)
            {
                if let Some(value) = written_value
                    && !visit(written_key, value)
                {
                    going_on = false;
                    return false;
                }
            }
            let current = match written.next_if(|(written_key, _)| *written_key == key) {
                Some((_, written_value)) => written_value,
                None => Some(value),
            };
            going_on = current.is_none_or(|value| visit(key, value));
            going_on
        })?;
        if going_on {
            for (key, value) in written {
                if let Some(value) = value
                    && !visit(key, value)
                {
                    break;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{OverlaidStore, Overlay};
    use crate::stage::StateView;
    use crate::store::{FlushPolicy, Position, Stamp, StateMemory, Store};

    #[derive(Clone, Debug)]
    enum Step {
        Put(Vec<u8>, Vec<u8>),
        Delete(Vec<u8>),
        Scan(Vec<u8>, usize),
        Commit,
        Store,
        Discard,
    }

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff)], 1..4)
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (key(), prop::collection::vec(any::<u8>(), 0..3)).prop_map(|(key, value)| Step::Put(key, value)),
            3 => key().prop_map(Step::Delete),
            3 => (prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff)], 0..3), 1..6_usize).prop_map(|(prefix, most)| Step::Scan(prefix, most)),
            2 => Just(Step::Commit),
            1 => Just(Step::Store),
            1 => Just(Step::Discard),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever is written, committed, stored and discarded, the state is what an ordered map would be.
        #[test]
        fn behaves_as_an_ordered_map(steps in prop::collection::vec(step(), 1..60)) {
            let folder = tempfile::tempdir().unwrap();
            let memory = StateMemory::new(8 << 20);
            let mut store = Store::open(&folder.path().join("store"), &memory, FlushPolicy::default()).unwrap();
            let mut overlay = Overlay::default();
            let mut committed: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            let mut now = committed.clone();
            for step in steps {
                let mut view = OverlaidStore { store: &store, overlay: &mut overlay };
                match step {
                    Step::Put(key, value) => {
                        view.put(&key, value.clone());
                        now.insert(key, value);
                    }
                    Step::Delete(key) => {
                        view.delete(&key);
                        now.remove(&key);
                    }
                    Step::Scan(prefix, most) => {
                        let mut seen = Vec::new();
                        view.scan(&prefix, &mut |key, value| {
                            seen.push((key.to_vec(), value.to_vec()));
                            seen.len() < most
                        }).unwrap();
                        let expected: Vec<_> = now.iter().filter(|(key, _)| key.starts_with(&prefix)).take(most)
                            .map(|(key, value)| (key.clone(), value.clone())).collect();
                        prop_assert_eq!(seen, expected);
                    }
                    Step::Commit => {
                        overlay.commit();
                        committed.clone_from(&now);
                        let size = |key: &[u8], value: Option<&[u8]>| key.len() + value.map_or(0, <[u8]>::len);
                        let whole: usize = overlay.committed().into_iter().map(|(key, value)| size(key, value)).sum();
                        prop_assert_eq!(overlay.committed_bytes(), whole);
                    }
                    Step::Store => {
                        overlay.abort();
                        now.clone_from(&committed);
                        let stamp = Stamp { state_version: 1, position: Position::Input(5), committed_at_ms: 9, source: "t".into() };
                        store.commit(&mut overlay, &stamp, 1).unwrap();
                        prop_assert_eq!(store.stamp().unwrap(), Some(stamp));
                        prop_assert_eq!(overlay.committed_bytes(), 0);
                        let mut stored = BTreeMap::new();
                        store.scan(&[], &mut |key, value| stored.insert(key.to_vec(), value.to_vec()).is_none()).unwrap();
                        prop_assert_eq!(&stored, &committed);
                    }
                    Step::Discard => {
                        overlay.abort();
                        now.clone_from(&committed);
                    }
                }
                let mut view = OverlaidStore { store: &store, overlay: &mut overlay };
                let keys: Vec<&[u8]> = vec![&[0], &[0xff], &[0, 1], &[1, 0xff], &[0xff, 0xff]];
                let expected: Vec<_> = keys.iter().map(|key| now.get(*key).cloned()).collect();
                prop_assert_eq!(view.multi_get(&keys).unwrap(), expected.clone());
                let single: Vec<_> = keys.iter().map(|key| view.get(key).unwrap()).collect();
                prop_assert_eq!(single, expected);
            }
        }
    }
}
