//! The topics of a log, and the manifest that names them.
//!
//! A topic's number is its place in the manifest; journal and checkpoint speak of topics by number,
//! and a topic is in the durable manifest before anything speaks of it.

use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use foldhash::HashMap;
use serde::{Deserialize, Serialize};

use super::disk::{Disk, ReplaceSteps, Step, read_if_exists};
use super::frame::PartitionId;
use super::partition::Partition;
use super::sync::{lock, read, write};
use crate::{CleanupPolicy, LogError, TopicConfig, TopicPartition};

const STEPS: ReplaceSteps = ReplaceSteps {
    write: Step::ManifestWrite,
    sync: Step::ManifestSync,
    rename: Step::ManifestRename,
    folder: Step::ManifestFolderSync,
};

/// A topic, as the manifest holds it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct TopicEntry {
    pub(super) name: Arc<str>,
    pub(super) partitions: u32,
    cleanup: CleanupEntry,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CleanupEntry {
    Compact { tombstone_retention_ms: u64 },
    Delete { retention_ms: u64 },
}

impl From<CleanupPolicy> for CleanupEntry {
    fn from(policy: CleanupPolicy) -> Self {
        match policy {
            CleanupPolicy::Compact {
                tombstone_retention_ms,
            } => Self::Compact {
                tombstone_retention_ms,
            },
            CleanupPolicy::Delete { retention_ms } => Self::Delete { retention_ms },
        }
    }
}

impl From<CleanupEntry> for CleanupPolicy {
    fn from(entry: CleanupEntry) -> Self {
        match entry {
            CleanupEntry::Compact {
                tombstone_retention_ms,
            } => Self::Compact {
                tombstone_retention_ms,
            },
            CleanupEntry::Delete { retention_ms } => Self::Delete { retention_ms },
        }
    }
}

impl TopicEntry {
    /// A topic that is to be created.
    ///
    /// Its name becomes the name of a folder, so it has to be one that Kafka takes too.
    fn create(config: &TopicConfig) -> Result<Self, LogError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let entry = Self {
            name: Arc::clone(&config.name),
            partitions: config.partitions,
            cleanup: config.cleanup.into(),
        };
        let named = !config.name.is_empty() && config.name.len() <= 249;
        if named && config.name.chars().all(legal) && config.partitions > 0 {
            return Ok(entry);
        }
        Err(LogError::TopicMismatch {
            topic: config.name.to_string(),
            found: "nothing yet".into(),
            wanted: format!(
                "{} partitions and this name; a topic has at least one, and a name of 1 to 249 of the characters a-z A-Z 0-9 . _ -",
                config.partitions
            ),
        })
    }

    /// Checks an existing topic against what is wanted of it, and takes over what may change: how
    /// long records are kept.
    fn adjust(&mut self, config: &TopicConfig) -> Result<(), LogError> {
        let wanted: CleanupEntry = config.cleanup.into();
        let same_kind = matches!(
            (self.cleanup, wanted),
            (CleanupEntry::Compact { .. }, CleanupEntry::Compact { .. })
                | (CleanupEntry::Delete { .. }, CleanupEntry::Delete { .. })
        );
        if self.partitions != config.partitions || !same_kind {
            return Err(LogError::TopicMismatch {
                topic: config.name.to_string(),
                found: described(self.partitions, self.cleanup),
                wanted: described(config.partitions, wanted),
            });
        }
        self.cleanup = wanted;
        Ok(())
    }
}

fn described(partitions: u32, cleanup: CleanupEntry) -> String {
    let cleanup = match cleanup {
        CleanupEntry::Compact { .. } => "compact",
        CleanupEntry::Delete { .. } => "delete",
    };
    format!("{partitions} partitions and clean-up {cleanup}")
}

/// A topic that is open.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) partitions: Vec<Arc<Partition>>,
    entry: Mutex<TopicEntry>,
}

impl Topic {
    pub(super) fn new(entry: TopicEntry, partitions: Vec<Arc<Partition>>) -> Self {
        Self {
            partitions,
            entry: Mutex::new(entry),
        }
    }

