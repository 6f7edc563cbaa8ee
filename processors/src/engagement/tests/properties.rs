//! What holds for any rows, in any order, however often they come and however they are batched.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rollcall_schemas::{Text, TextMap};

use super::super::activity::activity;
use super::line::{Line, Record};
use super::reference::expected;
use super::*;

const EMAILS: [&str; 3] = ["ann@example.com", "bob@example.com", "zoë@example.com"];
const OCCURRENCES: [&str; 4] = ["7-1", "7-2", "8", "9-1"];

fn text(words: &'static [&'static str]) -> impl Strategy<Value = Option<Text<'static>>> {
    prop::option::of(prop::sample::select(words).prop_map(Text::from))
}

fn map() -> impl Strategy<Value = TextMap<'static>> {
    let word = prop::sample::select(&["org", "phone", "Diet?"][..]).prop_map(Text::from);
    let value = prop::sample::select(&["1", "2"][..]).prop_map(Text::from);
    prop::collection::vec((word, value), 0..3).prop_map(TextMap::from_iter)
}

fn status() -> impl Strategy<Value = AttendanceStatus> {
    use AttendanceStatus::{
        Attended, Cancelled, Denied, NoShow, Pending, Registered, Unknown, Unverified,
    };
    prop::sample::select(
        &[
            Unknown, Pending, Denied, Registered, Registered, Attended, Attended, NoShow,
            Unverified, Cancelled,
        ][..],
    )
}

fn phase() -> impl Strategy<Value = Phase> {
    prop::sample::select(
        &[
            Phase::Unknown,
            Phase::Upcoming,
            Phase::Running,
            Phase::Ended,
            Phase::Ended,
            Phase::NotHeld,
        ][..],
    )
}

fn kind() -> impl Strategy<Value = MilestoneKind> {
    use MilestoneKind::{Attended, Cancelled, Ended, RecordingReady, Registered, Started};
    prop::sample::select(
        &[
            Registered,
            Registered,
            Cancelled,
            Started,
            Ended,
            Attended,
            RecordingReady,
        ][..],
    )
}

/// Times are few, so that they meet.
fn time() -> impl Strategy<Value = i64> {
    START..START + 4
}

fn row() -> impl Strategy<Value = AttendanceRow<'static>> {
    let what = (
        any::<bool>(),
        any::<bool>(),
        status(),
        phase(),
        prop::option::of(0..101),
        0..9999_i64,
    );
    let when = (
        prop::option::of(time()),
        prop::option::of(time()),
        prop::option::of(time()),
        prop::option::of(time()),
    );
    let words = (
        text(&["One", "Two"]),
        text(&["Europe/Berlin", "America/New_York"]),
        text(&["u1", "u2"]),
        text(&["https://example.com/1", "https://example.com/2"]),
        text(&["Ann", "Bob"]),
        text(&["Lee"]),
        text(&["annie"]),
    );
    (what, when, words, map(), map()).prop_map(|(what, when, words, fields, custom_questions)| {
        AttendanceRow {
            webinar: what.0,
            series: what.1,
            status: what.2,
            phase: what.3,
            share: what.4,
            seconds: what.5,
            scheduled_start: when.0,
            ended_at: when.1,
            registered_at: when.2,
            first_join: when.3,
            topic: words.0.clone(),
            registration_source: words.0,
            time_zone: words.1,
            session_uuid: words.2,
            join_url: words.3.clone(),
            recording_url: words.3,
            first_name: words.4,
            last_name: words.5,
            display_name: words.6,
            fields,
            custom_questions,
            ..AttendanceRow::default()
        }
    })
}

/// The versions of one row, from 1: each a row with all the milestones before it, or a tombstone.
fn history() -> impl Strategy<Value = Vec<Record>> {
    let version = (
        row(),
        prop::collection::vec((kind(), time(), 0..3_u8), 0..3),
        prop::bool::weighted(0.15),
    );
    let place = (
        prop::sample::select(&EMAILS[..]),
        prop::sample::select(&OCCURRENCES[..]),
    );
    (place, prop::collection::vec(version, 1..6)).prop_map(|((email, occurrence), versions)| {
        let mut milestones: Vec<Milestone<'static>> = Vec::new();
        (1..)
            .zip(versions)
            .map(|(version, (row, new, gone))| {
                for (kind, at, number) in new {
                    let id = format!("{kind:?}:{occurrence}:{number}");
                    milestones.retain(|known| known.id != id.as_str());
                    milestones.push(milestone(&id, kind, at));
                }
                if gone {
                    return Record::gone(email, occurrence, version);
                }
                let (email, occurrence) = (email.into(), occurrence.into());
                Record::Row(AttendanceRow {
                    email,
                    occurrence,
                    version,
                    milestones: milestones.clone(),
                    ..row
                })
            })
            .collect()
    })
}

