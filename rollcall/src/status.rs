//! How the roles fare.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use rollcall_eventlog::EventLog;
use rollcall_runtime::status::{PartitionState, WorkerState};
use rollcall_runtime::{StageStatus, TopicSettings, group};
use rollcall_schemas::catalogue::{ENGAGEMENT_ATTENDANCE, ZOOM_RAW};
use rollcall_sink::{SinkSnapshot, SinkStatus};
use serde::{Deserialize, Serialize};

use crate::show;

/// How a process fares, or what the log of one says that does not run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StatusReport {
    pub(crate) version: String,
    /// Whether a process answered; else the log was read.
    pub(crate) running: bool,
    pub(crate) stages: Vec<StageLine>,
    pub(crate) sink: Option<SinkLine>,
    /// Bytes that the log may still write; unknown on Kafka.
    pub(crate) free_space: Option<u64>,
}

/// A stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StageLine {
    pub(crate) stage: String,
    pub(crate) state: String,
    pub(crate) ready: bool,
    pub(crate) partitions: usize,
    pub(crate) records: u64,
    pub(crate) lag: Option<u64>,
}

/// The sink.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SinkLine {
    pub(crate) active: bool,
    /// Why it sends nothing, and what to do.
    pub(crate) paused: Option<String>,
    pub(crate) waiting: u64,
    pub(crate) lag: Option<u64>,
    pub(crate) effects: BTreeMap<String, u64>,
}

/// Where the report of a running process comes from.
pub(crate) struct StatusSource {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) stages: Vec<Arc<StageStatus>>,
    pub(crate) sink: Option<Arc<SinkStatus>>,
}

impl StatusSource {
    pub(crate) async fn report(&self) -> StatusReport {
        let log = Arc::clone(&self.log);
        let free_space = tokio::task::spawn_blocking(move || log.free_space()).await;
        StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            running: true,
            stages: self.stages.iter().map(|stage| stage_line(stage)).collect(),
            sink: self.sink.as_ref().map(|sink| sink_line(sink.snapshot())),
            free_space: free_space.ok().and_then(Result::ok).flatten(),
        }
    }
}

fn stage_line(status: &StageStatus) -> StageLine {
    let snapshot = status.snapshot();
    let failed = snapshot.workers.values().find_map(|worker| match worker {
        WorkerState::Failed(reason) => Some(reason.clone()),
        _ => None,
    });
    let remaining = snapshot.partitions.values().find_map(|partition| match partition.state {
        PartitionState::Recovering { remaining, .. } => Some(remaining),
        PartitionState::Running => None,
    });
    let state = match (failed, remaining) {
        (Some(reason), _) => format!("failed: {reason}"),
        (None, Some(remaining)) => format!("recovering, {remaining} offsets to go"),
        (None, None) if snapshot.partitions.is_empty() => "waiting for partitions".to_owned(),
        (None, None) => "running".to_owned(),
    };
    StageLine {
        stage: status.stage().to_owned(),
        state,
        ready: snapshot.is_ready(),
        partitions: snapshot.partitions.len(),
        records: snapshot.records,
        lag: snapshot.lag(),
    }
}

fn sink_line(snapshot: SinkSnapshot) -> SinkLine {
    SinkLine {
        active: snapshot.active,
        paused: snapshot.paused,
        waiting: snapshot.waiting,
        lag: snapshot.lag,
        effects: snapshot.effects.into_iter().map(|(state, count)| (show::symbol(&state), count)).collect(),
    }
}

impl StatusReport {
    /// What a log says whose process does not run.
    pub(crate) fn at_rest(log: &dyn EventLog, topics: &TopicSettings) -> anyhow::Result<Self> {
        let mut report = Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            free_space: log.free_space()?,
            ..Self::default()
        };
        for (stage, input) in [("attendance", &ZOOM_RAW), ("engagement", &ENGAGEMENT_ATTENDANCE)] {
            let partitions: Vec<_> = topics.route(input).all().collect();
            let mut line = StageLine { stage: stage.to_owned(), state: "not running".to_owned(), ..StageLine::default() };
            if log.partitions(&topics.name(input))?.is_some() {
                let committed = log.committed(&group(topics, stage), &partitions)?;
                let mut lag = 0;
                for (partition, committed) in partitions.iter().zip(committed) {
                    let offsets = log.offsets(partition)?;
                    lag += u64::try_from(offsets.end - committed.unwrap_or(offsets.start)).unwrap_or_default();
                }
                line.partitions = partitions.len();
                line.lag = Some(lag);
            }
            report.stages.push(line);
        }
        Ok(report)
    }

    /// What is not ready yet.
    pub(crate) fn waits_for(&self) -> Vec<String> {
        self.stages.iter().filter(|stage| !stage.ready).map(|stage| format!("{}: {}", stage.stage, stage.state)).collect()
    }

    /// The report as text.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("rollcall {}, {}\n\n", self.version, if self.running { "running" } else { "not running" });
        let mut table = show::table(&["role", "state", "partitions", "records", "lag"]);
        for stage in &self.stages {
            table.add_row([
                stage.stage.clone(),
                stage.state.clone(),
                stage.partitions.to_string(),
                stage.records.to_string(),
                stage.lag.map_or_else(|| "–".to_owned(), |lag| lag.to_string()),
            ]);
        }
        if let Some(sink) = &self.sink {
            let state = match (&sink.paused, sink.active) {
                (Some(_), _) => "paused",
                (None, true) => "active",
                (None, false) => "standby",
            };
            let done: u64 = sink.effects.values().sum();
            table.add_row([
                "sink".to_owned(),
                state.to_owned(),
                String::new(),
                done.to_string(),
                sink.lag.map_or_else(|| "–".to_owned(), |lag| lag.to_string()),
            ]);
        }
        text.push_str(&show::lines(&table));
        if let Some(sink) = &self.sink {
            if let Some(paused) = &sink.paused {
                let _ = writeln!(text, "\nThe sink sends nothing: {paused}");
            }
            let effects: Vec<_> = sink.effects.iter().map(|(state, count)| format!("{count} {state}")).collect();
            let _ = writeln!(text, "\nTo Brevo: {} waiting{}{}", sink.waiting, if effects.is_empty() { "" } else { ", " }, effects.join(", "));
        }
        if let Some(free) = self.free_space {
            let _ = writeln!(text, "\nDisk: {:.1} GiB left for the log", free as f64 / f64::from(1_u32 << 30));
        }
        text
    }
}
