//! How much of the log the sink is not done with: asked apart from its work, because a cluster answers
//! only once the transactions that are open on a partition are decided.

use std::sync::Arc;
use std::time::Duration;

use rollcall_eventlog::{EventLog, LogError};
use rollcall_runtime::{Shutdown, TopicSettings, group};
use rollcall_schemas::catalogue::{ENGAGEMENT_ACTIVITIES, ENGAGEMENT_CONTACTS, Topic};

use crate::metric;
use crate::progress::SourceTopic;
use crate::sink::SinkHandle;

const EVERY: Duration = Duration::from_secs(1);

/// Records that the sink has before it: those between what it committed and where their topic ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct Lag {
    /// Of `engagement.contacts`.
    pub contacts: u64,
    /// Of `engagement.activities`.
    pub activities: u64,
}

impl Lag {
    /// Both.
    #[must_use]
    pub fn records(self) -> u64 {
        self.contacts + self.activities
    }

    /// How far the sink is behind, whichever instance is the active one, and also where none runs.
    ///
    /// # Errors
    ///
    /// Where the log cannot be asked.
    pub fn read(log: &dyn EventLog, topics: &TopicSettings) -> Result<Self, LogError> {
        read(log, topics, |_, _, _| {})
    }
}

fn read(
    log: &dyn EventLog,
    topics: &TopicSettings,
    mut tell: impl FnMut(SourceTopic, u32, u64),
) -> Result<Lag, LogError> {
    let mut of = |topic: &Topic, name| {
        let partitions: Vec<_> = topics.route(topic).all().collect();
        let committed = log.committed(&group(topics, metric::STAGE), &partitions)?;
        let mut records = 0;
        for (partition, committed) in partitions.iter().zip(committed) {
            let offsets = log.offsets(partition)?;
            let lag = offsets.end - committed.unwrap_or(offsets.start);
            let lag = u64::try_from(lag).unwrap_or(0);
            tell(name, partition.partition, lag);
            records += lag;
        }
        Ok::<_, LogError>(records)
    };
    Ok(Lag {
        contacts: of(&ENGAGEMENT_CONTACTS, SourceTopic::Contacts)?,
        activities: of(&ENGAGEMENT_ACTIVITIES, SourceTopic::Activities)?,
    })
}

/// Asks for as long as it is kept.
pub(crate) struct LagWatch(Shutdown);

impl LagWatch {
    /// Starts to ask, on a thread of its own that nobody waits for.
    pub(crate) fn start(log: Arc<dyn EventLog>, topics: TopicSettings, handle: SinkHandle) -> Self {
        let stop = Shutdown::default();
        let stopped = stop.clone();
        let name = format!("{}-lag", metric::STAGE);
        let started = std::thread::Builder::new().name(name).spawn(move || {
            loop {
                match read(&*log, &topics, metric::lag) {
                    Ok(lag) => handle.update(|status| status.lag = Some(lag)),
                    Err(error) => tracing::debug!(%error, "how far behind is not known now"),
                }
                if stopped.wait(EVERY) {
                    break;
                }
            }
            // Whoever is the active one next tells of it.
            for (topic, source) in [
                (&ENGAGEMENT_CONTACTS, SourceTopic::Contacts),
                (&ENGAGEMENT_ACTIVITIES, SourceTopic::Activities),
            ] {
                for partition in topics.route(topic).all() {
                    metric::lag(source, partition.partition, 0);
                }
            }
        });
        if let Err(error) = started {
            tracing::warn!(%error, "no thread for the lag: it is not reported");
        }
        Self(stop)
    }
}

impl Drop for LagWatch {
    fn drop(&mut self) {
        self.0.request();
    }
}