fn place_of(record: &Record) -> (String, String) {
    match record {
        Record::Row(row) => (row.email.to_string(), row.occurrence.to_string()),
        Record::Gone {
            email, occurrence, ..
        } => (email.clone(), occurrence.clone()),
        Record::Raw { .. } => unreachable!("histories hold none"),
    }
}

/// Some histories, one a row, as one log.
fn log() -> impl Strategy<Value = Vec<Record>> {
    prop::collection::vec(history(), 1..8).prop_map(|histories| {
        let mut seen = BTreeSet::new();
        histories
            .into_iter()
            .filter(|history| seen.insert(place_of(&history[0])))
            .flatten()
            .collect()
    })
}

/// The log in another order, with some records more than once.
fn disordered(log: Vec<Record>) -> impl Strategy<Value = Vec<Record>> {
    let again = prop::collection::vec(prop::sample::select(log.clone()), 0..6);
    again.prop_flat_map(move |again| Just([log.clone(), again].concat()).prop_shuffle())
}

/// How a log is run: records a batch, batches a unit of work, and where the process dies.
#[derive(Clone, Debug)]
struct Run {
    batch: usize,
    unit: usize,
    crashes: Vec<(usize, bool)>,
}

fn run() -> impl Strategy<Value = Run> {
    (
        1..9_usize,
        1..4_usize,
        prop::collection::vec((0..12_usize, any::<bool>()), 0..3),
    )
        .prop_map(|(batch, unit, crashes)| Run {
            batch,
            unit,
            crashes,
        })
}

fn play(records: &[Record], run: &Run) -> Line {
    let mut line = Line::new();
    let mut committed = 0;
    for (number, unit) in records.chunks(run.batch * run.unit).enumerate() {
        for (_, store_too) in run.crashes.iter().filter(|(at, _)| *at == number) {
            line.aborted(unit);
            line.crash(*store_too, &records[..committed]);
        }
        let batches: Vec<&[Record]> = unit.chunks(run.batch).collect();
        line.unit_of(&batches).unwrap();
        committed += unit.len();
    }
    line
}

fn last_values(said: &[Said]) -> BTreeMap<&str, &[u8]> {
    said.iter()
        .map(|said| (said.key.as_str(), &said.value[..]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The rows alone decide: not their order, not copies, not versions that were superseded.
    #[test]
    fn any_order_ends_in_what_the_last_versions_say(
        records in log().prop_flat_map(disordered),
        run in run(),
    ) {
        let line = play(&records, &run);
        let expected = expected(&records);
        let contacts: BTreeMap<_, _> = EMAILS.iter().filter_map(|email| Some(((*email).to_owned(), line.contact(email)?))).collect();
        prop_assert_eq!(&contacts, &expected.contacts);
        let said: BTreeSet<_> = line.said.iter().map(|said| said.key.clone()).collect();
        prop_assert_eq!(&said, &expected.activities);
        for row in &expected.rows {
            for milestone in &row.milestones {
                let id = format!("{} {}", row.email, milestone.id);
                prop_assert_eq!(line.last_said(&id), activity(&id, row, milestone));
            }
        }
        // An activity names a version that the contact reaches, unless there is none left.
        for said in &line.said {
            let email = said.key.split(' ').next().unwrap();
            if let Some(contact) = contacts.get(email) {
                prop_assert!(said.contact_version <= contact.version);
            }
        }
    }

    /// Batches, units of work, crashes and lost stores do not show, byte for byte.
    #[test]
    fn batching_and_crashes_do_not_show(
        records in log().prop_flat_map(disordered),
        one in run(),
        other in run(),
    ) {
        let (one, other) = (play(&records, &one), play(&records, &other));
        prop_assert_eq!(&one.contacts, &other.contacts);
        prop_assert_eq!(&one.said, &other.said);
        prop_assert_eq!(&one.state, &other.state);
    }

    /// Versions that were folded away before they came here do not show.
    #[test]
    fn folded_versions_do_not_show(records in log(), run in run(), kept in prop::collection::vec(any::<bool>(), 64)) {
        let is_last = |place: usize| {
            records[place + 1..].iter().all(|later| place_of(later) != place_of(&records[place]))
        };
        let exists_at_last = |record: &Record| matches!(record, Record::Row(_));
        let folded: Vec<Record> = (0..records.len())
            .filter(|place| is_last(*place) || kept[place % kept.len()])
            .map(|place| records[place].clone())
            .collect();
        let (whole, folded) = (play(&records, &run), play(&folded, &run));
        prop_assert_eq!(&whole.contacts, &folded.contacts);
        // A row that is gone at the end may have been folded away with its milestones.
        let (whole_said, folded_said) = (last_values(&whole.said), last_values(&folded.said));
        if (0..records.len()).filter(|place| is_last(*place)).all(|place| exists_at_last(&records[place])) {
            prop_assert_eq!(whole_said, folded_said);
        }
    }
}
