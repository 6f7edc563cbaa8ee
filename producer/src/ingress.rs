//! `POST /webhooks/zoom`: verified deliveries into the log.
//!
//! Zoom counts 200 within 3 seconds as delivered, comes back up to three times over 85 minutes after
//! a 5xx or a failure of the network, and never after a 4xx (Zoom's documentation, "Webhook
//! delivery"). So 200 is said only once the log holds the delivery durably, a 4xx only of what no
//! retry could mend, and every trouble of ours is a 503.

mod answer;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use metrics::{Counter, Gauge, Histogram};
use rollcall_eventlog::{AppendFuture, Appender, LogError, TopicPartition};
use rollcall_runtime::Route;
use rollcall_runtime::clock::Clock;
use rollcall_runtime::secret::Secret;
use rollcall_schemas::record::{RawKind, RawRecord, WebhookDelivery};
use rollcall_schemas::wire::{Encoder, RAW_RECORD};

pub use answer::{Answer, Refusal};

use crate::envelope::Envelope;
use crate::metric;
use crate::signature::{Key, SecretsError, Verifier};
use crate::throttle::Throttle;

/// Where Zoom's webhooks are taken in.
pub const PATH: &str = "/webhooks/zoom";
/// The largest body that is taken, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// How far Zoom's time stamp may be from this machine's clock, in milliseconds, either way.
pub const MAX_SKEW_MS: i64 = 5 * 60 * 1000;
/// How long a request may take. Zoom waits for 3 seconds, the way through the network included.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(2500);

const URL_VALIDATION: &str = "endpoint.url_validation";
const SIGNATURE: HeaderName = HeaderName::from_static("x-zm-signature");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-zm-request-timestamp");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-zm-request-id");
/// Zoom's request ids have 36 characters; a much longer one is none.
const MAX_REQUEST_ID: usize = 128;
/// Key of a delivery that names neither a meeting nor an account.
const KEY_OF_NOBODY: &str = "unknown";

/// What is configured of the ingress.
#[derive(Clone, Debug)]
pub struct IngressSettings {
    /// The secret token of the Zoom app; two while it is being changed.
    pub secrets: Vec<Secret>,
    /// The one account whose deliveries are kept. Without it, those of every account are.
    pub account_id: Option<String>,
    /// Whether each delivery that is kept is logged: event, ids and size, never the body.
    pub log_webhooks: bool,
    /// How long a request may take, [`ANSWER_WITHIN`] unless a test says otherwise.
    pub answer_within: Duration,
}

/// Takes in Zoom's webhooks.
pub struct Ingress {
    verifier: Verifier,
    account_id: Option<String>,
    log_webhooks: bool,
    answer_within: Duration,
    appender: Arc<dyn Appender>,
    route: Route,
    partitions: Vec<TopicPartition>,
    clock: Arc<dyn Clock>,
    requests: Vec<Counter>,
    append_seconds: Histogram,
    skew_seconds: Gauge,
    clock_alarm: Throttle,
    log_alarm: Throttle,
}

/// A delivery on its way into the log.
struct Delivery {
    append: AppendFuture,
    /// Written once the log has it, where that is wanted.
    log_line: Option<LogLine>,
}

/// What the log line of a delivery that is kept says.
struct LogLine {
    event: String,
    meeting_id: Option<String>,
    account_id: Option<String>,
    bytes: usize,
    partition: TopicPartition,
}

impl LogLine {
    fn write(self) {
        tracing::info!(
            event = ?self.event,
            meeting_id = self.meeting_id,
            account_id = ?self.account_id,
            bytes = self.bytes,
            partition = %self.partition,
            "webhook"
        );
    }
}

thread_local! {
    /// Encoding is synchronous, so that a thread needs one encoder and one buffer for all requests.
    static ENCODER: RefCell<(Encoder, Vec<u8>)> = RefCell::new((RAW_RECORD.encoder(), Vec::new()));
}

