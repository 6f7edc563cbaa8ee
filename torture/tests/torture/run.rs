//! A run: lives, one after the other, until all is done, and what must then hold.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use rollcall_eventlog::crash_points::{CrashPoints, Failure, Kind, Trigger, Visits};

use crate::life::{Cut, Place, copy_stores, live, open, stop_machine};
use crate::observe::{LastValues, Records, differences, last_values, records, untruths};
use crate::story::Story;

/// Lives after which a run counts as one that will never end.
const MOST_LIVES: usize = 30;

/// What one life reached.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) visits: Visits,
    pub(crate) path: Vec<(&'static str, Kind)>,
    pub(crate) fired: Option<(&'static str, Kind, Failure)>,
    /// Stores that were left with what was flushed.
    pub(crate) stores_cut: usize,
}

/// What a run left.
pub(crate) struct Outcome {
    pub(crate) lives: Vec<Life>,
    pub(crate) values: LastValues,
    /// All of `zoom.events`, where nothing was compacted away: each event once, in order.
    pub(crate) events: Records,
}

/// Runs the account through, with what `trigger` says failing in each life (given its number).
pub(crate) fn run(
    story: &Arc<Story>,
    cut: &Cut,
    mut between: impl FnMut(usize, &Place),
    mut trigger: impl FnMut(usize) -> Option<Trigger>,
) -> Result<Outcome, String> {
    let place = Place::new();
    let taken = Arc::new(Mutex::new(0));
    let mut lives: Vec<Life> = Vec::new();
    let mut parts =
        (1..=cut.restarts + 1).map(|part| story.input.len() * part / (cut.restarts + 1));
    let mut until = parts.next();
    while let Some(end) = until {
        if lives.len() >= MOST_LIVES {
            return Err(format!("not done after {MOST_LIVES} lives"));
        }
        between(lives.len(), &place);
        let (state, copy) = (place.state(), place.state_at_death());
        let points = CrashPoints::new(trigger(lives.len()), move || copy_stores(&state, &copy));
        let installed = points.install();
        let lived = live(story, cut, &place, &taken, end);
        drop(installed);
        if points.is_dead() {
            let _ = fs::remove_dir_all(place.state());
            fs::rename(place.state_at_death(), place.state()).map_err(|error| error.to_string())?;
        }
        let fired = points.fired();
        let stores_cut = match fired {
            Some((_, _, Failure::PowerBefore | Failure::PowerAfter)) => {
                stop_machine(&place.state())
            }
            _ => 0,
        };
        let life = Life {
            visits: points.visits(),
            path: points.path(),
            fired,
            stores_cut,
        };
        lives.push(life);
        match lived {
            Ok(()) if !points.is_dead() => until = parts.next(),
            Err(error) if fired.is_none() => {
                return Err(format!("life {} ended by itself: {error}", lives.len()));
            }
            _ => {}
        }
    }
    let log = open(&place, cut).map_err(|error| error.to_string())?;
    let outcome = Outcome {
        lives,
        values: last_values(log.as_ref(), ""),
        events: records(log.as_ref(), "zoom.events"),
    };
    Ok(outcome)
}

/// What a run of the account without any failure leaves; the same for every cut, but for the count
/// of partitions.
pub(crate) fn reference(seed: u64, partitions: u32) -> Arc<LastValues> {
    static KNOWN: Mutex<BTreeMap<(u64, u32), Arc<LastValues>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let values = known.entry((seed, partitions)).or_insert_with(|| {
        let story = Story::of(seed);
        let outcome = run(
            &story,
            &Cut {
                partitions,
                ..Cut::USUAL
            },
            |_, _| (),
            |_| None,
        )
        .expect("a run without failure");
        let untruths = untruths(&story, &outcome.values);
        assert!(
            untruths.is_empty(),
            "account {seed}, without any failure:\n{}",
            untruths.join("\n")
        );
        Arc::new(outcome.values)
    });
    Arc::clone(values)
}

/// In what a run did not end as one without failure, in words.
pub(crate) fn verdict(
    story_seed: u64,
    cut: &Cut,
    outcome: &Result<Outcome, String>,
) -> Result<(), String> {
    let outcome = outcome.as_ref().map_err(Clone::clone)?;
    let wanted = reference(story_seed, cut.partitions);
    let mut wrong = untruths(&Story::of(story_seed), &outcome.values);
    wrong.extend(differences(&wanted, &outcome.values));
    let mut seen = BTreeMap::new();
    for (partition, key, _) in &outcome.events {
        *seen.entry((partition, key)).or_insert(0) += 1;
    }
    let doubled = seen.iter().filter(|(_, count)| **count > 1);
    wrong.extend(doubled.map(|((_, key), count)| {
        format!(
            "zoom.events has {} {count} times",
            String::from_utf8_lossy(key)
        )
    }));
    if wrong.is_empty() {
        return Ok(());
    }
    let fired: Vec<_> = outcome.lives.iter().filter_map(|life| life.fired).collect();
    let count = wrong.len();
    wrong.truncate(12);
    Err(format!(
        "{count} differences after {fired:?}:\n{}",
        wrong.join("\n")
    ))
}

/// A store that is ahead of the log is no view of it: it is removed and rebuilt, and so mended. But it
/// never should be, and no crash alone should damage one.
pub(crate) fn no_store_was_ahead(outcome: &Result<Outcome, String>) -> Result<(), String> {
    let outcome = outcome.as_ref().map_err(Clone::clone)?;
    let removed = |life: &&Life| {
        life.visits
            .contains_key(&("before a store is removed", Kind::Moment))
    };
    match outcome.lives.iter().find(removed) {
        None => Ok(()),
        Some(_) => {
            let fired: Vec<_> = outcome.lives.iter().filter_map(|life| life.fired).collect();
            Err(format!(
                "a store was ahead of the log, or damaged, after {fired:?}"
            ))
        }
    }
}
