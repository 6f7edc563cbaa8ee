//! `brevo`: the Brevo account.

use rollcall_runtime::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalar::{HttpUrl, Period, Share, not_built_yet, optional_key, optional_secret};

/// The Brevo account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Brevo {
    /// Key of Brevo's API. Where it is left out, the environment variable BREVO_API_KEY is used.
    #[serde(deserialize_with = "optional_key")]
    #[schemars(with = "Option<String>")]
    pub(crate) api_key: Option<Secret>,
    /// Brevo's API.
    pub(crate) api_url: HttpUrl,
    /// Which of Brevo's published rate limits apply.
    pub(crate) plan: BrevoPlan,
    /// How much of Brevo's limits Rollcall may use: other programs use the same account.
    pub(crate) share_of_limits: Share,
    /// What happened longer ago than this updates the contact, but sends no event and adds to no list.
    pub(crate) max_activity_age: Period,
    /// When Brevo is asked, after a crash, whether it has what was being sent.
    pub(crate) verify_after: Vec<Period>,
    /// Whether a mapped attribute that Brevo does not have is created; else the start fails and names it.
    pub(crate) create_attributes: bool,
    /// Whether everything is done but the sending. Not built yet: true is refused.
    #[serde(deserialize_with = "not_built_yet")]
    pub(crate) dry_run: bool,
    /// Brevo's webhooks.
    pub(crate) webhook: BrevoWebhook,
    /// Which events are sent, by their names in Brevo.
    pub(crate) events: EventSwitches,
}

impl Default for Brevo {
    fn default() -> Self {
        Self {
            api_key: None,
            api_url: HttpUrl::known("https://api.brevo.com/v3"),
            plan: BrevoPlan::default(),
            share_of_limits: Share(0.8),
            max_activity_age: Period::hours(72),
            verify_after: vec![Period::minutes(2), Period::minutes(10)],
            create_attributes: false,
            dry_run: false,
            webhook: BrevoWebhook::default(),
            events: EventSwitches::default(),
        }
    }
}

/// Which of Brevo's published rate limits apply.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BrevoPlan {
    /// Every plan.
    #[default]
    General,
    /// Professional and Enterprise.
    Advanced,
    /// Enterprise with the extended limits.
    Extended,
}

/// Brevo's webhooks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BrevoWebhook {
    /// What Brevo's webhooks carry as `Authorization: Bearer`. Not used yet.
    #[serde(deserialize_with = "optional_secret")]
    #[schemars(with = "Option<String>")]
    pub(crate) token: Option<Secret>,
}

macro_rules! event_switches {
    ($($(#[$doc:meta])* $event:ident,)*) => {
        /// Which events are sent, by their names in Brevo. All are, unless turned off.
        #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct EventSwitches {
            $($(#[$doc])* pub(crate) $event: bool,)*
        }

        impl Default for EventSwitches {
            fn default() -> Self {
                Self { $($event: true,)* }
            }
        }

        impl EventSwitches {
            /// Whether the event of this name is sent. One that has no switch is not.
            pub(crate) fn is_on(&self, event: &str) -> bool {
                match event {
                    $(stringify!($event) => self.$event,)*
                    _ => false,
                }
            }
        }
    };
}

event_switches! {
    /// A registration was approved.
    zoom_registered,
    /// A registration was cancelled.
    zoom_registration_cancelled,
    /// A meeting or webinar that the person registered for has started.
    zoom_meeting_started,
    /// A meeting or webinar that the person registered for or attended has ended.
    zoom_meeting_ended,
    /// The person attended.
    zoom_attended,
    /// The person did not come.
    zoom_no_show,
    /// The person answered a poll. Not used yet.
    zoom_poll_answered,
    /// The person asked a question. Not used yet.
    zoom_question_asked,
    /// The person completed a survey. Not used yet.
    zoom_survey_completed,
    /// A recording can be watched.
    zoom_recording_ready,
}

#[cfg(test)]
mod tests {
    use super::EventSwitches;

    #[test]
    fn a_switch_is_found_by_the_event_s_name() {
        let switches = EventSwitches {
            zoom_no_show: false,
            ..EventSwitches::default()
        };
        assert!(switches.is_on("zoom_attended"));
        assert!(!switches.is_on("zoom_no_show"));
        assert!(!switches.is_on("zoom_unknown"));
    }
}
