//! The clock: makes time an input of the pipeline.
//!
//! No stage looks at a clock. One process, whoever holds the lease, appends a tick to every partition
//! of `zoom.raw`, and a stage's time is the greatest tick it has read. Ticks go out under the lease,
//! so that a process that lost it without noticing leaves no tick behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge};
use rollcall_eventlog::{CommitError, EventLog, LogError, UnitOfWork};
use rollcall_runtime::clock::Clock;
use rollcall_runtime::{Lease, LeaseError, Route, Shutdown, TopicSettings, Transition};
use rollcall_schemas::catalogue::ZOOM_RAW;
use rollcall_schemas::record::{RawKind, RawRecord, Tick};
use rollcall_schemas::wire::{Encoder, RAW_RECORD};

use crate::metric;
use crate::throttle::Throttle;

/// The role's name, in its lease's group.
pub const ROLE: &str = "clock";
/// How often ticks go out, where time is this machine's.
pub const TICK_EVERY: Duration = Duration::from_secs(1);
/// How often ticks go out, in real time, where a sandbox lends its clock.
pub const TICK_EVERY_ON_A_LENT_CLOCK: Duration = Duration::from_millis(250);
/// Key of ticks. They go to every partition, whatever their key's would be.
pub const TICK_KEY: &str = "tick";

/// How the role is set up.
#[derive(Clone, Debug)]
pub struct ClockRoleSettings {
    /// The topics of this installation.
    pub topics: TopicSettings,
    /// This process among those that may hold the lease: stable over restarts, unique among those
    /// that run.
    pub instance: String,
    /// How often, in real time, ticks go out where the clock has moved.
    pub every: Duration,
}

/// Appends ticks for as long as it holds the lease.
pub struct ClockRole {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    settings: ClockRoleSettings,
    raw: Route,
    active: Gauge,
    ticks: Counter,
}

impl ClockRole {
    /// A clock role. Make it after the metrics recorder was installed.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, settings: ClockRoleSettings) -> Self {
        Self {
            log,
            clock,
            raw: settings.topics.route(&ZOOM_RAW),
            settings,
            active: metrics::gauge!(metric::CLOCK_ACTIVE),
            ticks: metrics::counter!(metric::CLOCK_TICKS),
        }
    }

    /// Runs on the calling thread until the shutdown is requested, and then gives the lease up.
    ///
    /// # Errors
    ///
    /// Where the log failed in a way that does not pass by itself.
    pub fn run(&self, shutdown: &Shutdown) -> Result<(), LogError> {
        let mut lease = loop {
            match Lease::claim(
                Arc::clone(&self.log),
                &self.settings.topics,
                ROLE,
                &self.settings.instance,
            ) {
                Ok(lease) => break lease,
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "the clock cannot reach the log and tries again")
                }
                Err(error) => return Err(error),
            }
            if shutdown.wait(self.settings.every) {
                return Ok(());
            }
        };
        let result = self.tick_while_leased(&mut lease, shutdown);
        self.active.set(0.0);
        lease.leave();
        result
    }

    fn tick_while_leased(&self, lease: &mut Lease, shutdown: &Shutdown) -> Result<(), LogError> {
        let mut encoder = RAW_RECORD.encoder();
        let alarm = Throttle::default();
        let mut last_ms = None;
        let mut due = Instant::now();
        while !shutdown.is_requested() {
            let wait = if lease.is_active() {
                due.saturating_duration_since(Instant::now())
            } else {
                self.settings.every
            };
            match lease.poll(wait) {
                Ok(Some(Transition::Active)) => {
                    tracing::info!("this process keeps the clock");
                    self.active.set(1.0);
                    due = Instant::now();
                }
                Ok(Some(Transition::Ending | Transition::Standby)) => {
                    tracing::info!("another process keeps the clock");
                    self.active.set(0.0);
                }
                Ok(None) => {}
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "the clock cannot reach the log and tries again");
                    let _ = shutdown.wait(self.settings.every);
                    continue;
                }
                Err(error) => return Err(error),
            }
            if !lease.is_active() || Instant::now() < due {
                continue;
            }
            due = Instant::now() + self.settings.every;
            let now_ms = self.clock.now_ms();
            if last_ms.is_some_and(|last| now_ms <= last) {
                continue;
            }
            match lease.commit(&mut self.ticks_at(now_ms, &mut encoder)) {
                Ok(()) => {
                    last_ms = Some(now_ms);
                    self.ticks.increment(u64::from(self.raw.partitions));
                }
                Err(LeaseError::Commit(CommitError::Log(error))) if !error.is_retriable() => {
                    return Err(error);
                }
                Err(error) => {
                    if alarm.allows() {
                        tracing::warn!(%error, "a tick was not appended; the next one stands for it");
                    }
                    self.active.set(if lease.is_active() { 1.0 } else { 0.0 });
                    let _ = shutdown.wait(self.settings.every);
                }
            }
        }
        Ok(())
    }

    fn ticks_at(&self, now_ms: i64, encoder: &mut Encoder) -> UnitOfWork {
        let record = RawRecord {
            kind: RawKind::Tick,
            received_at: now_ms,
            tick: Some(Tick { at: now_ms }),
            ..RawRecord::default()
        };
        let mut unit = UnitOfWork::default();
        for partition in 0..self.raw.partitions {
            let mut write = |out: &mut Vec<u8>| encoder.encode_into(&record, out);
            unit.outputs.push(
                &self.raw.topic,
                partition,
                Some(TICK_KEY.as_bytes()),
                Some(&mut write),
                [],
            );
        }
        unit
    }
}
