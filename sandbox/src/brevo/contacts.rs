//! Contacts, their attributes and their lists.

use serde_json::{Map, Value, json};

use super::{
    account::{Account, Contact, Request, UnknownAttribute},
    answer::Answer,
};
use crate::{time, truth::AttributeKind};

/// Most members that one request may add to a list.
const MOST_ADDED: usize = 150;

impl Account {
    /// `POST /contacts`
    pub(super) fn upsert(&mut self, request: &Request) -> Result<Answer, Answer> {
        let body = request.object()?;
        let attributes = match body.get("attributes") {
            None => Map::new(),
            Some(Value::Object(attributes)) => attributes.clone(),
            Some(_) => return Err(Answer::invalid("attributes should be an object")),
        };
        let Some(email) = body
            .get("email")
            .and_then(Value::as_str)
            .filter(|email| !email.is_empty())
        else {
            return Err(Answer::missing(
                "Please provide Email or SMS attribute value to create user",
            ));
        };
        let email = email.to_lowercase();
        if !is_address(&email) {
            return Err(Answer::invalid("Invalid email address"));
        }
        let lists = self.list_ids(&body)?;
        self.note_what_is_never_asked(&email, &body, &attributes, &lists);
        if self.behaviour.unknown_attribute == UnknownAttribute::Refuse
            && let Some(unknown) = attributes
                .keys()
                .find(|name| !self.attributes.contains_key(name.as_str()))
        {
            return Err(Answer::invalid(&format!(
                "Attribute {unknown} does not exist"
            )));
        }
        let known = self.contacts.contains_key(&email);
        if known && body.get("updateEnabled") != Some(&Value::Bool(true)) {
            return Err(Answer::json(
                400,
                json!({
                    "code": "duplicate_parameter",
                    "message": "Unable to create contact, email is already associated with another Contact",
                    "metadata": {"duplicate_identifiers": ["email"]},
                }),
            ));
        }
        let id = if known {
            self.contacts[&email].shown.id
        } else {
            self.new_contact(&email, request.now_ms)
        };
        self.write_attributes(&email, &attributes);
        if let Some(contact) = self.contacts.get_mut(&email) {
            contact.modified_ms = request.now_ms;
            contact.shown.upserts += 1;
            if let Some(ext_id) = body.get("ext_id").and_then(Value::as_str) {
                contact.ext_id = Some(ext_id.to_owned());
            }
            if let Some(blacklisted) = body.get("emailBlacklisted").and_then(Value::as_bool) {
                contact.shown.email_blacklisted = blacklisted;
            }
        }
        for list in lists {
            self.members.entry(list).or_default().insert(email.clone());
        }
        Ok(if known {
            Answer::empty(204)
        } else {
            Answer::json(201, json!({"id": id}))
        })
    }

