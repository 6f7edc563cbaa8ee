//! The account behind a socket: who may ask, how often, and what goes wrong.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body as HttpBody, Bytes},
    extract::{ConnectInfo, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};
use reqwest::Url;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    account::{Account, Behaviour, Request},
    answer::{Answer, Body},
    connection::{Cut, CuttableListener},
    control::control,
    fault::{Fault, FaultOrder, FaultRates, Faults},
    limits::{Group, Limiter, RateLimits},
    snapshot::Snapshot,
};
use crate::{SandboxError, account::Lists, zoom::VirtualClock};

/// How a Brevo account is started.
#[derive(Clone, Debug)]
pub struct BrevoOptions {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The key that it accepts.
    pub api_key: String,
    /// Its limits.
    pub rate_limits: RateLimits,
    /// What goes wrong by chance.
    pub faults: FaultRates,
    /// What chance is seeded with.
    pub seed: u64,
    /// What the documentation leaves open.
    pub behaviour: Behaviour,
    /// Its lists.
    pub lists: Lists,
    /// Whose time it is: the played account's, so that both live on the same day.
    pub clock: VirtualClock,
}

/// A running Brevo account; it stops when this is dropped.
#[derive(Debug)]
pub struct BrevoAccount {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    api_key: String,
    clock: VirtualClock,
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    account: Account,
    faults: Faults,
    limits: RateLimits,
    limiter: Limiter,
    requests: BTreeMap<String, u64>,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BrevoAccount {
    /// Listens and answers from now on.
    ///
    /// # Errors
    ///
    /// When the address is taken.
    pub async fn start(options: BrevoOptions) -> Result<Self, SandboxError> {
        let listener =
            TcpListener::bind(options.listen)
                .await
                .map_err(|source| SandboxError::Listen {
                    what: "Brevo",
                    address: options.listen,
                    source,
                })?;
        let address = listener
            .local_addr()
            .map_err(|source| SandboxError::Listen {
                what: "Brevo",
                address: options.listen,
                source,
            })?;
        let lists = [
            (options.lists.meeting_participants, "meeting_participants"),
            (options.lists.webinar_attendees, "webinar_attendees"),
            (options.lists.webinar_registrants, "webinar_registrants"),
        ];
        let shared = Arc::new(Shared {
            api_key: options.api_key,
            clock: options.clock,
            started: Instant::now(),
            inner: Mutex::new(Inner {
                account: Account::new(options.behaviour, &lists),
                faults: Faults::new(options.seed, options.faults),
                limits: options.rate_limits,
                limiter: Limiter::default(),
                requests: BTreeMap::new(),
            }),
        });
        let router = Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<Cut>();
            if let Err(error) = axum::serve(CuttableListener(listener), service).await {
                tracing::error!(%error, "the sandbox's Brevo account stopped");
            }
        });
        Ok(Self {
            shared,
            address,
            server,
        })
    }

    /// The address of the API, for `brevo.api_url`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}/v3", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that arrived so far.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.shared.inner();
        inner.account.snapshot(&inner.requests)
    }

    /// Lets something go wrong with the next requests.
    pub fn order(&self, fault: FaultOrder) {
        self.shared.inner().faults.order(fault);
    }

    /// Sets what goes wrong by chance from now on.
    pub fn set_fault_rates(&self, rates: FaultRates) {
        self.shared.inner().faults.rates = rates;
    }
}

impl Drop for BrevoAccount {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What becomes of a request.
struct Reaction {
    answer: Answer,
    delay: Duration,
    lost: bool,
}

impl From<Answer> for Reaction {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            delay: Duration::ZERO,
            lost: false,
        }
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reaction = match (method.as_str(), uri.path()) {
        ("GET", "/control/state") => {
            let inner = shared.inner();
            Answer::json(200, json!(inner.account.snapshot(&inner.requests))).into()
        }
        ("POST", "/control") => {
            let mut inner = shared.inner();
            let Inner {
                account,
                faults,
                limits,
                ..
            } = &mut *inner;
            control(&body, account, faults, limits).into()
        }
        _ => react(&shared, &method, &uri, &headers, &body),
    };
    tokio::time::sleep(reaction.delay).await;
    if reaction.lost {
        cut.cut();
    }
    respond(reaction.answer)
}

