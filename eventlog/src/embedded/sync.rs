//! Locks, and a signal to wait for.
//!
//! A thread that panics while it holds a lock may leave what it guards half changed, so that whoever
//! takes the lock next must not go on: these end that thread as well.

use std::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

const POISONED: &str = "no thread of the log has panicked while it held a lock";

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect(POISONED)
}

pub(super) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().expect(POISONED)
}

pub(super) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().expect(POISONED)
}

pub(super) fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.wait(guard).expect(POISONED)
}

/// Waits until `deadline` at most; spurious wake-ups are the caller's to sort out.
pub(super) fn wait_until<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Instant,
) -> MutexGuard<'a, T> {
    let timeout = deadline.saturating_duration_since(Instant::now());
    condition.wait_timeout(guard, timeout).expect(POISONED).0
}

/// Wakes one poller. A signal raised while nobody waits is kept for the next wait.
#[derive(Debug, Default)]
pub(super) struct Signal {
    raised: Mutex<bool>,
    condition: Condvar,
}

impl Signal {
    pub(super) fn raise(&self) {
        let mut raised = lock(&self.raised);
        if !*raised {
            *raised = true;
            self.condition.notify_all();
        }
    }

    /// Waits until the signal is raised, or `deadline`, and lowers it.
    pub(super) fn wait_until(&self, deadline: Instant) {
        let mut raised = lock(&self.raised);
        while !*raised && Instant::now() < deadline {
            raised = wait_until(&self.condition, raised, deadline);
        }
        *raised = false;
    }
}
