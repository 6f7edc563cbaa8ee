//! One time of being the active sink: from the ledger's rebuilding to the lease's loss.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rollcall_eventlog::{CommitError, LogError, Offsets, Reader, RecordBatch, RecordRef};
use rollcall_runtime::{Lease, LeaseError, Shutdown, Transition};
use rollcall_schemas::header::{CONTACT_VERSION, VERSION};
use rollcall_schemas::record::{Activity, Contact};
use rollcall_schemas::wire::{ACTIVITY, CONTACT, Encoder};
use rollcall_schemas::{email, key};

use super::commit::{Routes, encoder};
use super::read::{BATCH, positions, read_ledger, read_to_end};
use super::{Redrive, RedriveError, RedriveRequest, Sink, SinkError};
use crate::backoff::Backoff;
use crate::check::{CheckError, check};
use crate::client::Reply;
use crate::lag::LagWatch;
use crate::limits::{EndpointGroup, Limiter};
use crate::mapping::attribute::AttributeType;
use crate::metric;
use crate::order::Source;
use crate::plan::{Answer, Call, Moment, Outputs, Planner, Rules, Taken, UNREADABLE};
use crate::progress::{Place, SourceTopic};
use crate::tally::Tally;

/// Records of one topic that may wait at a time. The topics are counted apart: activities wait for
/// contacts, so that contacts must always be read.
const MOST_WAITING: usize = 20_000;

/// How long a call may leave after the commit before it.
const FRESHNESS: Duration = Duration::from_secs(10);

/// How long to wait where there is nothing to do.
const IDLE_WAIT: Duration = Duration::from_millis(20);

/// Least time between commits that no call waits for.
const COMMIT_INTERVAL: Duration = Duration::from_millis(50);

/// Least time between commits of nothing but positions.
const POSITION_INTERVAL: Duration = Duration::from_secs(1);

/// How long requests in flight are waited for at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// When a paused sink asks again whether the account can be used.
const CHECKS: Backoff = Backoff {
    base: Duration::from_secs(2),
    cap: Duration::from_secs(120),
};

/// How long a commit is made again that the log does not take.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait for room on the disk: somebody has to make it.
const DISK_FULL_WAIT: Duration = Duration::from_secs(5);

/// Why a session ended that was not asked to.
pub(super) enum Ended {
    /// Another is the active one, or this one must begin anew.
    Standby(String),
    /// There is nothing to go on with.
    Failed(SinkError),
}

impl<E: Into<SinkError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What comes back from tokio.
enum Event {
    Answered(Call, Reply),
    Checked(Result<BTreeMap<String, AttributeType>, CheckError>),
}

pub(super) struct Session<'s> {
    sink: &'s Sink,
    routes: Routes,
    encoder: Encoder,
    planner: Planner,
    limiter: Limiter,
    contacts: Box<dyn Reader>,
    activities: Box<dyn Reader>,
    events: Receiver<Event>,
    sender: Sender<Event>,
    outputs: Outputs,
    committed_at: Instant,
    checks: Checks,
    /// Where the contacts ended, by partition, when this session began: an instance before it may
    /// have sent what is below.
    contacts_end: BTreeMap<u32, i64>,
    /// Re-drives that the next commit makes durable, with whom to tell.
    redriven: Vec<(RedriveRequest, Taken)>,
    /// Since when there is nothing to do.
    idle_since: Option<Instant>,
    _lag_watch: LagWatch,
}

/// Whether the account can be used, as far as is known.
struct Checks {
    /// The account could be used at least once: types of attributes are known.
    passed: bool,
    in_flight: bool,
    failures: u32,
    due: Instant,
}

