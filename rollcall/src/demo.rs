//! `rollcall demo`: a seeded account played through the whole line, and the truth beside Brevo.

mod roll;
mod rows;
pub(crate) mod screen;
pub(crate) mod view;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use rollcall_runtime::Shutdown;
use rollcall_runtime::clock::{Clock as _, SystemClock};
use rollcall_sandbox::configuration::PipelinePlaces;
use rollcall_sandbox::{Sandbox, SandboxOptions};

use crate::commands::{print, start_admin, start_metrics};
use crate::config::{Config, LogLevel};
use crate::logging;
use crate::pipeline::Pipeline;
use crate::roles::Roles;
use crate::status::StatusSource;

use roll::Rolls;
use screen::Screen;

/// How long nothing may change before a difference is one.
const PATIENCE: Duration = Duration::from_secs(20);
const DRAW_EVERY: Duration = Duration::from_millis(200);
const MOST_DIFFERENCES: usize = 20;

/// A seeded account, played.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Keep the log and the configuration in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Use this Apache Kafka instead of the embedded log: host:port, with commas between
    #[arg(long, value_name = "BROKERS")]
    kafka: Option<String>,
    /// What the story is told from: the same seed, the same story
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many registrations the story has, about
    #[arg(long, default_value_t = 300)]
    registrants: usize,
    /// Seconds that the story takes at least
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

