//! `bench-growth`: CPU a record with ever more people in the state, on the embedded log: the state is
//! built from a load of that many people, then the same small load is taken on top of it and measured.
//!
//! `PEOPLE=10000,100000,1000000` says with how many, 10000000 on request.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use anyhow::Result;
use rollcall_bench::line::{Engine, Installation};
use rollcall_bench::peer::{self, Size};
use rollcall_bench::report::{Goal, Report};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Run {
    records: u64,
    cpu_us_a_record: f64,
    wall_s: f64,
    peak_memory_mib: u64,
    building_records: u64,
    building_cpu_us_a_record: f64,
    building_peak_memory_mib: u64,
}

pub(crate) fn run() -> Result<()> {
    let people = std::env::var("PEOPLE").unwrap_or_else(|_| "10000,100000,1000000".to_owned());
    let people = people
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<u32>, _>>()?;
    let on_top = peer::load(&Size::SMALL)?;
    let mut report = Report::new("growth");
    report.note(
        "measured",
        "the small load on top of the state, from the start of the process, its recovery included",
    );
    let mut costs = Vec::new();
    for count in people {
        let load = peer::load(&Size::of_people(count))?;
        let installation = Installation::fresh(&format!("growth{count}"), Engine::Embedded)?;
        let building_records = installation.preload(&load)?;
        let building = installation.run_to_rest()?;
        let records = installation.preload(&on_top)?;
        let work = installation.run_to_rest()?;
        let run = Run {
            records,
            cpu_us_a_record: work.cpu_s * 1e6 / records as f64,
            wall_s: work.wall_s,
            peak_memory_mib: work.peak_memory_mib,
            building_records,
            building_cpu_us_a_record: building.cpu_s * 1e6 / building_records as f64,
            building_peak_memory_mib: building.peak_memory_mib,
        };
        println!("{count} people: {}", serde_json::to_string(&run)?);
        costs.push(run.cpu_us_a_record);
        report.runs(&format!("{count} people"), &[run])?;
    }
    if let (Some(first), Some(last)) = (costs.first(), costs.last()) {
        report.goal(Goal::at_most(
            "CPU a record with the most people, times that with the fewest",
            1.3,
            last / first,
        ));
    }
    report.finish()?;
    Ok(())
}
