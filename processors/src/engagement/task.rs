//! One partition of the stage.

use std::collections::HashMap;
use std::sync::Arc;

use rollcall_eventlog::{Header, OutputBatch, RecordBatch, RecordRef};
use rollcall_runtime::{Outcome, Rejection, Route, StateError, StateView, Task, Unit};
use rollcall_schemas::header::{CONTACT_VERSION, VERSION};
use rollcall_schemas::key;
use rollcall_schemas::record::AttendanceRow;
use rollcall_schemas::wire::{ATTENDANCE_ROW, CONTACT, Encoder};

use super::activity::Activities;
use super::contact;
use super::person::{Absorbed, Person};

/// The people whom a unit of work touches, read once and written once.
pub(super) struct EngagementTask {
    contacts: Route,
    activities: Route,
    contact_encoder: Encoder,
    /// What the row at hand has to say.
    to_say: Activities,
    /// In the order in which they were touched, so that the outputs have one.
    touched: Vec<Touched>,
    by_email: HashMap<Arc<str>, usize, foldhash::fast::RandomState>,
}

struct Touched {
    email: Arc<str>,
    person: Person,
    changed: bool,
    /// Something was said of him in this unit of work: then it is also said that he is no contact.
    told: bool,
}

/// The key of a row, taken apart.
struct RowKey<'a> {
    email: &'a str,
    occurrence: &'a str,
}

/// A record's person, as a place among those touched, and its key; or why it has none.
type Addressed<'a> = Result<(usize, RowKey<'a>), Rejection>;

impl EngagementTask {
    pub(super) fn new(contacts: Route, activities: Route) -> Self {
        Self {
            contacts,
            activities,
            contact_encoder: CONTACT.encoder(),
            to_say: Activities::new(),
            touched: Vec::new(),
            by_email: HashMap::default(),
        }
    }

    /// Reads those people of the batch who are not in memory: one look-up for all. Says of each
    /// record whose it is.
    fn load<'b>(
        &mut self,
        batch: &'b RecordBatch,
        state: &mut dyn StateView,
    ) -> Result<Vec<Addressed<'b>>, StateError> {
        let known = self.touched.len();
        let mut places = Vec::with_capacity(batch.len());
        for record in batch.iter() {
            places.push(RowKey::parse(record.key).map(|row_key| {
                let place = self
                    .by_email
                    .get(row_key.email)
                    .copied()
                    .unwrap_or_else(|| {
                        let email: Arc<str> = row_key.email.into();
                        self.by_email.insert(Arc::clone(&email), self.touched.len());
                        self.touched.push(Touched {
                            email,
                            person: Person::unknown(),
                            changed: false,
                            told: false,
                        });
                        self.touched.len() - 1
                    });
                (place, row_key)
            }));
        }
        let new = &mut self.touched[known..];
        if !new.is_empty() {
            let keys: Vec<&[u8]> = new.iter().map(|touched| touched.email.as_bytes()).collect();
            let values = state.multi_get(&keys)?;
            for (touched, value) in new.iter_mut().zip(values) {
                if let Some(bytes) = value {
                    touched.person = Person::stored(&bytes)?;
                }
            }
        }
        Ok(places)
    }

    /// Takes one record. Without `outputs` nothing is said.
    fn take(
        &mut self,
        record: &RecordRef<'_>,
        place: usize,
        row_key: &RowKey<'_>,
        outputs: Option<&mut OutputBatch>,
    ) -> Result<Outcome, StateError> {
        let Touched {
            person,
            changed,
            told,
            ..
        } = &mut self.touched[place];
        let Some(value) = record.value else {
            let version = match record.headers.get(VERSION).map(decimal) {
                Some(None) => {
                    return Ok(Outcome::Rejected(rejected(
                        "version",
                        "the tombstone's header version is no number",
                    )));
                }
                Some(version) => version,
                None => None,
            };
            let absorbed = person.bury(row_key.occurrence, version)?;
            *changed |= absorbed == Absorbed::Newest;
            return Ok(outcome(absorbed, false));
        };
        let row: AttendanceRow<'_> = match ATTENDANCE_ROW.decode(value) {
            Ok(row) => row,
            Err(error) => return Ok(Outcome::Rejected(rejected("value", &error.to_string()))),
        };
        if row.email != row_key.email || row.occurrence != row_key.occurrence {
            return Ok(Outcome::Rejected(rejected(
                "key",
                "the key is not the row's address, a space and its occurrence",
            )));
        }
        let to_say = &mut self.to_say;
        to_say.clear();
        let absorbed = person.absorb(&row, to_say)?;
        *changed |= absorbed == Absorbed::Newest || !to_say.is_empty();
        *told |= !to_say.is_empty();
        if let Some(outputs) = outputs
            && !to_say.is_empty()
        {
            let version = person.version().to_string();
            for (id, activity) in to_say.iter() {
                let header = Header {
                    name: CONTACT_VERSION,
                    value: version.as_bytes(),
                };
                let mut value = |out: &mut Vec<u8>| out.extend_from_slice(activity);
                self.activities
                    .push(outputs, id, Some(&mut value), [header]);
            }
        }
        Ok(outcome(absorbed, !to_say.is_empty()))
    }

    /// Writes every person who changed to the state and, as a contact, to `outputs`; forgets all.
    fn settle(
        &mut self,
        state: &mut dyn StateView,
        mut outputs: Option<&mut OutputBatch>,
    ) -> Result<(), StateError> {
        for Touched {
            email,
            mut person,
            changed,
            told,
        } in self.touched.drain(..)
        {
            if !changed {
                continue;
            }
            let (is_contact, forms_used) = {
                let rows = person.contributions()?;
                let contact = contact::fold(&email, person.version(), &rows, person.forms())?;
                match (&mut outputs, &contact) {
                    (Some(outputs), Some(contact)) => {
                        let mut value =
                            |out: &mut Vec<u8>| self.contact_encoder.encode_into(contact, out);
                        self.contacts.push(outputs, &email, Some(&mut value), []);
                    }
                    (Some(outputs), None) if person.was_contact() || told => {
                        let version = person.version().to_string();
                        self.contacts.push(
                            outputs,
                            &email,
                            None,
                            [Header {
                                name: VERSION,
                                value: version.as_bytes(),
                            }],
                        );
                    }
                    _ => (),
                }
                (contact.is_some(), contact::forms_used(&rows))
            };
            person.note_contact(is_contact);
            person.retain_forms(&forms_used)?;
            state.put(email.as_bytes(), person.bytes());
        }
        self.by_email.clear();
        Ok(())
    }
}

