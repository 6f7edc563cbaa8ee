//! Reads partitions outside of any group.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::follow::Follow;
use super::sync::Signal;
use crate::{LogError, Reader, RecordBatch, TopicPartition};

#[derive(Debug)]
pub(super) struct EmbeddedReader {
    engine: Arc<Engine>,
    follow: Follow,
    signal: Arc<Signal>,
}

impl EmbeddedReader {
    pub(super) fn new(
        engine: Arc<Engine>,
        from: &[(TopicPartition, i64)],
    ) -> Result<Self, LogError> {
        let mut follow = Follow::default();
        for (partition, offset) in from {
            follow.add(engine.topics.partition(partition)?, *offset);
        }
        Ok(Self {
            engine,
            follow,
            signal: Arc::default(),
        })
    }
}

impl Reader for EmbeddedReader {
    fn poll(
        &mut self,
        max_records: usize,
        timeout: Duration,
    ) -> Result<Option<RecordBatch>, LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            self.engine.ensure_open()?;
            let batch = self.follow.next(max_records)?;
            if batch.is_some() || Instant::now() >= deadline {
                return Ok(batch);
            }
            let closed = || self.engine.ensure_open().is_err();
            self.follow.wait(&self.signal, deadline, closed);
        }
    }
}
