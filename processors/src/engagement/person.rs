//! All that is kept of one person, in the bytes of the store.

use std::cmp::Ordering;
use std::ops::Range;

use rollcall_runtime::StateError;
use rollcall_schemas::Text;
use rollcall_schemas::record::{AttendanceRow, Milestone};
use serde::{Deserialize, Serialize};
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
#[derive(Debug, Serialize, Deserialize)]
struct Known<'a> {
    #[serde(borrow)]
    occurrence: Text<'a>,
    /// The row's version; of one that is gone, one more than its last.
    version: i64,
    /// Whether the contribution follows.
    exists: bool,
    /// The milestones of all versions seen. A row that is gone keeps them.
    said: Vec<Said>,
}

/// A milestone that became an activity, as hashes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Said {
    #[serde(with = "postcard::fixint::le")]
    milestone: u64,
    #[serde(with = "postcard::fixint::le")]
    activity: u64,
}

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
            version = version.saturating_add(read(&person.bytes[entry?])?.0.version);
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
            let bytes = &self.bytes[entry?];
            let (known, rest) = read(bytes)?;
            if known.exists {
                let (occurrence, _) = postcard::take_from_bytes::<&str>(bytes).map_err(damaged)?;
                rows.push((
                    occurrence,
                    postcard::from_bytes::<Contribution<'_>>(rest).map_err(damaged)?,
                ));
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
        let mut known = known.unwrap_or_else(|| Known::of(&row.occurrence));
        if absorbed == Absorbed::Known {
            return Ok(absorbed);
        }
        let newest = absorbed == Absorbed::Newest;
        let mut buffer = Vec::new();
        for milestone in &row.milestones {
            let said = Said::of(row, milestone, &mut buffer);
            match known
                .said
                .iter_mut()
                .find(|known| known.milestone == said.milestone)
            {
                Some(known) if newest && known.activity != said.activity => *known = said,
                Some(_) => continue,
                // Also of an older version: the row may have gone before this one was seen.
                None => known.said.push(said),
            }
            to_say.push(milestone);
        }
        if !newest && to_say.is_empty() {
            return Ok(absorbed);
        }
        let entry = if newest {
            known.version = row.version;
            known.exists = true;
            extend(
                extend(Vec::with_capacity(256), &known),
                &Contribution::of(row),
            )
        } else {
            let mut entry = extend(Vec::with_capacity(256), &known);
            entry.extend_from_slice(contribution);
            entry
        };
        self.replace(&place, &entry)?;
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
            let mut known = known.unwrap_or_else(|| Known::of(occurrence));
            known.version = version;
            known.exists = false;
            let entry = extend(Vec::new(), &known);
            self.replace(&place, &entry)?;
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

    /// Puts `entry` in its place, and counts its version instead of the one before.
    fn replace(&mut self, place: &Place, entry: &[u8]) -> Result<(), StateError> {
        let (range, version_before) = match place {
            Place::Entry(range) => (
                range.start - LENGTH..range.end,
                read(&self.bytes[range.clone()])?.0.version,
            ),
            Place::Gap(at) => (*at..*at, 0),
        };
        let length = u32::try_from(entry.len())
            .expect("an entry is a part of one record, and so below 4 GiB");
        let version = read(entry)?.0.version;
        self.bytes.splice(
            range,
            length
                .to_le_bytes()
                .into_iter()
                .chain(entry.iter().copied()),
        );
        self.version = self
            .version
            .saturating_sub(version_before)
            .saturating_add(version);
        Ok(())
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
            occurrence: occurrence.into(),
            version: 0,
            exists: false,
            said: Vec::new(),
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

impl Said {
    fn of(row: &AttendanceRow<'_>, milestone: &Milestone<'_>, buffer: &mut Vec<u8>) -> Self {
        buffer.clear();
        // The milestone's own id stands for the activity's: within a person they differ alike.
        *buffer = extend(
            std::mem::take(buffer),
            &activity(&milestone.id, row, milestone),
        );
        Self {
            milestone: xxh3_64(milestone.id.as_bytes()),
            activity: xxh3_64(buffer),
        }
    }
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
