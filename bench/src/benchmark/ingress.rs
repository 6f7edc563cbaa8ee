//! `bench-ingress`: signed webhooks of 1.1 KB to durable acknowledgement: Rollcall on the embedded log
//! and on Kafka, beside an axum server that only answers, Express and Benthos, in turns.
//!
//! `RUNS=3` and `SECONDS=10` say how often and how long; `ONLY=echo,embedded` which of `echo`,
//! `embedded`, `kafka`, `express`, `benthos`. Express is left out where there is no npm, Benthos where
//! there is no Go.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::routing::post;
use rollcall_bench::broker::Broker;
use rollcall_bench::http_load::{self, Pace};
use rollcall_bench::line::{Engine, Installation, PARTITIONS, Running, SECRET, free_address};
use rollcall_bench::measure::{cpu_seconds, peak_memory_mib};
use rollcall_bench::peer::{self, bench_folder, tree};
use rollcall_bench::report::{Goal, Medians, Report};
use rollcall_bench::setting::{runs, setting};
use rollcall_bench::webhook::{REGISTRATION, request};
use rollcall_eventlog::kafka::{KafkaConfig, KafkaLog};
use rollcall_eventlog::{CleanupPolicy, EventLog, TopicConfig};
use rollcall_schemas::catalogue::ZOOM_RAW;
use serde::Serialize;

const CONTENDERS: [&str; 5] = ["echo", "embedded", "kafka", "express", "benthos"];
const CONNECTIONS: [usize; 2] = [64, 1000];
/// A signature is taken for five minutes.
const MAX_SECONDS: u64 = 280;
const WARM_UP: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize)]
struct Run {
    requests_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    p99_9_ms: f64,
    cpu_us_a_request: f64,
    requests_per_cpu_s: f64,
    broker_cpu_us_a_request: f64,
    peak_memory_mib: u64,
    failed: u64,
}

/// A server under load.
enum Server {
    Rollcall(Running, Box<Installation>),
    Other(Other),
}

/// The process of a server that is not Rollcall; killed when dropped.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn pid(&self) -> u32 {
        match self {
            Self::Rollcall(running, _) => running.pid(),
            Self::Other(Other(child)) => child.id(),
        }
    }
}

pub(crate) fn run() -> Result<()> {
    let (runs, seconds) = (runs()?, setting("SECONDS", 10)?);
    ensure!(
        seconds < MAX_SECONDS,
        "SECONDS={seconds}: one signature serves a run, and is refused after five minutes"
    );
    let mut report = Report::new("ingress");
    let contenders = contenders(&mut report)?;
    let broker = Broker::fresh()?;
    report.note("request", format!("a signed registration of {} bytes, kept-alive loopback connections, one body, so one partition", REGISTRATION.len()));
    report.note(
        "length",
        format!(
            "{runs} runs of {seconds} s each after {} s of warm-up",
            WARM_UP.as_secs()
        ),
    );
    report.note("contenders", contenders.join(", "));
    report.note(
        "shared",
        "load generator (one thread), server and broker share the machine",
    );
    let length = Duration::from_secs(seconds);
    let medians = as_fast_as_answered(&mut report, &contenders, &broker, runs, length)?;
    at_5000_a_second(&mut report, &contenders, &broker, runs, length)?;
    goals(&mut report, &medians)?;
    report.finish()?;
    Ok(())
}

/// Those that `ONLY` names and that can be built here.
fn contenders(report: &mut Report) -> Result<Vec<&'static str>> {
    let only = setting("ONLY", CONTENDERS.join(","))?;
    let mut contenders = Vec::new();
    for name in only.split(',') {
        let contender = CONTENDERS.into_iter().find(|contender| *contender == name);
        let contender =
            contender.with_context(|| format!("ONLY={only}: {name} is none of {CONTENDERS:?}"))?;
        match build(contender) {
            Ok(()) => contenders.push(contender),
            Err(error) => {
                println!("{name} is left out: {error:#}");
                report.note(&format!("{name} is left out"), format!("{error:#}"));
            }
        }
    }
    Ok(contenders)
}

