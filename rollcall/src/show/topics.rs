//! The topic catalogue.

use std::fmt::Write as _;

use rollcall_runtime::TopicSettings;
use rollcall_schemas::catalogue::{Audience, Cleanup, TOPICS};

/// Every topic, as it is with these settings.
pub(crate) fn topics(settings: &TopicSettings) -> String {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let mut text = String::new();
    for topic in TOPICS {
        let audience = match topic.audience {
            Audience::Public => "public",
            Audience::Private => "private",
        };
        let kept = match topic.cleanup {
            Cleanup::Compact => "the last record of every key, for ever".to_owned(),
            Cleanup::Delete { retention_ms } => {
                let days = settings
                    .retention_ms
                    .get(topic.name)
                    .copied()
                    .unwrap_or(retention_ms)
                    / DAY_MS;
                format!("{days} days")
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

#[cfg(test)]
mod tests {
    use rollcall_runtime::TopicSettings;

    #[test]
    fn the_catalogue_reads_as_documentation() {
        insta::assert_snapshot!(super::topics(&TopicSettings::default()));
    }
}
