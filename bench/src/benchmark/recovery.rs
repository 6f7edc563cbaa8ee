//! `bench-recovery`: a million people in the state, `kill -9` under load, and the time from the start
//! of the process until the results of new records are readable, on Kafka, `read_committed`.
//!
//! `RUNS=3` says how many kills; `PEOPLE=1000000` how many people.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use std::time::Duration;

use anyhow::{Context, Result};
use rollcall_bench::broker::Broker;
use rollcall_bench::input::Webhook;
use rollcall_bench::line::{Engine, Installation};
use rollcall_bench::measure::{bytes_below, cpu_seconds, peak_memory_mib};
use rollcall_bench::peer::{self, Size};
use rollcall_bench::report::{Goal, Report};
use rollcall_schemas::catalogue::ENGAGEMENT_CONTACTS;
use rollcall_schemas::partitioner;
use serde::Serialize;
use serde_json::Value;

/// Duplicates that are under way when the process is killed.
const UNDER_WAY: u64 = 50_000;
const AT: i64 = 1_795_000_000_000;

#[derive(Debug, Serialize)]
struct Run {
    first_s: f64,
    all_partitions_s: f64,
    cpu_s: f64,
    peak_memory_mib: u64,
}

pub(crate) fn run() -> Result<()> {
    let runs: u64 = std::env::var("RUNS")
        .ok()
        .map_or(Ok(3), |text| text.parse())?;
    let people: u32 = std::env::var("PEOPLE")
        .ok()
        .map_or(Ok(1_000_000), |text| text.parse())?;
    let load = peer::load(&Size::of_people(people))?;
    let broker = Broker::fresh()?;
    let installation = Installation::fresh("recovery", Engine::Kafka(broker.address.clone()))?;
    let records = installation.preload(&load)?;
    let built = installation.run_to_rest()?;
    println!("state of {people} people built from {records} webhooks: {built:?}");
    let mut report = Report::new("recovery");
    report.note(
        "state",
        format!(
            "{people} people, {} MB of stores",
            bytes_below(&installation.state_folder()) / 1_000_000
        ),
    );
    report.note(
        "killed",
        format!("kill -9 while {UNDER_WAY} duplicates are taken"),
    );
    let mut results = Vec::new();
    for number in 1..=runs {
        let mut running = installation.start("processors")?;
        while !installation.stages().is_some_and(|stages| {
            stages
                .iter()
                .all(|stage| stage.ready && stage.partitions == 4)
        }) {
            running.check()?;
            std::thread::sleep(Duration::from_millis(50));
        }
        installation.preload_some(&load, UNDER_WAY)?;
        std::thread::sleep(Duration::from_millis(300));
        running.kill()?;
        let result = recover(&installation, number)?;
        println!("{}", serde_json::to_string(&result)?);
        results.push(result);
    }
    let median = report.runs("rollcall", &results)?;
    let first = median
        .get("first_s")
        .and_then(Value::as_f64)
        .unwrap_or(f64::NAN);
    report.goal(Goal::at_most(
        "seconds from the start to the first new result",
        1.0,
        first,
    ));
    report.finish()?;
    Ok(())
}

/// Registers somebody new in each partition, starts Rollcall, and waits for their contacts.
fn recover(installation: &Installation, number: u64) -> Result<Run> {
    let log = installation.open()?;
    let contacts = installation.partitions(&ENGAGEMENT_CONTACTS);
    let from = contacts
        .into_iter()
        .map(|partition| {
            log.offsets(&partition)
                .map(|offsets| (partition, offsets.end))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut reader = log.reader(&from)?;
    let mut pen = installation.pen(&*log)?;
    let mut awaited = Vec::new();
    for partition in 0..4 {
        let in_it = |id: &u64| partitioner::partition(id.to_string().as_bytes(), 4) == partition;
        let id = (90_000_000_000 + number * 1000..)
            .find(in_it)
            .context("some id is in every partition")?;
        let email = format!("late-{id}@mail.example");
        pen.webhook(&Webhook::registration(id, &email, AT))?;
        awaited.push(email);
    }
    pen.wait()?;
    let mut running = installation.start("processors")?;
    let mut first = None;
    while !awaited.is_empty() {
        running.check()?;
        if let Some(batch) = reader.poll(10_000, Duration::from_millis(20))? {
            for record in batch.iter() {
                let before = awaited.len();
                awaited.retain(|email| record.key != Some(email.as_bytes()));
                if awaited.len() < before && first.is_none() {
                    first = Some(running.elapsed());
                }
            }
        }
    }
    let result = Run {
        first_s: first
            .context("all were found, so one was first")?
            .as_secs_f64(),
        all_partitions_s: running.elapsed().as_secs_f64(),
        cpu_s: cpu_seconds(running.pid())?,
        peak_memory_mib: peak_memory_mib(running.pid())?,
    };
    running.stop()?;
    drop(reader);
    drop(pen);
    log.close()?;
    Ok(result)
}
