//! Failures at named steps, for tests: the feature `crash-points`, which nothing that ships enables.
//!
//! Whoever changes something on disk asks here first. A test installs [`CrashPoints`] on its thread;
//! a log opened on that thread, and all that the thread itself does, is then under them. They count
//! every step that is reached, and make the one that was chosen fail, in a way that was chosen.
//!
//! After a crash nothing reaches the disk any more, as with a killed process: every later step fails
//! without having any effect. A power failure takes besides what was not synced.

mod power;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::power::Unsynced;
use crate::LogError;

/// What kind of step it is, and so how it can fail.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A place in the program between two steps.
    Moment,
    /// A sync, creation, truncation, renaming or removal.
    Operation,
    /// A write.
    Write,
}

/// How a step fails.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Failure {
    /// The process dies before it.
    CrashBefore,
    /// The process dies when half of the bytes are written.
    CrashWithin,
    /// The process dies when the end of the bytes is written and their beginning is not.
    CrashTorn,
    /// The process dies after it, before anybody knows.
    CrashAfter,
    /// The power fails before it: what was not synced is there in part, or not at all.
    PowerBefore,
    /// The power fails after it.
    PowerAfter,
    /// It fails and has done nothing; the process goes on.
    Fails,
    /// It fails when a part of the bytes is written.
    Short,
    /// It fails as the disk is full, when a part of the bytes is written.
    Full,
}

impl Kind {
    /// The ways in which a step of this kind can fail.
    #[must_use]
    pub fn failures(self) -> &'static [Failure] {
        use Failure::{
            CrashAfter, CrashBefore, CrashTorn, CrashWithin, Fails, Full, PowerAfter, PowerBefore,
            Short,
        };
        match self {
            Self::Moment => &[CrashBefore, PowerBefore, Fails],
            Self::Operation => &[CrashBefore, CrashAfter, PowerBefore, PowerAfter, Fails],
            Self::Write => &[
                CrashBefore,
                CrashWithin,
                CrashTorn,
                CrashAfter,
                PowerBefore,
                PowerAfter,
                Fails,
                Short,
                Full,
            ],
        }
    }
}

/// Which step fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trigger {
    /// The visit of this number, from 1, to the step named.
    Step {
        /// The step.
        name: &'static str,
        /// What kind of it: some names stand for several.
        kind: Kind,
        /// Which visit.
        visit: u64,
        /// How it fails.
        failure: Failure,
    },
    /// A step after the visit of this number, from 1, to the moment named.
    After {
        /// The moment.
        name: &'static str,
        /// Which visit.
        visit: u64,
        /// How many steps later, from 1.
        steps: u64,
        /// Chooses among the ways in which that step can fail.
        choice: u64,
    },
    /// The visit of this number, from 1, to any step.
    Any {
        /// Which visit.
        visit: u64,
        /// Chooses among the ways in which that step can fail.
        choice: u64,
    },
}

