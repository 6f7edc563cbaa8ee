//! The truth beside what Brevo holds.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::{
    brevo::{EventSnapshot, Snapshot},
    truth::{EventTruth, FIELDS, Truth},
};

/// One thing that is not as it must be, in one line.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// Whose contact, or which list.
    pub about: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.about, self.what)
    }
}

/// Everything in which Brevo is not as the truth says; empty when all is well.
///
/// A number that is absent and zero are the same, and so are a text that is absent and an empty one:
/// a person sees no difference in Brevo.
#[must_use]
pub fn compare(truth: &Truth, snapshot: &Snapshot) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differs = |about: &str, what: String| {
        found.push(Difference {
            about: about.to_owned(),
            what,
        })
    };
    contacts(truth, snapshot, &mut differs);
    lists(truth, snapshot, &mut differs);
    events(truth, snapshot, &mut differs);
    for (addition, times) in &snapshot.repeated_additions {
        differs(addition, format!("was added {times} more times"));
    }
    for violation in &snapshot.violations {
        differs(
            &violation.email,
            format!("{} ({})", violation.rule, violation.asked),
        );
    }
    found
}

fn contacts(truth: &Truth, snapshot: &Snapshot, differs: &mut impl FnMut(&str, String)) {
    for (email, expected) in &truth.contacts {
        let Some(contact) = snapshot.contacts.get(email) else {
            differs(email, "is no contact in Brevo".to_owned());
            continue;
        };
        for field in &FIELDS {
            let wanted = expected
                .attributes
                .get(field.attribute)
                .unwrap_or(&Value::Null);
            let got = contact
                .attributes
                .get(field.attribute)
                .unwrap_or(&Value::Null);
            if !same(wanted, got) {
                differs(
                    email,
                    format!("{} is {got}, and {wanted} is true", field.attribute),
                );
            }
        }
    }
    for email in snapshot
        .contacts
        .keys()
        .filter(|email| !truth.contacts.contains_key(*email))
    {
        differs(email, "is a contact in Brevo and should not be".to_owned());
    }
}

fn same(wanted: &Value, got: &Value) -> bool {
    let nothing = |value: &Value| value.is_null() || value.as_f64() == Some(0.0) || value == "";
    (nothing(wanted) && nothing(got))
        || wanted == got
        || (wanted.is_number() && wanted.as_f64() == got.as_f64())
}

fn lists(truth: &Truth, snapshot: &Snapshot, differs: &mut impl FnMut(&str, String)) {
    for (list, expected) in &truth.lists {
        let members = snapshot.lists.get(list).cloned().unwrap_or_default();
        for email in expected.difference(&members) {
            differs(email, format!("is not on list {list}"));
        }
        for email in members.difference(expected) {
            differs(email, format!("is on list {list} and should not be"));
        }
    }
    for (list, members) in snapshot
        .lists
        .iter()
        .filter(|(list, _)| !truth.lists.contains_key(list))
    {
        if !members.is_empty() {
            differs(
                &format!("list {list}"),
                format!("has {} members and is not ours", members.len()),
            );
        }
    }
}

fn events(truth: &Truth, snapshot: &Snapshot, differs: &mut impl FnMut(&str, String)) {
    let mut arrived: BTreeMap<&str, Vec<&EventSnapshot>> = BTreeMap::new();
    for event in &snapshot.events {
        match event.source_event_id() {
            Some(id) => arrived.entry(id).or_default().push(event),
            None => differs(
                &event.email,
                format!("{} has no source_event_id", event.name),
            ),
        }
    }
    for (id, expected) in &truth.events {
        match arrived.get(id.as_str()).map(Vec::as_slice) {
            None => differs(
                &expected.email,
                format!("{} never arrived ({id})", expected.name),
            ),
            Some([event]) => {
                for what in wrong_in(event, expected) {
                    differs(&expected.email, format!("{} ({id}): {what}", expected.name));
                }
            }
            Some(events) => differs(
                &expected.email,
                format!("{} arrived {} times ({id})", expected.name, events.len()),
            ),
        }
    }
    for (id, events) in arrived
        .iter()
        .filter(|(id, _)| !truth.events.contains_key(**id))
    {
        let event = events[0];
        differs(
            &event.email,
            format!("{} arrived and should not have ({id})", event.name),
        );
    }
}

