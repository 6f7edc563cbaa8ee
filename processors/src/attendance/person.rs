//! What is known of a person in a meeting: his seats and his registrations.

use std::collections::BTreeMap;

use rollcall_schemas::record::{EventKind, MilestoneKind, Participant, Registrant, ZoomEvent};
use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::latest::Latest;
use super::meeting::see;
use super::stay::{Mark, MarkKind};

/// A person's part in a meeting.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Person {
    /// By session and seat.
    pub(super) seats: Vec<Seat>,
    /// By registrant id.
    pub(super) registrations: Vec<Registration>,
    /// By occurrence or series.
    pub(super) rows: Vec<Row>,
}

/// A seat: one stay in the main session, a breakout room, or on the phone.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Seat {
    /// Place of the session among the meeting's.
    pub(super) session: u32,
    /// Zoom's seat number; the participant uuid where it has none.
    pub(super) user_id: String,
    /// Sorted.
    pub(super) marks: Vec<Mark>,
    pub(super) registrant_id: Latest<String>,
    pub(super) participant_user_id: Latest<String>,
    pub(super) email: Latest<String>,
    pub(super) display_name: Latest<String>,
    /// The seat in the main session, or the one that a phone is bound to.
    pub(super) belongs_to: Latest<String>,
    /// Hashes of its events that took effect, sorted.
    pub(super) seen: Vec<u64>,
}

/// A registration.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Registration {
    pub(super) id: String,
    /// What became of it, and when; sorted.
    pub(super) facts: Vec<(i64, Standing)>,
    /// Zoom's ids of the occurrences that it is for.
    pub(super) scope: Latest<Vec<String>>,
    pub(super) first_name: Latest<String>,
    pub(super) last_name: Latest<String>,
    pub(super) join_url: Latest<String>,
    pub(super) source: Latest<String>,
    pub(super) fields: BTreeMap<String, Latest<String>>,
    pub(super) custom_questions: BTreeMap<String, Latest<String>>,
    /// Of the form, as rows show it.
    pub(super) form: u64,
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
    pub(super) about: String,
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
}

/// A milestone, as the row keeps it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Milestone {
    pub(super) at: i64,
    pub(super) id: String,
    pub(super) kind: MilestoneKind,
    pub(super) seconds: Option<i64>,
    pub(super) share: Option<i32>,
    pub(super) url: Option<String>,
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

impl Seat {
    /// Takes what an event says of the seat. False where it was taken before.
    pub(super) fn apply(
        &mut self,
        event: &ZoomEvent<'_>,
        participant: &Participant<'_>,
        hash: u64,
    ) -> bool {
        if !see(&mut self.seen, hash) {
            return false;
        }
        let at = participant.at;
        self.registrant_id
            .see_text(at, participant.registrant_id.as_deref());
        self.participant_user_id
            .see_text(at, participant.participant_user_id.as_deref());
        self.email.see_text(at, participant.email.as_deref());
        self.display_name
            .see_text(at, participant.display_name.as_deref());
        self.belongs_to.see_text(
            at,
            participant
                .bound_user_id
                .as_deref()
                .or(participant.parent_user_id.as_deref()),
        );
        let kind = match event.kind {
            EventKind::ParticipantJoined | EventKind::BreakoutJoined => MarkKind::Join,
            EventKind::ParticipantLeft | EventKind::BreakoutLeft => MarkKind::Leave,
            EventKind::WaitingRoomPut => MarkKind::ToWaitingRoom,
            EventKind::ParticipantAdmitted => MarkKind::Admitted,
            _ => return true,
        };
        let mark = Mark { at, kind };
        if let Err(place) = self.marks.binary_search(&mark) {
            self.marks.insert(place, mark);
        }
        true
    }
}

impl Registration {
    /// Takes what an event says of the registration. False where it was taken before.
    pub(super) fn apply(
        &mut self,
        event: &ZoomEvent<'_>,
        registrant: &Registrant<'_>,
        hash: u64,
    ) -> bool {
        if !see(&mut self.seen, hash) {
            return false;
        }
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
        self.first_name
            .see_text(at, registrant.first_name.as_deref());
        self.last_name.see_text(at, registrant.last_name.as_deref());
        self.join_url.see_text(at, registrant.join_url.as_deref());
        self.source
            .see_text(at, registrant.tracking_source.as_deref());
        for (name, value) in &registrant.fields {
            see_named(&mut self.fields, at, name, value);
        }
        for (title, answer) in &registrant.custom_questions {
            see_named(&mut self.custom_questions, at, title, answer);
        }
        self.form = self.print_form();
        true
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

    fn print_form(&self) -> u64 {
        let mut print = Fingerprint::default();
        for text in [
            &self.first_name,
            &self.last_name,
            &self.join_url,
            &self.source,
        ] {
            print.text(text.text());
        }
        for (name, value) in self.fields.iter().chain(&self.custom_questions) {
            print.text(Some(name));
            print.text(value.text());
        }
        print.finish()
    }
}

fn see_named(known: &mut BTreeMap<String, Latest<String>>, at: i64, name: &str, value: &str) {
    match known.get_mut(name) {
        Some(latest) => {
            latest.see_text(at, Some(value));
        }
        None => {
            known
                .entry(name.to_owned())
                .or_default()
                .see_text(at, Some(value));
        }
    }
}

impl Person {
    /// Takes out a seat.
    pub(super) fn take_seat(&mut self, session: u32, user_id: &str) -> Option<Seat> {
        let place = self
            .seats
            .iter()
            .position(|seat| seat.session == session && seat.user_id == user_id)?;
        Some(self.seats.remove(place))
    }

    /// Puts in a seat.
    pub(super) fn put_seat(&mut self, seat: Seat) {
        let place = self.seats.partition_point(|known| {
            (known.session, &known.user_id) < (seat.session, &seat.user_id)
        });
        self.seats.insert(place, seat);
    }

    /// Takes out a registration.
    pub(super) fn take_registration(&mut self, id: &str) -> Option<Registration> {
        let place = self
            .registrations
            .iter()
            .position(|registration| registration.id == id)?;
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
