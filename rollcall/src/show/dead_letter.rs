//! One dead letter, whole.

use std::collections::HashMap;
use std::fmt::Write as _;

use rollcall_schemas::wire::RECORDS;
use serde_json::Value;

use super::moment;
use crate::inspect::{Content, DeadLetterContent};

/// One dead letter, whole.
pub(crate) fn dead_letter(content: &DeadLetterContent) -> String {
    let letter = &content.letter;
    let mut text = String::new();
    for (name, value) in [
        ("place", letter.place.to_string()),
        ("time", moment(letter.at)),
        ("stage", letter.stage.clone()),
        ("class", letter.class.clone()),
        ("message", letter.message.clone()),
        ("source", letter.source.to_string()),
        ("key", letter.key.clone()),
        ("bytes", letter.bytes.to_string()),
    ] {
        let _ = writeln!(text, "{name:<8} {value}");
    }
    text.push('\n');
    match &content.content {
        Content::Record { schema, fields } => {
            let _ = writeln!(text, "{}", schema.replace('_', " "));
            text.push_str(&record(schema, fields));
        }
        Content::Text(content) => {
            let _ = writeln!(text, "{content}");
        }
        Content::Bytes { hex, why } => {
            let _ = writeln!(text, "This cannot be read: {why}\n{hex}");
        }
    }
    text
}

/// A record's fields, one a line, without those that are empty.
fn record(name: &str, fields: &Value) -> String {
    let schema = RECORDS.iter().find(|record| record.name() == name);
    let schema = schema
        .and_then(|record| serde_json::from_str(record.text()).ok())
        .unwrap_or(Value::Null);
    let mut types = HashMap::new();
    name_types(&schema, &mut types);
    let mut lines = Lines {
        types,
        text: String::new(),
    };
    lines.fields(&schema, fields, 1);
    lines.text
}

/// Gathers the types that a schema names, because it may name one again instead of repeating it.
fn name_types<'s>(schema: &'s Value, types: &mut HashMap<&'s str, &'s Value>) {
    match schema {
        Value::Array(branches) => branches.iter().for_each(|branch| name_types(branch, types)),
        Value::Object(object) => {
            if let Some(name) = schema["name"].as_str()
                && schema["type"].is_string()
            {
                types.insert(name, schema);
            }
            for inner in ["type", "items", "values"] {
                if let Some(inner) = object.get(inner) {
                    name_types(inner, types);
                }
            }
            for field in schema["fields"].as_array().into_iter().flatten() {
                name_types(&field["type"], types);
            }
        }
        _ => {}
    }
}

struct Lines<'s> {
    types: HashMap<&'s str, &'s Value>,
    text: String,
}

impl<'s> Lines<'s> {
    /// The type of a value that is there: the one of a union that is not null, and what a name stands
    /// for.
    fn resolved(&self, schema: &'s Value) -> &'s Value {
        match schema {
            Value::Array(branches) => branches
                .iter()
                .find(|branch| *branch != "null")
                .map_or(schema, |branch| self.resolved(branch)),
            Value::String(name) => self
                .types
                .get(name.rsplit('.').next().unwrap_or(name))
                .copied()
                .unwrap_or(schema),
            Value::Object(_) if schema["type"].is_object() || schema["type"].is_array() => {
                self.resolved(&schema["type"])
            }
            _ => schema,
        }
    }

    fn fields(&mut self, schema: &'s Value, record: &Value, depth: usize) {
        let schema = self.resolved(schema);
        let (Some(fields), Some(values)) = (schema["fields"].as_array(), record.as_object()) else {
            return self.line("", &plain(record), depth);
        };
        for field in fields {
            let name = field["name"].as_str().unwrap_or_default();
            if let Some(value) = values.get(name) {
                self.field(name, &field["type"], value, depth);
            }
        }
    }

    fn field(&mut self, name: &str, schema: &'s Value, value: &Value, depth: usize) {
        let schema = self.resolved(schema);
        match value {
            Value::Null => {}
            Value::Number(number) if schema["logicalType"] == "timestamp-millis" => {
                let at = number.as_i64().map(moment);
                self.line(name, &at.unwrap_or_else(|| number.to_string()), depth);
            }
            Value::Object(map) if schema["type"] == "map" => {
                if !map.is_empty() {
                    self.line(name, "", depth);
                }
                for (key, value) in map {
                    self.field(key, &schema["values"], value, depth + 1);
                }
            }
            Value::Object(_) => {
                self.line(name, "", depth);
                self.fields(schema, value, depth + 1);
            }
            Value::Array(items) => {
                for (number, item) in (1..).zip(items) {
                    self.field(&format!("{name} {number}"), &schema["items"], item, depth);
                }
            }
            value => self.line(name, &plain(value), depth),
        }
    }

    fn line(&mut self, name: &str, value: &str, depth: usize) {
        let line = format!("{:indent$}{name:<28} {value}", "", indent = depth * 2);
        let _ = writeln!(self.text, "{}", line.trim_end());
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rollcall_schemas::record::{AttendanceRow, Contact, LastOccurrence};
    use serde_json::json;

    use super::record;

    #[test]
    fn fields_are_lines_and_times_are_times() {
        let contact = Contact {
            email: "ann@localhost".into(),
            version: 3,
            fields: [("phone".into(), "+491".into())].into(),
            last: Some(LastOccurrence {
                occurrence: "7".into(),
                join_time: Some(1_789_398_000_000),
                ..LastOccurrence::default()
            }),
            ..Contact::default()
        };
        let text = record("contact", &json!(contact));
        for line in [
            "  email                        ann@localhost\n",
            "  version                      3\n",
            "  fields\n    phone                        +491\n",
            "  last\n    occurrence                   7\n",
            "    join_time                    2026-09-14 15:00:00\n",
        ] {
            assert!(text.contains(line), "{line:?} in\n{text}");
        }
        assert!(
            !text.contains("first_name"),
            "what is empty is left out:\n{text}"
        );
    }

    #[test]
    fn every_time_of_every_record_is_found() {
        let row = AttendanceRow {
            registered_at: Some(1_789_398_000_000),
            ..AttendanceRow::default()
        };
        let text = record("attendance_row", &json!(row));
        let line = "  registered_at                2026-09-14 15:00:00\n";
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
}