/// Loads all of them, in turns, with ever as many requests under way as there are connections.
fn as_fast_as_answered(
    report: &mut Report,
    contenders: &[&'static str],
    broker: &Broker,
    runs: usize,
    length: Duration,
) -> Result<HashMap<String, Medians>> {
    let mut medians = HashMap::new();
    for connections in CONNECTIONS {
        let mut by_contender: Vec<Vec<Run>> = contenders.iter().map(|_| Vec::new()).collect();
        for number in 1..=runs {
            for (contender, results) in contenders.iter().zip(&mut by_contender) {
                let name = format!("{contender}{connections}x{number}");
                let pace = Pace::AsFastAsAnswered;
                let result = measure(contender, &name, broker, connections, pace, length)?;
                println!(
                    "{contender}, {connections} connections: {}",
                    serde_json::to_string(&result)?
                );
                results.push(result);
            }
        }
        for (contender, results) in contenders.iter().zip(&by_contender) {
            let name = format!("{contender}, {connections}");
            let median = report.runs(&name, results)?;
            medians.insert(name, median);
        }
    }
    Ok(medians)
}

/// Loads Rollcall, and the echo beside it, with as much as it can well take.
fn at_5000_a_second(
    report: &mut Report,
    contenders: &[&'static str],
    broker: &Broker,
    runs: usize,
    length: Duration,
) -> Result<()> {
    for contender in contenders
        .iter()
        .filter(|name| ["echo", "embedded", "kafka"].contains(name))
    {
        let mut results = Vec::new();
        for number in 1..=runs {
            let name = format!("{contender}-paced{number}");
            let pace = Pace::PerSecond(5000.0);
            results.push(measure(contender, &name, broker, 64, pace, length)?);
        }
        let median = report.runs(&format!("{contender}, 5000 a second"), &results)?;
        if *contender != "echo" {
            report.goal(Goal::at_most(
                &format!("p99 in ms at 5,000 a second, {contender}"),
                10.0,
                median.of("p99_ms")?,
            ));
        }
    }
    Ok(())
}

/// Holds Rollcall to its goals beside those that were measured.
fn goals(report: &mut Report, medians: &HashMap<String, Medians>) -> Result<()> {
    for connections in CONNECTIONS {
        let (embedded, echo) = (
            medians.get(&format!("embedded, {connections}")),
            medians.get(&format!("echo, {connections}")),
        );
        if let (Some(embedded), Some(echo)) = (embedded, echo) {
            report.goal(Goal::at_least_times(
                &format!(
                    "embedded: requests a second, times the echo's, {connections} connections"
                ),
                0.7,
                embedded.of("requests_per_s")?,
                echo.of("requests_per_s")?,
            ));
        }
    }
    if let (Some(kafka), Some(benthos)) = (medians.get("kafka, 64"), medians.get("benthos, 64")) {
        report.goal(Goal::at_least_times(
            "Kafka: requests a second, times Benthos's",
            1.5,
            kafka.of("requests_per_s")?,
            benthos.of("requests_per_s")?,
        ));
        report.goal(Goal::at_most_times(
            "Kafka: CPU in µs a request, times Benthos's",
            0.5,
            kafka.of("cpu_us_a_request")?,
            benthos.of("cpu_us_a_request")?,
        ));
    }
    if let (Some(kafka), Some(express)) = (medians.get("kafka, 64"), medians.get("express, 64")) {
        report.goal(Goal::at_least_times(
            "Kafka: requests per CPU-second, times Express's",
            6.0,
            kafka.of("requests_per_cpu_s")?,
            express.of("requests_per_cpu_s")?,
        ));
    }
    Ok(())
}

fn measure(
    contender: &str,
    name: &str,
    broker: &Broker,
    connections: usize,
    pace: Pace,
    length: Duration,
) -> Result<Run> {
    let (server, address) = start(contender, name, broker)?;
    let request = request(REGISTRATION, SECRET)?;
    let warm_up = http_load::run(address, &request, connections, pace, WARM_UP)?;
    let (cpu, broker_cpu) = (cpu_seconds(server.pid())?, cpu_seconds(broker.pid)?);
    let outcome = http_load::run(address, &request, connections, pace, length)?;
    let micros = |seconds: f64| seconds * 1e6 / outcome.answered as f64;
    let cpu = cpu_seconds(server.pid())? - cpu;
    if outcome.answered == 0 {
        bail!("{contender} answered nothing with 200");
    }
    let run = Run {
        requests_per_s: outcome.per_second(),
        p50_ms: outcome.percentile_ms(0.5),
        p99_ms: outcome.percentile_ms(0.99),
        p99_9_ms: outcome.percentile_ms(0.999),
        cpu_us_a_request: micros(cpu),
        requests_per_cpu_s: outcome.answered as f64 / cpu,
        broker_cpu_us_a_request: micros(cpu_seconds(broker.pid)? - broker_cpu),
        peak_memory_mib: peak_memory_mib(server.pid())?,
        failed: outcome.failed,
    };
    if let Server::Rollcall(running, installation) = server {
        running.stop()?;
        let (kept, acknowledged) = (
            installation.count(&ZOOM_RAW)?,
            warm_up.answered + outcome.answered,
        );
        ensure!(
            kept >= acknowledged,
            "{contender} acknowledged {acknowledged} webhooks and its log has {kept}"
        );
    }
    Ok(run)
}

/// Starts a contender, and waits until it listens.
fn start(contender: &str, name: &str, broker: &Broker) -> Result<(Server, SocketAddr)> {
    let (server, address) = match contender {
        "embedded" | "kafka" => {
            let engine = if contender == "kafka" {
                Engine::Kafka(broker.address.clone())
            } else {
                Engine::Embedded
            };
            let installation = Installation::fresh(&format!("ingress-{name}"), engine)?;
            let (running, address) = (installation.start("ingress")?, installation.http);
            (Server::Rollcall(running, Box::new(installation)), address)
        }
        _ => {
            let address = free_address()?;
            let mut command = command(contender, address)?;
            if contender != "echo" {
                let topic: Arc<str> = format!("zoom.webhooks.{contender}").into();
                let cleanup = CleanupPolicy::Delete {
                    retention_ms: 86_400_000,
                };
                let log = KafkaLog::open(KafkaConfig::new(broker.address.clone()))?;
                log.ensure_topics(&[TopicConfig {
                    name: topic,
                    partitions: PARTITIONS,
                    replication: 1,
                    cleanup,
                }])?;
            }
            command
                .env("BROKERS", &broker.address)
                .env("PORT", address.port().to_string());
            command
                .env("ADMIN_PORT", free_address()?.port().to_string())
                .env("NODE_ENV", "production");
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
            (
                Server::Other(Other(
                    child.with_context(|| format!("starting {contender}"))?,
                )),
                address,
            )
        }
    };
    let until = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(address).is_err() {
        if Instant::now() > until {
            bail!("{contender} does not listen within 30 s");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok((server, address))
}

fn built(contender: &str) -> PathBuf {
    bench_folder().join("peers").join(contender)
}

fn command(contender: &str, address: SocketAddr) -> Result<Command> {
    Ok(match contender {
        "express" => {
            let mut command = Command::new("node");
            command.current_dir(built("express")).arg("server.js");
            command
        }
        "benthos" => {
            let mut command = Command::new(built("benthos").join("peer"));
            command
                .arg("-c")
                .arg(tree().join("bench/peers/ingress/benthos/config.yaml"));
            command
        }
        _ => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["echo", &address.to_string()]);
            command
        }
    })
}

/// Builds a peer where that was not done.
fn build(contender: &str) -> Result<()> {
    let folder = built(contender);
    if !["express", "benthos"].contains(&contender) || folder.exists() {
        return Ok(());
    }
    let source = tree().join("bench/peers/ingress").join(contender);
    // Whole or not at all.
    let unfinished = folder.with_extension("unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)?;
    }
    std::fs::create_dir_all(&unfinished)?;
    if contender == "express" {
        peer::run(Command::new("node").arg("--version").stdout(Stdio::null()))?;
        for file in ["package.json", "package-lock.json", "server.js"] {
            std::fs::copy(source.join(file), unfinished.join(file))?;
        }
        peer::run(Command::new("npm").current_dir(&unfinished).args([
            "ci",
            "--silent",
            "--no-audit",
            "--no-fund",
        ]))?;
    } else {
        peer::run(
            Command::new("go")
                .current_dir(&source)
                .args(["build", "-o"])
                .arg(unfinished.join("peer"))
                .arg("."),
        )?;
    }
    std::fs::rename(unfinished, folder)?;
    Ok(())
}

/// The bare server: reads the body, and answers 200.
pub(crate) fn echo(address: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let router = Router::new().route(
            "/webhooks/zoom",
            post(|body: bytes::Bytes| async move { body.len().to_string() }),
        );
        axum::serve(listener, router).await?;
        Ok(())
    })
}
