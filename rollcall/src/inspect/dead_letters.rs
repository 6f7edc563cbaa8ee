//! Records that could never succeed, and giving them another chance.

mod content;

use anyhow::{Context, Result};
use rollcall_eventlog::{Headers, RecordRef, TopicPartition};
use rollcall_runtime::dead_letter::{CLASS, MESSAGE, OFFSET, PARTITION, STAGE, TOPIC};
use rollcall_schemas::catalogue::{
    DEAD_LETTERS, ENGAGEMENT_ACTIVITIES, ENGAGEMENT_CONTACTS, ZOOM_RAW,
};
use rollcall_sink::SinkHandle;
use rollcall_sink::plan::Taken;
use rollcall_sink::progress::SourceTopic;
use rollcall_sink::sink::Redrive;
use serde::{Deserialize, Serialize};

use super::{Inspector, Place};
pub(crate) use content::Content;

/// A dead letter, without its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeadLetter {
    pub(crate) place: Place,
    pub(crate) at: i64,
    pub(crate) stage: String,
    pub(crate) class: String,
    pub(crate) message: String,
    pub(crate) key: String,
    /// The record that it was made of.
    pub(crate) source: Place,
    pub(crate) bytes: usize,
}

/// What was done to give a dead letter another chance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Redriven {
    /// Its record is in its topic again, here.
    Appended(Place),
    /// The sink takes it again, and does so also after a crash.
    Asked,
    /// There is nothing to do for it any more.
    Settled {
        /// Why.
        why: String,
    },
}

/// A dead letter with what can be shown of its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeadLetterContent {
    pub(crate) letter: DeadLetter,
    pub(crate) content: Content,
}

fn text(headers: Headers<'_>, name: &str) -> String {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .unwrap_or_default()
}

pub(super) fn letter(place: &Place, record: &RecordRef<'_>) -> DeadLetter {
    let headers = record.headers;
    DeadLetter {
        place: place.clone(),
        at: record.timestamp,
        stage: text(headers, STAGE),
        class: text(headers, CLASS),
        message: text(headers, MESSAGE),
        key: record
            .key
            .map(|key| String::from_utf8_lossy(key).into_owned())
            .unwrap_or_default(),
        source: Place {
            topic: text(headers, TOPIC),
            partition: text(headers, PARTITION).parse().unwrap_or_default(),
            offset: text(headers, OFFSET).parse().unwrap_or(-1),
        },
        bytes: record.value.map_or(0, <[u8]>::len),
    }
}

/// Why the sink has nothing to do for a record.
fn settled(reason: &str) -> &str {
    match reason {
        "settled" => "all that it asks for is done, or under way",
        "version_known" => "Brevo has this version of the contact or a later one, or gets it next",
        "not_wanted" => "the configuration asks for nothing of it",
        "erased" => "the contact is no more",
        reason => reason,
    }
}

impl Inspector {
    /// All dead letters, the newest last.
    pub(crate) fn dead_letters(&self) -> Result<Vec<DeadLetter>> {
        let mut letters = Vec::new();
        self.scan(self.topics.route(&DEAD_LETTERS).all(), |place, record| {
            letters.push(letter(place, record));
            true
        })?;
        letters.sort_by(|a, b| (a.at, &a.place).cmp(&(b.at, &b.place)));
        Ok(letters)
    }

    /// One dead letter with its content.
    pub(crate) fn dead_letter(&self, wanted: &Place) -> Result<Option<DeadLetterContent>> {
        self.find(wanted, |place, record| DeadLetterContent {
            letter: letter(place, record),
            content: Content::of(
                &self.topics,
                &text(record.headers, TOPIC),
                record.value.unwrap_or_default(),
            ),
        })
    }

    /// Gives a dead letter another chance, with the state of now. One of a stage's is appended to the
    /// topic that it came from; one of the sink's is for the sink to take by its key, as it is now.
    pub(crate) async fn redrive(
        &self,
        wanted: &Place,
        sink: Option<&SinkHandle>,
    ) -> Result<Redriven> {
        let (letter, record_key, value) = self
            .find(wanted, |place, record| {
                (
                    letter(place, record),
                    record.key.map(<[u8]>::to_vec),
                    record.value.map(<[u8]>::to_vec),
                )
            })?
            .with_context(|| format!("there is no dead letter at {wanted}"))?;
        let source = &letter.source;
        let of_sink = [
            (&ENGAGEMENT_CONTACTS, SourceTopic::Contacts),
            (&ENGAGEMENT_ACTIVITIES, SourceTopic::Activities),
        ]
        .into_iter()
        .find(|(topic, _)| source.topic == *self.topics.name(topic));
        if let Some((_, topic)) = of_sink {
            let sink = sink.context("a letter of the sink is re-driven by the sink: start `rollcall run` with the role sink, and ask again")?;
            let taken = sink
                .redrive(Redrive {
                    topic,
                    key: record_key.unwrap_or_default(),
                    offset: source.offset,
                })
                .await?;
            return Ok(match taken {
                Taken::Effective => Redriven::Asked,
                Taken::Ignored(reason) => Redriven::Settled {
                    why: settled(reason).to_owned(),
                },
            });
        }
        let raw = self.topics.name(&ZOOM_RAW);
        anyhow::ensure!(
            source.topic == *raw,
            "{wanted} came from {source}, which only its own stage may write: re-drive the letters of {raw} that it followed from"
        );
        let value = value.context("the dead letter has no content")?;
        let partition = TopicPartition::new(raw, source.partition);
        let offset = self
            .log
            .appender()?
            .append(&partition, record_key.as_deref(), &value)
            .await?;
        Ok(Redriven::Appended(Place {
            topic: partition.topic.to_string(),
            partition: partition.partition,
            offset,
        }))
    }

    fn find<T>(
        &self,
        wanted: &Place,
        mut take: impl FnMut(&Place, &RecordRef<'_>) -> T,
    ) -> Result<Option<T>> {
        let route = self.topics.route(&DEAD_LETTERS);
        anyhow::ensure!(
            wanted.topic == *route.topic && wanted.partition < route.partitions,
            "{wanted} is not a place in {}",
            route.topic
        );
        let mut found = None;
        self.scan([route.partition(wanted.partition)], |place, record| {
            if record.offset == wanted.offset {
                found = Some(take(place, record));
            }
            found.is_none()
        })?;
        Ok(found)
    }
}
