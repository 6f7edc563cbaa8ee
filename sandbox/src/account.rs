//! The account that is played: what people do, and nothing of how Zoom tells it.
//!
//! A [`Plan`] is a whole story, told from a seed: meetings and webinars, who registers for what,
//! and every seat that is taken in every session. [`crate::deliveries`] turns it into webhooks and
//! [`crate::truth`] into what must be known at the end; neither reads the other.

mod cast;
mod holding;
mod stays;
mod story;

pub use holding::{Holding, JOIN_GAP_MS, WINDOW_MS};

use crate::time::{DAY, HOUR};

/// Where every story begins: 2026-03-02T08:00:00Z, a Monday.
pub const BEGINS_MS: i64 = 1_772_409_600_000 + 8 * HOUR;

/// When the truth about a story is taken: after its last deadline, before what lies ahead of it.
pub const SETTLED_MS: i64 = BEGINS_MS + 5 * DAY;

/// The Brevo lists that a configuration names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lists {
    /// People who came to a meeting.
    pub meeting_participants: i64,
    /// People who came to a webinar.
    pub webinar_attendees: i64,
    /// People whose registration to a webinar was approved.
    pub webinar_registrants: i64,
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            meeting_participants: 15,
            webinar_attendees: 16,
            webinar_registrants: 17,
        }
    }
}

/// A whole story of one Zoom account.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was told from: the same seed and size give the same story.
    pub seed: u64,
    /// Zoom's account id.
    pub account_id: String,
    /// Domains whose people are staff.
    pub internal_domains: Vec<String>,
    /// Where Brevo keeps whom.
    pub lists: Lists,
    /// Meetings and webinars.
    pub meetings: Vec<Meeting>,
}

impl Plan {
    /// Tells the story of `seed` with about as many registrations as `registrants` (at least 8).
    ///
    /// Roles that a story needs are cast first, so that a small story has the rare ones too.
    #[must_use]
    pub fn seeded(seed: u64, registrants: usize) -> Self {
        story::tell(seed, registrants)
    }

    /// Registrations to all meetings and webinars.
    #[must_use]
    pub fn registrations(&self) -> usize {
        self.meetings
            .iter()
            .map(|meeting| meeting.registrations.len())
            .sum()
    }

    /// The sessions that run at a moment, with the number of seats taken: for a live display.
    #[must_use]
    pub fn running_at(&self, now_ms: i64) -> Vec<Running> {
        let mut running = Vec::new();
        for meeting in &self.meetings {
            for session in &meeting.sessions {
                if session.started_ms <= now_ms && now_ms < session.ended_ms {
                    let present = session
                        .seats
                        .iter()
                        .filter(|seat| seat.is_in_at(session, now_ms))
                        .count();
                    running.push(Running {
                        meeting_id: meeting.id,
                        topic: meeting.topic_at(now_ms).to_owned(),
                        webinar: meeting.webinar,
                        practice: session.practice,
                        present,
                    });
                }
            }
        }
        running
    }
}

/// One running session, for a live display.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Running {
    /// Zoom's id of the meeting or webinar.
    pub meeting_id: u64,
    /// Title.
    pub topic: String,
    /// Whether it is a webinar.
    pub webinar: bool,
    /// Whether it is a practice session.
    pub practice: bool,
    /// Seats taken, staff and guests included, waiting room left out.
    pub present: usize,
}

/// One meeting or webinar: what was planned, who registered, what took place.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// Zoom's id, more than ten digits.
    pub id: u64,
    /// The uuid that Zoom gives when it is scheduled; no session has it.
    pub uuid: String,
    /// Whether it is a webinar.
    pub webinar: bool,
    /// Zoom's type: 1 instant, 2 scheduled, 5 webinar, 8 recurring, 9 recurring webinar.
    pub kind: u8,
    /// The title that it is created with.
    pub topic: String,
    /// Planned length.
    pub minutes: i64,
    /// IANA name.
    pub time_zone: String,
    /// Zoom's user id of the host.
    pub host_id: String,
    /// The host's address, of an internal domain.
    pub host_email: String,
    /// When it was created in Zoom; never for an instant meeting.
    pub created_ms: Option<i64>,
    /// `settings.registration_type`: 1 once for the series, 3 once for chosen occurrences.
    pub registration_type: Option<i64>,
    /// Planned occurrences; empty for an instant meeting.
    pub slots: Vec<Slot>,
    /// A later change of title and time of the only slot.
    pub change: Option<Change>,
    /// Who registered.
    pub registrations: Vec<Registration>,
    /// What took place, by start.
    pub sessions: Vec<Session>,
}

