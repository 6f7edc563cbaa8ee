//! Sends the webhooks and moves the clock.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Json, Router, extract::State, routing::get};
use reqwest::{Client, redirect};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

use super::{
    Phase, Progress, Refusal, VirtualClock,
    signature::{digest, sign},
};
use crate::{
    SandboxError,
    account::{BEGINS_MS, Plan},
    deliveries::{Delivery, DeliveryFaults, deliveries},
    time::{HOUR, MINUTE},
};

/// How a story is played.
#[derive(Clone, Debug)]
pub struct PlayerOptions {
    /// Where the clock and the status are served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where webhooks go: the pipeline's `/webhooks/zoom`.
    pub target: String,
    /// The app's secret token.
    pub secret_token: String,
    /// What goes wrong on the way.
    pub faults: DeliveryFaults,
    /// At least so long does the story take, in real time; absent: as fast as it is answered.
    pub pace: Option<Duration>,
    /// Webhooks on the way at once.
    pub in_flight: usize,
    /// How long an answer may take; Zoom's own limit is 3 seconds.
    pub answer_within: Duration,
    /// Real time before the first retry, doubled for each further one up to sixteen times.
    /// Zoom's 5, 20 and 60 minutes would stop a fast-forward; and it gives up, which a truth cannot.
    pub retry_after: Duration,
    /// How time goes on after the last webhook.
    pub run_on: RunOn,
    /// Whether the receiver is validated first, as Zoom does. Time begins when it has answered.
    pub validate_url: bool,
}

impl PlayerOptions {
    /// Fast, with the usual faults, to a receiver.
    #[must_use]
    pub fn to(target: impl Into<String>, secret_token: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            target: target.into(),
            secret_token: secret_token.into(),
            faults: DeliveryFaults::default(),
            pace: None,
            in_flight: 16,
            answer_within: Duration::from_secs(3),
            retry_after: Duration::from_millis(50),
            run_on: RunOn::default(),
            validate_url: true,
        }
    }
}

/// How time goes on after the last webhook, so that every deadline passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RunOn {
    /// How far, virtual.
    pub span_ms: i64,
    /// In steps of, virtual.
    pub step_ms: i64,
    /// With a pause after each, real.
    pub pause: Duration,
}

impl Default for RunOn {
    fn default() -> Self {
        Self {
            span_ms: 30 * HOUR,
            step_ms: 5 * MINUTE,
            pause: Duration::from_millis(20),
        }
    }
}

/// Why a story cannot go on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PlayError {
    /// The receiver does not hold the secret token, or is no receiver of Zoom's webhooks.
    #[error(
        "POST {target}: the URL validation was answered {found}, not 200 with the encrypted token; give the receiver the same secret token"
    )]
    UrlValidation {
        /// The receiver.
        target: String,
        /// What it answered.
        found: String,
    },
    /// The player was stopped.
    #[error("the player was stopped before the story was over")]
    Stopped,
}

/// A story that is being played; it stops when this is dropped.
#[derive(Debug)]
pub struct ZoomPlayer {
    address: SocketAddr,
    clock: VirtualClock,
    progress: watch::Receiver<Progress>,
    failure: watch::Receiver<Option<PlayError>>,
    tasks: [JoinHandle<()>; 2],
}

