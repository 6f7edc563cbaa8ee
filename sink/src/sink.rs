//! Runs the sink: a thread for the log, tokio for the requests.
//!
//! The thread claims the lease; once active it rebuilds the ledger, reads contacts and activities from
//! the group's offsets, and goes round: answers, records, plan, commit, calls. Everything is committed
//! under the lease, so that an instance which lost it without noticing leaves no trace and, its calls
//! being bound to a recent commit, sends nothing.

mod commit;
mod read;
mod session;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rollcall_eventlog::{CommitError, EventLog, LogError};
use rollcall_runtime::{Lease, LeaseError, Shutdown, TopicSettings, Transition};
use rollcall_schemas::wire::WireError;
use tokio::sync::oneshot;

use crate::check::{CheckError, check};
use crate::client::{Client, ClientError};
use crate::mapping::{Mapping, MappingError};
use crate::options::Options;
use crate::plan::Taken;
use crate::progress::SourceTopic;
use crate::status::SinkStatus;
use session::{Ended, Session};

/// How long a standby waits at a time; also how soon it hears of a shutdown.
const STANDBY_WAIT: Duration = Duration::from_millis(200);

/// How long to wait before a log that is busy is asked again.
const BUSY_WAIT: Duration = Duration::from_millis(200);

/// A sink that cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// `field_mapping` makes no sense.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// Address or key of Brevo make no sense.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The account is not as the configuration says.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The log failed.
    #[error("the sink cannot go on: {0}")]
    Log(#[from] LogError),
    /// A commit failed for good.
    #[error("the sink cannot commit: {0}")]
    Commit(#[from] CommitError),
    /// The ledger cannot be read: what was sent is not known.
    #[error(
        "{topic}[{partition}] offset {offset}: the ledger cannot be read, and without it the sink would send again what it sent: {source}"
    )]
    Ledger {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The record's offset.
        offset: i64,
        /// What is wrong.
        source: WireError,
    },
}

/// A record that is to be taken once more, by its key: as it is now, if it changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Redrive {
    /// Its topic.
    pub topic: SourceTopic,
    /// Its key.
    pub key: Vec<u8>,
    /// Where it was when it became a dead letter: it, or what took its place, is looked for from here.
    pub offset: i64,
}

/// A record that was not taken once more.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RedriveError {
    /// Another instance writes to Brevo.
    #[error(
        "this instance is not the active sink, and only that one can take it: ask the instance that `rollcall status` shows as active"
    )]
    NotActive,
    /// The account could not be used since this instance became the active one.
    #[error("the sink sends nothing, and can take it only once it does: {reason}")]
    Paused {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Its topic has no readable record of its key any more.
    #[error(
        "its topic holds no record of its key any more that can be read, so that there is nothing to take again"
    )]
    Gone,
    /// The sink ended, or lost the lease, before this was durable.
    #[error("the sink stopped before it was sure to take it: ask again")]
    NotDurable,
}

/// A re-drive that is asked for, and who wants to know what comes of it.
struct RedriveRequest {
    redrive: Redrive,
    answer: oneshot::Sender<Result<Taken, RedriveError>>,
}

impl RedriveRequest {
    fn answer(self, answer: Result<Taken, RedriveError>) {
        // Whoever asked may have gone.
        let _ = self.answer.send(answer);
    }
}

/// Brevo out.
pub struct Sink {
    options: Options,
    mapping: Mapping,
    client: Client,
    log: Arc<dyn EventLog>,
    topics: TopicSettings,
    runtime: tokio::runtime::Handle,
    handle: SinkHandle,
    redrives: Receiver<RedriveRequest>,
}

/// Tells what a sink is doing, and asks it to take a record again.
#[derive(Clone, Debug)]
pub struct SinkHandle {
    status: Arc<Mutex<SinkStatus>>,
    redrives: Sender<RedriveRequest>,
}

