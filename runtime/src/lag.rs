//! How far a worker is behind, asked apart from its work: a cluster answers only once the
//! transactions that are open on the input are decided, and no unit of work should wait for that.

use std::sync::Arc;
use std::time::Duration;

use rollcall_eventlog::{EventLog, TopicPartition};

use crate::{Shutdown, StageStatus, metric};

const EVERY: Duration = Duration::from_secs(1);

/// Asks for the partitions of one worker, until told to stop.
pub(crate) struct LagWatch {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) input: Arc<str>,
    pub(crate) status: Arc<StageStatus>,
    pub(crate) instance: String,
    pub(crate) stop: Shutdown,
}

impl LagWatch {
    /// Starts to ask, on a thread of its own that nobody waits for.
    pub(crate) fn start(self) {
        let name = format!("{}-lag", self.status.stage());
        let started = std::thread::Builder::new().name(name).spawn(move || {
            while !self.stop.wait(EVERY) {
                self.look();
            }
        });
        if let Err(error) = started {
            tracing::warn!(%error, "no thread for the lag: it is not reported");
        }
    }

    fn look(&self) {
        for (partition, committed) in self.status.held_by(&self.instance) {
            let at = TopicPartition::new(Arc::clone(&self.input), partition);
            match self.log.offsets(&at) {
                Ok(offsets) => {
                    let lag = offsets.end - committed.unwrap_or(offsets.start);
                    let lag = u64::try_from(lag).unwrap_or(0);
                    metric::lag(self.status.stage(), partition, lag);
                    self.status.lag(partition, lag);
                }
                Err(error) => {
                    tracing::debug!(partition = %at, %error, "how far behind is not known now");
                }
            }
        }
    }
}