impl Meeting {
    /// Whether registrations can name occurrences.
    #[must_use]
    pub fn recurs(&self) -> bool {
        matches!(self.kind, 8 | 9)
    }

    /// The title at a moment.
    #[must_use]
    pub fn topic_at(&self, now_ms: i64) -> &str {
        match &self.change {
            Some(change) if change.at_ms <= now_ms => &change.topic,
            _ => &self.topic,
        }
    }

    /// The planned start of a slot at a moment.
    #[must_use]
    pub fn slot_start_at(&self, slot: usize, now_ms: i64) -> i64 {
        match &self.change {
            Some(change) if change.at_ms <= now_ms => change.start_ms,
            _ => self.slots[slot].first_start_ms,
        }
    }

    /// The planned start of a slot after every change.
    #[must_use]
    pub fn final_start(&self, slot: usize) -> i64 {
        self.slot_start_at(slot, i64::MAX)
    }
}

/// One planned occurrence.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Zoom's occurrence id.
    pub occurrence_id: String,
    /// The planned start that it was created with.
    pub first_start_ms: i64,
    /// When it was taken out of the series.
    pub deleted_ms: Option<i64>,
}

/// A change of a meeting that does not recur.
#[derive(Clone, Debug)]
pub struct Change {
    /// When.
    pub at_ms: i64,
    /// The new title.
    pub topic: String,
    /// The new planned start.
    pub start_ms: i64,
}

/// An address as one mailbox has it, and as somebody typed it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// Trimmed, lower case, IDNA domain: the key of the person everywhere.
    pub canonical: String,
    /// As typed.
    pub spelled: String,
}

/// What a registration is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Any occurrence of a series.
    Series,
    /// These slots.
    Slots(Vec<usize>),
}

/// One registrant of one meeting.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Zoom's registrant id.
    pub registrant_id: String,
    /// The address given.
    pub address: Address,
    /// First name.
    pub first_name: String,
    /// Last name; not everybody has one.
    pub last_name: Option<String>,
    /// Organisation.
    pub org: Option<String>,
    /// The answer to the form's own question, `Team size`.
    pub team_size: Option<String>,
    /// What it is for.
    pub scope: Scope,
    /// Zoom's tracking source; webinars only.
    pub source: Option<String>,
    /// His own link.
    pub join_url: String,
    /// What became of it, by time; the first is the registration itself.
    pub facts: Vec<Fact>,
}

impl Registration {
    /// The status at a moment; absent before the registration.
    #[must_use]
    pub fn status_at(&self, now_ms: i64) -> Option<Status> {
        self.facts
            .iter()
            .rfind(|fact| fact.at_ms <= now_ms)
            .map(|fact| fact.status)
    }

    /// Approved at a moment.
    #[must_use]
    pub fn approved_at(&self, now_ms: i64) -> bool {
        self.status_at(now_ms) == Some(Status::Approved)
    }

    /// When it was approved last, whatever came after.
    #[must_use]
    pub fn approval(&self) -> Option<i64> {
        self.facts
            .iter()
            .rfind(|fact| fact.status == Status::Approved)
            .map(|fact| fact.at_ms)
    }
}

/// A registration's status.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Waits for the host.
    Pending,
    /// May come.
    Approved,
    /// Refused by the host.
    Denied,
    /// Taken back.
    Cancelled,
}

/// One change of a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fact {
    /// When, to the millisecond.
    pub at_ms: i64,
    /// What it became.
    pub status: Status,
}

/// One run of a meeting: one Zoom uuid.
#[derive(Clone, Debug)]
pub struct Session {
    /// Zoom's uuid.
    pub uuid: String,
    /// Start, whole seconds.
    pub started_ms: i64,
    /// End, whole seconds.
    pub ended_ms: i64,
    /// A webinar's practice session.
    pub practice: bool,
    /// Seats, in the order in which they were taken.
    pub seats: Vec<Seat>,
    /// Its recording.
    pub recording: Option<Recording>,
}

