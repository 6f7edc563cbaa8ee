//! Rollcall as it ships: configured, started, watched, stopped, and its outputs verified.

mod pen;
mod process;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::kafka::{KafkaConfig, KafkaLog};
use rollcall_eventlog::{EventLog, TopicPartition};
use rollcall_runtime::TopicSettings;
use rollcall_schemas::catalogue::{ENGAGEMENT_ATTENDANCE, ENGAGEMENT_CONTACTS, Topic, ZOOM_RAW};
use serde::Deserialize;

pub use self::pen::Pen;
pub use self::process::{Running, Work};
use crate::answer::{Answer, Found};
use crate::input::{Webhook, Webhooks};
use crate::measure::{bytes_written, cpu_seconds, peak_memory_mib};
use crate::peer::{Load, bench_folder, tree};

/// Partitions of each topic.
pub const PARTITIONS: u32 = 4;
/// The secret token that the configuration names.
pub const SECRET: &str = "secret-token";
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Both stages are to have nothing left for this many looks.
const LOOKS_AT_REST: u32 = 8;
/// Stores that take next to no CPU for this long have compacted.
const QUIET_FOR: Duration = Duration::from_secs(3);

/// Which log Rollcall runs on.
#[derive(Clone, Debug)]
pub enum Engine {
    /// The log in a folder.
    Embedded,
    /// Brokers.
    Kafka(String),
}

/// One installation of Rollcall: a folder, a log, a prefix.
pub struct Installation {
    folder: PathBuf,
    engine: Engine,
    topics: TopicSettings,
    /// What is started: [`binary`] unless set otherwise.
    pub binary: PathBuf,
    /// Where it takes in webhooks.
    pub http: SocketAddr,
    admin: SocketAddr,
}

/// How a stage fares, as the admin address says it.
#[derive(Clone, Debug, Deserialize)]
pub struct Stage {
    /// Its name.
    pub stage: String,
    /// Whether every partition is processed, none being recovered.
    pub ready: bool,
    /// Partitions assigned.
    pub partitions: u32,
    /// Offsets not yet committed.
    pub lag: Option<u64>,
}

impl Stage {
    fn is_up(&self) -> bool {
        self.ready && self.partitions == PARTITIONS
    }
}

#[derive(Deserialize)]
struct Status {
    stages: Vec<Stage>,
}

/// The binary that is measured: the release build, or the one that `ROLLCALL_BIN` names.
#[must_use]
pub fn binary() -> PathBuf {
    std::env::var_os("ROLLCALL_BIN")
        .map_or_else(|| tree().join("target/release/rollcall"), PathBuf::from)
}

/// An address that is free now.
///
/// # Errors
///
/// Where the machine has none.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

impl Installation {
    /// An empty installation in a fresh folder, with four partitions a topic.
    ///
    /// # Errors
    ///
    /// Where the folder or the topics cannot be made.
    pub fn fresh(name: &str, engine: Engine) -> Result<Self> {
        let folder = bench_folder().join("rollcall").join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let topics = TopicSettings {
            prefix: match engine {
                Engine::Kafka(_) => format!("{name}."),
                Engine::Embedded => String::new(),
            },
            partitions: NonZeroU32::new(PARTITIONS).context("there are some")?,
            ..TopicSettings::default()
        };
        let installation = Self {
            folder,
            engine,
            topics,
            binary: binary(),
            http: free_address()?,
            admin: free_address()?,
        };
        std::fs::write(installation.configuration(), installation.yaml())?;
        let log = installation.open()?;
        log.ensure_topics(&installation.topics.configs())?;
        log.close()?;
        Ok(installation)
    }

    /// Takes its folder away, of which several would fill a disk.
    ///
    /// # Errors
    ///
    /// Where that is refused.
    pub fn remove(self) -> Result<()> {
        Ok(std::fs::remove_dir_all(&self.folder)?)
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("rollcall.yaml")
    }

