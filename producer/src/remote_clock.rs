//! A clock that somebody else keeps: a sandbox, which plays an account faster than time goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rollcall_runtime::clock::Clock;
use serde::Deserialize;

/// How often the time is asked for.
const EVERY: Duration = Duration::from_millis(50);
/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The time as the address last told it, never going back.
///
/// While the address does not answer, time stands still: whoever plays an account waits for its
/// deliveries to be answered before it goes on, so a reading may be old but never ahead.
#[derive(Debug)]
pub struct RemoteClock {
    now_ms: AtomicI64,
}

/// An address that told no time.
#[derive(Debug, thiserror::Error)]
#[error(
    "GET {url} told no time ({reason}): clock.url must be a sandbox's, which answers {{\"now_ms\": …}}; leave it out to use this machine's clock"
)]
pub struct RemoteClockError {
    /// The address.
    pub url: String,
    /// What came instead.
    pub reason: String,
}

#[derive(Deserialize)]
struct Reading {
    now_ms: i64,
}

impl RemoteClock {
    /// Asks for the time once, and from then on in a task of the current Tokio runtime, for as long
    /// as the clock is held.
    ///
    /// # Errors
    ///
    /// Where the first reading fails.
    pub async fn connect(url: &str) -> Result<Arc<Self>, RemoteClockError> {
        let failed = |reason: String| RemoteClockError {
            url: url.to_owned(),
            reason,
        };
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let first = read(&client, url).await.map_err(failed)?;
        let clock = Arc::new(Self {
            now_ms: AtomicI64::new(first),
        });
        let (held, url) = (Arc::downgrade(&clock), url.to_owned());
        tokio::spawn(async move {
            let mut answering = true;
            loop {
                tokio::time::sleep(EVERY).await;
                let reading = read(&client, &url).await;
                let Some(clock) = held.upgrade() else { return };
                match reading {
                    Ok(now_ms) => _ = clock.now_ms.fetch_max(now_ms, Ordering::AcqRel),
                    Err(ref reason) if answering => tracing::warn!(
                        url,
                        reason,
                        "the clock does not answer; time stands still until it does"
                    ),
                    Err(_) => {}
                }
                answering = reading.is_ok();
            }
        });
        Ok(clock)
    }
}

impl Clock for RemoteClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Acquire)
    }
}

async fn read(client: &reqwest::Client, url: &str) -> Result<i64, String> {
    let response = client
        .get(url)
        .send()
        .await
        .map_err(|error| with_causes(&error))?;
    if !response.status().is_success() {
        return Err(format!("status {}", response.status()));
    }
    let reading: Reading = response.json().await.map_err(|error| with_causes(&error))?;
    Ok(reading.now_ms)
}

/// An error with its causes: reqwest's own text says only that a request failed.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
