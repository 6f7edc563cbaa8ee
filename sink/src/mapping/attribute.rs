//! Brevo's attribute types, and how a value is made to fit one without loss.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::field::{Kind, Value};
use crate::request::AttributeValue;

/// The type of an attribute.
///
/// Brevo drops a value of another type silently, with a success (its documentation: "will be
/// ignored"), so that the sink checks by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttributeType {
    /// Any text.
    Text,
    /// A number; there is no type for whole ones.
    Float,
    /// A day.
    Date,
    /// A truth value.
    Boolean,
    /// One of a set of texts.
    Category,
    /// A type that the sink never writes: `multiple-choice`, `user`, `id`, calculated and global ones.
    Unwritable,
}

impl AttributeType {
    /// The type by Brevo's names of an attribute's category and type.
    #[must_use]
    pub fn parse(category: &str, kind: Option<&str>) -> Self {
        match (category, kind) {
            ("category", _) => Self::Category,
            ("normal" | "transactional", Some("text") | None) => Self::Text,
            ("normal" | "transactional", Some("float")) => Self::Float,
            ("normal" | "transactional", Some("date")) => Self::Date,
            ("normal" | "transactional", Some("boolean")) => Self::Boolean,
            _ => Self::Unwritable,
        }
    }

    /// Brevo's name of the type, as a person knows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Float => "float",
            Self::Date => "date",
            Self::Boolean => "boolean",
            Self::Category => "category",
            Self::Unwritable => "of a type that cannot be written",
        }
    }

    /// The type in which an attribute is created for a field of this kind.
    #[must_use]
    pub fn natural(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Whole => Self::Float,
            Kind::Instant | Kind::Day => Self::Date,
        }
    }

    /// Whether some value of this kind fits: false is a fault of the configuration.
    #[must_use]
    pub fn can_hold(self, kind: Kind) -> bool {
        match self {
            Self::Text => true,
            Self::Float => matches!(kind, Kind::Text | Kind::Whole),
            Self::Date => matches!(kind, Kind::Text | Kind::Instant | Kind::Day),
            Self::Boolean | Self::Category => kind == Kind::Text,
            Self::Unwritable => false,
        }
    }

    /// The value as this type has it; `None` where it cannot be without loss.
    #[must_use]
    pub fn fit(self, value: Value<'_>) -> Option<AttributeValue> {
        match (value, self) {
            (Value::Text(""), _) => Some(AttributeValue::CLEARED),
            (Value::Text(text), Self::Text | Self::Category) => {
                Some(AttributeValue::Text(text.to_owned()))
            }
            (Value::Text(text), Self::Float) => number(text.trim()),
            (Value::Text(text), Self::Date) => text
                .trim()
                .parse::<Date>()
                .ok()
                .map(|day| AttributeValue::Text(day.to_string())),
            (Value::Text(text), Self::Boolean) => match text.trim() {
                "true" => Some(AttributeValue::Boolean(true)),
                "false" => Some(AttributeValue::Boolean(false)),
                _ => None,
            },
            (Value::Whole(number), Self::Float) => Some(AttributeValue::Whole(number)),
            (Value::Whole(number), Self::Text) => Some(AttributeValue::Text(number.to_string())),
            (Value::Instant(at, zone) | Value::Day(at, zone), Self::Date)
            | (Value::Day(at, zone), Self::Text) => day(at, zone).map(AttributeValue::Text),
            (Value::Instant(at, _), Self::Text) => rfc3339(at).map(AttributeValue::Text),
            _ => None,
        }
    }
}

fn number(text: &str) -> Option<AttributeValue> {
    if let Ok(whole) = text.parse() {
        return Some(AttributeValue::Whole(whole));
    }
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .map(AttributeValue::Decimal)
}

