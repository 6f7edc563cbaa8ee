//! `rollcall audit`: from the topics, and, where a process runs, from its counters too.

mod counters;

use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::ask::at_rest;
use crate::admin::client::AdminClient;
use crate::config::Config;
use crate::inspect::AuditReport;
use crate::{show, sink_options};

pub(crate) use counters::StageCounters;

/// A unit of work is counted while it is asked for the counters: then they are asked for again.
const TRIES: usize = 20;
const BETWEEN: Duration = Duration::from_millis(50);

/// What became of every record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Audit {
    topics: AuditReport,
    /// Of the process that runs, since its start; absent where none does.
    counters: Option<Vec<StageCounters>>,
}

impl Audit {
    pub(super) fn balances(&self) -> bool {
        self.topics.balances() && self.counters.iter().flatten().all(StageCounters::balances)
    }

    pub(super) fn text(&self) -> String {
        let mut text = show::audit(&self.topics);
        if let Some(counters) = &self.counters {
            text.push('\n');
            text.push_str(&show::counters(counters));
        }
        let end = if self.balances() {
            "Everything adds up."
        } else {
            "It does not add up."
        };
        format!("{text}\n{end}\n")
    }
}

pub(super) async fn audit(config: &Config) -> Result<Audit> {
    if let Some(client) = AdminClient::connect(config.admin.listen.0).await? {
        let topics = client.get_from_everything(&["audit"]).await?;
        return Ok(Audit {
            topics: topics.context("the running process knows no audit: is it of this version?")?,
            counters: Some(steady_counters(&client).await?),
        });
    }
    let wanted = sink_options::wanted(config);
    let topics = at_rest(config, move |log, inspector| {
        let report = inspector.audit(&wanted);
        log.close()?;
        report
    })
    .await?;
    Ok(Audit {
        topics,
        counters: None,
    })
}

/// The counters, asked for until they are not in the middle of a change.
async fn steady_counters(client: &AdminClient) -> Result<Vec<StageCounters>> {
    let mut stages = counters::parse(&client.metrics().await?);
    for _ in 1..TRIES {
        if stages.iter().all(StageCounters::balances) {
            break;
        }
        tokio::time::sleep(BETWEEN).await;
        stages = counters::parse(&client.metrics().await?);
    }
    Ok(stages)
}