    /// All settings but addresses, folders, proof of no-shows and the level of logging are the
    /// defaults.
    fn yaml(&self) -> String {
        let log = match &self.engine {
            Engine::Embedded => {
                format!("embedded: {{ path: \"{}\" }}", self.log_folder().display())
            }
            Engine::Kafka(brokers) => {
                format!(
                    "kafka: {{ brokers: \"{brokers}\", state_path: \"{}\" }}",
                    self.state_folder().display()
                )
            }
        };
        format!(
            "connectors:\n  zoom:\n    account_id: QjR7wAccTaWx0mZbq9Yp1A\n    no_show_proof: webhooks\n    \
             webhook: {{ secret_token: {SECRET} }}\n    log_level: warn\nbrevo: {{ api_key: none }}\n\
             http: {{ listen: \"{}\" }}\nadmin: {{ listen: \"{}\" }}\nlog:\n  {log}\ntopics: {{ prefix: \"{}\", partitions: {PARTITIONS} }}\n",
            self.http, self.admin, self.topics.prefix
        )
    }

    /// The folder of the embedded log.
    #[must_use]
    pub fn log_folder(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The folder of the stages' stores.
    #[must_use]
    pub fn state_folder(&self) -> PathBuf {
        match self.engine {
            Engine::Embedded => self.log_folder().join("state"),
            Engine::Kafka(_) => self.folder.join("state"),
        }
    }

    /// How its topics are.
    #[must_use]
    pub fn topics(&self) -> &TopicSettings {
        &self.topics
    }

    /// The partitions of a topic here.
    #[must_use]
    pub fn partitions(&self, topic: &Topic) -> Vec<TopicPartition> {
        self.topics.route(topic).all().collect()
    }

    /// A topic's name here.
    #[must_use]
    pub fn topic(&self, topic: &Topic) -> Arc<str> {
        self.topics.name(topic)
    }

    /// The group of a stage here.
    #[must_use]
    pub fn group(&self, stage: &str) -> Arc<str> {
        rollcall_runtime::group(&self.topics, stage)
    }

    /// Opens the log, which on the embedded engine no process may have open.
    ///
    /// # Errors
    ///
    /// Where it cannot be opened.
    pub fn open(&self) -> Result<Arc<dyn EventLog>> {
        Ok(match &self.engine {
            Engine::Embedded => EmbeddedLog::open(EmbeddedConfig::new(self.log_folder()))?,
            Engine::Kafka(brokers) => KafkaLog::open(KafkaConfig::new(brokers.clone()))?,
        })
    }

    /// Writes a load to `zoom.raw`, as the ingress would, and ticks with it. Returns how many webhooks.
    ///
    /// # Errors
    ///
    /// Where the log fails.
    pub fn preload(&self, load: &Load) -> Result<u64> {
        self.preload_some(load, u64::MAX)
    }

    /// The same with the first webhooks of the load only.
    ///
    /// # Errors
    ///
    /// Where the log fails.
    pub fn preload_some(&self, load: &Load, most: u64) -> Result<u64> {
        let log = self.open()?;
        let mut pen = self.pen(&*log)?;
        let mut input = Webhooks::open(&load.webhooks)?;
        let (mut webhook, mut count) = (Webhook::default(), 0);
        while count < most && input.read(&mut webhook)? {
            pen.ticks(&input.ticks_before(&webhook))?;
            pen.webhook(&webhook)?;
            count += 1;
        }
        pen.ticks(&input.last_ticks())?;
        pen.wait()?;
        drop(pen);
        log.close()?;
        Ok(count)
    }

    /// Writes webhooks to `zoom.raw` of an open log.
    ///
    /// # Errors
    ///
    /// Where the log cannot be written.
    pub fn pen(&self, log: &dyn EventLog) -> Result<Pen> {
        Pen::new(log, self.topics.route(&ZOOM_RAW))
    }

    /// Starts the roles named.
    ///
    /// # Errors
    ///
    /// Where there is no binary.
    pub fn start(&self, roles: &str) -> Result<Running> {
        let errors = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("stderr.log"))?;
        let mut command = Command::new(&self.binary);
        command
            .args(["run", "-c"])
            .arg(self.configuration())
            .args(["--roles", roles])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        Running::start(command)
    }

