//! The topic catalogue: every topic, once. Topics are created and checked from it, and the
//! documentation of `rollcall topics` is printed from it.

use crate::wire::RecordSchema;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Who may read a topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audience {
    /// A contract: other teams read it, `read_committed`, with the tools they have.
    Public,
    /// Rollcall's own; its content may change with any version.
    Private,
}

/// What becomes of old records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cleanup {
    /// The last record of every key is kept for ever; a tombstone erases it.
    Compact,
    /// Records are dropped once they are this old, in milliseconds.
    Delete {
        /// Age in milliseconds after which a record may be dropped.
        retention_ms: u64,
    },
}

/// How many partitions a topic has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Partitions {
    /// As many as the configuration says, the same for all such topics.
    Configured,
    /// Always this many.
    Fixed(u32),
}

/// One topic of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Topic {
    /// Its name, without the configured prefix.
    pub name: &'static str,
    /// What the key is, in words; the partition is decided by the part before the first space.
    pub key: &'static str,
    /// How many partitions it has.
    pub partitions: Partitions,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// Who may read it.
    pub audience: Audience,
    /// The type of its values; none where they are not Avro.
    pub schema: Option<&'static RecordSchema>,
    /// What it holds, in a sentence.
    pub holds: &'static str,
}

macro_rules! topics {
    ($($(#[$doc:meta])* $constant:ident = $topic:expr;)*) => {
        $($(#[$doc])* pub const $constant: Topic = $topic;)*

        /// Every topic, in the order of the way of a record.
        pub const TOPICS: &[Topic] = &[$($constant),*];
    };
}

topics! {
    /// What came in, in order of arrival.
    ZOOM_RAW = Topic {
        name: "zoom.raw",
        key: "meeting id, else account id",
        partitions: Partitions::Configured,
        cleanup: Cleanup::Delete { retention_ms: 30 * DAY_MS },
        audience: Audience::Private,
        schema: Some(&crate::wire::RAW_RECORD),
        holds: "What came in, in order of arrival: verified webhook deliveries and clock ticks.",
    };
    /// The canonical log.
    ZOOM_EVENTS = Topic {
        name: "zoom.events",
        key: "meeting id, event hash",
        partitions: Partitions::Configured,
        cleanup: Cleanup::Compact,
        audience: Audience::Public,
        schema: Some(&crate::wire::ZOOM_EVENT),
        holds: "The canonical log: typed, de-duplicated, without tokens, passcodes and network addresses.",
    };
    /// One row a meeting or webinar.
    ENGAGEMENT_OCCURRENCES = Topic {
        name: "engagement.occurrences",
        key: "meeting id, occurrence",
        partitions: Partitions::Configured,
        cleanup: Cleanup::Compact,
        audience: Audience::Public,
        schema: Some(&crate::wire::OCCURRENCE_ROW),
        holds: "One row a meeting or webinar: title, times, sessions, registered, attended, no-shows, guests, peak, recordings.",
    };
    /// One row a person and occurrence.
    ENGAGEMENT_ATTENDANCE = Topic {
        name: "engagement.attendance",
        key: "email, occurrence",
        partitions: Partitions::Configured,
        cleanup: Cleanup::Compact,
        audience: Audience::Public,
        schema: Some(&crate::wire::ATTENDANCE_ROW),
        holds: "One row a person and occurrence: status, segments, seconds, share, milestones, provisional or final.",
    };
    /// One aggregate a person.
    ENGAGEMENT_CONTACTS = Topic {
        name: "engagement.contacts",
        key: "email",
        partitions: Partitions::Configured,
        cleanup: Cleanup::Compact,
        audience: Audience::Public,
        schema: Some(&crate::wire::CONTACT),
        holds: "One aggregate a person, with a version: counts, totals, firsts and lasts, score.",
    };
    /// What happens once.
    ENGAGEMENT_ACTIVITIES = Topic {
        name: "engagement.activities",
        key: "email, activity",
        partitions: Partitions::Configured,
        cleanup: Cleanup::Compact,
        audience: Audience::Public,
        schema: Some(&crate::wire::ACTIVITY),
        holds: "What happens once: registered, cancelled, started, ended, attended, no_show, recording_ready.",
    };
    /// The sink's ledger.
    BREVO_DELIVERIES = Topic {
        name: "brevo.deliveries",
        key: "email, effect",
        partitions: Partitions::Configured,
        cleanup: Cleanup::Compact,
        audience: Audience::Public,
        schema: Some(&crate::wire::DELIVERY),
        holds: "What the sink did to Brevo, from intent to answer: the ledger, and the audit trail.",
    };
    /// Records that can never succeed.
    DEAD_LETTERS = Topic {
        name: "rollcall.dead-letters",
        key: "the source record's key",
        partitions: Partitions::Configured,
        cleanup: Cleanup::Delete { retention_ms: 90 * DAY_MS },
        audience: Audience::Public,
        schema: None,
        holds: "Records that can never succeed, whole, with error, stage, topic, partition and offset in the headers.",
    };
    /// One partition a role: who holds it is active.
    LEASES = Topic {
        name: "rollcall.leases",
        key: "none",
        partitions: Partitions::Fixed(1),
        cleanup: Cleanup::Delete { retention_ms: DAY_MS },
        audience: Audience::Private,
        schema: None,
        holds: "Nothing: whoever is assigned its one partition in a role's group is the active one.",
    };
}
