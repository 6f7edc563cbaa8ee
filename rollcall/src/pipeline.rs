//! Puts the roles together, and takes them apart again.
//!
//! Whatever runs on a thread is joined before the process ends, also where a start fails half-way:
//! the stores are written in C++, whose tear-down at the end of a process waits for nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use rollcall_eventlog::EventLog;
use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::kafka::{KafkaConfig, KafkaLog};
use rollcall_processors::attendance::{Attendance, AttendanceSettings, NoShowProof};
use rollcall_processors::engagement::Engagement;
use rollcall_producer::clock_role::{
    ClockRole, ClockRoleSettings, TICK_EVERY, TICK_EVERY_ON_A_LENT_CLOCK,
};
use rollcall_producer::ingress::{Ingress, IngressSettings};
use rollcall_producer::remote_clock::RemoteClock;
use rollcall_runtime::clock::{Clock, SystemClock};
use rollcall_runtime::{
    CommitPolicy, FlushPolicy, Shutdown, Stage, StageStatus, StateMemory, StateSettings,
    TopicSettings, Worker, WorkerConfig, WriteBackPolicy,
};
use rollcall_schemas::catalogue::ZOOM_RAW;
use rollcall_sink::{Sink, SinkHandle};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::config::{self, Config, Log};
use crate::roles::{Role, Roles};
use crate::sink_options;
use crate::status::StatusSource;

/// A pipeline: opened, then started, and stopped in any case.
pub(crate) struct Pipeline {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) topics: TopicSettings,
    /// The roles of this process, started or not.
    served: Vec<Role>,
    stages: Vec<Arc<StageStatus>>,
    sink: Option<SinkHandle>,
    clock: Arc<dyn Clock>,
    roles: Prepared,
    shutdown: Shutdown,
    stop_ingress: Option<oneshot::Sender<()>>,
    ingress: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
    threads: Vec<JoinHandle<()>>,
    failed: mpsc::UnboundedSender<anyhow::Error>,
    failures: mpsc::UnboundedReceiver<anyhow::Error>,
}

/// The roles of this process that are to be started.
#[derive(Default)]
struct Prepared {
    ingress: Option<IngressSettings>,
    stages: Vec<(Arc<dyn Stage>, Arc<StageStatus>)>,
    clock: bool,
    sink: Option<Sink>,
}

/// Opens the log that is configured.
pub(crate) fn open_log(config: &Config) -> Result<Arc<dyn EventLog>> {
    match &config.log {
        Log::Embedded(embedded) => {
            let mut settings = EmbeddedConfig::new(&embedded.path);
            settings.reserve_bytes = embedded.reserve.0;
            Ok(EmbeddedLog::open(settings)?)
        }
        Log::Kafka(kafka) => {
            let mut settings = KafkaConfig::new(kafka.brokers.clone());
            settings.properties = kafka
                .properties
                .0
                .iter()
                .map(|(name, value)| (name.clone(), value.expose().to_owned()))
                .collect();
            settings.session_timeout = kafka.session_timeout.0;
            settings.client_id = format!("rollcall-{}", config.instance_name());
            Ok(KafkaLog::open(settings)?)
        }
    }
}

fn state_folder(config: &Config) -> PathBuf {
    match &config.log {
        Log::Embedded(embedded) => embedded.path.join("state"),
        Log::Kafka(kafka) => kafka.state_path.clone(),
    }
}

fn attendance_settings(config: &Config) -> AttendanceSettings {
    let zoom = &config.connectors.zoom;
    let ms = |period: &config::Period| i64::try_from(period.0.as_millis()).unwrap_or(i64::MAX);
    AttendanceSettings {
        window_ms: ms(&zoom.occurrence.window),
        join_gap_ms: ms(&zoom.occurrence.join_gap),
        finalize_after_ms: ms(&zoom.finalize_after),
        no_show_proof: match zoom.no_show_proof {
            config::NoShowProof::Report => NoShowProof::Report,
            config::NoShowProof::Webhooks => NoShowProof::Webhooks,
        },
        internal_domains: zoom
            .sync
            .internal_domains
            .iter()
            .map(|domain| domain.as_str().to_owned())
            .collect(),
    }
}

