//! The account itself: pure, one request after another.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    snapshot::{ContactSnapshot, EventSnapshot, Snapshot, Violation},
};
use crate::truth::{AttributeKind, FIELDS};

/// What Brevo's documentation leaves open.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// An attribute that the account does not have.
    pub unknown_attribute: UnknownAttribute,
    /// An event of a contact that the account does not have.
    pub unknown_contact: UnknownContact,
    /// How long an event that was accepted cannot be read back: Brevo stores them behind the answer. Milliseconds of its own clock.
    pub events_visible_after_ms: i64,
}

/// What becomes of an attribute that the account does not have.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownAttribute {
    /// It is dropped, and the answer is 2xx.
    #[default]
    Drop,
    /// The request is refused.
    Refuse,
}

/// What becomes of an event of a contact that the account does not have.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownContact {
    /// It is refused.
    #[default]
    Refuse,
    /// The answer is 204 and the event is gone.
    Drop,
}

/// A request, read.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// Percent-decoded segments after `/v3`.
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The account's time.
    pub(super) now_ms: i64,
}

impl Request {
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A whole number of the query, within bounds.
    pub(super) fn number(&self, name: &str, default: usize, most: usize) -> Result<usize, Answer> {
        match self.query(name).map(str::parse::<usize>) {
            None => Ok(default),
            Some(Ok(number)) if number <= most => Ok(number),
            Some(_) => Err(Answer::out_of_range(&format!(
                "{name} must be a whole number of at most {most}"
            ))),
        }
    }

    pub(super) fn object(&self) -> Result<Map<String, Value>, Answer> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Answer::error(400, "bad_request", "Input must be a valid JSON object"))
    }
}

/// One contact, with what only the account knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Contact {
    pub(super) email: String,
    pub(super) shown: ContactSnapshot,
    pub(super) created_ms: i64,
    pub(super) modified_ms: i64,
    pub(super) ext_id: Option<String>,
}

/// One event, with when it can be read.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) shown: EventSnapshot,
    pub(super) contact_id: i64,
    pub(super) date_ms: i64,
    pub(super) arrived_ms: i64,
}

/// A Brevo account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) behaviour: Behaviour,
    pub(super) attributes: BTreeMap<String, AttributeKind>,
    pub(super) lists: BTreeMap<i64, String>,
    pub(super) contacts: BTreeMap<String, Contact>,
    pub(super) members: BTreeMap<i64, BTreeSet<String>>,
    /// Who left a list by himself.
    pub(super) left: BTreeSet<(i64, String)>,
    /// Who was deleted in Brevo.
    pub(super) deleted: BTreeSet<String>,
    pub(super) events: Vec<Event>,
    pub(super) repeated_additions: BTreeMap<String, u64>,
    pub(super) violations: Vec<Violation>,
    pub(super) next_id: i64,
}

impl Account {
    /// An account with these lists and the attributes of [`FIELDS`].
    pub(super) fn new(behaviour: Behaviour, lists: &[(i64, &str)]) -> Self {
        let attributes = FIELDS
            .iter()
            .map(|field| (field.attribute.to_owned(), field.kind))
            .collect();
        Self {
            behaviour,
            attributes,
            lists: lists
                .iter()
                .map(|(id, name)| (*id, (*name).to_owned()))
                .collect(),
            contacts: BTreeMap::new(),
            members: lists.iter().map(|(id, _)| (*id, BTreeSet::new())).collect(),
            left: BTreeSet::new(),
            deleted: BTreeSet::new(),
            events: Vec::new(),
            repeated_additions: BTreeMap::new(),
            violations: Vec::new(),
            next_id: 1,
        }
    }

    /// Answers a request that nothing else refused.
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let answered = match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["contacts"]) => self.upsert(request),
            ("GET", ["contacts", "lists"]) => self.show_lists(request),
            ("GET", ["contacts", "attributes"]) => Ok(self.show_attributes()),
            ("POST", ["contacts", "attributes", "normal", name]) => {
                self.create_attribute(name, request)
            }
            ("POST", ["contacts", "lists", list, "contacts", "add"]) => {
                self.add_to_list(list, request)
            }
            ("GET", ["contacts", identifier]) => self.show_contact(identifier, request),
            ("PUT", ["contacts", identifier]) => self.update(identifier, request),
            ("POST", ["events"]) => self.take_event(request),
            ("GET", ["events"]) => self.show_events(request),
            ("GET", ["account"]) => Ok(account_details()),
            (_, ["contacts" | "events" | "account", ..]) => Err(Answer::error(
                405,
                "method_not_allowed",
                &format!("{} Method is not allowed on this path", request.method),
            )),
            _ => Err(Answer::not_found("The requested path does not exist")),
        };
        answered.unwrap_or_else(|refused| refused)
    }

    pub(super) fn violation(&mut self, rule: &str, email: &str, asked: String) {
        self.violations.push(Violation {
            rule: rule.to_owned(),
            email: email.to_owned(),
            asked,
        });
    }

    pub(super) fn snapshot(&self, requests: &BTreeMap<String, u64>) -> Snapshot {
        Snapshot {
            contacts: self
                .contacts
                .iter()
                .map(|(email, contact)| (email.clone(), contact.shown.clone()))
                .collect(),
            lists: self.members.clone(),
            events: self
                .events
                .iter()
                .map(|event| event.shown.clone())
                .collect(),
            repeated_additions: self.repeated_additions.clone(),
            violations: self.violations.clone(),
            requests: requests.clone(),
        }
    }
}

fn account_details() -> Answer {
    Answer::json(
        200,
        json!({
            "organization_id": "5fa2b8c123456789abcdef01",
            "user_id": 1_234_567,
            "enterprise": false,
            "companyName": "Northlight",
            "email": "nora@northlight.example",
            "firstName": "Nora",
            "lastName": "Northlight",
            "address": {"city": "Berlin", "country": "Germany", "street": "Lichtweg 1", "zipCode": "10115"},
            "dateTimePreferences": {"timezone": "Europe/Berlin", "timeFormat": "24", "dateFormat": "dd-mm-yyyy"},
            "plan": [{"credits": 250, "creditsType": "sendLimit", "type": "free"}],
            "relay": {"enabled": true, "data": {"port": 587, "relay": "smtp-relay.brevo.com", "userName": "nora@northlight.example"}},
            "marketingAutomation": {"enabled": true, "key": "sandbox"},
        }),
    )
}
