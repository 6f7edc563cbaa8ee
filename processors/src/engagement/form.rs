//! The forms of a person's registrations, each kept once.

use std::cmp::Ordering;

use rollcall_runtime::StateError;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Names a form within one person: a hash of it, so that it does not show in the store in which order
/// forms came and went.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub(super) struct FormId(u64);

/// Bytes of a form's id and of its length, which stand before it.
const ID: usize = 8;
const LENGTH: usize = 4;

/// The forms of a person, encoded, by id, in the bytes of the store.
#[derive(Debug, Default)]
pub(super) struct Forms {
    bytes: Vec<u8>,
}

impl FormId {
    /// The id of `form`, unless another form has it.
    fn first(form: &[u8]) -> Self {
        // One bit is left for those which follow it.
        Self(xxh3_64(form) >> 1)
    }

    /// The id of a form whose own is that of another.
    fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Forms {
    /// The forms as stored.
    pub(super) fn stored(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
        }
    }

    /// The bytes to store.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Keeps `form`, if it is not kept already.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this version's making.
    pub(super) fn keep(&mut self, form: &[u8]) -> Result<FormId, StateError> {
        let (mut id, mut place) = (FormId::first(form), 0);
        for kept in self.iter() {
            let (kept_id, kept) = kept?;
            match kept_id.cmp(&id) {
                Ordering::Less => (),
                Ordering::Equal if kept == form => return Ok(id),
                Ordering::Equal => id = id.next(),
                Ordering::Greater => break,
            }
            place += ID + LENGTH + kept.len();
        }
        let length =
            u32::try_from(form.len()).expect("a form is a part of one record, and so below 4 GiB");
        let mut entry = Vec::with_capacity(ID + LENGTH + form.len());
        entry.extend_from_slice(&id.0.to_le_bytes());
        entry.extend_from_slice(&length.to_le_bytes());
        entry.extend_from_slice(form);
        self.bytes.splice(place..place, entry);
        Ok(id)
    }

    /// A form that is kept.
    ///
    /// # Errors
    ///
    /// Where it is not, or the bytes are not of this version's making.
    pub(super) fn get(&self, wanted: FormId) -> Result<&[u8], StateError> {
        for kept in self.iter() {
            let (id, form) = kept?;
            if id == wanted {
                return Ok(form);
            }
        }
        Err(damaged("a registration's form is missing"))
    }

    /// Drops all forms but `used`.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this version's making.
    pub(super) fn retain(&mut self, used: &[FormId]) -> Result<(), StateError> {
        let mut at = 0;
        while at < self.bytes.len() {
            let (id, form) = first(&self.bytes[at..])?;
            let end = at + ID + LENGTH + form.len();
            if used.contains(&id) {
                at = end;
            } else {
                self.bytes.drain(at..end);
            }
        }
        Ok(())
    }

    fn iter(&self) -> impl Iterator<Item = Result<(FormId, &[u8]), StateError>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let entry = first(rest);
            rest = entry
                .as_ref()
                .map_or(&[], |(_, form)| &rest[ID + LENGTH + form.len()..]);
            Some(entry)
        })
    }
}

/// The first form of `bytes`.
fn first(bytes: &[u8]) -> Result<(FormId, &[u8]), StateError> {
    let parts = bytes
        .split_first_chunk::<ID>()
        .and_then(|(id, rest)| Some((id, rest.split_first_chunk::<LENGTH>()?)));
    parts
        .and_then(|(id, (length, rest))| {
            let form = rest.get(..u32::from_le_bytes(*length) as usize)?;
            Some((FormId(u64::from_le_bytes(*id)), form))
        })
        .ok_or_else(|| damaged("a person's forms are cut short"))
}

fn damaged(reason: &str) -> StateError {
    StateError::Value {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Forms, ID, LENGTH};

    #[test]
    fn one_form_is_kept_once_and_as_long_as_it_is_used() {
        let mut forms = Forms::default();
        let first = forms.keep(b"one").unwrap();
        let second = forms.keep(b"").unwrap();
        let third = forms.keep(b"three").unwrap();
        assert_eq!(forms.keep(b"one").unwrap(), first);
        assert_eq!(forms.keep(b"").unwrap(), second);

        forms.retain(&[third, first]).unwrap();
        assert!(forms.get(second).is_err());
        let mut forms = Forms::stored(forms.bytes());
        assert_eq!(forms.get(first).unwrap(), b"one");
        assert_eq!(forms.get(third).unwrap(), b"three");

        let fourth = forms.keep(b"four").unwrap();
        assert!(fourth != first && fourth != third);
        forms.retain(&[]).unwrap();
        assert_eq!(forms.bytes(), b"");
    }

    #[test]
    fn the_order_in_which_forms_came_does_not_show() {
        let kept = |texts: [&[u8]; 3]| {
            let mut forms = Forms::default();
            let ids = texts.map(|form| forms.keep(form).unwrap());
            forms.retain(&[ids[0], ids[2]]).unwrap();
            forms.bytes().to_vec()
        };
        assert_eq!(
            kept([b"one", b"two", b"three"]),
            kept([b"three", b"four", b"one"])
        );
    }

    #[test]
    fn two_forms_with_one_hash_are_told_apart() {
        let mut forms = Forms::default();
        let form = forms.keep(b"form").unwrap();
        // As if another form had the same hash.
        forms.bytes[ID + LENGTH] = b'F';
        let other = forms.keep(b"form").unwrap();
        assert_ne!(form, other);
        assert_eq!(forms.keep(b"form").unwrap(), other);
        assert_eq!(forms.get(form).unwrap(), b"Form");
        assert_eq!(forms.get(other).unwrap(), b"form");
    }

    #[test]
    fn bytes_that_are_cut_short_are_refused() {
        let mut forms = Forms::default();
        let form = forms.keep(b"form").unwrap();
        for length in 1..forms.bytes().len() {
            let mut cut = Forms::stored(&forms.bytes()[..length]);
            assert!(cut.get(form).is_err());
            assert!(cut.keep(b"form").is_err());
            assert!(cut.retain(&[form]).is_err());
        }
    }
}
