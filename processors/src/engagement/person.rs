//! All that is kept of one person, in the bytes of the store.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use rollcall_runtime::StateError;
use rollcall_schemas::record::{AttendanceRow, Milestone};
use serde::{Deserialize, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use super::activity::activity;
use super::contact::Contributed;
use super::contribution::Contribution;

/// The first byte of a stored value. A store that holds another is rebuilt.
const FORMAT: u8 = 1;
/// Bytes before the first entry: the format, and whether the person is a contact.
const HEADER: usize = 2;
/// Bytes of an entry's length.
const LENGTH: usize = 4;

/// All that is kept of one person: an entry for every row ever seen, ordered by occurrence.
///
/// It stays in the bytes that the store holds: with each change one entry is written anew, and the
/// others are not touched.
#[derive(Debug)]
pub(super) struct Person {
    bytes: Vec<u8>,
    version: i64,
}

/// What is known of a row, before its contribution.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Known<'a> {
    occurrence: &'a str,
    /// The row's version; of one that is gone, its tombstone's.
    version: i64,
    /// Whether the contribution follows.
    exists: bool,
    /// A [`Said`] for each milestone of all versions seen. A row that is gone keeps them.
    #[serde(serialize_with = "as_bytes")]
    said: &'a [u8],
}

/// A milestone that became an activity: the hash of its id, and that of the activity.
type Said = [u8; 16];
/// Bytes of the first of the two.
const MILESTONE: usize = 8;

/// What a version of a row came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Absorbed {
    /// It is the newest of its row: the contact changes.
    Newest,
    /// A newer version was seen before.
    Older,
    /// This very version was seen before.
    Known,
}

impl Person {
    /// A person of whom nothing is known.
    pub(super) fn unknown() -> Self {
        Self {
            bytes: vec![FORMAT, 0],
            version: 0,
        }
    }

    /// A person as stored.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this version's making.
    pub(super) fn stored(bytes: Vec<u8>) -> Result<Self, StateError> {
        if !matches!(bytes[..], [FORMAT, _, ..]) {
            return Err(StateError::Value {
                reason: "a person of another format".to_owned(),
            });
        }
        let mut person = Self { bytes, version: 0 };
        let mut version = 0_i64;
        for entry in person.entries() {
            let (known, _) = read(&person.bytes[entry?])?;
            version = version.saturating_add(known.version);
        }
        person.version = version;
        Ok(person)
    }

    /// The bytes to store.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The contact's version: the sum of the versions of all rows ever seen.
    pub(super) fn version(&self) -> i64 {
        self.version
    }

    /// Whether the person was a contact when he was last stored.
    pub(super) fn was_contact(&self) -> bool {
        self.bytes[1] == 1
    }

    /// Notes whether the person is a contact, for the next time that he is read.
    pub(super) fn note_contact(&mut self, is_contact: bool) {
        self.bytes[1] = u8::from(is_contact);
    }

