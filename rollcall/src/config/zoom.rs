//! `connectors.zoom`: the Zoom account, and what of it goes where in Brevo.

use std::num::NonZeroU32;
use std::path::PathBuf;

use rollcall_runtime::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field_mapping::FieldMapping;
use super::scalar::{Domain, HttpUrl, Period, Secrets, Share, optional_secret, optional_text};

/// The Zoom account, and what of it goes where in Brevo.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Zoom {
    /// Whether this connector runs.
    pub(crate) enabled: bool,
    /// The account whose webhooks are kept; those of others are counted and dropped. Without it, every account's are kept.
    #[serde(deserialize_with = "optional_text")]
    pub(crate) account_id: Option<String>,
    /// Client id of the Zoom app. Not used yet.
    #[serde(deserialize_with = "optional_text")]
    pub(crate) client_id: Option<String>,
    /// Client secret of the Zoom app. Not used yet.
    #[serde(deserialize_with = "optional_secret")]
    #[schemars(with = "Option<String>")]
    pub(crate) client_secret: Option<Secret>,
    /// How Rollcall signs in to Zoom. Not used yet.
    pub(crate) auth: ZoomAuth,
    /// Where refresh tokens are kept when auth is user, with mode 0600. Not used yet.
    pub(crate) auth_file: Option<PathBuf>,
    /// Which of Zoom's published rate limits apply. Not used yet.
    pub(crate) plan: ZoomPlan,
    /// How much of Zoom's limits Rollcall may use: other apps use the same account. Not used yet.
    pub(crate) share_of_limits: Share,
    /// Zoom's REST API. Not used yet.
    pub(crate) api_url: HttpUrl,
    /// Zoom's sign-in. Not used yet.
    pub(crate) oauth_url: HttpUrl,
    /// Which meetings and people count.
    pub(crate) sync: Sync,
    /// Which sessions are one occurrence.
    pub(crate) occurrence: OccurrenceRules,
    /// How often the whole account is swept. Not used yet.
    pub(crate) poll_every: Period,
    /// How long after the end the first report is fetched; then at three times the distance each, until it is final. Not used yet.
    pub(crate) reconcile_after: Period,
    /// Least time between the two equal reports that settle one. Not used yet.
    pub(crate) settle_gap: Period,
    /// How long after the first complete report, and without one after the end, a row is final.
    pub(crate) finalize_after: Period,
    /// What shows that somebody did not come.
    pub(crate) no_show_proof: NoShowProof,
    /// Zoom's webhooks.
    pub(crate) webhook: ZoomWebhook,
    /// The Brevo lists that people are added to, by number. One that is left out is not filled.
    pub(crate) lists: Lists,
    /// Which field of a contact goes to which Brevo attribute.
    pub(crate) field_mapping: FieldMapping,
    /// Whether log lines show whole e-mail addresses, for finding a fault.
    pub(crate) debug: bool,
    /// The least important log lines that are shown.
    pub(crate) log_level: LogLevel,
    /// Whether each webhook is logged: event, ids and size, never the body.
    pub(crate) log_webhooks: bool,
}

impl Default for Zoom {
    fn default() -> Self {
        Self {
            enabled: true,
            account_id: None,
            client_id: None,
            client_secret: None,
            auth: ZoomAuth::default(),
            auth_file: None,
            plan: ZoomPlan::default(),
            share_of_limits: Share(0.8),
            api_url: HttpUrl::known("https://api.zoom.us/v2"),
            oauth_url: HttpUrl::known("https://zoom.us/oauth"),
            sync: Sync::default(),
            occurrence: OccurrenceRules::default(),
            poll_every: Period::hours(1),
            reconcile_after: Period::minutes(10),
            settle_gap: Period::minutes(15),
            finalize_after: Period::hours(24),
            no_show_proof: NoShowProof::default(),
            webhook: ZoomWebhook::default(),
            lists: Lists::default(),
            field_mapping: FieldMapping::default(),
            debug: false,
            log_level: LogLevel::default(),
            log_webhooks: false,
        }
    }
}

/// How Rollcall signs in to Zoom.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ZoomAuth {
    /// As the app itself, for its own account.
    #[default]
    ServerToServer,
    /// As a user who allowed it once; refresh tokens are kept in auth_file.
    User,
}

/// Which of Zoom's published rate limits apply.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ZoomPlan {
    /// A basic account.
    Free,
    /// Pro.
    #[default]
    Pro,
    /// Business, Education, Enterprise or Partner.
    Business,
}

/// Which meetings and people count.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sync {
    /// Whether meetings count. Not used yet.
    pub(crate) participants: bool,
    /// Whether webinars count. Not used yet.
    pub(crate) webinars: bool,
    /// Whether recordings count. Not used yet.
    pub(crate) recordings: bool,
    /// Where not empty, only what one of these matches counts. Not used yet.
    pub(crate) include: Vec<Selector>,
    /// What one of these matches does not count, whatever include says. Not used yet.
    pub(crate) exclude: Vec<Selector>,
    /// People with an address of these domains are staff: counted apart, never a contact.
    pub(crate) internal_domains: Vec<Domain>,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            participants: true,
            webinars: true,
            recordings: true,
            include: Vec::new(),
            exclude: Vec::new(),
            internal_domains: Vec::new(),
        }
    }
}

/// Matches meetings and webinars.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Selector {
    /// The one with this id.
    Meeting(u64),
    /// Those of the host with this address.
    Host(String),
    /// Those whose topic matches this pattern, in which * stands for anything.
    Topic(String),
}

/// Which sessions are one occurrence.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OccurrenceRules {
    /// How far before its planned start and after its planned end a session still belongs to an occurrence.
    pub(crate) window: Period,
    /// Sessions less than this apart are one occurrence; and how long after its last session an occurrence has ended.
    pub(crate) join_gap: Period,
}

impl Default for OccurrenceRules {
    fn default() -> Self {
        Self {
            window: Period::minutes(60),
            join_gap: Period::minutes(30),
        }
    }
}

/// What shows that somebody did not come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NoShowProof {
    /// A complete participant report and a complete listing of registrants.
    #[default]
    Report,
    /// That the start and the end of every session were seen as webhooks.
    Webhooks,
}

/// Zoom's webhooks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ZoomWebhook {
    /// The Secret Token of the Zoom app's Feature page; a list of two while it is being changed. The ingress needs it.
    pub(crate) secret_token: Secrets,
    /// Accepted for old configurations and otherwise unused: Zoom has retired it.
    #[serde(deserialize_with = "optional_secret")]
    #[schemars(with = "Option<String>")]
    pub(crate) verification_token: Option<Secret>,
}

/// The Brevo lists that people are added to, by number.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Lists {
    /// Who attended a meeting.
    pub(crate) meeting_participants: Option<NonZeroU32>,
    /// Who attended a webinar.
    pub(crate) webinar_attendees: Option<NonZeroU32>,
    /// Whose registration to a webinar was approved.
    pub(crate) webinar_registrants: Option<NonZeroU32>,
}

/// The least important log lines that are shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogLevel {
    /// What a person must look at.
    Error,
    /// And what is unusual.
    Warn,
    /// And what a person wants to know of a running system.
    #[default]
    Info,
    /// And what helps to find a fault.
    Debug,
    /// Another name for debug.
    Verbose,
    /// And every step.
    Trace,
}

impl LogLevel {
    /// Its name in a filter of the `tracing` crates.
    pub(crate) fn filter(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug | Self::Verbose => "debug",
            Self::Trace => "trace",
        }
    }
}