impl ZoomPlayer {
    /// Serves the clock, and plays the story as soon as the receiver answers.
    ///
    /// # Errors
    ///
    /// When the address is taken.
    pub async fn start(plan: Arc<Plan>, options: PlayerOptions) -> Result<Self, SandboxError> {
        let failed = |source| SandboxError::Listen {
            what: "Zoom",
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let client = Client::builder()
            .timeout(options.answer_within)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(SandboxError::Client)?;
        let clock = VirtualClock::standing_at(BEGINS_MS);
        let deliveries = deliveries(&plan, &options.faults);
        let (progress, progress_seen) = watch::channel(Progress {
            now_ms: BEGINS_MS,
            deliveries: deliveries.len(),
            ..Progress::default()
        });
        let (failure, failure_seen) = watch::channel(None);
        let shown = Shown {
            plan: Arc::clone(&plan),
            clock: clock.clone(),
            progress: progress_seen.clone(),
        };
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes(shown)).await {
                tracing::error!(%error, "the sandbox's clock stopped");
            }
        });
        let post = Arc::new(Post {
            client,
            options,
            progress,
        });
        let player = Player {
            post,
            clock: clock.clone(),
        };
        let playing = tokio::spawn(async move {
            if let Err(error) = player.play(deliveries).await {
                tracing::error!(%error, "the story cannot go on");
                failure.send_replace(Some(error));
                player
                    .post
                    .progress
                    .send_modify(|progress| progress.phase = Phase::Failed);
            }
            // The senders live until the handle is dropped, so that late watchers still see the end.
            std::future::pending::<()>().await;
        });
        Ok(Self {
            address,
            clock,
            progress: progress_seen,
            failure: failure_seen,
            tasks: [server, playing],
        })
    }

    /// The clock, for `clock.url`.
    #[must_use]
    pub fn clock_url(&self) -> String {
        format!("http://{}/clock", self.address)
    }

    /// Where the clock and the status are served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The clock itself.
    #[must_use]
    pub fn clock(&self) -> VirtualClock {
        self.clock.clone()
    }

    /// What happened so far, and every change of it.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Waits for the end of the story and of the time after it.
    ///
    /// # Errors
    ///
    /// When the story cannot go on.
    pub async fn finished(&self) -> Result<Progress, PlayError> {
        let mut progress = self.progress.clone();
        let end = progress
            .wait_for(|progress| matches!(progress.phase, Phase::Finished | Phase::Failed))
            .await;
        let end = end.map_err(|_| PlayError::Stopped)?.clone();
        match self.failure.borrow().clone() {
            Some(error) => Err(error),
            None => Ok(end),
        }
    }
}

impl Drop for ZoomPlayer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[derive(Clone)]
struct Shown {
    plan: Arc<Plan>,
    clock: VirtualClock,
    progress: watch::Receiver<Progress>,
}

fn routes(shown: Shown) -> Router {
    let clock =
        |State(shown): State<Shown>| async move { Json(json!({"now_ms": shown.clock.now_ms()})) };
    let status = |State(shown): State<Shown>| async move {
        let now_ms = shown.clock.now_ms();
        let mut status = json!(*shown.progress.borrow());
        status["now_ms"] = json!(now_ms);
        status["now"] = json!(crate::time::iso(now_ms));
        status["running"] = json!(shown.plan.running_at(now_ms));
        Json(status)
    };
    Router::new()
        .route("/clock", get(clock))
        .route("/status", get(status))
        .with_state(shown)
}

struct Player {
    post: Arc<Post>,
    clock: VirtualClock,
}

impl Player {
    async fn play(&self, deliveries: Vec<Delivery>) -> Result<(), PlayError> {
        if self.post.options.validate_url {
            self.post.validate().await?;
        }
        self.post
            .progress
            .send_modify(|progress| progress.phase = Phase::Playing);
        let began = tokio::time::Instant::now();
        let permits = Arc::new(Semaphore::new(self.post.options.in_flight.max(1)));
        let (mut sent, all) = (0, deliveries.len().max(1));
        for due in deliveries.chunk_by(|one, next| one.due_ms == next.due_ms) {
            self.show_time(due[0].due_ms);
            let mut on_the_way = JoinSet::new();
            for delivery in due {
                let (post, permits, delivery) = (
                    Arc::clone(&self.post),
                    Arc::clone(&permits),
                    delivery.clone(),
                );
                on_the_way.spawn(async move {
                    let _permit = permits.acquire_owned().await;
                    post.deliver(&delivery).await;
                });
            }
            // Time stands still until everything due was answered.
            on_the_way.join_all().await;
            sent += due.len();
            if let Some(pace) = self.post.options.pace {
                #[expect(clippy::cast_precision_loss, reason = "a pace for the eye")]
                let share = sent as f64 / all as f64;
                tokio::time::sleep_until(began + pace.mul_f64(share)).await;
            }
        }
        self.run_on().await;
        Ok(())
    }

