//! Hand-made cases, each small enough to be worked out on paper.

use serde_json::json;

use super::{contact, roll, *};
use crate::{
    account::{
        Address, Bound, Fact, Lists, Mark, Place, Recording, Seat, Session, Shows, Slot, What,
    },
    time::{DAY, HOUR, MINUTE, SECOND, parse},
};

const PRACTICE: bool = true;
const REAL: bool = false;

fn moment(text: &str) -> i64 {
    parse(text).unwrap()
}

fn webinar(kind: u8, starts: &[&str]) -> Meeting {
    Meeting {
        id: 81_000_000_001,
        uuid: "plan".to_owned(),
        webinar: true,
        kind,
        topic: "T".to_owned(),
        minutes: 60,
        time_zone: "Europe/Berlin".to_owned(),
        host_id: "host".to_owned(),
        host_email: "host@in.example".to_owned(),
        created_ms: None,
        registration_type: None,
        slots: starts
            .iter()
            .map(|start| Slot {
                occurrence_id: (*start).to_owned(),
                first_start_ms: moment(start),
                deleted_ms: None,
            })
            .collect(),
        change: None,
        registrations: Vec::new(),
        sessions: Vec::new(),
    }
}

fn session(uuid: &str, from: &str, to: &str, practice: bool) -> Session {
    Session {
        uuid: uuid.to_owned(),
        started_ms: moment(from),
        ended_ms: moment(to),
        practice,
        seats: Vec::new(),
        recording: None,
    }
}

fn plan(meeting: Meeting) -> Plan {
    Plan {
        seed: 0,
        account_id: "A".to_owned(),
        internal_domains: vec!["in.example".to_owned()],
        lists: Lists::default(),
        meetings: vec![meeting],
    }
}

fn address(text: &str) -> Address {
    Address {
        canonical: text.to_owned(),
        spelled: text.to_owned(),
    }
}

fn registers(id: &str, email: &str, scope: Scope, facts: &[(&str, Status)]) -> Registration {
    Registration {
        registrant_id: id.to_owned(),
        address: address(email),
        first_name: "Ann".to_owned(),
        last_name: Some("Lee".to_owned()),
        org: None,
        team_size: None,
        scope,
        source: None,
        join_url: format!("https://zoom.example/{id}"),
        facts: facts
            .iter()
            .map(|(at, status)| Fact {
                at_ms: moment(at),
                status: *status,
            })
            .collect(),
    }
}

struct SeatOf<'a> {
    user_id: &'a str,
    email: Option<&'a str>,
    registrant_id: Option<&'a str>,
    participant_user_id: Option<&'a str>,
    place: Place,
}

const GUEST: SeatOf<'static> = SeatOf {
    user_id: "1",
    email: None,
    registrant_id: None,
    participant_user_id: None,
    place: Place::Main,
};

impl SeatOf<'_> {
    /// Marks as seconds after ten o'clock.
    fn with(self, marks: &[(i64, What)]) -> Seat {
        let ten = moment("2026-03-03T10:00:00Z");
        Seat {
            user_id: self.user_id.to_owned(),
            participant_uuid: format!("stay {}", self.user_id),
            shows: Shows {
                name: "Ann Shown".to_owned(),
                email: self.email.map(address),
                registrant_id: self.registrant_id.map(str::to_owned),
                participant_user_id: self.participant_user_id.map(str::to_owned),
            },
            place: self.place,
            marks: marks
                .iter()
                .map(|(second, what)| Mark {
                    at_ms: ten + second * SECOND,
                    what: what.clone(),
                })
                .collect(),
        }
    }
}

const LEAVES: What = What::Leaves {
    reason: "left",
    noticed_late: false,
};

/// One hour from ten o'clock, with these seats.
fn one_hour(seats: Vec<Seat>) -> Plan {
    let mut meeting = webinar(5, &["2026-03-03T10:00:00Z"]);
    let mut ran = session("s", "2026-03-03T10:00:00Z", "2026-03-03T11:00:00Z", REAL);
    ran.seats = seats;
    meeting.sessions = vec![ran];
    plan(meeting)
}

const OCCURRENCE: &str = "81000000001-20260303T100000Z";

fn row<'a>(truth: &'a Truth, email: &str) -> &'a RowTruth {
    &truth.attendance[&(email.to_owned(), OCCURRENCE.to_owned())]
}