impl Ingress {
    /// An ingress that appends to `route`. Make it after the metrics recorder was installed.
    ///
    /// `clock` must be the machine's, also where the pipeline is lent another: it is what Zoom's time
    /// stamps are compared with.
    ///
    /// # Errors
    ///
    /// Where nothing can be checked with the secrets.
    pub fn new(
        settings: IngressSettings,
        appender: Arc<dyn Appender>,
        route: Route,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SecretsError> {
        Ok(Self {
            verifier: Verifier::new(&settings.secrets)?,
            account_id: settings.account_id,
            log_webhooks: settings.log_webhooks,
            answer_within: settings.answer_within,
            appender,
            partitions: route.all().collect(),
            route,
            clock,
            requests: Answer::OUTCOMES
                .iter()
                .map(|outcome| metrics::counter!(metric::INGRESS_REQUESTS, "outcome" => *outcome))
                .collect(),
            append_seconds: metrics::histogram!(metric::INGRESS_APPEND_SECONDS),
            skew_seconds: metrics::gauge!(metric::INGRESS_CLOCK_SKEW_SECONDS),
            clock_alarm: Throttle::default(),
            log_alarm: Throttle::default(),
        })
    }

    /// The route of [`PATH`]. Another method is answered with 405; other paths are the caller's.
    pub fn router(self) -> Router {
        Router::new()
            .route(PATH, post(handle))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(Arc::new(self))
    }

    /// Decides about a request whose body is there, and keeps it where it is to be kept.
    pub async fn receive(&self, headers: &HeaderMap, body: &[u8]) -> Answer {
        let Delivery { append, log_line } = match self.examine(headers, body) {
            Ok(delivery) => delivery,
            Err(answer) => return answer,
        };
        let started = Instant::now();
        let result = append.await;
        self.append_seconds.record(started.elapsed());
        match result {
            Ok(_) => {
                if let Some(line) = log_line {
                    line.write();
                }
                Answer::Kept
            }
            Err(error) => {
                self.alarm_of_the_log(&error);
                Answer::Refused(Refusal::LogUnavailable)
            }
        }
    }

    /// All of [`Self::receive`] that needs no waiting: the delivery on its way into the log, or the
    /// answer where it does not go there.
    fn examine(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, Answer> {
        let signer = self
            .signer(headers, body)
            .ok_or(Answer::Refused(Refusal::BadSignature))?;
        let now = self.clock.now_ms();
        self.check_clock(headers, now)?;
        let envelope = Envelope::parse(body)
            .map_err(|reason| Answer::Refused(Refusal::NotAnEnvelope(reason)))?;
        if envelope.event.as_str() == URL_VALIDATION {
            let plain = envelope
                .plain_token
                .ok_or(Answer::Refused(Refusal::NoPlainToken))?;
            return Err(Answer::Validated {
                encrypted_token: signer.encrypted_token(&plain),
                plain_token: plain.into_string(),
            });
        }
        if let (Some(ours), Some(theirs)) = (&self.account_id, &envelope.account_id)
            && ours != theirs.as_str()
        {
            return Err(Answer::ForeignAccount);
        }
        Ok(self.append(headers, &envelope, body, now))
    }

    fn signer(&self, headers: &HeaderMap, body: &[u8]) -> Option<&Key> {
        let timestamp = headers.get(TIMESTAMP)?;
        let signature = headers.get(SIGNATURE)?;
        self.verifier
            .signer(timestamp.as_bytes(), body, signature.as_bytes())
    }

    /// Compares Zoom's time stamp, which is in whole seconds and was signed, with this machine's
    /// clock. Where they are far apart either is wrong, or somebody sends an old delivery again:
    /// Zoom's own retries are stamped afresh, so nothing is lost by the refusal.
    fn check_clock(&self, headers: &HeaderMap, now_ms: i64) -> Result<(), Answer> {
        let stamped = headers
            .get(TIMESTAMP)
            .and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
        let Some(stamped) = stamped else {
            if self.clock_alarm.allows() {
                tracing::error!(
                    "a validly signed Zoom webhook has a time stamp that is no number of seconds; it is refused with 503 until this is understood"
                );
            }
            return Err(Answer::Refused(Refusal::ClockOff));
        };
        let skew_ms = now_ms.saturating_sub(stamped.saturating_mul(1000));
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        let skew_seconds = skew_ms as f64 / 1000.0;
        self.skew_seconds.set(skew_seconds);
        if skew_ms.unsigned_abs() <= MAX_SKEW_MS.unsigned_abs() {
            return Ok(());
        }
        if self.clock_alarm.allows() {
            tracing::error!(
                skew_seconds,
                "this machine's clock and the time stamp of a validly signed Zoom webhook are more than 300 seconds apart; webhooks are refused with 503 until the clock is set right"
            );
        }
        Err(Answer::Refused(Refusal::ClockOff))
    }

    fn append(
        &self,
        headers: &HeaderMap,
        envelope: &Envelope<'_>,
        body: &[u8],
        now_ms: i64,
    ) -> Delivery {
        let account_id = envelope
            .account_id
            .as_deref()
            .or(self.account_id.as_deref());
        let key = envelope
            .meeting_id
            .as_deref()
            .or(account_id)
            .unwrap_or(KEY_OF_NOBODY);
        let partition = &self.partitions[self.route.partition_for(key.as_bytes()) as usize];
        let log_line = self.log_webhooks.then(|| LogLine {
            event: envelope.event.as_str().to_owned(),
            meeting_id: envelope.meeting_id.as_deref().map(str::to_owned),
            account_id: envelope.account_id.as_deref().map(str::to_owned),
            bytes: body.len(),
            partition: partition.clone(),
        });
        let request_id = headers
            .get(REQUEST_ID)
            .and_then(|value| value.to_str().ok());
        let record = RawRecord {
            kind: RawKind::Webhook,
            received_at: now_ms,
            account_id: envelope.account_id.as_ref().map(|id| id.borrowed()),
            meeting_id: envelope.meeting_id.as_ref().map(|id| id.borrowed()),
            webhook: Some(WebhookDelivery {
                request_id: request_id
                    .filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len()))
                    .map(Into::into),
                body,
            }),
            tick: None,
        };
        let append = ENCODER.with_borrow_mut(|(encoder, value)| {
            value.clear();
            encoder.encode_into(&record, value);
            self.appender.append(partition, Some(key.as_bytes()), value)
        });
        Delivery { append, log_line }
    }

