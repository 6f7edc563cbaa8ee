//! Topics: created as they are wanted, and compared where they exist.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::{CleanupPolicy, LogError, TopicConfig};

use super::config::{KafkaConfig, MAX_RECORD_BYTES};
use super::context::Logging;
use super::failure::Failure;

/// How many partitions a topic has; `None` where it does not exist.
pub(super) fn partition_count(
    client: &BaseConsumer<Logging>,
    topic: &str,
    timeout: Duration,
) -> Result<Option<u32>, LogError> {
    let failed =
        |error: KafkaError| Failure::from(error).during(format!("asking about topic {topic}"));
    let metadata = client
        .fetch_metadata(Some(topic), timeout)
        .map_err(failed)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(None);
    };
    match found.error() {
        None => Ok(u32::try_from(found.partitions().len())
            .ok()
            .filter(|count| *count > 0)),
        Some(
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        ) => Ok(None),
        Some(code) => Err(failed(KafkaError::MetadataFetch(code.into()))),
    }
}

/// Creates the topics that do not exist, compares the others, and returns once all have leaders.
pub(super) fn ensure(
    client: &BaseConsumer<Logging>,
    config: &KafkaConfig,
    wanted: &[TopicConfig],
) -> Result<(), LogError> {
    let admin = config
        .asking()
        .create_with_context::<_, AdminClient<Logging>>(Logging)
        .map_err(|error| Failure::from(error).during("opening an admin client"))?;
    let options = AdminOptions::new()
        .request_timeout(Some(config.request_timeout))
        .operation_timeout(Some(config.request_timeout));

    let (mut missing, mut existing) = (Vec::new(), Vec::new());
    for topic in wanted {
        match partition_count(client, &topic.name, config.request_timeout)? {
            None => missing.push(topic),
            Some(count) => existing.push((topic, count)),
        }
    }
    for topic in create(&admin, &options, &missing)? {
        // Another process was quicker.
        let count = wait_for_leaders(client, config, topic)?;
        existing.push((topic, count));
    }
    for topic in missing {
        wait_for_leaders(client, config, topic)?;
    }
    compare(&admin, &options, &existing)
}

/// Creates topics, and returns those that were there already.
fn create<'a>(
    admin: &AdminClient<Logging>,
    options: &AdminOptions,
    missing: &[&'a TopicConfig],
) -> Result<Vec<&'a TopicConfig>, LogError> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let properties: Vec<_> = missing.iter().map(|topic| properties(topic)).collect();
    let new: Vec<_> = missing
        .iter()
        .zip(&properties)
        .map(|(topic, properties)| NewTopic {
            name: &topic.name,
            num_partitions: i32::try_from(topic.partitions).unwrap_or(i32::MAX),
            replication: TopicReplication::Fixed(i32::from(topic.replication)),
            config: properties
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect(),
        })
        .collect();
    let results = wait(admin.create_topics(&new, options))
        .map_err(|error| Failure::from(error).during("creating topics"))?;
    let mut existed = Vec::new();
    for result in results {
        match result {
            Ok(_) => {}
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => {
                existed.extend(missing.iter().filter(|topic| *topic.name == *name));
            }
            Err((name, code)) => {
                return Err(Failure::from(KafkaError::AdminOp(code))
                    .during(format!("creating topic {name}")));
            }
        }
    }
    Ok(existed)
}

/// The properties that a topic is created with.
fn properties(topic: &TopicConfig) -> Vec<(&'static str, String)> {
    let mut properties = match topic.cleanup {
        CleanupPolicy::Compact {
            tombstone_retention_ms,
        } => vec![
            ("cleanup.policy", "compact".to_owned()),
            ("delete.retention.ms", tombstone_retention_ms.to_string()),
        ],
        CleanupPolicy::Delete { retention_ms } => {
            vec![
                ("cleanup.policy", "delete".to_owned()),
                ("retention.ms", retention_ms.to_string()),
            ]
        }
    };
    // The time of a record is when the log took it, and does not go backwards within a partition.
    properties.push(("message.timestamp.type", "LogAppendTime".to_owned()));
    properties.push(("max.message.bytes", MAX_RECORD_BYTES.to_string()));
    if topic.replication >= 3 {
        // An answered append is on two machines at least.
        properties.push(("min.insync.replicas", "2".to_owned()));
    }
    properties
}

