//! Every step fails, in every way that it can; then steps fail by chance.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rollcall_eventlog::crash_points::{Failure, Kind, Trigger};

use crate::chance::Chance;
use crate::life::{Cut, Place};
use crate::run::{Outcome, no_store_was_ahead, run, verdict};
use crate::story::Story;

const STORY: u64 = 1;
/// Seeded runs, where `ROLLCALL_RUNS` says nothing else.
const RUNS: u64 = 1_000;

/// A run in whose last life but those after it a step fails.
#[derive(Clone, Copy)]
struct Scene {
    name: &'static str,
    /// What ends the lives before.
    before: &'static [Trigger],
    /// What became of the stores then.
    stores: Stores,
}

#[derive(Clone, Copy)]
enum Stores {
    Kept,
    Lost,
    Damaged,
}

const fn at(name: &'static str, kind: Kind, visit: u64, failure: Failure) -> Trigger {
    Trigger::Step {
        name,
        kind,
        visit,
        failure,
    }
}

const SCENES: [Scene; 5] = [
    Scene {
        name: "from nothing",
        before: &[],
        stores: Stores::Kept,
    },
    Scene {
        name: "after a torn write to the journal and the segments",
        before: &[at(
            "write to the journal",
            Kind::Write,
            100,
            Failure::CrashWithin,
        )],
        stores: Stores::Kept,
    },
    Scene {
        name: "with segments ahead of the checkpoint and stores behind the log",
        before: &[at(
            "before a store takes a unit of work",
            Kind::Moment,
            6,
            Failure::CrashBefore,
        )],
        stores: Stores::Kept,
    },
    Scene {
        name: "with the stores lost",
        before: &[at(
            "after the log took a unit of work",
            Kind::Moment,
            6,
            Failure::CrashBefore,
        )],
        stores: Stores::Lost,
    },
    Scene {
        name: "with the stores damaged",
        before: &[at(
            "after the log took a unit of work",
            Kind::Moment,
            5,
            Failure::CrashBefore,
        )],
        stores: Stores::Damaged,
    },
];

impl Scene {
    /// Plays it with one more failure, if any.
    fn play(&self, then: Option<Trigger>) -> Result<Outcome, String> {
        let lost = |life: usize, place: &Place| {
            if life == self.before.len() {
                self.stores.befall(&place.state());
            }
        };
        let trigger = |life: usize| match life.checked_sub(self.before.len()) {
            None => Some(self.before[life]),
            Some(0) => then,
            Some(_) => None,
        };
        run(&Story::of(STORY), &Cut::USUAL, lost, trigger)
    }

    fn verdict(&self, outcome: &Result<Outcome, String>) -> Result<(), String> {
        verdict(STORY, &Cut::USUAL, outcome)?;
        if !matches!(self.stores, Stores::Damaged) {
            no_store_was_ahead(outcome)?;
        }
        Ok(())
    }
}

impl Stores {
    fn befall(self, folder: &Path) {
        match self {
            Self::Kept => {}
            Self::Lost => fs::remove_dir_all(folder).expect("there are stores"),
            Self::Damaged => {
                for stage in fs::read_dir(folder).expect("there are stores") {
                    for store in fs::read_dir(stage.expect("an entry").path()).expect("a folder") {
                        let current = store.expect("an entry").path().join("CURRENT");
                        fs::write(current, "no manifest\n").expect("it is written");
                    }
                }
            }
        }
    }
}

/// Calls `check` with every item, on as many threads as there are cores.
fn on_all_cores<T: Send>(
    items: Vec<T>,
    check: impl Fn(T) -> Result<(), String> + Sync,
) -> Vec<String> {
    let (items, failures) = (Mutex::new(items.into_iter()), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let Some(item) = items.lock().expect("no panic").next() else {
                        return;
                    };
                    if let Err(failure) = check(item) {
                        failures.lock().expect("no panic").push(failure);
                    }
                }
            });
        }
    });
    failures.into_inner().expect("no panic")
}

