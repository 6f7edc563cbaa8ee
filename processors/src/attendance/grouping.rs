//! Which sessions are one occurrence.
//!
//! A session belongs to the planned occurrence in whose window it starts, the nearest if several; one
//! that began before a window and still runs when that opens is moved into it. Sessions outside of
//! every window that are less than the join gap apart are one occurrence by themselves.

use super::meeting::Meeting;
use super::settings::AttendanceSettings;

/// An occurrence as the facts of now have it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Group {
    /// Key of the planned occurrence.
    pub(super) planned: Option<String>,
    /// Places of its sessions, by start and uuid; practice sessions left out.
    pub(super) sessions: Vec<u32>,
}

/// Groups the sessions of a meeting: first one group a planned occurrence, by key, then the others,
/// by start.
pub(super) fn group(meeting: &Meeting, settings: &AttendanceSettings) -> Vec<Group> {
    let mut sessions: Vec<(i64, u32)> = meeting
        .sessions
        .iter()
        .zip(0_u32..)
        .filter(|(session, _)| !session.practice)
        .filter_map(|(session, place)| Some((session.started_at()?, place)))
        .collect();
    sessions.sort_by_key(|(start, place)| (*start, &meeting.sessions[*place as usize].uuid));

    let plan: Vec<_> = meeting.plan().collect();
    let mut groups: Vec<Group> = plan
        .iter()
        .map(|planned| Group {
            planned: Some(planned.key.clone()),
            sessions: Vec::new(),
        })
        .collect();
    let mut covered_to: Option<i64> = None;
    for (start, place) in sessions {
        let session = &meeting.sessions[place as usize];
        let windows = plan.iter().enumerate().filter_map(|(i, planned)| {
            let opens = planned.start.get()? - settings.window_ms;
            let closes = planned.end()? + settings.window_ms;
            let stands = planned
                .deleted_at()
                .is_none_or(|deleted_at| start < deleted_at);
            stands.then_some((i, *planned.start.get()?, opens, closes))
        });
        let started_in = windows
            .clone()
            .filter(|(.., opens, closes)| (*opens..=*closes).contains(&start))
            .min_by_key(|(i, planned_start, ..)| {
                ((start - planned_start).abs(), *planned_start, *i)
            });
        let ran_into = windows
            .filter(|(.., opens, _)| {
                start < *opens
                    && session
                        .end
                        .map_or(meeting.time >= *opens, |end| end > *opens)
            })
            .min_by_key(|(i, _, opens, _)| (*opens, *i));
        if let Some((i, ..)) = started_in.or(ran_into) {
            groups[i].sessions.push(place);
            continue;
        }
        let goes_on = covered_to.is_some_and(|to| start - to < settings.join_gap_ms);
        if !goes_on {
            groups.push(Group::default());
        }
        let group = groups
            .last_mut()
            .expect("one was pushed for the first unscheduled session");
        group.sessions.push(place);
        let known_to = session.known_to().unwrap_or(start);
        covered_to = Some(
            covered_to
                .filter(|_| goes_on)
                .map_or(known_to, |to| to.max(known_to)),
        );
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::super::latest::Latest;
    use super::super::meeting::{Meeting, Planned, Session};
    use super::super::settings::AttendanceSettings;
    use super::{Group, group};

    const MINUTE: i64 = 60_000;

    fn seen<T: Ord>(value: T) -> Latest<T> {
        let mut latest = Latest::default();
        latest.see(0, value);
        latest
    }

    fn planned(key: &str, start_minute: i64, minutes: i32) -> Planned {
        Planned {
            key: key.to_owned(),
            start: seen(start_minute * MINUTE),
            minutes: seen(minutes),
            ..Planned::default()
        }
    }

    fn session(uuid: &str, start_minute: i64, end_minute: Option<i64>) -> Session {
        Session {
            uuid: uuid.to_owned(),
            start: Some(start_minute * MINUTE),
            end: end_minute.map(|end| end * MINUTE),
            ..Session::default()
        }
    }

    fn groups(meeting: &Meeting) -> Vec<(Option<String>, Vec<u32>)> {
        group(meeting, &AttendanceSettings::default())
            .into_iter()
            .map(|Group { planned, sessions }| (planned, sessions))
            .collect()
    }

    #[test]
    fn a_restart_is_one_occurrence_and_a_rehearsal_another() {
        let meeting = Meeting {
            meeting_type: seen(5),
            planned: vec![planned("", 2000, 60)],
            sessions: vec![
                session("second", 2030, Some(2062)),
                session("first", 1995, Some(2028)),
                session("rehearsal", 600, Some(620)),
            ],
            ..Meeting::default()
        };
        assert_eq!(
            groups(&meeting),
            [(Some(String::new()), vec![1, 0]), (None, vec![2])]
        );
    }

    #[test]
    fn the_nearest_of_two_windows_has_the_session() {
        let meeting = Meeting {
            meeting_type: seen(9),
            planned: vec![planned("a", 1000, 30), planned("b", 1090, 30)],
            sessions: vec![
                session("x", 1050, Some(1060)),
                session("y", 1040, Some(1045)),
            ],
            ..Meeting::default()
        };
        assert_eq!(
            groups(&meeting),
            [
                (Some("a".to_owned()), vec![1]),
                (Some("b".to_owned()), vec![0])
            ]
        );
    }

    #[test]
    fn one_that_runs_into_a_window_is_moved_there() {
        let mut meeting = Meeting {
            meeting_type: seen(2),
            planned: vec![planned("", 1000, 30)],
            sessions: vec![session("early", 900, None)],
            ..Meeting::default()
        };
        meeting.time = 939 * MINUTE;
        assert_eq!(
            groups(&meeting),
            [(Some(String::new()), vec![]), (None, vec![0])]
        );
        meeting.time = 940 * MINUTE;
        assert_eq!(groups(&meeting), [(Some(String::new()), vec![0])]);
    }

    #[test]
    fn without_a_schedule_a_short_gap_joins_and_a_long_one_parts() {
        let meeting = Meeting {
            meeting_type: seen(1),
            sessions: vec![
                session("c", 100, Some(110)),
                session("a", 0, Some(40)),
                session("b", 41, Some(71)),
            ],
            ..Meeting::default()
        };
        assert_eq!(groups(&meeting), [(None, vec![1, 2, 0])]);
        let apart = Meeting {
            sessions: vec![session("a", 0, Some(40)), session("b", 70, Some(80))],
            ..meeting
        };
        assert_eq!(groups(&apart), [(None, vec![0]), (None, vec![1])]);
    }

    #[test]
    fn an_occurrence_taken_out_of_the_plan_has_only_what_started_before() {
        let mut out = planned("a", 1000, 30);
        out.deleted.see(1100 * MINUTE, true);
        let meeting = Meeting {
            meeting_type: seen(9),
            planned: vec![out],
            sessions: vec![session("before", 1000, Some(1030))],
            ..Meeting::default()
        };
        assert_eq!(groups(&meeting), [(Some("a".to_owned()), vec![0])]);
    }
}
