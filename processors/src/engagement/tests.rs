use rollcall_runtime::{Outcome, Stage, TopicSettings};
use rollcall_schemas::record::{
    Activity, AttendanceRow, AttendanceStatus, Contact, Milestone, MilestoneKind, Phase,
};

use super::Engagement;
use line::{Line, Record, Said};

mod contacts;
mod line;
mod properties;
mod reference;

const ANN: &str = "ann@example.com";
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// 2026-09-14T15:00:00Z.
const START: i64 = 1_789_398_000_000;

/// A row of Ann's, registered for a webinar that is ahead.
fn registered(occurrence: &str, version: i64, approved_at: i64) -> AttendanceRow<'static> {
    let meeting = occurrence.split('-').next().unwrap().to_owned();
    let id = format!("registered:{meeting}:r");
    AttendanceRow {
        email: ANN.into(),
        occurrence: occurrence.to_owned().into(),
        version,
        meeting_id: meeting.into(),
        webinar: true,
        topic: Some(format!("Webinar {occurrence}").into()),
        time_zone: Some("Europe/Berlin".into()),
        status: AttendanceStatus::Registered,
        phase: Phase::Upcoming,
        scheduled_start: Some(START),
        scheduled_minutes: Some(60),
        registrant_id: Some("r".into()),
        registered_at: Some(approved_at),
        registration_source: Some("newsletter".into()),
        first_name: Some("Ann".into()),
        last_name: Some("Lee".into()),
        join_url: Some("https://example.com/j/1".into()),
        milestones: vec![milestone(&id, MilestoneKind::Registered, approved_at)],
        ..AttendanceRow::default()
    }
}

/// The same person, who came and stayed for half of the hour.
fn attended(occurrence: &str, version: i64, approved_at: i64) -> AttendanceRow<'static> {
    let mut row = registered(occurrence, version, approved_at);
    row.status = AttendanceStatus::Attended;
    row.phase = Phase::Ended;
    row.session_uuid = Some("uuid==".into());
    row.started_at = Some(START);
    row.ended_at = Some(START + 60 * MINUTE);
    row.occurrence_seconds = 3600;
    row.first_join = Some(START + 2 * MINUTE);
    row.last_leave = Some(START + 32 * MINUTE);
    row.seconds = 1800;
    row.share = Some(50);
    row.display_name = Some("annie".into());
    let id = format!("attended:{occurrence}");
    row.milestones.push(Milestone {
        seconds: Some(1800),
        share: Some(50),
        ..milestone(&id, MilestoneKind::Attended, START + 60 * MINUTE)
    });
    row
}

fn milestone(id: &str, kind: MilestoneKind, at: i64) -> Milestone<'static> {
    Milestone {
        id: id.to_owned().into(),
        kind,
        at,
        ..Milestone::default()
    }
}

/// The contact that these records make of Ann, in one unit of work.
fn ann(records: &[Record]) -> Option<Contact<'static>> {
    let mut line = Line::new();
    line.unit(records);
    line.contact(ANN)
}

