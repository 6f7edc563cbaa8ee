//! A person.

use std::fmt::Write as _;

use serde_json::Value;

use super::{deliveries, length, lines, moment, moment_or_dash, share, symbol, table};
use crate::inspect::ContactReport;

/// All that is known of a person.
pub(crate) fn contact(report: &ContactReport) -> String {
    let mut text = format!("{}\n", report.email);
    match &report.place {
        Some(place) => {
            let _ = writeln!(text, "\nContact   {place}");
            let mut fields = table(&["field", "value"]);
            for (name, value) in &report.fields {
                match value {
                    Value::Object(object) => {
                        for (inner, value) in object.iter().filter(|(_, value)| !value.is_null()) {
                            fields.add_row([format!("{name}.{inner}"), plain(inner, value)]);
                        }
                    }
                    value => {
                        fields.add_row([name.clone(), plain(name, value)]);
                    }
                }
            }
            text.push_str(&lines(&fields));
        }
        None => text.push_str("\nNo contact: nothing of this person is sent to Brevo.\n"),
    }
    if !report.rows.is_empty() {
        text.push_str("\nOccurrences\n");
        let mut rows = table(&[
            "start (UTC)",
            "what",
            "status",
            "attended",
            "share",
            "row",
            "record",
        ]);
        for row in &report.rows {
            let state = format!(
                "{}{}",
                symbol(&row.state),
                if row.corrected { ", corrected" } else { "" }
            );
            rows.add_row([
                moment_or_dash(row.start),
                format!(
                    "{}  {}",
                    row.topic.as_deref().unwrap_or("(no title)"),
                    row.occurrence
                ),
                symbol(&row.status),
                length(row.seconds),
                share(row.share),
                state,
                row.place.to_string(),
            ]);
        }
        text.push_str(&lines(&rows));
    }
    if !report.history.is_empty() {
        text.push_str("\nWhat Zoom told\n");
        let mut history = table(&["time (UTC)", "what", "seat", "meeting", "record"]);
        for line in &report.history {
            history.add_row([
                moment(line.at),
                line.what.clone(),
                line.seat.clone().unwrap_or_default(),
                line.topic.clone().unwrap_or_default(),
                line.place.to_string(),
            ]);
        }
        text.push_str(&lines(&history));
    }
    if !report.deliveries.is_empty() {
        text.push_str("\nWhat Brevo was told\n");
        text.push_str(&deliveries(&report.deliveries, false));
    }
    text
}

/// A value of the contact; what is a moment by its name is shown as one.
fn plain(name: &str, value: &Value) -> String {
    let is_moment = name.ends_with("_at") || matches!(name, "first_seen" | "start" | "join_time");
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if is_moment => {
            number.as_i64().map_or_else(|| number.to_string(), moment)
        }
        other => other.to_string(),
    }
}
