//! From a milestone of a row to an activity.

use rollcall_schemas::Text;
use rollcall_schemas::record::{Activity, AttendanceRow, Milestone, MilestoneKind};

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
