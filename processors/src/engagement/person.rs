//! All that is kept of one person, in the bytes of the store.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use rollcall_runtime::StateError;
use rollcall_schemas::record::{AttendanceRow, Milestone};
use serde::{Deserialize, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use super::activity::Activities;
use super::contact::Contributed;
use super::contribution::{Facts, Form, Words};
use super::form::{FormId, Forms};

/// The first byte of a stored value. A store that holds another is rebuilt.
const FORMAT: u8 = 2;
/// Bytes of an entry's length.
const LENGTH: usize = 4;

/// All that is kept of one person: an entry for every row ever seen, ordered by occurrence, and the
/// forms that those which exist refer to.
///
/// Both stay in the bytes that the store holds: with each change one entry is written anew, and the
/// others are not touched. The store holds the format, whether the person is a contact, the version
/// (8 bytes), the length of the entries (4 bytes), the entries and the forms.
#[derive(Debug)]
pub(super) struct Person {
    is_contact: bool,
    version: i64,
    entries: Vec<u8>,
    forms: Forms,
}

/// What is known of a row, before its contribution.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Known<'a> {
    occurrence: &'a str,
    /// The row's version; of one that is gone, its tombstone's.
    version: i64,
    /// Whether the [`Facts`] and [`Words`] follow.
    exists: bool,
    /// A [`Said`] for each milestone of all versions seen. A row that is gone keeps them.
    #[serde(serialize_with = "as_bytes")]
    said: &'a [u8],
}

/// A milestone that became an activity: the hash of its id, and that of the activity.
type Said = [u8; SAID];
const SAID: usize = 16;
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
            is_contact: false,
            version: 0,
            entries: Vec::new(),
            forms: Forms::default(),
        }
    }

    /// A person as stored.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this version's making.
    pub(super) fn stored(bytes: &[u8]) -> Result<Self, StateError> {
        let [FORMAT, is_contact, rest @ ..] = bytes else {
            return Err(StateError::Value {
                reason: "a person of another format".to_owned(),
            });
        };
        let parts = rest.split_first_chunk().and_then(|(version, rest)| {
            let (length, rest) = rest.split_first_chunk::<LENGTH>()?;
            let (entries, forms) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            Some((i64::from_le_bytes(*version), entries, forms))
        });
        let (version, entries, forms) = parts.ok_or_else(cut_short)?;
        Ok(Self {
            is_contact: *is_contact == 1,
            version,
            entries: entries.to_vec(),
            forms: Forms::stored(forms),
        })
    }

    /// The bytes to store.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes =
            Vec::with_capacity(2 + 8 + LENGTH + self.entries.len() + self.forms.bytes().len());
        bytes.extend_from_slice(&[FORMAT, u8::from(self.is_contact)]);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&length(&self.entries));
        bytes.extend_from_slice(&self.entries);
        bytes.extend_from_slice(self.forms.bytes());
        bytes
    }

    /// The contact's version: the sum of the versions of all rows ever seen.
    pub(super) fn version(&self) -> i64 {
        self.version
    }

    /// Whether the person was a contact when he was last stored.
    pub(super) fn was_contact(&self) -> bool {
        self.is_contact
    }

    /// Notes whether the person is a contact, for the next time that he is read.
    pub(super) fn note_contact(&mut self, is_contact: bool) {
        self.is_contact = is_contact;
    }

    /// What the rows that exist contribute.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this version's making.
    pub(super) fn contributions(&self) -> Result<Vec<Contributed<'_>>, StateError> {
        let mut rows = Vec::new();
        for entry in self.entries() {
            let (known, rest) = read::<Known<'_>>(&self.entries[entry?])?;
            if known.exists {
                let (facts, words) = read(rest)?;
                rows.push(Contributed {
                    occurrence: known.occurrence,
                    facts,
                    words,
                });
            }
        }
        Ok(rows)
    }

    /// The forms that the contributions refer to.
    pub(super) fn forms(&self) -> &Forms {
        &self.forms
    }

    /// Drops all forms but `used`.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this version's making.
    pub(super) fn retain_forms(&mut self, used: &[FormId]) -> Result<(), StateError> {
        self.forms.retain(used)
    }

    /// Takes a version of a row, and adds to `to_say` what is to be said of its milestones.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this version's making.
    pub(super) fn absorb(
        &mut self,
        row: &AttendanceRow<'_>,
        to_say: &mut Activities,
    ) -> Result<Absorbed, StateError> {
        let place = self.find(&row.occurrence)?;
        let (known, contribution) = known(&self.entries, &place)?;
        let absorbed = Absorbed::of(age(row.version, true), known.as_ref());
        if absorbed == Absorbed::Known {
            return Ok(absorbed);
        }
        let newest = absorbed == Absorbed::Newest;
        let known = known.unwrap_or_else(|| Known::of(&row.occurrence));
        let mut all_said = Cow::Borrowed(known.said);
        for milestone in &row.milestones {
            let said = said(milestone, to_say.add(row, milestone));
            let place = all_said
                .as_chunks::<SAID>()
                .0
                .iter()
                .position(|known| known[..MILESTONE] == said[..MILESTONE]);
            match place {
                Some(place) => {
                    if !newest || all_said.as_chunks().0[place] == said {
                        to_say.take_back();
                        continue;
                    }
                    all_said.to_mut().as_chunks_mut().0[place] = said;
                }
                // Also of an older version: the row may have gone before this one was seen.
                None => all_said.to_mut().extend_from_slice(&said),
            }
        }
        let mut entry = Vec::with_capacity(512);
        let growth;
        if newest {
            let form = Form::of(row)
                .map(|form| self.forms.keep(&extend(Vec::with_capacity(512), &form)))
                .transpose()?;
            growth = row.version - known.version;
            let known = Known {
                version: row.version,
                exists: true,
                said: &all_said,
                ..known
            };
            entry = extend(entry, &(known, Facts::of(row, form), Words::of(row)));
        } else if to_say.is_empty() {
            return Ok(absorbed);
        } else {
            growth = 0;
            let known = Known {
                said: &all_said,
                ..known
            };
            entry = extend(entry, &known);
            entry.extend_from_slice(contribution);
        }
        self.replace(&place, &entry, growth);
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
        let (known, _) = known(&self.entries, &place)?;
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
        let mut gap = 0;
        for entry in self.entries() {
            let entry = entry?;
            let (known, _) = read::<&[u8]>(&self.entries[entry.clone()])?;
            match known.cmp(occurrence.as_bytes()) {
                Ordering::Less => gap = entry.end,
                Ordering::Equal => return Ok(Place::Entry(entry)),
                Ordering::Greater => break,
            }
        }
        Ok(Place::Gap(gap))
    }

    /// Puts `entry` in its place; the versions of all rows are then `growth` more.
    fn replace(&mut self, place: &Place, entry: &[u8], growth: i64) {
        let range = match place {
            Place::Entry(range) => range.start - LENGTH..range.end,
            Place::Gap(at) => *at..*at,
        };
        let follows = range.end..self.entries.len();
        let end = range.start + LENGTH + entry.len();
        let whole = end + follows.len();
        if whole > self.entries.len() {
            self.entries.resize(whole, 0);
        }
        self.entries.copy_within(follows, end);
        self.entries.truncate(whole);
        let (prefix, rest) = self.entries[range.start..end].split_at_mut(LENGTH);
        prefix.copy_from_slice(&length(entry));
        rest.copy_from_slice(entry);
        self.version = self.version.saturating_add(growth);
    }

    /// Where the entries are, without their lengths.
    fn entries(&self) -> impl Iterator<Item = Result<Range<usize>, StateError>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let rest = &self.entries[at..];
            if rest.is_empty() {
                return None;
            }
            let entry = rest.first_chunk::<LENGTH>().and_then(|length| {
                let start = at + LENGTH;
                let end = start.checked_add(u32::from_le_bytes(*length) as usize)?;
                (end <= self.entries.len()).then_some(start..end)
            });
            at = entry.as_ref().map_or(self.entries.len(), |entry| entry.end);
            Some(entry.ok_or_else(cut_short))
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

