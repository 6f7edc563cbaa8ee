//! Brevo's HTTP interface, typed.
//!
//! Tells three kinds of failure apart, because what must happen once depends on it: a request that
//! certainly never left, one that Brevo answered, and one that left and was not answered.

mod body;

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use rollcall_runtime::secret::Secret;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::body::{
    AddedBody, AttributeBody, AttributesBody, ContactBody, EventBody, EventsBody, ListsBody,
};
use crate::effect::SOURCE_EVENT_ID;
use crate::error_class::{Class, Endpoint, Heal, classify};
use crate::limits::{EndpointGroup, RateHeaders};
use crate::mapping::attribute::{AttributeType, rfc3339};
use crate::metric;
use crate::plan::{Answer, Call, ReadContact};
use crate::request::{AttributeCreation, ContactUpdate, ContactUpsert, ListAddition};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take, from the request's first byte to the answer's last.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Events on a page, Brevo's most.
const EVENTS_PAGE: usize = 10_000;
/// Lists on a page, Brevo's most.
const LISTS_PAGE: usize = 50;

/// A client that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An address that is none.
    #[error(
        "brevo.api_url {url:?} is no address ({reason}): normally it is https://api.brevo.com/v3"
    )]
    Address {
        /// What was found.
        url: String,
        /// Why it is none.
        reason: String,
    },
    /// A key that no header can carry.
    #[error(
        "brevo.api_key is empty or holds characters that no key has: set it to an API key (xkeysib-…), for instance through BREVO_API_KEY"
    )]
    Key,
    /// TLS or the like.
    #[error("an HTTP client cannot be made: {0}")]
    Http(#[from] reqwest::Error),
}

/// One answer, or its absence.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What was asked.
    pub endpoint: Endpoint,
    /// Brevo's status; none where there was no answer.
    pub status: Option<u16>,
    /// The rate limit's headers.
    pub rate: Option<RateHeaders>,
    /// How long to wait, where Brevo says so.
    pub retry_after: Option<Duration>,
    /// How long it took.
    pub took: Duration,
}

/// What came of a call.
#[derive(Debug)]
pub struct Reply {
    /// What it means.
    pub answer: Answer,
    /// The requests that were made for it.
    pub seen: Vec<Seen>,
}

/// A request that brought nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// It did not leave this machine.
    NotSent(String),
    /// It left, and no answer came.
    NoAnswer(String),
    /// Brevo answered otherwise than with success.
    Refused {
        /// Its status.
        status: u16,
        /// What that means.
        class: Class,
    },
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(reason) => Self::NotSent { reason },
            Failure::NoAnswer(reason) => Self::NoAnswer { reason },
            Failure::Refused { status, class } => Self::Refused { status, class },
        }
    }
}

/// A list of the account.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
pub struct ListInfo {
    /// Its id.
    pub id: i64,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// Brevo's HTTP interface.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Secret,
}

/// The requests of one call.
struct Exchange<'c> {
    client: &'c Client,
    seen: Vec<Seen>,
    not_after: Option<Instant>,
}