impl<'s> Session<'s> {
    /// Rebuilds the ledger, and begins to read where the group's offsets are.
    pub(super) fn open(sink: &'s Sink, group: &str) -> Result<Self, SinkError> {
        let routes = Routes::new(&sink.topics);
        let ledger = read_ledger(&*sink.log, &routes)?;
        tracing::info!(effects = ledger.len(), "the ledger is read");
        let mut planner = Planner::new(
            Rules::new(&sink.options, sink.mapping.clone()),
            BTreeMap::new(),
            ledger,
        );
        planner.pause("Brevo's account is being checked".to_owned());
        let mut open = |topic, partitions: Vec<_>| {
            let from = positions(&*sink.log, group, partitions)?;
            for (partition, offset) in &from {
                planner.reading_begins(topic, partition.partition, *offset);
            }
            Ok::<_, SinkError>(sink.log.reader(&from)?)
        };
        let contacts = open(SourceTopic::Contacts, routes.contacts.all().collect())?;
        let activities = open(SourceTopic::Activities, routes.activities.all().collect())?;
        let mut contacts_end = BTreeMap::new();
        for partition in routes.contacts.all() {
            contacts_end.insert(partition.partition, sink.log.offsets(&partition)?.end);
        }
        let (sender, events) = channel();
        let now = Instant::now();
        Ok(Self {
            sink,
            routes,
            encoder: encoder(),
            planner,
            limiter: Limiter::new(sink.options.plan, sink.options.share_of_limits),
            contacts,
            activities,
            events,
            sender,
            outputs: Outputs::default(),
            committed_at: now,
            checks: Checks {
                passed: false,
                in_flight: false,
                failures: 0,
                due: now,
            },
            contacts_end,
            redriven: Vec::new(),
            idle_since: None,
            _lag_watch: LagWatch::start(
                Arc::clone(&sink.log),
                sink.topics.clone(),
                sink.handle.clone(),
            ),
        })
    }

