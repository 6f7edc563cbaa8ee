//! Units of work as transactions.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::util::Timeout;

use crate::{CommitError, LogError, Output, TopicPartition, UnitOfWork};

use super::config::KafkaConfig;
use super::context::Deliveries;
use super::failure::{Failure, Kind};
use super::partitions;

/// Pause between tries of a call that may succeed.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Pause between looks at whether all outputs are delivered.
const DELIVERY_WAIT: Duration = Duration::from_micros(500);

/// How long the cluster is given to abort what a predecessor left open, before it is asked again.
/// librdkafka itself asks again after half a second only, or at once when it is called anew.
const TAKE_OVER_TRY: Duration = Duration::from_millis(50);

/// How far a commit has come. A process that ends at any of them leaves nothing of the unit, but at
/// the last: then all of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CommitStep {
    /// The transaction is open, and holds nothing yet.
    Begun,
    /// The outputs are in the log, and no reader sees them.
    OutputsWritten,
    /// The offsets are too.
    OffsetsWritten,
    /// The unit is visible.
    Committed,
}

/// A transactional producer, which commits one unit of work at a time.
pub(super) struct Transactions {
    producer: ThreadedProducer<Deliveries>,
    deliveries: Deliveries,
    /// How long one step is tried. A transaction that takes longer is aborted by the cluster.
    patience: Duration,
    on_step: Option<Arc<dyn Fn(CommitStep) + Send + Sync>>,
    /// Why this producer is of no more use.
    ended: Option<Ended>,
}

#[derive(Clone, Debug)]
enum Ended {
    Fenced(String),
    Failed(String),
}

/// A step of a commit that failed.
enum Broken {
    /// Nothing of the unit may stay; the producer can go on after an abort.
    Step(Failure),
    /// As above, because of one record.
    Record(TopicPartition, usize, Failure),
}

impl Broken {
    fn failure(&self) -> &Failure {
        match self {
            Self::Step(failure) | Self::Record(_, _, failure) => failure,
        }
    }

    fn into_error(self) -> CommitError {
        match self {
            Self::Record(partition, bytes, failure) => match failure.of_record(&partition, bytes) {
                error @ (LogError::TooLarge { .. } | LogError::UnknownPartition { .. }) => {
                    CommitError::Log(error)
                }
                error => CommitError::Aborted {
                    reason: error.to_string(),
                },
            },
            Self::Step(failure) => CommitError::Aborted {
                reason: failure.reason().to_owned(),
            },
        }
    }
}

impl From<KafkaError> for Broken {
    fn from(error: KafkaError) -> Self {
        Self::Step(error.into())
    }
}

impl Transactions {
    /// Fences whoever has this transactional id, and aborts what it left open.
    pub(super) fn open(
        config: &KafkaConfig,
        client_id: &str,
        transactional_id: &str,
    ) -> Result<Self, LogError> {
        let deliveries = Deliveries::default();
        let failed = |failure: Failure| {
            failure.during(format!("taking over transactions of {transactional_id}"))
        };
        let producer = config
            .transactional(client_id, transactional_id)
            .create_with_context::<_, ThreadedProducer<Deliveries>>(deliveries.clone())
            .map_err(|error| failed(error.into()))?;
        let patience = config.transaction_timeout;
        retry(Instant::now() + patience, |left| {
            let Timeout::After(left) = left else {
                return producer.init_transactions(left);
            };
            producer.init_transactions(left.min(TAKE_OVER_TRY))
        })
        .map_err(failed)?;
        Ok(Self {
            producer,
            deliveries,
            patience,
            on_step: config.on_commit_step.clone(),
            ended: None,
        })
    }

    /// Commits a unit. `metadata` is asked for when the offsets are sent, and not before: a
    /// generation that is over would be refused.
    pub(super) fn commit(
        &mut self,
        unit: &UnitOfWork,
        metadata: impl FnOnce() -> Result<ConsumerGroupMetadata, CommitError>,
    ) -> Result<(), CommitError> {
        match &self.ended {
            Some(Ended::Fenced(reason)) => {
                return Err(CommitError::Fenced {
                    reason: reason.clone(),
                });
            }
            Some(Ended::Failed(reason)) => {
                return Err(CommitError::Unclear {
                    reason: reason.clone(),
                });
            }
            None => {}
        }
        if unit.outputs.is_empty() && unit.offsets.is_empty() {
            return Ok(());
        }
        self.producer
            .begin_transaction()
            .map_err(|error| self.end(&error.into()))?;
        self.step(CommitStep::Begun);
        if let Err(broken) = self.write_outputs(unit) {
            return Err(self.abort(broken));
        }
        self.step(CommitStep::OutputsWritten);
        if !unit.offsets.is_empty() {
            let metadata = match metadata() {
                Ok(metadata) => metadata,
                Err(error) => {
                    self.roll_back()?;
                    return Err(error);
                }
            };
            if let Err(broken) = self.write_offsets(unit, &metadata) {
                return Err(self.abort(broken));
            }
        }
        self.step(CommitStep::OffsetsWritten);
        self.finish()?;
        self.step(CommitStep::Committed);
        Ok(())
    }

    /// Marks this producer as of no more use: its member lost its place.
    pub(super) fn fence(&mut self, reason: &str) -> CommitError {
        self.ended = Some(Ended::Fenced(reason.to_owned()));
        CommitError::Fenced {
            reason: reason.to_owned(),
        }
    }

