//! Values that are more than a number or a text, checked where they are read.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use rollcall_runtime::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use serde::{Serialize, Serializer};

/// Reads a value from a text, or says what was expected.
struct FromText<T> {
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text.trim())
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self.expected))
    }
}

/// Reads a value from a text that an error may show.
fn from_public_text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(FromText { expected, parse })
}

/// Reads a value from a text that may hold a password or an address, and that no error shows.
fn from_private_text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(FromText { expected, parse })
}

/// A length of time, such as `500ms`, `30m` or `1h30m`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct Period(pub(crate) Duration);

/// Units of [`Period`] and their milliseconds, the longest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Period {
    /// So many minutes.
    pub(crate) const fn minutes(minutes: u64) -> Self {
        Self(Duration::from_secs(60 * minutes))
    }

    /// So many hours.
    pub(crate) const fn hours(hours: u64) -> Self {
        Self::minutes(60 * hours)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut total = 0_u64;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .filter(|digits| *digits > 0)?;
            let (count, after) = rest.split_at(digits);
            let unit = after
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(after.len());
            let (unit, after) = after.split_at(unit);
            let milliseconds = UNITS.iter().find(|(name, _)| *name == unit.trim())?.1;
            total = count
                .parse::<u64>()
                .ok()?
                .checked_mul(milliseconds)?
                .checked_add(total)?;
            rest = after;
        }
        (!text.is_empty()).then_some(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, length) = UNITS
            .iter()
            .find(|(_, length)| milliseconds > 0 && milliseconds % length == 0)
            .unwrap_or(&("s", 1_000));
        write!(f, "{}{unit}", milliseconds / length)
    }
}

impl Deref for Period {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_public_text(
            deserializer,
            "a length of time such as 500ms, 30s, 10m, 1h or 7d",
            Self::parse,
        )
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time, such as 500ms, 30s, 10m, 1h, 1h30m or 7d.",
            "type": "string",
            "pattern": r"^(\d+\s*(ms|s|m|h|d))+$|^\$\{.+\}$"
        })
    }
}

/// A number of bytes, such as `512MiB` or `2GiB`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ByteSize(pub(crate) u64);

impl ByteSize {
    /// So many MiB.
    pub(crate) const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (count, unit) = text.split_at(digits);
        let shift = match unit.trim() {
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            _ => return None,
        };
        count.parse::<u64>().ok()?.checked_mul(1 << shift).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB")];
        let (shift, unit) = units
            .into_iter()
            .find(|(shift, _)| self.0 > 0 && self.0.trailing_zeros() >= *shift)
            .unwrap_or((10, "KiB"));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_public_text(
            deserializer,
            "a number of bytes such as 512MiB or 2GiB",
            Self::parse,
        )
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes, such as 512MiB or 2GiB.",
            "type": "string",
            "pattern": r"^\d+\s*(KiB|MiB|GiB|TiB)$|^\$\{.+\}$"
        })
    }
}

/// A share of something: above 0, at most 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Share(pub(crate) f64);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        if share > 0.0 && share <= 1.0 {
            Ok(Self(share))
        } else {
            Err(D::Error::invalid_value(
                Unexpected::Float(share),
                &"a number above 0 and at most 1",
            ))
        }
    }
}

impl JsonSchema for Share {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A share of something: above 0, at most 1.", "type": "number", "exclusiveMinimum": 0, "maximum": 1 })
    }
}

/// An address to listen on: an IP address and a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct ListenAddress(pub(crate) SocketAddr);

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_public_text(
            deserializer,
            "an IP address and a port such as 127.0.0.1:8080",
            |text| text.parse().ok().map(Self),
        )
    }
}

impl JsonSchema for ListenAddress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ListenAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "An IP address and a port, such as 127.0.0.1:8080. 0.0.0.0 listens on every interface.", "type": "string" })
    }
}

/// The address of an HTTP service, without a slash at its end.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct HttpUrl(String);

impl HttpUrl {
    /// An address that is written in the source, and so right.
    pub(super) fn known(url: &'static str) -> Self {
        Self(url.to_owned())
    }

    fn parse(text: &str) -> Option<Self> {
        let url = reqwest::Url::parse(text).ok()?;
        (matches!(url.scheme(), "http" | "https") && url.has_host())
            .then(|| Self(text.trim_end_matches('/').to_owned()))
    }
}

impl Deref for HttpUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_private_text(
            deserializer,
            "an address such as https://example.com",
            Self::parse,
        )
    }
}

impl JsonSchema for HttpUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "An address of HTTP or HTTPS.", "type": "string" })
    }
}

/// An e-mail domain, in its normalised form.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct Domain(String);

impl Domain {
    /// As it stands after the `@` of a normalised address.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let domain = text.strip_prefix('@').unwrap_or(text);
        let address = format!("x@{domain}");
        let address = rollcall_schemas::email::normalise(&address)?;
        (!domain.contains('@') && domain.contains('.'))
            .then(|| Self(address["x@".len()..].to_owned()))
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_private_text(deserializer, "a domain such as example.com", Self::parse)
    }
}

