//! For any input, any batching, any number of workers and any faults.

use proptest::prelude::*;

use crate::faults::{Fault, Faults};
use crate::harness::{Cut, Engine, run_and_compare};

fn record() -> impl Strategy<Value = (u32, String, String)> {
    let value = prop_oneof![
        12 => (0..60_u32).prop_map(|id| format!("value-{id}")),
        1 => Just(String::new()),
        2 => (0..9_u32).prop_map(|id| format!("!{id}")),
    ];
    (0..3_u32, 0..6_u32, value)
        .prop_map(|(partition, key, value)| (partition, format!("key-{key}"), value))
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::None),
        1 => Just(Fault::Aborted),
        1 => Just(Fault::UnclearNotCommitted),
        1 => Just(Fault::UnclearCommitted),
        1 => Just(Fault::KilledBefore),
        1 => Just(Fault::KilledBetween),
        1 => Just(Fault::KilledAfter),
    ]
}

fn cut() -> impl Strategy<Value = Cut> {
    (1..40_usize, 1..60_usize, 1..50_u64).prop_map(
        |(batch_records, unit_records, flush_records)| Cut {
            batch_records,
            unit_records,
            flush_records,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_record_counts_once(
        input in prop::collection::vec(record(), 0..200),
        commits in prop::collection::vec(fault(), 0..12),
        commits_of_total in prop::collection::vec(fault(), 0..8),
        reads in prop::collection::vec(0..8_usize, 0..4),
        workers in 1..4_usize,
        cut in cut(),
        engine in prop_oneof![Just(Engine::Embedded), Just(Engine::Memory { gaps: true }), Just(Engine::Memory { gaps: false })],
    ) {
        let faults = [&commits, &commits_of_total].map(|commits| Faults { commits, reads: &reads });
        run_and_compare(&input, faults, workers, cut, engine);
    }
}

/// Each fault at each of the first commits, one at a time: the walk that the law above only samples.
#[test]
fn one_fault_at_each_commit() {
    let input: Vec<_> = (0..60_u32)
        .map(|n| {
            (
                n % 3,
                format!("key-{}", n % 5),
                if n % 11 == 0 {
                    format!("!{n}")
                } else {
                    format!("value-{}", n % 40)
                },
            )
        })
        .collect();
    let faults = [
        Fault::Aborted,
        Fault::Busy,
        Fault::Fenced,
        Fault::UnclearNotCommitted,
        Fault::UnclearCommitted,
        Fault::KilledBefore,
        Fault::KilledBetween,
        Fault::KilledAfter,
    ];
    let cut = Cut {
        batch_records: 7,
        unit_records: 10,
        flush_records: 16,
    };
    for fault in faults {
        for position in 0..4 {
            let mut script = vec![Fault::None; position];
            script.push(fault);
            let engine = if position % 2 == 0 {
                Engine::Embedded
            } else {
                Engine::Memory { gaps: true }
            };
            let faults = Faults {
                commits: &script,
                reads: &[],
            };
            run_and_compare(&input, [faults, faults], 1, cut, engine);
        }
    }
}
