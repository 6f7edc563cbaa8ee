//! Requests as Zoom makes them, and as nobody should.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub(crate) const SECRET: &str = "secret-token";
/// The time at which the tests play, in seconds.
pub(crate) const NOW: i64 = 1_785_369_356;

/// Zoom's signature, made here a second time, so that the tests do not ask the code they test.
pub(crate) fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    mac.finalize()
        .into_bytes()
        .iter()
        .fold("v0=".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes every write");
            text
        })
}

/// A request to the webhook address, complete or not, as the bytes that go over the wire.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) timestamp: Option<String>,
    pub(crate) signature: Option<String>,
    pub(crate) framing: Framing,
    pub(crate) body: Vec<u8>,
}

/// How the request says where its body ends.
#[derive(Clone)]
pub(crate) enum Framing {
    /// By its length.
    Length,
    /// By a length that is not the body's.
    FalseLength(usize),
    /// In chunks of 64 KiB, no length said.
    Chunked,
}

impl Delivery {
    /// A delivery of `body`, signed now with [`SECRET`].
    pub(crate) fn of(body: impl Into<Vec<u8>>) -> Self {
        Self::stamped(NOW, SECRET, body)
    }

    pub(crate) fn stamped(seconds: i64, secret: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let timestamp = seconds.to_string();
        let signature = sign(secret, &timestamp, &body);
        Self {
            method: "POST",
            path: "/webhooks/zoom",
            timestamp: Some(timestamp),
            signature: Some(signature),
            framing: Framing::Length,
            body,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n",
            self.method, self.path
        );
        head += "content-type: application/json; charset=utf-8\r\nuser-agent: Zoom Marketplace/1.0a\r\n";
        head += "x-zm-request-id: 1a2b3c4d_5e6f_7a8b_9c0d_1e2f3a4b5c6d\r\nclientid: client-id-in-a-header\r\nauthorization: token-in-a-header\r\n";
        if let Some(timestamp) = &self.timestamp {
            head += &format!("x-zm-request-timestamp: {timestamp}\r\n");
        }
        if let Some(signature) = &self.signature {
            head += &format!("x-zm-signature: {signature}\r\n");
        }
        head += &match self.framing {
            Framing::Length => format!("content-length: {}\r\n", self.body.len()),
            Framing::FalseLength(bytes) => format!("content-length: {bytes}\r\n"),
            Framing::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
        };
        let mut bytes = (head + "\r\n").into_bytes();
        if let Framing::Chunked = self.framing {
            for chunk in self.body.chunks(64 * 1024) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// A body of exactly `bytes` bytes.
pub(crate) fn body_of(bytes: usize) -> Vec<u8> {
    let (start, end) = (r#"{"event":"meeting.ended","padding":""#, r#""}"#);
    format!(
        "{start}{}{end}",
        "x".repeat(bytes - start.len() - end.len())
    )
    .into_bytes()
}
