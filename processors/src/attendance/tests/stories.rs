//! What a person would tell, one test a story.

use rollcall_schemas::record::{AttendanceRow, AttendanceStatus, MilestoneKind, Phase, RowState};
use serde_json::json;

use super::line::{
    Input, Line, MEETING, MINUTE, START, ended, registration, seat, started, webinar,
};

const OCCURRENCE: &str = "86084701483-20260914T150000Z";
const HOUR: i64 = 60 * MINUTE;
const END: i64 = START + HOUR;

fn row<'a>(line: &'a Line, email: &str) -> AttendanceRow<'a> {
    let rows = line.rows();
    rows.get(&(email.to_owned(), OCCURRENCE.to_owned()))
        .unwrap_or_else(|| panic!("no row of {email}"))
        .clone()
}

fn milestones(row: &AttendanceRow<'_>) -> Vec<MilestoneKind> {
    row.milestones
        .iter()
        .map(|milestone| milestone.kind)
        .collect()
}

fn registered(id: &str, email: &str) -> Input {
    registration("created", START - 24 * HOUR, id, email, json!({}))
}

#[test]
fn who_came_who_did_not_and_who_cancelled() {
    let mut line = Line::new();
    line.unit(&[
        registered("R1", "Ann@Example.com"),
        registered("R2", "bob@example.com"),
        registered("R3", "cem@example.com"),
        registration(
            "cancelled",
            START - HOUR,
            "R3",
            "cem@example.com",
            json!({}),
        ),
        registration(
            "created",
            START - HOUR,
            "R4",
            "dot@example.com",
            json!({"status": "pending"}),
        ),
    ]);
    assert_eq!(
        row(&line, "ann@example.com").status,
        AttendanceStatus::Registered
    );
    assert_eq!(row(&line, "ann@example.com").phase, Phase::Upcoming);
    line.unit(&[
        started("s", START + MINUTE),
        seat(
            "joined",
            "s",
            START + MINUTE,
            "1",
            START + 2 * MINUTE,
            json!({"registrant_id": "R1"}),
        ),
        seat(
            "left",
            "s",
            START + MINUTE,
            "1",
            START + 12 * MINUTE,
            json!({"registrant_id": "R1"}),
        ),
        // A second device, and a rejoin: the union counts.
        seat(
            "joined",
            "s",
            START + MINUTE,
            "2",
            START + 10 * MINUTE,
            json!({"email": "ann@example.com"}),
        ),
        seat(
            "left",
            "s",
            START + MINUTE,
            "2",
            START + 31 * MINUTE,
            json!({"email": "ann@example.com"}),
        ),
        ended("s", START + MINUTE, END + MINUTE),
        Input::Tick(END),
    ]);
    assert_eq!(
        row(&line, "ann@example.com").phase,
        Phase::Running,
        "it ended a minute later than this tick"
    );
    line.unit(&[Input::Tick(END + MINUTE)]);

    let ann = row(&line, "ann@example.com");
    assert_eq!(
        (ann.status, ann.phase, ann.state),
        (
            AttendanceStatus::Attended,
            Phase::Ended,
            RowState::Provisional
        )
    );
    assert_eq!(
        (ann.seconds, ann.share, ann.segments.len()),
        (29 * 60, Some(48), 2)
    );
    use MilestoneKind::{Attended, Cancelled, Ended, NoShow, Registered, Started};
    assert_eq!(milestones(&ann), [Registered, Started, Attended, Ended]);
    let bob = row(&line, "bob@example.com");
    assert_eq!((bob.status, bob.share), (AttendanceStatus::NoShow, None));
    assert_eq!(milestones(&bob), [Registered, Started, Ended, NoShow]);
    let cem = row(&line, "cem@example.com");
    assert_eq!(
        (cem.status, milestones(&cem)),
        (AttendanceStatus::Cancelled, vec![Registered, Cancelled])
    );
    let dot = row(&line, "dot@example.com");
    assert_eq!(
        (dot.status, milestones(&dot)),
        (AttendanceStatus::Pending, vec![])
    );

    let occurrences = line.occurrences();
    assert_eq!(occurrences.len(), 1);
    let occurrence = &occurrences[0];
    assert_eq!(
        (
            occurrence.registered,
            occurrence.attended,
            occurrence.no_shows,
            occurrence.guests
        ),
        (2, 1, 1, 0)
    );
    assert_eq!(occurrence.peak, Some(1));

    line.unit(&[Input::Tick(END + MINUTE + 24 * HOUR)]);
    assert_eq!(row(&line, "ann@example.com").state, RowState::Final);
    assert!(!row(&line, "ann@example.com").corrected);
    line.unit(&[seat(
        "joined",
        "s",
        START + MINUTE,
        "9",
        START + 40 * MINUTE,
        json!({"registrant_id": "R2"}),
    )]);
    let bob = row(&line, "bob@example.com");
    assert_eq!(
        (bob.status, bob.corrected, bob.seconds),
        (AttendanceStatus::Attended, true, 21 * 60)
    );
    assert_eq!(
        milestones(&bob),
        [Registered, Started, Attended, Ended, NoShow],
        "what was said stays said"
    );
}

