//! A sparse index of a segment: where to begin to read for an offset or a time.

/// Bytes of a segment between two entries.
const INTERVAL: u64 = 32 * 1024;

#[derive(Clone, Copy, Debug)]
struct Mark {
    position: u64,
    base: i64,
    timestamp: i64,
}

/// Some of the chunks of a segment, in order. The first is always among them.
#[derive(Clone, Debug, Default)]
pub(super) struct SparseIndex {
    marks: Vec<Mark>,
}

impl SparseIndex {
    /// Learns of the chunk at `position`. Chunks come in order.
    pub(super) fn add(&mut self, position: u64, base: i64, timestamp: i64) {
        if self
            .marks
            .last()
            .is_none_or(|last| position >= last.position + INTERVAL)
        {
            self.marks.push(Mark {
                position,
                base,
                timestamp,
            });
        }
    }

    /// A position from which on `offset` is reached, at a chunk's start.
    pub(super) fn position_of(&self, offset: i64) -> u64 {
        self.last_before(|mark| mark.base <= offset)
    }

    /// A position from which on every record of `timestamp` or later is reached, at a chunk's start.
    pub(super) fn position_at(&self, timestamp: i64) -> u64 {
        self.last_before(|mark| mark.timestamp < timestamp)
    }

    fn last_before(&self, holds: impl Fn(&Mark) -> bool) -> u64 {
        let after = self.marks.partition_point(holds);
        after
            .checked_sub(1)
            .map_or(0, |index| self.marks[index].position)
    }
}

#[cfg(test)]
mod tests {
    use super::SparseIndex;

    #[test]
    fn finds_the_last_mark_that_is_not_beyond() {
        let mut index = SparseIndex::default();
        for chunk in 0..100_u32 {
            let position = u64::from(chunk) * 10_000;
            index.add(position, i64::from(chunk) * 5, i64::from(chunk / 10));
        }
        assert_eq!(index.position_of(-1), 0);
        assert_eq!(index.position_of(0), 0);
        assert_eq!(index.position_of(19), 0);
        assert_eq!(index.position_of(20), 40_000);
        assert_eq!(index.position_of(9999), 960_000);
        assert_eq!(index.position_at(0), 0);
        // Time 3 begins with chunk 30; the mark before it is chunk 28.
        assert_eq!(index.position_at(3), 280_000);
        assert_eq!(SparseIndex::default().position_of(7), 0);
    }
}