    pub(super) fn cleanup(&self) -> CleanupPolicy {
        lock(&self.entry).cleanup.into()
    }
}

/// The topics of a log.
#[derive(Debug, Default)]
pub(super) struct Topics {
    known: RwLock<Known>,
    /// Held while the manifest is changed.
    changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    by_number: Vec<Arc<Topic>>,
    by_name: HashMap<Arc<str>, Arc<Topic>>,
}

impl Topics {
    /// The topics in the order of their numbers.
    pub(super) fn all(&self) -> Vec<Arc<Topic>> {
        read(&self.known).by_number.clone()
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        read(&self.known).by_name.get(name).cloned()
    }

    pub(super) fn partition(&self, name: &TopicPartition) -> Result<Arc<Partition>, LogError> {
        let known = read(&self.known);
        let topic = known.by_name.get(&name.topic);
        let partition = topic.and_then(|topic| topic.partitions.get(name.partition as usize));
        partition
            .cloned()
            .ok_or_else(|| LogError::UnknownPartition {
                partition: name.clone(),
            })
    }

    pub(super) fn by_id(&self, id: PartitionId) -> Option<Arc<Partition>> {
        let known = read(&self.known);
        known
            .by_number
            .get(id.topic as usize)?
            .partitions
            .get(id.partition as usize)
            .cloned()
    }

    /// Adds a topic that the manifest holds already.
    pub(super) fn add(&self, topic: Topic) {
        let topic = Arc::new(topic);
        let name = Arc::clone(&lock(&topic.entry).name);
        let mut known = write(&self.known);
        known.by_number.push(Arc::clone(&topic));
        known.by_name.insert(name, topic);
    }

    /// Creates what does not exist and adjusts what does; all or nothing. `open` opens a topic by its
    /// number once the manifest is durable.
    pub(super) fn ensure(
        &self,
        disk: &Disk,
        manifest: &Path,
        wanted: &[TopicConfig],
        mut open: impl FnMut(u32, TopicEntry) -> Result<Topic, LogError>,
    ) -> Result<(), LogError> {
        let _alone = lock(&self.changing);
        let existing = self.all();
        let before: Vec<TopicEntry> = existing
            .iter()
            .map(|topic| lock(&topic.entry).clone())
            .collect();
        let mut after = before.clone();
        for config in wanted {
            match after.iter_mut().find(|entry| entry.name == config.name) {
                Some(entry) => entry.adjust(config)?,
                None => after.push(TopicEntry::create(config)?),
            }
        }
        let cleanups = |entries: &[TopicEntry]| -> Vec<CleanupEntry> {
            entries.iter().map(|entry| entry.cleanup).collect()
        };
        if cleanups(&before) == cleanups(&after) {
            return Ok(());
        }
        save_manifest(disk, manifest, &after)?;
        for (topic, entry) in existing.iter().zip(&after) {
            *lock(&topic.entry) = entry.clone();
        }
        for (number, entry) in (0..).zip(after).skip(existing.len()) {
            self.add(open(number, entry)?);
        }
        Ok(())
    }
}

#[derive(Deserialize, Serialize)]
struct Manifest {
    topics: Vec<TopicEntry>,
}

/// The topics that the manifest holds; none where there is no manifest.
pub(super) fn load_manifest(path: &Path) -> Result<Vec<TopicEntry>, LogError> {
    let Some(content) = read_if_exists(path)? else {
        return Ok(Vec::new());
    };
    let manifest: Manifest =
        serde_json::from_slice(&content).map_err(|error| LogError::Damaged {
            path: path.to_owned(),
            position: 0,
            reason: error.to_string(),
        })?;
    Ok(manifest.topics)
}

fn save_manifest(disk: &Disk, path: &Path, topics: &[TopicEntry]) -> Result<(), LogError> {
    let manifest = Manifest {
        topics: topics.to_vec(),
    };
    let content = serde_json::to_vec_pretty(&manifest).expect("names and numbers become JSON");
    disk.replace(STEPS, path, &content)
}
