//! A signed webhook of Zoom as bytes on the wire.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A registration of 1.1 KB.
pub const REGISTRATION: &[u8] = include_bytes!("../peers/ingress/registration.json");

/// A whole request with this body, signed now.
///
/// # Errors
///
/// Where the machine's clock is before 1970.
pub fn request(body: &[u8], secret: &str) -> Result<Vec<u8>> {
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    let signature: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut request = format!(
        "POST /webhooks/zoom HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json; charset=utf-8\r\n\
         x-zm-request-timestamp: {timestamp}\r\nx-zm-signature: v0={signature}\r\n\
         x-zm-request-id: 0a1b2c3d_0a1b_0a1b_0a1b_0a1b2c3d4e5f\r\nUser-Agent: Zoom Marketplace/1.0a\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    Ok(request)
}
