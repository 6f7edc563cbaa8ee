//! The counters of stages, from the text that `/metrics` answers.

use std::collections::BTreeMap;

use rollcall_runtime::metric::{DEAD, EFFECTIVE, IGNORED, RECORDS};
use serde::{Deserialize, Serialize};

/// What a process has counted of a stage since it started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StageCounters {
    pub(crate) stage: String,
    pub(crate) records: u64,
    pub(crate) effective: u64,
    pub(crate) ignored: u64,
    pub(crate) dead_letters: u64,
}

impl StageCounters {
    /// Whether every record that went in came to something.
    pub(crate) fn balances(&self) -> bool {
        self.records == self.effective + self.ignored + self.dead_letters
    }
}

/// The counters of every stage, by name.
pub(super) fn parse(text: &str) -> Vec<StageCounters> {
    let mut stages: BTreeMap<&str, StageCounters> = BTreeMap::new();
    for line in text.lines() {
        let Some((name, stage, value)) = sample(line) else {
            continue;
        };
        let counters = stages.entry(stage).or_insert_with(|| StageCounters {
            stage: stage.to_owned(),
            ..StageCounters::default()
        });
        match name {
            RECORDS => counters.records += value,
            EFFECTIVE => counters.effective += value,
            IGNORED => counters.ignored += value,
            DEAD => counters.dead_letters += value,
            _ => {}
        }
    }
    stages.into_values().collect()
}

/// Name, stage and value of a line of a stage's record counters.
fn sample(line: &str) -> Option<(&str, &str, u64)> {
    let (name, rest) = line.split_once('{')?;
    if ![RECORDS, EFFECTIVE, IGNORED, DEAD].contains(&name) {
        return None;
    }
    let (labels, value) = rest.rsplit_once('}')?;
    let stage = labels.split("stage=\"").nth(1)?.split('"').next()?;
    Some((name, stage, value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn counters_of_all_labels_are_added_up() {
        let stages = parse(
            "# HELP rollcall_stage_records_total Input records.\n\
             # TYPE rollcall_stage_records_total counter\n\
             rollcall_stage_records_total{stage=\"attendance\"} 12\n\
             rollcall_stage_effective_records_total{stage=\"attendance\"} 3\n\
             rollcall_stage_ignored_records_total{reason=\"duplicate\",stage=\"attendance\"} 2\n\
             rollcall_stage_ignored_records_total{stage=\"attendance\",reason=\"nothing due\"} 6\n\
             rollcall_stage_dead_records_total{stage=\"attendance\",class=\"raw_record\"} 1\n\
             rollcall_stage_lag_records{stage=\"attendance\",partition=\"0\"} 5\n\
             rollcall_stage_records_total{stage=\"sink\"} 4\n\
             rollcall_stage_effective_records_total{stage=\"sink\"} 3\n",
        );
        let [attendance, sink] = &stages[..] else {
            panic!("{stages:?}")
        };
        assert_eq!(
            (
                attendance.records,
                attendance.effective,
                attendance.ignored,
                attendance.dead_letters
            ),
            (12, 3, 8, 1)
        );
        assert!(attendance.balances());
        assert_eq!(sink.stage, "sink");
        assert!(!sink.balances(), "one record of four came to nothing");
    }
}
