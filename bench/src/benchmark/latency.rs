//! `bench-latency`: a hundred webhooks a second, each the registration of somebody new, from the
//! request to the contact's row readable: on Kafka with the binary that ships, read `read_committed`
//! from outside; on the embedded log in this process, because no other can read that log.
//!
//! `RUNS=3` says how many of each, `SECONDS=20` how long.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rollcall_bench::broker::Broker;
use rollcall_bench::http_load::post;
use rollcall_bench::input::Webhook;
use rollcall_bench::line::{Engine, Installation, SECRET};
use rollcall_bench::report::{Goal, Report};
use rollcall_bench::setting::{runs, setting};
use rollcall_bench::webhook::request;
use rollcall_eventlog::{EventLog, Reader};
use rollcall_processors::attendance::{Attendance, AttendanceSettings, NoShowProof};
use rollcall_processors::engagement::Engagement;
use rollcall_producer::ingress::{ANSWER_WITHIN, Ingress, IngressSettings};
use rollcall_runtime::clock::SystemClock;
use rollcall_runtime::secret::Secret;
use rollcall_runtime::{
    CommitPolicy, FlushPolicy, Shutdown, Stage, StageStatus, StateMemory, StateSettings, Worker,
    WorkerConfig, WriteBackPolicy,
};
use rollcall_schemas::catalogue::{ENGAGEMENT_CONTACTS, ZOOM_RAW};
use serde::Serialize;

const A_SECOND: f64 = 100.0;
/// The first seconds, in which caches fill and connections are made, do not count.
const WARM_UP: f64 = 3.0;

