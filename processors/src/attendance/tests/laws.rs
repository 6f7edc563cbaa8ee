//! What must hold for any order, any duplication, any batching and any crash.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rollcall_runtime::Outcome;
use rollcall_schemas::record::MilestoneKind;
use serde_json::json;

use super::line::{
    Input, LastValues, Line, MINUTE, MemoryState, START, ended, registration, seat, started,
};

const HOUR: i64 = 60 * MINUTE;

/// How a person takes part.
#[derive(Clone, Debug)]
struct Part {
    /// What became of his registration, in order.
    registration: Vec<&'static str>,
    /// From and to, in minutes after the start; `None` where the leave was lost.
    stays: Vec<(i64, Option<i64>)>,
    shows: Shows,
}

#[derive(Clone, Copy, Debug)]
enum Shows {
    RegistrantId,
    Email,
    OtherEmailAndRegistrantId,
    Nothing,
    AccountUser,
    AccountUserWhoRegistered,
}

fn part() -> impl Strategy<Value = Part> {
    let registration = prop::sample::select(vec![
        vec![],
        vec!["created"],
        vec!["created"],
        vec!["created", "cancelled"],
        vec!["pending"],
        vec!["pending", "approved"],
        vec!["pending", "denied"],
        vec!["created", "cancelled", "approved"],
    ]);
    let stay = (0_i64..70, prop::option::weighted(0.9, 1_i64..40))
        .prop_map(|(from, length)| (from, length.map(|length| from + length)));
    let shows = prop::sample::select(vec![
        Shows::RegistrantId,
        Shows::Email,
        Shows::OtherEmailAndRegistrantId,
        Shows::Nothing,
        Shows::AccountUser,
        Shows::AccountUserWhoRegistered,
    ]);
    (registration, prop::collection::vec(stay, 0..3), shows).prop_map(
        |(registration, stays, shows)| Part {
            registration,
            stays,
            shows,
        },
    )
}

/// The webhooks of a webinar with a restart, in the order in which things happen.
fn webhooks(parts: &[Part], restart: bool) -> Vec<Input> {
    let mut inputs = Vec::new();
    let sessions: &[(&str, i64, i64)] = if restart {
        &[("a", 0, 25), ("b", 32, 62)]
    } else {
        &[("a", 0, 62)]
    };
    for (uuid, from, to) in sessions {
        inputs.push(started(uuid, START + from * MINUTE));
        inputs.push(ended(uuid, START + from * MINUTE, START + to * MINUTE));
    }
    for (number, part) in parts.iter().enumerate() {
        let (id, email) = (format!("R{number}"), format!("person{number}@example.com"));
        for (step, what) in (0_i64..).zip(&part.registration) {
            let (kind, status) = if *what == "pending" {
                ("created", "pending")
            } else {
                (*what, "approved")
            };
            inputs.push(registration(
                kind,
                START - 20 * HOUR + step * HOUR,
                &id,
                &email,
                json!({"status": status}),
            ));
        }
        for (turn, (from, to)) in part.stays.iter().enumerate() {
            let who = match part.shows {
                Shows::RegistrantId => json!({"registrant_id": id}),
                Shows::Email => json!({"email": email}),
                Shows::OtherEmailAndRegistrantId => {
                    json!({"registrant_id": id, "email": format!("other{number}@example.com")})
                }
                Shows::Nothing => json!({}),
                Shows::AccountUser => json!({"participant_user_id": format!("U{number}")}),
                Shows::AccountUserWhoRegistered => {
                    json!({"participant_user_id": format!("U{number}"), "registrant_id": id, "email": email})
                }
            };
            let (uuid, start, _) = sessions
                .iter()
                .rev()
                .find(|(_, start, _)| start <= from)
                .expect("the first starts at 0");
            let seat_number = format!("{number}{turn}");
            let start = START + start * MINUTE;
            inputs.push(seat(
                "joined",
                uuid,
                start,
                &seat_number,
                START + from * MINUTE,
                who.clone(),
            ));
            if let Some(to) = to {
                inputs.push(seat(
                    "left",
                    uuid,
                    start,
                    &seat_number,
                    START + to * MINUTE,
                    who,
                ));
            }
        }
    }
    inputs
}

fn ticks() -> [Input; 3] {
    [
        Input::Tick(START + 62 * MINUTE),
        Input::Tick(START + 3 * HOUR),
        Input::Tick(START + 40 * HOUR),
    ]
}

fn account() -> impl Strategy<Value = Vec<Input>> {
    (prop::collection::vec(part(), 1..4), any::<bool>())
        .prop_map(|(parts, restart)| webhooks(&parts, restart))
}

