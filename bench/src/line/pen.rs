//! Writes loads to the log, as the ingress would.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rollcall_eventlog::{AppendFuture, Appender, EventLog, LogError, TopicPartition};
use rollcall_runtime::Route;
use rollcall_schemas::wire::{Encoder, RAW_RECORD};

use crate::input::Webhook;

/// Appends that may wait for the log at once.
const UNDER_WAY: usize = 20_000;

/// Writes webhooks to `zoom.raw`.
pub struct Pen {
    appender: Arc<dyn Appender>,
    raw: Route,
    encoder: Encoder,
    value: Vec<u8>,
    under_way: Vec<AppendFuture>,
}

impl Pen {
    pub(super) fn new(log: &dyn EventLog, raw: Route) -> Result<Self> {
        Ok(Self {
            appender: log.appender()?,
            raw,
            encoder: RAW_RECORD.encoder(),
            value: Vec::new(),
            under_way: Vec::with_capacity(UNDER_WAY),
        })
    }

    /// Appends a webhook. It is durable once [`Pen::wait`] has returned.
    ///
    /// # Errors
    ///
    /// Where the log fails.
    pub fn webhook(&mut self, webhook: &Webhook) -> Result<()> {
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        webhook.encode_into(&mut self.encoder, &mut value);
        let partition = self.raw.partition(self.raw.partition_for(&webhook.key));
        let appended = self.append(&partition, &webhook.key, &value);
        self.value = value;
        appended
    }

    /// Appends ticks to every partition.
    pub(super) fn ticks(&mut self, ticks: &[Vec<u8>]) -> Result<()> {
        for tick in ticks {
            for partition in self.raw.all() {
                self.append(&partition, b"tick", tick)?;
            }
        }
        Ok(())
    }

    fn append(&mut self, partition: &TopicPartition, key: &[u8], value: &[u8]) -> Result<()> {
        if self.under_way.len() == UNDER_WAY {
            self.wait()?;
        }
        self.under_way
            .push(append(&*self.appender, partition, key, value)?);
        Ok(())
    }

    /// Waits until all that was appended is durable.
    ///
    /// # Errors
    ///
    /// Where it is not.
    pub fn wait(&mut self) -> Result<()> {
        wait_for(self.under_way.drain(..))
    }
}

/// Appends a record, as soon as the log has room for it.
fn append(
    appender: &dyn Appender,
    partition: &TopicPartition,
    key: &[u8],
    value: &[u8],
) -> Result<AppendFuture> {
    // The future of a refused append is ready at once; one that was taken is not polled here.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        let mut future = appender.append(partition, Some(key), value);
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(Err(LogError::Busy { .. })) => {
                std::thread::sleep(Duration::from_millis(1))
            }
            std::task::Poll::Ready(result) => return Ok(Box::pin(std::future::ready(result))),
            std::task::Poll::Pending => return Ok(future),
        }
    }
}

fn wait_for(futures: impl Iterator<Item = AppendFuture>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for future in futures {
            future.await?;
        }
        Ok(())
    })
}