fn stages(config: &Config, topics: &TopicSettings) -> Vec<(Arc<dyn Stage>, Arc<StageStatus>)> {
    let stages: [Arc<dyn Stage>; 2] = [
        Arc::new(Attendance::new(attendance_settings(config), topics)),
        Arc::new(Engagement::new(topics)),
    ];
    stages
        .into_iter()
        .map(|stage| {
            let status = Arc::new(StageStatus::new(stage.name()));
            (stage, status)
        })
        .collect()
}

async fn clock(config: &Config) -> Result<Arc<dyn Clock>> {
    Ok(match &config.clock {
        Some(lent) => RemoteClock::connect(&lent.url).await?,
        None => Arc::new(SystemClock),
    })
}

impl Pipeline {
    /// Opens the log and makes the roles ready. None of them runs yet. A configuration that a role
    /// cannot use is refused before anything is made on disk.
    pub(crate) async fn open(config: &Config, roles: &Roles) -> Result<Self> {
        let takes_webhooks = roles.has(Role::Ingress) && config.connectors.zoom.enabled;
        let ingress = takes_webhooks.then(|| config.ingress()).transpose()?;
        let clock = clock(config).await?;
        let sink_options = roles
            .has(Role::Sink)
            .then(|| sink_options::from(config, Arc::clone(&clock)))
            .transpose()?;
        let topics = config.topics.settings();
        let log = {
            let (config, topics) = (config.clone(), topics.configs());
            let open = move || {
                let log = open_log(&config)?;
                log.ensure_topics(&topics).context("preparing the topics")?;
                anyhow::Ok(log)
            };
            tokio::task::spawn_blocking(open).await??
        };
        let stages = if roles.has(Role::Processors) {
            stages(config, &topics)
        } else {
            Vec::new()
        };
        let sink = sink_options
            .map(|options| {
                let runtime = tokio::runtime::Handle::current();
                Sink::new(options, Arc::clone(&log), topics.clone(), runtime)
            })
            .transpose()?;
        let (failed, failures) = mpsc::unbounded_channel();
        Ok(Self {
            log,
            topics,
            served: [Role::Ingress, Role::Poller, Role::Processors, Role::Sink]
                .into_iter()
                .filter(|role| roles.has(*role) && (*role != Role::Ingress || takes_webhooks))
                .collect(),
            stages: stages
                .iter()
                .map(|(_, status)| Arc::clone(status))
                .collect(),
            sink: sink.as_ref().map(Sink::handle),
            clock,
            roles: Prepared {
                ingress,
                stages,
                clock: roles.has(Role::Poller),
                sink,
            },
            shutdown: Shutdown::default(),
            stop_ingress: None,
            ingress: None,
            threads: Vec::new(),
            failed,
            failures,
        })
    }

    /// Starts the roles. What fails at once fails here; what fails later comes by
    /// [`Pipeline::failure`]. May be given up half-way. Where it fails or is given up, some roles run:
    /// [`Pipeline::stop`] ends them.
    pub(crate) async fn start(&mut self, config: &Config) -> Result<()> {
        let Prepared {
            ingress,
            stages,
            clock,
            sink,
        } = std::mem::take(&mut self.roles);
        if let Some(settings) = ingress {
            self.start_ingress(config, settings).await?;
        }
        self.start_stages(config, stages)?;
        if clock {
            self.start_clock(config)?;
        }
        if let Some(sink) = sink {
            self.start_sink(sink).await?;
        }
        Ok(())
    }

    /// From where its status is told.
    pub(crate) fn status(&self) -> StatusSource {
        StatusSource {
            log: Arc::clone(&self.log),
            topics: self.topics.clone(),
            roles: self.served.clone(),
            stages: self.stages.clone(),
            sink: self.sink.clone(),
        }
    }