fn wrong_in(event: &EventSnapshot, expected: &EventTruth) -> Vec<String> {
    let mut wrong = Vec::new();
    if event.name != expected.name {
        wrong.push(format!("its name is {}", event.name));
    }
    if event.email != expected.email {
        wrong.push(format!("it is {}'s", event.email));
    }
    let meeting_id = event
        .properties
        .get("meeting_id")
        .map(|id| id.to_string().trim_matches('"').to_owned());
    if meeting_id.as_deref() != Some(expected.meeting_id.to_string().as_str()) {
        wrong.push(format!(
            "meeting_id is {}",
            meeting_id.as_deref().unwrap_or("missing")
        ));
    }
    for needed in ["occurrence", "topic"] {
        if !event.properties.contains_key(needed) {
            wrong.push(format!("{needed} is missing"));
        }
    }
    for (name, wanted) in [("seconds", expected.seconds), ("share", expected.share)] {
        if let (Some(wanted), Some(got)) = (wanted, event.properties.get(name))
            && got.as_i64() != Some(wanted)
        {
            wrong.push(format!("{name} is {got}, and {wanted} is true"));
        }
    }
    wrong
}

/// One figure, truth beside Brevo.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Figure {
    /// What is counted.
    pub name: String,
    /// What it must be.
    pub truth: i64,
    /// What it is.
    pub brevo: i64,
}

/// The figures that a person looks at first.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Summary {
    /// In the order in which they are read.
    pub figures: Vec<Figure>,
}

impl Summary {
    /// Counts contacts, lists, statuses, seconds and events, and what must be nought.
    #[must_use]
    pub fn of(truth: &Truth, snapshot: &Snapshot) -> Self {
        let mut figures = Vec::new();
        let mut figure =
            |name: String, truth: i64, brevo: i64| figures.push(Figure { name, truth, brevo });
        figure(
            "contacts".to_owned(),
            length(truth.contacts.len()),
            length(snapshot.contacts.len()),
        );
        for (list, members) in &truth.lists {
            figure(
                format!("on list {list}"),
                length(members.len()),
                snapshot
                    .lists
                    .get(list)
                    .map_or(0, |members| length(members.len())),
            );
        }
        let statuses = |values: &mut dyn Iterator<Item = Option<&Value>>| -> BTreeMap<String, i64> {
            let mut counts = BTreeMap::new();
            for status in values.flatten().filter_map(Value::as_str) {
                *counts.entry(status.to_owned()).or_default() += 1;
            }
            counts
        };
        let wanted = statuses(
            &mut truth
                .contacts
                .values()
                .map(|contact| contact.attributes.get("ATTENDANCE_STATUS")),
        );
        let got = statuses(
            &mut snapshot
                .contacts
                .values()
                .map(|contact| contact.attributes.get("ATTENDANCE_STATUS")),
        );
        for status in keys(&wanted, &got) {
            figure(
                format!("status {status}"),
                wanted.get(&status).copied().unwrap_or(0),
                got.get(&status).copied().unwrap_or(0),
            );
        }
        let seconds = |value: Option<&Value>| value.and_then(Value::as_i64).unwrap_or(0);
        figure(
            "seconds attended".to_owned(),
            truth
                .contacts
                .values()
                .map(|contact| seconds(contact.attributes.get("ZOOM_TOTAL_SECONDS")))
                .sum(),
            snapshot
                .contacts
                .values()
                .map(|contact| seconds(contact.attributes.get("ZOOM_TOTAL_SECONDS")))
                .sum(),
        );
        let (mut wanted, mut got) = (
            BTreeMap::<String, i64>::new(),
            BTreeMap::<String, i64>::new(),
        );
        for event in truth.events.values() {
            *wanted.entry(event.name.clone()).or_default() += 1;
        }
        for event in &snapshot.events {
            *got.entry(event.name.clone()).or_default() += 1;
        }
        for name in keys(&wanted, &got) {
            figure(
                format!("events {name}"),
                wanted.get(&name).copied().unwrap_or(0),
                got.get(&name).copied().unwrap_or(0),
            );
        }
        let mut ids: Vec<&str> = snapshot
            .events
            .iter()
            .filter_map(EventSnapshot::source_event_id)
            .collect();
        let arrived = ids.len();
        ids.sort_unstable();
        ids.dedup();
        figure(
            "events sent twice".to_owned(),
            0,
            length(arrived - ids.len()),
        );
        figure(
            "rules broken".to_owned(),
            0,
            length(snapshot.violations.len()),
        );
        Self { figures }
    }

    /// Whether every figure is as it must be.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.figures
            .iter()
            .all(|figure| figure.truth == figure.brevo)
    }
}

fn keys(one: &BTreeMap<String, i64>, other: &BTreeMap<String, i64>) -> Vec<String> {
    let mut keys: Vec<String> = one.keys().chain(other.keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    keys
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .figures
            .iter()
            .map(|figure| figure.name.len())
            .max()
            .unwrap_or(0);
        writeln!(formatter, "{:width$} {:>9} {:>9}", "", "truth", "Brevo")?;
        for Figure { name, truth, brevo } in &self.figures {
            let mark = if truth == brevo { "" } else { "  differs" };
            writeln!(formatter, "{name:width$} {truth:>9} {brevo:>9}{mark}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
