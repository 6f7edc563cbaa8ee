//! Asks the process that runs, or, where none does, reads the log itself.

use std::sync::Arc;

use anyhow::{Context, Result};
use rollcall_eventlog::EventLog;
use serde::de::DeserializeOwned;

use crate::admin::client::AdminClient;
use crate::config::{Config, Log};
use crate::inspect::{Inspector, Place, Redriven};
use crate::pipeline::open_log;
use crate::status::StatusReport;

/// What the log says: by the running process, or by reading it here.
pub(super) async fn log<T: DeserializeOwned + Send + 'static>(
    config: &Config,
    path: &[&str],
    query: &[(&str, &str)],
    read: impl FnOnce(&Inspector) -> Result<Option<T>> + Send + 'static,
) -> Result<Option<T>> {
    if let Some(client) = AdminClient::connect(config.admin.listen.0).await? {
        return client.get(path, query).await;
    }
    at_rest(config, move |log, inspector| {
        let found = read(&inspector);
        log.close()?;
        found
    })
    .await
}

/// How the process fares that runs; where none does, what the log says.
pub(super) async fn status(config: &Config) -> Result<StatusReport> {
    if let Some(client) = AdminClient::connect(config.admin.listen.0).await? {
        return client
            .get(&["status"], &[])
            .await?
            .context("the running process has no status");
    }
    let topics = config.topics.settings();
    at_rest(config, move |log, _| {
        let report = StatusReport::at_rest(log.as_ref(), &topics);
        log.close()?;
        report
    })
    .await
}

/// Gives a dead letter another chance.
pub(super) async fn redrive(config: &Config, place: &Place) -> Result<Redriven> {
    let at = place.to_string();
    if let Some(client) = AdminClient::connect(config.admin.listen.0).await? {
        return client
            .post(&["dead-letters", "redrive"], &[("place", &at)])
            .await?
            .with_context(|| format!("there is no dead letter at {place}"));
    }
    let wanted = place.clone();
    at_rest(config, move |log, inspector| {
        let now = tokio::runtime::Handle::current().block_on(inspector.redrive(&wanted, None));
        log.close()?;
        now
    })
    .await
}

pub(super) async fn at_rest<T: Send + 'static>(
    config: &Config,
    read: impl FnOnce(Arc<dyn EventLog>, Inspector) -> Result<T> + Send + 'static,
) -> Result<T> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || {
        if let Log::Embedded(embedded) = &config.log
            && !embedded.path.exists()
        {
            anyhow::bail!(
                "there is no log at {}: nothing has run with this configuration yet",
                embedded.path.display()
            );
        }
        let log = open_log(&config)?;
        let inspector = Inspector::new(Arc::clone(&log), config.topics.settings());
        read(log, inspector)
    })
    .await?
}
