//! How the roles fare.

use std::fmt::Write as _;
use std::sync::Arc;

use rollcall_eventlog::EventLog;
use rollcall_runtime::status::{PartitionState, WorkerState};
use rollcall_runtime::{StageStatus, TopicSettings, group};
use rollcall_schemas::catalogue::{
    ENGAGEMENT_ACTIVITIES, ENGAGEMENT_ATTENDANCE, ENGAGEMENT_CONTACTS, ZOOM_RAW,
};
use rollcall_sink::lag::Lag;
use rollcall_sink::{SinkHandle, SinkStatus};
use serde::{Deserialize, Serialize};

use crate::roles::Role;
use crate::show;

const NOT_RUNNING: &str = "not running";
const NOT_HERE: &str = "not in this process";

/// How a process fares, or what the log of one says that does not run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StatusReport {
    pub(crate) version: String,
    /// Whether a process answered; else the log was read.
    pub(crate) running: bool,
    /// The roles that only write to the log.
    #[serde(default)]
    pub(crate) producers: Vec<ProducerLine>,
    pub(crate) stages: Vec<StageLine>,
    pub(crate) sink: Option<SinkLine>,
    /// Bytes that the log may still write; unknown on Kafka.
    pub(crate) free_space: Option<u64>,
}

/// A role that only writes to the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProducerLine {
    pub(crate) role: String,
    pub(crate) state: String,
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
    pub(crate) state: String,
    pub(crate) active: bool,
    /// Records between what the sink committed and where its topics end, read or not; unknown where
    /// the log does not answer.
    pub(crate) lag: Option<u64>,
    /// Of these, the contacts.
    pub(crate) contacts_lag: Option<u64>,
    /// Of these, the activities.
    pub(crate) activities_lag: Option<u64>,
    /// Why it sends nothing, and what to do.
    pub(crate) paused: Option<String>,
    /// Contacts and activities that were read and are not done with.
    pub(crate) waiting: usize,
    /// Whether everything that was read is done with.
    pub(crate) drained: bool,
    pub(crate) contacts: u64,
    pub(crate) events: u64,
    pub(crate) list_additions: u64,
    /// Effects of unknown outcome, about which Brevo is asked.
    pub(crate) unknown: usize,
    pub(crate) skipped: u64,
    pub(crate) failed: u64,
}

/// Where the report of a running process comes from.
pub(crate) struct StatusSource {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) topics: TopicSettings,
    /// The roles of the process.
    pub(crate) roles: Vec<Role>,
    pub(crate) stages: Vec<Arc<StageStatus>>,
    pub(crate) sink: Option<SinkHandle>,
}

impl StatusSource {
    pub(crate) async fn report(&self) -> StatusReport {
        let sink = self.sink.as_ref().map(SinkHandle::status);
        let active = sink.as_ref().filter(|sink| sink.active);
        let known = active.and_then(|sink| sink.lag);
        let (log, topics) = (Arc::clone(&self.log), self.topics.clone());
        let asked = tokio::task::spawn_blocking(move || {
            // The active sink asks for itself.
            let lag = known.map_or_else(|| Lag::read(&*log, &topics), Ok);
            (log.free_space(), lag)
        });
        let (free_space, lag) = match asked.await {
            Ok((free_space, lag)) => (free_space.ok().flatten(), lag.ok()),
            Err(_) => (None, None),
        };
        let producers = PRODUCERS.map(|(name, role)| ProducerLine {
            role: name.to_owned(),
            state: if self.roles.contains(&role) {
                "running".to_owned()
            } else {
                NOT_HERE.to_owned()
            },
        });
        StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            running: true,
            producers: producers.to_vec(),
            stages: self.stage_lines(),
            sink: Some(sink_line(sink.as_ref(), lag)),
            free_space,
        }
    }

    fn stage_lines(&self) -> Vec<StageLine> {
        self.stages.iter().map(|stage| stage_line(stage)).collect()
    }

    /// What is not ready yet.
    pub(crate) fn waits_for(&self) -> Vec<String> {
        self.stage_lines()
            .iter()
            .filter(|stage| !stage.ready)
            .map(|stage| format!("{}: {}", stage.stage, stage.state))
            .collect()
    }
}

/// The roles that only write to the log, by the names that the status gives them.
const PRODUCERS: [(&str, Role); 2] = [("ingress", Role::Ingress), ("clock", Role::Poller)];

