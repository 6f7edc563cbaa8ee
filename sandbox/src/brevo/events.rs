//! Custom events.

use serde_json::{Map, Value, json};

use super::{
    account::{Account, Event, Request, UnknownContact},
    answer::Answer,
    snapshot::EventSnapshot,
};
use crate::time;

const MOST_PROPERTY_BYTES: usize = 50 * 1024;
const MOST_PAGE: usize = 10_000;
const SIX_MONTHS_MS: i64 = 183 * time::DAY;

impl Account {
    /// `POST /events`
    pub(super) fn take_event(&mut self, request: &Request) -> Result<Answer, Answer> {
        let body = request.object()?;
        let name = body
            .get("event_name")
            .and_then(Value::as_str)
            .ok_or_else(|| Answer::missing("event_name is missing"))?;
        if !is_name(name) {
            return Err(Answer::invalid(
                "event_name is not valid: at most 255 letters, digits, - and _",
            ));
        }
        let identifiers = body
            .get("identifiers")
            .and_then(Value::as_object)
            .filter(|identifiers| !identifiers.is_empty());
        let identifiers = identifiers.ok_or_else(|| Answer::missing("identifiers is missing"))?;
        let properties = object(&body, "event_properties")?;
        let too_large =
            serde_json::to_vec(&properties).map_or(0, |bytes| bytes.len()) > MOST_PROPERTY_BYTES;
        if too_large
            || properties.keys().any(|key| !is_name(key))
            || properties.values().any(Value::is_null)
        {
            return Err(Answer::invalid(
                "event_properties is not valid: at most 50 KB, keys of letters, digits, - and _, no null",
            ));
        }
        let (date, date_ms) = match body.get("event_date") {
            None => (time::iso(request.now_ms), request.now_ms),
            Some(date) => {
                let date = date.as_str().unwrap_or_default();
                (
                    date.to_owned(),
                    time::parse(date)
                        .ok_or_else(|| Answer::invalid("event_date is not an ISO 8601 date"))?,
                )
            }
        };
        let contact = match (
            identifiers.get("contact_id").and_then(Value::as_i64),
            identifiers.get("email_id").and_then(Value::as_str),
        ) {
            (Some(id), _) => self.by_id(id),
            (None, Some(email)) => self.contacts.get(&email.to_lowercase()),
            (None, None) => None,
        };
        let Some((email, contact_id)) =
            contact.map(|contact| (contact.email.clone(), contact.shown.id))
        else {
            let named = identifiers
                .values()
                .next()
                .map(Value::to_string)
                .unwrap_or_default();
            self.violation(
                "an event needs its contact first",
                named.trim_matches('"'),
                name.to_owned(),
            );
            return match self.behaviour.unknown_contact {
                UnknownContact::Refuse => Err(Answer::invalid(
                    "Contact does not exist for the given identifiers",
                )),
                UnknownContact::Drop => Ok(Answer::empty(204)),
            };
        };
        self.write_attributes(&email, &object(&body, "contact_properties")?);
        self.events.push(Event {
            shown: EventSnapshot {
                name: name.to_owned(),
                email,
                date,
                properties,
            },
            contact_id,
            date_ms,
            arrived_ms: request.now_ms,
        });
        Ok(Answer::empty(204))
    }

    /// `GET /events`
    pub(super) fn show_events(&self, request: &Request) -> Result<Answer, Answer> {
        let limit = request.number("limit", 100, MOST_PAGE)?;
        if limit == 0 {
            return Err(Answer::out_of_range("limit must be at least 1"));
        }
        let offset = request.number("offset", 0, usize::MAX)?;
        let bound = |name: &str| match request.query(name) {
            None => Ok(None),
            Some(text) => time::parse(text)
                .map(Some)
                .ok_or_else(|| Answer::invalid(&format!("{name} is not a date"))),
        };
        let (from_ms, to_ms) = match (bound("startDate")?, bound("endDate")?) {
            (None, None) => (request.now_ms - SIX_MONTHS_MS, i64::MAX),
            // A plain date is the whole day.
            (Some(from_ms), Some(to_ms)) => (
                from_ms,
                if request
                    .query("endDate")
                    .is_some_and(|text| text.len() == 10)
                {
                    to_ms + time::DAY - 1
                } else {
                    to_ms
                },
            ),
            _ => return Err(Answer::missing("startDate and endDate are needed together")),
        };
        let all = |name: &str| -> Vec<&str> {
            let wanted = request
                .query
                .iter()
                .filter(|(key, _)| key.trim_end_matches("[]") == name);
            wanted.map(|(_, value)| value.as_str()).collect()
        };
        let (names, ids) = (all("event_name"), all("contact_id"));
        let mut found: Vec<&Event> = self
            .events
            .iter()
            .filter(|event| {
                event.arrived_ms + self.behaviour.events_visible_after_ms <= request.now_ms
            })
            .filter(|event| (from_ms..=to_ms).contains(&event.date_ms))
            .filter(|event| names.is_empty() || names.contains(&event.shown.name.as_str()))
            .filter(|event| {
                ids.is_empty() || ids.iter().any(|id| id.parse() == Ok(event.contact_id))
            })
            .collect();
        found.sort_by_key(|event| std::cmp::Reverse(event.date_ms));
        let page: Vec<Value> = found
            .iter()
            .skip(offset)
            .take(limit)
            .map(|event| {
                json!({
                    "contact_id": event.contact_id,
                    "event_date": event.shown.date,
                    "event_name": event.shown.name,
                    "event_properties": event.shown.properties,
                    "contact_properties": {},
                })
            })
            .collect();
        Ok(Answer::json(
            200,
            json!({"count": found.len(), "events": page}),
        ))
    }
}

fn object(body: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, Answer> {
    match body.get(name) {
        None => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members.clone()),
        Some(_) => Err(Answer::invalid(&format!("{name} should be an object"))),
    }
}

fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
