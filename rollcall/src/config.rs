//! The configuration: one YAML file.
//!
//! The way from text to types has three steps, so that every error can say where it is and no secret
//! can get into one: the file as a tree with places (`document`), values from outside (`fill`), and
//! the tree into the types (`deserialize`). The types are the documentation: the JSON Schema that
//! editors use is made from them.

mod brevo;
mod deserialize;
mod document;
mod error;
mod field_mapping;
mod fill;
mod origin;
mod scalar;
mod schema;
mod storage;
mod zoom;

#[cfg(test)]
mod tests;

use std::path::Path;

use rollcall_producer::ingress::{ANSWER_WITHIN, IngressSettings};
use rollcall_runtime::secret::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use brevo::{Brevo, BrevoPlan};
pub(crate) use error::ConfigError;
pub(crate) use field_mapping::UpdateRule;
pub(crate) use scalar::{HttpUrl, ListenAddress, Period};
pub(crate) use storage::{Log, Topics};
pub(crate) use zoom::{LogLevel, NoShowProof, Zoom};

use error::Problem;
use fill::Sources;
use origin::Origin;

/// Brevo's key, where the file has none.
const BREVO_API_KEY: &str = "BREVO_API_KEY";

/// Rollcall's configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The accounts that are read.
    pub(crate) connectors: Connectors,
    /// The account that is kept in step.
    #[serde(default)]
    pub(crate) brevo: Brevo,
    /// Where Zoom and Brevo reach Rollcall.
    #[serde(default)]
    pub(crate) http: Http,
    /// Where people and monitors reach Rollcall.
    #[serde(default)]
    pub(crate) admin: Admin,
    /// Which engine keeps the event log.
    #[serde(default)]
    pub(crate) log: Log,
    /// How the topics are.
    #[serde(default)]
    pub(crate) topics: Topics,
    /// A clock that a sandbox lends. Without it, this machine's is used.
    #[serde(default)]
    pub(crate) clock: Option<LentClock>,
    /// This process's name among those that share a Kafka cluster: the same after a restart, unlike that of any other that runs. The host's name, where it is left out.
    #[serde(default, deserialize_with = "scalar::optional_text")]
    pub(crate) instance: Option<String>,
    /// Where it was read, for what is missing from it.
    #[serde(skip)]
    origin: Origin,
}

/// The accounts that are read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connectors {
    /// The Zoom account, and what of it goes where in Brevo.
    pub(crate) zoom: Zoom,
}

/// Where Zoom and Brevo reach Rollcall.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    /// The address that is listened on.
    pub(crate) listen: ListenAddress,
    /// The address under which the world reaches it. Not used yet.
    pub(crate) public_url: Option<HttpUrl>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: ListenAddress(([127, 0, 0, 1], 8080).into()),
            public_url: None,
        }
    }
}

/// Where people and monitors reach Rollcall.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Admin {
    /// The address that is listened on. Whoever reaches it sees everything.
    pub(crate) listen: ListenAddress,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: ListenAddress(([127, 0, 0, 1], 9464).into()),
        }
    }
}

/// A clock that a sandbox lends.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LentClock {
    /// Answers GET with `{"now_ms": …}`, milliseconds since 1970.
    pub(crate) url: HttpUrl,
}

impl Config {
    /// Reads a file, with what it refers to from this process's environment.
    pub(crate) fn load(file: &Path) -> Result<Self, ConfigError> {
        let yaml = std::fs::read_to_string(file).map_err(|error| {
            ConfigError::new(
                None,
                Problem::Unreadable {
                    reason: error.to_string(),
                },
            )
            .in_file(file)
        })?;
        Self::parse(&yaml, file, &|name| std::env::var(name).ok())
    }

    /// Reads `yaml`, which came from `file`, with what it refers to from `variable`.
    pub(crate) fn parse(
        yaml: &str,
        file: &Path,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let read = || {
            let mut tree = document::parse(yaml)?;
            fill::fill(&mut tree, &Sources { variable, folder })?;
            let mut config: Self = deserialize::from_node(&tree)?;
            if config.brevo.api_key.is_none() {
                config.brevo.api_key = key_of_environment(variable)?;
            }
            config.origin = Origin::of(file, &tree);
            Ok(config)
        };
        read().map_err(|error: ConfigError| error.with_elsewhere(schema::places_of).in_file(file))
    }

    /// How the ingress is set up.
    pub(crate) fn ingress(&self) -> Result<IngressSettings, ConfigError> {
        let zoom = &self.connectors.zoom;
        if zoom.webhook.secret_token.is_empty() {
            return Err(self.needed(
                "connectors.zoom.webhook.secret_token",
                "the ingress checks Zoom's webhooks with it. It is the Secret Token on the Feature page of the Zoom app",
            ));
        }
        Ok(IngressSettings {
            secrets: zoom.webhook.secret_token.to_vec(),
            account_id: zoom.account_id.clone(),
            log_webhooks: zoom.log_webhooks,
            answer_within: ANSWER_WITHIN,
        })
    }

    /// The key of Brevo's API.
    pub(crate) fn brevo_api_key(&self) -> Result<&Secret, ConfigError> {
        self.brevo.api_key.as_ref().ok_or_else(|| self.needed("brevo.api_key", "the sink writes to Brevo with it. Set it, or the environment variable BREVO_API_KEY"))
    }

    /// The error of a key that may be left out, but not for what this process does: at the innermost
    /// of its groups that the file has.
    fn needed(&self, key: &'static str, why: &'static str) -> ConfigError {
        ConfigError::new(Some(self.origin.nearest(key)), Problem::Needed { key, why })
            .in_file(&self.origin.file)
    }

    /// This process's name among those that share a cluster.
    pub(crate) fn instance_name(&self) -> String {
        self.instance
            .clone()
            .or_else(host_name)
            .unwrap_or_else(|| "rollcall".to_owned())
    }
}

fn key_of_environment(
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Secret>, ConfigError> {
    match variable(BREVO_API_KEY).filter(|key| !key.is_empty()) {
        Some(key) if !scalar::is_key(&key) => Err(ConfigError::new(
            None,
            Problem::Other {
                message: format!(
                    "the environment variable {BREVO_API_KEY} {}",
                    scalar::NO_KEY
                ),
            },
        )),
        key => Ok(key.map(Secret::new)),
    }
}

fn host_name() -> Option<String> {
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = std::env::var("HOSTNAME").ok().or_else(from_kernel)?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
