//! A state in memory, for the tests of the stages.

use std::collections::BTreeMap;

use rollcall_runtime::{StateError, StateView};

/// Keys and values, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MemoryState(pub(crate) BTreeMap<Vec<u8>, Vec<u8>>);

impl StateView for MemoryState {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.0.get(key).cloned())
    }

    fn multi_get(&mut self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        Ok(keys.iter().map(|key| self.0.get(*key).cloned()).collect())
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.0.insert(key.to_vec(), value);
    }

    fn delete(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    fn scan(
        &mut self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateError> {
        for (key, value) in self
            .0
            .range(prefix.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
        {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}
