//! What is known of a meeting or webinar as a whole: its plan, its sessions, its recordings.
//!
//! These are facts with the times inside them. They are only ever added to or replaced by newer ones,
//! so that a set of events leads to the same facts in whatever order it comes.

use rollcall_schemas::record::{EventKind, ZoomEvent};
use serde::{Deserialize, Serialize};

use super::latest::Latest;
use super::occurrence::Occurrence;

/// Zoom's types of meetings that recur at fixed times: 8 a meeting, 9 a webinar.
const RECURRING: [i32; 2] = [8, 9];
/// Zoom's types without a fixed time: 1 instant, 3 and 6 recurring, 4 and 7 personal rooms.
const UNSCHEDULED: [i32; 5] = [1, 3, 4, 6, 7];
/// Those of them that people register for as a series.
const RECURRING_UNSCHEDULED: [i32; 2] = [3, 6];

/// The facts of one meeting id.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Meeting {
    /// How many events took effect.
    pub(super) sequence: i64,
    pub(super) webinar: bool,
    pub(super) account_id: Latest<Box<str>>,
    pub(super) topic: Latest<Box<str>>,
    pub(super) host_email: Latest<Box<str>>,
    pub(super) time_zone: Latest<Box<str>>,
    pub(super) meeting_type: Latest<i32>,
    pub(super) registration_type: Latest<i32>,
    pub(super) deleted: Latest<bool>,
    /// Stream time, as far as it mattered to this meeting.
    pub(super) time: i64,
    /// The moment at which stream time matters next.
    pub(super) timer: Option<i64>,
    /// By key.
    pub(super) planned: Vec<Planned>,
    /// In order of first sight: seats name a session by its place here.
    pub(super) sessions: Vec<Session>,
    pub(super) recordings: Vec<Recording>,
    /// What the facts above come to, with the ids fixed at first sight.
    pub(super) occurrences: Vec<Occurrence>,
    /// Hashes of the events of the meeting as a whole that took effect, sorted.
    pub(super) seen: Vec<u64>,
}

/// A planned occurrence.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Planned {
    /// Zoom's occurrence id; empty for the one of a meeting that does not recur.
    pub(super) key: String,
    pub(super) start: Latest<i64>,
    pub(super) minutes: Latest<i32>,
    pub(super) deleted: Latest<bool>,
}

/// A session: one Zoom uuid.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) uuid: String,
    /// As its start or its end told it.
    pub(super) start: Option<i64>,
    /// As events of its seats name it. Whether that is the planned start or the actual one Zoom leaves
    /// open, so it only stands in until the start is told.
    pub(super) start_hint: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) practice: bool,
    pub(super) start_seen: bool,
    pub(super) topic: Latest<Box<str>>,
    /// First and last time at which anybody was seen in it.
    pub(super) signs: Option<(i64, i64)>,
}

/// A finished cloud recording, or several of one page.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Recording {
    pub(super) session_uuid: String,
    pub(super) url: String,
    pub(super) completed_at: i64,
    pub(super) transcript: bool,
}

/// How far an event reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Change {
    /// Something that rows of others may depend on.
    pub(super) structure: bool,
    /// The session that the event is of, by its place.
    pub(super) session: Option<u32>,
}

/// Adds to a sorted list. False where the hash was there.
pub(super) fn see(seen: &mut Vec<u64>, hash: u64) -> bool {
    match seen.binary_search(&hash) {
        Ok(_) => false,
        Err(place) => {
            seen.insert(place, hash);
            true
        }
    }
}

impl Planned {
    /// Planned end, where a start is known.
    pub(super) fn end(&self) -> Option<i64> {
        let minutes = self.minutes.get().copied().unwrap_or(0);
        self.start
            .get()
            .map(|start| start + i64::from(minutes.max(0)) * 60_000)
    }

    /// Since when it is out of the plan.
    pub(super) fn deleted_at(&self) -> Option<i64> {
        self.deleted
            .get()
            .filter(|deleted| **deleted)
            .and_then(|_| self.deleted.at())
    }
}

