//! `bench-ingress`: signed webhooks of 1.1 KB to durable acknowledgement: Rollcall on the embedded log
//! and on Kafka, beside an axum server that only answers, Express and Benthos, in turns.
//!
//! `RUNS=3` and `SECONDS=10` say how often and how long; `ONLY=echo,embedded` which of `echo`,
//! `embedded`, `kafka`, `express`, `benthos`. Express is left out where there is no npm, Benthos where
//! there is no Go.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a person")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::routing::post;
use rollcall_bench::broker::Broker;
use rollcall_bench::http_load::{self, Pace};
use rollcall_bench::line::{Engine, Installation, Running, SECRET, free_address};
use rollcall_bench::measure::{cpu_seconds, peak_memory_mib};
use rollcall_bench::peer::{self, bench_folder, tree};
use rollcall_bench::report::{Goal, Report};
use rollcall_bench::webhook::{REGISTRATION, request};
use rollcall_eventlog::kafka::{KafkaConfig, KafkaLog};
use rollcall_eventlog::{CleanupPolicy, EventLog, TopicConfig};
use serde::Serialize;
use serde_json::{Map, Value};

const CONTENDERS: [&str; 5] = ["echo", "embedded", "kafka", "express", "benthos"];
const CONNECTIONS: [usize; 2] = [64, 1000];
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
    Rollcall(Running),
    Other(Child),
}

impl Server {
    fn pid(&self) -> u32 {
        match self {
            Self::Rollcall(running) => running.pid(),
            Self::Other(child) => child.id(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Self::Other(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn run() -> Result<()> {
    let setting = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .map_or(Ok(default), |text| text.parse())
    };
    let (runs, seconds) = (setting("RUNS", 3)?, setting("SECONDS", 10)?);
    let only = std::env::var("ONLY").unwrap_or_else(|_| CONTENDERS.join(","));
    let mut contenders: Vec<&str> = CONTENDERS
        .into_iter()
        .filter(|name| only.split(',').any(|wanted| wanted == *name))
        .collect();
    contenders.retain(|name| {
        build(name).unwrap_or_else(|error| {
            println!("{name} is left out: {error:#}");
            false
        })
    });
    let broker = Broker::fresh()?;
    let mut report = Report::new("ingress");
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
    let mut medians: Map<String, Value> = Map::new();
    for connections in CONNECTIONS {
        let mut by_contender: Vec<Vec<Run>> = contenders.iter().map(|_| Vec::new()).collect();
        for number in 1..=runs {
            for (contender, results) in contenders.iter().zip(&mut by_contender) {
                let name = format!("{contender}{connections}x{number}");
                let result = measure(
                    contender,
                    &name,
                    &broker,
                    connections,
                    Pace::AsFastAsAnswered,
                    length,
                )?;
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
            medians.insert(name, Value::Object(median));
        }
    }
    for contender in contenders
        .iter()
        .filter(|name| ["echo", "embedded", "kafka"].contains(name))
    {
        let mut results = Vec::new();
        for number in 1..=runs {
            results.push(measure(
                contender,
                &format!("{contender}-paced{number}"),
                &broker,
                64,
                Pace::PerSecond(5000.0),
                length,
            )?);
        }
        let median = report.runs(&format!("{contender}, 5000 a second"), &results)?;
        let p99 = median
            .get("p99_ms")
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN);
        if *contender != "echo" {
            report.goal(Goal::at_most(
                &format!("p99 in ms at 5,000 a second, {contender}"),
                10.0,
                p99,
            ));
        }
    }
    let of = |name: &str, figure: &str| {
        medians
            .get(name)
            .and_then(|of| of.get(figure))
            .and_then(Value::as_f64)
    };
    for (goal, ours, theirs, figure, wanted, at_least) in [
        (
            "embedded, times the echo's rate, 64 connections",
            "embedded, 64",
            "echo, 64",
            "requests_per_s",
            0.7,
            true,
        ),
        (
            "embedded, times the echo's rate, 1,000 connections",
            "embedded, 1000",
            "echo, 1000",
            "requests_per_s",
            0.7,
            true,
        ),
        (
            "kafka, times Benthos's rate",
            "kafka, 64",
            "benthos, 64",
            "requests_per_s",
            1.5,
            true,
        ),
        (
            "kafka, times Benthos's CPU a request",
            "kafka, 64",
            "benthos, 64",
            "cpu_us_a_request",
            0.5,
            false,
        ),
        (
            "kafka, times Express's requests per CPU-second",
            "kafka, 64",
            "express, 64",
            "requests_per_cpu_s",
            6.0,
            true,
        ),
    ] {
        if let (Some(ours), Some(theirs)) = (of(ours, figure), of(theirs, figure)) {
            report.ratio(goal, ours / theirs);
            report.goal(if at_least {
                Goal::at_least_times(goal, wanted, ours, theirs)
            } else {
                Goal::at_most_times(goal, wanted, ours, theirs)
            });
        }
    }
    report.finish()?;
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
    http_load::run(address, &request, connections, pace, WARM_UP)?;
    let (cpu, broker_cpu) = (cpu_seconds(server.pid())?, cpu_seconds(broker.pid)?);
    let outcome = http_load::run(address, &request, connections, pace, length)?;
    let micros = |seconds: f64| seconds * 1e6 / outcome.answered as f64;
    let cpu = cpu_seconds(server.pid())? - cpu;
    if outcome.answered == 0 {
        bail!("{contender} answered nothing with 200");
    }
    Ok(Run {
        requests_per_s: outcome.per_second(),
        p50_ms: outcome.percentile_ms(0.5),
        p99_ms: outcome.percentile_ms(0.99),
        p99_9_ms: outcome.percentile_ms(0.999),
        cpu_us_a_request: micros(cpu),
        requests_per_cpu_s: outcome.answered as f64 / cpu,
        broker_cpu_us_a_request: micros(cpu_seconds(broker.pid)? - broker_cpu),
        peak_memory_mib: peak_memory_mib(server.pid())?,
        failed: outcome.failed,
    })
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
            (
                Server::Rollcall(installation.start("ingress")?),
                installation.http,
            )
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
                    partitions: 4,
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
                Server::Other(child.with_context(|| format!("starting {contender}"))?),
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

/// Builds a peer where that was not done. Says whether there is one.
fn build(contender: &str) -> Result<bool> {
    let source = tree().join("bench/peers/ingress").join(contender);
    let folder = built(contender);
    match contender {
        "express" if !folder.join("node_modules").exists() => {
            std::fs::create_dir_all(&folder)?;
            for file in ["package.json", "package-lock.json", "server.js"] {
                if source.join(file).exists() {
                    std::fs::copy(source.join(file), folder.join(file))?;
                }
            }
            peer::run(Command::new("npm").current_dir(&folder).args([
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
            ]))?;
        }
        "benthos" if !folder.join("peer").exists() => {
            std::fs::create_dir_all(&folder)?;
            peer::run(
                Command::new("go")
                    .current_dir(&source)
                    .args(["build", "-o"])
                    .arg(folder.join("peer"))
                    .arg("."),
            )?;
        }
        _ => (),
    }
    Ok(true)
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
