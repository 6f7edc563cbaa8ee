//! What may be set of the sink, in plain types.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rollcall_runtime::clock::Clock;
use rollcall_runtime::secret::Secret;
use rollcall_schemas::record::MilestoneKind;

use crate::limits::Plan;

/// What may be set of the sink.
#[derive(Clone)]
pub struct Options {
    /// Where Brevo is, with the version: `https://api.brevo.com/v3`.
    pub api_url: String,
    /// Brevo's API key (`xkeysib-…`).
    pub api_key: Secret,
    /// Which of Brevo's published limits apply.
    pub plan: Plan,
    /// The part of the limits that the sink may use, above 0 and at most 1: other programs use the
    /// same account.
    pub share_of_limits: f64,
    /// The lists that people are added to.
    pub lists: Lists,
    /// Which field of a contact goes to which attribute.
    pub field_mapping: Vec<FieldMapping>,
    /// The activities that become Brevo events.
    pub events: BTreeSet<MilestoneKind>,
    /// An activity older than this when its turn comes updates the contact and sends nothing else.
    pub max_activity_age: Duration,
    /// How long after an unknown outcome Brevo is asked again what it has; each counts from the
    /// moment the outcome became unknown. It is also asked at once.
    pub verify_after: Vec<Duration>,
    /// Whether mapped attributes that Brevo lacks are created.
    pub create_attributes: bool,
    /// Whether log lines show whole addresses, for finding a fault; else they are shortened.
    pub show_addresses: bool,
    /// Names this instance in the lease's group: stable over restarts, unique among those that run.
    pub instance: String,
    /// The time by which activities age and the ledger is stamped. Waits are in real time.
    pub clock: Arc<dyn Clock>,
}

/// The lists that people are added to, by Brevo's ids. Where none is set, nobody is added.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Lists {
    /// For whoever attended a meeting.
    pub meeting_participants: Option<i64>,
    /// For whoever attended a webinar.
    pub webinar_attendees: Option<i64>,
    /// For whoever registered for a webinar.
    pub webinar_registrants: Option<i64>,
}

impl Lists {
    /// The lists that are set, each once, with the names of their settings.
    #[must_use]
    pub fn wanted(&self) -> Vec<(&'static str, i64)> {
        [
            ("meeting_participants", self.meeting_participants),
            ("webinar_attendees", self.webinar_attendees),
            ("webinar_registrants", self.webinar_registrants),
        ]
        .into_iter()
        .filter_map(|(name, id)| id.map(|id| (name, id)))
        .collect()
    }
}

/// A field of the contact and the attribute it goes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldMapping {
    /// The contact's field, such as `webinar_title`, `phone` or `custom_questions.Your role`.
    pub field: String,
    /// Brevo's attribute.
    pub attribute: String,
    /// When it is written.
    pub update: UpdatePolicy,
}

/// When a mapped field is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UpdatePolicy {
    /// With every change.
    #[default]
    Always,
    /// Only where Brevo's contact has nothing there. Costs a request to read the contact.
    IfBlank,
    /// Not at all.
    Never,
}

impl Options {
    /// Every activity that can become a Brevo event.
    #[must_use]
    pub fn all_events() -> BTreeSet<MilestoneKind> {
        [
            MilestoneKind::Registered,
            MilestoneKind::Cancelled,
            MilestoneKind::Started,
            MilestoneKind::Ended,
            MilestoneKind::Attended,
            MilestoneKind::NoShow,
            MilestoneKind::RecordingReady,
        ]
        .into()
    }
}
