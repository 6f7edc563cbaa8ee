//! The generator's own answer, and whether a log's last rows and contacts equal it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rollcall_schemas::record::{AttendanceRow, AttendanceStatus, Contact, Phase, RowState};
use rollcall_schemas::wire::{ATTENDANCE_ROW, CONTACT};
use serde::Deserialize;

#[derive(Clone, Debug, Eq, PartialEq)]
struct Row {
    attended: bool,
    registered: bool,
    seconds: i64,
    is_final: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Person {
    registered: i64,
    attended: i64,
    no_shows: i64,
    seconds: i64,
}

#[derive(Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
enum Line {
    Attendance {
        email: String,
        meeting_id: String,
        status: String,
        registered: bool,
        seconds: i64,
    },
    Contact {
        email: String,
        webinars_registered: i64,
        webinars_attended: i64,
        no_shows: i64,
        total_seconds: i64,
    },
}

/// Rows by address and meeting, contacts by address.
#[derive(Default)]
pub struct Answer {
    rows: HashMap<(String, String), Row>,
    contacts: HashMap<String, Person>,
}

impl Answer {
    /// Reads the answer that the generator wrote.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let mut answer = Self::default();
        for line in BufReader::with_capacity(1 << 20, file).lines() {
            match serde_json::from_str(&line?)? {
                Line::Attendance {
                    email,
                    meeting_id,
                    status,
                    registered,
                    seconds,
                } => {
                    let row = Row {
                        attended: status == "attended",
                        registered,
                        seconds,
                        is_final: true,
                    };
                    answer.rows.insert((email, meeting_id), row);
                }
                Line::Contact {
                    email,
                    webinars_registered,
                    webinars_attended,
                    no_shows,
                    total_seconds,
                } => {
                    let person = Person {
                        registered: webinars_registered,
                        attended: webinars_attended,
                        no_shows,
                        seconds: total_seconds,
                    };
                    answer.contacts.insert(email, person);
                }
            }
        }
        Ok(answer)
    }

    /// How many rows and contacts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len() + self.contacts.len()
    }

    /// Whether there is nothing to compare with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Holds what a log says to this answer.
    ///
    /// # Errors
    ///
    /// Where anything is wrong, missing or too much, with the first differences.
    pub fn check(&self, found: &Found) -> Result<()> {
        let mut differences = Differences::default();
        differences.compare(&self.rows, &found.0.rows);
        differences.compare(&self.contacts, &found.0.contacts);
        if differences.count == 0 {
            return Ok(());
        }
        bail!(
            "{} of {} rows and contacts differ from the answer:\n{}",
            differences.count,
            self.len(),
            differences.first.join("\n")
        )
    }
}

/// The last rows and contacts of a log.
#[derive(Default)]
pub struct Found(Answer);

impl Found {
    /// Takes a record of `engagement.attendance`; a later one of the same key takes its place.
    ///
    /// # Errors
    ///
    /// Where the record cannot be read.
    pub fn take_row(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let Some(value) = value else {
            bail!(
                "{}: no row of this load is ever taken back",
                String::from_utf8_lossy(key)
            );
        };
        let row: AttendanceRow<'_> = ATTENDANCE_ROW.decode(value)?;
        let attended = match (row.status, row.phase) {
            (AttendanceStatus::Attended, Phase::Ended) => true,
            (AttendanceStatus::NoShow, Phase::Ended) => false,
            _ if row.state == RowState::Final => bail!(
                "{} is final as {:?}",
                String::from_utf8_lossy(key),
                row.status
            ),
            // Not there yet: differs from every answer, because no row of those is provisional.
            _ => false,
        };
        let found = Row {
            attended,
            registered: row.registered_at.is_some(),
            seconds: row.seconds,
            is_final: row.state == RowState::Final,
        };
        self.0.rows.insert(
            (row.email.into_string(), row.meeting_id.into_string()),
            found,
        );
        Ok(())
    }

    /// Takes a record of `engagement.contacts`.
    ///
    /// # Errors
    ///
    /// Where the record cannot be read.
    pub fn take_contact(&mut self, value: &[u8]) -> Result<()> {
        let contact: Contact<'_> = CONTACT.decode(value)?;
        let person = Person {
            registered: contact.webinars_registered.into(),
            attended: contact.webinars_attended.into(),
            no_shows: contact.no_shows.into(),
            seconds: contact.total_seconds,
        };
        self.0.contacts.insert(contact.email.into_string(), person);
        Ok(())
    }
}

#[derive(Default)]
struct Differences {
    count: usize,
    first: Vec<String>,
}

impl Differences {
    fn compare<K: std::hash::Hash + Eq + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
        &mut self,
        wanted: &HashMap<K, V>,
        got: &HashMap<K, V>,
    ) {
        let absent = got
            .iter()
            .filter(|(key, _)| !wanted.contains_key(key))
            .map(|(key, value)| (key, None, Some(value)));
        let wrong = wanted
            .iter()
            .map(|(key, value)| (key, Some(value), got.get(key)));
        for (key, wanted, got) in wrong.chain(absent) {
            if wanted != got {
                self.count += 1;
                if self.first.len() < 5 {
                    self.first
                        .push(format!("{key:?}: wanted {wanted:?}, got {got:?}"));
                }
            }
        }
    }
}