impl Task for EngagementTask {
    fn process(
        &mut self,
        batch: &RecordBatch,
        unit: &mut Unit<'_>,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), StateError> {
        let places = self.load(batch, unit.state)?;
        for (record, place) in batch.iter().zip(places) {
            outcomes.push(match place {
                Ok((place, row_key)) => self.take(&record, place, &row_key, Some(unit.outputs))?,
                Err(rejection) => Outcome::Rejected(rejection),
            });
        }
        Ok(())
    }

    fn restore(&mut self, batch: &RecordBatch, unit: &mut Unit<'_>) -> Result<(), StateError> {
        let places = self.load(batch, unit.state)?;
        for (record, place) in batch.iter().zip(places) {
            // What is rejected is so each time, and had no effect the first time either.
            if let Ok((place, row_key)) = place {
                self.take(&record, place, &row_key, None)?;
            }
        }
        self.settle(unit.state, None)
    }

    fn finish(&mut self, unit: &mut Unit<'_>) -> Result<(), StateError> {
        self.settle(unit.state, Some(unit.outputs))
    }

    fn reset(&mut self) {
        self.touched.clear();
        self.by_email.clear();
    }
}

impl<'a> RowKey<'a> {
    fn parse(key: Option<&'a [u8]>) -> Result<Self, Rejection> {
        key.and_then(|key| std::str::from_utf8(key).ok())
            .and_then(|key| key.split_once(key::SEPARATOR))
            .filter(|(email, occurrence)| !email.is_empty() && !occurrence.is_empty())
            .map(|(email, occurrence)| Self { email, occurrence })
            .ok_or_else(|| {
                rejected(
                    "key",
                    "the key is not an address, a space and an occurrence",
                )
            })
    }
}

fn outcome(absorbed: Absorbed, said_something: bool) -> Outcome {
    match absorbed {
        Absorbed::Newest => Outcome::Effective,
        Absorbed::Older if said_something => Outcome::Effective,
        Absorbed::Older => Outcome::Ignored("older version"),
        Absorbed::Known => Outcome::Ignored("known version"),
    }
}

fn decimal(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn rejected(class: &'static str, message: &str) -> Rejection {
    Rejection {
        class,
        message: message.to_owned(),
    }
}
