//! The writes of one unit of work, over a store that does not have them yet.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::StateError;
use crate::stage::StateView;
use crate::store::Store;

/// What a unit of work has written: a value, or the removal of a key.
///
/// Looked up by hash; put in order only when a scan asks for it, because most units never scan.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    writes: HashMap<Arc<[u8]>, Option<Vec<u8>>, foldhash::fast::RandomState>,
    ordered: BTreeSet<Arc<[u8]>>,
    not_yet_ordered: Vec<Arc<[u8]>>,
}

impl Overlay {
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.writes.get(key)
    }

    pub(crate) fn set(&mut self, key: &[u8], value: Option<Vec<u8>>) {
        debug_assert!(!key.is_empty(), "the empty key is the store's own");
        if let Some(known) = self.writes.get_mut(key) {
            *known = value;
            return;
        }
        let key: Arc<[u8]> = key.into();
        self.not_yet_ordered.push(Arc::clone(&key));
        self.writes.insert(key, value);
    }

    /// All writes, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.writes
            .iter()
            .map(|(key, value)| (&**key, value.as_deref()))
    }

    pub(crate) fn clear(&mut self) {
        self.writes.clear();
        self.ordered.clear();
        self.not_yet_ordered.clear();
    }

    /// The writes whose keys start with `prefix`, in order.
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
            .map(|key| (&**key, self.writes.get(key).and_then(Option::as_deref)))
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
            1 => Just(Step::Commit),
            1 => Just(Step::Discard),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever is written, committed and discarded, the state is what an ordered map would be.
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
                        let stamp = Stamp { state_version: 1, position: Position::Input(5), committed_at_ms: 9, source: "t".into() };
                        store.commit(&mut overlay, &stamp, 1).unwrap();
                        prop_assert_eq!(store.stamp().unwrap(), Some(stamp));
                        committed.clone_from(&now);
                    }
                    Step::Discard => {
                        overlay.clear();
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
