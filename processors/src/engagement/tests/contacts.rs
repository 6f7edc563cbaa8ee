//! Each field of a contact, by hand.

use rollcall_schemas::record::{LastOccurrence, NextOccurrence};

use super::*;

#[test]
fn before_anything_has_ended_it_is_the_registration() {
    let contact = ann(&rows(&[registered("7-1", 1, START - DAY)])).unwrap();
    assert_eq!(
        contact,
        Contact {
            email: ANN.into(),
            version: 1,
            first_name: Some("Ann".into()),
            last_name: Some("Lee".into()),
            name: Some("Ann Lee".into()),
            last: Some(LastOccurrence {
                occurrence: "7-1".into(),
                webinar_title: Some("Webinar 7-1".into()),
                attendance_status: "registered".into(),
                time_zone: Some("Europe/Berlin".into()),
                registration_source: Some("newsletter".into()),
                ..LastOccurrence::default()
            }),
            next: Some(NextOccurrence {
                occurrence: "7-1".into(),
                title: Some("Webinar 7-1".into()),
                start: START,
                time_zone: Some("Europe/Berlin".into()),
                join_url: Some("https://example.com/j/1".into()),
            }),
            webinars_registered: 1,
            first_seen: Some(START - DAY),
            last_registered_at: Some(START - DAY),
            last_registered_time_zone: Some("Europe/Berlin".into()),
            ..Contact::default()
        }
    );
}

#[test]
fn after_the_end_it_is_how_the_occurrence_ended() {
    let contact = ann(&rows(&[attended("7-1", 4, START - DAY)])).unwrap();
    assert_eq!(
        contact,
        Contact {
            email: ANN.into(),
            version: 4,
            first_name: Some("Ann".into()),
            last_name: Some("Lee".into()),
            name: Some("Ann Lee".into()),
            last: Some(LastOccurrence {
                occurrence: "7-1".into(),
                webinar_title: Some("Webinar 7-1".into()),
                attendance_status: "attended".into(),
                join_time: Some(START + 2 * MINUTE),
                time_zone: Some("Europe/Berlin".into()),
                duration: Some(1800),
                share: Some(50),
                registration_source: Some("newsletter".into()),
            }),
            webinars_registered: 1,
            webinars_attended: 1,
            total_seconds: 1800,
            average_share: Some(50),
            first_seen: Some(START - DAY),
            last_registered_at: Some(START - DAY),
            last_registered_time_zone: Some("Europe/Berlin".into()),
            last_attended_at: Some(START + 2 * MINUTE),
            last_attended_time_zone: Some("Europe/Berlin".into()),
            score: 28,
            ..Contact::default()
        }
    );
}

#[test]
fn while_it_runs_nothing_is_said_of_having_come() {
    let mut running = attended("7-1", 2, START - DAY);
    running.phase = Phase::Running;
    let contact = ann(&rows(&[running])).unwrap();
    assert_eq!(contact.last.unwrap().attendance_status, "registered");
    assert_eq!(
        (
            contact.webinars_attended,
            contact.total_seconds,
            contact.score
        ),
        (0, 0, 0)
    );
    assert_eq!(contact.average_share, None);
    assert_eq!(contact.next, None);
}

#[test]
fn the_last_occurrence_is_the_one_that_ended_last() {
    let ended = |occurrence: &str, status, ended_at| {
        let mut row = attended(occurrence, 1, START - DAY);
        row.status = status;
        row.ended_at = Some(ended_at);
        row
    };
    let last = |rows_of_ann: &[AttendanceRow<'static>]| {
        let last = ann(&rows(rows_of_ann)).unwrap().last.unwrap();
        (
            last.occurrence.into_string(),
            last.attendance_status.into_string(),
        )
    };
    let first = ended("7-1", AttendanceStatus::Attended, START);
    let second = ended("7-2", AttendanceStatus::NoShow, START + DAY);
    let third = ended("7-3", AttendanceStatus::Unverified, START + DAY);
    let ahead = registered("9-1", 1, START + 2 * DAY);
    assert_eq!(
        last(&[first.clone(), ahead.clone()]),
        ("7-1".into(), "attended".into())
    );
    assert_eq!(
        last(&[second.clone(), first.clone()]),
        ("7-2".into(), "no_show".into())
    );
    assert_eq!(
        last(&[third, first, second]),
        ("7-3".into(), "unverified".into())
    );
}

#[test]
fn of_what_is_ahead_the_nearest() {
    let ahead = |occurrence: &str, start| AttendanceRow {
        scheduled_start: start,
        ..registered(occurrence, 1, START)
    };
    let mut series = ahead("6", Some(START + DAY));
    series.series = true;
    let mut cancelled = ahead("5-1", Some(START));
    cancelled.status = AttendanceStatus::Cancelled;
    let mut not_held = ahead("4-1", Some(START));
    not_held.phase = Phase::NotHeld;
    let undated = ahead("3-1", None);
    let contact = ann(&rows(&[
        ahead("7-1", Some(START + 2 * DAY)),
        series,
        cancelled,
        not_held,
        undated,
    ]))
    .unwrap();
    assert_eq!(contact.next.unwrap().occurrence, "6");
}