impl JsonSchema for Domain {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Domain".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "An e-mail domain, such as example.com.", "type": "string" })
    }
}

/// A text that is not empty.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        Err(D::Error::custom("is empty"))
    } else {
        Ok(text)
    }
}

/// A text that may be left out, but not be empty.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(text) if text.is_empty() => Err(D::Error::custom("is empty")),
        text => Ok(text),
    }
}

/// A secret that may be left out. An empty one is refused: it would protect nothing.
pub(super) fn optional_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret>, D::Error> {
    Ok(optional_text(deserializer)?.map(Secret::new))
}

/// What is said of a text that is no [key](is_key).
pub(super) const NO_KEY: &str =
    "holds a space, a line break or another character that no key has: copy it again";

/// Whether a text can be the key of an API: it is sent in a header.
pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The key of an API, which may be left out.
pub(super) fn optional_key<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret>, D::Error> {
    match optional_text(deserializer)? {
        Some(text) if !is_key(&text) => Err(D::Error::custom(NO_KEY)),
        text => Ok(text.map(Secret::new)),
    }
}

/// A switch that stands in the file for later.
pub(super) fn not_built_yet<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    if bool::deserialize(deserializer)? {
        Err(D::Error::custom("true is not built yet: set it to false"))
    } else {
        Ok(false)
    }
}

/// One secret, or two while one is being changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Vec<Secret>);

impl Deref for Secrets {
    type Target = [Secret];

    fn deref(&self) -> &[Secret] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrTwo;

        impl<'de> Visitor<'de> for OneOrTwo {
            type Value = Vec<String>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of two texts")
            }

            fn visit_unit<E>(self) -> Result<Vec<String>, E> {
                Ok(Vec::new())
            }

            fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
                Ok(vec![text.to_owned()])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
                let mut secrets = Vec::new();
                while let Some(secret) = seq.next_element()? {
                    secrets.push(secret);
                }
                Ok(secrets)
            }
        }

        let secrets = deserializer.deserialize_any(OneOrTwo)?;
        if secrets.iter().any(String::is_empty) {
            return Err(D::Error::custom("is empty"));
        }
        if secrets.len() > rollcall_producer::signature::MAX_SECRETS {
            return Err(D::Error::custom(format!(
                "holds {} secrets, but at most two (the old and the new one) can be active",
                secrets.len()
            )));
        }
        Ok(Self(secrets.into_iter().map(Secret::new).collect()))
    }
}

impl JsonSchema for Secrets {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secrets".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One secret, or two while one is being changed.",
            "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "items": { "type": "string", "minLength": 1 }, "maxItems": 2 }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ByteSize, Domain, HttpUrl, Period};

    #[test]
    fn lengths_of_time() {
        for (text, milliseconds, shown) in [
            ("500ms", 500, "500ms"),
            ("30s", 30_000, "30s"),
            ("90s", 90_000, "90s"),
            ("10m", 600_000, "10m"),
            ("1h", 3_600_000, "1h"),
            ("1h30m", 5_400_000, "90m"),
            ("72h", 259_200_000, "3d"),
            ("7 d", 604_800_000, "7d"),
            ("0s", 0, "0s"),
        ] {
            let period = Period::parse(text).expect(text);
            assert_eq!(
                (*period, period.to_string().as_str()),
                (Duration::from_millis(milliseconds), shown),
                "{text}"
            );
            assert_eq!(
                Period::parse(shown),
                Some(period),
                "what is shown reads back"
            );
        }
        for text in [
            "",
            "10",
            "m",
            "10 min",
            "1.5h",
            "-1h",
            "1h30",
            "99999999999999999999s",
            "99999999999999999d",
            "１s",
        ] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_of_bytes() {
        for (text, bytes) in [
            ("1KiB", 1 << 10),
            ("512 MiB", 512 << 20),
            ("2GiB", 2 << 30),
            ("0MiB", 0),
        ] {
            let size = ByteSize::parse(text).expect(text);
            assert_eq!(size.0, bytes, "{text}");
            assert_eq!(
                ByteSize::parse(&size.to_string()),
                Some(size),
                "what is shown reads back"
            );
        }
        for text in ["", "5", "GiB", "5GB", "-1GiB", "99999999999GiB"] {
            assert_eq!(ByteSize::parse(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_and_domains() {
        assert_eq!(
            HttpUrl::parse("https://api.brevo.com/v3/").as_deref(),
            Some("https://api.brevo.com/v3")
        );
        for text in [
            "",
            "api.brevo.com",
            "ftp://x.example",
            "https://",
            "http://:80",
            "mailto:ann@example.com",
        ] {
            assert_eq!(HttpUrl::parse(text), None, "{text}");
        }
        assert_eq!(
            Domain::parse("@Bücher.Example")
                .as_ref()
                .map(Domain::as_str),
            Some("xn--bcher-kva.example")
        );
        for text in ["", "@", "example", "ann@example.com", "exa mple.com"] {
            assert_eq!(Domain::parse(text), None, "{text}");
        }
    }
}