#[test]
fn the_planned_start_in_a_seat_s_event_is_no_start() {
    let mut line = Line::new();
    let late = START + 5 * MINUTE;
    line.unit(&[
        seat(
            "joined",
            "s",
            START,
            "1",
            START + 2 * MINUTE,
            json!({"email": "ann@example.com"}),
        ),
        started("s", late),
        seat(
            "left",
            "s",
            START,
            "1",
            late + 10 * MINUTE,
            json!({"email": "ann@example.com"}),
        ),
        ended("s", late, END),
        Input::Tick(END),
    ]);
    let ann = row(&line, "ann@example.com");
    assert_eq!((ann.seconds, ann.occurrence_seconds), (10 * 60, 55 * 60));
}

#[test]
fn a_restart_is_one_occurrence() {
    let mut line = Line::new();
    line.unit(&[
        registered("R1", "ann@example.com"),
        started("a", START),
        seat(
            "joined",
            "a",
            START,
            "1",
            START,
            json!({"registrant_id": "R1"}),
        ),
        ended("a", START, START + 20 * MINUTE),
        Input::Tick(START + 25 * MINUTE),
    ]);
    assert_eq!(row(&line, "ann@example.com").phase, Phase::Running);
    line.unit(&[
        started("b", START + 30 * MINUTE),
        seat(
            "joined",
            "b",
            START + 30 * MINUTE,
            "1",
            START + 30 * MINUTE,
            json!({"registrant_id": "R1"}),
        ),
        seat(
            "left",
            "b",
            START + 30 * MINUTE,
            "1",
            START + 40 * MINUTE,
            json!({"registrant_id": "R1"}),
        ),
        ended("b", START + 30 * MINUTE, START + 50 * MINUTE),
        Input::Tick(END),
    ]);
    let ann = row(&line, "ann@example.com");
    assert_eq!(
        (ann.phase, ann.seconds, ann.occurrence_seconds),
        (Phase::Ended, 30 * 60, 40 * 60)
    );
    assert_eq!(
        (ann.share, ann.session_uuid.as_deref()),
        (Some(75), Some("b"))
    );
    assert_eq!(line.occurrences().len(), 1);
}

#[test]
fn a_rehearsal_the_day_before_expects_nobody_and_a_practice_session_counts_for_nothing() {
    let day_before = START - 24 * HOUR;
    let mut line = Line::new();
    line.unit(&[
        registration(
            "created",
            START - 48 * HOUR,
            "R1",
            "ann@example.com",
            json!({}),
        ),
        started("r", day_before),
        seat(
            "joined",
            "r",
            day_before,
            "1",
            day_before,
            json!({"email": "bob@example.com"}),
        ),
        ended("r", day_before, day_before + 10 * MINUTE),
        Input::Tick(day_before + HOUR),
    ]);
    let rows = line.rows();
    let rehearsal = "86084701483-20260913T150000Z".to_owned();
    assert_eq!(
        rows[&("bob@example.com".to_owned(), rehearsal.clone())].status,
        AttendanceStatus::Attended
    );
    assert!(!rows.contains_key(&("ann@example.com".to_owned(), rehearsal)));
    assert_eq!(row(&line, "ann@example.com").phase, Phase::Upcoming);

    line.unit(&[
        started("p", START - 20 * MINUTE),
        seat(
            "joined",
            "p",
            START - 20 * MINUTE,
            "1",
            START - 20 * MINUTE,
            json!({"email": "cem@example.com"}),
        ),
    ]);
    assert!(
        line.rows()
            .contains_key(&("cem@example.com".to_owned(), OCCURRENCE.to_owned()))
    );
    line.unit(&[webinar(
        "ended",
        START - 5 * MINUTE,
        json!({"uuid": "p", "start_time": super::line::iso(START - 20 * MINUTE),
        "end_time": super::line::iso(START - 5 * MINUTE), "practice_session": true}),
    )]);
    assert!(
        !line
            .rows()
            .contains_key(&("cem@example.com".to_owned(), OCCURRENCE.to_owned()))
    );
    assert_eq!(row(&line, "ann@example.com").phase, Phase::Upcoming);
}