impl Client {
    /// A client of the Brevo at `api_url`.
    ///
    /// # Errors
    ///
    /// Where the address or the key is none.
    pub fn new(api_url: &str, key: Secret) -> Result<Self, ClientError> {
        let base = api_url.trim_end_matches('/').to_owned();
        let address = |reason: String| ClientError::Address {
            url: api_url.to_owned(),
            reason,
        };
        let parsed = reqwest::Url::parse(&base).map_err(|error| address(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(address("neither http nor https".to_owned()));
        }
        if key.is_empty() || reqwest::header::HeaderValue::from_str(key.expose()).is_err() {
            return Err(ClientError::Key);
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("rollcall/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, base, key })
    }

    /// Makes a call. Nothing leaves after `not_after`: a machine that slept since its intent was
    /// committed must not wake and send what another has sent meanwhile.
    pub async fn make(&self, call: &Call, not_after: Instant) -> Reply {
        let mut exchange = Exchange {
            client: self,
            seen: Vec::new(),
            not_after: Some(not_after),
        };
        let answer = match call {
            Call::Upsert {
                request,
                if_blank,
                by_id,
            } => exchange.upsert(request, if_blank, *by_id).await,
            Call::Event { request, .. } => exchange
                .send(
                    Method::POST,
                    Endpoint::CreateEvent,
                    "/events",
                    Some(&**request),
                )
                .await
                .map(done),
            Call::AddToList { list, emails } => {
                let body = ListAddition {
                    emails: emails.iter().map(|email| &**email).collect(),
                };
                let path = format!("/contacts/lists/{list}/contacts/add");
                exchange
                    .send(Method::POST, Endpoint::AddToList, &path, Some(&body))
                    .await
                    .map(added)
            }
            Call::ReadContact { email, .. } => exchange.read_contact(email).await.map(|contact| {
                Answer::Contact(Some(ReadContact {
                    lists: contact.list_ids,
                    left: contact.list_unsubscribed.unwrap_or_default(),
                }))
            }),
            Call::FindEvents {
                names,
                from_ms,
                to_ms,
                offset,
            } => exchange.find_events(names, *from_ms, *to_ms, *offset).await,
        };
        Reply {
            answer: answer.unwrap_or_else(Into::into),
            seen: exchange.seen,
        }
    }

    /// Asks for the account: shows whether the key and this machine's address are let in.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn account(&self) -> Result<(), Failure> {
        self.exchange()
            .send(Method::GET, Endpoint::Account, "/account", NOTHING)
            .await
            .map(|_| ())
    }

    /// The attributes of the account, by name, with their types.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn attributes(&self) -> Result<BTreeMap<String, AttributeType>, Failure> {
        let body: AttributesBody = self
            .get(Endpoint::Attributes, "/contacts/attributes")
            .await?;
        let typed = |attribute: AttributeBody| {
            let kind = AttributeType::parse(&attribute.category, attribute.kind.as_deref());
            (attribute.name.to_uppercase(), kind)
        };
        Ok(body.attributes.into_iter().map(typed).collect())
    }

    /// Creates an attribute; one that exists is left as it is.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn create_attribute(&self, name: &str, kind: AttributeType) -> Result<(), Failure> {
        let path = format!("/contacts/attributes/normal/{}", percent_encoded(name));
        let body = AttributeCreation { kind: kind.name() };
        match self
            .exchange()
            .send(Method::POST, Endpoint::CreateAttribute, &path, Some(&body))
            .await
        {
            Ok(_)
            | Err(Failure::Refused {
                class: Class::Heal(Heal::Exists),
                ..
            }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// All lists of the account.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    pub async fn lists(&self) -> Result<Vec<ListInfo>, Failure> {
        let mut all = Vec::new();
        loop {
            let path = format!(
                "/contacts/lists?limit={LISTS_PAGE}&offset={}&sort=asc",
                all.len()
            );
            let page: ListsBody = self.get(Endpoint::Lists, &path).await?;
            let lists = page.lists.unwrap_or_default();
            let read = lists.len();
            all.extend(lists);
            if read == 0 || all.len() >= page.count {
                return Ok(all);
            }
        }
    }

    fn exchange(&self) -> Exchange<'_> {
        Exchange {
            client: self,
            seen: Vec::new(),
            not_after: None,
        }
    }

    async fn get<T: DeserializeOwned>(&self, endpoint: Endpoint, path: &str) -> Result<T, Failure> {
        let (status, body) = self
            .exchange()
            .send(Method::GET, endpoint, path, NOTHING)
            .await?;
        understood(status, &body)
    }
}

const NOTHING: Option<&()> = None;

impl Exchange<'_> {
    async fn send<B: Serialize + Sync>(
        &mut self,
        method: Method,
        endpoint: Endpoint,
        path: &str,
        body: Option<&B>,
    ) -> Result<(u16, Vec<u8>), Failure> {
        if self
            .not_after
            .is_some_and(|not_after| Instant::now() > not_after)
        {
            return Err(Failure::NotSent(
                "too long after its intent was committed".to_owned(),
            ));
        }
        let Client { http, base, key } = self.client;
        let mut request = http
            .request(method, format!("{base}{path}"))
            .header("api-key", key.expose());
        if let Some(body) = body {
            request = request.json(body);
        }
        let began = Instant::now();
        let answered = request.send().await;
        let response = match answered {
            Ok(response) => response,
            Err(error) => {
                self.saw(endpoint, None, &HeaderMap::new(), began);
                let sent = !(error.is_connect() || error.is_builder());
                let reason = chain(&error.without_url());
                return Err(if sent {
                    Failure::NoAnswer(reason)
                } else {
                    Failure::NotSent(reason)
                });
            }
        };
        let status = response.status();
        let headers = response.headers().clone();
        let body = response.bytes().await;
        self.saw(endpoint, Some(status), &headers, began);
        if status.is_success() {
            // What changes something is done by the status; what reads needs the body too.
            let body = body.map_err(|error| Failure::NoAnswer(chain(&error.without_url())));
            return match (body, endpoint) {
                (Ok(body), _) => Ok((status.as_u16(), body.into())),
                (
                    Err(_),
                    Endpoint::CreateEvent | Endpoint::UpsertContact | Endpoint::UpdateContact,
                ) => Ok((status.as_u16(), Vec::new())),
                (Err(failure), _) => Err(failure),
            };
        }
        let class = classify(endpoint, status.as_u16(), &body.unwrap_or_default());
        Err(Failure::Refused {
            status: status.as_u16(),
            class,
        })
    }

