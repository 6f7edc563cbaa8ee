//! `bench-growth`: CPU a record with ever more people in the state, on the embedded log: the state is
//! built from a load of that many people, then the same small load is taken on top of it and measured.
//!
//! `RUNS=3` says how many of each; `PEOPLE=10000,100000,1000000` with how many people; `ENGINE=kafka`
//! that it is on Kafka, whose broker keeps 10,000,000 people's topics, compressed, in 10 GB; the embedded
//! log takes 70.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use rollcall_bench::broker::Broker;
use rollcall_bench::line::{Engine, Installation};
use rollcall_bench::peer::{self, Load, Size};
use rollcall_bench::report::{Goal, Report};
use rollcall_bench::setting::{people, runs, setting};
use serde::Serialize;

/// What the process may hold however many people there are: stores share 96 MiB, and neither what they
/// have not written yet, nor units of work, nor batches under way depend on them.
const MEMORY_BOUND_MIB: f64 = 1280.0;

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
    let (runs, people) = (runs()?, people("10000,100000,1000000")?);
    let [fewest, .., most] = people[..] else {
        bail!("PEOPLE={people:?}: growth is between two counts at least");
    };
    let engine = setting("ENGINE", "embedded".to_owned())?;
    let broker = match engine.as_str() {
        "embedded" => None,
        "kafka" => Some(Broker::fresh()?),
        _ => bail!("ENGINE={engine}: embedded or kafka"),
    };
    let on_kafka = |broker: &Broker| Engine::Kafka(broker.address.clone());
    let engine_of_a_run = || broker.as_ref().map_or(Engine::Embedded, on_kafka);
    let on_top = peer::load(&Size::SMALL)?;
    let mut report = Report::new("growth");
    report.note("engine", engine);
    report.note(
        "measured",
        "the small load on top of the state, from the start of the process, its recovery included, once the stores have compacted what building wrote",
    );
    report.note(
        "verified",
        "rows and contacts of every state, before the small load, equal the generator's answer",
    );
    let mut costs = BTreeMap::new();
    let mut memory: f64 = 0.0;
    for count in people {
        let load = peer::load(&Size::of_people(count))?;
        let results = (0..runs)
            .map(|run| {
                let name = format!("growth{count}x{run}");
                run_once(&name, engine_of_a_run(), &load, &on_top)
            })
            .collect::<Result<Vec<_>>>()?;
        let median = report.runs(&format!("{count} people"), &results)?;
        costs.insert(count, median.of("cpu_us_a_record")?);
        memory = memory
            .max(median.of("peak_memory_mib")?)
            .max(median.of("building_peak_memory_mib")?);
    }
    report.goal(Goal::at_most_times(
        &format!("CPU in µs a record with {most} people, times that with {fewest}"),
        1.3,
        costs[&most],
        costs[&fewest],
    ));
    report.goal(Goal::at_most(
        "peak memory in MiB with any count of people, while the state is built too",
        MEMORY_BOUND_MIB,
        memory,
    ));
    report.finish()?;
    Ok(())
}

fn run_once(name: &str, engine: Engine, load: &Load, on_top: &Load) -> Result<Run> {
    let installation = Installation::fresh(name, engine)?;
    let building_records = installation.preload(load)?;
    let building = installation.run_to_rest()?;
    installation.verify(&load.expected)?;
    installation.settle()?;
    let records = installation.preload(on_top)?;
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
    installation.remove()?;
    println!("{name}: {}", serde_json::to_string(&run)?);
    Ok(run)
}
