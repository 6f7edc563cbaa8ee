//! Secrets: a text that cannot be printed by accident.

use std::fmt;

/// A token, key or password.
///
/// `Debug` and `Display` show a fixed word in its place, so that no log line and no error can hold
/// it. [`Secret::expose`] gives the text itself, to the one place that sends or hashes it.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text that nobody may see.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself. Neither log it nor put it into an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn is_never_printed() {
        let secret = Secret::new("xkeysib-1234");
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "[secret] [secret] Some([secret])"
        );
        assert_eq!(secret.expose(), "xkeysib-1234");
    }
}
