//! The answers to a request, and what each says to Zoom.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::envelope::NotAnEnvelope;

/// Seconds after which whoever heeds it may come back. Zoom has its own times.
const RETRY_AFTER_SECONDS: &str = "30";

/// What became of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The log holds the delivery durably.
    Kept,
    /// Validly signed, but of another account than the one configured: dropped.
    ForeignAccount,
    /// The validation of the address, which Zoom repeats every 72 hours.
    Validated {
        /// What Zoom sent.
        plain_token: String,
        /// The same under the secret that signed the request.
        encrypted_token: String,
    },
    /// Nothing of it was kept.
    Refused(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The signature is missing, or no active secret's.
    #[error("the signature is missing or wrong")]
    BadSignature,
    /// Signed, but no envelope.
    #[error("{0}")]
    NotAnEnvelope(NotAnEnvelope),
    /// Signed, but a validation of the address without what to encrypt.
    #[error("the URL validation has no text `plainToken`")]
    NoPlainToken,
    /// More bytes than [`MAX_BODY`](super::MAX_BODY).
    #[error("the body is over 1 MiB")]
    TooLarge,
    /// Signed, but its time stamp and this machine's clock are too far apart.
    #[error("the time stamp is more than 5 minutes off")]
    ClockOff,
    /// The log did not take it.
    #[error("the log cannot take it now")]
    LogUnavailable,
    /// It could not be read and kept in time.
    #[error("it took too long")]
    TooLate,
    /// The body did not come to its end.
    #[error("the body broke off")]
    BrokenOff,
}

impl Answer {
    /// The outcomes by which requests are counted.
    pub(super) const OUTCOMES: [&'static str; 10] = [
        "kept",
        "foreign_account",
        "validated",
        "bad_signature",
        "not_an_envelope",
        "too_large",
        "clock_off",
        "log_unavailable",
        "too_late",
        "broken_off",
    ];

    /// Place of this answer's outcome in [`Self::OUTCOMES`].
    pub(super) fn outcome(&self) -> usize {
        match self {
            Self::Kept => 0,
            Self::ForeignAccount => 1,
            Self::Validated { .. } => 2,
            Self::Refused(refusal) => match refusal {
                Refusal::BadSignature => 3,
                Refusal::NotAnEnvelope(_) | Refusal::NoPlainToken => 4,
                Refusal::TooLarge => 5,
                Refusal::ClockOff => 6,
                Refusal::LogUnavailable => 7,
                Refusal::TooLate => 8,
                Refusal::BrokenOff => 9,
            },
        }
    }
}

impl Refusal {
    /// The status: a 4xx is final for Zoom, a 503 brings it back.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadSignature => StatusCode::UNAUTHORIZED,
            Self::NotAnEnvelope(_) | Self::NoPlainToken => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ClockOff | Self::LogUnavailable | Self::TooLate | Self::BrokenOff => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Validation {
            plain_token: String,
            encrypted_token: String,
        }

        match self {
            Self::Kept | Self::ForeignAccount => StatusCode::OK.into_response(),
            Self::Validated {
                plain_token,
                encrypted_token,
            } => Json(Validation {
                plain_token,
                encrypted_token,
            })
            .into_response(),
            Self::Refused(refusal) => {
                let status = refusal.status();
                let reason = refusal.to_string();
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    (status, [(RETRY_AFTER, RETRY_AFTER_SECONDS)], reason).into_response()
                } else {
                    (status, reason).into_response()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Answer, Refusal};
    use crate::envelope::NotAnEnvelope;

    #[test]
    fn every_answer_is_counted_under_its_own_outcome() {
        let answers = [
            Answer::Kept,
            Answer::ForeignAccount,
            Answer::Validated {
                plain_token: String::new(),
                encrypted_token: String::new(),
            },
            Answer::Refused(Refusal::BadSignature),
            Answer::Refused(Refusal::NotAnEnvelope(NotAnEnvelope::NoEvent)),
            Answer::Refused(Refusal::TooLarge),
            Answer::Refused(Refusal::ClockOff),
            Answer::Refused(Refusal::LogUnavailable),
            Answer::Refused(Refusal::TooLate),
            Answer::Refused(Refusal::BrokenOff),
        ];
        let outcomes: BTreeSet<_> = answers.iter().map(Answer::outcome).collect();
        assert_eq!(
            outcomes.into_iter().collect::<Vec<_>>(),
            (0..Answer::OUTCOMES.len()).collect::<Vec<_>>()
        );
    }
}