    fn step(&self, step: CommitStep) {
        if let Some(on_step) = &self.on_step {
            on_step(step);
        }
    }

    fn write_outputs(&self, unit: &UnitOfWork) -> Result<(), Broken> {
        let deadline = Instant::now() + self.patience;
        self.deliveries.begin();
        for output in unit.outputs.iter() {
            self.write(&output, deadline)?;
        }
        loop {
            // Before the failures: a record that could not be delivered is under way until its
            // failure is noted.
            let under_way = self.producer.in_flight_count();
            if let Some((partition, bytes, failure)) = self.deliveries.first_failure() {
                return Err(Broken::Record(partition, bytes, failure));
            }
            if under_way == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut).into());
            }
            // The producer's own `flush` waits in steps of 100 ms, and a report of each delivery
            // would cost more than this does.
            thread::sleep(DELIVERY_WAIT);
        }
    }

    fn write(&self, output: &Output<'_>, deadline: Instant) -> Result<(), Broken> {
        let partition = TopicPartition::new(Arc::clone(output.topic), output.partition);
        let mut record =
            BaseRecord::<[u8], [u8]>::to(output.topic).partition(partitions::native(&partition));
        record.key = output.key;
        record.payload = output.value;
        if !output.headers.encoded().is_empty() {
            let headers = output
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |headers, header| {
                    headers.insert(Header {
                        key: header.name,
                        value: Some(header.value),
                    })
                });
            record.headers = Some(headers);
        }
        loop {
            let Err((error, returned)) = self.producer.send(record) else {
                return Ok(());
            };
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull)
                || Instant::now() > deadline
            {
                let bytes = output.key.map_or(0, <[u8]>::len) + output.value.map_or(0, <[u8]>::len);
                return Err(Broken::Record(partition, bytes, error.into()));
            }
            // The producer's own thread makes room.
            thread::sleep(Duration::from_millis(1));
            record = returned;
        }
    }

    fn write_offsets(
        &self,
        unit: &UnitOfWork,
        metadata: &ConsumerGroupMetadata,
    ) -> Result<(), Broken> {
        let offsets = partitions::list_at(&unit.offsets)?;
        let sent = retry(Instant::now() + self.patience, |left| {
            self.producer
                .send_offsets_to_transaction(&offsets, metadata, left)
        });
        sent.map_err(Broken::Step)
    }

    fn finish(&mut self) -> Result<(), CommitError> {
        // `Never` stands for what is left of the transaction's time. Another would report a time-out
        // of a commit that goes on.
        let deadline = Instant::now() + self.patience;
        match retry(deadline, |_| {
            self.producer.commit_transaction(Timeout::Never)
        }) {
            Ok(()) => Ok(()),
            Err(failure) if failure.kind() == Kind::Abortable => {
                Err(self.abort(Broken::Step(failure)))
            }
            Err(failure) => Err(self.end(&failure)),
        }
    }

    /// Aborts the transaction, and says what became of the unit.
    fn abort(&mut self, broken: Broken) -> CommitError {
        let failure = broken.failure();
        let fenced_as_producer = self.producer.client().fatal_error().is_some();
        if fenced_as_producer {
            let failure = failure.clone();
            return self.end(&failure);
        }
        let fenced = failure.kind() == Kind::Fenced;
        let reason = failure.reason().to_owned();
        if let Err(error) = self.roll_back() {
            return error;
        }
        if fenced {
            self.fence(&reason)
        } else {
            broken.into_error()
        }
    }

    fn roll_back(&mut self) -> Result<(), CommitError> {
        let aborted = retry(Instant::now() + self.patience, |left| {
            self.producer.abort_transaction(left)
        });
        aborted.map_err(|failure| self.end(&failure))
    }

    /// Notes that this producer is of no more use, and says what became of the unit.
    ///
    /// One that is fenced while it commits was refused by the coordinator. (Had an earlier try of the
    /// same call succeeded unnoticed, the unit is visible all the same; who is fenced forgets all it
    /// knows, and its successor goes by the log.)
    fn end(&mut self, failure: &Failure) -> CommitError {
        let fatal = self.producer.client().fatal_error();
        let (code, reason) = match &fatal {
            Some((code, reason)) => (Some(*code), reason.as_str()),
            None => (failure.code(), failure.reason()),
        };
        let fenced = failure.kind() == Kind::Fenced
            || code
                .is_some_and(|code| Failure::from(KafkaError::Global(code)).kind() == Kind::Fenced);
        if fenced {
            return self.fence(reason);
        }
        let reason = reason.to_owned();
        self.ended = Some(Ended::Failed(reason.clone()));
        CommitError::Unclear { reason }
    }
}

/// Tries until the deadline what may succeed. The call is given the time that is left.
fn retry(
    deadline: Instant,
    mut call: impl FnMut(Timeout) -> KafkaResult<()>,
) -> Result<(), Failure> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match call(Timeout::After(left)).map_err(Failure::from) {
            Err(failure) if failure.kind() == Kind::Retriable && Instant::now() < deadline => {
                tracing::debug!(reason = failure.reason(), "trying again");
                thread::sleep(RETRY_PAUSE);
            }
            result => return result,
        }
    }
}
