//! The form of a registration, kept as it is encoded.
//!
//! It is most of what is kept of a person, and is read only where a registration changes it or a row
//! is written. So a person comes from the state and goes back there without a look at his form, and
//! holds it in memory as one piece.

use rollcall_runtime::StateError;
use rollcall_schemas::record::Registrant;
use serde::{Deserialize, Serialize};

use super::cache::{decode, encode};
use super::fingerprint::Fingerprint;

/// What a registration's form says, and of each of its texts when that was said.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Form {
    encoded: Encoded,
    print: u64,
}

/// [`Texts`], encoded; empty where nothing was seen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Encoded(Box<[u8]>);

/// A text with its time: the latest counts, of two with one time the greater.
pub(super) type Dated<'a> = (i64, &'a str);

/// The texts of a form, borrowed from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Texts<'a> {
    #[serde(borrow)]
    pub(super) first_name: Option<Dated<'a>>,
    #[serde(borrow)]
    pub(super) last_name: Option<Dated<'a>>,
    #[serde(borrow)]
    pub(super) join_url: Option<Dated<'a>>,
    #[serde(borrow)]
    pub(super) source: Option<Dated<'a>>,
    /// By name.
    #[serde(borrow)]
    pub(super) fields: Vec<(&'a str, Dated<'a>)>,
    /// By title.
    #[serde(borrow)]
    pub(super) custom_questions: Vec<(&'a str, Dated<'a>)>,
}

impl Form {
    /// What the form says.
    pub(super) fn texts(&self) -> Result<Texts<'_>, StateError> {
        if self.encoded.0.is_empty() {
            return Ok(Texts::default());
        }
        decode(&self.encoded.0)
    }

    /// Of all that the form says.
    pub(super) fn print(&self) -> u64 {
        self.print
    }

    /// Takes what a registration said at `at`.
    pub(super) fn see(&mut self, at: i64, said: &Registrant<'_>) -> Result<(), StateError> {
        let mut texts = self.texts()?;
        see(&mut texts.first_name, at, said.first_name.as_deref());
        see(&mut texts.last_name, at, said.last_name.as_deref());
        see(&mut texts.join_url, at, said.join_url.as_deref());
        see(&mut texts.source, at, said.tracking_source.as_deref());
        for (name, value) in said.fields.iter() {
            see_named(&mut texts.fields, at, name, value);
        }
        for (title, answer) in said.custom_questions.iter() {
            see_named(&mut texts.custom_questions, at, title, answer);
        }
        let (print, encoded) = (texts.print(), encode(&texts));
        self.print = print;
        self.encoded = Encoded(encoded.into());
        Ok(())
    }
}

impl Texts<'_> {
    fn print(&self) -> u64 {
        let mut print = Fingerprint::default();
        for text in [self.first_name, self.last_name, self.join_url, self.source] {
            print.text(text.map(|(_, text)| text));
        }
        for (name, (_, value)) in self.fields.iter().chain(&self.custom_questions) {
            print.text(Some(name));
            print.text(Some(value));
        }
        print.finish()
    }
}

fn see<'a>(known: &mut Option<Dated<'a>>, at: i64, text: Option<&'a str>) {
    if let Some(text) = text {
        *known = (*known).max(Some((at, text)));
    }
}

fn see_named<'a>(known: &mut Vec<(&'a str, Dated<'a>)>, at: i64, name: &'a str, value: &'a str) {
    match known.binary_search_by(|(known, _)| known.cmp(&name)) {
        Ok(place) => known[place].1 = known[place].1.max((at, value)),
        Err(place) => known.insert(place, (name, (at, value))),
    }
}

impl Serialize for Encoded {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // One copy of a slice; serde by itself would take it byte by byte.
        <&[u8]>::deserialize(deserializer).map(|bytes| Self(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rollcall_schemas::record::Registrant;
    use rollcall_schemas::{Text, TextMap};

    use super::Form;

    fn said() -> impl Strategy<Value = (i64, Registrant<'static>)> {
        let text = || prop::sample::select(vec!["", "a", "b"]);
        let named = move || {
            let pair = (text().prop_map(Text::from), text().prop_map(Text::from));
            prop::collection::vec(pair, 0..3).prop_map(TextMap::from_iter)
        };
        (0_i64..3, prop::option::of(text()), named(), named()).prop_map(
            |(at, first_name, fields, custom_questions)| {
                let registrant = Registrant {
                    first_name: first_name.map(Text::from),
                    fields,
                    custom_questions,
                    ..Registrant::default()
                };
                (at, registrant)
            },
        )
    }

    proptest! {
        #[test]
        fn order_and_duplication_do_not_matter(said in prop::collection::vec(said(), 1..6)) {
            let (mut forward, mut back) = (Form::default(), Form::default());
            for (at, registrant) in &said {
                forward.see(*at, registrant).expect("what was encoded is read");
            }
            for (at, registrant) in said.iter().rev().chain(&said) {
                back.see(*at, registrant).expect("what was encoded is read");
            }
            prop_assert_eq!(&forward, &back);
            let latest = said.iter().filter_map(|(at, said)| Some((*at, said.first_name.as_deref()?))).max();
            prop_assert_eq!(forward.texts().expect("what was encoded is read").first_name, latest);
            for (name, value) in forward.texts().expect("what was encoded is read").fields {
                let latest = said.iter().filter_map(|(at, said)| Some((*at, said.fields.get(name)?.as_str()))).max();
                prop_assert_eq!(Some(value), latest);
            }
        }
    }
}
