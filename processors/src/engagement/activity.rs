//! From a milestone of a row to an activity.

use std::ops::Range;

use rollcall_schemas::Text;
use rollcall_schemas::key;
use rollcall_schemas::record::{Activity, AttendanceRow, Milestone, MilestoneKind};
use rollcall_schemas::wire::{ACTIVITY, Encoder};

/// The activities that a row has to say, encoded, in buffers that are used again for the next row.
#[derive(Debug)]
pub(super) struct Activities {
    encoder: Encoder,
    keys: String,
    values: Vec<u8>,
    places: Vec<(Range<usize>, Range<usize>)>,
}

impl Activities {
    pub(super) fn new() -> Self {
        Self {
            encoder: ACTIVITY.encoder(),
            keys: String::new(),
            values: Vec::new(),
            places: Vec::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
        self.places.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Adds what is said of `milestone` of `row`, and returns its value.
    pub(super) fn add(&mut self, row: &AttendanceRow<'_>, milestone: &Milestone<'_>) -> &[u8] {
        let (key, value) = (self.keys.len(), self.values.len());
        self.keys.push_str(&row.email);
        self.keys.push(key::SEPARATOR);
        self.keys.push_str(&milestone.id);
        let activity = activity(&self.keys[key..], row, milestone);
        self.encoder.encode_into(&activity, &mut self.values);
        self.places
            .push((key..self.keys.len(), value..self.values.len()));
        &self.values[value..]
    }

    /// Drops the one that was added last: it is not to be said.
    pub(super) fn take_back(&mut self) {
        if let Some((key, value)) = self.places.pop() {
            self.keys.truncate(key.start);
            self.values.truncate(value.start);
        }
    }

    /// Keys and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.places
            .iter()
            .map(|(key, value)| (&self.keys[key.clone()], &self.values[value.clone()]))
    }
}

/// What is said of `milestone` of `row`, under `id`.
///
/// Of a registration nothing is said that changes while time passes: sessions come and go, and what
/// is next in a series moves on.
pub(super) fn activity<'r>(
    id: &'r str,
    row: &'r AttendanceRow<'_>,
    milestone: &'r Milestone<'_>,
) -> Activity<'r> {
    let registration = matches!(
        milestone.kind,
        MilestoneKind::Registered | MilestoneKind::Cancelled
    );
    Activity {
        id: id.into(),
        email: row.email.borrowed(),
        kind: milestone.kind,
        at: milestone.at,
        occurrence: row.occurrence.borrowed(),
        meeting_id: row.meeting_id.borrowed(),
        session_uuid: if registration {
            None
        } else {
            borrowed(&row.session_uuid)
        },
        webinar: row.webinar,
        topic: borrowed(&row.topic),
        scheduled_start: if row.series {
            None
        } else {
            row.scheduled_start
        },
        time_zone: borrowed(&row.time_zone),
        seconds: milestone.seconds,
        share: milestone.share,
        join_url: borrowed(&row.join_url),
        registration_source: borrowed(&row.registration_source),
        recording_url: borrowed(&milestone.url),
    }
}

fn borrowed<'r>(text: &'r Option<Text<'_>>) -> Option<Text<'r>> {
    text.as_ref().map(Text::borrowed)
}