#[derive(Debug, Serialize)]
struct Run {
    contacts: usize,
    answered_p50_ms: f64,
    answered_p99_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

pub(crate) fn run() -> Result<()> {
    let (runs, seconds) = (runs()?, setting("SECONDS", 20.0)?);
    let mut report = Report::new("latency");
    report.note(
        "load",
        format!(
            "{A_SECOND} registrations a second of new people for {seconds} s, one connection each"
        ),
    );
    let broker = Broker::fresh()?;
    let (mut embedded, mut kafka) = (Vec::new(), Vec::new());
    for number in 1..=runs {
        embedded.push(on_embedded(number, seconds)?);
        kafka.push(on_kafka(&broker, number, seconds)?);
    }
    let embedded = report.runs("embedded (in one process with the reader)", &embedded)?;
    let kafka = report.runs("kafka", &kafka)?;
    report.goal(Goal::at_most(
        "p99 in ms, embedded",
        50.0,
        embedded.of("p99_ms")?,
    ));
    report.goal(Goal::at_most(
        "p99 in ms, Kafka",
        300.0,
        kafka.of("p99_ms")?,
    ));
    report.finish()?;
    Ok(())
}

fn on_kafka(broker: &Broker, number: usize, seconds: f64) -> Result<Run> {
    let engine = Engine::Kafka(broker.address.clone());
    let installation = Installation::fresh(&format!("latency-kafka{number}"), engine)?;
    let mut running = installation.start("ingress,processors")?;
    installation.wait_until_up(&mut running)?;
    let log = installation.open()?;
    let run = drive(&installation, &*log, installation.http, seconds)?;
    running.stop()?;
    log.close()?;
    Ok(run)
}

fn on_embedded(number: usize, seconds: f64) -> Result<Run> {
    let installation = Installation::fresh(&format!("latency-embedded{number}"), Engine::Embedded)?;
    let log = installation.open()?;
    let topics = installation.topics().clone();
    let settings = AttendanceSettings {
        no_show_proof: NoShowProof::Webhooks,
        ..AttendanceSettings::default()
    };
    let stages: [Arc<dyn Stage>; 2] = [
        Arc::new(Attendance::new(settings, &topics)),
        Arc::new(Engagement::new(&topics)),
    ];
    let state = StateSettings {
        folder: installation.state_folder(),
        memory: StateMemory::default(),
        write_back: WriteBackPolicy::default(),
        flush: FlushPolicy::default(),
    };
    let shutdown = Shutdown::default();
    let workers: Vec<_> = stages
        .into_iter()
        .map(|stage| {
            let config = WorkerConfig {
                topics: topics.clone(),
                state: state.clone(),
                commit: CommitPolicy::default(),
                instance: stage.name().to_owned(),
                clock: Arc::new(SystemClock),
                status: Arc::new(StageStatus::new(stage.name())),
            };
            let (log, shutdown) = (Arc::clone(&log), shutdown.clone());
            std::thread::spawn(move || Worker::run(log, stage, config, &shutdown))
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ingress = IngressSettings {
        secrets: vec![Secret::new(SECRET)],
        account_id: None,
        log_webhooks: false,
        answer_within: ANSWER_WITHIN,
    };
    let ingress = Ingress::new(
        ingress,
        log.appender()?,
        topics.route(&ZOOM_RAW),
        Arc::new(SystemClock),
    )?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
    let address = listener.local_addr()?;
    runtime.spawn(async move { axum::serve(listener, ingress.router()).await });
    let run = drive(&installation, &*log, address, seconds)?;
    shutdown.request();
    for worker in workers {
        worker
            .join()
            .map_err(|_| anyhow::anyhow!("a worker panicked"))??;
    }
    runtime.shutdown_background();
    log.close()?;
    Ok(run)
}

type Sent = Arc<Mutex<HashMap<String, Instant>>>;

/// Sends the registrations at their times, and notes when each contact could be read.
fn drive(
    installation: &Installation,
    log: &dyn EventLog,
    address: SocketAddr,
    seconds: f64,
) -> Result<Run> {
    let from = installation
        .partitions(&ENGAGEMENT_CONTACTS)
        .into_iter()
        .map(|partition| {
            log.offsets(&partition)
                .map(|offsets| (partition, offsets.end))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut reader = log.reader(&from)?;
    let sent = Sent::default();
    let sender = {
        let sent = Arc::clone(&sent);
        std::thread::spawn(move || send(address, seconds, &sent))
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small count"
    )]
    let wanted = (seconds * A_SECOND) as usize;
    let read = read(&mut *reader, &sent, wanted);
    let mut answered = sender
        .join()
        .map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    let mut latencies = read?;
    latencies.sort_unstable();
    answered.sort_unstable();
    let of = |times: &[Duration], share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length"
        )]
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times
            .get(index)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    };
    Ok(Run {
        contacts: latencies.len(),
        answered_p50_ms: of(&answered, 0.5),
        answered_p99_ms: of(&answered, 0.99),
        p50_ms: of(&latencies, 0.5),
        p99_ms: of(&latencies, 0.99),
        max_ms: of(&latencies, 1.0),
    })
}

/// Sends the registrations; returns the times to their answers.
fn send(address: SocketAddr, seconds: f64, sent: &Sent) -> Result<Vec<Duration>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let start = Instant::now();
        let mut tasks = Vec::new();
        let mut number = 0_u32;
        loop {
            let after = f64::from(number) / A_SECOND;
            if after >= WARM_UP + seconds {
                break;
            }
            tokio::time::sleep_until((start + Duration::from_secs_f64(after)).into()).await;
            let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
            let email = format!("new{number}@mail.example");
            let webhook = Webhook::registration(91_000_000_000 + u64::from(number), &email, now_ms);
            let request = request(&webhook.body, SECRET)?;
            let at = Instant::now();
            if after >= WARM_UP {
                sent.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(email, at);
            }
            tasks.push(tokio::spawn(async move {
                let status = post(address, &request).await?;
                if status != 200 {
                    bail!("answered {status}");
                }
                Ok(at.elapsed())
            }));
            number += 1;
        }
        let mut times = Vec::new();
        for task in tasks {
            times.push(task.await.context("a request panicked")??);
        }
        Ok(times)
    })
}

fn read(reader: &mut dyn Reader, sent: &Sent, wanted: usize) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut last = Instant::now();
    while latencies.len() < wanted {
        let Some(batch) = reader.poll(1000, Duration::from_millis(100))? else {
            if last.elapsed() > Duration::from_secs(30) {
                bail!("only {} of {wanted} contacts came", latencies.len());
            }
            continue;
        };
        let now = Instant::now();
        for record in batch.iter() {
            let email = std::str::from_utf8(record.key.unwrap_or_default())?;
            if let Some(at) = sent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(email)
            {
                latencies.push(now - at);
                last = now;
            }
        }
    }
    Ok(latencies)
}
