//! What makes an event one of its kind, as an id.

use rollcall_schemas::key;
use xxhash_rust::xxh3::xxh3_64;

/// Collects what makes an event one of its kind, and hashes it.
///
/// Ids are kept for ever in the canonical log, so what goes in, its order and its encoding never
/// change. Each part is its length in four bytes, little endian, and its bytes; a part that is
/// absent is the length `u32::MAX`.
#[derive(Debug, Default)]
pub(super) struct Identity {
    parts: Vec<u8>,
}

impl Identity {
    /// Begins a new event.
    pub(super) fn begin(&mut self) -> &mut Self {
        self.parts.clear();
        self
    }

    /// Adds a text.
    pub(super) fn text(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.bytes(text.as_bytes()),
            None => self.absent(),
        }
    }

    /// Adds a number.
    pub(super) fn number(&mut self, number: Option<i64>) -> &mut Self {
        match number {
            Some(number) => self.bytes(&number.to_le_bytes()),
            None => self.absent(),
        }
    }

    /// The id: the meeting id, a space, and the XXH3 hash of the parts in 16 hexadecimal digits.
    pub(super) fn event_id(&self, meeting_id: &str) -> String {
        let hash = xxh3_64(&self.parts);
        let mut id = String::with_capacity(meeting_id.len() + 17);
        id.push_str(meeting_id);
        id.push(key::SEPARATOR);
        for digit in (0..16).rev() {
            let digit = (hash >> (digit * 4) & 0xf) as usize;
            id.push(char::from(b"0123456789abcdef"[digit]));
        }
        id
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        // Bodies are limited to 1 MiB at the door; beyond 4 GiB only the length would be wrong.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1);
        self.parts.extend_from_slice(&length.to_le_bytes());
        self.parts.extend_from_slice(bytes);
        self
    }

    fn absent(&mut self) -> &mut Self {
        self.parts.extend_from_slice(&u32::MAX.to_le_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Identity;

    /// A change of any of these ids would make every event that was ever recorded a new one.
    #[test]
    fn ids_are_for_ever() {
        let mut identity = Identity::default();
        assert_eq!(identity.begin().event_id("7"), "7 2d06800538d394c2");
        let id = identity
            .begin()
            .text(Some("meeting.started"))
            .text(None)
            .number(Some(1_626_230_691_572))
            .event_id("86084701483");
        assert_eq!(id, "86084701483 a8eb26013c61ab43");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let mut identity = Identity::default();
        let mut ids = vec![
            identity
                .begin()
                .text(Some("ab"))
                .text(Some("c"))
                .event_id("7"),
            identity
                .begin()
                .text(Some("a"))
                .text(Some("bc"))
                .event_id("7"),
            identity.begin().text(Some("abc")).text(None).event_id("7"),
            identity
                .begin()
                .text(Some("abc"))
                .text(Some(""))
                .event_id("7"),
            identity.begin().text(None).text(Some("abc")).event_id("7"),
        ];
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 5);
    }
}
