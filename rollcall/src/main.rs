//! The command line: reads the configuration and puts the roles together.

mod admin;
mod commands;
mod config;
mod demo;
mod inspect;
mod logging;
mod pipeline;
mod roles;
mod show;
mod sink_options;
mod status;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::{Arguments, run};
use crate::config::ConfigError;

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Wrong use: of the command line, or of the configuration.
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    // A wrong command line ends here, with exit code 2.
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&anyhow::Error::new(error).context("starting"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(arguments));
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            if error.chain().any(|cause| cause.is::<ConfigError>()) {
                ExitCode::from(WRONG_USE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where a command says why it failed"
)]
fn complain(error: &anyhow::Error) {
    eprintln!("rollcall: {error:#}");
}

/// Whoever read the output has seen enough.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
