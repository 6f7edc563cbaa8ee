//! Texts by name, as records hold them: a handful, read far more often than changed.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Text;

/// Texts by name, in the order of names, each name once.
///
/// In one piece: a map of nodes costs an allocation or more where most of what is decoded is dropped
/// again.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct TextMap<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'a> TextMap<'a> {
    /// The text of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Text<'a>> {
        let place = self
            .0
            .binary_search_by(|(known, _)| known.as_str().cmp(name));
        place.ok().map(|place| &self.0[place].1)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Text<'a>, &Text<'a>)> {
        self.0.iter().map(|(name, text)| (name, text))
    }

    /// Takes pairs in any order; of two with one name the latter counts.
    pub(crate) fn of(mut pairs: Vec<(Text<'a>, Text<'a>)>) -> Self {
        if !pairs.is_sorted_by(|(before, _), (after, _)| before < after) {
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
            pairs.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    kept.1 = std::mem::take(&mut later.1);
                }
                same
            });
        }
        Self(pairs)
    }
}

impl<'a> FromIterator<(Text<'a>, Text<'a>)> for TextMap<'a> {
    fn from_iter<I: IntoIterator<Item = (Text<'a>, Text<'a>)>>(pairs: I) -> Self {
        Self::of(pairs.into_iter().collect())
    }
}

impl<'a, const N: usize> From<[(Text<'a>, Text<'a>); N]> for TextMap<'a> {
    fn from(pairs: [(Text<'a>, Text<'a>); N]) -> Self {
        Self::of(pairs.into())
    }
}

impl fmt::Debug for TextMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for TextMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for TextMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = TextMap<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("texts by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(TextMap::of(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::TextMap;
    use crate::Text;

    proptest! {
        #[test]
        fn pairs_in_any_order_are_what_a_map_makes_of_them(pairs in prop::collection::vec(("[a-d]{0,2}", "[x-z]?"), 0..8)) {
            let texts = || pairs.iter().map(|(name, text)| (Text::from(name), Text::from(text)));
            let (map, wanted): (TextMap<'_>, BTreeMap<_, _>) = (texts().collect(), texts().collect());
            prop_assert!(map.iter().eq(&wanted));
            prop_assert_eq!((map.len(), map.is_empty()), (wanted.len(), wanted.is_empty()));
            for name in ["", "a", "bc", "e"] {
                prop_assert_eq!(map.get(name), wanted.get(name));
            }
        }
    }
}
