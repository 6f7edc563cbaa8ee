//! A store that is being opened, on a thread of its own: those of a worker's partitions at once, while
//! the worker hears of its group.

use std::path::Path;
use std::thread::JoinHandle;

use super::StateSettings;
use crate::stage::StateError;
use crate::store::{OpenError, Store};

type Opened = Result<Store, OpenError>;

/// A store that is being opened. Waits until it is, and closes it, where it is dropped.
pub(super) struct Opening(Option<JoinHandle<Opened>>);

impl Opening {
    pub(super) fn begin(path: &Path, state: &StateSettings) -> Result<Self, StateError> {
        let (to, memory, flush) = (path.to_owned(), state.memory.clone(), state.flush);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || Store::open(&to, &memory, flush))
            .map_err(|source| StateError::Folder {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self(Some(thread)))
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// What came of it.
    pub(super) fn done(mut self) -> Opened {
        let thread = self.0.take().expect("it is taken here only, once");
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}
