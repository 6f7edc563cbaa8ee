//! What is drawn while a story is played, and the table at its end.

use std::fmt::Write as _;

use rollcall_sandbox::Sandbox;
use rollcall_sandbox::compare::{Figure, Summary};
use rollcall_sandbox::zoom::{Phase, Progress};

use super::roll::RunningRoll;
use crate::show;
use crate::status::StatusReport;

const BAR: usize = 24;

/// How far the story is: for a sandbox that runs alone.
pub(crate) fn story(sandbox: &Sandbox) -> String {
    let progress = sandbox.zoom().progress().borrow().clone();
    let mut text = head(&progress);
    text.push_str(&zoom_line(&progress));
    text.push_str(&brevo_line(sandbox));
    text
}

/// The whole line while it works.
pub(crate) fn live(sandbox: &Sandbox, status: &StatusReport, running: &[RunningRoll]) -> String {
    let progress = sandbox.zoom().progress().borrow().clone();
    let mut text = head(&progress);
    text.push_str(&zoom_line(&progress));
    for stage in &status.stages {
        let lag = stage
            .lag
            .map_or_else(|| "–".to_owned(), |lag| lag.to_string());
        let _ = writeln!(
            text,
            "  {:<11} {:>6} records in, {lag} waiting",
            stage.stage, stage.records
        );
    }
    if let Some(sink) = &status.sink {
        let pause = sink
            .paused
            .as_deref()
            .map(|why| format!("; paused: {why}"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "  {:<11} {:>6} effects confirmed, {} waiting{pause}",
            "sink",
            sink.confirmed(),
            sink.waiting
        );
    }
    text.push_str(&brevo_line(sandbox));
    text.push('\n');
    match running {
        [] => text.push_str("  No meeting is running now.\n"),
        rolls => {
            for roll in rolls {
                let kind = if roll.webinar { "webinar" } else { "meeting" };
                let _ = writeln!(
                    text,
                    "  Now running: {} ({kind}): {} there now, {} came so far, {} registered",
                    roll.topic, roll.present, roll.came, roll.registered
                );
            }
        }
    }
    text
}

fn head(progress: &Progress) -> String {
    let done = (BAR * progress.accepted.min(progress.deliveries))
        .checked_div(progress.deliveries)
        .unwrap_or(0);
    let bar: String = (0..BAR)
        .map(|place| if place < done { '█' } else { '░' })
        .collect();
    let phase = match progress.phase {
        Phase::Validating => "waiting for the pipeline",
        Phase::Playing => "playing",
        Phase::RunningOn => "time runs on",
        Phase::Finished => "the story is over",
        Phase::Failed => "the story cannot go on",
    };
    format!(
        "{bar}  {} UTC in the story, {phase}\n\n",
        show::moment(progress.now_ms)
    )
}

fn zoom_line(progress: &Progress) -> String {
    format!(
        "  {:<11} {:>6} of {} webhooks taken in, {} sent again, {} refused\n",
        "Zoom", progress.accepted, progress.deliveries, progress.retried, progress.refused
    )
}

fn brevo_line(sandbox: &Sandbox) -> String {
    let snapshot = sandbox.snapshot();
    let on_lists: usize = snapshot
        .lists
        .values()
        .map(std::collections::BTreeSet::len)
        .sum();
    format!(
        "  {:<11} {:>6} contacts, {on_lists} on lists, {} events\n",
        "Brevo",
        snapshot.contacts.len(),
        snapshot.events.len()
    )
}

/// Truth beside Brevo.
pub(crate) fn summary(summary: &Summary) -> String {
    figures("Brevo", &summary.figures)
}

/// Truth beside something, one figure a line.
pub(crate) fn figures(beside: &str, figures: &[Figure]) -> String {
    let mut table = show::table(&["", "truth", beside, ""]);
    for Figure { name, truth, brevo } in figures {
        let mark = if truth == brevo { "✓" } else { "differs" };
        table.add_row([
            name.clone(),
            truth.to_string(),
            brevo.to_string(),
            mark.to_owned(),
        ]);
    }
    for column in [1, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    show::lines(&table)
}
