//! What one row contributes to its person's contact.
//!
//! In three parts: the facts, numbers that are gone through of all rows with each change of one; the
//! words, which are looked at where the facts choose the row; and the form, which a person fills in
//! alike again and again, and which is kept once for all rows that have it.

use rollcall_schemas::record::{AttendanceRow, AttendanceStatus, Milestone, MilestoneKind, Phase};
use rollcall_schemas::{Text, TextMap};
use serde::{Deserialize, Serialize};

use super::form::FormId;

/// What of a row decides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) webinar: bool,
    pub(super) status: AttendanceStatus,
    pub(super) phase: Phase,
    pub(super) scheduled_start: Option<i64>,
    pub(super) ended_at: Option<i64>,
    pub(super) first_join: Option<i64>,
    pub(super) seconds: i64,
    pub(super) share: Option<i32>,
    /// Least of the times at which a registration was approved and of the first join.
    pub(super) first_seen: Option<i64>,
    pub(super) registration: Option<Registration>,
    /// When the recording was ready whose page is among the words.
    pub(super) recording_ready_at: Option<i64>,
    /// Whether a display name is among the words.
    pub(super) has_display_name: bool,
}

/// A registration that was approved at some time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Registration {
    /// When it was approved last.
    pub(super) approved_at: i64,
    /// Whether it still is.
    pub(super) approved: bool,
    pub(super) form: FormId,
}

/// What of a row is shown, where its facts choose it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Words<'a> {
    #[serde(borrow)]
    pub(super) topic: Option<&'a str>,
    #[serde(borrow)]
    pub(super) time_zone: Option<&'a str>,
    #[serde(borrow)]
    pub(super) join_url: Option<&'a str>,
    #[serde(borrow)]
    pub(super) registration_source: Option<&'a str>,
    #[serde(borrow)]
    pub(super) display_name: Option<&'a str>,
    #[serde(borrow)]
    pub(super) recording_url: Option<&'a str>,
}

/// The form of a registration, as it was filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Form<'a> {
    #[serde(borrow)]
    pub(super) first_name: Option<&'a str>,
    #[serde(borrow)]
    pub(super) last_name: Option<&'a str>,
    #[serde(borrow)]
    pub(super) fields: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    pub(super) custom_questions: Vec<(&'a str, &'a str)>,
}

impl Facts {
    /// What `row` contributes; of its registration, if it has one, `form` is the form.
    pub(super) fn of(row: &AttendanceRow<'_>, form: Option<FormId>) -> Self {
        use AttendanceStatus::{Cancelled, Denied, Pending};
        let first_approval = approvals(row).min();
        Self {
            webinar: row.webinar,
            status: row.status,
            phase: row.phase,
            scheduled_start: row.scheduled_start,
            ended_at: row.ended_at,
            first_join: row.first_join,
            seconds: row.seconds,
            share: row.share,
            first_seen: first_approval.into_iter().chain(row.first_join).min(),
            registration: approved_at(row)
                .zip(form)
                .map(|(approved_at, form)| Registration {
                    approved_at,
                    approved: row.registered_at.is_some()
                        && !matches!(row.status, Cancelled | Denied | Pending),
                    form,
                }),
            recording_ready_at: recording(row).map(|(ready_at, _)| ready_at),
            has_display_name: row.display_name.is_some(),
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

impl<'a> Words<'a> {
    /// What `row` shows.
    pub(super) fn of(row: &'a AttendanceRow<'_>) -> Self {
        Self {
            topic: row.topic.as_deref(),
            time_zone: row.time_zone.as_deref(),
            join_url: row.join_url.as_deref(),
            registration_source: row.registration_source.as_deref(),
            display_name: row.display_name.as_deref(),
            recording_url: recording(row).map(|(_, url)| url.as_str()),
        }
    }
}

impl<'a> Form<'a> {
    /// The form of the registration that `row` has, if it was ever approved.
    pub(super) fn of(row: &'a AttendanceRow<'_>) -> Option<Self> {
        approved_at(row).map(|_| Self {
            first_name: row.first_name.as_deref(),
            last_name: row.last_name.as_deref(),
            fields: pairs(&row.fields),
            custom_questions: pairs(&row.custom_questions),
        })
    }
}

/// When the row's registration was approved last. A cancelled one has no time of approval of its own
/// any more.
fn approved_at(row: &AttendanceRow<'_>) -> Option<i64> {
    row.registered_at.or_else(|| approvals(row).max())
}

fn approvals(row: &AttendanceRow<'_>) -> impl Iterator<Item = i64> {
    milestones(row, MilestoneKind::Registered).map(|milestone| milestone.at)
}

/// The latest recording that concerns the person: when it was ready, and its page.
fn recording<'r, 'a>(row: &'r AttendanceRow<'a>) -> Option<(i64, &'r Text<'a>)> {
    milestones(row, MilestoneKind::RecordingReady)
        .filter_map(|ready| {
            let url = ready.url.as_ref().or(row.recording_url.as_ref())?;
            Some((ready.at, url))
        })
        .max()
}

fn milestones<'r, 'a>(
    row: &'r AttendanceRow<'a>,
    kind: MilestoneKind,
) -> impl Iterator<Item = &'r Milestone<'a>> {
    row.milestones
        .iter()
        .filter(move |milestone| milestone.kind == kind)
}

fn pairs<'a>(map: &'a TextMap<'_>) -> Vec<(&'a str, &'a str)> {
    map.iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}
