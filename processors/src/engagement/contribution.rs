//! What one row contributes to its person's contact.

use rollcall_schemas::Text;
use rollcall_schemas::record::{AttendanceRow, AttendanceStatus, MilestoneKind, Phase};
use serde::{Deserialize, Serialize};

/// The part of a row that a contact is made of, as it is kept in the store.
///
/// Compact, because a person's contributions are read and written together with each change of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Contribution<'a> {
    pub(super) webinar: bool,
    pub(super) status: AttendanceStatus,
    pub(super) phase: Phase,
    #[serde(borrow)]
    pub(super) topic: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) time_zone: Option<Text<'a>>,
    pub(super) scheduled_start: Option<i64>,
    pub(super) ended_at: Option<i64>,
    pub(super) first_join: Option<i64>,
    pub(super) seconds: i64,
    pub(super) share: Option<i32>,
    #[serde(borrow)]
    pub(super) join_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) registration_source: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) display_name: Option<Text<'a>>,
    /// Least of the times at which a registration was approved and of the first join.
    pub(super) first_seen: Option<i64>,
    #[serde(borrow)]
    pub(super) registration: Option<Registration<'a>>,
    #[serde(borrow)]
    pub(super) recording: Option<ReadyRecording<'a>>,
}

/// A registration that was approved at some time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Registration<'a> {
    /// When it was approved last.
    pub(super) approved_at: i64,
    /// Whether it still is.
    pub(super) approved: bool,
    #[serde(borrow)]
    pub(super) first_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) last_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) fields: Vec<(Text<'a>, Text<'a>)>,
    #[serde(borrow)]
    pub(super) custom_questions: Vec<(Text<'a>, Text<'a>)>,
}

/// A recording that concerns the person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ReadyRecording<'a> {
    pub(super) ready_at: i64,
    #[serde(borrow)]
    pub(super) url: Text<'a>,
}

impl<'a> Contribution<'a> {
    /// What `row` contributes.
    pub(super) fn of(row: &'a AttendanceRow<'_>) -> Self {
        let approvals = || milestones(row, MilestoneKind::Registered).map(|milestone| milestone.at);
        Self {
            webinar: row.webinar,
            status: row.status,
            phase: row.phase,
            topic: borrowed(&row.topic),
            time_zone: borrowed(&row.time_zone),
            scheduled_start: row.scheduled_start,
            ended_at: row.ended_at,
            first_join: row.first_join,
            seconds: row.seconds,
            share: row.share,
            join_url: borrowed(&row.join_url),
            registration_source: borrowed(&row.registration_source),
            display_name: borrowed(&row.display_name),
            first_seen: approvals().chain(row.first_join).min(),
            // A cancelled registration has no time of approval of its own any more.
            registration: row
                .registered_at
                .or_else(|| approvals().max())
                .map(|at| Registration::of(row, at)),
            recording: ReadyRecording::of(row),
        }
    }

    /// Whether the row makes its person a contact: one who only ever asked to come is none.
    pub(super) fn makes_a_contact(&self) -> bool {
        self.registration.is_some()
            || self.first_join.is_some()
            || !matches!(
                self.status,
                AttendanceStatus::Pending | AttendanceStatus::Denied | AttendanceStatus::Unknown
            )
    }

    /// Whether the occurrence is over, so that it may be said how it ended for the person.
    pub(super) fn has_ended_as(&self, status: AttendanceStatus) -> bool {
        self.phase == Phase::Ended && self.status == status
    }
}

impl<'a> Registration<'a> {
    fn of(row: &'a AttendanceRow<'_>, approved_at: i64) -> Self {
        use AttendanceStatus::{Cancelled, Denied, Pending};
        Self {
            approved_at,
            approved: row.registered_at.is_some()
                && !matches!(row.status, Cancelled | Denied | Pending),
            first_name: borrowed(&row.first_name),
            last_name: borrowed(&row.last_name),
            fields: row
                .fields
                .iter()
                .map(|(name, value)| (name.borrowed(), value.borrowed()))
                .collect(),
            custom_questions: row
                .custom_questions
                .iter()
                .map(|(title, answer)| (title.borrowed(), answer.borrowed()))
                .collect(),
        }
    }
}

impl<'a> ReadyRecording<'a> {
    fn of(row: &'a AttendanceRow<'_>) -> Option<Self> {
        let pages = milestones(row, MilestoneKind::RecordingReady).filter_map(|ready| {
            Some((ready.at, ready.url.as_ref().or(row.recording_url.as_ref())?))
        });
        let (ready_at, url) = pages.max()?;
        Some(Self {
            ready_at,
            url: url.borrowed(),
        })
    }
}

fn milestones<'r, 'a>(
    row: &'r AttendanceRow<'a>,
    kind: MilestoneKind,
) -> impl Iterator<Item = &'r rollcall_schemas::record::Milestone<'a>> {
    row.milestones
        .iter()
        .filter(move |milestone| milestone.kind == kind)
}

fn borrowed<'a>(text: &'a Option<Text<'_>>) -> Option<Text<'a>> {
    text.as_ref().map(Text::borrowed)
}
