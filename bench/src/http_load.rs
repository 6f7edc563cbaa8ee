//! A load of HTTP requests over kept-alive connections, without an HTTP library: one thread makes it,
//! so that most of the machine is left to what is measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends as soon as it has its answer.
    AsFastAsAnswered,
    /// This many a second in all, whatever the answers take; a request's time counts from when it was
    /// due.
    PerSecond(f64),
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Answers of status 200.
    pub answered: u64,
    /// Other answers, and connections that broke.
    pub failed: u64,
    /// How long it went.
    pub elapsed: Duration,
    /// Times from request to answer, ascending, in microseconds.
    micros: Vec<u32>,
}

impl Outcome {
    /// Answers of 200 a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }

    /// The time, in milliseconds, that this share of the requests took at most.
    #[must_use]
    pub fn percentile_ms(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length"
        )]
        let index =
            ((self.micros.len() as f64 * share) as usize).min(self.micros.len().saturating_sub(1));
        self.micros
            .get(index)
            .map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    }
}

/// Sends `request`, whole and again and again, over this many connections for this long.
///
/// # Errors
///
/// Where a connection cannot be made.
pub fn run(
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    pace: Pace,
    length: Duration,
) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(drive(address, request.into(), connections, pace, length))
}

async fn drive(
    address: SocketAddr,
    request: Arc<[u8]>,
    connections: usize,
    pace: Pace,
    length: Duration,
) -> Result<Outcome> {
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let start = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = streams
        .into_iter()
        .map(|stream| {
            let connection = Connection {
                stream,
                request: Arc::clone(&request),
                buffer: Vec::with_capacity(4096),
            };
            tokio::spawn(one(connection, pace, start, length, Arc::clone(&next)))
        })
        .collect();
    let mut outcome = Outcome::default();
    for task in tasks {
        let (micros, failed) = task.await?;
        outcome.failed += failed;
        outcome.micros.extend(micros);
    }
    outcome.elapsed = start.elapsed();
    outcome.answered = outcome.micros.len() as u64;
    outcome.micros.sort_unstable();
    Ok(outcome)
}

async fn one(
    mut connection: Connection,
    pace: Pace,
    start: Instant,
    length: Duration,
    next: Arc<AtomicU64>,
) -> (Vec<u32>, u64) {
    let (mut micros, mut failed) = (Vec::new(), 0);
    loop {
        let due = match pace {
            Pace::AsFastAsAnswered => Instant::now(),
            Pace::PerSecond(rate) => {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let due = start + Duration::from_secs_f64(number as f64 / rate);
                tokio::time::sleep_until(due.into()).await;
                due
            }
        };
        if due > start + length {
            return (micros, failed);
        }
        match connection.exchange().await {
            Ok(200) => micros.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX)),
            Ok(_) => failed += 1,
            Err(_) => return (micros, failed + 1),
        }
    }
}

/// Sends one request over a connection of its own. Returns the answer's status.
///
/// # Errors
///
/// Where the connection fails.
pub async fn post(address: SocketAddr, request: &[u8]) -> Result<u16> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut connection = Connection {
        stream,
        request: request.into(),
        buffer: Vec::with_capacity(1024),
    };
    connection.exchange().await
}

struct Connection {
    stream: TcpStream,
    request: Arc<[u8]>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Sends the request, and reads the answer to its end. Returns its status.
    async fn exchange(&mut self) -> Result<u16> {
        self.stream.write_all(&self.request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            if let Some((status, length)) = head(&self.buffer)?
                && self.buffer.len() >= length
            {
                return Ok(status);
            }
        }
    }
}

/// Status and whole length of an answer, once its head is there.
fn head(bytes: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..end])?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .context("no status line")?
        .parse()?;
    let mut length = 0;
    for line in lines {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    Ok(Some((status, end + 4 + length)))
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn an_answer_is_whole_with_its_body() {
        let answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nx: y\r\n\r\nok";
        assert_eq!(head(answer).ok(), Some(Some((503, answer.len()))));
        assert_eq!(head(&answer[..20]).ok(), Some(None));
        let bare = b"HTTP/1.1 200 OK\r\n\r\n";
        assert_eq!(head(bare).ok(), Some(Some((200, bare.len()))));
    }
}
