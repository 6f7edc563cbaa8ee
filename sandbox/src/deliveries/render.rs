//! JSON as Zoom's servers write it: compact, non-ASCII letters as they are, keys in whatever order.

use rand::{rngs::StdRng, seq::SliceRandom};
use serde_json::Value;

/// Writes a value with the keys of every object in an order that `rng` chooses.
pub(super) fn render(value: &Value, rng: &mut StdRng) -> String {
    let mut text = String::new();
    write(value, rng, &mut text);
    text
}

fn write(value: &Value, rng: &mut StdRng, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.shuffle(rng);
            text.push('{');
            for (number, (key, member)) in members.into_iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                text.push_str(&Value::String(key.clone()).to_string());
                text.push(':');
                write(member, rng, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                write(item, rng, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use serde_json::json;

    use super::*;

    #[test]
    fn another_order_says_the_same() {
        let value = json!({"event": "meeting.started", "event_ts": 1, "payload": {"a": [1, "é\"", null], "b": {"c": true}}});
        let texts: Vec<String> = (0..20)
            .map(|seed| render(&value, &mut StdRng::seed_from_u64(seed)))
            .collect();
        for text in &texts {
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), value);
        }
        assert!(texts.iter().any(|text| text.starts_with("{\"event\"")));
        assert!(texts.iter().any(|text| text.starts_with("{\"payload\"")));
        assert!(texts[0].contains("é"));
    }
}
