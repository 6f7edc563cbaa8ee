//! The accounts of the stages.

use std::fmt::Write as _;

use super::{lines, table};
use crate::commands::StageCounters;
use crate::inspect::{Account, AuditReport};

const HEAD: [&str; 7] = [
    "stage",
    "records",
    "effective",
    "ignored",
    "dead letters",
    "unaccounted",
    "not taken yet",
];

/// Faults that are printed; all that were told are in the JSON.
const MOST_SHOWN: usize = 20;

/// What the topics say.
pub(crate) fn audit(report: &AuditReport) -> String {
    let mut list = table(&HEAD);
    for account in &report.accounts {
        let Account {
            stage,
            records,
            effective,
            ignored,
            dead_letters,
            waiting,
        } = account;
        let mut row = vec![stage.clone()];
        row.extend(
            [
                *records,
                *effective,
                *ignored,
                *dead_letters,
                account.unaccounted(),
                *waiting,
            ]
            .map(|count| count.to_string()),
        );
        list.add_row(row);
    }
    let mut text = format!("The topics\n\n{}", lines(&list));
    if report.fault_count > 0 {
        text.push('\n');
        for fault in report.faults.iter().take(MOST_SHOWN) {
            let _ = writeln!(text, "  {}, {}: {}", fault.stage, fault.place, fault.what);
        }
        let more = report.fault_count.saturating_sub(MOST_SHOWN as u64);
        if more > 0 {
            let _ = writeln!(text, "  and {more} more");
        }
    }
    text
}

/// What a running process has counted.
pub(crate) fn counters(stages: &[StageCounters]) -> String {
    let mut list = table(&HEAD[..6]);
    for stage in stages {
        let came_to = stage.effective + stage.ignored + stage.dead_letters;
        let unaccounted = i128::from(stage.records) - i128::from(came_to);
        list.add_row([
            stage.stage.clone(),
            stage.records.to_string(),
            stage.effective.to_string(),
            stage.ignored.to_string(),
            stage.dead_letters.to_string(),
            unaccounted.to_string(),
        ]);
    }
    format!(
        "The counters of the running process, since its start\n\n{}",
        lines(&list)
    )
}
