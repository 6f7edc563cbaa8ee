//! `rollcall-bench NAME`: runs one benchmark.

mod benchmark;

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

use anyhow::{Context, Result, bail};
use benchmark::{embedded, growth, ingress, latency, pipeline, recovery, stages, summary};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("stages") => stages::run(),
        Some("pipeline") => pipeline::run(arguments.any(|argument| argument == "--replay")),
        Some("recovery") => recovery::run(),
        Some("growth") => growth::run(),
        Some("ingress") => ingress::run(),
        Some("latency") => latency::run(),
        Some("embedded") => embedded::run(),
        Some("summary") => summary::run(),
        // The server that the ingress is compared with, in a process of its own.
        Some("echo") => ingress::echo(arguments.next().context("an address")?.parse()?),
        _ => bail!(
            "name one of stages, pipeline, recovery, growth, ingress, latency, embedded, summary"
        ),
    }
}
