//! A Zoom account and a Brevo account on loopback, faults included, that know the truth.
//!
//! A seeded [`account::Plan`] tells what people do. From it come the webhooks ([`deliveries`]) that
//! the player ([`zoom`]) sends to a pipeline, and, by another way, the [`truth`]: what must be in the
//! Brevo account ([`brevo`]) at the end. [`compare`] puts the two side by side. Nothing here depends
//! on the pipeline; any program that reads Zoom's webhooks and writes to Brevo can be put between.

pub mod account;
pub mod brevo;
pub mod compare;
pub mod configuration;
pub mod deliveries;
pub mod truth;
pub mod zoom;

mod time;

use std::{io, net::SocketAddr, sync::Arc};

use account::Plan;
use brevo::{Behaviour, BrevoAccount, BrevoOptions, FaultRates, RateLimits, Snapshot};
use compare::{Difference, Summary};
use configuration::{Invitation, PipelinePlaces};
use truth::Truth;
use zoom::{PlayerOptions, ZoomPlayer};

/// Why a sandbox cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// An address is taken, or not this machine's.
    #[error(
        "the sandbox's {what} cannot listen on {address}: {source}; choose another address, or port 0 for a free one"
    )]
    Listen {
        /// Which of the two.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The HTTP client cannot be made.
    #[error("no HTTP client: {0}")]
    Client(#[source] reqwest::Error),
}

/// How a sandbox is started.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// What the story is told from.
    pub seed: u64,
    /// How many registrations it has, about.
    pub registrants: usize,
    /// How it is played.
    pub player: PlayerOptions,
    /// Where Brevo listens; port 0 takes a free one.
    pub brevo_listen: SocketAddr,
    /// The key that Brevo accepts.
    pub api_key: String,
    /// Brevo's limits.
    pub rate_limits: RateLimits,
    /// What goes wrong in Brevo by chance.
    pub brevo_faults: FaultRates,
    /// What Brevo's documentation leaves open.
    pub behaviour: Behaviour,
}

impl SandboxOptions {
    /// The story of 300 registrants for a pipeline that takes webhooks at `target`, on free ports.
    #[must_use]
    pub fn to(target: impl Into<String>) -> Self {
        Self {
            seed: 1,
            registrants: 300,
            player: PlayerOptions::to(target, "sandbox-secret-token"),
            brevo_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            api_key: "xkeysib-sandbox".to_owned(),
            rate_limits: RateLimits::NONE,
            brevo_faults: FaultRates::NONE,
            behaviour: Behaviour::default(),
        }
    }
}

/// A Zoom account and a Brevo account; they stop when this is dropped.
#[derive(Debug)]
pub struct Sandbox {
    plan: Arc<Plan>,
    options: SandboxOptions,
    zoom: ZoomPlayer,
    brevo: BrevoAccount,
}

impl Sandbox {
    /// Starts both. The story begins as soon as the pipeline answers.
    ///
    /// # Errors
    ///
    /// When an address is taken.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let plan = Arc::new(Plan::seeded(options.seed, options.registrants));
        let zoom = ZoomPlayer::start(Arc::clone(&plan), options.player.clone()).await?;
        let brevo = BrevoAccount::start(BrevoOptions {
            listen: options.brevo_listen,
            api_key: options.api_key.clone(),
            rate_limits: options.rate_limits,
            faults: options.brevo_faults,
            seed: options.seed,
            behaviour: options.behaviour,
            lists: plan.lists,
            clock: zoom.clock(),
        })
        .await?;
        Ok(Self {
            plan,
            options,
            zoom,
            brevo,
        })
    }

    /// The story.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The Zoom side.
    #[must_use]
    pub fn zoom(&self) -> &ZoomPlayer {
        &self.zoom
    }

    /// The Brevo side.
    #[must_use]
    pub fn brevo(&self) -> &BrevoAccount {
        &self.brevo
    }

    /// What must be in Brevo at the end.
    #[must_use]
    pub fn truth(&self) -> Truth {
        truth::truth(&self.plan)
    }

    /// What is in Brevo now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.brevo.snapshot()
    }

    /// In what Brevo is not as it must be, now.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        compare::compare(&self.truth(), &self.snapshot())
    }

    /// The figures, truth beside Brevo, now.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::of(&self.truth(), &self.snapshot())
    }

    /// A whole `rollcall.yaml` that points a pipeline at this sandbox.
    #[must_use]
    pub fn configuration_yaml(&self, places: &PipelinePlaces) -> String {
        let plan = match self.options.rate_limits {
            RateLimits::GENERAL => "general",
            RateLimits::ADVANCED => "advanced",
            _ => "extended",
        };
        let invitation = Invitation {
            account_id: &self.plan.account_id,
            secret_token: &self.options.player.secret_token,
            internal_domains: &self.plan.internal_domains,
            lists: self.plan.lists,
            clock_url: &self.zoom.clock_url(),
            api_url: &self.brevo.api_url(),
            api_key: &self.options.api_key,
            plan,
        };
        configuration::yaml(&invitation, places)
    }
}
