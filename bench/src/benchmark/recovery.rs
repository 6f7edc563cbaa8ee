//! `bench-recovery`: a million people in the state, `kill -9` under load, and the time from the start
//! of the process until the results of new records are readable, on Kafka, `read_committed`.
//!
//! `RUNS=3` says how many kills; `PEOPLE=1000000` how many people, with commas between several counts.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rollcall_bench::broker::Broker;
use rollcall_bench::input::Webhook;
use rollcall_bench::line::{Engine, Installation, PARTITIONS, Running};
use rollcall_bench::measure::{bytes_below, cpu_seconds, peak_memory_mib};
use rollcall_bench::peer::{self, Size};
use rollcall_bench::report::{Goal, Report};
use rollcall_bench::setting::{people, runs};
use rollcall_schemas::catalogue::ENGAGEMENT_CONTACTS;
use rollcall_schemas::partitioner;
use serde::Serialize;

/// People who register a second while Rollcall is killed.
const A_SECOND: u32 = 5_000;
/// How long they do before.
const UNDER_LOAD: Duration = Duration::from_secs(2);
/// Meeting ids that no load has, apart for each run.
const MEETING: u64 = 90_000_000_000;
const MEETINGS_A_RUN: u64 = 1_000_000;
/// The first of them that those register for who come once Rollcall is dead.
const LATE: u64 = 900_000;
const AT: i64 = 1_795_000_000_000;

#[derive(Debug, Serialize)]
struct Run {
    first_s: f64,
    all_partitions_s: f64,
    cpu_s: f64,
    peak_memory_mib: u64,
}

pub(crate) fn run() -> Result<()> {
    let (runs, people) = (runs()?, people("1000000")?);
    let mut report = Report::new("recovery");
    report.note(
        "killed",
        format!("kill -9 while {A_SECOND} people a second register, once the stages have some and not yet all of them"),
    );
    report.note(
        "verified",
        "rows and contacts of every state, before the kills, equal the generator's answer",
    );
    for count in people {
        let broker = Broker::fresh()?;
        let results = kill_and_recover(&broker, count, runs)?;
        let median = report.runs(&format!("{count} people"), &results)?;
        report.goal(Goal::at_most(
            &format!("seconds from the start to the first new result, {count} people"),
            1.0,
            median.of("first_s")?,
        ));
    }
    report.finish()?;
    Ok(())
}

/// Builds a state of so many people, and kills Rollcall over it again and again.
fn kill_and_recover(broker: &Broker, people: u32, runs: usize) -> Result<Vec<Run>> {
    let load = peer::load(&Size::of_people(people))?;
    let engine = Engine::Kafka(broker.address.clone());
    let installation = Installation::fresh("recovery", engine)?;
    let records = installation.preload(&load)?;
    let built = installation.run_to_rest()?;
    installation.verify(&load.expected)?;
    let stores_mb = bytes_below(&installation.state_folder()) / 1_000_000;
    println!("{people} people, {stores_mb} MB of stores, built from {records} webhooks: {built:?}");
    let mut results = Vec::new();
    for number in 1..=runs as u64 {
        let mut running = installation.start("processors")?;
        installation.wait_until_up(&mut running)?;
        kill_under_load(&installation, running, number)?;
        let result = recover(&installation, number)?;
        println!("{}", serde_json::to_string(&result)?);
        results.push(result);
    }
    Ok(results)
}

/// Lets new people register until the stages are at work on them, then kills Rollcall in the midst.
fn kill_under_load(installation: &Installation, mut running: Running, number: u64) -> Result<()> {
    let log = installation.open()?;
    let mut pen = installation.pen(&*log)?;
    let first = MEETING + number * MEETINGS_A_RUN;
    let began = Instant::now();
    for registered in 0..LATE {
        let meeting = first + registered;
        let email = format!("under-way-{meeting}@mail.example");
        pen.webhook(&Webhook::registration(meeting, &email, AT))?;
        let due = began + Duration::from_secs(registered) / A_SECOND;
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(early);
        }
        if began.elapsed() >= UNDER_LOAD && registered % 100 == 0 {
            running.check()?;
            let stages = installation.stages().unwrap_or_default();
            let behind: u64 = stages.iter().filter_map(|stage| stage.lag).sum();
            if behind > 0 {
                running.kill()?;
                println!("killed after {registered} registrations, {behind} records behind");
                pen.wait()?;
                drop(pen);
                log.close()?;
                return Ok(());
            }
        }
    }
    bail!("the stages were never seen to be behind, so that nothing was under way")
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
    for partition in 0..PARTITIONS {
        let in_it =
            |id: &u64| partitioner::partition(id.to_string().as_bytes(), PARTITIONS) == partition;
        let id = (MEETING + number * MEETINGS_A_RUN + LATE..)
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
