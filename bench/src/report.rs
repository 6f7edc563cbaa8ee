//! What a benchmark says: a table on the screen, and `target/bench/NAME.json`.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::peer::bench_folder;

/// A goal, what was wanted, and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Goal {
    /// What is to be reached.
    pub goal: String,
    /// The bound, as text with its sign.
    pub wanted: String,
    /// What was measured: of a goal beside a peer the ratio.
    pub got: f64,
    /// Whether it was reached.
    pub met: bool,
    /// What the ratio is of.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
}

/// Figures of one run that a ratio is of.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Beside {
    /// Of whom Rollcall is compared with.
    pub peer: f64,
    /// Of Rollcall.
    pub rollcall: f64,
}

impl Goal {
    /// `got` is to be at least `wanted`.
    #[must_use]
    pub fn at_least(goal: &str, wanted: f64, got: f64) -> Self {
        Self {
            goal: goal.to_owned(),
            wanted: format!(">= {wanted}"),
            got,
            met: got >= wanted,
            beside: None,
        }
    }

    /// `rollcall` is to be at least `wanted` times `peer`.
    #[must_use]
    pub fn at_least_times(goal: &str, wanted: f64, rollcall: f64, peer: f64) -> Self {
        Self {
            beside: Some(Beside { peer, rollcall }),
            ..Self::at_least(goal, wanted, rollcall / peer)
        }
    }

    /// `rollcall` is to be at most `wanted` times `peer`.
    #[must_use]
    pub fn at_most_times(goal: &str, wanted: f64, rollcall: f64, peer: f64) -> Self {
        Self {
            beside: Some(Beside { peer, rollcall }),
            ..Self::at_most(goal, wanted, rollcall / peer)
        }
    }

    /// Names of the columns of [`Goal::row`].
    pub const HEAD: [&'static str; 6] = ["goal", "wanted", "peer", "Rollcall", "ratio", "met"];

    /// The goal as a row of a table.
    #[must_use]
    pub fn row(&self) -> [String; 6] {
        let (peer, rollcall, ratio) = match self.beside {
            Some(Beside { peer, rollcall }) => (figure(peer), rollcall, figure(self.got)),
            None => (String::new(), self.got, String::new()),
        };
        [
            self.goal.clone(),
            self.wanted.clone(),
            peer,
            figure(rollcall),
            ratio,
            if self.met { "yes" } else { "no" }.to_owned(),
        ]
    }

    /// `got` is to be at most `wanted`.
    #[must_use]
    pub fn at_most(goal: &str, wanted: f64, got: f64) -> Self {
        Self {
            goal: goal.to_owned(),
            wanted: format!("<= {wanted}"),
            got,
            met: got <= wanted,
            beside: None,
        }
    }
}

/// The median of every figure of a contender's runs.
#[derive(Clone, Debug)]
pub struct Medians(Map<String, Value>);

impl Medians {
    /// The median of this figure.
    ///
    /// # Errors
    ///
    /// Where the runs have no such figure.
    pub fn of(&self, figure: &str) -> Result<f64> {
        self.0
            .get(figure)
            .and_then(Value::as_f64)
            .with_context(|| format!("the runs have no figure {figure}"))
    }
}

/// A benchmark's report.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    circumstances: Map<String, Value>,
    runs: Map<String, Value>,
    medians: Map<String, Value>,
    ratios: Map<String, Value>,
    goals: Vec<Goal>,
}

impl Report {
    /// A report of the benchmark `name`, with the machine that it runs on.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let mut report = Self {
            name,
            circumstances: Map::new(),
            runs: Map::new(),
            medians: Map::new(),
            ratios: Map::new(),
            goals: Vec::new(),
        };
        report.note("machine", machine());
        report.note(
            "taken",
            jiff::Timestamp::now().strftime("%F %R UTC").to_string(),
        );
        report.note(
            "build",
            if cfg!(debug_assertions) {
                "debug assertions are on: these figures are for orientation only"
            } else {
                "release"
            },
        );
        report
    }

    /// Notes a circumstance: what was compared, how large, on what.
    pub fn note(&mut self, name: &str, value: impl Into<Value>) {
        self.circumstances.insert(name.to_owned(), value.into());
    }

    /// Takes all runs of one contender. Medians of every number in them are taken too.
    ///
    /// # Errors
    ///
    /// Where a run is no JSON object.
    pub fn runs<R: Serialize>(&mut self, contender: &str, runs: &[R]) -> Result<Medians> {
        let values = runs
            .iter()
            .map(serde_json::to_value)
            .collect::<Result<Vec<_>, _>>()?;
        let mut medians = Map::new();
        for name in values
            .first()
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::keys)
        {
            let figures: Option<Vec<f64>> = values
                .iter()
                .map(|run| run.get(name).and_then(Value::as_f64))
                .collect();
            if let Some(figures) = figures {
                medians.insert(name.clone(), json!(median(&figures)));
            }
        }
        self.runs.insert(contender.to_owned(), Value::Array(values));
        self.medians
            .insert(contender.to_owned(), Value::Object(medians.clone()));
        Ok(Medians(medians))
    }

    /// Notes a goal, and the ratio where it is one.
    pub fn goal(&mut self, goal: Goal) {
        if goal.beside.is_some() {
            self.ratios.insert(goal.goal.clone(), json!(goal.got));
        }
        self.goals.push(goal);
    }

    /// Prints the report, and writes it to `target/bench/NAME.json`.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn finish(self) -> Result<PathBuf> {
        println!("\nbench-{}", self.name);
        for (name, value) in &self.circumstances {
            println!("{name}: {}", plain(value));
        }
        if !self.medians.is_empty() {
            println!("{}", self.median_table());
        }
        if !self.goals.is_empty() {
            let mut table = comfy_table::Table::new();
            table
                .load_style(comfy_table::presets::UTF8_FULL_CONDENSED)
                .set_header(Goal::HEAD);
            for goal in &self.goals {
                table.add_row(goal.row());
            }
            println!("{table}");
        }
        let path = bench_folder().join(format!("{}.json", self.name));
        std::fs::create_dir_all(bench_folder())?;
        let report = json!({
            "name": self.name,
            "circumstances": self.circumstances,
            "runs": self.runs,
            "medians": self.medians,
            "ratios": self.ratios,
            "goals": self.goals,
        });
        std::fs::write(&path, serde_json::to_string_pretty(&report)?)?;
        println!("{}", path.display());
        Ok(path)
    }

    fn median_table(&self) -> comfy_table::Table {
        let mut names: Vec<&String> = Vec::new();
        for name in self
            .medians
            .values()
            .filter_map(Value::as_object)
            .flat_map(Map::keys)
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
        let head =
            std::iter::once("median of each run's".to_owned()).chain(self.medians.keys().cloned());
        table.set_header(head);
        for name in names {
            let figures = self.medians.values().map(|of| {
                of.get(name)
                    .and_then(Value::as_f64)
                    .map_or_else(String::new, figure)
            });
            table.add_row(std::iter::once(name.clone()).chain(figures));
        }
        table
    }
}

/// The middle of the figures; of two middles their mean.
#[must_use]
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

fn figure(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The processor, how many of it, the memory and the kernel.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map_or_else(|| "?".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{} cores of {}, {} of memory, Linux {}, load when it began {}",
        cores,
        field(&read("/proc/cpuinfo"), "model name"),
        field(&read("/proc/meminfo"), "MemTotal"),
        kernel.trim(),
        load.split_whitespace().next().unwrap_or("?")
    )
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_of_the_figures() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }
}
