//! All goals of all benchmarks in one table, from what they wrote.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use anyhow::{Result, bail};
use rollcall_bench::peer::bench_folder;
use rollcall_bench::report::Goal;
use serde_json::Value;

const NAMES: [&str; 7] = [
    "pipeline", "embedded", "recovery", "growth", "ingress", "latency", "stages",
];

pub(crate) fn run() -> Result<()> {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(std::iter::once("benchmark").chain(Goal::HEAD));
    let (mut machine, mut taken) = (None, Vec::new());
    for name in NAMES {
        let Ok(text) = std::fs::read_to_string(bench_folder().join(format!("{name}.json"))) else {
            continue;
        };
        let report: Value = serde_json::from_str(&text)?;
        let circumstance = |of: &str| report["circumstances"][of].as_str().map(str::to_owned);
        machine = circumstance("machine").or(machine);
        let known = ["taken", "build", "load"]
            .into_iter()
            .filter_map(circumstance);
        taken.push(format!("{name}: {}", known.collect::<Vec<_>>().join(", ")));
        let goals: Vec<Goal> = serde_json::from_value(report["goals"].clone())?;
        for goal in goals {
            table.add_row(std::iter::once(name.to_owned()).chain(goal.row()));
        }
    }
    let Some(machine) = machine else {
        bail!("no benchmark has been run: make bench")
    };
    println!("{machine}\n{}\n{table}", taken.join("\n"));
    Ok(())
}
