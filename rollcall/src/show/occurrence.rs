//! An occurrence.

use std::fmt::Write as _;

use super::{length, lines, moment_or_dash, share, symbol, table};
use crate::inspect::OccurrenceReport;

/// All that is known of an occurrence.
pub(crate) fn occurrence(report: &OccurrenceReport) -> String {
    let kind = if report.webinar { "webinar" } else { "meeting" };
    let title = report.topic.as_deref().unwrap_or("(no title)");
    let mut text = format!(
        "{title}\n{kind} {}   {}\n\n",
        report.occurrence, report.place
    );
    let planned = report.scheduled_start.map(|start| {
        let minutes = report
            .scheduled_minutes
            .map(|minutes| format!(", {minutes} min"))
            .unwrap_or_default();
        format!("{}{minutes}", super::moment(start))
    });
    for (name, value) in [
        (
            "phase",
            format!("{}, {}", symbol(&report.phase), symbol(&report.state)),
        ),
        ("planned", planned.unwrap_or_else(|| "–".to_owned())),
        ("started", moment_or_dash(report.started_at)),
        ("ended", moment_or_dash(report.ended_at)),
        ("registered", report.registered.to_string()),
        ("attended", report.attended.to_string()),
        ("no-shows", report.no_shows.to_string()),
        ("guests", format!("{} without an address", report.guests)),
        ("staff", report.staff.to_string()),
        (
            "peak",
            report
                .peak
                .map_or_else(|| "–".to_owned(), |peak| peak.to_string()),
        ),
    ] {
        let _ = writeln!(text, "  {name:<11} {value}");
    }
    for url in &report.recordings {
        let _ = writeln!(text, "  {:<11} {url}", "recording");
    }
    if !report.sessions.is_empty() {
        text.push_str("\nSessions\n");
        let mut sessions = table(&["uuid", "from (UTC)", "to (UTC)", "records"]);
        for session in &report.sessions {
            let places: Vec<_> = session.places.iter().map(ToString::to_string).collect();
            sessions.add_row([
                session.uuid.clone(),
                super::moment(session.started_at),
                moment_or_dash(session.ended_at),
                places.join(", "),
            ]);
        }
        text.push_str(&lines(&sessions));
    }
    if !report.people.is_empty() {
        text.push_str("\nPeople\n");
        let mut people = table(&[
            "email",
            "status",
            "attended",
            "share",
            "stays",
            "first join (UTC)",
            "last leave (UTC)",
            "record",
        ]);
        for person in &report.people {
            people.add_row([
                person.email.clone(),
                symbol(&person.status),
                length(person.seconds),
                share(person.share),
                person.stays.to_string(),
                moment_or_dash(person.first_join),
                moment_or_dash(person.last_leave),
                person.place.to_string(),
            ]);
        }
        text.push_str(&lines(&people));
    }
    if !report.events.is_empty() {
        let events: Vec<_> = report
            .events
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let _ = writeln!(
            text,
            "\nEvents of meeting {}: {}",
            report.meeting_id,
            events.join(", ")
        );
    }
    text
}
