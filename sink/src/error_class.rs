//! What an answer of Brevo means for what was asked.
//!
//! Decided on the status first, because bodies are sparsely documented and may be a proxy's HTML; then
//! on `metadata` and `code`, and on a message's words only where nothing else tells cases apart.

use serde::Deserialize;

/// What was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Endpoint {
    /// `POST /contacts`.
    UpsertContact,
    /// `PUT /contacts/{id}`.
    UpdateContact,
    /// `GET /contacts/{email}`.
    ReadContact,
    /// `POST /contacts/lists/{id}/contacts/add`.
    AddToList,
    /// `POST /events`.
    CreateEvent,
    /// `GET /events`.
    FindEvents,
    /// `GET /account`.
    Account,
    /// `GET /contacts/attributes`.
    Attributes,
    /// `POST /contacts/attributes/normal/{name}`.
    CreateAttribute,
    /// `GET /contacts/lists`.
    Lists,
}

impl Endpoint {
    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UpsertContact => "upsert_contact",
            Self::UpdateContact => "update_contact",
            Self::ReadContact => "read_contact",
            Self::AddToList => "add_to_list",
            Self::CreateEvent => "create_event",
            Self::FindEvents => "find_events",
            Self::Account => "account",
            Self::Attributes => "attributes",
            Self::CreateAttribute => "create_attribute",
            Self::Lists => "lists",
        }
    }
}

/// What an answer means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Class {
    /// Done.
    Ok,
    /// Not done, and worth trying again as it is.
    Retry {
        /// Why.
        reason: String,
    },
    /// Perhaps done: a server failed, or a proxy gave up waiting for one.
    Unclear {
        /// Why.
        reason: String,
    },
    /// Not done: too many requests.
    Slow,
    /// Not done, and never will be: the record is at fault.
    DeadLetter {
        /// A short name of the class of fault, for counters and filters.
        class: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Not done, and no record would be: the account or the configuration is at fault.
    Configuration {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Not done, and there is a repair.
    Heal(Heal),
}

/// A repair.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Heal {
    /// The phone belongs to another contact, or is none: once more without it.
    DropPhone,
    /// The contact's other identifiers are in conflict, or two requests were in a race: read the
    /// contact and update it by its id.
    IdentifierConflict {
        /// What Brevo says.
        reason: String,
    },
    /// Perhaps done already, perhaps impossible: read the contact.
    ReadBack,
    /// There is no such contact.
    Missing,
    /// The attribute exists already.
    Exists,
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    duplicate_identifiers: Option<Vec<String>>,
}

/// The most of a message that is repeated.
const MESSAGE_LIMIT: usize = 300;

/// What an answer with this status and body means.
#[must_use]
pub fn classify(endpoint: Endpoint, status: u16, body: &[u8]) -> Class {
    if (200..300).contains(&status) {
        return Class::Ok;
    }
    let error: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let reason = describe(status, &error);
    match status {
        400 => bad_request(endpoint, &error, reason),
        401 => Class::Configuration {
            reason: unauthorised(&error, &reason),
        },
        402 => Class::Configuration {
            reason: format!(
                "Brevo wants credits or another plan ({reason}): buy credits or wait for the next day's, in Brevo under Usage and plan"
            ),
        },
        403 => Class::Configuration {
            reason: format!(
                "Brevo forbids the API key to do this ({reason}): give the key's user the right, or validate the account, in Brevo under Settings"
            ),
        },
        404 => not_found(endpoint, reason),
        429 => Class::Slow,
        408 | 425 => Class::Retry { reason },
        500..=599 => Class::Unclear { reason },
        300..=399 => Class::Configuration {
            reason: format!(
                "Brevo's address redirects elsewhere ({reason}): set brevo.api_url to the address of the API itself, normally https://api.brevo.com/v3"
            ),
        },
        _ => Class::DeadLetter {
            class: "brevo_refused",
            reason,
        },
    }
}

fn bad_request(endpoint: Endpoint, error: &ErrorBody, reason: String) -> Class {
    let duplicates = error
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.duplicate_identifiers.as_deref());
    let code = error.code.as_deref().unwrap_or_default();
    let message = error.message.as_deref().unwrap_or_default().to_lowercase();
    match endpoint {
        Endpoint::UpsertContact | Endpoint::UpdateContact => {
            if let Some(duplicates) = duplicates {
                // Seen with two codes since May 2026, so that the metadata decides, not the code.
                return if duplicates.iter().any(|name| is_phone(name)) {
                    Class::Heal(Heal::DropPhone)
                } else {
                    Class::Heal(Heal::IdentifierConflict { reason })
                };
            }
            match code {
                "duplicate_parameter" => Class::Heal(Heal::IdentifierConflict { reason }),
                "account_in_process" => Class::Retry { reason },
                "invalid_parameter"
                    if ["phone", "sms", "whatsapp", "landline"]
                        .iter()
                        .any(|word| message.contains(word)) =>
                {
                    Class::Heal(Heal::DropPhone)
                }
                _ => Class::DeadLetter {
                    class: "contact_refused",
                    reason,
                },
            }
        }
        Endpoint::AddToList if message.contains("already in list") => Class::Heal(Heal::ReadBack),
        Endpoint::AddToList if code == "document_not_found" || message.contains("list") => {
            Class::Configuration {
                reason: unknown_list(&reason),
            }
        }
        Endpoint::AddToList => Class::DeadLetter {
            class: "list_addition_refused",
            reason,
        },
        Endpoint::CreateEvent => Class::DeadLetter {
            class: "event_refused",
            reason,
        },
        Endpoint::CreateAttribute
            if message.contains("unique") || code == "duplicate_parameter" =>
        {
            Class::Heal(Heal::Exists)
        }
        Endpoint::ReadContact if code == "document_not_found" => Class::Heal(Heal::Missing),
        Endpoint::ReadContact
        | Endpoint::FindEvents
        | Endpoint::Account
        | Endpoint::Attributes
        | Endpoint::CreateAttribute
        | Endpoint::Lists => Class::Configuration {
            reason: format!(
                "Brevo refuses a request that is always the same ({reason}): is brevo.api_url Brevo's API, version 3?"
            ),
        },
    }
}