/// What an operation on a file or folder is.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// A folder is made.
    CreateFolder,
    /// An empty file is made, in the place of another if there is one.
    Create(&'a Path),
    /// A file is synced.
    Sync(&'a Path),
    /// A folder is synced.
    SyncFolder(&'a Path),
    /// A file is cut, and synced.
    Truncate(&'a Path),
    /// A file takes the place of another.
    Rename {
        /// The file.
        from: &'a Path,
        /// Its new name.
        to: &'a Path,
    },
    /// A file is removed.
    Remove(&'a Path),
}

/// How often each step was reached.
pub type Visits = BTreeMap<(&'static str, Kind), u64>;

/// The steps of one life of a process.
#[derive(Default)]
pub struct CrashPoints {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    trigger: Option<Trigger>,
    visits: Visits,
    path: Vec<(&'static str, Kind)>,
    fired: Option<(&'static str, Kind, Failure)>,
    dead: bool,
    unsynced: Unsynced,
    at_death: Option<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for CrashPoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("CrashPoints")
            .field("trigger", &state.trigger)
            .field("fired", &state.fired)
            .finish_non_exhaustive()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<CrashPoints>>> = const { RefCell::new(None) };
}

/// Takes the points off the thread when dropped.
#[derive(Debug)]
pub struct Installed(Option<Arc<CrashPoints>>);

impl Drop for Installed {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| *current = self.0.take());
    }
}

/// The points of this thread.
#[must_use]
pub fn current() -> Option<Arc<CrashPoints>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Says that this thread has come to a place in the program.
///
/// # Errors
///
/// Where that is where it fails, or where the process is dead already.
pub fn reach(step: &'static str) -> Result<(), LogError> {
    let Some(points) = current() else {
        return Ok(());
    };
    points.reach(step).map_err(|source| LogError::Io {
        action: step,
        path: "crash point".into(),
        source,
    })
}

impl CrashPoints {
    /// Steps of which one fails, if any. `at_death` is called at a crash, before anything else can
    /// happen on that thread.
    #[must_use]
    pub fn new(trigger: Option<Trigger>, at_death: impl FnOnce() + Send + 'static) -> Arc<Self> {
        let state = State {
            trigger,
            at_death: Some(Box::new(at_death)),
            ..State::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// Puts them on the calling thread.
    #[must_use = "they are taken off when this is dropped"]
    pub fn install(self: &Arc<Self>) -> Installed {
        Installed(CURRENT.with_borrow_mut(|current| current.replace(Arc::clone(self))))
    }

    /// How often each step was reached.
    #[must_use]
    pub fn visits(&self) -> Visits {
        self.lock().visits.clone()
    }

    /// The steps that were reached, in order.
    #[must_use]
    pub fn path(&self) -> Vec<(&'static str, Kind)> {
        self.lock().path.clone()
    }

    /// What has failed, if anything.
    #[must_use]
    pub fn fired(&self) -> Option<(&'static str, Kind, Failure)> {
        self.lock().fired
    }

    /// Whether the process is dead.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// A place in the program.
    ///
    /// # Errors
    ///
    /// Where it fails there.
    pub fn reach(&self, step: &'static str) -> io::Result<()> {
        self.perform(step, Kind::Moment, None, || Ok(()))
    }

    /// Does an operation, or not.
    ///
    /// # Errors
    ///
    /// The operation's own, and the one that was chosen.
    pub fn operate<T>(
        &self,
        step: &'static str,
        operation: Operation<'_>,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.perform(step, Kind::Operation, Some(operation), act)
    }

    fn perform<T>(
        &self,
        step: &'static str,
        kind: Kind,
        operation: Option<Operation<'_>>,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let failure = self.visit(step, kind)?;
        self.before(failure)?;
        if failure == Some(Failure::Fails) {
            return Err(injected());
        }
        if let Some(operation) = operation {
            self.lock().unsynced.before(operation)?;
        }
        let done = act()?;
        if let Some(operation) = operation {
            self.lock().unsynced.after(operation);
        }
        self.after(failure)?;
        Ok(done)
    }

    /// Writes `bytes` at `position` with `write`, or a part of them, or nothing.
    ///
    /// # Errors
    ///
    /// The write's own, and the one that was chosen.
    pub fn write(
        &self,
        step: &'static str,
        path: &Path,
        bytes: &[u8],
        position: u64,
        write: impl Fn(&[u8], u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let failure = self.visit(step, Kind::Write)?;
        self.before(failure)?;
        self.lock().unsynced.before_write(path)?;
        let half = bytes.len() / 2;
        match failure {
            Some(Failure::Fails) => Err(injected()),
            Some(Failure::Short) => {
                write(&bytes[..half], position)?;
                Err(injected())
            }
            Some(Failure::Full) => {
                write(&bytes[..half], position)?;
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            Some(Failure::CrashWithin) => {
                write(&bytes[..half], position)?;
                Err(self.die(false))
            }
            Some(Failure::CrashTorn) => {
                write(&bytes[half..], position + half as u64)?;
                Err(self.die(false))
            }
            _ => {
                write(bytes, position)?;
                self.after(failure)
            }
        }
    }

    /// Counts a visit. Returns how it fails, if it does.
    fn visit(&self, step: &'static str, kind: Kind) -> io::Result<Option<Failure>> {
        let mut state = self.lock();
        if state.dead {
            return Err(killed());
        }
        state.path.push((step, kind));
        let total = state.path.len() as u64;
        let visits = state.visits.entry((step, kind)).or_default();
        *visits += 1;
        let visits = *visits;
        if let Some(Trigger::After {
            name,
            visit,
            steps,
            choice,
        }) = state.trigger
            && name == step
            && visit == visits
        {
            state.trigger = Some(Trigger::Any {
                visit: total + steps,
                choice,
            });
        }
        let failure = match state.trigger {
            Some(Trigger::Step {
                name,
                kind: wanted,
                visit,
                failure,
            }) => (name == step && wanted == kind && visit == visits).then_some(failure),
            Some(Trigger::Any { visit, choice }) if visit == total => {
                let failures = kind.failures();
                let index = choice % failures.len() as u64;
                usize::try_from(index).ok().map(|index| failures[index])
            }
            _ => None,
        };
        if let Some(failure) = failure {
            state.trigger = None;
            state.fired = Some((step, kind, failure));
        }
        Ok(failure)
    }

    fn before(&self, failure: Option<Failure>) -> io::Result<()> {
        match failure {
            Some(Failure::CrashBefore) => Err(self.die(false)),
            Some(Failure::PowerBefore) => Err(self.die(true)),
            _ => Ok(()),
        }
    }

    fn after(&self, failure: Option<Failure>) -> io::Result<()> {
        match failure {
            Some(Failure::CrashAfter) => Err(self.die(false)),
            Some(Failure::PowerAfter) => Err(self.die(true)),
            _ => Ok(()),
        }
    }

    fn die(&self, power: bool) -> io::Error {
        let mut state = self.lock();
        state.dead = true;
        let (total, at_death) = (state.path.len() as u64, state.at_death.take());
        if power && let Err(error) = state.unsynced.lose(total) {
            return error;
        }
        drop(state);
        if let Some(at_death) = at_death {
            at_death();
        }
        killed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn injected() -> io::Error {
    io::Error::other("made to fail by a test")
}

fn killed() -> io::Error {
    io::Error::other("the process was killed by a test")
}