    fn start_stages(
        &mut self,
        config: &Config,
        stages: Vec<(Arc<dyn Stage>, Arc<StageStatus>)>,
    ) -> Result<()> {
        let state = StateSettings {
            folder: state_folder(config),
            memory: StateMemory::default(),
            write_back: WriteBackPolicy::default(),
            flush: FlushPolicy::default(),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let partitions = self.topics.partitions.get() as usize;
        let workers = (cores / stages.len().max(1)).clamp(1, partitions.max(1));
        for (stage, status) in stages {
            for number in 0..workers {
                let (log, stage, shutdown) = (
                    Arc::clone(&self.log),
                    Arc::clone(&stage),
                    self.shutdown.clone(),
                );
                let worker = WorkerConfig {
                    topics: self.topics.clone(),
                    state: state.clone(),
                    commit: CommitPolicy::default(),
                    instance: format!("{}-{}-{number}", config.instance_name(), stage.name()),
                    clock: Arc::new(SystemClock),
                    status: Arc::clone(&status),
                };
                self.spawn(stage.name(), move || {
                    Ok(Worker::run(log, stage, worker, &shutdown)?)
                })?;
            }
        }
        Ok(())
    }

    fn start_clock(&mut self, config: &Config) -> Result<()> {
        let settings = ClockRoleSettings {
            topics: self.topics.clone(),
            instance: format!("{}-clock", config.instance_name()),
            every: if config.clock.is_some() {
                TICK_EVERY_ON_A_LENT_CLOCK
            } else {
                TICK_EVERY
            },
        };
        let role = ClockRole::new(Arc::clone(&self.log), Arc::clone(&self.clock), settings);
        let shutdown = self.shutdown.clone();
        self.spawn("clock", move || Ok(role.run(&shutdown)?))
    }

    async fn start_sink(&mut self, sink: Sink) -> Result<()> {
        sink.check().await?;
        let shutdown = self.shutdown.clone();
        self.spawn("sink", move || Ok(sink.run(&shutdown)?))
    }

    async fn start_ingress(&mut self, config: &Config, settings: IngressSettings) -> Result<()> {
        let appender = self.log.appender()?;
        let ingress = Ingress::new(
            settings,
            appender,
            self.topics.route(&ZOOM_RAW),
            Arc::new(SystemClock),
        )?;
        let address = config.http.listen.0;
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("listening on {address} (http.listen): is another process there?")
        })?;
        tracing::info!(%address, "Zoom's webhooks are taken in at /webhooks/zoom");
        let (stop, stopped) = oneshot::channel::<()>();
        self.stop_ingress = Some(stop);
        self.ingress = Some(tokio::spawn(async move {
            axum::serve(listener, ingress.router())
                .with_graceful_shutdown(async {
                    let _ = stopped.await;
                })
                .await
        }));
        Ok(())
    }

    /// Runs a role on a thread of its own. One that panics has failed.
    fn spawn(
        &mut self,
        name: &'static str,
        run: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let failed = self.failed.clone();
        let run = move || {
            let result = catch_unwind(AssertUnwindSafe(run))
                .unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")));
            if let Err(error) = result {
                let _ = failed.send(error.context(name));
            }
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .with_context(|| format!("starting the thread {name}"))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Waits for a role to fail.
    pub(crate) async fn failure(&mut self) -> anyhow::Error {
        match self.failures.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Stops taking in, lets what is under way come to its end, and closes the log.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.stop_ingress.take());
        if let Some(ingress) = self.ingress.take() {
            // Connections that stay open without a request are not waited for.
            let _ = tokio::time::timeout(Duration::from_secs(5), ingress).await;
        }
        self.shutdown.request();
        let threads = std::mem::take(&mut self.threads);
        let log = Arc::clone(&self.log);
        tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a thread of the pipeline panicked");
                }
            }
            log.close()
        })
        .await?
        .context("closing the log")
    }
}
