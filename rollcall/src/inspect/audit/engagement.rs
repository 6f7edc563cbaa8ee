//! The account of engagement: from `engagement.attendance` to contacts and activities.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Result;
use rollcall_eventlog::{RecordRef, TopicPartition};
use rollcall_schemas::catalogue::{
    ENGAGEMENT_ACTIVITIES, ENGAGEMENT_ATTENDANCE, ENGAGEMENT_CONTACTS,
};
use rollcall_schemas::header::VERSION;
use rollcall_schemas::key;
use rollcall_schemas::record::{Activity, AttendanceRow, AttendanceStatus, Contact};
use rollcall_schemas::wire::{ACTIVITY, ATTENDANCE_ROW, CONTACT};

use super::Ledger;
use super::letters::Letters;
use crate::inspect::Inspector;

pub(super) const STAGE: &str = "engagement";

/// What the stage made, by key; of what was erased the key alone is known.
#[derive(Default)]
struct Made {
    contacts: HashMap<String, Option<MadeContact>>,
    activities: HashMap<String, Option<MadeActivity>>,
}

struct MadeContact {
    offset: i64,
    version: i64,
}

struct MadeActivity {
    offset: i64,
    email: String,
    occurrence: String,
}

/// What the rows say of a person.
#[derive(Default)]
struct Person {
    rows: BTreeMap<String, Row>,
    milestones: HashSet<String>,
    /// Something of him was not taken yet, or does not say its version: his contact is not held to
    /// the sum of the versions.
    open: bool,
}

struct Row {
    offset: i64,
    version: i64,
    stands: bool,
    makes_a_contact: bool,
}

impl Inspector {
    pub(super) fn audit_engagement(&self, ledger: &mut Ledger<'_>) -> Result<()> {
        let inputs: Vec<_> = self.topics.route(&ENGAGEMENT_ATTENDANCE).all().collect();
        let positions: Vec<_> = inputs
            .iter()
            .map(|input| self.position(STAGE, input))
            .collect::<Result<_>>()?;
        let letters = self.letters(STAGE)?;
        for (input, position) in inputs.iter().zip(positions) {
            self.audit_rows(input, position, &letters, ledger)?;
        }
        Ok(())
    }

    fn audit_rows(
        &self,
        input: &TopicPartition,
        position: i64,
        letters: &Letters,
        ledger: &mut Ledger<'_>,
    ) -> Result<()> {
        // The same address is in the same partition of all three topics.
        let contacts = self
            .topics
            .route(&ENGAGEMENT_CONTACTS)
            .partition(input.partition);
        let activities = self
            .topics
            .route(&ENGAGEMENT_ACTIVITIES)
            .partition(input.partition);
        let made = self.read_made(&contacts, &activities, ledger)?;
        let mut people: HashMap<String, Person> = HashMap::new();
        self.scan_to_end(input, |record| {
            let taken = record.offset < position;
            let parsed = parse(record);
            if !taken {
                ledger.account.waiting += 1;
            } else if parsed.is_err() {
                ledger.account.records += 1;
            }
            let (email, occurrence, change) = match parsed {
                Ok(parsed) => parsed,
                Err(_) if !taken => return Ok(()),
                Err(reason) => {
                    match letters.of(input, record.offset) {
                        0 if letters.are_all_here() => ledger.fault(
                            input,
                            record.offset,
                            format!("it can never succeed, and no dead letter says so: {reason}"),
                        ),
                        _ => ledger.account.dead_letters += 1,
                    }
                    return Ok(());
                }
            };
            let person = people.entry(email.to_owned()).or_default();
            if let Change::Stands(row) = &change {
                for milestone in &row.milestones {
                    let id = key::join(email, &milestone.id);
                    if taken
                        && !made.activities.contains_key(&id)
                        && !person.milestones.contains(&id)
                    {
                        ledger.fault(
                            input,
                            record.offset,
                            format!(
                                "its milestone {} is not in {}",
                                milestone.id, activities.topic
                            ),
                        );
                    }
                    let _ = person.milestones.insert(id);
                }
            }
            if !taken {
                person.open = true;
                return Ok(());
            }
            ledger.account.records += 1;
            if person.take(occurrence, record.offset, &change) {
                ledger.account.effective += 1;
            } else {
                ledger.account.ignored += 1;
            }
            Ok(())
        })?;
        check_contacts(&made, &people, input, &contacts, ledger);
        check_activities(&made, &people, &activities, ledger);
        Ok(())
    }

