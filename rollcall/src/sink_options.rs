//! The sink's options, from the configuration.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::Result;
use rollcall_runtime::clock::Clock;
use rollcall_schemas::record::MilestoneKind;
use rollcall_sink::effect::Wanted;
use rollcall_sink::limits::Plan;
use rollcall_sink::{FieldMapping, Lists, Options, UpdatePolicy};

use crate::config::{BrevoPlan, Config, UpdateRule};

/// Brevo's event for each thing that happens.
const EVENTS: [(&str, MilestoneKind); 7] = [
    ("zoom_registered", MilestoneKind::Registered),
    ("zoom_registration_cancelled", MilestoneKind::Cancelled),
    ("zoom_meeting_started", MilestoneKind::Started),
    ("zoom_meeting_ended", MilestoneKind::Ended),
    ("zoom_attended", MilestoneKind::Attended),
    ("zoom_no_show", MilestoneKind::NoShow),
    ("zoom_recording_ready", MilestoneKind::RecordingReady),
];

/// What is done for an activity. Needs no key of Brevo.
pub(crate) fn wanted(config: &Config) -> Wanted {
    Wanted::of(events(config), lists(config))
}

fn events(config: &Config) -> BTreeSet<MilestoneKind> {
    EVENTS
        .iter()
        .filter(|(name, _)| config.brevo.events.is_on(name))
        .map(|(_, kind)| *kind)
        .collect()
}

fn lists(config: &Config) -> Lists {
    let lists = &config.connectors.zoom.lists;
    let list = |id: Option<NonZeroU32>| id.map(|id| i64::from(id.get()));
    Lists {
        meeting_participants: list(lists.meeting_participants),
        webinar_attendees: list(lists.webinar_attendees),
        webinar_registrants: list(lists.webinar_registrants),
    }
}

pub(crate) fn from(config: &Config, clock: Arc<dyn Clock>) -> Result<Options> {
    let (zoom, brevo) = (&config.connectors.zoom, &config.brevo);
    Ok(Options {
        api_url: brevo.api_url.to_string(),
        api_key: config.brevo_api_key()?.clone(),
        plan: match brevo.plan {
            BrevoPlan::General => Plan::General,
            BrevoPlan::Advanced => Plan::Advanced,
            BrevoPlan::Extended => Plan::Extended,
        },
        share_of_limits: brevo.share_of_limits.0,
        lists: lists(config),
        field_mapping: zoom
            .field_mapping
            .0
            .iter()
            .map(|mapped| FieldMapping {
                field: mapped.field.clone(),
                attribute: mapped.attribute.clone(),
                update: match mapped.update {
                    UpdateRule::Always => UpdatePolicy::Always,
                    UpdateRule::IfBlank => UpdatePolicy::IfBlank,
                    UpdateRule::Never => UpdatePolicy::Never,
                },
            })
            .collect(),
        events: events(config),
        max_activity_age: brevo.max_activity_age.0,
        verify_after: brevo.verify_after.iter().map(|period| period.0).collect(),
        create_attributes: brevo.create_attributes,
        show_addresses: zoom.debug,
        instance: format!("{}-sink", config.instance_name()),
        clock,
    })
}
