//! Zoom's signature of a webhook delivery, and its answer to the validation of an address.
//!
//! `x-zm-signature` is `v0=` and, in lower-case hexadecimal, the HMAC-SHA256 of
//! `v0:{x-zm-request-timestamp}:{body}` under the app's secret token, over the bytes as they came
//! (Zoom's documentation, "Verify webhook events"). A body that was parsed and printed again need
//! not have the same bytes.

use hmac::{Hmac, KeyInit, Mac};
use rollcall_runtime::secret::Secret;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How many secrets may be active at once: the old and the new one while a secret is being changed.
pub const MAX_SECRETS: usize = 2;

const SCHEME: &[u8] = b"v0=";
const DIGEST: usize = 32;

/// Checks signatures against the active secrets.
pub struct Verifier {
    keys: Vec<Key>,
}

/// An active secret, ready to sign.
pub struct Key(Hmac<Sha256>);

/// Secrets that nothing can be checked with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SecretsError {
    /// There is none.
    #[error(
        "no secret token of the Zoom app is set: without it nobody could tell Zoom's webhooks from anybody's. Set connectors.zoom.webhook.secret_token to the Secret Token of the app's Feature page"
    )]
    Missing,
    /// One of them is empty, and so known to everybody.
    #[error(
        "a secret token of the Zoom app is empty: set connectors.zoom.webhook.secret_token to the Secret Token of the app's Feature page"
    )]
    Empty,
    /// More than the old and the new one.
    #[error(
        "{0} secret tokens of the Zoom app are set, but at most 2 (the old and the new one) can be active"
    )]
    TooMany(usize),
}

impl Verifier {
    /// A verifier that accepts what any of `secrets` signed.
    ///
    /// # Errors
    ///
    /// Where there is none, one is empty, or there are more than [`MAX_SECRETS`].
    pub fn new(secrets: &[Secret]) -> Result<Self, SecretsError> {
        match secrets.len() {
            0 => return Err(SecretsError::Missing),
            count if count > MAX_SECRETS => return Err(SecretsError::TooMany(count)),
            _ if secrets.iter().any(Secret::is_empty) => return Err(SecretsError::Empty),
            _ => {}
        }
        Ok(Self {
            keys: secrets.iter().map(Key::new).collect(),
        })
    }

    /// The signature that Zoom would send with `body` at `timestamp`, by the first of the secrets. For
    /// whoever plays Zoom.
    #[must_use]
    pub fn sign(&self, timestamp: &[u8], body: &[u8]) -> String {
        self.keys[0].signature(timestamp, body)
    }

    /// The secret that signed `body`, if any did. `timestamp` and `signature` are the header values
    /// as they came. The time it takes does not tell how much of a signature was right.
    #[must_use]
    pub fn signer(&self, timestamp: &[u8], body: &[u8], signature: &[u8]) -> Option<&Key> {
        let claimed = digest_from_header(signature)?;
        self.keys
            .iter()
            .find(|key| key.delivery_digest(timestamp, body).ct_eq(&claimed).into())
    }
}

impl Key {
    fn new(secret: &Secret) -> Self {
        Self(
            Hmac::new_from_slice(secret.expose().as_bytes())
                .expect("HMAC takes keys of any length"),
        )
    }

    fn delivery_digest(&self, timestamp: &[u8], body: &[u8]) -> [u8; DIGEST] {
        let mut mac = self.0.clone();
        mac.update(b"v0:");
        mac.update(timestamp);
        mac.update(b":");
        mac.update(body);
        mac.finalize().into_bytes().into()
    }

    fn signature(&self, timestamp: &[u8], body: &[u8]) -> String {
        format!("v0={}", hexadecimal(&self.delivery_digest(timestamp, body)))
    }

    /// What `encryptedToken` must be in the answer to an `endpoint.url_validation`.
    #[must_use]
    pub fn encrypted_token(&self, plain_token: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(plain_token.as_bytes());
        hexadecimal(&mac.finalize().into_bytes())
    }
}