/// The day of a moment in a time zone; in UTC where the zone is absent or unknown.
#[must_use]
pub fn day(at_ms: i64, zone: Option<&str>) -> Option<String> {
    let zone = zone
        .and_then(|name| TimeZone::get(name).ok())
        .unwrap_or(TimeZone::UTC);
    let moment = Timestamp::from_millisecond(at_ms).ok()?;
    Some(moment.to_zoned_datetime(zone).date().to_string())
}

/// A moment as RFC 3339 in UTC; `None` where it is beyond the calendar.
#[must_use]
pub fn rfc3339(at_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(at_ms)
        .ok()
        .map(|moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::AttributeType::{Boolean, Category, Date, Float, Text, Unwritable};
    use super::{AttributeType, Kind, Value};
    use crate::request::AttributeValue;

    /// 2026-09-14T23:30:00Z.
    const LATE: i64 = 1_789_428_600_000;

    fn text(text: &str) -> Option<AttributeValue> {
        Some(AttributeValue::Text(text.into()))
    }

    #[test]
    fn a_day_is_the_day_in_the_webinars_zone() {
        assert_eq!(
            Date.fit(Value::Instant(LATE, Some("Europe/Berlin"))),
            text("2026-09-15")
        );
        assert_eq!(
            Date.fit(Value::Instant(LATE, Some("America/New_York"))),
            text("2026-09-14")
        );
        assert_eq!(Date.fit(Value::Day(LATE, None)), text("2026-09-14"));
        assert_eq!(
            Date.fit(Value::Day(LATE, Some("Mars/Olympus"))),
            text("2026-09-14")
        );
        assert_eq!(
            Text.fit(Value::Day(LATE, Some("Asia/Tokyo"))),
            text("2026-09-15")
        );
        assert_eq!(
            Text.fit(Value::Instant(LATE, Some("Asia/Tokyo"))),
            text("2026-09-14T23:30:00Z")
        );
    }

    #[test]
    fn only_what_loses_nothing_is_converted() {
        assert_eq!(
            Float.fit(Value::Text(" 12 ")),
            Some(AttributeValue::Whole(12))
        );
        assert_eq!(
            Float.fit(Value::Text("1.5")),
            Some(AttributeValue::Decimal(1.5))
        );
        assert_eq!(Float.fit(Value::Text("about 12")), None);
        assert_eq!(Float.fit(Value::Text("NaN")), None);
        assert_eq!(Date.fit(Value::Text("2026-02-30")), None);
        assert_eq!(Date.fit(Value::Text("2026-02-28")), text("2026-02-28"));
        assert_eq!(Date.fit(Value::Whole(7)), None);
        assert_eq!(
            Boolean.fit(Value::Text("true")),
            Some(AttributeValue::Boolean(true))
        );
        assert_eq!(Boolean.fit(Value::Text("maybe")), None);
        assert_eq!(Text.fit(Value::Whole(-7)), text("-7"));
        assert_eq!(Category.fit(Value::Text("gold")), text("gold"));
        assert_eq!(Unwritable.fit(Value::Text("x")), None);
        assert_eq!(Float.fit(Value::Instant(LATE, None)), None);
        for kind in [Text, Float, Date, Boolean, Category] {
            assert_eq!(kind.fit(Value::Text("")), Some(AttributeValue::CLEARED));
        }
    }

    #[test]
    fn every_kind_fits_its_natural_type() {
        for (kind, value) in [
            (Kind::Text, Value::Text("x")),
            (Kind::Whole, Value::Whole(1)),
            (Kind::Instant, Value::Instant(LATE, None)),
            (Kind::Day, Value::Day(LATE, None)),
        ] {
            let natural = AttributeType::natural(kind);
            assert!(
                natural.can_hold(kind) && natural.fit(value).is_some(),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn names_of_brevo() {
        assert_eq!(AttributeType::parse("normal", Some("float")), Float);
        assert_eq!(AttributeType::parse("category", None), Category);
        assert_eq!(
            AttributeType::parse("calculated", Some("float")),
            Unwritable
        );
        assert_eq!(
            AttributeType::parse("normal", Some("multiple-choice")),
            Unwritable
        );
    }
}
