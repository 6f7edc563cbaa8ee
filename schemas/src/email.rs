//! Addresses: one spelling for one mailbox, wherever an address is a key.

use std::borrow::Cow;

/// The normalised form of an address: trimmed, lower case, the domain in its IDNA form, nothing else.
///
/// `None` where the text is no address: no `@`, an empty side, or white space or control characters
/// within (those would also break keys).
#[must_use]
pub fn normalise(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@')?;
    if local.is_empty() || domain.is_empty() {
        return None;
    }
    if text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
    {
        return Some(Cow::Borrowed(text));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let domain = idna::domain_to_ascii(domain).ok()?;
    Some(Cow::Owned(format!("{}@{domain}", local.to_lowercase())))
}

/// An address for a log line: enough to recognise, not enough to write to.
#[must_use]
pub fn shortened(email: &str) -> String {
    match email.split_once('@') {
        Some((local, domain)) => format!("{}…@{domain}", local.chars().next().unwrap_or('?')),
        None => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{normalise, shortened};

    #[test]
    fn one_mailbox_has_one_spelling() {
        assert_eq!(
            normalise(" Ann.Lee@Example.COM ").as_deref(),
            Some("ann.lee@example.com")
        );
        assert_eq!(
            normalise("ann@bücher.example").as_deref(),
            Some("ann@xn--bcher-kva.example")
        );
        assert_eq!(
            normalise("ann+zoom@example.com").as_deref(),
            Some("ann+zoom@example.com")
        );
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "  ",
            "ann",
            "@example.com",
            "ann@",
            "an n@example.com",
            "ann@exa\nmple.com",
        ] {
            assert_eq!(normalise(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_log_line_shows_a_stub() {
        assert_eq!(shortened("ann@example.com"), "a…@example.com");
    }
}