fn rows(rows: &[AttendanceRow<'static>]) -> Vec<Record> {
    rows.iter().cloned().map(Record::Row).collect()
}

#[test]
fn the_stage_reads_rows_and_is_a_view_of_them() {
    let stage = Engagement::new(&TopicSettings::default());
    assert_eq!(
        (stage.name(), stage.input()),
        ("engagement", "engagement.attendance")
    );
    assert_eq!(stage.view(), rollcall_runtime::View::Input);
}

#[test]
fn a_milestone_becomes_an_activity_once() {
    let mut line = Line::new();
    line.unit(&rows(&[registered("7-1", 1, START - DAY)]));
    line.unit(&rows(&[registered("7-1", 2, START - DAY)]));
    line.unit(&rows(&[
        attended("7-1", 3, START - DAY),
        attended("7-1", 3, START - DAY),
    ]));
    let said: Vec<_> = line
        .said
        .iter()
        .map(|said| (said.key.as_str(), said.contact_version))
        .collect();
    assert_eq!(
        said,
        [
            ("ann@example.com registered:7:r", 1),
            ("ann@example.com attended:7-1", 3)
        ]
    );
    assert_eq!(
        line.said[0].activity(),
        Activity {
            id: "ann@example.com registered:7:r".into(),
            email: ANN.into(),
            kind: MilestoneKind::Registered,
            at: START - DAY,
            occurrence: "7-1".into(),
            meeting_id: "7".into(),
            webinar: true,
            topic: Some("Webinar 7-1".into()),
            scheduled_start: Some(START),
            time_zone: Some("Europe/Berlin".into()),
            join_url: Some("https://example.com/j/1".into()),
            registration_source: Some("newsletter".into()),
            ..Activity::default()
        }
    );
    assert_eq!(
        line.said[1].activity(),
        Activity {
            id: "ann@example.com attended:7-1".into(),
            kind: MilestoneKind::Attended,
            at: START + 60 * MINUTE,
            session_uuid: Some("uuid==".into()),
            seconds: Some(1800),
            share: Some(50),
            ..line.said[0].activity()
        }
    );
}

/// What was folded away before it came here must not show: the last value is the last version's.
#[test]
fn a_milestone_is_said_again_where_what_is_said_of_it_changed() {
    let mut line = Line::new();
    line.unit(&rows(&[registered("7-1", 1, START - DAY)]));
    let mut renamed = registered("7-1", 2, START - DAY);
    renamed.topic = Some("Another title".into());
    line.unit(&rows(&[renamed]));
    let topics: Vec<_> = line
        .said
        .iter()
        .map(|said| said.activity().topic.unwrap().into_string())
        .collect();
    assert_eq!(topics, ["Webinar 7-1", "Another title"]);
    assert_eq!(line.said[0].key, line.said[1].key);
}

/// A session that starts says nothing new of a registration, nor does the next date of a series.
#[test]
fn a_registration_is_not_said_again_as_time_passes() {
    let mut line = Line::new();
    line.unit(&rows(&[registered("7-1", 1, START - DAY)]));
    let mut running = registered("7-1", 2, START - DAY);
    running.phase = Phase::Running;
    running.session_uuid = Some("uuid==".into());
    line.unit(&rows(&[running]));

    let mut series = registered("8", 1, START - DAY);
    series.series = true;
    line.unit(&rows(&[series.clone()]));
    series.version = 2;
    series.scheduled_start = Some(START + 7 * DAY);
    line.unit(&rows(&[series]));
    let said: Vec<_> = line.said.iter().map(|said| said.key.as_str()).collect();
    assert_eq!(
        said,
        [
            "ann@example.com registered:7:r",
            "ann@example.com registered:8:r"
        ]
    );
}

/// Two rows become one under the first one's id, which takes over what the other had.
#[test]
fn a_milestone_that_moves_keeps_its_id() {
    let mut line = Line::new();
    let late = attended("7-2", 1, START - DAY);
    line.unit(&rows(std::slice::from_ref(&late)));
    let mut merged = attended("7-1", 2, START - DAY);
    merged.milestones = late.milestones;
    line.unit(&[Record::Row(merged), Record::gone(ANN, "7-2", 2)]);
    let mut keys: Vec<_> = line.said.iter().map(|said| said.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(
        keys,
        [
            "ann@example.com attended:7-2",
            "ann@example.com registered:7:r"
        ]
    );
    assert_eq!(
        line.last_said("ann@example.com attended:7-2").occurrence,
        "7-1"
    );
    let contact = line.contact(ANN).unwrap();
    assert_eq!((contact.webinars_attended, contact.version), (1, 4));
}

#[test]
fn the_version_is_the_sum_of_the_versions_of_all_rows() {
    let mut line = Line::new();
    line.unit(&rows(&[
        registered("7-1", 3, START),
        registered("8-1", 2, START),
    ]));
    assert_eq!(line.contact(ANN).unwrap().version, 5);
    line.unit(&[Record::gone(ANN, "8-1", 3)]);
    assert_eq!(line.contact(ANN).unwrap().version, 6);
    line.unit(&rows(&[registered("8-1", 4, START)]));
    assert_eq!(line.contact(ANN).unwrap().version, 7);
}

#[test]
fn a_person_with_nothing_left_is_no_contact() {
    let mut line = Line::new();
    line.unit(&rows(&[registered("7-1", 3, START)]));
    line.unit(&[Record::gone(ANN, "7-1", 4)]);
    assert_eq!(line.contact(ANN), None);
    assert_eq!(
        line.contacts_written,
        [(ANN.to_owned(), None), (ANN.to_owned(), Some(4))]
    );
}

#[test]
fn a_person_who_was_never_a_contact_is_not_erased() {
    let mut line = Line::new();
    let mut pending = registered("7-1", 1, START);
    pending.status = AttendanceStatus::Pending;
    pending.registered_at = None;
    pending.milestones.clear();
    line.unit(&rows(&[pending]));
    line.unit(&[Record::gone(ANN, "7-1", 2)]);
    assert_eq!(line.contacts_written, []);
}

#[test]
fn an_older_version_and_a_known_one_have_no_effect() {
    let mut line = Line::new();
    let outcomes = line.unit(&[
        Record::Row(attended("7-1", 3, START)),
        Record::Row(registered("7-1", 2, START)),
        Record::Row(attended("7-1", 3, START)),
        Record::gone(ANN, "7-1", 2),
        Record::gone(ANN, "7-1", 4),
        Record::gone(ANN, "7-1", 4),
        Record::Row(attended("7-1", 3, START)),
    ]);
    assert_eq!(
        outcomes,
        [
            Outcome::Effective,
            Outcome::Ignored("older version"),
            Outcome::Ignored("known version"),
            Outcome::Ignored("older version"),
            Outcome::Effective,
            Outcome::Ignored("known version"),
            Outcome::Ignored("older version"),
        ]
    );
}

/// Someone erases a row with a tool that knows nothing of versions.
#[test]
fn a_tombstone_without_a_version_ends_the_row_that_is_known() {
    let mut line = Line::new();
    let bare = Record::Raw {
        key: Some("ann@example.com 7-1".into()),
        value: None,
        version: None,
    };
    assert_eq!(
        line.unit(std::slice::from_ref(&bare)),
        [Outcome::Ignored("known version")]
    );
    line.unit(&rows(&[
        registered("7-1", 3, START),
        registered("8-1", 1, START),
    ]));
    assert_eq!(line.unit(&[bare]), [Outcome::Effective]);
    let contact = line.contact(ANN).unwrap();
    assert_eq!((contact.version, contact.webinars_registered), (5, 1));
}

/// A writer that names the last version of the row, not one of the tombstone's own.
#[test]
fn a_tombstone_is_newer_than_a_row_of_its_version() {
    for records in [
        [
            Record::Row(registered("7-1", 3, START)),
            Record::gone(ANN, "7-1", 3),
        ],
        [
            Record::gone(ANN, "7-1", 3),
            Record::Row(registered("7-1", 3, START)),
        ],
    ] {
        assert_eq!(ann(&records), None);
    }
}

#[test]
fn a_record_that_is_no_row_is_rejected() {
    let mut line = Line::new();
    let value = Record::Row(registered("7-1", 1, START)).value().unwrap();
    let cases = [
        (None, Some(value.clone()), None, "key"),
        (Some("ann@example.com"), Some(value.clone()), None, "key"),
        (Some(" 7-1"), Some(value.clone()), None, "key"),
        (
            Some("bob@example.com 7-1"),
            Some(value.clone()),
            None,
            "key",
        ),
        (
            Some("ann@example.com 7-2"),
            Some(value.clone()),
            None,
            "key",
        ),
        (
            Some("ann@example.com 7-1"),
            Some(value[..9].to_vec()),
            None,
            "value",
        ),
        (
            Some("ann@example.com 7-1"),
            Some(b"{}".to_vec()),
            None,
            "value",
        ),
        (Some("ann@example.com 7-1"), None, Some("x"), "version"),
    ];
    for (key, value, version, class) in cases {
        let record = Record::Raw {
            key: key.map(str::to_owned),
            value,
            version: version.map(str::to_owned),
        };
        match &line.unit(&[record])[..] {
            [Outcome::Rejected(rejection)] => {
                assert_eq!(rejection.class, class, "{key:?}: {rejection:?}")
            }
            other => panic!("{key:?}: {other:?}"),
        }
    }
    assert_eq!((line.contacts_written.len(), line.said.len()), (0, 0));
}

#[test]
fn an_aborted_unit_of_work_leaves_nothing() {
    let mut line = Line::new();
    line.unit(&rows(&[registered("7-1", 1, START)]));
    line.aborted(&rows(&[
        attended("7-1", 2, START),
        registered("8-1", 1, START),
    ]));
    line.unit(&rows(&[registered("9-1", 1, START)]));
    let contact = line.contact(ANN).unwrap();
    assert_eq!(
        (
            contact.version,
            contact.webinars_registered,
            contact.webinars_attended
        ),
        (2, 2, 0)
    );
}

#[test]
fn a_store_of_another_format_says_what_to_do() {
    for bytes in [
        &b""[..],
        b"\x01",
        b"\x02\x00",
        b"\x01\x00\x05\x00",
        b"\x01\x00\x01\x00\x00\x00\x07",
    ] {
        let mut line = Line::new();
        line.state.0.insert(ANN.into(), bytes.to_vec());
        let error = line
            .try_unit(&rows(&[registered("7-1", 1, START)]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("delete the stage's folder"), "{error}");
    }
}