/// What stands in the end, with occurrences named by their starts, and versions (which count changes)
/// left out.
fn result(line: &Line) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
    let names: BTreeMap<String, String> = line
        .occurrences()
        .iter()
        .map(|row| {
            (
                row.occurrence.to_string(),
                format!("at {:?} or {:?}", row.scheduled_start, row.started_at),
            )
        })
        .collect();
    let renamed = |text: String| {
        names
            .iter()
            .fold(text, |text, (id, name)| text.replace(id, name))
    };
    let mut rows = BTreeSet::new();
    let mut said = BTreeSet::new();
    for ((email, _), mut row) in line.rows() {
        row.version = 0;
        said.extend(
            row.milestones
                .iter()
                .map(|milestone| (email.clone(), renamed(milestone.id.to_string()))),
        );
        rows.insert(renamed(format!("{row:?}")));
    }
    for row in line.occurrences() {
        rows.insert(renamed(format!("{row:?}")));
    }
    (rows, said)
}

fn played(inputs: &[Input]) -> Line {
    let mut line = Line::new();
    line.unit(inputs);
    line.unit(&ticks());
    line
}

/// Tombstones and absence are one.
fn standing(last: &LastValues) -> LastValues {
    last.iter()
        .filter(|(_, value)| value.is_some())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_duplication_end_in_the_same_rows_and_the_same_activities(
        (inputs, shuffled) in account().prop_flat_map(|inputs| {
            let twice: Vec<_> = inputs.iter().chain(&inputs).cloned().collect();
            (Just(inputs), Just(twice).prop_shuffle())
        })
    ) {
        prop_assert_eq!(result(&played(&inputs)), result(&played(&shuffled)));
    }

    #[test]
    fn any_batching_and_any_abort_end_in_the_same_bytes(
        (inputs, sizes) in account().prop_flat_map(|inputs| {
            let length = inputs.len() * 2;
            let twice: Vec<_> = inputs.iter().chain(&inputs).cloned().collect();
            (Just(twice).prop_shuffle(), prop::collection::vec((1_usize..5, any::<bool>()), length))
        })
    ) {
        let mut inputs = inputs;
        inputs.extend(ticks());
        let mut whole = Line::new();
        whole.unit(&inputs);
        let mut parted = Line::new();
        let mut rest = &inputs[..];
        for (size, aborts) in sizes {
            let (unit, after) = rest.split_at(size.min(rest.len()));
            if aborts {
                parted.aborted_unit(unit);
            }
            parted.unit(unit);
            rest = after;
        }
        parted.unit(rest);
        prop_assert_eq!(standing(&whole.last), standing(&parted.last));
        prop_assert_eq!(&whole.said, &parted.said);
        prop_assert_eq!(&whole.events, &parted.events);
        prop_assert_eq!(&whole.state, &parted.state);
        prop_assert_eq!(&whole.outcomes, &parted.outcomes);
    }

    #[test]
    fn the_state_is_a_fold_of_the_events(inputs in account().prop_shuffle_inputs(), cut in 0_usize..40) {
        let mut line = Line::new();
        let (before, after) = inputs.split_at(cut.min(inputs.len()));
        line.unit(before);
        let behind = line.state.clone();
        line.unit(after);
        line.unit(&ticks());
        prop_assert_eq!(&line.rebuilt(MemoryState::default()), &line.state, "from nothing");
        prop_assert_eq!(&line.rebuilt(behind), &line.state, "from behind, with events that it has");
        prop_assert_eq!(&line.rebuilt(line.state.clone()), &line.state, "from the state itself");
    }

    #[test]
    fn every_record_has_one_outcome_and_every_new_event_one_record(inputs in account()) {
        let mut line = played(&inputs);
        let first = line.outcomes.iter().filter(|outcome| **outcome == Outcome::Effective).count();
        prop_assert_eq!(line.outcomes.len(), inputs.len() + ticks().len());
        let clocks = line.events.len() - inputs.len();
        prop_assert!(clocks <= ticks().len());
        prop_assert_eq!(first, inputs.len() + clocks);
        let events = line.events.len();
        line.unit(&inputs);
        prop_assert_eq!(line.events.len(), events, "a second copy of everything is nothing new");
    }

    #[test]
    fn nobody_is_told_both_that_he_came_and_that_he_did_not(inputs in account()) {
        let line = played(&inputs);
        for ((email, _), row) in line.rows() {
            let said = |kind| row.milestones.iter().any(|milestone| milestone.kind == kind);
            prop_assert!(!(said(MilestoneKind::Attended) && said(MilestoneKind::NoShow)), "{}", email);
        }
    }
}

trait Shuffle {
    fn prop_shuffle_inputs(self) -> BoxedStrategy<Vec<Input>>;
}

impl<S: Strategy<Value = Vec<Input>> + 'static> Shuffle for S {
    fn prop_shuffle_inputs(self) -> BoxedStrategy<Vec<Input>> {
        self.prop_flat_map(|inputs| Just(inputs).prop_shuffle())
            .boxed()
    }
}