#[test]
fn one_who_cancelled_is_a_contact_without_a_registration() {
    let mut cancelled = registered("7-1", 2, START - DAY);
    cancelled.status = AttendanceStatus::Cancelled;
    cancelled.registered_at = None;
    cancelled
        .milestones
        .push(milestone("cancelled:7:r", MilestoneKind::Cancelled, START));
    let contact = ann(&rows(&[cancelled])).unwrap();
    assert_eq!(contact.last.unwrap().attendance_status, "cancelled");
    assert_eq!(
        (contact.webinars_registered, contact.last_registered_at),
        (0, None)
    );
    assert_eq!(contact.first_seen, Some(START - DAY));
    assert_eq!(contact.name.unwrap(), "Ann Lee");
}

#[test]
fn one_who_only_asked_is_no_contact() {
    for status in [AttendanceStatus::Pending, AttendanceStatus::Denied] {
        let mut asked = registered("7-1", 1, START);
        asked.status = status;
        asked.registered_at = None;
        asked.milestones.clear();
        assert_eq!(ann(&rows(&[asked.clone()])), None);
        // Beside something else it counts for nothing.
        let contact = ann(&rows(&[asked, attended("8-1", 1, START)])).unwrap();
        assert_eq!(
            (
                contact.webinars_registered,
                contact.last.unwrap().occurrence.as_str()
            ),
            (1, "8-1")
        );
    }
}

#[test]
fn meetings_and_webinars_are_counted_apart() {
    let mut meeting = attended("8-1", 1, START);
    meeting.webinar = false;
    let mut no_show = attended("9-1", 1, START);
    no_show.status = AttendanceStatus::NoShow;
    no_show.first_join = None;
    no_show.seconds = 0;
    no_show.share = None;
    let contact = ann(&rows(&[attended("7-1", 1, START), meeting, no_show])).unwrap();
    let counts = (
        contact.webinars_registered,
        contact.webinars_attended,
        contact.meetings_attended,
        contact.no_shows,
    );
    assert_eq!(counts, (2, 1, 1, 1));
    assert_eq!(contact.total_seconds, 3600);
}

#[test]
fn a_series_is_registered_for_once() {
    let mut series = registered("7", 1, START);
    series.series = true;
    let came = |occurrence| AttendanceRow {
        registered_at: None,
        milestones: Vec::new(),
        ..attended(occurrence, 1, START)
    };
    let contact = ann(&rows(&[series, came("7-1"), came("7-2")])).unwrap();
    assert_eq!(
        (contact.webinars_registered, contact.webinars_attended),
        (1, 2)
    );
}

#[test]
fn shares_are_averaged_and_rounded_half_up() {
    let share = |shares: &[Option<i32>]| {
        let rows: Vec<_> = (0..)
            .zip(shares)
            .map(|(place, share)| {
                Record::Row(AttendanceRow {
                    share: *share,
                    ..attended(&format!("7-{place}"), 1, START)
                })
            })
            .collect();
        let contact = ann(&rows).unwrap();
        (contact.average_share, contact.score)
    };
    assert_eq!(share(&[Some(50), Some(51)]), (Some(51), 36));
    assert_eq!(share(&[Some(33), Some(33), Some(34)]), (Some(33), 37));
    assert_eq!(share(&[Some(100); 6]), (Some(100), 80));
    assert_eq!(share(&[Some(0)]), (Some(0), 8));
    assert_eq!(share(&[Some(10), None]), (Some(10), 20));
    assert_eq!(share(&[None]), (None, 8));
    // 8 + 0.4 * 1 = 8.4; 8 + 0.4 * 4 = 9.6.
    assert_eq!((share(&[Some(1)]).1, share(&[Some(4)]).1), (8, 10));
}

#[test]
fn the_first_time_is_the_least_of_approvals_and_joins() {
    let walked_in = AttendanceRow {
        registered_at: None,
        milestones: Vec::new(),
        ..attended("6-1", 1, START)
    };
    let contact = ann(&rows(&[walked_in, registered("7-1", 1, START + DAY)])).unwrap();
    assert_eq!(contact.first_seen, Some(START + 2 * MINUTE));
    // The registration was approved, withdrawn and approved again.
    let again = AttendanceRow {
        registered_at: Some(START),
        ..registered("7-1", 1, START - 9 * DAY)
    };
    let contact = ann(&rows(&[again])).unwrap();
    assert_eq!(
        (contact.first_seen, contact.last_registered_at),
        (Some(START - 9 * DAY), Some(START))
    );
}