#[test]
fn two_devices_and_a_rejoin_count_each_second_once() {
    let ann = |user_id| SeatOf {
        user_id,
        email: Some("ann@x.example"),
        ..GUEST
    };
    let truth = truth(&one_hour(vec![
        ann("1").with(&[(-30, What::Joins), (600, LEAVES)]),
        ann("2").with(&[(300, What::Joins), (900, LEAVES)]),
        ann("3").with(&[(3_000, What::Joins)]),
    ]));
    // [0, 900) and [3000, 3600): the first join is clipped, the last stay ends with the session.
    assert_eq!(row(&truth, "ann@x.example").seconds, 1_500);
    assert_eq!(
        row(&truth, "ann@x.example").share,
        Some(42),
        "41.67 percent"
    );
}

#[test]
fn the_waiting_room_counts_for_nothing() {
    let seat = |user_id, email| SeatOf {
        user_id,
        email: Some(email),
        ..GUEST
    };
    let truth = truth(&one_hour(vec![
        seat("1", "ann@x.example").with(&[
            (10, What::Waits),
            (60, What::Admitted),
            (60, What::Joins),
            (1_000, What::PutInWaitingRoom),
            (1_200, What::Admitted),
            (1_300, LEAVES),
        ]),
        seat("2", "bob@x.example").with(&[
            (10, What::Waits),
            (600, What::LeavesWaitingRoom),
            (600, LEAVES),
        ]),
    ]));
    assert_eq!(row(&truth, "ann@x.example").seconds, 940 + 100);
    assert!(!truth.contacts.contains_key("bob@x.example"));
}

#[test]
fn rooms_and_phones_count_for_the_person_they_belong_to() {
    let bound = Bound {
        user_id: "1".to_owned(),
        participant_uuid: "stay 1".to_owned(),
        at_ms: 0,
    };
    let truth = truth(&one_hour(vec![
        SeatOf {
            user_id: "1",
            email: Some("ann@x.example"),
            ..GUEST
        }
        .with(&[(0, What::Joins), (100, LEAVES)]),
        SeatOf {
            user_id: "2",
            place: Place::Phone {
                number: "1".to_owned(),
                bound: Some(bound),
            },
            ..GUEST
        }
        .with(&[(50, What::Joins), (200, LEAVES)]),
        SeatOf {
            user_id: "3",
            place: Place::Breakout {
                parent_user_id: "1".to_owned(),
                room_uuid: "r".to_owned(),
            },
            ..GUEST
        }
        .with(&[(300, What::Joins), (400, LEAVES)]),
        SeatOf {
            user_id: "4",
            place: Place::Phone {
                number: "2".to_owned(),
                bound: None,
            },
            ..GUEST
        }
        .with(&[(500, What::Joins)]),
    ]));
    assert_eq!(row(&truth, "ann@x.example").seconds, 200 + 100);
    assert_eq!(truth.contacts.len(), 1, "an unbound phone is a guest");
}

#[test]
fn a_registration_outranks_the_address_shown_and_staff_are_left_out() {
    let mut plan = one_hour(vec![
        SeatOf {
            user_id: "1",
            email: Some("other@x.example"),
            registrant_id: Some("r1"),
            ..GUEST
        }
        .with(&[(0, What::Joins)]),
        SeatOf {
            user_id: "2",
            participant_user_id: Some("u"),
            ..GUEST
        }
        .with(&[(0, What::Joins)]),
        SeatOf {
            user_id: "3",
            email: Some("intern@in.example"),
            ..GUEST
        }
        .with(&[(0, What::Joins)]),
        SeatOf {
            user_id: "4",
            email: Some("bob@private.example"),
            ..GUEST
        }
        .with(&[(0, What::Joins)]),
    ]);
    let before = [("2026-03-02T10:00:00Z", Status::Approved)];
    plan.meetings[0].registrations = vec![
        registers("r1", "ann@x.example", Scope::Slots(vec![0]), &before),
        registers("r2", "bob@x.example", Scope::Slots(vec![0]), &before),
        registers("r3", "olga@in.example", Scope::Slots(vec![0]), &before),
    ];
    let truth = truth(&plan);
    let emails: Vec<&str> = truth.contacts.keys().map(String::as_str).collect();
    assert_eq!(
        emails,
        ["ann@x.example", "bob@private.example", "bob@x.example"]
    );
    assert_eq!(row(&truth, "ann@x.example").status, Attendance::Attended);
    assert_eq!(
        row(&truth, "bob@x.example").status,
        Attendance::NoShow,
        "nobody can know that it was he"
    );
    assert_eq!(
        truth.contacts["bob@private.example"].attributes["FIRSTNAME"],
        "Ann Shown"
    );
    assert_eq!(truth.lists[&17].len(), 2);
}

