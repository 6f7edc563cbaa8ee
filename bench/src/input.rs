//! The load: webhooks of the peers' generator, as records of `zoom.raw`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rollcall_schemas::Text;
use rollcall_schemas::record::{RawKind, RawRecord, Tick, WebhookDelivery};
use rollcall_schemas::wire::{Encoder, RAW_RECORD};

const HOUR: i64 = 3_600_000;
/// Ticks go on for this long after the last end, so that every row is final.
const UNTIL_FINAL: i64 = 26 * HOUR;
/// Between two ticks. The load's webinars are planned this far apart, twenty at a time.
const TICK_EVERY: i64 = 2 * HOUR;

/// One webhook of the load.
#[derive(Clone, Debug, Default)]
pub struct Webhook {
    /// The meeting id: the record's key.
    pub key: Vec<u8>,
    request_id: String,
    received_at: i64,
    /// What Zoom posted.
    pub body: Vec<u8>,
}

impl Webhook {
    /// Appends the webhook to `out` as a value of `zoom.raw`, as the ingress would have written it.
    pub fn encode_into(&self, encoder: &mut Encoder, out: &mut Vec<u8>) {
        let meeting = std::str::from_utf8(&self.key).unwrap_or_default();
        let record = RawRecord {
            kind: RawKind::Webhook,
            received_at: self.received_at,
            account_id: Some(Text::from("QjR7wAccTaWx0mZbq9Yp1A")),
            meeting_id: Some(Text::from(meeting)),
            webhook: Some(WebhookDelivery {
                request_id: Some(Text::from(self.request_id.as_str())),
                body: &self.body,
            }),
            tick: None,
        };
        encoder.encode_into(&record, out);
    }

    /// The registration of somebody new, for a webinar of his own.
    #[must_use]
    pub fn registration(meeting_id: u64, email: &str, at: i64) -> Self {
        let body = format!(
            r#"{{"event":"webinar.registration_created","payload":{{"account_id":"QjR7wAccTaWx0mZbq9Yp1A","object":{{"uuid":"{meeting_id}==","id":{meeting_id},"host_id":"host","topic":"Late","type":5,"start_time":"2030-01-01T10:00:00Z","duration":60,"timezone":"Europe/Berlin","registrant":{{"id":"r{meeting_id}","first_name":"Late","last_name":"Comer","email":"{email}","status":"approved","join_url":"https://example.com/join"}}}}}},"event_ts":{at}}}"#
        );
        Self {
            key: meeting_id.to_string().into_bytes(),
            request_id: format!("late-{meeting_id}"),
            received_at: at,
            body: body.into_bytes(),
        }
    }
}

/// Reads the webhooks of a file that the generator wrote.
pub struct Webhooks {
    file: BufReader<File>,
    value: Vec<u8>,
    /// When the next tick is due; not known before the first webhook.
    next_tick: Option<i64>,
    last_end: i64,
    encoder: Encoder,
}

impl Webhooks {
    /// Opens the file.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Self {
            file: BufReader::with_capacity(1 << 20, file),
            value: Vec::new(),
            next_tick: None,
            last_end: 0,
            encoder: RAW_RECORD.encoder(),
        })
    }

    /// Reads the next webhook into `webhook`. False at the end.
    ///
    /// # Errors
    ///
    /// Where the file is not what the generator writes.
    pub fn read(&mut self, webhook: &mut Webhook) -> Result<bool> {
        if !read_block(&mut self.file, &mut webhook.key)? {
            return Ok(false);
        }
        if !read_block(&mut self.file, &mut self.value)? {
            bail!("the load ends within a record");
        }
        let mut datum = self
            .value
            .get(5..)
            .context("a record without its framing")?;
        let request_id = take_block(&mut datum)?;
        webhook.request_id = std::str::from_utf8(request_id)?.to_owned();
        webhook.received_at = take_long(&mut datum)?;
        let body = take_block(&mut datum)?;
        webhook.body.clear();
        webhook.body.extend_from_slice(body);
        if body.starts_with(br#"{"event":"webinar.ended""#) {
            self.last_end = self.last_end.max(webhook.received_at);
        }
        Ok(true)
    }

    /// The webhook as a value of `zoom.raw`, as the ingress would have written it.
    pub fn raw_record(&mut self, webhook: &Webhook, out: &mut Vec<u8>) {
        webhook.encode_into(&mut self.encoder, out);
    }

    /// Ticks to go to every partition before `webhook`, as values of `zoom.raw`: time passes while
    /// webhooks come.
    pub fn ticks_before(&mut self, webhook: &Webhook) -> Vec<Vec<u8>> {
        self.next_tick
            .get_or_insert(webhook.received_at + TICK_EVERY);
        self.ticks_until(webhook.received_at)
    }

    /// Ticks to go to every partition after all webhooks: after them every webinar of the load has
    /// ended and every row is final.
    pub fn last_ticks(&mut self) -> Vec<Vec<u8>> {
        self.ticks_until(self.last_end + UNTIL_FINAL)
    }

    fn ticks_until(&mut self, end: i64) -> Vec<Vec<u8>> {
        let mut ticks = Vec::new();
        while let Some(at) = self.next_tick.filter(|at| *at <= end) {
            ticks.push(self.encoder.encode(&RawRecord {
                kind: RawKind::Tick,
                received_at: at,
                tick: Some(Tick { at }),
                ..RawRecord::default()
            }));
            self.next_tick = Some(at + TICK_EVERY);
        }
        ticks
    }
}

fn read_block(file: &mut impl Read, into: &mut Vec<u8>) -> Result<bool> {
    let mut length = [0; 4];
    match file.read_exact(&mut length) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
        other => other?,
    }
    into.resize(u32::from_be_bytes(length) as usize, 0);
    file.read_exact(into)?;
    Ok(true)
}

/// A long of Avro's binary form.
fn take_long(datum: &mut &[u8]) -> Result<i64> {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let (byte, rest) = datum.split_first().context("a long is cut off")?;
        *datum = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
        shift += 7;
        if shift > 63 {
            bail!("a long of more than ten bytes");
        }
    }
}

fn take_block<'a>(datum: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = usize::try_from(take_long(datum)?)?;
    let (block, rest) = datum
        .split_at_checked(length)
        .context("a block is cut off")?;
    *datum = rest;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::{take_block, take_long};

    #[test]
    fn longs_and_blocks_of_avro() {
        let mut datum: &[u8] = &[0x03, 0x80, 0x01, 0x04, b'a', b'b', 0x00];
        assert_eq!(take_long(&mut datum).ok(), Some(-2));
        assert_eq!(take_long(&mut datum).ok(), Some(64));
        assert_eq!(take_block(&mut datum).ok(), Some(&b"ab"[..]));
        assert_eq!(take_block(&mut datum).ok(), Some(&b""[..]));
        assert!(take_long(&mut datum).is_err());
    }
}
