//! The clock: makes time an input of the pipeline.
//!
//! No stage looks at a clock. One process, whoever holds the lease, appends a tick to every partition
//! of `zoom.raw`, and a stage's time is the greatest tick it has read. Ticks go out as units of work
//! of the lease's group, so that a process that lost the lease without noticing is fenced and leaves
//! no tick behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge};
use rollcall_eventlog::{
    CommitError, EventLog, LogError, Member, MemberConfig, Polled, TopicPartition, UnitOfWork,
};
use rollcall_runtime::Route;
use rollcall_runtime::clock::Clock;
use rollcall_schemas::record::{RawKind, RawRecord, Tick};
use rollcall_schemas::wire::{Encoder, RAW_RECORD};

use crate::metric;

/// The role's consumer group, without the configured prefix.
pub const GROUP: &str = "rollcall-clock";
/// How often ticks go out, where time is this machine's.
pub const TICK_EVERY: Duration = Duration::from_secs(1);
/// How often ticks go out, in real time, where a sandbox lends its clock.
pub const TICK_EVERY_ON_A_LENT_CLOCK: Duration = Duration::from_millis(250);
/// Key of ticks. They go to every partition, whatever their key's would be.
pub const TICK_KEY: &str = "tick";

/// How the role is set up.
#[derive(Clone, Debug)]
pub struct ClockRoleSettings {
    /// The group, with the prefix.
    pub group: String,
    /// The lease's topic, of one partition.
    pub leases: Route,
    /// Where the ticks go: `zoom.raw`.
    pub raw: Route,
    /// This process among those that may hold the lease.
    pub instance: String,
    /// How often, in real time, ticks go out where the clock has moved.
    pub every: Duration,
}

/// Appends ticks for as long as it holds the lease.
pub struct ClockRole {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    settings: ClockRoleSettings,
    active: Gauge,
    ticks: Counter,
}

/// Why a membership came to its end.
enum End {
    Stopped,
    /// Another took this one's place, or what became of the last ticks is not known.
    Rejoin,
}

impl ClockRole {
    /// A clock role. Make it after the metrics recorder was installed.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, settings: ClockRoleSettings) -> Self {
        Self {
            log,
            clock,
            settings,
            active: metrics::gauge!(metric::CLOCK_ACTIVE),
            ticks: metrics::counter!(metric::CLOCK_TICKS),
        }
    }

    /// Runs on the calling thread until `stop` is set.
    ///
    /// # Errors
    ///
    /// Where the log failed in a way that does not pass by itself.
    pub fn run(&self, stop: &AtomicBool) -> Result<(), LogError> {
        while !stop.load(Ordering::Acquire) {
            let end = self
                .log
                .join(self.member())
                .and_then(|member| self.serve(member, stop));
            self.active.set(0.0);
            match end {
                Ok(End::Stopped) => return Ok(()),
                Ok(End::Rejoin) => {}
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "the clock cannot reach the log and tries again")
                }
                Err(error) => return Err(error),
            }
            std::thread::sleep(self.settings.every);
        }
        Ok(())
    }

    fn member(&self) -> MemberConfig {
        MemberConfig {
            group: self.settings.group.clone(),
            topics: vec![Arc::clone(&self.settings.leases.topic)],
            instance: self.settings.instance.clone(),
        }
    }

    fn serve(&self, mut member: Box<dyn Member>, stop: &AtomicBool) -> Result<End, LogError> {
        let end = self.tick_while_leased(member.as_mut(), stop);
        member.leave();
        end
    }

    fn tick_while_leased(
        &self,
        member: &mut dyn Member,
        stop: &AtomicBool,
    ) -> Result<End, LogError> {
        let mut encoder = RAW_RECORD.encoder();
        let mut lease: Option<TopicPartition> = None;
        let mut last_ms = None;
        let mut due = Instant::now();
        while !stop.load(Ordering::Acquire) {
            let wait = if lease.is_some() {
                due.saturating_duration_since(Instant::now())
            } else {
                self.settings.every
            };
            match member.poll(1, wait)? {
                Polled::Assigned(partitions) => {
                    let from: Vec<_> = partitions
                        .into_iter()
                        .map(|(partition, committed)| (partition, committed.unwrap_or(0)))
                        .collect();
                    member.start(&from)?;
                    if let Some((partition, _)) = from.into_iter().next() {
                        tracing::info!(%partition, "this process keeps the clock");
                        lease = Some(partition);
                        self.active.set(1.0);
                        due = Instant::now();
                    }
                }
                Polled::Revoking(partitions) => {
                    lease = None;
                    self.active.set(0.0);
                    member.release(&partitions)?;
                }
                Polled::Lost(_) => {
                    lease = None;
                    self.active.set(0.0);
                }
                Polled::Records(_) | Polled::Idle => {}
            }
            let Some(lease) = &lease else { continue };
            if Instant::now() < due {
                continue;
            }
            due = Instant::now() + self.settings.every;
            let now_ms = self.clock.now_ms();
            if last_ms.is_some_and(|last| now_ms <= last) {
                continue;
            }
            match member.commit(&self.ticks_at(now_ms, lease, &mut encoder)) {
                Ok(()) => {
                    last_ms = Some(now_ms);
                    self.ticks
                        .increment(u64::from(self.settings.raw.partitions));
                }
                Err(CommitError::Aborted { reason }) => {
                    tracing::debug!(reason, "a tick was aborted")
                }
                Err(error @ (CommitError::Unclear { .. } | CommitError::Fenced { .. })) => {
                    tracing::warn!(%error, "the clock joins anew");
                    return Ok(End::Rejoin);
                }
                Err(CommitError::Log(error)) => return Err(error),
            }
        }
        Ok(End::Stopped)
    }

    fn ticks_at(&self, now_ms: i64, lease: &TopicPartition, encoder: &mut Encoder) -> UnitOfWork {
        let record = RawRecord {
            kind: RawKind::Tick,
            received_at: now_ms,
            tick: Some(Tick { at: now_ms }),
            ..RawRecord::default()
        };
        let mut unit = UnitOfWork::default();
        for partition in 0..self.settings.raw.partitions {
            let mut write = |out: &mut Vec<u8>| encoder.encode_into(&record, out);
            unit.outputs.push(
                &self.settings.raw.topic,
                partition,
                Some(TICK_KEY.as_bytes()),
                Some(&mut write),
                [],
            );
        }
        // Nothing is ever read from the lease's partition; naming it is what lets the log fence a
        // member that lost it.
        unit.offsets.push((lease.clone(), 0));
        unit
    }
}
