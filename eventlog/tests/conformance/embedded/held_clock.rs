//! A clock that a test can stop.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use rollcall_eventlog::embedded::Now;

/// A clock that moves with every look, and can be held so that whoever looks waits.
#[derive(Default)]
pub(super) struct HeldClock(Arc<Shared>);

#[derive(Default)]
struct Shared {
    ticks: AtomicI64,
    held: Mutex<bool>,
    released: Condvar,
}

impl HeldClock {
    pub(super) fn now(&self) -> Now {
        let shared = Arc::clone(&self.0);
        Now::new(move || {
            let held = shared.held.lock().unwrap();
            drop(shared.released.wait_while(held, |held| *held).unwrap());
            shared.ticks.fetch_add(1, Ordering::Relaxed)
        })
    }

    pub(super) fn hold(&self) {
        *self.0.held.lock().unwrap() = true;
    }

    pub(super) fn release(&self) {
        *self.0.held.lock().unwrap() = false;
        self.0.released.notify_all();
    }
}

/// A test that failed does not leave a writer waiting.
impl Drop for HeldClock {
    fn drop(&mut self) {
        self.release();
    }
}
