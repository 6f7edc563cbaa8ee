//! Keys: plain UTF-8, the part that decides the partition first, a space, and the rest.
//!
//! Neither a meeting id nor a normalised address holds a space (see [`crate::email::normalise`]), so
//! a key is taken apart again without doubt, by other teams' tools too.

/// Separates the partition part of a key from the rest.
pub const SEPARATOR: char = ' ';

/// The part of `key` that decides the partition: all before the first space.
#[must_use]
pub fn partition_part(key: &[u8]) -> &[u8] {
    key.iter()
        .position(|byte| *byte == b' ')
        .map_or(key, |end| &key[..end])
}

/// The part of `key` after the first space; empty where there is none.
#[must_use]
pub fn rest(key: &str) -> &str {
    key.split_once(SEPARATOR).map_or("", |(_, rest)| rest)
}

/// The key made of a partition part and a rest.
#[must_use]
pub fn join(part: &str, rest: &str) -> String {
    let mut key = String::with_capacity(part.len() + 1 + rest.len());
    key.push_str(part);
    key.push(SEPARATOR);
    key.push_str(rest);
    key
}

#[cfg(test)]
mod tests {
    use super::{join, partition_part, rest};

    #[test]
    fn comes_apart_as_it_was_joined() {
        let key = join("ann@example.com", "86084701483-20260914T150000Z");
        assert_eq!(partition_part(key.as_bytes()), b"ann@example.com");
        assert_eq!(rest(&key), "86084701483-20260914T150000Z");
        assert_eq!(partition_part(b"86084701483"), b"86084701483");
    }
}