    /// How the stages fare; none where the admin address does not answer yet.
    #[must_use]
    pub fn stages(&self) -> Option<Vec<Stage>> {
        let mut stream = TcpStream::connect(self.admin).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .ok()?;
        stream
            .write_all(b"GET /status HTTP/1.0\r\nHost: admin\r\nAccept: application/json\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str::<Status>(body)
            .ok()
            .map(|status| status.stages)
    }

    /// Waits until both stages process all of their partitions.
    ///
    /// # Errors
    ///
    /// Where Rollcall ends before.
    pub fn wait_until_up(&self, running: &mut Running) -> Result<()> {
        while !self
            .stages()
            .is_some_and(|stages| stages.len() == 2 && stages.iter().all(Stage::is_up))
        {
            running.check()?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Runs both stages until they have nothing left.
    ///
    /// # Errors
    ///
    /// Where Rollcall does not come to its end.
    pub fn run_to_rest(&self) -> Result<Work> {
        let mut running = self.start("processors")?;
        let mut work = Work::default();
        let mut at_rest = 0;
        while at_rest < LOOKS_AT_REST {
            std::thread::sleep(LOOK_EVERY);
            running.check()?;
            let done = self.stages().is_some_and(|stages| {
                stages.len() == 2
                    && stages
                        .iter()
                        .all(|stage| stage.is_up() && stage.lag == Some(0))
            });
            if !done {
                at_rest = 0;
                continue;
            }
            if at_rest == 0 {
                work.wall_s = running.elapsed().as_secs_f64();
                work.cpu_s = cpu_seconds(running.pid())?;
                work.written = bytes_written(running.pid())?;
            }
            at_rest += 1;
        }
        work.peak_memory_mib = peak_memory_mib(running.pid())?;
        running.stop()?;
        Ok(work)
    }

    /// Runs both stages, which have nothing to do, until their stores have compacted what was written
    /// before.
    ///
    /// # Errors
    ///
    /// Where Rollcall ends by itself.
    pub fn settle(&self) -> Result<()> {
        let mut running = self.start("processors")?;
        self.wait_until_up(&mut running)?;
        loop {
            let before = cpu_seconds(running.pid())?;
            std::thread::sleep(QUIET_FOR);
            running.check()?;
            if cpu_seconds(running.pid())? - before < QUIET_FOR.as_secs_f64() / 20.0 {
                return running.stop();
            }
        }
    }

    /// Reads a topic from its start to its end.
    ///
    /// # Errors
    ///
    /// Where the log fails, or `see` does.
    pub fn read(
        &self,
        log: &dyn EventLog,
        topic: &Topic,
        mut see: impl FnMut(&[u8], Option<&[u8]>) -> Result<()>,
    ) -> Result<u64> {
        let partitions = self.partitions(topic);
        let mut count = 0;
        for partition in partitions {
            let offsets = log.offsets(&partition)?;
            let mut position = offsets.start;
            let mut reader = log.reader(&[(partition, position)])?;
            while position < offsets.end {
                let Some(batch) = reader.poll(10_000, Duration::from_secs(5))? else {
                    continue;
                };
                for record in batch.iter() {
                    count += 1;
                    see(record.key.unwrap_or_default(), record.value)?;
                }
                position = batch.next_offset();
            }
        }
        Ok(count)
    }

    /// How many records a topic was given.
    ///
    /// # Errors
    ///
    /// Where the log fails.
    pub fn count(&self, topic: &Topic) -> Result<u64> {
        let log = self.open()?;
        let mut count = 0;
        for partition in self.partitions(topic) {
            let offsets = log.offsets(&partition)?;
            count += u64::try_from(offsets.end - offsets.start)?;
        }
        log.close()?;
        Ok(count)
    }

    /// Holds the last rows and contacts to the answer. Returns how many records of both were written.
    ///
    /// # Errors
    ///
    /// Where they differ, or the log fails.
    pub fn verify(&self, expected: &Path) -> Result<(u64, u64)> {
        let log = self.open()?;
        let mut found = Found::default();
        let rows = self.read(&*log, &ENGAGEMENT_ATTENDANCE, |key, value| {
            found.take_row(key, value)
        })?;
        let contacts = self.read(&*log, &ENGAGEMENT_CONTACTS, |_, value| {
            found.take_contact(value.context("a contact of this load was taken back")?)
        })?;
        log.close()?;
        Answer::read(expected)?.check(&found)?;
        Ok((rows, contacts))
    }
}
