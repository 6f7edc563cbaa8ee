//! What must hold for any order, any duplication, any batching and any crash.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rollcall_runtime::Outcome;
use rollcall_schemas::record::MilestoneKind;
use serde_json::{Value, json};

use super::line::{
    Input, LastValues, Line, MINUTE, MemoryState, START, ended, iso, registration, seat, started,
    webinar,
};

const HOUR: i64 = 60 * MINUTE;

/// How a person takes part.
#[derive(Clone, Debug)]
struct Part {
    /// What became of his registration, in order.
    registration: Vec<&'static str>,
    /// From and to, in minutes after the start; `None` where the leave was lost.
    stays: Vec<(i64, Option<i64>)>,
    way: Way,
    shows: Shows,
    /// Of a series: the occurrences that he registered for; none for the series.
    scope: Vec<&'static str>,
}

/// How a stay comes about.
#[derive(Clone, Copy, Debug)]
enum Way {
    Plain,
    /// In a breakout room, of a seat in the main session that is never told.
    Breakout,
    /// By phone, bound to a seat that shows who he is.
    Phone,
    /// Through the waiting room, and back into it for a while.
    WaitingRoom,
}

/// What people come to.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Webinar {
        restarted: bool,
    },
    /// A recurring webinar, of which Zoom tells how people register, or does not.
    Series {
        registration_type: Option<i32>,
    },
}

const WEEK: i64 = 7 * 24 * HOUR;

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
    let way = prop::sample::select(vec![
        Way::Plain,
        Way::Plain,
        Way::Breakout,
        Way::Phone,
        Way::WaitingRoom,
    ]);
    let scope = prop::sample::select(vec![vec![], vec!["o1"], vec!["o2"], vec!["o1", "o2"]]);
    (
        registration,
        prop::collection::vec(stay, 0..3),
        way,
        shows,
        scope,
    )
        .prop_map(|(registration, stays, way, shows, scope)| Part {
            registration,
            stays,
            way,
            shows,
            scope,
        })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        any::<bool>().prop_map(|restarted| Kind::Webinar { restarted }),
        prop::sample::select(vec![None, Some(1), Some(3)])
            .prop_map(|registration_type| Kind::Series { registration_type }),
    ]
}

/// A webhook with its object changed.
fn with(input: Input, change: impl FnOnce(&mut Value)) -> Input {
    match input {
        Input::Webhook(mut value) => {
            change(&mut value["payload"]["object"]);
            Input::Webhook(value)
        }
        tick @ Input::Tick(_) => tick,
    }
}

fn occurrences(ids: &[&str]) -> Value {
    let start = |id: &str| iso(if id == "o1" { START } else { START + WEEK });
    ids.iter()
        .map(|id| json!({"occurrence_id": id, "start_time": start(id), "duration": 60}))
        .collect()
}

/// Two notices of one recording, which differ in a token only.
fn recordings() -> [Input; 2] {
    ["one", "two"].map(|token| {
        Input::Webhook(json!({"event": "recording.completed", "event_ts": START + 2 * HOUR, "download_token": token,
            "payload": {"account_id": "A", "object": {"id": 86_084_701_483_u64, "uuid": "a", "host_id": "h",
                "topic": "Cooking with gas", "type": 5, "start_time": iso(START), "share_url": "https://example.com/rec/1",
                "recording_files": [{"id": "f", "file_type": "MP4", "status": "completed",
                    "recording_start": iso(START), "recording_end": iso(START + HOUR)}]}}}))
    })
}

/// The events of one stay.
fn stay_events(
    way: Way,
    (uuid, start): (&str, i64),
    seat_number: &str,
    (from, to): (i64, Option<i64>),
    who: Value,
) -> Vec<Input> {
    let at = |minutes: i64| START + minutes * MINUTE;
    let event = |kind: &str, number: &str, minutes: i64, who: Value| {
        seat(kind, uuid, start, number, at(minutes), who)
    };
    let anonymous = || json!({});
    let other = format!("{seat_number}0");
    let mut events = match way {
        Way::Plain => vec![event("joined", seat_number, from, who.clone())],
        Way::Breakout => {
            let mut in_breakout = who.clone();
            in_breakout["parent_user_id"] = json!(other);
            in_breakout["breakout_room_uuid"] = json!("room");
            in_breakout["join_time"] = json!(iso(at(from)));
            vec![event(
                "joined_breakout_room",
                seat_number,
                from,
                in_breakout,
            )]
        }
        Way::Phone => vec![
            event("joined", seat_number, from, anonymous()),
            event(
                "bind",
                seat_number,
                from + 1,
                json!({"bind_user_id": other}),
            ),
            event("joined", &other, from, who.clone()),
            event("left", &other, from + 1, who.clone()),
        ],
        Way::WaitingRoom => vec![
            event("joined_waiting_room", seat_number, from - 1, who.clone()),
            event("admitted", seat_number, from, who.clone()),
            event("joined", seat_number, from, who.clone()),
            event("put_in_waiting_room", seat_number, from + 2, who.clone()),
            event("admitted", seat_number, from + 4, who.clone()),
        ],
    };
    if let Some(to) = to {
        let who = if matches!(way, Way::Phone) {
            anonymous()
        } else {
            who
        };
        events.push(event("left", seat_number, to, who));
    }
    events
}

/// The webhooks of what people come to, in the order in which things happen.
fn webhooks(parts: &[Part], kind: Kind) -> Vec<Input> {
    let mut inputs = Vec::new();
    let sessions: &[(&str, i64, i64)] = match kind {
        Kind::Webinar { restarted: true } => &[("a", 0, 25), ("b", 32, 62)],
        Kind::Webinar { restarted: false } | Kind::Series { .. } => &[("a", 0, 62)],
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
            let at = START - 20 * HOUR + step * HOUR;
            let event = registration(kind, at, &id, &email, json!({"status": status}));
            inputs.push(with(event, |object| {
                if !part.scope.is_empty() {
                    object["occurrences"] = occurrences(&part.scope);
                }
            }));
        }
        for (turn, stay) in part.stays.iter().enumerate() {
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
                .find(|(_, start, _)| *start <= stay.0)
                .expect("the first starts at 0");
            let session = (*uuid, START + start * MINUTE);
            inputs.extend(stay_events(
                part.way,
                session,
                &format!("{number}{turn}"),
                *stay,
                who,
            ));
        }
    }
    inputs.extend(recordings());
    match kind {
        Kind::Webinar { .. } => inputs
            .into_iter()
            .map(|input| {
                with(input, |object| {
                    _ = object
                        .as_object_mut()
                        .and_then(|object| object.remove("occurrences"))
                })
            })
            .collect(),
        Kind::Series { registration_type } => {
            let plan = json!({"start_time": iso(START), "occurrences": occurrences(&["o1", "o2"]),
                "settings": registration_type.map(|kind| json!({"registration_type": kind}))});
            inputs.push(webinar("created", START - 30 * HOUR, plan));
            inputs
                .into_iter()
                .map(|input| with(input, |object| object["type"] = json!(9)))
                .collect()
        }
    }
}

fn ticks() -> [Input; 3] {
    [
        Input::Tick(START + 62 * MINUTE),
        Input::Tick(START + 3 * HOUR),
        Input::Tick(START + 40 * HOUR),
    ]
}

fn account() -> impl Strategy<Value = Vec<Input>> {
    (prop::collection::vec(part(), 1..4), kind()).prop_map(|(parts, kind)| webhooks(&parts, kind))
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
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

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
