//! RFC 3339, as fast as Zoom's usual spelling of it allows.

/// The moment that `text` names, in milliseconds since 1970; what is finer is cut off.
///
/// `YYYY-MM-DDTHH:MM:SS[.f…]Z` is read directly, every other form of RFC 3339 by jiff.
pub(super) fn parse(text: &str) -> Option<i64> {
    usual_form(text.as_bytes()).or_else(|| {
        let timestamp: jiff::Timestamp = text.trim().parse().ok()?;
        i64::try_from(timestamp.as_nanosecond().div_euclid(1_000_000)).ok()
    })
}

fn usual_form(text: &[u8]) -> Option<i64> {
    let (head, tail) = text.split_first_chunk::<19>()?;
    let number = |from: usize, digits: usize| {
        head[from..from + digits]
            .iter()
            .try_fold(0_i64, |number, byte| {
                byte.is_ascii_digit()
                    .then(|| number * 10 + i64::from(byte - b'0'))
            })
    };
    if [head[4], head[7], head[10], head[13], head[16]] != *b"--T::" {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    if !(1..=12).contains(&month)
        || day < 1
        || day > days_in_month(year, month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let milliseconds = match tail {
        b"Z" => 0,
        [b'.', fraction @ .., b'Z']
            if !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit) =>
        {
            let digit = |place: usize| fraction.get(place).map_or(0, |byte| i64::from(byte - b'0'));
            digit(0) * 100 + digit(1) * 10 + digit(2)
        }
        _ => return None,
    };
    Some(
        ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60_000
            + second * 1000
            + milliseconds,
    )
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March,
/// so that the leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{parse, usual_form};

    #[test]
    fn reads_what_zoom_writes() {
        assert_eq!(parse("2026-09-14T15:00:00Z"), Some(1_789_398_000_000));
        assert_eq!(parse("2019-02-01T12:34:12.66Z"), Some(1_549_024_452_660));
        assert_eq!(
            parse("2022-03-23T06:58:09.0000000+00:00"),
            Some(1_648_018_689_000)
        );
        assert_eq!(parse("2022-03-23T08:58:09+02:00"), Some(1_648_018_689_000));
        assert_eq!(parse("1969-12-31T23:59:59.999Z"), Some(-1));
        assert_eq!(parse("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
    }

    #[test]
    fn refuses_what_names_no_moment() {
        for text in [
            "",
            "now",
            "2023-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:01Z",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "12/22/2021 16:20",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(milliseconds in -62_000_000_000_000_i64..253_000_000_000_000) {
            let timestamp = jiff::Timestamp::from_millisecond(milliseconds).unwrap();
            prop_assert_eq!(usual_form(format!("{timestamp:.3}").as_bytes()), Some(milliseconds));
            prop_assert_eq!(usual_form(format!("{timestamp:.0}").as_bytes()), Some(milliseconds.div_euclid(1000) * 1000));
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC*") {
            let _ = parse(&text);
        }

        /// What the fast path accepts, jiff accepts as the same moment.
        #[test]
        fn accepts_no_more_than_jiff(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-5][0-9](\\.[0-9]{1,9})?Z") {
            let jiff = text.parse::<jiff::Timestamp>().ok().map(|t| i64::try_from(t.as_nanosecond().div_euclid(1_000_000)).unwrap());
            prop_assert_eq!(usual_form(text.as_bytes()), jiff);
        }
    }
}
