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

/// The admin address of a pipeline, listening. Started before the roles, so that it tells how far they
/// are.
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
        status: pipeline.status(),
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

/// Runs the roles until SIGTERM or SIGINT, or until one of them fails. A signal ends a start, too.
pub(super) async fn run(config: &Config, roles: &Roles) -> Result<()> {
    logging::start(config.connectors.zoom.log_level);
    let metrics = start_metrics()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked_to_stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(asked_to_stop);
    let mut pipeline = tokio::select! {
        opened = Pipeline::open(config, roles) => opened?,
        () = &mut asked_to_stop => return Ok(()),
    };
    let ended = tokio::select! {
        error = start_and_wait(config, &mut pipeline, metrics) => Err(error),
        () = &mut asked_to_stop => Ok(()),
    };
    tracing::info!("rollcall drains and stops");
    let stopped = pipeline.stop().await;
    ended.and(stopped)
}

/// Starts everything, and waits for something to fail.
async fn start_and_wait(
    config: &Config,
    pipeline: &mut Pipeline,
    metrics: PrometheusHandle,
) -> anyhow::Error {
    let started = async {
        start_admin(config, pipeline, metrics).await?;
        pipeline.start(config).await
    };
    if let Err(error) = started.await {
        return error;
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "rollcall runs");
    pipeline.failure().await
}
