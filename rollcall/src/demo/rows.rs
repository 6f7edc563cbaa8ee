//! The rows of the log beside the truth.

use std::collections::BTreeMap;

use rollcall_sandbox::compare::Figure;
use rollcall_sandbox::truth::Truth;

use super::roll::Rolls;
use crate::show;

/// Rows by status, and seconds attended.
pub(super) fn figures(truth: &Truth, rolls: &Rolls) -> Vec<Figure> {
    let mut counts: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for row in truth.attendance.values() {
        counts
            .entry(row.status.as_str().replace('_', " "))
            .or_default()
            .0 += 1;
    }
    for row in rolls.rows().values() {
        counts.entry(show::symbol(&row.status)).or_default().1 += 1;
    }
    let mut figures: Vec<_> = counts
        .into_iter()
        .map(|(status, (truth, log))| Figure {
            name: format!("rows {status}"),
            truth,
            brevo: log,
        })
        .collect();
    figures.push(Figure {
        name: "seconds attended".to_owned(),
        truth: truth.attendance.values().map(|row| row.seconds).sum(),
        brevo: rolls.rows().values().map(|row| row.seconds).sum(),
    });
    figures
}

/// Rows that are not as they must be.
pub(super) fn differences(truth: &Truth, rolls: &Rolls) -> Vec<String> {
    let rows = rolls.rows();
    let mut differences = Vec::new();
    for ((email, occurrence), wanted) in &truth.attendance {
        let Some(row) = rows.get(&(email.clone(), occurrence.clone())) else {
            differences.push(format!("{email}, {occurrence}: there is no row"));
            continue;
        };
        let status = show::symbol(&row.status);
        let wanted_status = wanted.status.as_str().replace('_', " ");
        if status != wanted_status {
            differences.push(format!(
                "{email}, {occurrence}: the row says {status}, and {wanted_status} is true"
            ));
        }
        if row.seconds != wanted.seconds {
            differences.push(format!(
                "{email}, {occurrence}: the row has {} seconds, and {} is true",
                row.seconds, wanted.seconds
            ));
        }
        let share = row.share.map(i64::from);
        if share.unwrap_or_default() != wanted.share.unwrap_or_default() {
            differences.push(format!(
                "{email}, {occurrence}: the row has a share of {share:?}, and {:?} is true",
                wanted.share
            ));
        }
    }
    for (email, occurrence) in rows
        .keys()
        .filter(|key| !truth.attendance.contains_key(*key))
    {
        differences.push(format!(
            "{email}, {occurrence}: there is a row and should not be"
        ));
    }
    differences
}