#[test]
fn the_last_registration_is_the_last_that_stands() {
    let mut other_zone = registered("8-1", 1, START + DAY);
    other_zone.time_zone = Some("America/New_York".into());
    let mut withdrawn = registered("9-1", 1, START + 2 * DAY);
    withdrawn.status = AttendanceStatus::Cancelled;
    withdrawn.registered_at = None;
    let contact = ann(&rows(&[other_zone, registered("7-1", 1, START), withdrawn])).unwrap();
    assert_eq!(contact.last_registered_at, Some(START + DAY));
    assert_eq!(
        contact.last_registered_time_zone.unwrap(),
        "America/New_York"
    );
}

#[test]
fn the_last_attended_is_of_the_last_occurrence_attended() {
    let mut earlier = attended("8-1", 1, START);
    earlier.ended_at = Some(START);
    earlier.first_join = Some(START + 9 * MINUTE);
    let mut no_show = attended("9-1", 1, START);
    no_show.status = AttendanceStatus::NoShow;
    no_show.ended_at = Some(START + DAY);
    let contact = ann(&rows(&[earlier, attended("7-1", 1, START), no_show])).unwrap();
    assert_eq!(contact.last_attended_at, Some(START + 2 * MINUTE));
}

#[test]
fn names_come_from_the_latest_registration_that_has_one() {
    let named = |occurrence,
                 approved_at,
                 first: Option<&'static str>,
                 last: Option<&'static str>| AttendanceRow {
        first_name: first.map(Into::into),
        last_name: last.map(Into::into),
        ..registered(occurrence, 1, approved_at)
    };
    let names = |rows_of_ann: &[AttendanceRow<'static>]| {
        let contact = ann(&rows(rows_of_ann)).unwrap();
        [contact.first_name, contact.last_name, contact.name]
            .map(|name| name.map_or(String::new(), |name| name.into_string()))
    };
    let old = named("7-1", START, Some("Ann"), Some("Lee"));
    assert_eq!(
        names(&[named("8-1", START + 1, Some("Anna"), None), old.clone()]),
        ["Anna", "Lee", "Anna Lee"]
    );
    assert_eq!(
        names(&[named("6-1", START - 1, Some("Anna"), Some("Li")), old]),
        ["Ann", "Lee", "Ann Lee"]
    );
    assert_eq!(
        names(&[named("7-1", START, None, Some("Lee"))]),
        ["", "Lee", "Lee"]
    );
    // A name shown in a session only fills an empty one: that of the latest join.
    let shown = |occurrence, first_join, name: &'static str| AttendanceRow {
        registered_at: None,
        milestones: Vec::new(),
        first_name: None,
        last_name: None,
        first_join: Some(first_join),
        display_name: Some(name.into()),
        ..attended(occurrence, 1, START)
    };
    assert_eq!(
        names(&[shown("9-1", START, "annie"), shown("8-1", START + 1, "AL")]),
        ["AL", "", "AL"]
    );
}

#[test]
fn form_fields_are_the_latest_and_answers_the_latest_of_each() {
    let form = |occurrence,
                approved_at,
                fields: &[(&'static str, &'static str)],
                answers: &[(&'static str, &'static str)]| AttendanceRow {
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        custom_questions: answers
            .iter()
            .map(|(title, answer)| ((*title).into(), (*answer).into()))
            .collect(),
        ..registered(occurrence, 1, approved_at)
    };
    let old = form(
        "9-1",
        START,
        &[("org", "Old"), ("phone", "1")],
        &[("Diet?", "none"), ("Size?", "M")],
    );
    let new = form("8-1", START + 1, &[("org", "New")], &[("Size?", "L")]);
    let contact = ann(&rows(&[new, old])).unwrap();
    let fields: Vec<_> = contact
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let answers: Vec<_> = contact
        .custom_questions
        .iter()
        .map(|(title, answer)| (title.as_str(), answer.as_str()))
        .collect();
    assert_eq!(fields, [("org", "New")]);
    assert_eq!(answers, [("Diet?", "none"), ("Size?", "L")]);
}

#[test]
fn the_recording_is_the_latest_that_concerns_the_person() {
    let ready = |occurrence: &str, at, url: Option<&'static str>| {
        let mut row = attended(occurrence, 1, START);
        row.recording_url = Some("https://example.com/page".into());
        if let Some(url) = url {
            row.milestones.push(Milestone {
                url: Some(url.into()),
                ..milestone("recording_ready:x", MilestoneKind::RecordingReady, at)
            });
        }
        row
    };
    let url = |rows_of_ann: &[AttendanceRow<'static>]| {
        ann(&rows(rows_of_ann))
            .unwrap()
            .recording_url
            .map(|url| url.into_string())
    };
    assert_eq!(url(&[ready("7-1", START, None)]), None);
    let (old, new) = (
        ready("8-1", START, Some("https://example.com/old")),
        ready("7-1", START + 1, Some("https://example.com/new")),
    );
    assert_eq!(url(&[new, old]).as_deref(), Some("https://example.com/new"));
}
