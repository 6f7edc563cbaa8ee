//! Topics are created as they are wanted, and an existing one is never changed.

use rollcall_eventlog::{CleanupPolicy, LogError, TopicConfig};

use crate::harness::{Engine, KEPT, partition, topic, topic_config, unique, wait};

pub(crate) fn are_created_once_and_never_changed(engine: &dyn Engine) {
    let log = engine.open();
    let compact = CleanupPolicy::Compact {
        tombstone_retention_ms: 1000,
    };
    let kept = topic_config(&unique("kept"), 3, KEPT);
    let compacted = topic_config(&unique("compacted"), 2, compact);
    assert_eq!(log.partitions(&kept.name).unwrap(), None);
    for _ in 0..2 {
        log.ensure_topics(&[kept.clone(), compacted.clone()])
            .unwrap();
    }
    let log = engine.open();
    assert_eq!(log.partitions(&kept.name).unwrap(), Some(3));
    assert_eq!(log.partitions(&compacted.name).unwrap(), Some(2));

    let unborn = topic_config(&unique("unborn"), 1, KEPT);
    for other in [
        TopicConfig {
            partitions: 4,
            ..kept.clone()
        },
        TopicConfig {
            partitions: 2,
            ..kept.clone()
        },
        TopicConfig {
            cleanup: compact,
            ..kept.clone()
        },
        TopicConfig {
            cleanup: KEPT,
            ..compacted
        },
    ] {
        let error = log.ensure_topics(std::slice::from_ref(&other)).unwrap_err();
        assert!(
            matches!(&error, LogError::TopicMismatch { topic, .. } if **topic == *other.name),
            "{error}"
        );
    }
    // How long records are kept may be changed by whoever runs the log.
    let longer = TopicConfig {
        cleanup: CleanupPolicy::Delete {
            retention_ms: 172_800_000,
        },
        ..kept
    };
    log.ensure_topics(&[longer, unborn.clone()]).unwrap();
    assert_eq!(log.partitions(&unborn.name).unwrap(), Some(1));
}

pub(crate) fn what_does_not_exist_is_an_error(engine: &dyn Engine) {
    let log = engine.open();
    let topic = topic(&*log, "exists", 1);
    let missing = partition(&topic, 1);
    let is_missing = |error: LogError| matches!(&error, LogError::UnknownPartition { partition } if *partition == missing);
    assert!(is_missing(log.offsets(&missing).unwrap_err()));
    assert!(is_missing(log.offset_at(&missing, 0).unwrap_err()));
    assert!(is_missing(
        wait(log.appender().unwrap().append(&missing, None, b"v")).unwrap_err()
    ));
    assert_eq!(log.partitions(&unique("nowhere")).unwrap(), None);
}
