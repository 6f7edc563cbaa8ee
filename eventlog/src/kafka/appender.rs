//! Single records, each durable by itself: an idempotent producer that waits for all replicas.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::util::Timeout;
use tokio::sync::oneshot;

use crate::{AppendFuture, Appender, LogError, TopicPartition};

use super::config::{KafkaConfig, MAX_RECORD_BYTES};
use super::context::Logging;
use super::failure::Failure;
use super::{Closed, partitions};

pub(super) struct KafkaAppender {
    config: Arc<KafkaConfig>,
    closed: Closed,
    producer: RwLock<ThreadedProducer<Answering>>,
}

/// Where the answer to one record goes: its offset, or why it was not delivered.
type Answer = Box<oneshot::Sender<Result<i64, KafkaError>>>;

/// Answers each record to whoever appended it.
struct Answering;

impl ClientContext for Answering {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Logging.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Logging.error(error, reason);
    }
}

impl ProducerContext for Answering {
    type DeliveryOpaque = Answer;

    fn delivery(&self, result: &DeliveryResult<'_>, answer: Answer) {
        let result = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        // Whoever does not wait any more does not want to know.
        let _ = answer.send(result);
    }
}

impl KafkaAppender {
    pub(super) fn open(config: Arc<KafkaConfig>, closed: Closed) -> Result<Self, LogError> {
        let producer = RwLock::new(open(&config)?);
        Ok(Self {
            config,
            closed,
            producer,
        })
    }

    /// Waits until all that was appended is durable.
    pub(super) fn flush(&self) -> Result<(), LogError> {
        let producer = self
            .producer
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        producer
            .flush(Timeout::After(
                self.config.delivery_timeout + Duration::from_secs(1),
            ))
            .map_err(|error| Failure::from(error).during("delivering what was appended last"))
    }

    fn send(
        &self,
        partition: &TopicPartition,
        key: Option<&[u8]>,
        value: &[u8],
    ) -> Result<oneshot::Receiver<Result<i64, KafkaError>>, KafkaError> {
        let (answer, answered) = oneshot::channel();
        let mut record = BaseRecord::with_opaque_to(&partition.topic, Box::new(answer))
            .partition(partitions::native(partition))
            .payload(value);
        record.key = key;
        let producer = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        producer.send(record).map_err(|(error, _)| error)?;
        Ok(answered)
    }

    /// An idempotent producer that lost track of its sequence refuses everything from then on. Each
    /// record stands by itself here, so that another producer may go on.
    fn replace(&self) -> Result<(), LogError> {
        let mut producer = self
            .producer
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if producer.client().fatal_error().is_none() {
            // Another thread was quicker.
            return Ok(());
        }
        tracing::warn!("the producer failed and is replaced");
        let failed = std::mem::replace(&mut *producer, open(&self.config)?);
        // Dropping it waits for its thread.
        std::thread::spawn(move || drop(failed));
        Ok(())
    }
}

fn open(config: &KafkaConfig) -> Result<ThreadedProducer<Answering>, LogError> {
    config
        .appender()
        .create_with_context::<_, ThreadedProducer<Answering>>(Answering)
        .map_err(|error| Failure::from(error).during("opening a producer"))
}

impl Appender for KafkaAppender {
    fn append(&self, partition: &TopicPartition, key: Option<&[u8]>, value: &[u8]) -> AppendFuture {
        let bytes = value.len() + key.map_or(0, <[u8]>::len);
        let started = || {
            self.closed.check()?;
            // librdkafka says so too, but only of the record without its frame.
            if bytes > MAX_RECORD_BYTES / 2 {
                return Err(LogError::TooLarge {
                    partition: partition.clone(),
                    bytes,
                    limit: MAX_RECORD_BYTES / 2,
                });
            }
            let mut sent = self.send(partition, key, value);
            if let Err(KafkaError::MessageProduction(RDKafkaErrorCode::Fatal)) = sent {
                self.replace()?;
                sent = self.send(partition, key, value);
            }
            sent.map_err(|error| Failure::from(error).of_record(partition, bytes))
        };
        let answered = started();
        let partition = partition.clone();
        Box::pin(async move {
            match answered?.await {
                Ok(Ok(offset)) => Ok(offset),
                Ok(Err(error)) => Err(Failure::from(error).of_record(&partition, bytes)),
                Err(_) => Err(LogError::Closed {
                    reason: Some("the producer ended".to_owned()),
                }),
            }
        })
    }
}