    async fn run_on(&self) {
        self.post
            .progress
            .send_modify(|progress| progress.phase = Phase::RunningOn);
        let RunOn {
            span_ms,
            step_ms,
            pause,
        } = self.post.options.run_on;
        let last_ms = self.clock.now_ms() + span_ms;
        while self.clock.now_ms() < last_ms {
            self.show_time((self.clock.now_ms() + step_ms.max(1)).min(last_ms));
            tokio::time::sleep(pause).await;
        }
        self.clock.run();
        self.post
            .progress
            .send_modify(|progress| progress.phase = Phase::Finished);
    }

    fn show_time(&self, now_ms: i64) {
        self.clock.jump_to(now_ms);
        self.post
            .progress
            .send_modify(|progress| progress.now_ms = self.clock.now_ms());
    }
}

/// One receiver, and how it is written to.
struct Post {
    client: Client,
    options: PlayerOptions,
    progress: watch::Sender<Progress>,
}

impl Post {
    /// Sends one webhook until it is answered for good.
    async fn deliver(&self, delivery: &Delivery) {
        let headers = [
            ("x-zm-request-id", delivery.request_id.as_str()),
            ("x-zm-trackingid", delivery.tracking_id.as_str()),
        ];
        let (status, _) = self.post_until_answered(&delivery.body, &headers).await;
        self.progress.send_modify(|progress| {
            if (200..300).contains(&status) {
                progress.accepted += 1;
                return;
            }
            progress.refused += 1;
            if progress.refusals.len() < 20 {
                progress.refusals.push(Refusal {
                    event: delivery.event.to_owned(),
                    request_id: delivery.request_id.clone(),
                    status,
                });
            }
        });
    }

    /// Zoom's challenge: the receiver shows that it holds the secret token.
    async fn validate(&self) -> Result<(), PlayError> {
        const PLAIN_TOKEN: &str = "qgg8vlvZRS6UYooatFL8Aw";
        let event_ts = unix_seconds() * 1_000;
        let body = format!(
            r#"{{"event":"endpoint.url_validation","event_ts":{event_ts},"payload":{{"plainToken":"{PLAIN_TOKEN}"}}}}"#
        );
        let (status, answer) = self.post_until_answered(&body, &[]).await;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let right = answer["plainToken"] == PLAIN_TOKEN
            && answer["encryptedToken"] == digest(&self.options.secret_token, PLAIN_TOKEN).as_str();
        if status == 200 && right {
            return Ok(());
        }
        let found = if status == 200 {
            "200 with another token".to_owned()
        } else {
            status.to_string()
        };
        Err(PlayError::UrlValidation {
            target: self.options.target.clone(),
            found,
        })
    }

    /// The first answer that is not 5xx. Every try is stamped and signed afresh; the body stays the same.
    async fn post_until_answered(&self, body: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut tries = 0_u32;
        loop {
            match self.post(body, headers).await {
                Ok((status, answer)) if status < 500 => return (status, answer),
                Ok((status, _)) => tracing::debug!(status, "a webhook is sent again"),
                Err(error) => tracing::debug!(%error, "a webhook is sent again"),
            }
            self.progress.send_modify(|progress| progress.retried += 1);
            tokio::time::sleep(self.options.retry_after * 2_u32.pow(tries.min(4))).await;
            tries += 1;
        }
    }

    async fn post(
        &self,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Result<(u16, String), reqwest::Error> {
        let stamp = unix_seconds().to_string();
        let mut request = self
            .client
            .post(&self.options.target)
            .header("content-type", "application/json; charset=utf-8")
            .header("user-agent", "Zoom Marketplace/1.0a")
            .header(
                "x-zm-signature",
                sign(&self.options.secret_token, &stamp, body),
            )
            .header("x-zm-request-timestamp", stamp)
            .header("zm-trace-upstream", "Meeting_Web_marketplace-consumer")
            .header("clientid", "sandbox-client-id")
            .header("authorization", "retired-verification-token");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body.to_owned()).send().await?;
        let status = response.status().as_u16();
        Ok((status, response.text().await?))
    }
}

/// The transport lives in real time, whatever the story's clock says.
fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
