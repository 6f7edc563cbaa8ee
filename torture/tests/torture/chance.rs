//! What a seeded run is, from its seed.

use std::fs;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rollcall_eventlog::crash_points::Trigger;

use crate::life::{Cut, Place};

/// Accounts that are played: each has a run without failure to compare with.
const STORIES: u64 = 12;

/// A seeded run.
pub(crate) struct Chance {
    random: StdRng,
    pub(crate) story: u64,
    pub(crate) cut: Cut,
    failures: u32,
    /// The life before which all stores are lost, if they are.
    stores_lost_before: Option<usize>,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let story = random.random_range(0..STORIES);
        let cut = Cut {
            partitions: random.random_range(1..=3),
            input_records: random.random_range(20..200),
            batch_records: random.random_range(1..80),
            unit_records: random.random_range(5..150),
            write_back_records: random.random_range(1..150),
            flush_records: random.random_range(20..400),
            segment_bytes: random.random_range(2..40) << 10,
            sweep_every: random.random_range(1..6),
            restarts: random.random_range(0..2),
        };
        let failures = random.random_range(1..=4);
        let stores_lost_before = random.random_bool(0.25).then(|| random.random_range(1..=3));
        Self {
            random,
            story,
            cut,
            failures,
            stores_lost_before,
        }
    }

    /// What becomes of stores between two lives, whatever else does.
    pub(crate) fn between(&self) -> impl Fn(usize, &Place) + use<> {
        let lost = self.stores_lost_before;
        move |life, place| {
            if Some(life) == lost {
                // There are none where nothing was begun.
                let _ = fs::remove_dir_all(place.state());
            }
        }
    }

    /// What fails in the next life, if anything.
    pub(crate) fn trigger(&mut self) -> Option<Trigger> {
        self.failures = self.failures.checked_sub(1)?;
        let random = &mut self.random;
        let choice = random.random_range(0..1_000_000);
        if random.random_bool(0.6) {
            // Within a unit of work, or right after it.
            return Some(Trigger::After {
                name: "before a unit of work is finished",
                visit: random.random_range(1..=8),
                steps: random.random_range(1..=30),
                choice,
            });
        }
        // A life reaches some thousand steps; the first ones are those of opening and recovery.
        let limit = [40, 300, 3_000][random.random_range(0..3)];
        Some(Trigger::Any {
            visit: random.random_range(1..=limit),
            choice,
        })
    }
}
