//! `rollcall run`.

use std::sync::Arc;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::Admin;
use crate::config::Config;
use crate::inspect::Inspector;
use crate::logging;
use crate::pipeline::Pipeline;
use crate::roles::Roles;
use crate::sink_options;
use crate::status::StatusSource;

/// Starts the recorder that all counters of the process go to.
pub(crate) fn start_metrics() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .install_recorder()
        .context("starting the metrics")?;
    rollcall_eventlog::metric::describe();
    rollcall_runtime::metric::describe();
    rollcall_producer::metric::describe();
    rollcall_sink::metric::describe();
    Ok(handle)
}

/// The admin address of a pipeline, listening.
pub(crate) async fn start_admin(
    config: &Config,
    pipeline: &Pipeline,
    metrics: PrometheusHandle,
) -> Result<()> {
    let address = config.admin.listen.0;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("listening on {address} (admin.listen): is another rollcall running?")
    })?;
    let admin = Admin {
        inspector: Inspector::new(Arc::clone(&pipeline.log), pipeline.topics.clone()),
        status: StatusSource {
            log: Arc::clone(&pipeline.log),
            stages: pipeline.stages.clone(),
            sink: pipeline.sink.clone(),
        },
        metrics: metrics.clone(),
        prefix: pipeline.topics.prefix.clone(),
        wanted: sink_options::wanted(config),
    };
    tracing::info!(%address, "the admin address answers /status, /metrics, /healthz and /readyz");
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, admin.router()).await {
            tracing::error!(%error, "the admin address answers no more");
        }
    });
    tokio::spawn(async move {
        // Histograms hold every observation until this folds them.
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            metrics.run_upkeep();
        }
    });
    Ok(())
}

/// Runs the roles until SIGTERM or SIGINT, or until one of them fails.
pub(super) async fn run(config: &Config, roles: &Roles) -> Result<()> {
    logging::start(config.connectors.zoom.log_level);
    let metrics = start_metrics()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut pipeline = Pipeline::start(config, roles).await?;
    start_admin(config, &pipeline, metrics).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "rollcall runs");
    let failure = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        error = pipeline.failure() => Some(error),
    };
    tracing::info!("rollcall drains and stops");
    let stopped = pipeline.stop().await;
    match failure {
        Some(error) => Err(error),
        None => stopped,
    }
}