fn not_found(endpoint: Endpoint, reason: String) -> Class {
    match endpoint {
        Endpoint::ReadContact | Endpoint::UpdateContact => Class::Heal(Heal::Missing),
        Endpoint::AddToList => Class::Configuration {
            reason: unknown_list(&reason),
        },
        _ => Class::Configuration {
            reason: format!(
                "Brevo's API is not there ({reason}): set brevo.api_url to its address, normally https://api.brevo.com/v3"
            ),
        },
    }
}

fn unknown_list(reason: &str) -> String {
    format!(
        "Brevo does not know a list of connectors.zoom.lists ({reason}): create it, or set the id of one that exists, in Brevo under Contacts, Lists"
    )
}

fn unauthorised(error: &ErrorBody, reason: &str) -> String {
    let message = error.message.as_deref().unwrap_or_default();
    if message.contains("IP address") {
        format!(
            "Brevo does not let this machine's address in. Add it in Brevo under Security, Authorised IPs (https://app.brevo.com/security/authorised_ips). Brevo says: {reason}"
        )
    } else {
        format!(
            "Brevo refuses the API key ({reason}): set brevo.api_key to an API key (xkeysib-…; an SMTP key does not do), from Brevo under SMTP & API, API keys"
        )
    }
}

fn is_phone(identifier: &str) -> bool {
    let name = identifier.to_lowercase();
    ["sms", "phone", "whatsapp", "landline"]
        .iter()
        .any(|word| name.contains(word))
}

