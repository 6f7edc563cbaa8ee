//! Asks threads to finish.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A request to finish, shared by all who must hear it. Once made it stays made.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    requested: Mutex<bool>,
    changed: Condvar,
}

impl Shutdown {
    /// Makes the request, and wakes all that wait.
    pub fn request(&self) {
        *self
            .shared
            .requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.changed.notify_all();
    }

    /// Whether the request was made.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self
            .shared
            .requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the request, at most `timeout`; says whether it was made.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let requested = self
            .shared
            .requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (requested, _) = self
            .shared
            .changed
            .wait_timeout_while(requested, timeout, |requested| !*requested)
            .unwrap_or_else(PoisonError::into_inner);
        *requested
    }
}