#[test]
fn a_guest_becomes_a_row_when_his_address_is_learned_and_the_registration_decides_it() {
    let mut line = Line::new();
    line.unit(&[
        registered("R2", "bob@example.com"),
        started("s", START),
        seat(
            "joined",
            "s",
            START,
            "1",
            START,
            json!({"registrant_id": "R1"}),
        ),
        seat(
            "joined",
            "s",
            START,
            "2",
            START,
            json!({"registrant_id": "R7", "email": "other@example.com"}),
        ),
        seat("joined", "s", START, "3", START, json!({})),
    ]);
    assert_eq!(line.occurrences()[0].guests, 2);
    assert!(
        line.rows()
            .contains_key(&("other@example.com".to_owned(), OCCURRENCE.to_owned()))
    );
    line.unit(&[
        registered("R1", "ann@example.com"),
        registered("R7", "eve@example.com"),
    ]);
    assert_eq!(
        row(&line, "ann@example.com").status,
        AttendanceStatus::Attended
    );
    assert_eq!(
        row(&line, "eve@example.com").status,
        AttendanceStatus::Attended
    );
    assert!(
        !line
            .rows()
            .contains_key(&("other@example.com".to_owned(), OCCURRENCE.to_owned()))
    );
    assert_eq!(
        (line.occurrences()[0].guests, line.occurrences()[0].attended),
        (1, 2)
    );
}

#[test]
fn breakout_phone_and_waiting_room() {
    let mut line = Line::new();
    let ann = json!({"registrant_id": "R1"});
    line.unit(&[
        registered("R1", "ann@example.com"),
        registered("R2", "bob@example.com"),
        started("s", START),
        // The breakout seat is seen before the seat that it belongs to.
        seat("joined_breakout_room", "s", START, "11", START + 10 * MINUTE, json!({"parent_user_id": "10", "breakout_room_uuid": "x", "join_time": super::line::iso(START + 10 * MINUTE)})),
        seat("left_breakout_room", "s", START, "11", START + 20 * MINUTE, json!({"parent_user_id": "10", "breakout_room_uuid": "x", "leave_time": super::line::iso(START + 20 * MINUTE)})),
        seat("joined", "s", START, "10", START, ann.clone()),
        seat("left", "s", START, "10", START + 10 * MINUTE, ann),
        // By phone, bound later.
        seat("joined", "s", START, "20", START + 30 * MINUTE, json!({"phone_number": "+1"})),
        seat("left", "s", START, "20", START + 35 * MINUTE, json!({"phone_number": "+1"})),
        seat("bind", "s", START, "20", START + 31 * MINUTE, json!({"bind_user_id": "10"})),
        // Only ever in the waiting room.
        seat("joined_waiting_room", "s", START, "30", START, json!({"registrant_id": "R2"})),
        seat("left_waiting_room", "s", START, "30", START + 5 * MINUTE, json!({"registrant_id": "R2"})),
        ended("s", START, END),
        Input::Tick(END),
    ]);
    let ann = row(&line, "ann@example.com");
    assert_eq!(
        (ann.status, ann.seconds),
        (AttendanceStatus::Attended, 25 * 60)
    );
    assert_eq!(
        row(&line, "bob@example.com").status,
        AttendanceStatus::NoShow
    );
    assert_eq!(line.occurrences()[0].guests, 0);
}