/// Every failure at every step of three units of work: an early one, one of each stage.
fn units_of_work(path: &[(&'static str, Kind)]) -> impl Iterator<Item = Trigger> {
    const BEGIN: &str = "before a unit of work is finished";
    const END: &str = "after a unit of work";
    let places = |wanted: &str| -> Vec<usize> {
        let found = path.iter().enumerate();
        found
            .filter(|(_, (name, _))| *name == wanted)
            .map(|(place, _)| place)
            .collect()
    };
    let (begins, ends) = (places(BEGIN), places(END));
    let mut triggers = Vec::new();
    for unit in [1, begins.len() / 2, begins.len() - 1] {
        let steps = path.iter().zip(1_u64..);
        let skipped = begins[unit];
        for ((_, kind), visit) in steps.skip(skipped).take(ends[unit] + 1 - skipped) {
            for choice in 0..kind.failures().len() as u64 {
                triggers.push(Trigger::Any { visit, choice });
            }
        }
    }
    triggers.into_iter()
}

/// Whether the failure that was asked for came about. A run that ended wrong has reached it.
fn was_reached(scene: &Scene, outcome: &Result<Outcome, String>) -> bool {
    outcome.as_ref().map_or(true, |outcome| {
        outcome
            .lives
            .get(scene.before.len())
            .is_some_and(|life| life.fired.is_some())
    })
}

#[test]
fn every_step_fails_in_every_way() {
    let mut walks = Vec::new();
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    for (number, scene) in SCENES.iter().enumerate() {
        let outcome = scene.play(None);
        scene
            .verdict(&outcome)
            .unwrap_or_else(|wrong| panic!("{}: {wrong}", scene.name));
        let lives = outcome.expect("it is as it must be").lives;
        for (life, trigger) in lives.iter().zip(scene.before) {
            assert!(
                life.fired.is_some(),
                "{}: {trigger:?} was not reached",
                scene.name
            );
        }
        let life = &lives[scene.before.len()];
        if number == 0 {
            walks.extend(units_of_work(&life.path).map(|trigger| (scene, trigger)));
        }
        for ((name, kind), visits) in &life.visits {
            let new = reached.insert(name) || number == 0;
            // In the first scene, and of what it did not reach, the first time, a late one, and one
            // between; else one. The log's writer takes what waits together, so that another run may
            // have a few visits less.
            let (middle, late) = (visits.div_ceil(2), visits - visits / 8);
            let chosen: BTreeSet<u64> = if new {
                [1, middle, late].into()
            } else {
                [middle].into()
            };
            for visit in chosen {
                for failure in kind.failures() {
                    walks.push((scene, at(name, *kind, visit, *failure)));
                }
            }
        }
    }
    let all = rollcall_eventlog::embedded::steps()
        .into_iter()
        .chain(rollcall_runtime::crash_points::STEPS.iter().copied());
    let missed: Vec<_> = all.filter(|name| !reached.contains(name)).collect();
    assert!(missed.is_empty(), "steps that no scene reaches: {missed:?}");

    let count = walks.len();
    let failures = on_all_cores(walks, |(scene, trigger)| {
        let mut outcome = scene.play(Some(trigger));
        // The log's own threads take turns as they like, so that a visit of a step may be missed.
        for _ in 0..4 {
            if was_reached(scene, &outcome) {
                break;
            }
            outcome = scene.play(Some(trigger));
        }
        if !was_reached(scene, &outcome) {
            return Err(format!("{}: {trigger:?} was not reached", scene.name));
        }
        scene
            .verdict(&outcome)
            .map_err(|wrong| format!("{}, then {trigger:?}: {wrong}", scene.name))
    });
    println!("{count} failures at {} steps", reached.len());
    assert!(
        failures.is_empty(),
        "{} of {count} walks:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

#[test]
fn steps_fail_by_chance() {
    let seeds: Vec<u64> = match number("ROLLCALL_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("ROLLCALL_RUNS").unwrap_or(RUNS)).collect(),
    };
    let (count, done, failed_steps) = (seeds.len(), AtomicU64::new(0), AtomicU64::new(0));
    let stores_cut = AtomicU64::new(0);
    let failures = on_all_cores(seeds, |seed| {
        let mut chance = Chance::new(seed);
        let (story, cut) = (chance.story, chance.cut);
        let between = chance.between();
        let outcome = run(&Story::of(story), &cut, between, |_| chance.trigger());
        if let Ok(outcome) = &outcome {
            let fired = outcome
                .lives
                .iter()
                .filter(|life| life.fired.is_some())
                .count();
            failed_steps.fetch_add(fired as u64, Ordering::Relaxed);
            let cut: usize = outcome.lives.iter().map(|life| life.stores_cut).sum();
            stores_cut.fetch_add(cut as u64, Ordering::Relaxed);
        }
        let failed = verdict(story, &cut, &outcome)
            .and_then(|()| no_store_was_ahead(&outcome))
            .map_err(|wrong| format!("ROLLCALL_SEED={seed} (account {story}, {cut:?}): {wrong}"));
        if let Err(failure) = &failed {
            println!("{failure}");
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(1_000) {
            println!("{done} of {count} runs");
        }
        failed
    });
    let failed_steps = failed_steps.into_inner();
    println!("{count} runs, {failed_steps} failures");
    // Some are chosen beyond the end of a life; most are not.
    assert!(
        count == 1 || failed_steps >= count as u64,
        "{failed_steps} failures in {count} runs"
    );
    assert!(
        count < 100 || stores_cut.into_inner() > 0,
        "no power failure took anything from a store"
    );
    assert!(
        failures.is_empty(),
        "{} of {count} seeded runs:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}