/// What is known of the row at `place` of `entries`, and its contribution as stored.
fn known<'e>(
    entries: &'e [u8],
    place: &Place,
) -> Result<(Option<Known<'e>>, &'e [u8]), StateError> {
    match place {
        Place::Entry(entry) => {
            read(&entries[entry.clone()]).map(|(known, rest)| (Some(known), rest))
        }
        Place::Gap(_) => Ok((None, &[])),
    }
}

/// The marks of a milestone and of the activity that is said of it.
fn said(milestone: &Milestone<'_>, activity: &[u8]) -> Said {
    let mut said = Said::default();
    let (of_milestone, of_activity) = said.split_at_mut(MILESTONE);
    of_milestone.copy_from_slice(&xxh3_64(milestone.id.as_bytes()).to_le_bytes());
    of_activity.copy_from_slice(&xxh3_64(activity).to_le_bytes());
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

fn length(bytes: &[u8]) -> [u8; LENGTH] {
    u32::try_from(bytes.len())
        .expect("what is kept of one person is read into memory, and far below 4 GiB")
        .to_le_bytes()
}

/// A part of an entry, and what follows it.
fn read<'a, T: Deserialize<'a>>(entry: &'a [u8]) -> Result<(T, &'a [u8]), StateError> {
    postcard::take_from_bytes(entry).map_err(damaged)
}

/// A part of what is kept of a person, to its end.
///
/// # Errors
///
/// Where the bytes are not of this version's making.
pub(super) fn decoded<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StateError> {
    postcard::from_bytes(bytes).map_err(damaged)
}

fn damaged(error: postcard::Error) -> StateError {
    StateError::Value {
        reason: format!("a person's entry: {error}"),
    }
}

fn cut_short() -> StateError {
    StateError::Value {
        reason: "a person's entries are cut short".to_owned(),
    }
}
