//! Settings of a benchmark, from its environment.

use std::fmt::Display;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};

/// What the variable `name` says, or `default` where it is not set.
///
/// # Errors
///
/// Where it says something else than a `T`.
pub fn setting<T>(name: &str, default: T) -> Result<T>
where
    T: FromStr<Err: Display>,
{
    std::env::var(name).map_or(Ok(default), |text| {
        text.parse()
            .map_err(|error| anyhow::anyhow!("{error}"))
            .with_context(|| format!("{name}={text}"))
    })
}

/// How many runs there are to be of each contender: `RUNS`, 3 unless set.
///
/// # Errors
///
/// Where that is no number, or 0.
pub fn runs() -> Result<usize> {
    let runs = setting("RUNS", 3)?;
    ensure!(runs > 0, "RUNS=0: there is nothing to take a median of");
    Ok(runs)
}

/// Counts of people: `PEOPLE`, with commas between.
///
/// # Errors
///
/// Where one of them is no number, or there is none.
pub fn people(default: &str) -> Result<Vec<u32>> {
    let text = setting("PEOPLE", default.to_owned())?;
    text.split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("PEOPLE={text}"))
}