fn react(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Reaction {
    let now_ms = shared.clock.now_ms();
    let monotonic_ms = i64::try_from(shared.started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let mut inner = shared.inner();
    let Some(request) = read(method, uri, body, now_ms) else {
        return Answer::not_found("The requested path does not exist").into();
    };
    let reaction = inner.react(
        &request,
        uri.path(),
        headers.get("api-key").map(|key| key.as_bytes()),
        &shared.api_key,
        monotonic_ms,
    );
    let outcome = if reaction.lost {
        "lost".to_owned()
    } else {
        reaction.answer.status.to_string()
    };
    *inner
        .requests
        .entry(format!(
            "{method} {} {outcome}",
            anonymous(&request.segments)
        ))
        .or_default() += 1;
    reaction
}

impl Inner {
    fn react(
        &mut self,
        request: &Request,
        path: &str,
        key: Option<&[u8]>,
        api_key: &str,
        monotonic_ms: i64,
    ) -> Reaction {
        match key {
            None => return Answer::no_key().into(),
            Some(key) if key != api_key.as_bytes() => return Answer::unknown_key().into(),
            Some(_) => {}
        }
        let verdict =
            self.limiter
                .take(&self.limits, Group::of(&request.method, path), monotonic_ms);
        let shown = verdict
            .shown
            .map_or_else(Vec::new, |(limit, remaining, reset)| {
                rate_headers(limit, remaining, reset)
            });
        if !verdict.allowed {
            return Answer {
                headers: shown,
                ..Answer::too_many_requests()
            }
            .into();
        }
        let fault = self.faults.next(&request.method, path);
        let refused = match fault {
            Some(Fault::KeyNotFound) => Some(Answer::unknown_key()),
            Some(Fault::UnrecognisedIp) => Some(Answer::unrecognised_ip()),
            Some(Fault::TooEarly) => Some(Answer::too_early()),
            Some(Fault::TooManyRequests { headers: true }) => Some(Answer {
                headers: rate_headers(36_000, 0, 1),
                ..Answer::too_many_requests()
            }),
            Some(Fault::TooManyRequests { headers: false }) => Some(Answer::too_many_requests()),
            Some(Fault::ServerError {
                status,
                after_effect: false,
            }) => Some(Answer::empty(status)),
            Some(Fault::GatewayTimeoutPage {
                after_effect: false,
            }) => Some(Answer::gateway_timeout_page()),
            _ => None,
        };
        if let Some(answer) = refused {
            return answer.into();
        }
        let mut answer = self.account.answer(request);
        answer.headers.extend(shown);
        match fault {
            Some(Fault::AnswerLost) => Reaction {
                answer,
                delay: Duration::ZERO,
                lost: true,
            },
            Some(Fault::Slow { ms }) => Reaction {
                answer,
                delay: Duration::from_millis(ms),
                lost: false,
            },
            Some(Fault::ServerError { status, .. }) => Answer::empty(status).into(),
            Some(Fault::GatewayTimeoutPage { .. }) => Answer::gateway_timeout_page().into(),
            _ => answer.into(),
        }
    }
}

fn rate_headers(limit: u32, remaining: u32, reset: i64) -> Vec<(&'static str, String)> {
    vec![
        ("x-sib-ratelimit-limit", limit.to_string()),
        ("x-sib-ratelimit-remaining", remaining.to_string()),
        ("x-sib-ratelimit-reset", reset.to_string()),
    ]
}

/// A request under `/v3`, with its path and query decoded.
fn read(method: &Method, uri: &Uri, body: &Bytes, now_ms: i64) -> Option<Request> {
    let rest = uri.path().strip_prefix("/v3/")?;
    let segments = rest.split('/').map(decoded).collect();
    let query = Url::parse(&format!(
        "http://brevo/?{}",
        uri.query().unwrap_or_default()
    ))
    .ok()?;
    Some(Request {
        method: method.as_str().to_owned(),
        segments,
        query: query.query_pairs().into_owned().collect(),
        body: body.to_vec(),
        now_ms,
    })
}

/// A path segment with its percent signs resolved; a plus stays one.
fn decoded(segment: &str) -> String {
    let escaped = segment.replace('+', "%2B");
    let url = Url::parse(&format!("http://brevo/?={escaped}"));
    url.ok()
        .and_then(|url| {
            url.query_pairs()
                .next()
                .map(|(_, value)| value.into_owned())
        })
        .unwrap_or_else(|| segment.to_owned())
}

/// A path for counting: without addresses and ids.
fn anonymous(segments: &[String]) -> String {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["contacts", "lists" | "attributes"] => format!("/v3/{}", parts.join("/")),
        ["contacts", "lists", list, "contacts", "add"] => {
            format!("/v3/contacts/lists/{list}/contacts/add")
        }
        ["contacts", "attributes", ..] => "/v3/contacts/attributes/{category}/{name}".to_owned(),
        ["contacts", _] => "/v3/contacts/{identifier}".to_owned(),
        [first] => format!("/v3/{first}"),
        _ => "/v3/…".to_owned(),
    }
}

fn respond(answer: Answer) -> Response {
    let mut response = Response::builder()
        .status(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let response = match answer.body {
        Body::Empty => response.body(HttpBody::empty()),
        Body::Json(body) => response
            .header("content-type", "application/json")
            .body(HttpBody::from(body.to_string())),
        Body::Html(page) => response
            .header("content-type", "text/html; charset=UTF-8")
            .body(HttpBody::from(page)),
    };
    response.unwrap_or_default()
}