    fn read_made(
        &self,
        contacts: &TopicPartition,
        activities: &TopicPartition,
        ledger: &mut Ledger<'_>,
    ) -> Result<Made> {
        let mut made = Made::default();
        self.scan_to_end(contacts, |record| {
            let email = text(record.key);
            match record
                .value
                .map(|value| CONTACT.decode::<Contact<'_>>(value))
                .transpose()
            {
                Ok(contact) => {
                    let contact = contact.map(|contact| MadeContact {
                        offset: record.offset,
                        version: contact.version,
                    });
                    let _ = made.contacts.insert(email, contact);
                }
                Err(error) => ledger.fault(
                    contacts,
                    record.offset,
                    format!("it cannot be read: {error}"),
                ),
            }
            Ok(())
        })?;
        self.scan_to_end(activities, |record| {
            let id = text(record.key);
            match record
                .value
                .map(|value| ACTIVITY.decode::<Activity<'_>>(value))
                .transpose()
            {
                Ok(activity) => {
                    let activity = activity.map(|activity| MadeActivity {
                        offset: record.offset,
                        email: activity.email.into_string(),
                        occurrence: activity.occurrence.into_string(),
                    });
                    let _ = made.activities.insert(id, activity);
                }
                Err(error) => ledger.fault(
                    activities,
                    record.offset,
                    format!("it cannot be read: {error}"),
                ),
            }
            Ok(())
        })?;
        Ok(made)
    }
}

/// What a record says of a row.
enum Change<'a> {
    Stands(Box<AttendanceRow<'a>>),
    Gone { version: Option<i64> },
}

/// The address, the occurrence and what is said of them; or why the record can never succeed.
fn parse<'a>(record: &RecordRef<'a>) -> Result<(&'a str, &'a str, Change<'a>), String> {
    let (email, occurrence) = record
        .key
        .and_then(|key| std::str::from_utf8(key).ok())
        .and_then(|key| key.split_once(key::SEPARATOR))
        .filter(|(email, occurrence)| !email.is_empty() && !occurrence.is_empty())
        .ok_or("the key is not an address, a space and an occurrence")?;
    let Some(value) = record.value else {
        let version = record.headers.get(VERSION).map(|version| {
            std::str::from_utf8(version)
                .ok()
                .and_then(|version| version.parse().ok())
        });
        return match version {
            Some(None) => Err("the tombstone's header version is no number".to_owned()),
            Some(version) => Ok((email, occurrence, Change::Gone { version })),
            None => Ok((email, occurrence, Change::Gone { version: None })),
        };
    };
    let row: AttendanceRow<'_> = ATTENDANCE_ROW
        .decode(value)
        .map_err(|error| error.to_string())?;
    if row.email != *email || row.occurrence != *occurrence {
        return Err("the key is not the row's address, a space and its occurrence".to_owned());
    }
    Ok((email, occurrence, Change::Stands(Box::new(row))))
}

impl Person {
    /// Takes a version of a row; whether it was a new one.
    fn take(&mut self, occurrence: &str, offset: i64, change: &Change<'_>) -> bool {
        let known = self.rows.get(occurrence).map(|row| row.version);
        let row = match change {
            Change::Stands(row) => Row {
                offset,
                version: row.version,
                stands: true,
                makes_a_contact: row.registered_at.is_some()
                    || row.first_join.is_some()
                    || !matches!(
                        row.status,
                        AttendanceStatus::Pending
                            | AttendanceStatus::Denied
                            | AttendanceStatus::Unknown
                    ),
            },
            Change::Gone { version } => {
                self.open |= version.is_none();
                let version = version
                    .or(known.map(|known| known.saturating_add(1)))
                    .unwrap_or_default();
                Row {
                    offset,
                    version,
                    stands: false,
                    makes_a_contact: false,
                }
            }
        };
        if known.is_some_and(|known| row.version <= known) {
            return false;
        }
        let _ = self.rows.insert(occurrence.to_owned(), row);
        true
    }
}

fn check_contacts(
    made: &Made,
    people: &HashMap<String, Person>,
    input: &TopicPartition,
    contacts: &TopicPartition,
    ledger: &mut Ledger<'_>,
) {
    for (email, person) in people.iter().filter(|(_, person)| !person.open) {
        let versions: i64 = person.rows.values().map(|row| row.version).sum();
        match made.contacts.get(email) {
            Some(Some(contact)) if contact.version < versions => ledger.fault(
                contacts,
                contact.offset,
                format!("the contact is of version {}, and the person's rows come to version {versions}", contact.version),
            ),
            Some(Some(contact)) if !person.rows.values().any(|row| row.stands) => {
                ledger.fault(contacts, contact.offset, "the contact stands, and no row of the person does");
            }
            Some(Some(_)) => {}
            None | Some(None) => {
                if let Some(row) = person.rows.values().find(|row| row.stands && row.makes_a_contact) {
                    ledger.fault(input, row.offset, format!("its person is not in {}", contacts.topic));
                }
            }
        }
    }
    for (email, contact) in &made.contacts {
        if let Some(contact) = contact
            && !people.contains_key(email)
        {
            ledger.fault(contacts, contact.offset, "no row of the person is there");
        }
    }
}

/// What was said stays said where the row is withdrawn; where it stands, it says so still.
fn check_activities(
    made: &Made,
    people: &HashMap<String, Person>,
    activities: &TopicPartition,
    ledger: &mut Ledger<'_>,
) {
    for (id, activity) in &made.activities {
        let Some(activity) = activity else { continue };
        let Some(person) = people.get(&activity.email) else {
            ledger.fault(activities, activity.offset, "no row of the person is there");
            continue;
        };
        let row_stands = person
            .rows
            .get(&activity.occurrence)
            .is_some_and(|row| row.stands);
        if row_stands && !person.milestones.contains(id) {
            ledger.fault(
                activities,
                activity.offset,
                "no row of the person has this milestone",
            );
        }
    }
}

fn text(key: Option<&[u8]>) -> String {
    String::from_utf8_lossy(key.unwrap_or_default()).into_owned()
}