pub(crate) async fn run(arguments: DemoArguments) -> Result<ExitCode> {
    logging::start(LogLevel::Error);
    let folder = Folder::prepare(arguments.keep.as_deref())?;
    let mut screen = Screen::on_standard_output();
    screen.say(&format!(
        "Playing a Zoom account through Rollcall to a Brevo account, all on this machine.\nSeed {}, about {} registrations, log {}.\n\n",
        arguments.seed,
        arguments.registrants,
        arguments.kafka.as_deref().map_or("embedded".to_owned(), |brokers| format!("on Kafka at {brokers}")),
    ));

    let (http, admin) = free_addresses()?;
    let places = PipelinePlaces {
        http,
        admin,
        log: log_setting(&arguments, folder.path()),
    };
    let mut options = SandboxOptions::to(format!("http://{}/webhooks/zoom", places.http));
    options.seed = arguments.seed;
    options.registrants = arguments.registrants;
    options.player.pace = Some(Duration::from_secs(arguments.seconds));
    let sandbox = Sandbox::start(options).await?;
    let mut yaml = sandbox.configuration_yaml(&places);
    // Topics of its own for each play, so that every play starts from nothing.
    let prefix = format!("demo-{}-{}.", SystemClock.now_ms(), std::process::id());
    if arguments.kafka.is_some() {
        yaml.push_str(&format!("topics: {{ prefix: \"{prefix}\" }}\n"));
    }
    let file = folder.path().join("rollcall.yaml");
    std::fs::write(&file, &yaml).with_context(|| format!("writing {}", file.display()))?;
    let config = Config::load(&file)?;

    let metrics = start_metrics()?;
    let mut pipeline = Pipeline::open(&config, &Roles::default()).await?;
    let stop = Shutdown::default();
    let rolls = roll::follow(&pipeline.log, &pipeline.topics, &stop)?;
    let status = pipeline.status();
    let run = async {
        start_admin(&config, &pipeline, metrics).await?;
        pipeline.start(&config).await?;
        tokio::select! {
            error = pipeline.failure() => Err(error),
            played = play(&sandbox, &status, &rolls, &mut screen) => played,
        }
    };
    let played = tokio::select! {
        played = run => played,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("stopped before the end")),
    };
    stop.request();
    let stopped = pipeline.stop().await;
    if let Some(brokers) = &arguments.kafka {
        screen.say(&topics_left(&prefix, brokers));
    }
    played?;
    stopped?;
    report(&sandbox, &rolls, &mut screen)?;
    let agrees = sandbox.differences().is_empty()
        && rows::differences(&sandbox.truth(), &lock(&rolls)).is_empty();
    let program = program();
    screen.say(&match &arguments.keep {
        Some(_) => {
            let (email, occurrence) = examples(&lock(&rolls));
            let file = file.display();
            format!(
                "\nKept. Look closer:\n  {program} contact {email} -c {file}\n  {program} occurrence {occurrence} -c {file}\n"
            )
        }
        None => format!(
            "\nNothing is kept. To look closer at people and meetings afterwards: {program} demo --keep DIR\n"
        ),
    });
    Ok(if agrees {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Draws until the story is over and everything has arrived, or nothing changes any more.
async fn play(
    sandbox: &Sandbox,
    status: &StatusSource,
    rolls: &Mutex<Rolls>,
    screen: &mut Screen,
) -> Result<()> {
    let finished = sandbox.zoom().finished();
    tokio::pin!(finished);
    loop {
        let over = tokio::select! {
            over = &mut finished => Some(over?),
            () = tokio::time::sleep(DRAW_EVERY) => None,
        };
        screen.draw(&view::live(
            sandbox,
            &status.report().await,
            &lock(rolls).running(),
        ));
        if over.is_some() {
            break;
        }
    }
    let mut last = (0, 0, Instant::now());
    loop {
        let report = status.report().await;
        screen.draw(&view::live(sandbox, &report, &lock(rolls).running()));
        let idle = report.stages.iter().all(|stage| stage.lag == Some(0))
            && report.sink.as_ref().is_some_and(|sink| sink.drained);
        if idle
            && sandbox.differences().is_empty()
            && rows::differences(&sandbox.truth(), &lock(rolls)).is_empty()
        {
            // What would come twice comes now.
            tokio::time::sleep(Duration::from_secs(1)).await;
            return Ok(());
        }
        let snapshot = sandbox.snapshot();
        let now = (snapshot.contacts.len(), snapshot.events.len());
        if now != (last.0, last.1) {
            last = (now.0, now.1, Instant::now());
        } else if last.2.elapsed() > PATIENCE {
            return Ok(());
        }
        tokio::time::sleep(DRAW_EVERY).await;
    }
}

fn report(sandbox: &Sandbox, rolls: &Mutex<Rolls>, screen: &mut Screen) -> Result<()> {
    let truth = sandbox.truth();
    let rolls = lock(rolls);
    screen.keep();
    print("\nThe roll\n")?;
    print(&view::figures("log", &rows::figures(&truth, &rolls)))?;
    print("\nBrevo\n")?;
    print(&view::summary(&sandbox.summary()))?;
    let mut differences: Vec<String> = rows::differences(&truth, &rolls);
    differences.extend(sandbox.differences().iter().map(ToString::to_string));
    if differences.is_empty() {
        return print("\nBrevo has what is true: every contact, list and event, each once.\n");
    }
    print(&format!("\n{} differences:\n", differences.len()))?;
    for difference in differences.iter().take(MOST_DIFFERENCES) {
        print(&format!("  {difference}\n"))?;
    }
    Ok(())
}

/// The program that runs, as a person can call it again.
fn program() -> String {
    std::env::current_exe()
        .map_or_else(|_| "rollcall".to_owned(), |path| path.display().to_string())
}

/// What a play leaves on a cluster, and how to be rid of it.
fn topics_left(prefix: &str, brokers: &str) -> String {
    let pattern = prefix.replace('.', "\\.");
    format!(
        "\nThe topics {prefix}* stay on the cluster. To remove them: kafka-topics.sh --bootstrap-server {brokers} --delete --topic '{pattern}.*'\n"
    )
}

/// Somebody who attended, and what.
fn examples(rolls: &Rolls) -> (String, String) {
    rolls
        .rows()
        .iter()
        .max_by_key(|(_, row)| row.seconds)
        .map(|((email, occurrence), _)| (email.clone(), occurrence.clone()))
        .unwrap_or_default()
}

fn lock(rolls: &Mutex<Rolls>) -> std::sync::MutexGuard<'_, Rolls> {
    rolls.lock().unwrap_or_else(PoisonError::into_inner)
}

fn log_setting(arguments: &DemoArguments, folder: &Path) -> String {
    let folder = folder.display();
    match &arguments.kafka {
        Some(brokers) => {
            format!("kafka: {{ brokers: \"{brokers}\", state_path: \"{folder}/state\" }}")
        }
        None => format!("embedded: {{ path: \"{folder}/log\" }}"),
    }
}

/// Two addresses that are free now, below the ports that connections are given: until the pipeline
/// listens there, none takes them.
fn free_addresses() -> Result<(SocketAddr, SocketAddr)> {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("below 10,000");
    let mut free = (first..32_000).chain(20_000..first).filter_map(|port| {
        TcpListener::bind(("127.0.0.1", port))
            .ok()?
            .local_addr()
            .ok()
    });
    free.next()
        .zip(free.next())
        .context("no two ports from 20000 to 32000 are free on 127.0.0.1")
}

/// Where the demo works: a folder that is kept, or one that goes with the demo.
enum Folder {
    Kept(PathBuf),
    Passing(PathBuf),
}

impl Folder {
    fn prepare(keep: Option<&Path>) -> Result<Self> {
        let (path, kept) = match keep {
            Some(path) => (path.to_owned(), true),
            None => (
                std::env::temp_dir().join(format!("rollcall-demo-{}", std::process::id())),
                false,
            ),
        };
        if kept && path.join("rollcall.yaml").exists() {
            anyhow::bail!(
                "{} holds an earlier demo: name another folder, or remove it",
                path.display()
            );
        }
        std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        let path = path.canonicalize()?;
        Ok(if kept {
            Self::Kept(path)
        } else {
            Self::Passing(path)
        })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) | Self::Passing(path) => path,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Self::Passing(path) = self {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}
