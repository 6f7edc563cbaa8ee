//! Occurrences: what the facts of a meeting come to, with ids that are fixed at first sight.

use jiff::Timestamp;
use rollcall_schemas::record::{Phase, RowState};
use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::grouping::group;
use super::meeting::Meeting;
use super::person::Counted;
use super::settings::{AttendanceSettings, NoShowProof};

/// What is kept of an occurrence: who it is, and who counts in it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Occurrence {
    pub(super) id: String,
    /// Key of the planned occurrence that it is.
    pub(super) planned: Option<String>,
    /// Places of its sessions, as they were when it was last looked at.
    pub(super) sessions: Vec<u32>,
    pub(super) counts: Counts,
    pub(super) peak: Option<i32>,
    /// Fingerprint of the row last written.
    pub(super) written: u64,
}

/// People who count in an occurrence.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) registered: i32,
    pub(super) attended: i32,
    pub(super) no_shows: i32,
    pub(super) guests: i32,
    pub(super) staff: i32,
}

impl Counts {
    /// Counts a person who counted otherwise before.
    pub(super) fn turn(&mut self, before: Counted, now: Counted) {
        let turn = |count: &mut i32, before: bool, now: bool| {
            *count += i32::from(now) - i32::from(before);
        };
        turn(&mut self.registered, before.registered, now.registered);
        turn(&mut self.attended, before.attended, now.attended);
        turn(&mut self.no_shows, before.no_show, now.no_show);
        turn(&mut self.guests, before.guest, now.guest);
        turn(&mut self.staff, before.staff, now.staff);
    }
}

/// An occurrence that is no more, and the one that has its sessions now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Moved {
    pub(super) from: String,
    pub(super) to: Option<String>,
}

/// What rows need to know of an occurrence; in the order of [`Meeting::occurrences`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct OccurrenceView {
    pub(super) phase: Phase,
    pub(super) state: RowState,
    pub(super) planned_start: Option<i64>,
    pub(super) planned_minutes: Option<i32>,
    pub(super) started_at: Option<i64>,
    /// Stream time has reached the start: from then on it may be said.
    pub(super) begun: bool,
    pub(super) ended_at: Option<i64>,
    /// Length of all sessions together that have ended.
    pub(super) seconds: i64,
    pub(super) last_uuid: Option<String>,
    pub(super) topic: Option<String>,
    /// Start and end of every session were seen.
    pub(super) proven: bool,
    /// Completion and page of the earliest recording.
    pub(super) recording: Option<(i64, String)>,
    /// Of all that a row shows of it.
    pub(super) fingerprint: u64,
}

/// What the facts of a meeting come to at its stream time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Views {
    pub(super) occurrences: Vec<OccurrenceView>,
    /// Of each session the place of its occurrence.
    pub(super) placed: Vec<Option<usize>>,
    /// Start and end of each session; none where it counts for nothing.
    pub(super) spans: Vec<Option<(i64, Option<i64>)>>,
    /// Place of the next planned occurrence that is ahead.
    pub(super) next: Option<usize>,
    /// Whether people register for occurrences of it, or for the series.
    pub(super) recurs: bool,
    /// Whether one registration of a recurring one is for the series, whatever it names.
    pub(super) once_for_all: bool,
    /// Place of the one planned occurrence of a meeting that does not recur.
    pub(super) only: Option<usize>,
}