#[test]
fn fates_of_registrations_end_in_their_statuses_and_milestones() {
    let mut plan = one_hour(vec![
        SeatOf {
            user_id: "1",
            registrant_id: Some("came"),
            ..GUEST
        }
        .with(&[(0, What::Joins), (60, LEAVES)]),
    ]);
    let (before, then, during) = (
        "2026-03-02T10:00:00Z",
        "2026-03-02T11:00:00Z",
        "2026-03-03T10:10:00Z",
    );
    let registered = |id: &str, facts: &[(&str, Status)]| {
        registers(id, &format!("{id}@x.example"), Scope::Slots(vec![0]), facts)
    };
    plan.meetings[0].registrations = vec![
        registered("pending", &[(before, Status::Pending)]),
        registered(
            "denied",
            &[(before, Status::Pending), (then, Status::Denied)],
        ),
        registered(
            "gone",
            &[(before, Status::Approved), (then, Status::Cancelled)],
        ),
        registered(
            "came",
            &[(before, Status::Approved), (then, Status::Cancelled)],
        ),
        registered(
            "late",
            &[(before, Status::Approved), (during, Status::Cancelled)],
        ),
        registered(
            "back",
            &[
                (before, Status::Approved),
                (then, Status::Cancelled),
                ("2026-03-02T12:00:00Z", Status::Approved),
            ],
        ),
        registered("walks", &[(during, Status::Approved)]),
    ];
    let truth = truth(&plan);
    let kinds = |id: &str| -> Vec<String> {
        let start = format!("{id}@x.example ");
        let of = truth
            .events
            .keys()
            .filter_map(|event| event.strip_prefix(&start));
        of.filter_map(|rest| rest.split_once(':'))
            .map(|(kind, _)| kind.to_owned())
            .collect()
    };
    assert_eq!(kinds("pending"), Vec::<String>::new());
    assert_eq!(kinds("denied"), Vec::<String>::new());
    assert!(!truth.contacts.contains_key("denied@x.example"));
    assert_eq!(kinds("gone"), ["cancelled", "registered"]);
    assert_eq!(
        kinds("came"),
        ["attended", "cancelled", "ended", "registered"]
    );
    assert_eq!(kinds("late"), ["cancelled", "registered", "started"]);
    assert_eq!(
        kinds("back"),
        ["cancelled", "ended", "no_show", "registered", "started"]
    );
    assert_eq!(kinds("walks"), ["ended", "no_show", "registered"]);
    let status = |id: &str| {
        truth.contacts[&format!("{id}@x.example")].attributes["ATTENDANCE_STATUS"].clone()
    };
    assert_eq!(
        [
            status("gone"),
            status("came"),
            status("late"),
            status("back")
        ],
        ["cancelled", "attended", "cancelled", "no_show"]
    );
    assert_eq!(
        truth.contacts["came@x.example"].attributes["ZOOM_WEBINARS_REGISTERED"],
        0
    );
    assert_eq!(
        truth.contacts["came@x.example"]
            .attributes
            .get("ZOOM_LAST_REGISTERED_ON"),
        None
    );
    assert!(
        truth.lists[&17].contains("gone@x.example"),
        "an approval is never taken back"
    );
}