/// One seat: one `user_id` of one session.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Zoom's seat number.
    pub user_id: String,
    /// Zoom's id of the stay.
    pub participant_uuid: String,
    /// What it shows of the person.
    pub shows: Shows,
    /// Where it is.
    pub place: Place,
    /// What happens to it, by time.
    pub marks: Vec<Mark>,
}

impl Seat {
    /// The intervals in which the seat is in the session, not in its waiting room, clipped to the session.
    #[must_use]
    pub fn stays(&self, session: &Session) -> Vec<(i64, i64)> {
        let mut stays = Vec::new();
        let mut since = None;
        let mut joined = false;
        for mark in &self.marks {
            match mark.what {
                What::Joins => {
                    joined = true;
                    since = since.or(Some(mark.at_ms));
                }
                What::Admitted if joined => since = since.or(Some(mark.at_ms)),
                What::PutInWaitingRoom | What::Leaves { .. } => {
                    if let Some(from) = since.take() {
                        stays.push((from, mark.at_ms));
                    }
                }
                What::Waits
                | What::Admitted
                | What::LeavesWaitingRoom
                | What::ChangesRole { .. } => {}
            }
        }
        if let Some(from) = since {
            stays.push((from, session.ended_ms));
        }
        stays
            .into_iter()
            .map(|(from, to)| (from.max(session.started_ms), to.min(session.ended_ms)))
            .filter(|(from, to)| from < to)
            .collect()
    }

    /// When it first was in the session.
    #[must_use]
    pub fn first_join(&self) -> Option<i64> {
        self.marks
            .iter()
            .find(|mark| matches!(mark.what, What::Joins))
            .map(|mark| mark.at_ms)
    }

    fn is_in_at(&self, session: &Session, now_ms: i64) -> bool {
        self.stays(session)
            .iter()
            .any(|(from, to)| *from <= now_ms && now_ms < *to)
    }
}

/// What a seat shows of the person in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shows {
    /// The name shown.
    pub name: String,
    /// The address; guests show none.
    pub email: Option<Address>,
    /// Zoom's registrant id.
    pub registrant_id: Option<String>,
    /// Zoom's user id; users of the account only.
    pub participant_user_id: Option<String>,
}

/// Where a seat is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// In the session itself.
    Main,
    /// In a breakout room; the person sits in the parent seat.
    Breakout {
        /// The seat in the session.
        parent_user_id: String,
        /// Zoom's uuid of the room.
        room_uuid: String,
    },
    /// On the phone.
    Phone {
        /// The number shown.
        number: String,
        /// The seat that the caller said is his, and when.
        bound: Option<Bound>,
    },
}

/// A phone's binding to a seat.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bound {
    /// The seat.
    pub user_id: String,
    /// Its stay.
    pub participant_uuid: String,
    /// When.
    pub at_ms: i64,
}

/// One thing that happens to a seat.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mark {
    /// When, whole seconds.
    pub at_ms: i64,
    /// What.
    pub what: What,
}

/// What happens to a seat.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// Enters the waiting room from outside.
    Waits,
    /// Is let in.
    Admitted,
    /// Goes away from the waiting room.
    LeavesWaitingRoom,
    /// Is in.
    Joins,
    /// Is sent back to the waiting room.
    PutInWaitingRoom,
    /// Is out.
    Leaves {
        /// Zoom's free text.
        reason: &'static str,
        /// Zoom notices late: the news comes after the rejoin's.
        noticed_late: bool,
    },
    /// Gets another role.
    ChangesRole {
        /// Before.
        old: &'static str,
        /// After.
        new: &'static str,
    },
}

/// A cloud recording of a session.
#[derive(Clone, Debug)]
pub struct Recording {
    /// When Zoom finished it.
    pub completed_ms: i64,
    /// Its page.
    pub share_url: String,
    /// Zoom says it twice, the two differing in their tokens alone.
    pub said_twice: bool,
    /// When the transcript came.
    pub transcript_ms: Option<i64>,
}