/// Brings the occurrences of a meeting up to its facts.
pub(super) fn regroup(
    meeting: &mut Meeting,
    meeting_id: &str,
    settings: &AttendanceSettings,
) -> Vec<Moved> {
    let groups = group(meeting, settings);
    let former = std::mem::take(&mut meeting.occurrences);
    let mut former: Vec<Option<Occurrence>> = former.into_iter().map(Some).collect();
    let mut matched: Vec<Option<Occurrence>> = groups.iter().map(|_| None).collect();

    let take = |former: &mut Vec<Option<Occurrence>>, fits: &dyn Fn(&Occurrence) -> bool| {
        former
            .iter_mut()
            .filter(|place| place.as_ref().is_some_and(fits))
            .min_by_key(|place| {
                place
                    .as_ref()
                    .map(|known| earliest(meeting, &known.sessions))
            })
            .and_then(Option::take)
    };
    for (place, group) in groups.iter().enumerate() {
        if group.planned.is_some() {
            matched[place] = take(&mut former, &|known| known.planned == group.planned);
        }
    }
    for (place, group) in groups.iter().enumerate() {
        if matched[place].is_none() {
            let shares = |known: &Occurrence| {
                known.planned.is_none()
                    && known
                        .sessions
                        .iter()
                        .any(|session| group.sessions.contains(session))
            };
            matched[place] = take(&mut former, &shares);
        }
    }

    let mut occurrences: Vec<Occurrence> = Vec::with_capacity(groups.len());
    for (group, known) in groups.into_iter().zip(matched) {
        let mut occurrence = known.unwrap_or_else(|| {
            let start = group
                .planned
                .as_ref()
                .and_then(|key| meeting.plan().find(|planned| planned.key == *key))
                .and_then(|planned| planned.start.get().copied())
                .unwrap_or_else(|| earliest(meeting, &group.sessions).0);
            let taken = |id: &str| {
                occurrences.iter().any(|known| known.id == id)
                    || former.iter().flatten().any(|known| known.id == id)
            };
            Occurrence {
                id: name(meeting_id, start, taken),
                ..Occurrence::default()
            }
        });
        occurrence.planned = group.planned;
        occurrence.sessions = group.sessions;
        occurrences.push(occurrence);
    }
    let moved = former
        .into_iter()
        .flatten()
        .map(|gone| Moved {
            to: occurrences
                .iter()
                .find(|now| {
                    now.sessions
                        .iter()
                        .any(|session| gone.sessions.contains(session))
                })
                .map(|now| now.id.clone()),
            from: gone.id,
        })
        .collect();
    meeting.occurrences = occurrences;
    moved
}

/// Start and uuid of the earliest of some sessions.
fn earliest<'a>(meeting: &'a Meeting, sessions: &[u32]) -> (i64, &'a str) {
    sessions
        .iter()
        .filter_map(|place| meeting.sessions.get(*place as usize))
        .map(|session| {
            (
                session.started_at().unwrap_or(i64::MAX),
                session.uuid.as_str(),
            )
        })
        .min()
        .unwrap_or((i64::MAX, ""))
}

fn name(meeting_id: &str, start_ms: i64, taken: impl Fn(&str) -> bool) -> String {
    let start = Timestamp::from_millisecond(start_ms).unwrap_or_default();
    let id = format!("{meeting_id}-{}", start.strftime("%Y%m%dT%H%M%SZ"));
    if !taken(&id) {
        return id;
    }
    (2..)
        .map(|number| format!("{id}-{number}"))
        .find(|id| !taken(id))
        .expect("there are more numbers than occurrences")
}

/// What the facts come to, and when stream time matters next.
pub(super) fn look(meeting: &Meeting, settings: &AttendanceSettings) -> (Views, Option<i64>) {
    let mut timer = Timer {
        now: meeting.time,
        next: None,
    };
    let mut placed = vec![None; meeting.sessions.len()];
    for (place, occurrence) in meeting.occurrences.iter().enumerate() {
        for session in &occurrence.sessions {
            placed[*session as usize] = Some(place);
        }
    }
    let spans = meeting
        .sessions
        .iter()
        .map(|session| {
            session
                .started_at()
                .filter(|_| !session.practice)
                .map(|start| (start, session.end))
        })
        .collect();
    let occurrences: Vec<_> = meeting
        .occurrences
        .iter()
        .map(|occurrence| view(meeting, occurrence, settings, &mut timer))
        .collect();
    for session in meeting
        .sessions
        .iter()
        .filter(|session| session.end.is_none() && !session.practice)
    {
        let Some(start) = session.started_at() else {
            continue;
        };
        for planned in meeting.plan() {
            let opens = planned
                .start
                .get()
                .expect("plan() has only those with a start")
                - settings.window_ms;
            if start < opens {
                timer.at(opens);
            }
        }
    }
    let next = (0..occurrences.len())
        .filter(|place| occurrences[*place].phase == Phase::Upcoming)
        .min_by_key(|place| (occurrences[*place].planned_start, *place));
    let recurs = meeting.recurs();
    let only = meeting
        .occurrences
        .iter()
        .position(|occurrence| occurrence.planned.as_deref() == Some(""))
        .filter(|_| !recurs);
    (
        Views {
            occurrences,
            placed,
            spans,
            next,
            recurs,
            once_for_all: meeting.registration_type.get() == Some(&1),
            only,
        },
        timer.next,
    )
}