#[test]
fn a_series_registrant_is_never_a_no_show() {
    let mut meeting = webinar(
        9,
        &[
            "2026-03-03T10:00:00Z",
            "2026-03-04T10:00:00Z",
            "2026-03-20T10:00:00Z",
        ],
    );
    let mut first = session("s", "2026-03-03T10:00:00Z", "2026-03-03T11:00:00Z", REAL);
    first.seats = vec![
        SeatOf {
            registrant_id: Some("r1"),
            ..GUEST
        }
        .with(&[(0, What::Joins)]),
    ];
    first.recording = Some(Recording {
        completed_ms: moment("2026-03-03T11:20:00Z"),
        share_url: "https://zoom.example/rec".to_owned(),
        said_twice: true,
        transcript_ms: None,
    });
    meeting.sessions = vec![
        first,
        session("t", "2026-03-04T10:00:00Z", "2026-03-04T11:00:00Z", REAL),
    ];
    let before = [("2026-03-02T10:00:00Z", Status::Approved)];
    meeting.registrations = vec![
        registers("r1", "ann@x.example", Scope::Series, &before),
        registers("r2", "bob@x.example", Scope::Series, &before),
        registers("r3", "cid@x.example", Scope::Slots(vec![0, 2]), &before),
    ];
    let truth = truth(&plan(meeting));
    let rows: Vec<(&str, &str, &str)> = truth
        .attendance
        .iter()
        .map(|((email, occurrence), row)| {
            (email.as_str(), occurrence.as_str(), row.status.as_str())
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("ann@x.example", "81000000001", "registered"),
            ("ann@x.example", "81000000001-20260303T100000Z", "attended"),
            ("bob@x.example", "81000000001", "registered"),
            ("cid@x.example", "81000000001-20260303T100000Z", "no_show"),
            (
                "cid@x.example",
                "81000000001-20260320T100000Z",
                "registered"
            ),
        ]
    );
    for email in ["ann@x.example", "bob@x.example", "cid@x.example"] {
        assert_eq!(
            truth.contacts[email].attributes["ZOOM_NEXT_START"], "2026-03-20",
            "{email}"
        );
    }
    assert_eq!(
        truth.contacts["ann@x.example"].attributes["ZOOM_WEBINARS_REGISTERED"],
        1
    );
    assert_eq!(
        truth.contacts["cid@x.example"].attributes["ZOOM_WEBINARS_REGISTERED"],
        2
    );
    let told: Vec<&str> = truth
        .events
        .iter()
        .filter(|(_, event)| event.name == "zoom_recording_ready")
        .map(|(_, event)| event.email.as_str())
        .collect();
    assert_eq!(told, ["ann@x.example", "cid@x.example"]);
    let started = truth
        .events
        .values()
        .filter(|event| event.name == "zoom_meeting_started")
        .count();
    assert_eq!(started, 1, "of a series nobody is told of a start");
}

#[test]
fn practice_counts_for_nothing_and_a_rehearsal_is_an_occurrence_of_its_own() {
    let mut meeting = webinar(5, &["2026-03-03T10:00:00Z"]);
    let here = |second| {
        SeatOf {
            registrant_id: Some("r1"),
            ..GUEST
        }
        .with(&[(second, What::Joins)])
    };
    let day_before = -(DAY / SECOND) - 2 * HOUR / SECOND;
    let mut rehearsal = session("a", "2026-03-02T08:00:00Z", "2026-03-02T08:30:00Z", REAL);
    rehearsal.seats = vec![here(day_before + 60)];
    let mut practice = session(
        "b",
        "2026-03-03T09:40:00Z",
        "2026-03-03T09:50:00Z",
        PRACTICE,
    );
    practice.seats = vec![here(-1_200)];
    let first = session("c", "2026-03-03T10:00:00Z", "2026-03-03T10:20:00Z", REAL);
    let mut second = session("d", "2026-03-03T10:25:00Z", "2026-03-03T10:45:00Z", REAL);
    second.seats = vec![here(1_500 + 600)];
    meeting.sessions = vec![rehearsal, practice, first, second];
    meeting.registrations = vec![registers(
        "r1",
        "ann@x.example",
        Scope::Slots(vec![0]),
        &[("2026-03-01T10:00:00Z", Status::Approved)],
    )];
    let plan = plan(meeting);
    let holdings = plan.holdings();
    assert_eq!(holdings.len(), 2);
    assert_eq!(
        (holdings[0].id.as_str(), holdings[0].slot),
        ("81000000001-20260302T080000Z", None)
    );
    assert_eq!(
        (
            holdings[1].sessions.as_slice(),
            holdings[1].practice.as_slice()
        ),
        ([2, 3].as_slice(), [1].as_slice())
    );
    assert_eq!(
        holdings[1].settled_ms,
        moment("2026-03-03T11:00:00Z"),
        "its planned end comes before the gap is over"
    );

    let truth = truth(&plan);
    assert_eq!(truth.occurrences[OCCURRENCE].seconds, 40 * 60);
    assert_eq!(row(&truth, "ann@x.example").seconds, 600);
    assert_eq!(
        row(&truth, "ann@x.example").share,
        Some(25),
        "of both sessions together"
    );
    assert_eq!(
        truth.contacts["ann@x.example"].attributes["ZOOM_WEBINARS_ATTENDED"],
        2
    );
    assert_eq!(
        truth.contacts["ann@x.example"].attributes["ZOOM_AVERAGE_SHARE"], 61,
        "the mean of 97 and 25"
    );
}