    fn saw(
        &mut self,
        endpoint: Endpoint,
        status: Option<StatusCode>,
        headers: &HeaderMap,
        began: Instant,
    ) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let reset = number("x-sib-ratelimit-reset").map(Duration::from_secs);
        let rate = number("x-sib-ratelimit-limit")
            .zip(number("x-sib-ratelimit-remaining"))
            .zip(reset)
            .map(|((limit, remaining), reset)| RateHeaders {
                limit,
                remaining,
                reset,
            });
        let seen = Seen {
            endpoint,
            status: status.map(|status| status.as_u16()),
            rate,
            retry_after: number("retry-after").map(Duration::from_secs).or(reset),
            took: began.elapsed(),
        };
        metric::request(&seen);
        self.seen.push(seen);
    }

    async fn upsert(
        &mut self,
        request: &ContactUpsert,
        if_blank: &[std::sync::Arc<str>],
        by_id: bool,
    ) -> Result<Answer, Failure> {
        if if_blank.is_empty() && !by_id {
            return self
                .send(
                    Method::POST,
                    Endpoint::UpsertContact,
                    "/contacts",
                    Some(request),
                )
                .await
                .map(done);
        }
        let contact = match self.read_contact(&request.email).await {
            Ok(contact) => Some(contact),
            Err(Failure::Refused {
                class: Class::Heal(Heal::Missing),
                ..
            }) => None,
            Err(failure) => return Err(failure),
        };
        let mut request = request.clone();
        for name in if_blank {
            let held = contact
                .as_ref()
                .and_then(|contact| contact.attributes.get(&**name));
            if held.is_some_and(|held| !is_blank(held)) {
                request.attributes.remove(name);
            }
        }
        let answered = match contact.filter(|_| by_id) {
            Some(contact) => {
                let path = format!("/contacts/{}?identifierType=contact_id", contact.id);
                let body = ContactUpdate {
                    attributes: &request.attributes,
                };
                self.send(Method::PUT, Endpoint::UpdateContact, &path, Some(&body))
                    .await
            }
            None => {
                self.send(
                    Method::POST,
                    Endpoint::UpsertContact,
                    "/contacts",
                    Some(&request),
                )
                .await
            }
        };
        answered.map(done)
    }

    async fn read_contact(&mut self, email: &str) -> Result<ContactBody, Failure> {
        let path = format!(
            "/contacts/{}?identifierType=email_id",
            percent_encoded(email)
        );
        let (status, body) = self
            .send(Method::GET, Endpoint::ReadContact, &path, NOTHING)
            .await?;
        understood(status, &body)
    }

    async fn find_events(
        &mut self,
        names: &[&str],
        from_ms: i64,
        to_ms: i64,
        offset: usize,
    ) -> Result<Answer, Failure> {
        let (from, to) = (
            rfc3339(from_ms).unwrap_or_default(),
            rfc3339(to_ms).unwrap_or_default(),
        );
        let names: String = names
            .iter()
            .map(|name| format!("&event_name={name}"))
            .collect();
        let path = format!(
            "/events?startDate={}&endDate={}&limit={EVENTS_PAGE}&offset={offset}{names}",
            percent_encoded(&from),
            percent_encoded(&to)
        );
        let (status, body) = self
            .send(Method::GET, Endpoint::FindEvents, &path, NOTHING)
            .await?;
        let page: EventsBody = understood(status, &body)?;
        let events = page.events.unwrap_or_default();
        let read = events.len();
        let source_id = |event: EventBody| match event.event_properties?.remove(SOURCE_EVENT_ID)? {
            serde_json::Value::String(id) => Some(id),
            _ => None,
        };
        let source_ids = events.into_iter().filter_map(source_id).collect();
        Ok(Answer::Events {
            read,
            count: page.count,
            source_ids,
        })
    }
}