    fn alarm_of_the_log(&self, error: &LogError) {
        if self.log_alarm.allows() {
            tracing::error!(%error, "Zoom's webhooks cannot be kept and are refused with 503; Zoom comes back after 5, 20 and 60 minutes and then no more");
        }
    }

    fn count(&self, answer: &Answer) {
        self.requests[answer.outcome()].increment(1);
    }
}

async fn handle(State(ingress): State<Arc<Ingress>>, request: Request) -> Response {
    let answer = tokio::time::timeout(ingress.answer_within, read_and_receive(&ingress, request))
        .await
        .unwrap_or(Answer::Refused(Refusal::TooLate));
    ingress.count(&answer);
    if let Answer::Refused(refusal) = &answer {
        tracing::debug!(reason = %refusal, "webhook refused");
    }
    answer.into_response()
}

async fn read_and_receive(ingress: &Ingress, mut request: Request) -> Answer {
    if announces_too_much(request.headers()) {
        return Answer::Refused(Refusal::TooLarge);
    }
    let headers = std::mem::take(request.headers_mut());
    match Bytes::from_request(request, &()).await {
        Ok(body) => ingress.receive(&headers, &body).await,
        Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_))) => {
            Answer::Refused(Refusal::TooLarge)
        }
        Err(_) => Answer::Refused(Refusal::BrokenOff),
    }
}

/// Whether a body is said to be too large, so that none of it need be read. A body that is larger
/// than was said, or of which nothing was said, is cut off while it is read.
fn announces_too_much(headers: &HeaderMap) -> bool {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    announced.is_some_and(|bytes| bytes > MAX_BODY as u64)
}
