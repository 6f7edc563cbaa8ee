//! `bench-pipeline`: the peers' load, preloaded in Kafka, through both stages to contacts, by Kafka
//! Streams and by Rollcall in turns on one broker. With `--replay`, Rollcall's stores are also taken
//! away after each run and built anew, attendance's from `zoom.events` alone: every row and activity is
//! made again on the way, and dropped, because it is in the log.
//!
//! `RUNS=3` says how many of each; `SMALL=1` takes a small load; `PEER=0` leaves the peer out.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rollcall_bench::broker::Broker;
use rollcall_bench::line::{Engine, Installation, PARTITIONS};
use rollcall_bench::measure::{cpu_seconds, growth, peak_memory_mib, topic_bytes};
use rollcall_bench::peer::{self, Load, Size, bench_folder, tree};
use rollcall_bench::report::{Goal, Report};
use rollcall_bench::setting::runs;
use rollcall_bench::watch::{GroupWatch, Progress};
use rollcall_schemas::catalogue::{ENGAGEMENT_ATTENDANCE, ZOOM_EVENTS, ZOOM_RAW};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Webhooks that a rebuilt installation is sent once more: it must know all of them.
const ONCE_MORE: u64 = 20_000;
/// Nothing may change for this long before a run counts as done; not part of its time.
const REST: Duration = Duration::from_millis(2500);
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Serialize)]
struct Run {
    wall_s: f64,
    records_per_s: f64,
    cpu_s: f64,
    records_per_cpu_s: f64,
    broker_cpu_s: f64,
    records_per_cpu_s_of_both: f64,
    peak_memory_mib: u64,
    written_mb: f64,
    written_mb_by_topic: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct Rebuild {
    events: u64,
    wall_s: f64,
    events_per_s: f64,
    cpu_s: f64,
    events_per_cpu_s: f64,
    peak_memory_mib: u64,
}

/// The line that the peer's own runner prints.
#[derive(Deserialize)]
struct PeerRun {
    records: u64,
    wall_s: f64,
    peer_cpu_s: f64,
    broker_cpu_s: f64,
    peak_rss_mib: u64,
    written_mb: f64,
    mb_by_topic: Map<String, Value>,
}

impl Run {
    fn new(
        records: u64,
        wall_s: f64,
        cpu_s: f64,
        broker_cpu_s: f64,
        memory: u64,
        by_topic: Map<String, Value>,
    ) -> Self {
        let count = records as f64;
        Self {
            wall_s,
            records_per_s: count / wall_s,
            cpu_s,
            records_per_cpu_s: count / cpu_s,
            broker_cpu_s,
            records_per_cpu_s_of_both: count / (cpu_s + broker_cpu_s),
            peak_memory_mib: memory,
            written_mb: by_topic.values().filter_map(Value::as_f64).sum(),
            written_mb_by_topic: by_topic,
        }
    }
}

pub(crate) fn run(replay: bool) -> Result<()> {
    let runs = runs()?;
    let with_peer = std::env::var("PEER").as_deref() != Ok("0");
    let size = Size::from_environment();
    let load = peer::load(&size)?;
    let broker = Broker::fresh()?;
    let mut report = Report::new("pipeline");
    if with_peer {
        println!("preloading the peer's topic");
        peer::preload(&size, &broker.address)?;
    }
    let (mut slow, mut fast, mut ours, mut rebuilds) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut records = 0;
    for number in 1..=runs {
        if with_peer {
            fast.push(run_peer(&broker, &load, &format!("peer100x{number}"), 100)?);
            slow.push(run_peer(
                &broker,
                &load,
                &format!("peer1000x{number}"),
                1000,
            )?);
        }
        let installation = Installation::fresh(
            &format!("pipeline{number}"),
            Engine::Kafka(broker.address.clone()),
        )?;
        records = installation.preload(&load)?;
        ours.push(run_rollcall(&broker, &installation, &load, records)?);
        if replay {
            rebuilds.push(rebuild(&installation, &load)?);
        }
    }
    report.note(
        "load",
        format!("{}: {records} webhooks, {PARTITIONS} partitions", size.name),
    );
    report.note(
        "verified",
        "rows and contacts of every run, read committed, equal the generator's answer",
    );
    report.note(
        "rollcall",
        rollcall_bench::line::binary().display().to_string(),
    );
    let rollcall = report.runs("rollcall", &ours)?;
    report.goal(Goal::at_least(
        "webhooks per CPU-second",
        125_000.0,
        rollcall.of("records_per_cpu_s")?,
    ));
    if with_peer {
        let fast = report.runs("kafka streams, commits of 100 ms", &fast)?;
        let slow = report.runs("kafka streams, commits of 1 s", &slow)?;
        let best = |name| anyhow::Ok(fast.of(name)?.max(slow.of(name)?));
        let least = |name| anyhow::Ok(fast.of(name)?.min(slow.of(name)?));
        report.goal(Goal::at_least_times(
            "webhooks per CPU-second, times the peer's better",
            5.0,
            rollcall.of("records_per_cpu_s")?,
            best("records_per_cpu_s")?,
        ));
        report.goal(Goal::at_least_times(
            "webhooks a second, times the peer's better",
            3.0,
            rollcall.of("records_per_s")?,
            best("records_per_s")?,
        ));
        report.goal(Goal::at_most_times(
            "peak memory in MiB, times the peer's lesser",
            0.125,
            rollcall.of("peak_memory_mib")?,
            least("peak_memory_mib")?,
        ));
        report.goal(Goal::at_most_times(
            "MB written to Kafka, times the peer's lesser",
            1.0,
            rollcall.of("written_mb")?,
            least("written_mb")?,
        ));
    }
    if replay {
        report.note(
            "replay",
            "attendance's stores from zoom.events and engagement's from engagement.attendance at once, from the start of the process; then 20,000 webhooks once more, and the answer is still the same",
        );
        let rebuilt = report.runs("rollcall, stores built anew", &rebuilds)?;
        report.goal(Goal::at_least_times(
            "events a second from zoom.events, times webhooks from zoom.raw",
            1.0,
            rebuilt.of("events_per_s")?,
            rollcall.of("records_per_s")?,
        ));
        report.goal(Goal::at_most(
            "seconds for 5 million events from zoom.events",
            60.0,
            5e6 / rebuilt.of("events_per_s")?,
        ));
    }
    report.finish()?;
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn run_rollcall(
    broker: &Broker,
    installation: &Installation,
    load: &Load,
    records: u64,
) -> Result<Run> {
    let watches = [
        ("attendance", &ZOOM_RAW),
        ("engagement", &ENGAGEMENT_ATTENDANCE),
    ]
    .map(|(stage, topic)| {
        GroupWatch::new(
            &broker.address,
            &installation.group(stage),
            &installation.topic(topic),
            PARTITIONS,
        )
    });
    let [attendance, engagement] = watches;
    let (attendance, engagement) = (attendance?, engagement?);
    let before = topic_bytes(&broker.data());
    let broker_before = cpu_seconds(broker.pid)?;
    let mut running = installation.start("processors")?;
    let (mut last, mut changed) = (
        [Progress::default(), Progress::default()],
        running.elapsed(),
    );
    let (mut cpu, mut broker_cpu) = (0.0, 0.0);
    loop {
        std::thread::sleep(LOOK_EVERY);
        running.check()?;
        // A coordinator that has just moved, or is not there yet, is asked again.
        let (Ok(attendance), Ok(engagement)) = (attendance.progress(), engagement.progress())
        else {
            continue;
        };
        let now = [attendance, engagement];
        if now != last {
            changed = running.elapsed();
            cpu = cpu_seconds(running.pid())?;
            broker_cpu = cpu_seconds(broker.pid)? - broker_before;
            last = now;
        }
        if last.iter().all(Progress::is_done) && running.elapsed() > changed + REST {
            break;
        }
    }
    let memory = peak_memory_mib(running.pid())?;
    let written = growth(&before, &topic_bytes(&broker.data()));
    // Of a broker that others use too, only what is this run's, and the broker's own.
    let prefix = &*installation.topics().prefix;
    let by_topic = written
        .into_iter()
        .filter(|(topic, _)| topic.starts_with(prefix) || topic.starts_with("__"))
        .map(|(topic, bytes)| (topic, json!(megabytes(bytes))))
        .collect();
    running.stop()?;
    let run = Run::new(
        records,
        changed.as_secs_f64(),
        cpu,
        broker_cpu,
        memory,
        by_topic,
    );
    println!("rollcall: {}", serde_json::to_string(&run)?);
    let (rows, contacts) = installation.verify(&load.expected)?;
    println!("equal to the answer; {rows} rows and {contacts} contacts on the topics");
    Ok(run)
}

/// Takes the stores away, and waits until they are there again. Then sends part of the load once more:
/// whatever the rebuilt stores had forgotten would be counted twice.
fn rebuild(installation: &Installation, load: &Load) -> Result<Rebuild> {
    let log = installation.open()?;
    let events = installation.read(&*log, &ZOOM_EVENTS, |_, _| Ok(()))?;
    log.close()?;
    std::fs::remove_dir_all(installation.state_folder())?;
    let mut running = installation.start("processors")?;
    installation.wait_until_up(&mut running)?;
    let (wall_s, cpu_s) = (running.elapsed().as_secs_f64(), cpu_seconds(running.pid())?);
    let memory = peak_memory_mib(running.pid())?;
    running.stop()?;
    let rebuild = Rebuild {
        events,
        wall_s,
        events_per_s: events as f64 / wall_s,
        cpu_s,
        events_per_cpu_s: events as f64 / cpu_s,
        peak_memory_mib: memory,
    };
    println!("stores built anew: {}", serde_json::to_string(&rebuild)?);
    installation.preload_some(load, ONCE_MORE)?;
    installation.run_to_rest()?;
    installation.verify(&load.expected)?;
    println!("equal to the answer after {ONCE_MORE} webhooks once more");
    Ok(rebuild)
}

fn run_peer(broker: &Broker, load: &Load, name: &str, commit_ms: u32) -> Result<Run> {
    let class_path = peer::class_path()?;
    let folder = bench_folder().join("peer").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(folder.join(".data"))?;
    let cache = if commit_ms >= 1000 {
        64 << 20
    } else {
        32 << 20
    };
    let output = Command::new("java")
        .current_dir(&folder)
        .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", &class_path])
        .arg(format!("-Dbrokers={}", broker.address))
        .arg(format!("-Dbroker.pid={}", broker.pid))
        .arg(format!("-Ddata={}", broker.data().display()))
        .arg(format!("-Dapp={name}"))
        .arg(format!("-Dprefix={name}."))
        .arg(format!("-Dstate={}", folder.join("state").display()))
        .arg(format!(
            "-Dpeer=-Dthreads=2 -Dcommit={commit_ms} -Dcache={cache}"
        ))
        .arg("-Djvm=-Xmx2g -XX:+UseParallelGC")
        .arg("peer.Bench")
        .output()
        .context("starting java")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with('{'));
    let Some(line) = line else {
        bail!(
            "the peer's run failed: {text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    };
    let run: PeerRun = serde_json::from_str(line)?;
    println!("kafka streams: {line}");
    peer::run(
        Command::new("java")
            .args(["-Xmx10g", "-XX:+UseParallelGC", "-cp", &class_path])
            .arg(format!("-Dbrokers={}", broker.address))
            .arg(format!("-Dprefix={name}."))
            .arg("peer.Verify")
            .arg(&load.expected)
            .arg(tree().join("bench/peers/kafka-streams/schemas")),
    )?;
    std::fs::remove_dir_all(&folder)?;
    let mut result = Run::new(
        run.records,
        run.wall_s,
        run.peer_cpu_s,
        run.broker_cpu_s,
        run.peak_rss_mib,
        run.mb_by_topic,
    );
    // By topic the peer's runner rounds down.
    result.written_mb = run.written_mb;
    Ok(result)
}
