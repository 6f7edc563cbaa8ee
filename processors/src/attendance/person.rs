//! What is known of a person in a meeting: his seats and his registrations.

use std::ops::Range;

use rollcall_runtime::StateError;
use rollcall_schemas::record::{EventKind, MilestoneKind, Participant, Registrant, ZoomEvent};
use serde::{Deserialize, Serialize};

use super::form::Form;
use super::latest::Latest;
use super::meeting::see;
use super::stay::{Mark, MarkKind};

/// A person's part in a meeting.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) facts: PersonFacts,
    /// What was said of them, by occurrence or series.
    pub(super) rows: Vec<Row>,
}

/// What is known of a person.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct PersonFacts {
    /// By session and seat.
    pub(super) seats: Vec<Seat>,
    /// By registrant id.
    pub(super) registrations: Vec<Registration>,
}

/// A seat: one stay in the main session, a breakout room, or on the phone.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Seat {
    /// Place of the session among the meeting's.
    pub(super) session: u32,
    /// Zoom's seat number; the participant uuid where it has none.
    pub(super) user_id: Box<str>,
    /// Sorted.
    pub(super) marks: Vec<Mark>,
    pub(super) registrant_id: Latest<Box<str>>,
    pub(super) participant_user_id: Latest<Box<str>>,
    pub(super) email: Latest<Box<str>>,
    pub(super) display_name: Latest<Box<str>>,
    /// The seat in the main session, or the one that a phone is bound to.
    pub(super) belongs_to: Latest<Box<str>>,
    /// Hashes of its events that took effect, sorted.
    pub(super) seen: Vec<u64>,
}

/// A registration.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Registration {
    pub(super) id: Box<str>,
    /// What became of it, and when; sorted.
    pub(super) facts: Vec<(i64, Standing)>,
    /// Zoom's ids of the occurrences that it is for.
    pub(super) scope: Latest<Vec<String>>,
    pub(super) form: Form,
    /// Hashes of its events that took effect, sorted.
    pub(super) seen: Vec<u64>,
}

/// What became of a registration. Of two facts of one moment the greater counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize)]
pub(super) enum Standing {
    Pending,
    Approved,
    Denied,
    Cancelled,
}

/// What was said of a person and an occurrence, or a series.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    /// Id of the occurrence; of a series the meeting id.
    pub(super) about: Box<str>,
    pub(super) version: i64,
    /// The version last written to the topic.
    pub(super) written: i64,
    /// Whether there is a row: else a tombstone.
    pub(super) shown: bool,
    pub(super) fingerprint: u64,
    pub(super) was_final: bool,
    pub(super) corrected: bool,
    pub(super) milestones: Vec<Milestone>,
    pub(super) counted: Counted,
    /// The row as it was when something was last recorded in it that is not written yet.
    #[serde(skip)]
    pub(super) said: Option<Said>,
}

/// A row that was encoded before the unit of work ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Said {
    /// The version of the row that it is.
    pub(super) version: i64,
    /// Where it lies in the roll's buffer.
    pub(super) place: Range<usize>,
}

/// A milestone, as the row keeps it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Milestone {
    pub(super) at: i64,
    pub(super) id: Box<str>,
    pub(super) kind: MilestoneKind,
    pub(super) seconds: Option<i64>,
    pub(super) share: Option<i32>,
    pub(super) url: Option<Box<str>>,
}

/// How a person counts in an occurrence.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Counted {
    pub(super) registered: bool,
    pub(super) attended: bool,
    pub(super) no_show: bool,
    pub(super) guest: bool,
    pub(super) staff: bool,
}

impl Said {
    /// Whether this is what is to be written of the row: as the row is now, or, of one that was taken
    /// back, as it was when something was said.
    pub(super) fn shows(&self, row: &Row) -> bool {
        self.version == row.version || !row.shown
    }
}

impl Seat {
    /// Whether the seat is this one.
    pub(super) fn is(&self, session: u32, user_id: &str) -> bool {
        self.session == session && *self.user_id == *user_id
    }

    /// Whether an event took effect before.
    pub(super) fn has_seen(&self, hash: u64) -> bool {
        self.seen.binary_search(&hash).is_ok()
    }

