//! Log lines: readable in a terminal, JSON elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogLevel;

/// Starts logging to standard error. `RUST_LOG`, where it is set, wins over the level configured.
pub(crate) fn start(level: LogLevel) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        let level = level.filter();
        EnvFilter::new(format!("warn,rollcall={level},rollcall_eventlog={level},rollcall_runtime={level},rollcall_producer={level},rollcall_processors={level},rollcall_sink={level},rollcall_sandbox={level}"))
    });
    let registry = tracing_subscriber::registry().with(filter);
    let started = if std::io::stderr().is_terminal() {
        registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_target(false),
            )
            .try_init()
    } else {
        registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .json()
                    .flatten_event(true),
            )
            .try_init()
    };
    // A second start in one process (a test) keeps the first.
    drop(started);
}
