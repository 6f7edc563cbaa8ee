//! What Brevo answers, and the bodies of its refusals.

use serde_json::{Value, json};

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Body,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Empty,
    Json(Value),
    Html(&'static str),
}

impl Answer {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Body::Json(body),
            headers: Vec::new(),
        }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            body: Body::Empty,
            headers: Vec::new(),
        }
    }

    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, json!({"code": code, "message": message}))
    }

    pub(super) fn invalid(message: &str) -> Self {
        Self::error(400, "invalid_parameter", message)
    }

    pub(super) fn missing(message: &str) -> Self {
        Self::error(400, "missing_parameter", message)
    }

    pub(super) fn out_of_range(message: &str) -> Self {
        Self::error(400, "out_of_range", message)
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self::error(404, "document_not_found", message)
    }

    pub(super) fn no_key() -> Self {
        Self::error(401, "unauthorized", "authentication not found in headers")
    }

    pub(super) fn unknown_key() -> Self {
        Self::error(401, "unauthorized", "Key not found")
    }

    pub(super) fn unrecognised_ip() -> Self {
        Self::error(
            401,
            "unauthorized",
            "We have detected you are using an unrecognised IP address 203.0.113.7. If you performed this action make sure to add the new \
             IP address in this link: https://app.brevo.com/security/authorised_ips",
        )
    }

    pub(super) fn too_early() -> Self {
        Self::error(425, "account_in_process", "Too Early")
    }

    pub(super) fn too_many_requests() -> Self {
        Self::error(429, "too_many_requests", "Too many requests")
    }

    pub(super) fn gateway_timeout_page() -> Self {
        let page = "<!DOCTYPE html><html><head><title>api.brevo.com | 524: A timeout occurred</title></head><body>Cloudflare</body></html>";
        Self {
            status: 524,
            body: Body::Html(page),
            headers: Vec::new(),
        }
    }
}