struct Timer {
    now: i64,
    next: Option<i64>,
}

impl Timer {
    /// Tells whether the moment has come; if not, it is waited for.
    fn at(&mut self, due: i64) -> bool {
        if due <= self.now {
            return true;
        }
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
        false
    }
}

fn view(
    meeting: &Meeting,
    occurrence: &Occurrence,
    settings: &AttendanceSettings,
    timer: &mut Timer,
) -> OccurrenceView {
    let planned = occurrence
        .planned
        .as_ref()
        .and_then(|key| meeting.planned.iter().find(|planned| planned.key == *key));
    let planned_end = planned.and_then(super::meeting::Planned::end);
    let sessions: Vec<_> = occurrence
        .sessions
        .iter()
        .map(|place| &meeting.sessions[*place as usize])
        .collect();
    let last_end = sessions
        .iter()
        .map(|session| session.end)
        .collect::<Option<Vec<_>>>()
        .and_then(|ends| ends.into_iter().max());

    let mut view = OccurrenceView {
        planned_start: planned.and_then(|planned| planned.start.get().copied()),
        planned_minutes: planned.and_then(|planned| planned.minutes.get().copied()),
        started_at: sessions
            .iter()
            .filter_map(|session| session.started_at())
            .min(),
        seconds: sessions
            .iter()
            .filter_map(|session| Some((session.end? - session.started_at()?).max(0) / 1000))
            .sum(),
        last_uuid: sessions.last().map(|session| session.uuid.clone()),
        topic: sessions
            .iter()
            .rev()
            .find_map(|session| session.topic.text())
            .or(meeting.topic.text())
            .map(str::to_owned),
        proven: sessions
            .iter()
            .all(|session| session.start_seen && session.end.is_some()),
        recording: meeting
            .recordings
            .iter()
            .filter(|recording| {
                sessions
                    .iter()
                    .any(|session| session.uuid == recording.session_uuid)
            })
            .map(|recording| (recording.completed_at, recording.url.clone()))
            .min(),
        state: RowState::Provisional,
        ..OccurrenceView::default()
    };
    // A sign of somebody in the session is no start: that is said only once Zoom has told it.
    let told = sessions.iter().all(|session| session.start.is_some());
    view.begun = told
        && view
            .started_at
            .is_some_and(|started_at| timer.at(started_at));
    if sessions.is_empty() {
        let deleted = planned.is_none_or(|planned| planned.deleted_at().is_some())
            || meeting.deleted.get() == Some(&true);
        let passed = !deleted && planned_end.is_some_and(|end| timer.at(end));
        view.phase = if deleted || passed {
            Phase::NotHeld
        } else {
            Phase::Upcoming
        };
    } else if let Some(last_end) = last_end {
        let gap_over = last_end + settings.join_gap_ms;
        let due = last_end.max(planned_end.map_or(gap_over, |end| end.min(gap_over)));
        view.phase = if timer.at(due) {
            Phase::Ended
        } else {
            Phase::Running
        };
        if view.phase == Phase::Ended {
            view.ended_at = Some(last_end);
            if timer.at(last_end + settings.finalize_after_ms) {
                view.state = RowState::Final;
            }
        }
    } else {
        view.phase = Phase::Running;
    }
    view.proven &= settings.no_show_proof == NoShowProof::Webhooks;
    view.fingerprint = fingerprint(meeting, &view);
    view
}

fn fingerprint(meeting: &Meeting, view: &OccurrenceView) -> u64 {
    let mut print = Fingerprint::default();
    print.number(view.phase as i64);
    print.number(view.state as i64);
    print.option(view.planned_start);
    print.option(view.planned_minutes.map(i64::from));
    print.option(view.started_at);
    print.option(view.ended_at);
    print.number(view.seconds);
    print.text(view.last_uuid.as_deref());
    print.text(view.topic.as_deref());
    print.text(meeting.host_email.text());
    print.text(meeting.time_zone.text());
    print.option(view.recording.as_ref().map(|(at, _)| *at));
    print.text(view.recording.as_ref().map(|(_, url)| url.as_str()));
    print.number(i64::from(view.proven));
    print.finish()
}
