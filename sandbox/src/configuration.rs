//! The configuration that points a pipeline at a sandbox.

use std::{fmt::Write as _, net::SocketAddr};

use crate::{account::Lists, truth::FIELDS};

/// Where the pipeline itself is.
#[derive(Clone, Debug)]
pub struct PipelinePlaces {
    /// Where it takes webhooks.
    pub http: SocketAddr,
    /// Where it tells of itself.
    pub admin: SocketAddr,
    /// The line under `log:`, for example `embedded: { path: ./rollcall-data }`.
    pub log: String,
}

/// What the sandbox has to tell a pipeline.
pub(crate) struct Invitation<'a> {
    pub(crate) account_id: &'a str,
    pub(crate) secret_token: &'a str,
    pub(crate) internal_domains: &'a [String],
    pub(crate) lists: Lists,
    pub(crate) clock_url: &'a str,
    pub(crate) api_url: &'a str,
    pub(crate) api_key: &'a str,
    /// Brevo's name of the plan whose limits hold.
    pub(crate) plan: &'a str,
}

/// A whole `rollcall.yaml`.
pub(crate) fn yaml(invitation: &Invitation<'_>, places: &PipelinePlaces) -> String {
    let mut mapping = String::from("      email: email\n");
    for field in &FIELDS {
        let _ = writeln!(mapping, "      {}: {}", field.name, field.attribute);
    }
    let Invitation {
        account_id,
        secret_token,
        lists,
        clock_url,
        api_url,
        api_key,
        plan,
        ..
    } = invitation;
    let domains = invitation.internal_domains.join(", ");
    let PipelinePlaces { http, admin, log } = places;
    let Lists {
        meeting_participants,
        webinar_attendees,
        webinar_registrants,
    } = lists;
    format!(
        r#"# Points Rollcall at a sandbox: a Zoom account and a Brevo account on this machine.
connectors:
  zoom:
    enabled: true
    account_id: "{account_id}"
    sync:
      participants: true
      webinars: true
      recordings: true
      internal_domains: [{domains}]
    occurrence: {{ window: 60m, join_gap: 30m }}
    no_show_proof: webhooks
    webhook: {{ secret_token: "{secret_token}" }}
    lists: {{ meeting_participants: {meeting_participants}, webinar_attendees: {webinar_attendees}, webinar_registrants: {webinar_registrants} }}
    field_mapping:
{mapping}# The story's days pass in seconds: nothing is too old to be sent, and an uncertain effect is looked up soon.
brevo: {{ api_key: "{api_key}", api_url: "{api_url}", plan: {plan}, share_of_limits: 1.0, max_activity_age: 720h, verify_after: [1s, 2s] }}
http: {{ listen: "{http}" }}
admin: {{ listen: "{admin}" }}
log: {{ {log} }}
clock: {{ url: "{clock_url}" }}
"#
    )
}