    /// What the rows that exist contribute.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this version's making.
    pub(super) fn contributions(&self) -> Result<Vec<Contributed<'_>>, StateError> {
        let mut rows = Vec::new();
        for entry in self.entries() {
            let (known, contribution) = read(&self.bytes[entry?])?;
            if known.exists {
                let contribution = postcard::from_bytes::<Contribution<'_>>(contribution);
                rows.push((known.occurrence, contribution.map_err(damaged)?));
            }
        }
        Ok(rows)
    }

    /// Takes a version of a row, and adds to `to_say` which of its milestones are to be said.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this version's making.
    pub(super) fn absorb<'r, 'a>(
        &mut self,
        row: &'r AttendanceRow<'a>,
        to_say: &mut Vec<&'r Milestone<'a>>,
    ) -> Result<Absorbed, StateError> {
        let place = self.find(&row.occurrence)?;
        let (known, contribution) = self.known(&place)?;
        let absorbed = Absorbed::of(age(row.version, true), known.as_ref());
        if absorbed == Absorbed::Known {
            return Ok(absorbed);
        }
        let newest = absorbed == Absorbed::Newest;
        let known = known.unwrap_or_else(|| Known::of(&row.occurrence));
        let mut all_said = Cow::Borrowed(known.said);
        let mut buffer = Vec::new();
        for milestone in &row.milestones {
            let said = said(row, milestone, &mut buffer);
            let of_milestone = |known: &&Said| known[..MILESTONE] == said[..MILESTONE];
            match all_said
                .as_chunks()
                .0
                .iter()
                .position(|known| of_milestone(&known))
            {
                Some(place) => {
                    if !newest || all_said.as_chunks().0[place] == said {
                        continue;
                    }
                    all_said.to_mut().as_chunks_mut().0[place] = said;
                }
                // Also of an older version: the row may have gone before this one was seen.
                None => all_said.to_mut().extend_from_slice(&said),
            }
            to_say.push(milestone);
        }
        if !newest && to_say.is_empty() {
            return Ok(absorbed);
        }
        let former = known.version;
        let mut entry = Vec::with_capacity(256);
        if newest {
            let known = Known {
                version: row.version,
                exists: true,
                said: &all_said,
                ..known
            };
            entry = extend(extend(entry, &known), &Contribution::of(row));
            self.replace(&place, &entry, row.version - former);
        } else {
            entry = extend(
                entry,
                &Known {
                    said: &all_said,
                    ..known
                },
            );
            entry.extend_from_slice(contribution);
            self.replace(&place, &entry, 0);
        }
        Ok(absorbed)
    }

    /// Takes the tombstone of a row, which ended with `version`; where the tombstone does not tell,
    /// with the one after that which is known.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this version's making.
    pub(super) fn bury(
        &mut self,
        occurrence: &str,
        version: Option<i64>,
    ) -> Result<Absorbed, StateError> {
        let place = self.find(occurrence)?;
        let (known, _) = self.known(&place)?;
        let version = match (version, &known) {
            (Some(version), _) => version,
            (None, Some(known)) if known.exists => known.version.saturating_add(1),
            (None, _) => return Ok(Absorbed::Known),
        };
        let absorbed = Absorbed::of(age(version, false), known.as_ref());
        if absorbed == Absorbed::Newest {
            let known = known.unwrap_or_else(|| Known::of(occurrence));
            let former = known.version;
            let entry = extend(
                Vec::new(),
                &Known {
                    version,
                    exists: false,
                    ..known
                },
            );
            self.replace(&place, &entry, version - former);
        }
        Ok(absorbed)
    }

    /// Where the entry of a row is, or would be.
    fn find(&self, occurrence: &str) -> Result<Place, StateError> {
        let mut gap = HEADER;
        for entry in self.entries() {
            let entry = entry?;
            let (known, _) =
                postcard::take_from_bytes::<&str>(&self.bytes[entry.clone()]).map_err(damaged)?;
            match known.cmp(occurrence) {
                Ordering::Less => gap = entry.end,
                Ordering::Equal => return Ok(Place::Entry(entry)),
                Ordering::Greater => break,
            }
        }
        Ok(Place::Gap(gap))
    }

    /// What is known of the row at `place`, and its contribution as stored.
    fn known(&self, place: &Place) -> Result<(Option<Known<'_>>, &[u8]), StateError> {
        match place {
            Place::Entry(entry) => {
                read(&self.bytes[entry.clone()]).map(|(known, rest)| (Some(known), rest))
            }
            Place::Gap(_) => Ok((None, &[])),
        }
    }

    /// Puts `entry` in its place; the versions of all rows are then `growth` more.
    fn replace(&mut self, place: &Place, entry: &[u8], growth: i64) {
        let range = match place {
            Place::Entry(range) => range.start - LENGTH..range.end,
            Place::Gap(at) => *at..*at,
        };
        let length = u32::try_from(entry.len())
            .expect("an entry is a part of one record, and so below 4 GiB");
        let former = self.bytes.split_off(range.end);
        self.bytes.truncate(range.start);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(entry);
        self.bytes.extend_from_slice(&former);
        self.version = self.version.saturating_add(growth);
    }

    /// Where the entries are, without their lengths.
    fn entries(&self) -> impl Iterator<Item = Result<Range<usize>, StateError>> {
        let mut at = HEADER;
        std::iter::from_fn(move || {
            let rest = &self.bytes[at..];
            if rest.is_empty() {
                return None;
            }
            let entry = rest.first_chunk::<LENGTH>().and_then(|length| {
                let start = at + LENGTH;
                let end = start.checked_add(u32::from_le_bytes(*length) as usize)?;
                (end <= self.bytes.len()).then_some(start..end)
            });
            at = entry.as_ref().map_or(self.bytes.len(), |entry| entry.end);
            Some(entry.ok_or_else(|| StateError::Value {
                reason: "a person's entries are cut short".to_owned(),
            }))
        })
    }
}

#[derive(Debug)]
enum Place {
    /// The entry, without its length.
    Entry(Range<usize>),
    /// Where it would be.
    Gap(usize),
}

impl<'a> Known<'a> {
    /// A row that was not seen before.
    fn of(occurrence: &'a str) -> Self {
        Self {
            occurrence,
            version: 0,
            exists: false,
            said: &[],
        }
    }
}

/// How new a row or its tombstone is: a tombstone is newer than a row of its version.
fn age(version: i64, exists: bool) -> (i64, bool) {
    (version, !exists)
}

impl Absorbed {
    fn of(age: (i64, bool), known: Option<&Known<'_>>) -> Self {
        let Some(known) = known else {
            return Self::Newest;
        };
        match age.cmp(&self::age(known.version, known.exists)) {
            Ordering::Less => Self::Older,
            Ordering::Equal => Self::Known,
            Ordering::Greater => Self::Newest,
        }
    }
}

/// The marks of a milestone and of what is said of it. `buffer` is only a buffer.
fn said(row: &AttendanceRow<'_>, milestone: &Milestone<'_>, buffer: &mut Vec<u8>) -> Said {
    buffer.clear();
    // The milestone's own id stands for the activity's: within a person they differ alike.
    *buffer = extend(
        std::mem::take(buffer),
        &activity(&milestone.id, row, milestone),
    );
    let mut said = Said::default();
    let (of_milestone, of_activity) = said.split_at_mut(MILESTONE);
    of_milestone.copy_from_slice(&xxh3_64(milestone.id.as_bytes()).to_le_bytes());
    of_activity.copy_from_slice(&xxh3_64(buffer).to_le_bytes());
    said
}

/// Bytes in one piece: serde's own way is one by one.
fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

fn extend<T: Serialize>(bytes: Vec<u8>, value: &T) -> Vec<u8> {
    postcard::to_extend(value, bytes)
        .expect("a vector takes every write, and every length is known")
}

fn read(entry: &[u8]) -> Result<(Known<'_>, &[u8]), StateError> {
    postcard::take_from_bytes(entry).map_err(damaged)
}

fn damaged(error: postcard::Error) -> StateError {
    StateError::Value {
        reason: format!("a person's entry: {error}"),
    }
}
