//! When a unit of work is committed.

use std::time::{Duration, Instant};

/// How units of work are cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CommitPolicy {
    /// How many times as long as the last commit took a worker that has drained its input waits until
    /// the next, within the two bounds below: so commits take a bounded share of its time, and a
    /// trickle is committed every few milliseconds where a commit is cheap.
    pub rest_per_commit: u32,
    /// Least time between two commits of a worker that has drained its input.
    pub least_rest: Duration,
    /// Most time between two commits of a worker that has drained its input and has something to
    /// commit.
    pub most_rest: Duration,
    /// Most time that a unit of work is open under backlog.
    pub max_interval: Duration,
    /// Most records of a unit of work; exceeded by one batch at most.
    pub max_records: usize,
    /// Most bytes of outputs of a unit of work; exceeded by one batch's at most.
    pub max_output_bytes: usize,
    /// Most records taken at once.
    pub batch_records: usize,
    /// Time after which a position that moved without any record (over what a cluster keeps for
    /// itself) is committed too, so that it does not fall below the log's start.
    pub idle_interval: Duration,
}

impl Default for CommitPolicy {
    /// When drained, three times as long after a commit as that took, 5 to 100 ms; under backlog at
    /// 50,000 records, a second or 64 MiB: what is folded once a unit is folded over more.
    fn default() -> Self {
        Self {
            rest_per_commit: 3,
            least_rest: Duration::from_millis(5),
            most_rest: Duration::from_millis(100),
            max_interval: Duration::from_secs(1),
            max_records: 50_000,
            max_output_bytes: 64 << 20,
            batch_records: 10_000,
            idle_interval: Duration::from_secs(10),
        }
    }
}

/// How long a worker without anything to do waits for records; also how soon it hears of a shutdown.
const IDLE_WAIT: Duration = Duration::from_millis(100);

/// Commits in a row that the log did not take, for a reason that may pass.
#[derive(Debug, Default)]
pub(crate) struct Refusals(u32);

impl Refusals {
    const FIRST_PAUSE: Duration = Duration::from_millis(25);
    const LONGEST_PAUSE: Duration = Duration::from_secs(5);

    /// How long to wait after one more: twice as long each time.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = Self::FIRST_PAUSE.saturating_mul(1 << self.0.min(16));
        self.0 += 1;
        pause.min(Self::LONGEST_PAUSE)
    }
}

/// Says when to commit. Told the time by its caller.
#[derive(Debug)]
pub(crate) struct Pace {
    policy: CommitPolicy,
    records: usize,
    opened_at: Option<Instant>,
    committed_at: Option<Instant>,
    /// How long after the last commit the next is due.
    rest: Duration,
}

impl Pace {
    pub(crate) fn new(policy: CommitPolicy) -> Self {
        Self {
            policy,
            records: 0,
            opened_at: None,
            committed_at: None,
            rest: policy.most_rest,
        }
    }

    /// Records were added to the unit of work.
    pub(crate) fn added(&mut self, records: usize, now: Instant) {
        self.records += records;
        self.opened_at.get_or_insert(now);
    }

    /// The unit of work was committed, which began at `began`.
    pub(crate) fn committed(&mut self, began: Instant, now: Instant) {
        let rest = now.duration_since(began) * self.policy.rest_per_commit;
        self.close(rest.max(self.policy.least_rest), now);
    }

    /// The unit of work was dropped. The next is not hurried: the log is in trouble, or sharing out.
    pub(crate) fn dropped(&mut self, now: Instant) {
        self.close(self.policy.most_rest, now);
    }

    fn close(&mut self, rest: Duration, now: Instant) {
        self.records = 0;
        self.opened_at = None;
        self.committed_at = Some(now);
        self.rest = rest.min(self.policy.most_rest);
    }

    /// Whether a unit of work is open.
    pub(crate) fn is_open(&self) -> bool {
        self.opened_at.is_some()
    }

