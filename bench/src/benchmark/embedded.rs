//! `bench-embedded`: the pipeline's job on the embedded log: the load, preloaded in a folder, through
//! both stages to contacts.
//!
//! `RUNS=3` says how often; `SMALL=1` takes a small load.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use anyhow::Result;
use rollcall_bench::line::{Engine, Installation};
use rollcall_bench::measure::bytes_below;
use rollcall_bench::peer::{self, Load, Size, bench_folder};
use rollcall_bench::report::{Goal, Report};
use rollcall_bench::setting::runs;
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Serialize)]
struct Run {
    wall_s: f64,
    records_per_s: f64,
    cpu_s: f64,
    records_per_cpu_s: f64,
    peak_memory_mib: u64,
    written_mb: f64,
    written_bytes_a_record: f64,
    held_mb: f64,
}

pub(crate) fn run() -> Result<()> {
    let runs = runs()?;
    let size = Size::from_environment();
    let load = peer::load(&size)?;
    let mut report = Report::new("embedded");
    let mut results = Vec::new();
    for number in 1..=runs {
        let result = run_once(&load, number)?;
        println!("{}", serde_json::to_string(&result)?);
        results.push(result);
    }
    report.note("load", &*size.name);
    report.note(
        "verified",
        "rows and contacts of every run equal the generator's answer",
    );
    report.note("disk", "written is what the process had written when it was done; held is the log's folder with zoom.raw and the stores");
    let median = report.runs("rollcall, embedded log", &results)?;
    match kafka_rate(&size.name) {
        Some(kafka) => {
            report.goal(Goal::at_least_times(
                "webhooks per CPU-second, times those on Kafka with the broker counted",
                1.0,
                median.of("records_per_cpu_s")?,
                kafka,
            ));
        }
        None => report.note(
            "not compared",
            "run bench-pipeline with the same load first",
        ),
    }
    report.finish()?;
    Ok(())
}

/// What the last `bench-pipeline` of this load reached, with the broker's CPU counted.
fn kafka_rate(load: &str) -> Option<f64> {
    let text = std::fs::read_to_string(bench_folder().join("pipeline.json")).ok()?;
    let report: Value = serde_json::from_str(&text).ok()?;
    let same = report["circumstances"]["load"].as_str()?.starts_with(load);
    if !same {
        return None;
    }
    report["medians"]["rollcall"]["records_per_cpu_s_of_both"].as_f64()
}

fn run_once(load: &Load, number: usize) -> Result<Run> {
    let installation = Installation::fresh(&format!("embedded{number}"), Engine::Embedded)?;
    let records = installation.preload(load)?;
    let work = installation.run_to_rest()?;
    let held = bytes_below(&installation.log_folder());
    installation.verify(&load.expected)?;
    let count = records as f64;
    Ok(Run {
        wall_s: work.wall_s,
        records_per_s: count / work.wall_s,
        cpu_s: work.cpu_s,
        records_per_cpu_s: count / work.cpu_s,
        peak_memory_mib: work.peak_memory_mib,
        written_mb: work.written as f64 / 1e6,
        written_bytes_a_record: work.written as f64 / count,
        held_mb: held as f64 / 1e6,
    })
}
