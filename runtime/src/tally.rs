//! What became of the records of a unit of work, counted. Told to the metrics once it is committed.

/// Counts of one unit of work.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) effective: u64,
    pub(crate) ignored: Counts,
    pub(crate) rejected: Counts,
}

impl Tally {
    /// All records counted.
    pub(crate) fn records(&self) -> u64 {
        self.effective + self.ignored.total() + self.rejected.total()
    }

    pub(crate) fn clear(&mut self) {
        self.effective = 0;
        self.ignored.0.clear();
        self.rejected.0.clear();
    }
}

/// Counts by a handful of reasons.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    pub(crate) fn add(&mut self, reason: &'static str) {
        match self
            .0
            .iter_mut()
            .find(|(known, _)| std::ptr::eq(*known, reason) || *known == reason)
        {
            Some((_, count)) => *count += 1,
            None => self.0.push((reason, 1)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}