    /// How long to wait for further records.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        if self.is_open() {
            self.until_rested(now).min(IDLE_WAIT)
        } else {
            IDLE_WAIT
        }
    }

    /// Whether the unit of work is to be committed although there is more to read.
    pub(crate) fn is_full(&self, output_bytes: usize, now: Instant) -> bool {
        self.opened_at.is_some_and(|opened_at| {
            self.records >= self.policy.max_records
                || output_bytes >= self.policy.max_output_bytes
                || now.duration_since(opened_at) >= self.policy.max_interval
        })
    }

    /// Whether the unit of work is to be committed, as there is nothing more to read.
    pub(crate) fn is_due_when_drained(&self, now: Instant) -> bool {
        self.is_open() && self.until_rested(now).is_zero()
    }

    /// Whether positions that moved without records are to be committed.
    pub(crate) fn is_due_when_idle(&self, now: Instant) -> bool {
        self.committed_at
            .is_none_or(|at| now.duration_since(at) >= self.policy.idle_interval)
    }

    fn until_rested(&self, now: Instant) -> Duration {
        self.committed_at.map_or(Duration::ZERO, |at| {
            (at + self.rest).saturating_duration_since(now)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{CommitPolicy, IDLE_WAIT, Pace, Refusals};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_record_after_a_rest_is_committed_at_once() {
        let start = Instant::now();
        let mut pace = Pace::new(CommitPolicy::default());
        assert!(
            !pace.is_due_when_drained(start),
            "there is nothing to commit"
        );
        assert_eq!(pace.wait(start), IDLE_WAIT);
        pace.added(1, start);
        assert_eq!(pace.wait(start), Duration::ZERO);
        assert!(pace.is_due_when_drained(start));
    }

    #[test]
    fn a_trickle_is_committed_as_often_as_commits_are_cheap() {
        for (took, rest) in [
            (0, 5),
            (1, 5),
            (2, 6),
            (10, 30),
            (33, 99),
            (34, 100),
            (5_000, 100),
        ] {
            let began = Instant::now();
            let mut pace = Pace::new(CommitPolicy::default());
            let end = began + took * MS;
            pace.committed(began, end);
            pace.added(1, end + MS);
            assert_eq!(
                pace.wait(end + MS),
                (rest - 1) * MS,
                "a commit of {took} ms"
            );
            assert!(!pace.is_due_when_drained(end + rest * MS - MS / 2));
            assert!(pace.is_due_when_drained(end + rest * MS));
        }
    }

    #[test]
    fn a_log_that_takes_nothing_for_long_is_asked_ever_less_often() {
        let mut refusals = Refusals::default();
        let pauses: Vec<_> = (0..10).map(|_| refusals.pause() / 25).collect();
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 200, 200];
        assert_eq!(pauses, expected.map(|times| times * MS));
    }

    #[test]
    fn a_unit_that_was_dropped_is_not_done_again_in_a_hurry() {
        let start = Instant::now();
        let mut pace = Pace::new(CommitPolicy::default());
        pace.committed(start, start + MS);
        pace.added(1, start + 10 * MS);
        pace.dropped(start + 20 * MS);
        assert!(!pace.is_open());
        pace.added(1, start + 30 * MS);
        assert!(!pace.is_due_when_drained(start + 119 * MS));
        assert!(pace.is_due_when_drained(start + 120 * MS));
        assert!(!pace.is_full(0, start + 1_029 * MS));
        assert!(pace.is_full(0, start + 1_030 * MS), "open for a second");
    }

    #[test]
    fn a_backlog_is_cut_by_records_and_bytes() {
        let start = Instant::now();
        let mut pace = Pace::new(CommitPolicy::default());
        assert!(!pace.is_full(usize::MAX, start), "nothing is open");
        pace.added(49_999, start);
        assert!(!pace.is_full((64 << 20) - 1, start));
        assert!(pace.is_full(64 << 20, start));
        pace.added(1, start);
        assert!(pace.is_full(0, start));
        pace.committed(start, start);
        assert!(!pace.is_full(0, start));
        assert!(!pace.is_due_when_idle(start + 9_999 * MS));
        assert!(pace.is_due_when_idle(start + 10_000 * MS));
    }
}