    /// Works until a shutdown is requested or the lease goes elsewhere.
    pub(super) fn run(&mut self, lease: &mut Lease, shutdown: &Shutdown) -> Result<(), Ended> {
        loop {
            if shutdown.is_requested() {
                return self.drain(lease, shutdown);
            }
            match lease.poll(Duration::ZERO) {
                Ok(Some(Transition::Ending)) => return self.drain(lease, shutdown),
                Ok(Some(Transition::Standby)) => {
                    return Err(Ended::Standby("the lease went to another".to_owned()));
                }
                Ok(_) => {}
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "the lease cannot be asked for now")
                }
                Err(error) => return Err(error.into()),
            }
            self.check_account();
            let mut busy = self.take_events();
            busy |= self.take_redrives()?;
            busy |= self.read()?;
            busy |= self.send(lease, shutdown)?;
            self.note_idleness(busy);
            self.tell();
            if !busy && let Ok(event) = self.events.recv_timeout(IDLE_WAIT) {
                self.take_event(event);
            }
        }
    }

    fn now(&self) -> Moment {
        Moment {
            clock_ms: self.sink.options.clock.now_ms(),
            at: Instant::now(),
            chance: rand::random(),
        }
    }

    /// Plans, commits what must be durable first, and makes the calls.
    fn send(&mut self, lease: &mut Lease, shutdown: &Shutdown) -> Result<bool, Ended> {
        let now = self.now();
        let calls = self.planner.plan(&mut self.limiter, now);
        self.gather();
        let since = self.committed_at.elapsed();
        let must_commit = !self.outputs.ledger.is_empty() || !self.outputs.dead_letters.is_empty();
        let due = (must_commit && (!calls.is_empty() || since >= COMMIT_INTERVAL))
            || (!self.outputs.is_empty() && since >= POSITION_INTERVAL);
        if due {
            self.commit(lease, shutdown)?;
        }
        let busy = !calls.is_empty();
        let not_after = Instant::now() + FRESHNESS;
        for call in calls {
            let client = self.sink.client.clone();
            let sender = self.sender.clone();
            self.sink.runtime.spawn(async move {
                let reply = client.make(&call, not_after).await;
                // A session that ended takes no answer: the next asks Brevo itself.
                let _ = sender.send(Event::Answered(call, reply));
            });
        }
        Ok(busy)
    }

    fn gather(&mut self) {
        let Outputs {
            ledger,
            dead_letters,
            positions,
            tally,
        } = self.planner.take_outputs();
        self.outputs.ledger.extend(ledger);
        self.outputs.dead_letters.extend(dead_letters);
        self.outputs.tally.add(tally);
        for (topic, partition, position) in positions {
            self.outputs
                .positions
                .retain(|(t, p, _)| (*t, *p) != (topic, partition));
            self.outputs.positions.push((topic, partition, position));
        }
        for attribute in self.planner.take_misfits() {
            metric::misfit(&attribute);
        }
    }

    fn commit(&mut self, lease: &mut Lease, shutdown: &Shutdown) -> Result<(), Ended> {
        let mut unit = self.routes.unit(&self.outputs, &mut self.encoder);
        let mut started = Instant::now();
        loop {
            let began = Instant::now();
            let committed = lease.commit(&mut unit);
            match &committed {
                Ok(()) => {
                    metric::committed(&self.outputs.tally, unit.outputs.len(), began.elapsed());
                }
                Err(error) => metric::not_committed(error),
            }
            let reason = match committed {
                Ok(()) => break,
                Err(LeaseError::Commit(CommitError::Aborted { reason })) => reason,
                Err(LeaseError::Commit(CommitError::Log(error @ LogError::DiskFull { .. }))) => {
                    tracing::warn!(%error, "the sink waits for room on the disk");
                    let reason = error.to_string();
                    self.sink
                        .handle
                        .update(|status| status.paused = Some(reason.clone()));
                    if shutdown.wait(DISK_FULL_WAIT) {
                        return Err(Ended::Standby(reason));
                    }
                    started = Instant::now();
                    continue;
                }
                Err(LeaseError::Commit(CommitError::Log(error))) if error.is_retriable() => {
                    error.to_string()
                }
                Err(error) => return Err(error.into()),
            };
            tracing::warn!(reason, "a commit failed, and is made again");
            if started.elapsed() > COMMIT_PATIENCE {
                // A new session hears of a shutdown, and begins with what the log says.
                return Err(Ended::Standby(reason));
            }
            std::thread::sleep(super::BUSY_WAIT);
        }
        self.committed_at = Instant::now();
        let outputs = std::mem::take(&mut self.outputs);
        self.sink.handle.update(|status| {
            outputs
                .ledger
                .iter()
                .for_each(|(_, delivery)| status.count(delivery))
        });
        for (request, taken) in self.redriven.drain(..) {
            request.answer(Ok(taken));
        }
        for (_, delivery) in &outputs.ledger {
            metric::effect(delivery);
        }
        for dead in &outputs.dead_letters {
            metric::dead_letter(dead.why.class);
            tracing::warn!(
                class = dead.why.class,
                message = dead.why.message,
                email = self.shown(&dead.source.key),
                "a record went to the dead letters"
            );
        }
        Ok(())
    }

    /// The address in a record's key, for a log line.
    fn shown(&self, record_key: &[u8]) -> String {
        let address = String::from_utf8_lossy(key::partition_part(record_key));
        if self.sink.options.show_addresses {
            address.into_owned()
        } else {
            email::shortened(&address)
        }
    }

    /// Waits a while for what is in flight, and commits what came of it.
    fn drain(&mut self, lease: &mut Lease, shutdown: &Shutdown) -> Result<(), Ended> {
        let until = Instant::now() + DRAIN;
        while self.planner.calls_in_flight() > 0 {
            let Ok(event) = self
                .events
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            else {
                break;
            };
            self.take_event(event);
        }
        self.gather();
        if self.outputs.is_empty() {
            Ok(())
        } else {
            self.commit(lease, shutdown)
        }
    }

    fn take_events(&mut self) -> bool {
        let mut busy = false;
        while let Ok(event) = self.events.try_recv() {
            self.take_event(event);
            busy = true;
        }
        busy
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Answered(call, reply) => self.take_reply(&call, reply),
            Event::Checked(Ok(types)) => {
                if self.checks.passed {
                    tracing::info!("the sink goes on");
                }
                self.checks.in_flight = false;
                self.checks.passed = true;
                // What the check asked counts too: attributes and a page of lists, and the account.
                self.limiter
                    .try_take(EndpointGroup::Contacts, 2, Instant::now());
                self.limiter
                    .try_take(EndpointGroup::Other, 1, Instant::now());
                self.planner.resume(types);
            }
            Event::Checked(Err(error)) => {
                self.checks.in_flight = false;
                self.pause(error.to_string());
            }
        }
    }

    fn take_reply(&mut self, call: &Call, reply: Reply) {
        let now = self.now();
        for seen in &reply.seen {
            let group = seen.endpoint.group();
            match seen.status {
                Some(429) => self
                    .limiter
                    .throttled(group, seen.retry_after, now.chance, now.at),
                Some(_) => self.limiter.observe(group, seen.rate, now.at),
                None => {}
            }
        }
        if matches!(reply.answer, Answer::Done { .. } | Answer::Added { .. }) {
            self.checks.failures = 0;
        }
        let was_paused = self.planner.paused().is_some();
        self.planner.answered(call, reply.answer, now);
        if !was_paused && let Some(reason) = self.planner.paused() {
            self.pause(reason.to_owned());
        }
    }

    fn pause(&mut self, reason: String) {
        self.checks.failures += 1;
        let wait = CHECKS.wait(self.checks.failures, rand::random());
        tracing::error!(reason, again_in_s = wait.as_secs(), "the sink is paused");
        self.checks.due = Instant::now() + wait;
        self.planner.pause(reason);
    }

    /// Asks whether the account can be used, while it could not be.
    fn check_account(&mut self) {
        if self.planner.paused().is_none()
            || self.checks.in_flight
            || Instant::now() < self.checks.due
        {
            return;
        }
        self.checks.in_flight = true;
        let client = self.sink.client.clone();
        let mapping = self.sink.mapping.clone();
        let lists = self.sink.options.lists;
        let create_attributes = self.sink.options.create_attributes;
        let sender = self.sender.clone();
        self.sink.runtime.spawn(async move {
            let result = check(&client, &mapping, &lists, create_attributes).await;
            let _ = sender.send(Event::Checked(result));
        });
    }

    /// Reads what there is room for. Nothing is read before the attributes' types are known.
    fn read(&mut self) -> Result<bool, Ended> {
        let mut busy = false;
        for topic in [SourceTopic::Contacts, SourceTopic::Activities] {
            if !self.checks.passed || self.planner.unsettled(topic) >= MOST_WAITING {
                continue;
            }
            let reader = match topic {
                SourceTopic::Contacts => &mut self.contacts,
                SourceTopic::Activities => &mut self.activities,
            };
            match reader.poll(BATCH, Duration::ZERO) {
                Ok(Some(batch)) => {
                    self.take_batch(topic, &batch);
                    busy = true;
                }
                Ok(None) => {}
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "the log cannot be read now")
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(busy)
    }

    fn take_batch(&mut self, topic: SourceTopic, batch: &RecordBatch) {
        let partition = batch.partition().partition;
        for record in batch.iter() {
            let taken = self.take_record(topic, partition, &record, false);
            count(&mut self.outputs.tally, taken);
        }
        self.planner.read_to(topic, partition, batch.next_offset());
    }

    /// What became of a record; `None` where it cannot be read.
    fn take_record(
        &mut self,
        topic: SourceTopic,
        partition: u32,
        record: &RecordRef<'_>,
        redriven: bool,
    ) -> Option<Taken> {
        let now = self.now();
        let key = record.key.unwrap_or_default();
        let source = |value: &[u8]| {
            Arc::new(Source {
                place: Place {
                    topic,
                    partition,
                    offset: record.offset,
                },
                timestamp: record.timestamp,
                key: key.to_vec(),
                value: value.to_vec(),
                headers: record.headers.encoded().to_vec(),
            })
        };
        let Some(value) = record.value else {
            let key = String::from_utf8_lossy(key);
            match topic {
                SourceTopic::Contacts => {
                    self.planner
                        .contact_erased(&key, decimal(record, VERSION), now);
                }
                SourceTopic::Activities => {
                    let email =
                        String::from_utf8_lossy(key::partition_part(key.as_bytes())).into_owned();
                    self.planner.activity_erased(&email, key::rest(&key), now);
                }
            }
            return Some(Taken::Ignored("erased"));
        };
        let taken = match topic {
            SourceTopic::Contacts => CONTACT.decode::<Contact<'_>>(value).map(|contact| {
                if redriven {
                    self.planner.redrive_contact(source(value), &contact, now)
                } else {
                    let first_read = self
                        .contacts_end
                        .get(&partition)
                        .is_none_or(|end| record.offset >= *end);
                    self.planner
                        .contact(source(value), &contact, first_read, now)
                }
            }),
            SourceTopic::Activities => ACTIVITY.decode::<Activity<'_>>(value).map(|activity| {
                let version = contact_version(record);
                if redriven {
                    self.planner
                        .redrive_activity(source(value), &activity, version, now)
                } else {
                    self.planner
                        .activity(source(value), &activity, version, now)
                }
            }),
        };
        taken
            .map_err(|error| self.planner.unreadable(source(value), error.to_string()))
            .ok()
    }

    /// Takes what a person asks for again. Nothing can be taken before the attributes' types are known.
    fn take_redrives(&mut self) -> Result<bool, Ended> {
        let mut busy = false;
        while self.checks.passed || self.checks.failures > 0 {
            let Ok(request) = self.sink.redrives.try_recv() else {
                break;
            };
            busy = true;
            if !self.checks.passed {
                let reason = self.planner.paused().unwrap_or_default().to_owned();
                request.answer(Err(RedriveError::Paused { reason }));
                continue;
            }
            match self.redrive(&request.redrive)? {
                None => request.answer(Err(RedriveError::Gone)),
                Some(taken @ Taken::Ignored(_)) => request.answer(Ok(taken)),
                Some(Taken::Effective) => self.redriven.push((request, Taken::Effective)),
            }
        }
        Ok(busy)
    }

    /// Looks for the last record of a key, and takes it again; `None` where there is none that can be
    /// taken.
    fn redrive(&mut self, redrive: &Redrive) -> Result<Option<Taken>, SinkError> {
        let route = self.routes.source(redrive.topic);
        let partition = route.partition(route.partition_for(&redrive.key));
        let Offsets { start, end } = self.sink.log.offsets(&partition)?;
        let mut last: Option<(RecordBatch, i64)> = None;
        read_to_end(
            &*self.sink.log,
            &[(partition.clone(), redrive.offset.max(start), end)],
            |batch| {
                let found = batch
                    .iter()
                    .filter(|record| record.key == Some(&redrive.key))
                    .map(|record| record.offset)
                    .last();
                if let Some(offset) = found {
                    last = Some((batch.clone(), offset));
                }
                Ok(())
            },
        )?;
        let Some((batch, offset)) = last else {
            tracing::warn!(
                topic = redrive.topic.name(),
                offset = redrive.offset,
                "a record to re-drive is not in the log"
            );
            return Ok(None);
        };
        let Some(record) = batch.iter().find(|record| record.offset == offset) else {
            return Ok(None);
        };
        let taken = self.take_record(redrive.topic, partition.partition, &record, true);
        count(&mut self.outputs.tally, taken);
        tracing::info!(
            topic = redrive.topic.name(),
            offset,
            ?taken,
            "a record was re-driven"
        );
        Ok(taken)
    }

    fn note_idleness(&mut self, busy: bool) {
        let waits = self.planner.unsettled(SourceTopic::Contacts)
            + self.planner.unsettled(SourceTopic::Activities);
        let unwritten = self.outputs.ledger.len() + self.outputs.dead_letters.len();
        let is_idle = !busy
            && self.checks.passed
            && self.planner.paused().is_none()
            && waits + unwritten + self.planner.calls_in_flight() == 0;
        self.idle_since = if is_idle {
            self.idle_since.or(Some(Instant::now()))
        } else {
            None
        };
    }

    fn tell(&self) {
        self.sink.handle.update(|status| {
            status.active = true;
            status.paused = self.planner.paused().map(str::to_owned);
            status.contacts_waiting = self.planner.unsettled(SourceTopic::Contacts);
            status.activities_waiting = self.planner.unsettled(SourceTopic::Activities);
            status.unknown = self.planner.unknown();
            status.in_flight = self.planner.calls_in_flight();
            status.idle_since = self.idle_since;
            metric::status(status);
        });
    }
}

/// Counts a record for which nothing is to be done. One that has an effect counts once that is settled.
fn count(tally: &mut Tally, taken: Option<Taken>) {
    match taken {
        Some(Taken::Effective) => {}
        Some(Taken::Ignored(reason)) => tally.count_ignored(reason),
        None => tally.count_dead(UNREADABLE),
    }
}

/// The version of the contact that an activity came with; 0 where none is named.
fn contact_version(record: &RecordRef<'_>) -> i64 {
    decimal(record, CONTACT_VERSION)
}

/// A header in decimal digits; 0 where there is none.
fn decimal(record: &RecordRef<'_>, name: &str) -> i64 {
    let text = record
        .headers
        .get(name)
        .and_then(|value| std::str::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
