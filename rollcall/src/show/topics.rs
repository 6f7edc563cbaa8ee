//! The topic catalogue.

use std::fmt::Write as _;

use rollcall_runtime::TopicSettings;
use rollcall_schemas::catalogue::{Audience, Cleanup, TOPICS};

/// Every topic, as it is with these settings.
pub(crate) fn topics(settings: &TopicSettings) -> String {
    let mut text = String::new();
    for topic in TOPICS {
        let audience = match topic.audience {
            Audience::Public => "public",
            Audience::Private => "private",
        };
        let kept = match topic.cleanup {
            Cleanup::Compact => "the last record of every key, for ever".to_owned(),
            Cleanup::Delete { retention_ms } => {
                let configured = settings.retention_ms.get(topic.name).copied();
                span(configured.unwrap_or(retention_ms))
            }
        };
        let value = match topic.schema {
            Some(schema) => format!("Avro {}, schema id {}", schema.name(), schema.id()),
            None => "bytes".to_owned(),
        };
        let _ = writeln!(text, "{}  ({audience})", settings.name(topic));
        let _ = writeln!(text, "  {}", topic.holds);
        for (name, value) in [
            ("key", topic.key),
            ("value", &value),
            ("kept", &kept),
            ("partitions", &settings.partitions(topic).to_string()),
        ] {
            let _ = writeln!(text, "  {name:<11} {value}");
        }
        text.push('\n');
    }
    text.push_str(
        "Keys are UTF-8; the part before the first space decides the partition (murmur2, as Java's default).\n\
         Values are in the Confluent wire format. Read public topics with isolation level read_committed.\n",
    );
    text
}

/// A length of time in the largest unit of which it is a whole number.
fn span(ms: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("day", 24 * 60 * 60 * 1000),
        ("hour", 60 * 60 * 1000),
        ("minute", 60 * 1000),
        ("second", 1000),
    ];
    let whole = UNITS
        .iter()
        .find(|(_, length)| ms > 0 && ms.is_multiple_of(*length));
    let (unit, length) = *whole.unwrap_or(&("millisecond", 1));
    match ms / length {
        1 => format!("1 {unit}"),
        count => format!("{count} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use rollcall_runtime::TopicSettings;

    use super::span;

    #[test]
    fn a_retention_is_said_in_whole_units() {
        const HOUR: u64 = 60 * 60 * 1000;
        let said = [
            30 * 24 * HOUR,
            24 * HOUR,
            12 * HOUR,
            36 * HOUR,
            HOUR * 3 / 2,
            1500,
        ]
        .map(span);
        assert_eq!(
            said,
            [
                "30 days",
                "1 day",
                "12 hours",
                "36 hours",
                "90 minutes",
                "1500 milliseconds"
            ]
        );
    }

    #[test]
    fn the_catalogue_reads_as_documentation() {
        insta::assert_snapshot!(super::topics(&TopicSettings::default()));
    }
}
