//! A log that does with an append what a test tells it to.

use std::sync::{Arc, Mutex};

use rollcall_eventlog::{AppendFuture, Appender, LogError, TopicPartition};
use tokio::sync::watch;

/// What an append does.
pub(crate) enum Appends {
    /// Succeeds at once.
    Succeed,
    /// Succeeds once the test sends `true`.
    Wait(watch::Receiver<bool>),
    /// Fails at once.
    Fail(fn() -> LogError),
    /// Never comes to an end.
    Hang,
}

/// A record that was appended durably.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) partition: u32,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
}

/// Keeps records in memory.
pub(crate) struct MemoryLog {
    appends: Appends,
    kept: Arc<Mutex<Vec<Kept>>>,
}

impl MemoryLog {
    pub(crate) fn new(appends: Appends) -> Self {
        Self {
            appends,
            kept: Arc::default(),
        }
    }

    pub(crate) fn kept(&self) -> Vec<Kept> {
        self.kept
            .lock()
            .expect("no test panics while holding it")
            .clone()
    }
}

impl Appender for MemoryLog {
    fn append(&self, partition: &TopicPartition, key: Option<&[u8]>, value: &[u8]) -> AppendFuture {
        let record = Kept {
            partition: partition.partition,
            key: String::from_utf8(key.expect("every delivery has a key").to_vec())
                .expect("keys are text"),
            value: value.to_vec(),
        };
        let kept = Arc::clone(&self.kept);
        let keep = move || {
            let mut kept = kept.lock().expect("no test panics while holding it");
            kept.push(record);
            Ok(i64::try_from(kept.len()).expect("few records") - 1)
        };
        match &self.appends {
            Appends::Succeed => {
                let result = keep();
                Box::pin(async { result })
            }
            Appends::Wait(released) => {
                let mut released = released.clone();
                Box::pin(async move {
                    released
                        .wait_for(|released| *released)
                        .await
                        .expect("the test holds the sender");
                    keep()
                })
            }
            Appends::Fail(error) => {
                let error = error();
                Box::pin(async { Err(error) })
            }
            Appends::Hang => Box::pin(std::future::pending()),
        }
    }
}