impl SinkHandle {
    /// What the sink is doing.
    #[must_use]
    pub fn status(&self) -> SinkStatus {
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asks the sink to take a record once more. What is confirmed is not sent again. Where it is
    /// [`Taken::Effective`], that is durable: a crash does not lose it.
    ///
    /// # Errors
    ///
    /// Where it was not taken, with what to do.
    pub async fn redrive(&self, redrive: Redrive) -> Result<Taken, RedriveError> {
        let (answer, answered) = oneshot::channel();
        // Where the sink ended, the request is dropped, and its answer with it.
        let _ = self.redrives.send(RedriveRequest { redrive, answer });
        answered.await.unwrap_or(Err(RedriveError::NotDurable))
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut SinkStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Sink {
    /// A sink from `log` to Brevo. Requests are made on `runtime`.
    ///
    /// # Errors
    ///
    /// Where the options make no sense.
    pub fn new(
        options: Options,
        log: Arc<dyn EventLog>,
        topics: TopicSettings,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, SinkError> {
        let mapping = Mapping::new(&options.field_mapping)?;
        let client = Client::new(&options.api_url, options.api_key.clone())?;
        let (sender, redrives) = channel();
        let handle = SinkHandle {
            status: Arc::default(),
            redrives: sender,
        };
        Ok(Self {
            options,
            mapping,
            client,
            log,
            topics,
            runtime,
            handle,
            redrives,
        })
    }

    /// Tells what it is doing.
    #[must_use]
    pub fn handle(&self) -> SinkHandle {
        self.handle.clone()
    }

    /// Asks Brevo whether the account is as the configuration says, before anything runs. Only
    /// attributes that are missing or of a wrong type are an error here; for the rest the running sink
    /// pauses, and goes on by itself.
    ///
    /// # Errors
    ///
    /// With the exact difference.
    pub async fn check(&self) -> Result<(), SinkError> {
        let Options {
            lists,
            create_attributes,
            ..
        } = &self.options;
        match check(&self.client, &self.mapping, lists, *create_attributes).await {
            Ok(_) => Ok(()),
            Err(error) if error.concerns_attributes() => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "Brevo cannot be used now");
                Ok(())
            }
        }
    }

    /// Runs until a shutdown is requested. Blocks: call it from a thread of its own.
    ///
    /// # Errors
    ///
    /// Where the log fails for good, or the ledger cannot be read.
    pub fn run(self, shutdown: &Shutdown) -> Result<(), SinkError> {
        let mut lease = Lease::claim(
            Arc::clone(&self.log),
            &self.topics,
            "sink",
            &self.options.instance,
        )?;
        let result = self.hold(&mut lease, shutdown);
        lease.leave();
        self.handle.update(|status| status.active = false);
        result
    }

    fn hold(&self, lease: &mut Lease, shutdown: &Shutdown) -> Result<(), SinkError> {
        while !shutdown.is_requested() {
            if !lease.is_active() {
                for request in self.redrives.try_iter() {
                    request.answer(Err(RedriveError::NotActive));
                }
            }
            match lease.poll(STANDBY_WAIT) {
                // It still is where a session ended because the log took no commit.
                Ok(Some(Transition::Active) | None) if lease.is_active() => {
                    tracing::info!("the sink is the active one");
                    self.serve(lease, shutdown)?;
                    self.handle.update(|status| *status = SinkStatus::default());
                }
                Ok(_) => {}
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "the lease cannot be asked for now");
                    let _ = shutdown.wait(BUSY_WAIT);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Does the work of the active one, for as long as it is.
    fn serve(&self, lease: &mut Lease, shutdown: &Shutdown) -> Result<(), SinkError> {
        let mut session = loop {
            match Session::open(self, lease.group()) {
                Ok(session) => break session,
                Err(SinkError::Log(error)) if error.is_retriable() => {
                    tracing::warn!(%error, "the log cannot be read now");
                    if shutdown.wait(BUSY_WAIT) || !self.still_holds(lease)? {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        };
        match session.run(lease, shutdown) {
            Ok(()) => Ok(()),
            Err(Ended::Standby(reason)) => {
                tracing::warn!(reason, "the sink is the active one no more");
                Ok(())
            }
            Err(Ended::Failed(error)) => Err(error),
        }
    }

    /// Whether the lease, which was just held, still is.
    fn still_holds(&self, lease: &mut Lease) -> Result<bool, SinkError> {
        match lease.poll(Duration::ZERO) {
            Ok(None | Some(Transition::Active)) => Ok(lease.is_active()),
            Ok(Some(Transition::Ending | Transition::Standby)) => Ok(false),
            Err(error) if error.is_retriable() => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<LeaseError> for Ended {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Standby { .. } => Self::Standby(error.to_string()),
            // The log knows whether it was committed, and so will the next session.
            LeaseError::Commit(error @ CommitError::Unclear { .. }) => {
                Self::Standby(error.to_string())
            }
            LeaseError::Commit(error) => Self::Failed(error.into()),
        }
    }
}
