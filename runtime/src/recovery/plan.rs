//! What a store needs to be brought up to date. Pure.

use rollcall_eventlog::Offsets;

use crate::store::{Position, Stamp};

/// What a store needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plan {
    /// To take the input from this offset to the group's.
    CatchUp {
        /// The first offset not in the store.
        from: i64,
    },
    /// To go on being rebuilt from this offset of the output that it is a view of.
    GoOn {
        /// The first offset not in the store.
        from: i64,
    },
    /// To be deleted, and rebuilt from the start.
    Rebuild(Reason),
}

/// Why a store is rebuilt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    /// There was none.
    New,
    /// It was written by another version.
    Version,
    /// It is of another group or topic.
    Source,
    /// It is ahead of the log: the log was reset, or restored from before.
    Ahead,
    /// The log has dropped records that it needs.
    Behind,
    /// It was away for so long that tombstones which it needs may be gone.
    Away,
    /// Its files are damaged.
    Damaged,
}

impl Reason {
    /// The reason, as a label of metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Version => "version",
            Self::Source => "source",
            Self::Ahead => "ahead",
            Self::Behind => "behind",
            Self::Away => "away",
            Self::Damaged => "damaged",
        }
    }
}

/// What is known of the log and of this program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// The group's position in the input.
    pub(crate) target: i64,
    /// Where the input's log starts.
    pub(crate) input_start: i64,
    /// The output that the store is a view of, where it is one.
    pub(crate) view: Option<Offsets>,
    pub(crate) state_version: u32,
    pub(crate) source: &'a str,
    pub(crate) now_ms: i64,
    /// Longest time in milliseconds that a store may be away.
    pub(crate) longest_away_ms: u64,
}

/// Decides what a store with this stamp needs.
pub(crate) fn plan(stamp: Option<&Stamp>, known: &Known<'_>) -> Plan {
    let Some(stamp) = stamp else {
        return Plan::Rebuild(Reason::Version);
    };
    if stamp.state_version != known.state_version {
        return Plan::Rebuild(Reason::Version);
    }
    if &*stamp.source != known.source {
        return Plan::Rebuild(Reason::Source);
    }
    let away_ms = u64::try_from(known.now_ms.saturating_sub(stamp.committed_at_ms)).unwrap_or(0);
    let too_long_away = away_ms > known.longest_away_ms;
    match (stamp.position, known.view) {
        (Position::Input(from), _) if from > known.target => Plan::Rebuild(Reason::Ahead),
        (Position::Input(from), _) if from < known.target && from < known.input_start => {
            Plan::Rebuild(Reason::Behind)
        }
        (Position::Input(from), _) if from < known.target && too_long_away => {
            Plan::Rebuild(Reason::Away)
        }
        (Position::Input(from), _) => Plan::CatchUp { from },
        (Position::Rebuilding(from), Some(view)) if from > view.end => Plan::Rebuild(Reason::Ahead),
        (Position::Rebuilding(from), Some(view)) if from < view.start => {
            Plan::Rebuild(Reason::Behind)
        }
        (Position::Rebuilding(_), Some(_)) if too_long_away => Plan::Rebuild(Reason::Away),
        (Position::Rebuilding(from), Some(_)) => Plan::GoOn { from },
        (Position::Rebuilding(_), None) => Plan::Rebuild(Reason::Source),
    }
}

#[cfg(test)]
mod tests {
    use rollcall_eventlog::Offsets;

    use super::{Known, Plan, Reason, plan};
    use crate::store::{Position, Stamp};

    const KNOWN: Known<'_> = Known {
        target: 100,
        input_start: 40,
        view: Some(Offsets { start: 10, end: 70 }),
        state_version: 2,
        source: "group input view",
        now_ms: 50_000,
        longest_away_ms: 1_000,
    };

    fn of(position: Position) -> Stamp {
        Stamp {
            state_version: 2,
            position,
            committed_at_ms: 49_500,
            source: KNOWN.source.into(),
        }
    }

    fn planned(stamp: &Stamp) -> Plan {
        plan(Some(stamp), &KNOWN)
    }

    #[test]
    fn a_store_catches_up_or_is_rebuilt() {
        assert_eq!(
            planned(&of(Position::Input(60))),
            Plan::CatchUp { from: 60 }
        );
        assert_eq!(
            planned(&of(Position::Input(40))),
            Plan::CatchUp { from: 40 }
        );
        assert_eq!(
            planned(&of(Position::Input(39))),
            Plan::Rebuild(Reason::Behind)
        );
        assert_eq!(
            planned(&of(Position::Input(100))),
            Plan::CatchUp { from: 100 }
        );
        assert_eq!(
            planned(&of(Position::Input(101))),
            Plan::Rebuild(Reason::Ahead)
        );
        let of_other_version = Stamp {
            state_version: 1,
            ..of(Position::Input(60))
        };
        assert_eq!(planned(&of_other_version), Plan::Rebuild(Reason::Version));
        assert_eq!(plan(None, &KNOWN), Plan::Rebuild(Reason::Version));
        let of_other_log = Stamp {
            source: "other".into(),
            ..of(Position::Input(60))
        };
        assert_eq!(planned(&of_other_log), Plan::Rebuild(Reason::Source));
    }

    #[test]
    fn a_store_that_missed_nothing_was_not_away() {
        let old = |position| Stamp {
            committed_at_ms: 48_999,
            ..of(position)
        };
        assert_eq!(
            planned(&old(Position::Input(60))),
            Plan::Rebuild(Reason::Away)
        );
        assert_eq!(
            planned(&old(Position::Input(100))),
            Plan::CatchUp { from: 100 }
        );
        assert_eq!(
            planned(&old(Position::Rebuilding(60))),
            Plan::Rebuild(Reason::Away)
        );
        let from_the_future = Stamp {
            committed_at_ms: i64::MAX,
            ..of(Position::Input(60))
        };
        assert_eq!(planned(&from_the_future), Plan::CatchUp { from: 60 });
    }

    #[test]
    fn a_rebuild_goes_on_where_it_was_interrupted() {
        assert_eq!(
            planned(&of(Position::Rebuilding(10))),
            Plan::GoOn { from: 10 }
        );
        assert_eq!(
            planned(&of(Position::Rebuilding(70))),
            Plan::GoOn { from: 70 }
        );
        assert_eq!(
            planned(&of(Position::Rebuilding(9))),
            Plan::Rebuild(Reason::Behind)
        );
        assert_eq!(
            planned(&of(Position::Rebuilding(71))),
            Plan::Rebuild(Reason::Ahead)
        );
        let of_the_input = Known {
            view: None,
            ..KNOWN
        };
        assert_eq!(
            plan(Some(&of(Position::Rebuilding(60))), &of_the_input),
            Plan::Rebuild(Reason::Source)
        );
    }
}