    /// Takes what an event says of the seat. Tells whether it may be somebody else's now.
    pub(super) fn apply(
        &mut self,
        event: &ZoomEvent<'_>,
        participant: &Participant<'_>,
        hash: u64,
    ) -> bool {
        see(&mut self.seen, hash);
        let at = participant.at;
        let mut identity = self
            .registrant_id
            .see_text(at, participant.registrant_id.as_deref());
        identity |= self
            .participant_user_id
            .see_text(at, participant.participant_user_id.as_deref());
        identity |= self.email.see_text(at, participant.email.as_deref());
        identity |= self.belongs_to.see_text(
            at,
            participant
                .bound_user_id
                .as_deref()
                .or(participant.parent_user_id.as_deref()),
        );
        self.display_name
            .see_text(at, participant.display_name.as_deref());
        let kind = match event.kind {
            EventKind::ParticipantJoined | EventKind::BreakoutJoined => MarkKind::Join,
            EventKind::ParticipantLeft | EventKind::BreakoutLeft => MarkKind::Leave,
            EventKind::WaitingRoomPut => MarkKind::ToWaitingRoom,
            EventKind::ParticipantAdmitted => MarkKind::Admitted,
            _ => return identity,
        };
        let mark = Mark { at, kind };
        if let Err(place) = self.marks.binary_search(&mark) {
            self.marks.insert(place, mark);
        }
        identity
    }
}

impl Registration {
    /// Whether an event took effect before.
    pub(super) fn has_seen(&self, hash: u64) -> bool {
        self.seen.binary_search(&hash).is_ok()
    }

    /// Takes what an event says of the registration.
    pub(super) fn apply(
        &mut self,
        event: &ZoomEvent<'_>,
        registrant: &Registrant<'_>,
        hash: u64,
    ) -> Result<(), StateError> {
        see(&mut self.seen, hash);
        let at = event.occurred_at;
        let standing = match event.kind {
            EventKind::RegistrationApproved => Standing::Approved,
            EventKind::RegistrationCancelled => Standing::Cancelled,
            EventKind::RegistrationDenied => Standing::Denied,
            _ if registrant.status.as_deref() == Some("pending") => Standing::Pending,
            _ => Standing::Approved,
        };
        if let Err(place) = self.facts.binary_search(&(at, standing)) {
            self.facts.insert(place, (at, standing));
        }
        if let Some(schedule) = event
            .schedule
            .as_ref()
            .filter(|schedule| !schedule.occurrences.is_empty())
        {
            let mut scope: Vec<_> = schedule
                .occurrences
                .iter()
                .map(|occurrence| occurrence.occurrence_id.as_str().to_owned())
                .collect();
            scope.sort_unstable();
            self.scope.see(at, scope);
        }
        self.form.see(at, registrant)
    }

    /// How it stood at a moment; `None` where it was not there yet.
    pub(super) fn standing_at(&self, at: i64) -> Option<Standing> {
        self.facts
            .iter()
            .rev()
            .find(|(fact_at, _)| *fact_at <= at)
            .map(|(_, standing)| *standing)
    }

    /// How it stands.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.facts.last().map(|(_, standing)| *standing)
    }

    /// When it was first approved.
    pub(super) fn approved_at(&self) -> Option<i64> {
        self.first(Standing::Approved)
    }

    /// When it was first cancelled.
    pub(super) fn cancelled_at(&self) -> Option<i64> {
        self.first(Standing::Cancelled)
    }

    fn first(&self, wanted: Standing) -> Option<i64> {
        self.facts
            .iter()
            .find(|(_, standing)| *standing == wanted)
            .map(|(at, _)| *at)
    }
}

impl PersonFacts {
    /// Takes out a seat.
    pub(super) fn take_seat(&mut self, session: u32, user_id: &str) -> Option<Seat> {
        let place = self
            .seats
            .iter()
            .position(|seat| seat.is(session, user_id))?;
        Some(self.seats.remove(place))
    }

    /// Puts in a seat.
    pub(super) fn put_seat(&mut self, seat: Seat) {
        let place = self.seats.partition_point(|known| {
            (known.session, &known.user_id) < (seat.session, &seat.user_id)
        });
        self.seats.insert(place, seat);
    }

    /// A registration.
    pub(super) fn registration(&self, id: &str) -> Option<&Registration> {
        self.registrations
            .iter()
            .find(|registration| *registration.id == *id)
    }

    /// Takes out a registration.
    pub(super) fn take_registration(&mut self, id: &str) -> Option<Registration> {
        let place = self
            .registrations
            .iter()
            .position(|registration| *registration.id == *id)?;
        Some(self.registrations.remove(place))
    }

    /// Puts in a registration.
    pub(super) fn put_registration(&mut self, registration: Registration) {
        let place = self
            .registrations
            .partition_point(|known| known.id < registration.id);
        self.registrations.insert(place, registration);
    }
}
