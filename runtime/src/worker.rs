//! A worker: one thread, one member of the stage's group, and the tasks of its partitions.

mod session;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rollcall_eventlog::{EventLog, MemberConfig};

use self::session::{End, Session};
use crate::clock::Clock;
use crate::dead_letter::DeadLetters;
use crate::lag::LagWatch;
use crate::recovery::Recoverer;
use crate::stage::{Stage, View};
use crate::status::{StageStatus, WorkerState};
use crate::{CommitPolicy, RuntimeError, Shutdown, StateSettings, TopicSettings};

/// How long a worker waits after a failure that may pass.
const PAUSE: Duration = Duration::from_millis(200);

/// A worker that was fenced joins anew, as its place may have been given away only because it was not
/// heard of for a while. One that is fenced again so soon has a rival of the same name, and stops.
const FENCED_AGAIN: Duration = Duration::from_secs(60);

/// What a worker is told.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Names and partitions of topics.
    pub topics: TopicSettings,
    /// Where stores are, and what they may use.
    pub state: StateSettings,
    /// How units of work are cut.
    pub commit: CommitPolicy,
    /// This worker's name: stable over restarts, unique among those that run in the stage's group.
    pub instance: String,
    /// The time, for the ages of stores and for the status; no task sees it.
    pub clock: Arc<dyn Clock>,
    /// Where the worker says how it fares, together with the stage's other workers.
    pub status: Arc<StageStatus>,
}

/// Runs a stage. Any number of workers share its partitions out.
pub struct Worker;

impl Worker {
    /// Runs `stage` until `shutdown` is requested: then the last unit of work is committed, stores are
    /// closed, and the group is left.
    ///
    /// # Errors
    ///
    /// Where the worker cannot go on: it was fenced again and again, its state or the log failed, or retention dropped
    /// what was not read yet. Units of work that were not committed are dropped; a worker started anew
    /// goes on from the log.
    pub fn run(
        log: Arc<dyn EventLog>,
        stage: Arc<dyn Stage>,
        config: WorkerConfig,
        shutdown: &Shutdown,
    ) -> Result<(), RuntimeError> {
        let (status, instance) = (Arc::clone(&config.status), config.instance.clone());
        let stop = Shutdown::default();
        let lag = LagWatch {
            log: Arc::clone(&log),
            input: config.topics.prefixed(stage.input()),
            status: Arc::clone(&status),
            instance: instance.clone(),
            stop: stop.clone(),
        };
        lag.start();
        let result = run(&log, &stage, &config, shutdown);
        stop.request();
        match &result {
            Ok(()) => status.worker(&instance, WorkerState::Stopped),
            Err(error) => {
                tracing::error!(stage = stage.name(), instance, %error, "the stage has stopped");
                status.worker(&instance, WorkerState::Failed(error.to_string()));
            }
        }
        result
    }
}

/// The consumer group of a stage, with the prefix.
#[must_use]
pub fn group(topics: &TopicSettings, stage: &str) -> Arc<str> {
    topics.prefixed(&format!("rollcall-{stage}"))
}

fn run(
    log: &Arc<dyn EventLog>,
    stage: &Arc<dyn Stage>,
    config: &WorkerConfig,
    shutdown: &Shutdown,
) -> Result<(), RuntimeError> {
    let input = config.topics.prefixed(stage.input());
    check_partitions(log.as_ref(), stage.as_ref(), &config.topics)?;
    let group = group(&config.topics, stage.name());
    let with = Recoverer {
        log: Arc::clone(log),
        stage: Arc::clone(stage),
        topics: config.topics.clone(),
        group: Arc::clone(&group),
        state: config.state.clone(),
        clock: Arc::clone(&config.clock),
        batch_records: config.commit.batch_records,
    };
    let dead_letters = DeadLetters::new(&config.topics, stage.name());
    let mut fenced_at: Option<Instant> = None;
    while !shutdown.is_requested() {
        config.status.worker(&config.instance, WorkerState::Joining);
        let member = MemberConfig {
            group: group.to_string(),
            topics: vec![Arc::clone(&input)],
            instance: config.instance.clone(),
        };
        let end = match log.join(member) {
            Ok(member) => Session::new(member, &with, &dead_letters, config, shutdown).run()?,
            Err(error) if error.is_retriable() => End::Rejoin {
                reason: error.to_string(),
            },
            Err(error) => return Err(error.into()),
        };
        let reason = match end {
            End::Shutdown => break,
            End::Rejoin { reason } => reason,
            End::Fenced(source) => {
                let before = fenced_at.replace(Instant::now());
                if before.is_some_and(|before| before.elapsed() < FENCED_AGAIN) {
                    return Err(RuntimeError::Fenced {
                        stage: stage.name(),
                        source,
                    });
                }
                source.to_string()
            }
        };
        tracing::warn!(
            stage = stage.name(),
            instance = config.instance,
            reason,
            "joining the group anew"
        );
        let _ = shutdown.wait(PAUSE);
    }
    Ok(())
}

/// A task is rebuilt from its own partition of the view, so there must be as many.
fn check_partitions(
    log: &dyn EventLog,
    stage: &dyn Stage,
    topics: &TopicSettings,
) -> Result<(), RuntimeError> {
    let of = |topic: &str| {
        let topic = topics.prefixed(topic).to_string();
        match log.partitions(&topic)? {
            Some(partitions) => Ok((topic, partitions)),
            None => Err(RuntimeError::NoTopic {
                stage: stage.name(),
                topic,
            }),
        }
    };
    let (input, input_partitions) = of(stage.input())?;
    if let View::Output(view) = stage.view() {
        let (view, view_partitions) = of(view)?;
        if view_partitions != input_partitions {
            return Err(RuntimeError::Partitions {
                stage: stage.name(),
                view,
                view_partitions,
                input,
                input_partitions,
            });
        }
    }
    Ok(())
}