impl Session {
    /// When it started; until Zoom said so, what its seats say of it.
    pub(super) fn started_at(&self) -> Option<i64> {
        self.start
            .or(self.start_hint)
            .or(self.signs.map(|(first, _)| first))
    }

    /// The last moment at which it is known to have run.
    pub(super) fn known_to(&self) -> Option<i64> {
        self.end.or(self.signs.map(|(_, last)| last)).or(self.start)
    }
}

impl Meeting {
    /// Whether people register for occurrences of it, or for the series.
    pub(super) fn recurs(&self) -> bool {
        match self.meeting_type.get() {
            Some(kind) => RECURRING.contains(kind) || RECURRING_UNSCHEDULED.contains(kind),
            None => self.planned.iter().any(|planned| !planned.key.is_empty()),
        }
    }

    /// The planned occurrences that count for a meeting of its type.
    pub(super) fn plan(&self) -> impl Iterator<Item = &Planned> {
        let kind = self.meeting_type.get().copied();
        let recurs = self.recurs();
        let scheduled = kind.is_none_or(|kind| !UNSCHEDULED.contains(&kind));
        self.planned.iter().filter(move |planned| {
            scheduled && planned.key.is_empty() != recurs && planned.start.get().is_some()
        })
    }

    /// Takes what an event says of the meeting, whatever kind it is.
    pub(super) fn apply(&mut self, event: &ZoomEvent<'_>) -> Change {
        let at = event.occurred_at;
        self.webinar |= event.webinar;
        self.account_id.see_text(at, event.account_id.as_deref());
        let mut structure = self.host_email.see_text(at, event.host_email.as_deref());
        structure |= self.time_zone.see_text(at, event.time_zone.as_deref());
        if let Some(kind) = event.meeting_type {
            structure |= self.meeting_type.see(at, kind);
        }
        let session = match event.kind {
            EventKind::Started
            | EventKind::Ended
            | EventKind::ParticipantJoined
            | EventKind::ParticipantLeft
            | EventKind::WaitingRoomJoined
            | EventKind::WaitingRoomLeft
            | EventKind::WaitingRoomPut
            | EventKind::ParticipantAdmitted
            | EventKind::BreakoutJoined
            | EventKind::BreakoutLeft
            | EventKind::PhoneBound
            | EventKind::RoleChanged => {
                let (session, changed) = self.apply_session(event);
                structure |= changed;
                session
            }
            EventKind::RecordingCompleted | EventKind::TranscriptCompleted => {
                structure |= self.apply_recording(event);
                None
            }
            EventKind::Clock => {
                structure |= event.occurred_at > self.time;
                self.time = self.time.max(event.occurred_at);
                None
            }
            EventKind::Created
            | EventKind::Updated
            | EventKind::Deleted
            | EventKind::RegistrationCreated
            | EventKind::RegistrationApproved
            | EventKind::RegistrationCancelled
            | EventKind::RegistrationDenied => {
                structure |= self.topic.see_text(at, event.topic.as_deref());
                structure |= self.apply_plan(event);
                None
            }
            EventKind::Unknown => None,
        };
        Change { structure, session }
    }

