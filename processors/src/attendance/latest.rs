//! A fact with the time inside it: an older one never overwrites a newer one.

use serde::{Deserialize, Serialize};

/// The latest of the values seen, by the time that each came with. Of two with one time the greater
/// value wins, so that the order of arrival cannot matter.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Latest<T>(Option<(i64, T)>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Ord> Latest<T> {
    /// The value, if one was seen.
    pub(super) fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }

    /// The time of the value, if one was seen.
    pub(super) fn at(&self) -> Option<i64> {
        self.0.as_ref().map(|(at, _)| *at)
    }

    /// Takes a value seen at `at`. Tells whether the value (not only its time) changed.
    pub(super) fn see(&mut self, at: i64, value: T) -> bool {
        match &mut self.0 {
            Some((known_at, known)) if *known == value => {
                *known_at = at.max(*known_at);
                false
            }
            Some(known) if (known.0, &known.1) >= (at, &value) => false,
            place => {
                *place = Some((at, value));
                true
            }
        }
    }
}

impl Latest<Box<str>> {
    /// Takes a text seen at `at`, copying it only where it is kept.
    pub(super) fn see_text(&mut self, at: i64, text: Option<&str>) -> bool {
        let Some(text) = text else { return false };
        match &mut self.0 {
            Some((known_at, known)) if **known == *text => {
                *known_at = at.max(*known_at);
                false
            }
            _ => self.see(at, text.into()),
        }
    }

    /// The text, if one was seen.
    pub(super) fn text(&self) -> Option<&str> {
        self.get().map(|text| &**text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Latest;

    proptest! {
        #[test]
        fn order_and_duplication_do_not_matter(seen in prop::collection::vec((0_i64..4, 0_u8..3), 1..8), rotation in 0_usize..8) {
            let mut forward = Latest::default();
            for (at, value) in &seen {
                forward.see(*at, *value);
            }
            let mut turned = Latest::default();
            let mut twice = [&seen[..], &seen[..]].concat();
            twice.rotate_left(rotation % seen.len());
            for (at, value) in twice.into_iter().rev() {
                turned.see(at, value);
            }
            let greatest = seen.iter().max().expect("not empty");
            prop_assert_eq!(forward.get(), Some(&greatest.1));
            prop_assert_eq!(forward, turned);
        }
    }
}