#[test]
fn sessions_without_a_plan_hang_together_within_half_an_hour() {
    let mut meeting = webinar(1, &[]);
    meeting.webinar = false;
    meeting.sessions = vec![
        session("a", "2026-03-03T10:00:00Z", "2026-03-03T10:40:00Z", REAL),
        session("b", "2026-03-03T11:09:59Z", "2026-03-03T11:20:00Z", REAL),
        session("c", "2026-03-03T11:50:00Z", "2026-03-03T12:00:00Z", REAL),
    ];
    let holdings = plan(meeting).holdings();
    let found: Vec<(&str, &[usize])> = holdings
        .iter()
        .map(|holding| (holding.id.as_str(), holding.sessions.as_slice()))
        .collect();
    assert_eq!(
        found,
        [
            (OCCURRENCE, [0, 1].as_slice()),
            ("81000000001-20260303T115000Z", [2].as_slice())
        ]
    );
    assert_eq!(holdings[0].settled_ms, moment("2026-03-03T11:50:00Z"));
}

#[test]
fn a_session_that_began_before_a_window_and_runs_into_it_belongs_to_it() {
    let mut meeting = webinar(9, &["2026-03-03T10:00:00Z", "2026-03-03T12:00:00Z"]);
    meeting.sessions = vec![
        session("a", "2026-03-03T08:50:00Z", "2026-03-03T10:30:00Z", REAL),
        session("b", "2026-03-03T11:10:00Z", "2026-03-03T12:30:00Z", REAL),
        session("c", "2026-03-03T14:00:01Z", "2026-03-03T14:30:00Z", REAL),
    ];
    let slots: Vec<Option<usize>> = plan(meeting)
        .holdings()
        .iter()
        .map(|holding| holding.slot)
        .collect();
    assert_eq!(
        slots,
        [Some(0), Some(1), None],
        "b starts in both windows, and nearer to the second"
    );
}

#[test]
fn shares_and_scores_round_half_up() {
    assert_eq!(
        (
            roll::share(1, 200),
            roll::share(1, 201),
            roll::share(3_600, 1),
            roll::share(5, 0)
        ),
        (1, 0, 100, 0)
    );
    assert_eq!(
        (
            contact::rounded_mean(&[]),
            contact::rounded_mean(&[50, 51]),
            contact::rounded_mean(&[50, 50, 51])
        ),
        (None, Some(51), Some(50))
    );
    assert_eq!(
        (
            contact::score(0, None),
            contact::score(1, Some(42)),
            contact::score(9, Some(100))
        ),
        (0, 25, 80)
    );
}

#[test]
fn a_day_is_the_day_where_the_webinar_is() {
    let mut plan = one_hour(vec![
        SeatOf {
            registrant_id: Some("r1"),
            ..GUEST
        }
        .with(&[(10 * MINUTE / SECOND, What::Joins)]),
    ]);
    plan.meetings[0].time_zone = "Pacific/Auckland".to_owned();
    plan.meetings[0].sessions[0].seats[0].marks[0].at_ms = moment("2026-03-03T10:59:00Z");
    plan.meetings[0].registrations = vec![registers(
        "r1",
        "ann@x.example",
        Scope::Slots(vec![0]),
        &[("2026-03-02T11:30:00Z", Status::Approved)],
    )];
    let attributes = truth(&plan).contacts["ann@x.example"].attributes.clone();
    assert_eq!(attributes["MEETING_JOIN_DATE"], "2026-03-03");
    assert_eq!(attributes["ZOOM_LAST_REGISTERED_ON"], "2026-03-03");
    assert_eq!(attributes["MEETING_DURATION"], json!(60));
}
