//! Virtual time: milliseconds since 1970 (UTC) and how Zoom and Brevo write them.

use jiff::Timestamp;

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `2026-03-03T10:00:00Z`, as in Zoom's payloads.
pub(crate) fn iso(ms: i64) -> String {
    timestamp(ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `20260303T100000Z`, as in the id of an occurrence.
pub(crate) fn compact(ms: i64) -> String {
    timestamp(ms).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The day of a moment in an IANA time zone, `2026-03-03`; in UTC where the zone is unknown.
pub(crate) fn day(ms: i64, time_zone: &str) -> String {
    match timestamp(ms).in_tz(time_zone) {
        Ok(local) => local.date().to_string(),
        Err(_) => timestamp(ms).strftime("%Y-%m-%d").to_string(),
    }
}

/// Milliseconds of an ISO-8601 date-time, or of the midnight (UTC) of a plain date.
pub(crate) fn parse(text: &str) -> Option<i64> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_millisecond());
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    format!("{date}T00:00:00Z")
        .parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_day_in_the_meetings_zone() {
        let late = parse("2026-03-03T15:30:00Z").unwrap();
        assert_eq!(day(late, "Asia/Tokyo"), "2026-03-04");
        assert_eq!(day(late, "Europe/Berlin"), "2026-03-03");
        assert_eq!(iso(late), "2026-03-03T15:30:00Z");
        assert_eq!(compact(late), "20260303T153000Z");
        assert_eq!(parse("2026-03-03"), parse("2026-03-03T00:00:00Z"));
        assert_eq!(parse("yesterday"), None);
    }
}
