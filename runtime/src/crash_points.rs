//! The steps of a unit of work and of a recovery at which a test can make a worker fail, by name.
//!
//! Beside these there are the embedded log's own. See [`rollcall_eventlog::crash_points`].

macro_rules! steps {
    ($($step:ident = $name:literal;)*) => {
        $(pub(crate) const $step: &str = $name;)*

        /// The names of all steps.
        pub const STEPS: &[&str] = &[$($name),*];
    };
}

steps! {
    BEFORE_FINISH = "before a unit of work is finished";
    BEFORE_LOG = "before the log takes a unit of work";
    AFTER_LOG = "after the log took a unit of work";
    BEFORE_STORE = "before a store takes a unit of work";
    AFTER_STORE = "after a store took a unit of work";
    BEFORE_FLUSH = "before a store is flushed";
    AFTER_FLUSH = "after a store was flushed";
    AFTER_UNIT = "after a unit of work";
    BEFORE_OPEN = "before a store is opened";
    BEFORE_REMOVAL = "before a store is removed";
    AFTER_REMOVAL = "after a store was removed";
    BEFORE_READING = "before records are read for recovery";
    BEFORE_RECOVERED = "before a store is said to be up to date";
    BEFORE_START = "before a recovered task takes records";
    BEFORE_CLOSE = "before a store is closed";
}