    fn new_contact(&mut self, email: &str, now_ms: i64) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        let mut contact = Contact {
            email: email.to_owned(),
            created_ms: now_ms,
            modified_ms: now_ms,
            ..Contact::default()
        };
        contact.shown.id = id;
        self.contacts.insert(email.to_owned(), contact);
        id
    }

    fn list_ids(&self, body: &Map<String, Value>) -> Result<Vec<i64>, Answer> {
        let Some(ids) = body.get("listIds") else {
            return Ok(Vec::new());
        };
        let ids: Option<Vec<i64>> = ids
            .as_array()
            .and_then(|ids| ids.iter().map(Value::as_i64).collect());
        let ids = ids.ok_or_else(|| Answer::invalid("listIds should be an array of integers"))?;
        match ids.iter().find(|id| !self.lists.contains_key(id)) {
            Some(_) => Err(Answer::invalid("Invalid list ids")),
            None => Ok(ids),
        }
    }

    /// What Brevo grants and nobody may ask.
    fn note_what_is_never_asked(
        &mut self,
        email: &str,
        body: &Map<String, Value>,
        attributes: &Map<String, Value>,
        lists: &[i64],
    ) {
        if body.get("emailBlacklisted") == Some(&Value::Bool(false)) {
            self.violation(
                "never re-subscribe a contact",
                email,
                "emailBlacklisted: false".to_owned(),
            );
        }
        if attributes
            .keys()
            .any(|name| name.eq_ignore_ascii_case("EMAIL"))
        {
            self.violation(
                "never send EMAIL as an attribute",
                email,
                "attributes.EMAIL".to_owned(),
            );
        }
        if body.get("forceMerge") == Some(&Value::Bool(true)) {
            self.violation("never merge contacts", email, "forceMerge: true".to_owned());
        }
        if self.deleted.contains(email) && !self.contacts.contains_key(email) {
            self.violation(
                "never re-create a contact that was deleted in Brevo",
                email,
                "POST /contacts".to_owned(),
            );
        }
        for list in lists {
            self.note_return(email, *list);
        }
    }

    fn note_return(&mut self, email: &str, list: i64) {
        if self.left.contains(&(list, email.to_owned())) {
            self.violation(
                "never put back a contact that left a list",
                email,
                format!("list {list}"),
            );
        }
    }

    /// Writes what fits; an attribute that is unknown or of another type is dropped without a word, as Brevo does.
    pub(super) fn write_attributes(&mut self, email: &str, attributes: &Map<String, Value>) {
        for (name, value) in attributes {
            let Some(kind) = self.attributes.get(name).copied() else {
                self.violation(
                    "an attribute that the account lacks is lost",
                    email,
                    name.clone(),
                );
                continue;
            };
            let clears = matches!(value, Value::String(text) if text.is_empty());
            if !clears && !fits(kind, value) {
                self.violation(
                    "a value of another type is lost",
                    email,
                    format!("{name}: {value}"),
                );
                continue;
            }
            let Some(contact) = self.contacts.get_mut(email) else {
                continue;
            };
            if clears {
                contact.shown.attributes.remove(name);
            } else {
                contact.shown.attributes.insert(name.clone(), value.clone());
            }
        }
    }

    /// `PUT /contacts/{identifier}`
    pub(super) fn update(&mut self, identifier: &str, request: &Request) -> Result<Answer, Answer> {
        let email = self.find(identifier, request)?.email.clone();
        let mut body = request.object()?;
        if body.contains_key("email") {
            return Err(Answer::invalid("email should not be passed"));
        }
        body.insert("email".to_owned(), Value::from(email));
        body.insert("updateEnabled".to_owned(), Value::Bool(true));
        let upsert = Request {
            body: Value::Object(body).to_string().into_bytes(),
            ..request.clone()
        };
        self.upsert(&upsert)
    }

    /// `GET /contacts/{identifier}`
    pub(super) fn show_contact(
        &self,
        identifier: &str,
        request: &Request,
    ) -> Result<Answer, Answer> {
        let contact = self.find(identifier, request)?;
        let of = |ids: Vec<i64>| json!(ids);
        let lists = self
            .members
            .iter()
            .filter(|(_, members)| members.contains(&contact.email))
            .map(|(list, _)| *list)
            .collect();
        let unsubscribed = self
            .left
            .iter()
            .filter(|(_, email)| *email == contact.email)
            .map(|(list, _)| *list)
            .collect();
        Ok(Answer::json(
            200,
            json!({
                "id": contact.shown.id,
                "email": contact.email,
                "emailBlacklisted": contact.shown.email_blacklisted,
                "smsBlacklisted": false,
                "whatsappBlacklisted": false,
                "createdAt": time::iso(contact.created_ms),
                "modifiedAt": time::iso(contact.modified_ms),
                "attributes": contact.shown.attributes,
                "listIds": of(lists),
                "listUnsubscribed": of(unsubscribed),
                "statistics": {},
            }),
        ))
    }

    fn find(&self, identifier: &str, request: &Request) -> Result<&Contact, Answer> {
        let by_id = || identifier.parse::<i64>().ok().and_then(|id| self.by_id(id));
        let by_email = || self.contacts.get(&identifier.to_lowercase());
        let found = match request.query("identifierType") {
            None => by_email().or_else(by_id),
            Some("email_id") => by_email(),
            Some("contact_id") => by_id(),
            Some("ext_id") => self
                .contacts
                .values()
                .find(|contact| contact.ext_id.as_deref() == Some(identifier)),
            Some("phone_id" | "whatsapp_id" | "landline_number_id") => None,
            Some(_) => return Err(Answer::invalid("identifierType is not valid")),
        };
        found.ok_or_else(|| Answer::not_found("Contact does not exist"))
    }

    pub(super) fn by_id(&self, id: i64) -> Option<&Contact> {
        self.contacts
            .values()
            .find(|contact| contact.shown.id == id)
    }

    /// `GET /contacts/lists`
    pub(super) fn show_lists(&self, request: &Request) -> Result<Answer, Answer> {
        let limit = request.number("limit", 10, 50)?;
        let offset = request.number("offset", 0, usize::MAX)?;
        let mut lists: Vec<(&i64, &String)> = self.lists.iter().collect();
        match request.query("sort") {
            None | Some("desc") => lists.reverse(),
            Some("asc") => {}
            Some(_) => return Err(Answer::invalid("sort should be asc or desc")),
        }
        let page: Vec<Value> = lists
            .into_iter()
            .skip(offset)
            .take(limit)
            .map(|(id, name)| {
                let members = self.members.get(id).map_or(0, std::collections::BTreeSet::len);
                json!({"id": id, "name": name, "folderId": 1, "totalBlacklisted": 0, "totalSubscribers": 0, "uniqueSubscribers": members})
            })
            .collect();
        Ok(Answer::json(
            200,
            json!({"count": self.lists.len(), "lists": page}),
        ))
    }

    /// `GET /contacts/attributes`
    pub(super) fn show_attributes(&self) -> Answer {
        let attributes: Vec<Value> = self
            .attributes
            .iter()
            .map(|(name, kind)| json!({"name": name, "category": "normal", "type": kind}))
            .collect();
        Answer::json(200, json!({"attributes": attributes}))
    }

    /// `POST /contacts/attributes/normal/{name}`
    pub(super) fn create_attribute(
        &mut self,
        name: &str,
        request: &Request,
    ) -> Result<Answer, Answer> {
        let body = request.object()?;
        let kind = match body.get("type").and_then(Value::as_str) {
            Some("text") => AttributeKind::Text,
            Some("float") => AttributeKind::Float,
            Some("date") => AttributeKind::Date,
            Some("boolean") => AttributeKind::Boolean,
            Some(_) => return Err(Answer::invalid("Invalid attribute type")),
            None => return Err(Answer::missing("type is missing")),
        };
        let name = name.to_uppercase();
        if self.attributes.contains_key(&name) {
            return Err(Answer::invalid("Attribute name must be unique"));
        }
        self.attributes.insert(name, kind);
        Ok(Answer::empty(201))
    }

    /// `POST /contacts/lists/{listId}/contacts/add`
    pub(super) fn add_to_list(&mut self, list: &str, request: &Request) -> Result<Answer, Answer> {
        let body = request.object()?;
        let list = list
            .parse::<i64>()
            .map_err(|_| Answer::invalid("List ID is not valid"))?;
        if !self.lists.contains_key(&list) {
            return Err(Answer::not_found("List ID does not exist"));
        }
        let (key, asked) = ["emails", "ids", "extIds"]
            .into_iter()
            .find_map(|key| {
                body.get(key)
                    .and_then(Value::as_array)
                    .map(|asked| (key, asked.clone()))
            })
            .ok_or_else(|| Answer::missing("emails, ids or extIds is missing"))?;
        if asked.is_empty() || asked.len() > MOST_ADDED {
            return Err(Answer::out_of_range(&format!(
                "between 1 and {MOST_ADDED} contacts can be added at once"
            )));
        }
        let (mut success, mut failure) = (Vec::new(), Vec::new());
        for member in asked {
            let found = match key {
                "emails" => member
                    .as_str()
                    .and_then(|email| self.contacts.get(&email.to_lowercase())),
                "ids" => member.as_i64().and_then(|id| self.by_id(id)),
                _ => self
                    .contacts
                    .values()
                    .find(|contact| contact.ext_id.as_deref() == member.as_str()),
            };
            let Some(email) = found.map(|contact| contact.email.clone()) else {
                failure.push(member);
                continue;
            };
            self.note_return(&email, list);
            if self.members.entry(list).or_default().insert(email.clone()) {
                success.push(member);
            } else {
                *self
                    .repeated_additions
                    .entry(format!("{list} {email}"))
                    .or_default() += 1;
                failure.push(member);
            }
        }
        if success.is_empty() {
            return Err(Answer::invalid(
                "Contact already in list and/or does not exist",
            ));
        }
        Ok(Answer::json(
            201,
            json!({"contacts": {"success": success, "failure": failure}}),
        ))
    }
}

fn is_address(text: &str) -> bool {
    let well_formed = |(local, domain): (&str, &str)| {
        !local.is_empty() && domain.contains('.') && !domain.starts_with('.')
    };
    text.is_ascii()
        && !text.contains(char::is_whitespace)
        && text.matches('@').count() == 1
        && text.split_once('@').is_some_and(well_formed)
}

fn fits(kind: AttributeKind, value: &Value) -> bool {
    match kind {
        AttributeKind::Text => value.is_string(),
        AttributeKind::Float => value.is_number(),
        AttributeKind::Boolean => value.is_boolean(),
        AttributeKind::Date => value
            .as_str()
            .is_some_and(|text| text.len() == 10 && time::parse(text).is_some()),
    }
}
