//! Partitions read outside of any group.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::{LogError, Reader, RecordBatch, TopicPartition};

use super::batches::Batches;
use super::config::KafkaConfig;
use super::context::Logging;
use super::failure::Failure;
use super::{Closed, out_of_range, partitions};

pub(super) struct KafkaReader {
    consumer: BaseConsumer<Logging>,
    batches: Batches,
    closed: Closed,
    request_timeout: Duration,
}

impl KafkaReader {
    pub(super) fn open(
        config: &KafkaConfig,
        closed: Closed,
        from: &[(TopicPartition, i64)],
    ) -> Result<Self, LogError> {
        let failed = |error: KafkaError| Failure::from(error).during("opening a reader");
        let consumer = config
            .reader()
            .create_with_context::<_, BaseConsumer<Logging>>(Logging)
            .map_err(failed)?;
        consumer
            .assign(&partitions::list_at(from).map_err(failed)?)
            .map_err(failed)?;
        let mut batches = Batches::default();
        for (partition, offset) in from {
            batches.open(partition, *offset);
        }
        Ok(Self {
            consumer,
            batches,
            closed,
            request_timeout: config.request_timeout,
        })
    }
}

impl Reader for KafkaReader {
    fn poll(
        &mut self,
        max_records: usize,
        timeout: Duration,
    ) -> Result<Option<RecordBatch>, LogError> {
        self.closed.check()?;
        if let Some(batch) = self.batches.take(max_records) {
            return Ok(Some(batch));
        }
        if let Err(error) = self.batches.fill(&self.consumer, max_records, timeout) {
            let failure = Failure::from(error);
            if failure.code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
                return Err(out_of_range::find(
                    &self.consumer,
                    &self.batches,
                    self.request_timeout,
                    &failure,
                ));
            }
            failure.unless_passing("reading")?;
        }
        Ok(self.batches.take(max_records))
    }
}