/// The digest that a signature header claims; `None` where it is not of the form that Zoom sends.
fn digest_from_header(header: &[u8]) -> Option<[u8; DIGEST]> {
    let digits = header.strip_prefix(SCHEME)?;
    if digits.len() != 2 * DIGEST {
        return None;
    }
    let mut digest = [0; DIGEST];
    for (byte, pair) in digest.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(digest)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rollcall_runtime::secret::Secret;

    use super::{SecretsError, Verifier};

    const TIMESTAMP: &[u8] = b"1785369356";
    const BODY: &str = r#"{"event":"meeting.started","event_ts":1785369356750,"payload":{"account_id":"A","object":{"id":"86084701483","topic":"Réunion — été"}}}"#;
    const SIGNATURE: &[u8] = b"v0=acbc0f3b6890004e0f1715f4db4cace2b8c5da0c9977e3d1a9376efb850d4d1a";

    fn verifier(secrets: &[&str]) -> Verifier {
        let secrets: Vec<_> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        Verifier::new(&secrets).expect("usable secrets")
    }

    #[test]
    fn agrees_with_a_known_delivery_over_its_utf8_bytes() {
        let verifier = verifier(&["secret-token"]);
        let key = verifier
            .signer(TIMESTAMP, BODY.as_bytes(), SIGNATURE)
            .expect("signed");
        assert_eq!(
            key.signature(TIMESTAMP, BODY.as_bytes()).as_bytes(),
            SIGNATURE
        );
    }

    /// The example of Zoom's documentation of the URL validation.
    #[test]
    fn agrees_with_a_known_url_validation() {
        let verifier = verifier(&["secret-token"]);
        assert_eq!(
            verifier.keys[0].encrypted_token("qgg8vlvZRS6UYooatFL8Aw"),
            "5b72bd117f184f54093c1c3c11499c1d13e6d56dc0d96e6b78fbfecedc953b75"
        );
    }

    #[test]
    fn either_secret_signs_while_one_is_being_changed() {
        let (old, new) = (verifier(&["old"]), verifier(&["new"]));
        let both = verifier(&["new", "old"]);
        for single in [&old, &new] {
            let signature = single.keys[0].signature(TIMESTAMP, b"{}");
            let signer = both
                .signer(TIMESTAMP, b"{}", signature.as_bytes())
                .expect("signed by one of both");
            assert_eq!(
                signer.encrypted_token("t"),
                single.keys[0].encrypted_token("t")
            );
        }
        let stranger = verifier(&["third"]).keys[0].signature(TIMESTAMP, b"{}");
        assert!(both.signer(TIMESTAMP, b"{}", stranger.as_bytes()).is_none());
    }

    #[test]
    fn secrets_that_check_nothing_are_refused() {
        let error = |secrets: &[&str]| {
            let secrets: Vec<_> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
            Verifier::new(&secrets).err()
        };
        assert_eq!(error(&[]), Some(SecretsError::Missing));
        assert_eq!(error(&["a", ""]), Some(SecretsError::Empty));
        assert_eq!(error(&["a", "b", "c"]), Some(SecretsError::TooMany(3)));
        assert_eq!(error(&["a"]), None);
    }

    proptest! {
        #[test]
        fn any_change_of_a_byte_is_found(body in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let verifier = verifier(&["secret-token"]);
            let signature = verifier.keys[0].signature(TIMESTAMP, &body).into_bytes();
            prop_assert!(verifier.signer(TIMESTAMP, &body, &signature).is_some());
            let changed = |bytes: &[u8]| {
                let mut changed = bytes.to_vec();
                let at = at.index(changed.len());
                changed[at] ^= flip;
                changed
            };
            prop_assert!(verifier.signer(TIMESTAMP, &body, &changed(&signature)).is_none());
            prop_assert!(verifier.signer(&changed(TIMESTAMP), &body, &signature).is_none());
            if !body.is_empty() {
                prop_assert!(verifier.signer(TIMESTAMP, &changed(&body), &signature).is_none());
            }
        }

        #[test]
        fn no_header_panics(signature in proptest::collection::vec(any::<u8>(), 0..80), timestamp in proptest::collection::vec(any::<u8>(), 0..20)) {
            let verifier = verifier(&["secret-token"]);
            prop_assert!(verifier.signer(&timestamp, b"body", &signature).is_none());
        }
    }
}
