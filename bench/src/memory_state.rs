//! A state in memory, which counts the time spent in it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rollcall_runtime::{StateError, StateView};

/// An ordered map as the state of a task.
#[derive(Debug, Default)]
pub struct MemoryState {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Time spent in the calls below, all of them.
    pub spent: Duration,
    /// Keys read.
    pub reads: u64,
    /// Keys written or removed.
    pub writes: u64,
    /// Bytes of values written.
    pub written_bytes: u64,
}

impl MemoryState {
    /// How many keys it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl StateView for MemoryState {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let start = Instant::now();
        let value = self.entries.get(key).cloned();
        self.reads += 1;
        self.spent += start.elapsed();
        Ok(value)
    }

    fn multi_get(&mut self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        let start = Instant::now();
        let values = keys
            .iter()
            .map(|key| self.entries.get(*key).cloned())
            .collect();
        self.reads += keys.len() as u64;
        self.spent += start.elapsed();
        Ok(values)
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) {
        let start = Instant::now();
        self.written_bytes += value.len() as u64;
        match self.entries.get_mut(key) {
            Some(known) => *known = value,
            None => {
                self.entries.insert(key.to_vec(), value);
            }
        }
        self.writes += 1;
        self.spent += start.elapsed();
    }

    fn delete(&mut self, key: &[u8]) {
        let start = Instant::now();
        self.entries.remove(key);
        self.writes += 1;
        self.spent += start.elapsed();
    }

    fn scan(
        &mut self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateError> {
        let from = (
            std::ops::Bound::Included(prefix),
            std::ops::Bound::Unbounded,
        );
        for (key, value) in self.entries.range::<[u8], _>(from) {
            if !key.starts_with(prefix) || !visit(key, value) {
                break;
            }
        }
        self.reads += 1;
        Ok(())
    }
}