    fn apply_session(&mut self, event: &ZoomEvent<'_>) -> (Option<u32>, bool) {
        let Some(uuid) = event.session_uuid.as_deref() else {
            return (None, false);
        };
        let known = self
            .sessions
            .iter()
            .position(|session| session.uuid == uuid);
        let mut changed = known.is_none();
        let place = known.unwrap_or_else(|| {
            self.sessions.push(Session {
                uuid: uuid.to_owned(),
                ..Session::default()
            });
            self.sessions.len() - 1
        });
        let others = self.sessions.len() > 1;
        let session = &mut self.sessions[place];
        changed |= session
            .topic
            .see_text(event.occurred_at, event.topic.as_deref());
        if let Some(start) = event.start_time {
            let is_told = matches!(event.kind, EventKind::Started | EventKind::Ended);
            let known = if is_told {
                &mut session.start
            } else {
                &mut session.start_hint
            };
            let earliest = known.map_or(start, |known| known.min(start));
            changed |= known.replace(earliest) != Some(earliest);
        }
        if event.kind == EventKind::Started {
            changed |= !std::mem::replace(&mut session.start_seen, true);
        }
        if let Some(ended) = &event.ended {
            let latest = session
                .end
                .map_or(ended.end_time, |known| known.max(ended.end_time));
            changed |= session.end.replace(latest) != Some(latest);
            changed |= ended.practice_session && !std::mem::replace(&mut session.practice, true);
        }
        if let Some(participant) = &event.participant {
            let at = participant.at;
            let signs = session
                .signs
                .map_or((at, at), |(first, last)| (first.min(at), last.max(at)));
            changed |=
                session.start.is_none() && session.signs.map(|(first, _)| first) != Some(signs.0);
            // Until its end is known, its last sign decides whether a later session goes on with it.
            changed |= others
                && session.end.is_none()
                && session.signs.map(|(_, last)| last) != Some(signs.1);
            session.signs = Some(signs);
        }
        (u32::try_from(place).ok(), changed)
    }

    fn apply_recording(&mut self, event: &ZoomEvent<'_>) -> bool {
        let Some((recording, uuid)) = event.recording.as_ref().zip(event.session_uuid.as_deref())
        else {
            return false;
        };
        let Some(url) = recording.share_url.as_deref() else {
            return false;
        };
        let transcript = recording.transcript || event.kind == EventKind::TranscriptCompleted;
        let known = self
            .recordings
            .iter_mut()
            .find(|known| known.session_uuid == uuid && known.url == url);
        match known {
            Some(known) => {
                let before = (known.completed_at, known.transcript);
                known.completed_at = known.completed_at.min(event.occurred_at);
                known.transcript |= transcript;
                before != (known.completed_at, known.transcript)
            }
            None => {
                self.recordings.push(Recording {
                    session_uuid: uuid.to_owned(),
                    url: url.to_owned(),
                    completed_at: event.occurred_at,
                    transcript,
                });
                self.recordings
                    .sort_by(|a, b| (&a.session_uuid, &a.url).cmp(&(&b.session_uuid, &b.url)));
                true
            }
        }
    }

    fn apply_plan(&mut self, event: &ZoomEvent<'_>) -> bool {
        let at = event.occurred_at;
        let mut changed = false;
        let occurrences = event
            .schedule
            .as_ref()
            .map_or(&[][..], |schedule| &schedule.occurrences);
        if let Some(kind) = event
            .schedule
            .as_ref()
            .and_then(|schedule| schedule.registration_type)
        {
            changed |= self.registration_type.see(at, kind);
        }
        let deletes = event.kind == EventKind::Deleted;
        for occurrence in occurrences {
            let planned = self.planned(&occurrence.occurrence_id);
            if let Some(start) = occurrence.start_time {
                changed |= planned.start.see(at, start);
            }
            if let Some(minutes) = occurrence.duration_minutes.or(event.duration_minutes) {
                changed |= planned.minutes.see(at, minutes);
            }
            if deletes || occurrence.deleted {
                changed |= planned.deleted.see(at, true);
            }
        }
        if occurrences.is_empty() {
            if deletes {
                changed |= self.deleted.see(at, true);
            }
            if let Some(start) = event.start_time {
                changed |= self.planned("").start.see(at, start);
            }
            if let Some(minutes) = event.duration_minutes {
                changed |= self.planned("").minutes.see(at, minutes);
            }
        }
        changed
    }

    fn planned(&mut self, key: &str) -> &mut Planned {
        let place = match self
            .planned
            .binary_search_by(|planned| planned.key.as_str().cmp(key))
        {
            Ok(place) => place,
            Err(place) => {
                self.planned.insert(
                    place,
                    Planned {
                        key: key.to_owned(),
                        ..Planned::default()
                    },
                );
                place
            }
        };
        &mut self.planned[place]
    }
}