fn stage_line(status: &StageStatus) -> StageLine {
    let snapshot = status.snapshot();
    let failed = snapshot.workers.values().find_map(|worker| match worker {
        WorkerState::Failed(reason) => Some(reason.clone()),
        _ => None,
    });
    let remaining = snapshot
        .partitions
        .values()
        .find_map(|partition| match partition.state {
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

/// The sink of a process that runs; of one that has none, what the log says of another's.
fn sink_line(status: Option<&SinkStatus>, lag: Option<Lag>) -> SinkLine {
    let state = match status {
        None => NOT_HERE,
        Some(status) if status.paused.is_some() => "paused",
        Some(status) if status.active => "active",
        Some(_) => "standby",
    };
    let status = status.cloned().unwrap_or_default();
    SinkLine {
        active: status.active,
        paused: status.paused.clone(),
        waiting: status.contacts_waiting + status.activities_waiting,
        drained: status.is_drained(),
        contacts: status.confirmed.contacts,
        events: status.confirmed.events,
        list_additions: status.confirmed.list_additions,
        unknown: status.unknown,
        skipped: status.skipped,
        failed: status.failed,
        ..SinkLine::that_is(state, lag)
    }
}

impl SinkLine {
    fn that_is(state: &str, lag: Option<Lag>) -> Self {
        Self {
            state: state.to_owned(),
            lag: lag.map(Lag::records),
            contacts_lag: lag.map(|lag| lag.contacts),
            activities_lag: lag.map(|lag| lag.activities),
            ..Self::default()
        }
    }

    /// What Brevo confirmed since the start.
    pub(crate) fn confirmed(&self) -> u64 {
        self.contacts + self.events + self.list_additions
    }
}

impl StatusReport {
    /// What a log says whose process does not run.
    pub(crate) fn at_rest(log: &dyn EventLog, topics: &TopicSettings) -> anyhow::Result<Self> {
        let mut report = Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            free_space: log.free_space()?,
            producers: PRODUCERS
                .map(|(name, _)| ProducerLine {
                    role: name.to_owned(),
                    state: NOT_RUNNING.to_owned(),
                })
                .to_vec(),
            ..Self::default()
        };
        for (stage, input) in [
            ("attendance", &ZOOM_RAW),
            ("engagement", &ENGAGEMENT_ATTENDANCE),
        ] {
            let partitions: Vec<_> = topics.route(input).all().collect();
            let mut line = StageLine {
                stage: stage.to_owned(),
                state: NOT_RUNNING.to_owned(),
                ..StageLine::default()
            };
            if log.partitions(&topics.name(input))?.is_some() {
                let committed = log.committed(&group(topics, stage), &partitions)?;
                let mut lag = 0;
                for (partition, committed) in partitions.iter().zip(committed) {
                    let offsets = log.offsets(partition)?;
                    lag += u64::try_from(offsets.end - committed.unwrap_or(offsets.start))
                        .unwrap_or_default();
                }
                line.partitions = partitions.len();
                line.lag = Some(lag);
            }
            report.stages.push(line);
        }
        let inputs = [&ENGAGEMENT_CONTACTS, &ENGAGEMENT_ACTIVITIES];
        let mut exist = true;
        for input in inputs {
            exist &= log.partitions(&topics.name(input))?.is_some();
        }
        let lag = exist.then(|| Lag::read(log, topics)).transpose()?;
        report.sink = Some(SinkLine::that_is(NOT_RUNNING, lag));
        Ok(report)
    }

    /// The report as text.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "rollcall {}, {}\n\n",
            self.version,
            if self.running {
                "running"
            } else {
                "not running"
            }
        );
        let mut table = show::table(&["role", "state", "partitions", "records", "lag"]);
        for producer in &self.producers {
            table.add_row([&*producer.role, &*producer.state]);
        }
        for stage in &self.stages {
            table.add_row([
                stage.stage.clone(),
                stage.state.clone(),
                stage.partitions.to_string(),
                stage.records.to_string(),
                stage
                    .lag
                    .map_or_else(|| "–".to_owned(), |lag| lag.to_string()),
            ]);
        }
        if let Some(sink) = &self.sink {
            let row = [
                "sink".to_owned(),
                sink.state.clone(),
                String::new(),
                String::new(),
                sink.lag
                    .map_or_else(|| "–".to_owned(), |lag| lag.to_string()),
            ];
            table.add_row(row);
        }
        text.push_str(&show::lines(&table));
        if let Some(sink) = &self.sink {
            if let Some(paused) = &sink.paused {
                let _ = writeln!(text, "\nThe sink sends nothing: {paused}");
            }
            if let (Some(contacts), Some(activities)) = (sink.contacts_lag, sink.activities_lag) {
                let _ = writeln!(
                    text,
                    "\nNot in Brevo yet: {contacts} records of contacts, {activities} activities"
                );
            }
            if sink.active {
                let _ = writeln!(
                    text,
                    "To Brevo since the start: {} contacts, {} events, {} list additions; {} skipped, {} failed; {} of unknown outcome",
                    sink.contacts,
                    sink.events,
                    sink.list_additions,
                    sink.skipped,
                    sink.failed,
                    sink.unknown
                );
            }
        }
        if let Some(free) = self.free_space {
            let _ = writeln!(
                text,
                "\nDisk: {:.1} GiB left for the log",
                free as f64 / f64::from(1_u32 << 30)
            );
        }
        text
    }
}