fn done((status, _): (u16, Vec<u8>)) -> Answer {
    Answer::Done { status }
}

/// People whom the answer names as not added. A body that says nothing names none.
fn added((status, body): (u16, Vec<u8>)) -> Answer {
    let body: AddedBody = serde_json::from_slice(&body).unwrap_or_default();
    let failed = body.contacts.failure.unwrap_or_default();
    let left_out: HashSet<_> = failed
        .iter()
        .filter_map(|email| email.as_str())
        .map(str::to_lowercase)
        .collect();
    Answer::Added { status, left_out }
}

fn is_blank(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::String(text) => text.is_empty(),
        serde_json::Value::Array(values) => values.is_empty(),
        _ => false,
    }
}

/// A success whose body is not Brevo's comes from something in between.
fn understood<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::Refused {
        status,
        class: Class::Unclear {
            reason: format!("{status} with a body that is not Brevo's: {error}"),
        },
    })
}

/// An error with its causes: "error sending request" alone tells nobody what to do.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                write!(out, "%{byte:02X}").expect("a string takes every write");
            }
            out
        })
}

impl Endpoint {
    /// The limit that it counts towards.
    #[must_use]
    pub fn group(self) -> EndpointGroup {
        match self {
            Self::CreateEvent => EndpointGroup::Events,
            Self::FindEvents | Self::Account => EndpointGroup::Other,
            _ => EndpointGroup::Contacts,
        }
    }
}

#[cfg(test)]
mod tests {
    use rollcall_runtime::secret::Secret;

    use super::{Client, ClientError, percent_encoded};

    #[test]
    fn an_address_in_a_path() {
        assert_eq!(
            percent_encoded("ann+zoom@bücher.example"),
            "ann%2Bzoom%40b%C3%BCcher.example"
        );
    }

    #[test]
    fn what_cannot_be_a_client_says_what_to_do() {
        let client = |url: &str, key: &str| Client::new(url, Secret::new(key));
        assert!(matches!(
            client("api.brevo.com", "k"),
            Err(ClientError::Address { .. })
        ));
        assert!(matches!(
            client("ftp://api.brevo.com", "k"),
            Err(ClientError::Address { .. })
        ));
        assert!(matches!(
            client("https://api.brevo.com/v3", ""),
            Err(ClientError::Key)
        ));
        assert!(matches!(
            client("https://api.brevo.com/v3", "a\nb"),
            Err(ClientError::Key)
        ));
        assert!(client("https://api.brevo.com/v3/", "xkeysib-1").is_ok());
    }
}