#[test]
fn the_accounts_own_people_are_counted_apart() {
    let mut line = Line::new();
    line.unit(&[
        registered("R1", "host@elsewhere.example"),
        started("s", START),
        seat(
            "joined",
            "s",
            START,
            "1",
            START,
            json!({"participant_user_id": "U1", "email": "host@elsewhere.example"}),
        ),
        seat(
            "joined",
            "s",
            START,
            "2",
            START,
            json!({"email": "colleague@ours.example"}),
        ),
        ended("s", START, END),
        Input::Tick(END),
    ]);
    assert_eq!(line.rows().len(), 0);
    let occurrences = line.occurrences();
    assert_eq!(
        (
            occurrences[0].staff,
            occurrences[0].attended,
            occurrences[0].registered
        ),
        (2, 0, 0)
    );
}

#[test]
fn a_series_has_one_row_and_no_no_shows() {
    let next_week = START + 7 * 24 * HOUR;
    let series = |kind: &str, at: i64, more: serde_json::Value| {
        let mut object = json!({"type": 9, "id": MEETING.parse::<u64>().expect("a number"), "start_time": super::line::iso(START)});
        object
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        webinar(kind, at, object)
    };
    let occurrences = json!([{"occurrence_id": "o1", "start_time": super::line::iso(START), "duration": 60},
        {"occurrence_id": "o2", "start_time": super::line::iso(next_week), "duration": 60}]);
    let registrant = |id: &str, email: &str| json!({"id": id, "email": email, "first_name": "A", "status": "approved"});
    let mut line = Line::new();
    line.unit(&[
        series(
            "created",
            START - 100 * HOUR,
            json!({"occurrences": occurrences, "settings": {"registration_type": 3}}),
        ),
        series(
            "registration_created",
            START - 90 * HOUR,
            json!({"registrant": registrant("R1", "ann@example.com")}),
        ),
        series(
            "registration_created",
            START - 90 * HOUR,
            json!({"registrant": registrant("R2", "bob@example.com")}),
        ),
        series(
            "registration_created",
            START - 90 * HOUR,
            json!({"registrant": registrant("R3", "cem@example.com"),
            "occurrences": [{"occurrence_id": "o1", "start_time": super::line::iso(START)}]}),
        ),
    ]);
    let of = |line: &Line, email: &str, about: &str| {
        line.rows()
            .get(&(email.to_owned(), about.to_owned()))
            .map(|row| (row.status, row.phase, row.scheduled_start))
    };
    let registered = AttendanceStatus::Registered;
    assert_eq!(
        of(&line, "ann@example.com", MEETING),
        Some((registered, Phase::Upcoming, Some(START)))
    );
    assert_eq!(
        of(&line, "cem@example.com", OCCURRENCE),
        Some((registered, Phase::Upcoming, Some(START)))
    );
    line.unit(&[
        series("started", START, json!({"uuid": "s", "id": MEETING})),
        series("participant_joined", START, json!({"uuid": "s", "id": MEETING, "participant":
            {"user_id": "1", "user_name": "A", "email": "", "registrant_id": "R1", "join_time": super::line::iso(START)}})),
        series("ended", END, json!({"uuid": "s", "id": MEETING, "end_time": super::line::iso(END)})),
        Input::Tick(END),
    ]);
    assert_eq!(
        of(&line, "ann@example.com", MEETING),
        Some((registered, Phase::Upcoming, Some(next_week)))
    );
    assert_eq!(
        of(&line, "ann@example.com", OCCURRENCE).map(|row| row.0),
        Some(AttendanceStatus::Attended)
    );
    assert_eq!(of(&line, "bob@example.com", OCCURRENCE), None);
    assert_eq!(
        of(&line, "cem@example.com", OCCURRENCE).map(|row| row.0),
        Some(AttendanceStatus::NoShow)
    );
    assert_eq!(of(&line, "cem@example.com", MEETING), None);
}

#[test]
fn what_never_ran_has_neither_attendees_nor_no_shows() {
    let mut line = Line::new();
    line.unit(&[registered("R1", "ann@example.com"), Input::Tick(END - 1)]);
    assert_eq!(row(&line, "ann@example.com").phase, Phase::Upcoming);
    line.unit(&[Input::Tick(END)]);
    let ann = row(&line, "ann@example.com");
    assert_eq!(
        (ann.status, ann.phase),
        (AttendanceStatus::Registered, Phase::NotHeld)
    );
}

