//! Puts the roles together, and takes them apart again.

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
use rollcall_producer::ingress::Ingress;
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

/// A running pipeline.
pub(crate) struct Pipeline {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) topics: TopicSettings,
    pub(crate) stages: Vec<Arc<StageStatus>>,
    pub(crate) sink: Option<SinkHandle>,
    pub(crate) clock: Arc<dyn Clock>,
    shutdown: Shutdown,
    stop_ingress: Option<oneshot::Sender<()>>,
    ingress: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
    threads: Vec<JoinHandle<()>>,
    failures: mpsc::UnboundedReceiver<anyhow::Error>,
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

async fn clock(config: &Config) -> Result<Arc<dyn Clock>> {
    Ok(match &config.clock {
        Some(lent) => RemoteClock::connect(&lent.url).await?,
        None => Arc::new(SystemClock),
    })
}

impl Pipeline {
    /// Starts the roles. What fails at once fails here; what fails later comes by
    /// [`Pipeline::failure`].
    pub(crate) async fn start(config: &Config, roles: &Roles) -> Result<Self> {
        let topics = config.topics.settings();
        let clock = clock(config).await?;
        let log = {
            let config = config.clone();
            tokio::task::spawn_blocking(move || open_log(&config)).await??
        };
        {
            let (log, topics) = (Arc::clone(&log), topics.configs());
            tokio::task::spawn_blocking(move || log.ensure_topics(&topics))
                .await?
                .context("preparing the topics")?;
        }
        let (failed, failures) = mpsc::unbounded_channel();
        let mut pipeline = Self {
            log,
            topics,
            stages: Vec::new(),
            sink: None,
            clock,
            shutdown: Shutdown::default(),
            stop_ingress: None,
            ingress: None,
            threads: Vec::new(),
            failures,
        };
        if roles.has(Role::Ingress) && config.connectors.zoom.enabled {
            pipeline.start_ingress(config).await?;
        }
        if roles.has(Role::Processors) {
            pipeline.start_stages(config, &failed)?;
        }
        if roles.has(Role::Poller) {
            pipeline.start_clock(config, &failed)?;
        }
        if roles.has(Role::Sink) {
            anyhow::ensure!(
                !config.brevo.dry_run,
                "brevo.dry_run is true, and a dry run is not built yet: leave the sink out with --roles ingress,poller,processors, or set it to false"
            );
            pipeline.start_sink(config, &failed).await?;
        }
        Ok(pipeline)
    }

    fn start_stages(
        &mut self,
        config: &Config,
        failed: &mpsc::UnboundedSender<anyhow::Error>,
    ) -> Result<()> {
        let stages: [Arc<dyn Stage>; 2] = [
            Arc::new(Attendance::new(attendance_settings(config), &self.topics)),
            Arc::new(Engagement::new(&self.topics)),
        ];
        let state = StateSettings {
            folder: state_folder(config),
            memory: StateMemory::default(),
            write_back: WriteBackPolicy::default(),
            flush: FlushPolicy::default(),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let partitions = self.topics.partitions.get() as usize;
        let workers = (cores / stages.len()).clamp(1, partitions.max(1));
        for stage in stages {
            let status = Arc::new(StageStatus::new(stage.name()));
            self.stages.push(Arc::clone(&status));
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
                self.spawn(stage.name(), failed, move || {
                    Ok(Worker::run(log, stage, worker, &shutdown)?)
                })?;
            }
        }
        Ok(())
    }

    fn start_clock(
        &mut self,
        config: &Config,
        failed: &mpsc::UnboundedSender<anyhow::Error>,
    ) -> Result<()> {
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
        self.spawn("clock", failed, move || Ok(role.run(&shutdown)?))
    }

    async fn start_sink(
        &mut self,
        config: &Config,
        failed: &mpsc::UnboundedSender<anyhow::Error>,
    ) -> Result<()> {
        let options = sink_options::from(config, Arc::clone(&self.clock))?;
        let runtime = tokio::runtime::Handle::current();
        let sink = Sink::new(options, Arc::clone(&self.log), self.topics.clone(), runtime)?;
        sink.check().await?;
        self.sink = Some(sink.handle());
        let shutdown = self.shutdown.clone();
        self.spawn("sink", failed, move || Ok(sink.run(&shutdown)?))
    }

    async fn start_ingress(&mut self, config: &Config) -> Result<()> {
        let settings = config.ingress()?;
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
        failed: &mpsc::UnboundedSender<anyhow::Error>,
        run: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let failed = failed.clone();
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