fn describe(status: u16, error: &ErrorBody) -> String {
    let message = error
        .message
        .as_deref()
        .map(|message| message.chars().take(MESSAGE_LIMIT).collect::<String>());
    match (error.code.as_deref(), message) {
        (Some(code), Some(message)) => format!("{status} {code}: {message}"),
        (None, Some(message)) => format!("{status}: {message}"),
        (Some(code), None) => format!("{status} {code}"),
        (None, None) => format!("{status}, without Brevo's error body"),
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint::{
        AddToList, CreateAttribute, CreateEvent, FindEvents, ReadContact, UpdateContact,
        UpsertContact,
    };
    use super::{Class, Endpoint, Heal, classify};

    fn name(class: &Class) -> &'static str {
        match class {
            Class::Ok => "ok",
            Class::Retry { .. } => "retry",
            Class::Unclear { .. } => "unclear",
            Class::Slow => "slow",
            Class::DeadLetter { .. } => "dead letter",
            Class::Configuration { .. } => "configuration",
            Class::Heal(Heal::DropPhone) => "drop phone",
            Class::Heal(Heal::IdentifierConflict { .. }) => "conflict",
            Class::Heal(Heal::ReadBack) => "read back",
            Class::Heal(Heal::Missing) => "missing",
            Class::Heal(Heal::Exists) => "exists",
        }
    }

    /// Bodies as clients of Brevo report them.
    #[test]
    fn every_known_answer() {
        let cases: &[(Endpoint, u16, &str, &str)] = &[
            (UpsertContact, 201, r#"{"id":21}"#, "ok"),
            (UpsertContact, 204, "", "ok"),
            (
                UpsertContact,
                400,
                r#"{"code":"duplicate_parameter","message":"Unable to create contact, email is already associated with another Contact","metadata":{"duplicate_identifiers":["email"]}}"#,
                "conflict",
            ),
            (
                UpsertContact,
                400,
                r#"{"code":"invalid_parameter","message":"Unable to update contact, email is already associated with another Contact","metadata":{"duplicate_identifiers":["email"]}}"#,
                "conflict",
            ),
            (
                UpsertContact,
                400,
                r#"{"code":"duplicate_parameter","message":"Contact already exist"}"#,
                "conflict",
            ),
            (
                UpsertContact,
                400,
                r#"{"code":"duplicate_parameter","message":"Unable to create contact, SMS is already associated with another Contact","metadata":{"duplicate_identifiers":["SMS"]}}"#,
                "drop phone",
            ),
            (
                UpdateContact,
                400,
                r#"{"code":"invalid_parameter","message":"x","metadata":{"duplicate_identifiers":["WHATSAPP"]}}"#,
                "drop phone",
            ),
            (
                UpsertContact,
                400,
                r#"{"code":"invalid_parameter","message":"Invalid phone number"}"#,
                "drop phone",
            ),
            (
                UpsertContact,
                400,
                r#"{"code":"missing_parameter","message":"Please provide Email or SMS attribute value to create user"}"#,
                "dead letter",
            ),
            (
                UpsertContact,
                400,
                r#"{"code":"invalid_parameter","message":"Invalid email address"}"#,
                "dead letter",
            ),
            (
                UpsertContact,
                425,
                r#"{"code":"account_in_process","message":"Too Early"}"#,
                "retry",
            ),
            (
                UpsertContact,
                401,
                r#"{"code":"unauthorized","message":"Key not found"}"#,
                "configuration",
            ),
            (
                UpsertContact,
                402,
                r#"{"code":"not_enough_credits","message":"x"}"#,
                "configuration",
            ),
            (
                UpsertContact,
                403,
                r#"{"code":"permission_denied","message":"x"}"#,
                "configuration",
            ),
            (UpsertContact, 404, "<html>not here</html>", "configuration"),
            (UpsertContact, 302, "", "configuration"),
            (
                UpsertContact,
                429,
                r#"{"code":"too_many_requests","message":"Too many requests"}"#,
                "slow",
            ),
            (UpsertContact, 500, "", "unclear"),
            (
                CreateEvent,
                524,
                "<!DOCTYPE html><title>524: A timeout occurred</title>",
                "unclear",
            ),
            (CreateEvent, 204, "", "ok"),
            (
                CreateEvent,
                400,
                r#"{"code":"invalid_parameter","message":"event_properties too large"}"#,
                "dead letter",
            ),
            (CreateEvent, 400, "<html>", "dead letter"),
            (CreateEvent, 408, "", "retry"),
            (CreateEvent, 413, "", "dead letter"),
            (AddToList, 201, "{}", "ok"),
            (
                AddToList,
                400,
                r#"{"code":"invalid_parameter","message":"Contact already in list and/or does not exist"}"#,
                "read back",
            ),
            (
                AddToList,
                400,
                r#"{"code":"invalid_parameter","message":"List ID does not exist"}"#,
                "configuration",
            ),
            (
                AddToList,
                404,
                r#"{"code":"document_not_found","message":"List ID does not exist"}"#,
                "configuration",
            ),
            (
                CreateAttribute,
                400,
                r#"{"code":"invalid_parameter","message":"Attribute name must be unique"}"#,
                "exists",
            ),
            (
                ReadContact,
                404,
                r#"{"code":"document_not_found","message":"Contact does not exist"}"#,
                "missing",
            ),
            (
                UpdateContact,
                404,
                r#"{"code":"document_not_found","message":"Contact does not exist"}"#,
                "missing",
            ),
            (FindEvents, 500, r#"{"message":"x"}"#, "unclear"),
        ];
        for (endpoint, status, body, expected) in cases {
            let class = classify(*endpoint, *status, body.as_bytes());
            assert_eq!(name(&class), *expected, "{endpoint:?} {status} {body}");
        }
    }

    #[test]
    fn a_fault_of_the_configuration_says_what_to_do() {
        let ip = r#"{"code":"unauthorized","message":"We have detected you are using an unrecognised IP address 203.0.113.7. If you performed this action make sure to add the new IP address in this link: https://app.brevo.com/security/authorised_ips"}"#;
        let texts: Vec<_> = [
            (UpsertContact, 401, ip),
            (
                UpsertContact,
                401,
                r#"{"code":"unauthorized","message":"Key not found"}"#,
            ),
            (
                AddToList,
                404,
                r#"{"code":"document_not_found","message":"List ID does not exist"}"#,
            ),
        ]
        .into_iter()
        .map(
            |(endpoint, status, body)| match classify(endpoint, status, body.as_bytes()) {
                Class::Configuration { reason } => reason,
                other => panic!("{other:?}"),
            },
        )
        .collect();
        insta::assert_snapshot!(texts.join("\n"), @"
        Brevo does not let this machine's address in. Add it in Brevo under Security, Authorised IPs (https://app.brevo.com/security/authorised_ips). Brevo says: 401 unauthorized: We have detected you are using an unrecognised IP address 203.0.113.7. If you performed this action make sure to add the new IP address in this link: https://app.brevo.com/security/authorised_ips
        Brevo refuses the API key (401 unauthorized: Key not found): set brevo.api_key to an API key (xkeysib-…; an SMTP key does not do), from Brevo under SMTP & API, API keys
        Brevo does not know a list of connectors.zoom.lists (404 document_not_found: List ID does not exist): create it, or set the id of one that exists, in Brevo under Contacts, Lists
        ");
    }

    #[test]
    fn only_the_answers_named_are_clear_failures_of_an_event() {
        for status in 500..600 {
            assert_eq!(
                name(&classify(CreateEvent, status, b"")),
                "unclear",
                "{status}"
            );
        }
    }
}