fn wait_for_leaders(
    client: &BaseConsumer<Logging>,
    config: &KafkaConfig,
    topic: &TopicConfig,
) -> Result<u32, LogError> {
    let deadline = Instant::now() + config.request_timeout;
    loop {
        let metadata = client
            .fetch_metadata(Some(&topic.name), config.request_timeout)
            .map_err(|error| {
                Failure::from(error).during(format!("asking about topic {}", topic.name))
            })?;
        let found = metadata
            .topics()
            .iter()
            .find(|found| *found.name() == *topic.name);
        if let Some(found) = found
            && found.error().is_none()
            && !found.partitions().is_empty()
            && found
                .partitions()
                .iter()
                .all(|partition| partition.leader() >= 0)
        {
            return Ok(u32::try_from(found.partitions().len()).unwrap_or(u32::MAX));
        }
        if Instant::now() > deadline {
            return Err(LogError::Kafka {
                action: format!("creating topic {}", topic.name),
                reason: "not all of its partitions have a leader yet".to_owned(),
                retriable: true,
            });
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn compare(
    admin: &AdminClient<Logging>,
    options: &AdminOptions,
    existing: &[(&TopicConfig, u32)],
) -> Result<(), LogError> {
    if existing.is_empty() {
        return Ok(());
    }
    let asked: Vec<_> = existing
        .iter()
        .map(|(topic, _)| ResourceSpecifier::Topic(&topic.name))
        .collect();
    let answers = wait(admin.describe_configs(&asked, options))
        .map_err(|error| Failure::from(error).during("asking how topics are configured"))?;
    for ((topic, count), answer) in existing.iter().zip(answers) {
        let found = answer.map_err(|code| {
            Failure::from(KafkaError::AdminOp(code))
                .during(format!("asking how topic {} is configured", topic.name))
        })?;
        check(topic, *count, |name| value(&found, name))?;
    }
    Ok(())
}

fn value<'a>(resource: &'a ConfigResource, name: &str) -> Option<&'a str> {
    resource.get(name)?.value.as_deref()
}

/// Compares a topic that exists with what is wanted. Only times may differ: they are the operator's
/// to change.
fn check<'a>(
    topic: &TopicConfig,
    partitions: u32,
    found: impl Fn(&str) -> Option<&'a str>,
) -> Result<(), LogError> {
    let (cleanup, time, milliseconds) = match topic.cleanup {
        CleanupPolicy::Compact {
            tombstone_retention_ms,
        } => ("compact", "delete.retention.ms", tombstone_retention_ms),
        CleanupPolicy::Delete { retention_ms } => ("delete", "retention.ms", retention_ms),
    };
    let found_cleanup = found("cleanup.policy").unwrap_or("an unknown clean-up");
    if partitions != topic.partitions || found_cleanup != cleanup {
        return Err(LogError::TopicMismatch {
            topic: topic.name.to_string(),
            found: format!("{partitions} partitions and clean-up {found_cleanup}"),
            wanted: format!("{} partitions and clean-up {cleanup}", topic.partitions),
        });
    }
    let found_time = found(time).unwrap_or_default();
    if found_time != milliseconds.to_string() {
        tracing::warn!(
            topic = &*topic.name,
            found = found_time,
            wanted = milliseconds,
            "{time} of the topic differs from the configuration and is left as it is: change one of them"
        );
    }
    Ok(())
}

/// Blocks the thread until the future is ready. The admin client completes its futures on a thread
/// of its own, so no runtime is needed.
fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{check, properties};
    use crate::{CleanupPolicy, LogError, TopicConfig};

    fn topic(cleanup: CleanupPolicy) -> TopicConfig {
        TopicConfig {
            name: "t".into(),
            partitions: 4,
            replication: 3,
            cleanup,
        }
    }

    #[test]
    fn a_topic_is_created_with_what_its_clean_up_needs() {
        let of = |cleanup| {
            properties(&topic(cleanup))
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
        };
        let compact = of(CleanupPolicy::Compact {
            tombstone_retention_ms: 7,
        });
        assert_eq!(
            compact[..2],
            ["cleanup.policy=compact", "delete.retention.ms=7"]
        );
        let delete = of(CleanupPolicy::Delete { retention_ms: 9 });
        assert_eq!(delete[..2], ["cleanup.policy=delete", "retention.ms=9"]);
        assert!(delete.contains(&"min.insync.replicas=2".to_owned()));
    }

    #[test]
    fn another_partition_count_or_clean_up_is_refused_and_another_time_is_not() {
        let wanted = topic(CleanupPolicy::Delete { retention_ms: 9 });
        let found = |cleanup: &'static str, time: &'static str| {
            move |name: &str| match name {
                "cleanup.policy" => Some(cleanup),
                "retention.ms" => Some(time),
                _ => None,
            }
        };
        assert!(check(&wanted, 4, found("delete", "9")).is_ok());
        assert!(check(&wanted, 4, found("delete", "10")).is_ok());
        for (partitions, cleanup) in [(5, "delete"), (4, "compact"), (4, "compact,delete")] {
            let error = check(&wanted, partitions, found(cleanup, "9")).expect_err("a mismatch");
            assert!(matches!(error, LogError::TopicMismatch { .. }), "{error}");
        }
    }
}
