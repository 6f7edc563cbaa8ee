//! All goals of all benchmarks in one table, from what they wrote.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use anyhow::{Result, bail};
use rollcall_bench::peer::bench_folder;
use serde_json::Value;

const NAMES: [&str; 7] = [
    "pipeline", "embedded", "recovery", "growth", "ingress", "latency", "stages",
];

pub(crate) fn run() -> Result<()> {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["benchmark", "goal", "wanted", "got", "met"]);
    let mut machine = None;
    for name in NAMES {
        let Ok(text) = std::fs::read_to_string(bench_folder().join(format!("{name}.json"))) else {
            continue;
        };
        let report: Value = serde_json::from_str(&text)?;
        machine = report["circumstances"]["machine"]
            .as_str()
            .map(str::to_owned)
            .or(machine);
        for goal in report["goals"].as_array().into_iter().flatten() {
            let text = |field: &str| goal[field].as_str().unwrap_or("?").to_owned();
            let got = goal["got"]
                .as_f64()
                .map_or_else(|| "?".to_owned(), |got| format!("{got:.2}"));
            let met = if goal["met"].as_bool() == Some(true) {
                "yes"
            } else {
                "no"
            };
            table.add_row([
                name.to_owned(),
                text("goal"),
                text("wanted"),
                got,
                met.to_owned(),
            ]);
        }
    }
    let Some(machine) = machine else {
        bail!("no benchmark has been run: make bench")
    };
    println!("{machine}\n{table}");
    Ok(())
}
