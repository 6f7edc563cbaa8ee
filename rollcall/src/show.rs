//! Reports as text for a terminal.

mod audit;
mod contact;
mod dead_letter;
mod deliveries;
mod occurrence;
mod topics;

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;

pub(crate) use audit::{audit, counters};
pub(crate) use contact::contact;
pub(crate) use dead_letter::dead_letter;
pub(crate) use deliveries::{dead_letters, deliveries};
pub(crate) use occurrence::occurrence;
pub(crate) use topics::topics;

/// A table without lines, but one below its head.
pub(crate) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head.iter().copied());
    table
}

/// A table's lines, indented, without space at their ends.
pub(crate) fn lines(table: &Table) -> String {
    table
        .to_string()
        .lines()
        .map(|line| format!("  {}\n", line.trim_end()))
        .collect()
}

/// A moment, UTC, to the second.
pub(crate) fn moment(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(
        |_| ms.to_string(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// A moment, or a dash.
pub(crate) fn moment_or_dash(ms: Option<i64>) -> String {
    ms.map_or_else(|| "–".to_owned(), moment)
}

/// A length of time: `1 h 02 min`, `12 min 05 s`, `40 s`.
pub(crate) fn length(seconds: i64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

/// Whole percent, or nothing.
pub(crate) fn share(share: Option<i32>) -> String {
    share.map(|share| format!("{share} %")).unwrap_or_default()
}

/// An enum's symbol, as in the schemas, in words.
pub(crate) fn symbol(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(|text| text.replace('_', " ")))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{length, moment};

    #[test]
    fn times_are_short_and_plain() {
        assert_eq!(length(40), "40 s");
        assert_eq!(length(725), "12 min 05 s");
        assert_eq!(length(3725), "1 h 02 min");
        assert_eq!(moment(1_789_398_000_000), "2026-09-14 15:00:00");
    }
}