#[test]
fn a_start_that_was_not_seen_proves_no_no_show() {
    let mut line = Line::new();
    line.unit(&[
        registered("R1", "ann@example.com"),
        ended("s", START, END),
        Input::Tick(END),
    ]);
    let ann = row(&line, "ann@example.com");
    assert_eq!(ann.status, AttendanceStatus::Unverified);
    assert!(!milestones(&ann).contains(&MilestoneKind::NoShow));
}

#[test]
fn a_recording_is_said_once_to_those_it_concerns() {
    let mut line = Line::new();
    let recording = |token: &str, at: i64| {
        Input::Webhook(
            json!({"event": "recording.completed", "event_ts": at, "download_token": token, "payload": {"account_id": "A",
            "object": {"id": MEETING.parse::<u64>().expect("a number"), "uuid": "s", "host_id": "h", "topic": "Cooking with gas", "type": 5,
            "start_time": super::line::iso(START), "share_url": "https://example.com/rec/1", "total_size": 1, "recording_count": 1,
            "recording_files": [{"id": "f1", "recording_start": super::line::iso(START), "recording_end": super::line::iso(END),
                "file_type": "MP4", "status": "completed", "download_url": format!("https://example.com/d/{token}")}]}}}),
        )
    };
    line.unit(&[
        registered("R1", "ann@example.com"),
        registered("R2", "bob@example.com"),
        started("s", START),
        seat(
            "joined",
            "s",
            START,
            "1",
            START,
            json!({"registrant_id": "R1"}),
        ),
        ended("s", START, END),
        Input::Tick(END),
        recording("one", END + 20 * MINUTE),
        recording("two", END + 20 * MINUTE),
    ]);
    for email in ["ann@example.com", "bob@example.com"] {
        let row = row(&line, email);
        let told: Vec<_> = row
            .milestones
            .iter()
            .filter(|milestone| milestone.kind == MilestoneKind::RecordingReady)
            .collect();
        assert_eq!(told.len(), 1, "{email}");
        assert_eq!(
            (told[0].at, told[0].url.as_deref()),
            (END + 20 * MINUTE, Some("https://example.com/rec/1"))
        );
    }
}

#[test]
fn two_that_a_late_session_joins_become_one() {
    let mut line = Line::new();
    let instant = |input: Input| match input {
        Input::Webhook(mut value) => {
            value["payload"]["object"]["type"] = json!(1);
            value["event"] = json!(
                value["event"]
                    .as_str()
                    .expect("a name")
                    .replace("webinar", "meeting")
            );
            Input::Webhook(value)
        }
        tick => tick,
    };
    let meet = |uuid: &str, from: i64, to: i64, who: &str| {
        [
            started(uuid, from),
            seat("joined", uuid, from, "1", from, json!({"email": who})),
            ended(uuid, from, to),
        ]
        .map(instant)
    };
    line.unit(&meet("a", START, START + 20 * MINUTE, "ann@example.com"));
    line.unit(&meet(
        "c",
        START + 60 * MINUTE,
        START + 80 * MINUTE,
        "ann@example.com",
    ));
    line.unit(&[Input::Tick(START + 4 * HOUR)]);
    assert_eq!(line.rows().len(), 2);
    line.unit(&meet(
        "b",
        START + 35 * MINUTE,
        START + 45 * MINUTE,
        "bob@example.com",
    ));
    line.unit(&[Input::Tick(START + 5 * HOUR)]);
    assert_eq!(line.occurrences().len(), 1);
    let rows = line.rows();
    assert_eq!(rows.len(), 2);
    let ann = row(&line, "ann@example.com");
    assert_eq!((ann.seconds, ann.occurrence_seconds), (40 * 60, 50 * 60));
    let said: Vec<_> = ann
        .milestones
        .iter()
        .filter(|milestone| milestone.kind == MilestoneKind::Attended)
        .collect();
    assert_eq!(
        said.len(),
        1,
        "what was said of the later one is not said again of both"
    );
}
