//! Whatever is wrong at a boundary ends as it should: webhooks, records of the log, Brevo's refusals,
//! the configuration, the command line, and the folder of the log.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::{EventLog, TopicPartition};
use rollcall_sandbox::account::BEGINS_MS;
use rollcall_sandbox::zoom::sign;
use rollcall_sandbox::{Sandbox, SandboxOptions};
use rollcall_schemas::record::{RawRecord, ZoomEvent};
use rollcall_schemas::wire::{RAW_RECORD, ZOOM_EVENT};
use rollcall_tests::line::{
    Answer, Engine, Instance, PATIENCE, free_address, rollcall, rollcall_in,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const SECRET: &str = "secret-token";

/// A pipeline on a folder of its own, and the two accounts. No story is told: what comes in is what a
/// test sends.
struct Line {
    folder: TempDir,
    sandbox: Sandbox,
    instance: Instance,
}

impl Line {
    async fn new() -> Self {
        Self::on(&Engine::Embedded, "").await
    }

    /// On an engine, with more at the end of its configuration.
    async fn on(engine: &Engine, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let instance = Instance::new(folder.path());
        // Nothing listens there, so that the story does not begin and the clock stands.
        let mut options = SandboxOptions::to(format!("http://{}/", free_address()));
        options.player.secret_token = SECRET.to_owned();
        let sandbox = Sandbox::start(options).await.expect("a sandbox");
        instance.configure(&sandbox, engine, more);
        Self {
            folder,
            sandbox,
            instance,
        }
    }

    async fn running() -> Self {
        let mut line = Self::new().await;
        line.instance.start_and_wait().await;
        line
    }

    /// Replaces a part of the configuration.
    fn reconfigure(&self, part: &str, by: &str) {
        let text = fs::read_to_string(self.instance.file()).expect("a configuration");
        assert!(text.contains(part), "{part:?} is not in\n{text}");
        fs::write(self.instance.file(), text.replace(part, by)).expect("written");
    }

    /// Sends a webhook as Zoom would.
    async fn send(&self, body: &Value) -> u16 {
        let body = body.to_string();
        post(&self.instance, Some((now_s(), SECRET)), body)
            .await
            .status()
            .as_u16()
    }

    fn webhook(&self, event: &str, object: &Value) -> Value {
        let account_id = &self.sandbox.plan().account_id;
        json!({ "event": event, "event_ts": BEGINS_MS, "payload": { "account_id": account_id, "object": object } })
    }

    /// A registration to a meeting that is planned for the next day.
    fn registration(&self, email: &str) -> Value {
        self.webhook(
            "meeting.registration_created",
            &json!({
                "uuid": "4444AAAiAAAAAiAiAiiAii==",
                "id": 86_084_701_483_u64,
                "host_id": "host",
                "topic": "A meeting",
                "type": 2,
                "start_time": "2026-03-03T15:00:00Z",
                "duration": 60,
                "timezone": "Europe/Berlin",
                "registrant": {
                    "id": format!("registrant-of-{email}"),
                    "first_name": "Ann",
                    "last_name": "Lee",
                    "email": email,
                    "status": "approved",
                    "join_url": "https://zoom.example/j/1",
                },
            }),
        )
    }

    /// Does something to the Brevo account, as a person would.
    async fn brevo(&self, command: Value) {
        let address = format!("http://{}/control", self.sandbox.brevo().address());
        let answer = reqwest::Client::new()
            .post(address)
            .json(&command)
            .send()
            .await
            .expect("an answer");
        assert!(answer.status().is_success(), "{command}: {answer:?}");
    }

    /// Waits until a command says what is wanted.
    async fn until(&self, command: &[&str], what: &str, holds: impl Fn(&Answer) -> bool) -> Answer {
        let started = Instant::now();
        loop {
            let answer = self.instance.command(command);
            if holds(&answer) {
                return answer;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{what}: {answer:?}\n{}",
                self.instance.last_words()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits for so many dead letters, and gives them.
    async fn dead_letters(&self, count: usize) -> Vec<Value> {
        let parse =
            |answer: &Answer| serde_json::from_str::<Vec<Value>>(&answer.out).unwrap_or_default();
        let holds = |answer: &Answer| parse(answer).len() >= count;
        let answer = self
            .until(&["dead-letters", "list", "--json"], "dead letters", holds)
            .await;
        let letters = parse(&answer);
        assert_eq!(letters.len(), count, "{letters:#?}");
        letters
    }

    async fn metrics(&self) -> String {
        let address = format!("http://{}/metrics", self.instance.admin);
        reqwest::get(address)
            .await
            .expect("an answer")
            .text()
            .await
            .expect("a text")
    }

    /// Everything adds up, while it runs and when it was stopped.
    fn assert_balanced(&mut self) {
        let running = self.instance.command(&["audit"]);
        assert_eq!(running.code, Some(0), "{}", running.out);
        assert!(
            running.out.contains("The counters of the running process"),
            "{}",
            running.out
        );
        assert_eq!(
            self.instance.terminate(),
            Some(0),
            "SIGTERM drains and exits 0"
        );
        let stopped = self.instance.command(&["audit"]);
        assert_eq!(stopped.code, Some(0), "{}", stopped.out);
        assert!(
            stopped.out.contains("Everything adds up."),
            "{}",
            stopped.out
        );
    }

    /// The log of a pipeline that does not run.
    fn log(&self) -> Arc<dyn EventLog> {
        EmbeddedLog::open(EmbeddedConfig::new(self.instance.log_folder())).expect("the log opens")
    }
}

fn now_s() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the end of time")
}

/// Sends a body; signed with the time stamp and the secret, where they are given.
async fn post(instance: &Instance, signed: Option<(i64, &str)>, body: String) -> reqwest::Response {
    let mut request = reqwest::Client::new()
        .post(instance.target())
        .header("content-type", "application/json");
    if let Some((stamp, secret)) = signed {
        let stamp = stamp.to_string();
        request = request
            .header("x-zm-signature", sign(secret, &stamp, &body))
            .header("x-zm-request-timestamp", stamp);
    }
    request.body(body).send().await.expect("an answer")
}

/// The values of a topic, in order.
fn values(log: &Arc<dyn EventLog>, topic: &str) -> Vec<Vec<u8>> {
    let partitions = log
        .partitions(topic)
        .expect("the log can be asked")
        .expect("the topic exists");
    let mut values = Vec::new();
    for partition in (0..partitions).map(|number| TopicPartition::new(topic, number)) {
        let offsets = log.offsets(&partition).expect("the log can be asked");
        let mut position = offsets.start;
        let mut reader = log.reader(&[(partition, position)]).expect("a reader");
        while position < offsets.end {
            let batch = reader
                .poll(1000, Duration::from_secs(10))
                .expect("the log can be read")
                .expect("records");
            values.extend(
                batch
                    .iter()
                    .filter_map(|record| record.value.map(<[u8]>::to_vec)),
            );
            position = batch.next_offset();
        }
    }
    values
}

/// Where a dead letter is, as a person names it.
fn place(letter: &Value) -> String {
    let place = &letter["place"];
    format!(
        "rollcall.dead-letters[{}]@{}",
        place["partition"], place["offset"]
    )
}

/// Whether any file below a folder has these bytes.
fn is_in_a_file_below(folder: &Path, words: &[u8]) -> bool {
    fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return is_in_a_file_below(&path, words);
        }
        let content = fs::read(path).unwrap_or_default();
        content.windows(words.len()).any(|window| window == words)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks() {
    let mut line = Line::running().await;
    let instance = &line.instance;
    let good = |marker: &str| {
        line.webhook("meeting.created", &json!({ "id": 7, "topic": marker }))
            .to_string()
    };

    // What is refused: by its signature, as no envelope, by its size, by its time.
    let wrong_key = post(
        instance,
        Some((now_s(), "another-secret")),
        good("refused-1"),
    )
    .await;
    assert_eq!(wrong_key.status(), 401);
    assert_eq!(post(instance, None, good("refused-2")).await.status(), 401);
    for (left_out, given) in [
        ("x-zm-signature", "x-zm-request-timestamp"),
        ("x-zm-request-timestamp", "x-zm-signature"),
    ] {
        let request = reqwest::Client::new()
            .post(instance.target())
            .header(given, "1")
            .body(good("refused-3"));
        assert_eq!(
            request.send().await.expect("an answer").status(),
            401,
            "without {left_out}"
        );
    }
    for body in [
        "refused-4",
        "{\"event\":\"refused-4",
        "[]",
        "{}",
        "{\"event\":5,\"payload\":\"refused-4\"}",
    ] {
        assert_eq!(
            post(instance, Some((now_s(), SECRET)), body.to_owned())
                .await
                .status(),
            400,
            "{body}"
        );
    }
    let mut stream = TcpStream::connect(instance.http).expect("it listens");
    let head = format!(
        "POST /webhooks/zoom HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        (1 << 20) + 1
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = [0; 12];
    stream
        .read_exact(&mut answer)
        .expect("an answer before the body");
    assert_eq!(&answer, b"HTTP/1.1 413");
    for minutes in [-6, 6] {
        let answer = post(
            instance,
            Some((now_s() + minutes * 60, SECRET)),
            good("refused-5"),
        )
        .await;
        assert_eq!(answer.status(), 503, "{minutes} minutes off");
        assert!(answer.headers().contains_key("retry-after"));
    }
    assert_eq!(
        reqwest::get(instance.target())
            .await
            .expect("an answer")
            .status(),
        405
    );

    // What is answered and not kept: another account's, and the validation of the address.
    let mut foreign: Value = serde_json::from_str(&good("refused-6")).expect("JSON");
    foreign["payload"]["account_id"] = json!("another account");
    assert_eq!(line.send(&foreign).await, 200);
    let validation = json!({ "event": "endpoint.url_validation", "event_ts": BEGINS_MS, "payload": { "plainToken": "qgg8vlvZRS6UYooatFL8Aw" } });
    let answer = post(instance, Some((now_s(), SECRET)), validation.to_string()).await;
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.expect("JSON");
    // The pair that Zoom's documentation's algorithm gives for this secret.
    let encrypted = "5b72bd117f184f54093c1c3c11499c1d13e6d56dc0d96e6b78fbfecedc953b75";
    assert_eq!(
        answer,
        json!({ "plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": encrypted })
    );

    // What is kept: what we know, and what we do not.
    assert_eq!(
        line.send(&serde_json::from_str(&good("kept-1")).expect("JSON"))
            .await,
        200
    );
    assert_eq!(
        line.send(&line.webhook(
            "meeting.summary_completed",
            &json!({ "meeting_id": 7, "x": "kept-2" })
        ))
        .await,
        200
    );

    let metrics = line.metrics().await;
    for (outcome, count) in [
        ("kept", 2),
        ("foreign_account", 1),
        ("validated", 1),
        ("bad_signature", 4),
        ("not_an_envelope", 5),
        ("too_large", 1),
        ("clock_off", 2),
        ("log_unavailable", 0),
    ] {
        let sample = format!("rollcall_ingress_requests_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(metrics.contains(&sample), "{sample} in\n{metrics}");
    }
    line.assert_balanced();
    let raw = values(&line.log(), "zoom.raw");
    let bodies: Vec<_> = raw
        .iter()
        .filter_map(|value| {
            RAW_RECORD
                .decode::<RawRecord<'_>>(value)
                .expect("a record")
                .webhook
        })
        .map(|webhook| String::from_utf8_lossy(webhook.body).into_owned())
        .collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    assert!(
        is_in_a_file_below(line.folder.path(), b"kept-1")
            && is_in_a_file_below(line.folder.path(), b"kept-2")
    );
    assert!(
        !is_in_a_file_below(line.folder.path(), b"refused-"),
        "nothing of a refused request is kept or logged"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_cannot_be_read() {
    let mut line = Line::running().await;
    // Signed, and without what its kind needs: kept, and dead.
    assert_eq!(
        line.send(&line.webhook(
            "meeting.registration_created",
            &json!({ "id": 7, "topic": "no registrant" })
        ))
        .await,
        200
    );
    line.dead_letters(1).await;
    assert_eq!(line.instance.terminate(), Some(0));
    {
        let log = line.log();
        let partition = TopicPartition::new("zoom.raw", 1);
        let appender = log.appender().expect("an appender");
        appender
            .append(&partition, Some(b"junk"), b"no Avro at all")
            .await
            .expect("appended");
        drop(appender);
        log.close().expect("closed");
    }
    line.instance.start_and_wait().await;
    let letters = line.dead_letters(2).await;
    let junk = letters
        .iter()
        .find(|letter| letter["key"] == "junk")
        .expect("the one without Avro");
    let source = &junk["source"];
    assert_eq!(junk["stage"], "attendance");
    assert_eq!(
        (&source["topic"], &source["partition"]),
        (&json!("zoom.raw"), &json!(1))
    );
    let without = letters
        .iter()
        .find(|letter| letter["key"] == "7")
        .expect("the one without a registrant");
    assert!(
        without["message"]
            .as_str()
            .expect("a text")
            .contains("registrant"),
        "{without}"
    );

    let place = place(junk);
    let list = line.instance.command(&["dead-letters"]);
    assert!(
        list.code == Some(0) && list.out.contains(&place),
        "{list:?}"
    );
    assert!(
        list.out
            .contains(&format!("-c {}", line.instance.file().display())),
        "the commands that it names are of this configuration: {list:?}"
    );
    // Options may stand after the sub-command, as people write them.
    let file = line.instance.file();
    let file = file.to_string_lossy();
    for arguments in [
        &["dead-letters", "list", "--json", "-c", &*file][..],
        &["dead-letters", "--json", "-c", &*file],
        &["dead-letters", "show", &place, "--json", "-c", &*file],
    ] {
        let answer = rollcall(arguments);
        assert_eq!(answer.code, Some(0), "{arguments:?}: {answer:?}");
        let json = serde_json::from_str::<Value>(&answer.out);
        assert!(json.is_ok(), "{arguments:?}: {answer:?}");
    }
    let shown = line.instance.command(&["dead-letters", "show", &place]);
    assert!(
        shown.code == Some(0) && shown.out.contains("no Avro at all"),
        "{shown:?}"
    );
    assert_eq!(
        line.instance
            .command(&["dead-letters", "show", "rollcall.dead-letters[0]@999999"])
            .code,
        Some(1)
    );
    assert_eq!(
        line.instance.command(&["dead-letters", "show", "17"]).code,
        Some(2)
    );

    // It is tried again, and is as dead as before: a new letter, of the new record.
    let redriven = line.instance.command(&["dead-letters", "redrive", &place]);
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    let letters = line.dead_letters(3).await;
    let again = letters
        .iter()
        .filter(|letter| letter["key"] == "junk")
        .max_by_key(|letter| letter["source"]["offset"].as_i64());
    let again = &again.expect("there are two")["source"];
    let now = format!("zoom.raw[1]@{}", again["offset"]);
    assert!(
        again["offset"].as_i64() > source["offset"].as_i64() && redriven.out.contains(&now),
        "{redriven:?}"
    );
    line.assert_balanced();

    // The same where no process runs: then it waits for one, which is no fault of the accounts.
    let redriven = line.instance.command(&["dead-letters", "redrive", &place]);
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    assert_eq!(line.instance.command(&["audit"]).code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_does_not_add_up_is_told_by_the_exit_code() {
    let mut line = Line::running().await;
    assert_eq!(line.send(&line.registration("ann@example.com")).await, 200);
    line.until(
        &["deliveries", "ann@example.com"],
        "Ann is told of",
        |answer| answer.out.contains("registered:"),
    )
    .await;
    line.assert_balanced();
    {
        let event = ZoomEvent {
            event_id: "7 cafe".into(),
            meeting_id: "7".into(),
            ..ZoomEvent::default()
        };
        let log = line.log();
        let partition = TopicPartition::new("zoom.events", 0);
        let appended = log.appender().expect("an appender").append(
            &partition,
            Some(b"7 cafe"),
            &ZOOM_EVENT.encoder().encode(&event),
        );
        appended.await.expect("appended");
        log.close().expect("closed");
    }
    let audit = line.instance.command(&["audit"]);
    assert_eq!(audit.code, Some(1), "{audit:?}");
    assert!(
        audit.out.contains("zoom.events[0]@")
            && audit
                .out
                .contains("no record of zoom.raw comes to this event"),
        "{}",
        audit.out
    );
    assert_eq!(line.instance.command(&["audit", "--json"]).code, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_balance_on_kafka() {
    let prefix = format!("accounts-{}.", std::process::id());
    let mut line = Line::on(
        &Engine::kafka(),
        &format!("topics: {{ prefix: \"{prefix}\" }}\n"),
    )
    .await;
    line.instance.start_and_wait().await;
    assert_eq!(line.send(&line.registration("ann@example.com")).await, 200);
    assert_eq!(
        line.send(&line.registration("ann@example.com")).await,
        200,
        "a copy"
    );
    assert_eq!(
        line.send(&line.webhook("meeting.registration_created", &json!({ "id": 7 })))
            .await,
        200,
        "a dead letter"
    );
    line.dead_letters(1).await;
    line.until(&["deliveries"], "Ann is told of", |answer| {
        answer.out.matches("confirmed").count() == 2
    })
    .await;
    line.assert_balanced();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brevo_refuses_a_person() {
    let mut line = Line::running().await;
    // An address in Zoom's eyes and in ours, and none in Brevo's.
    for email in ["ann@intranet", "bob@example.com"] {
        assert_eq!(line.send(&line.registration(email)).await, 200);
    }
    let of_bob = line
        .until(
            &["deliveries", "bob@example.com"],
            "Bob is told of",
            |answer| answer.out.matches("confirmed").count() == 2,
        )
        .await;
    assert!(!of_bob.out.contains("failed"), "{of_bob:?}");
    let of_ann = line
        .until(
            &["deliveries", "ann@intranet"],
            "Ann is refused",
            |answer| answer.out.matches("failed").count() == 2,
        )
        .await;
    assert!(of_ann.out.contains("Invalid email address"), "{of_ann:?}");
    let letters = line.dead_letters(2).await;
    let mut said: Vec<_> = letters
        .iter()
        .map(|letter| {
            assert_eq!(letter["stage"], "sink", "{letter}");
            (
                letter["source"]["topic"].as_str().expect("a topic"),
                letter["message"].as_str().expect("a text"),
            )
        })
        .collect();
    said.sort_unstable();
    let [activity, contact] = said[..] else {
        panic!("{said:?}")
    };
    assert!(
        contact.0 == "engagement.contacts" && contact.1.contains("Invalid email address"),
        "{contact:?}"
    );
    assert!(
        activity.0 == "engagement.activities"
            && activity.1.contains("the contact that it came with"),
        "{activity:?}"
    );
    // Brevo is asked again, says the same again, and there is another letter.
    let of_contact = letters
        .iter()
        .find(|letter| letter["source"]["topic"] == "engagement.contacts")
        .expect("one");
    let redriven = line
        .instance
        .command(&["dead-letters", "redrive", &place(of_contact)]);
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    line.dead_letters(3).await;
    let people: Vec<_> = line.sandbox.snapshot().contacts.keys().cloned().collect();
    assert_eq!(people, ["bob@example.com"]);
    line.assert_balanced();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brevo_refuses_the_key_for_a_while() {
    let mut line = Line::running().await;
    line.brevo(json!({ "do": "fault", "fault": "key_not_found", "times": 1_000_000 }))
        .await;
    assert_eq!(line.send(&line.registration("ann@example.com")).await, 200);
    let paused = line
        .until(&["status"], "the sink pauses", |answer| {
            answer.out.contains("The sink sends nothing:")
        })
        .await;
    assert!(
        paused.out.contains("brevo.api_key") && paused.out.contains("Key not found"),
        "{}",
        paused.out
    );
    assert!(line.sandbox.snapshot().contacts.is_empty());
    // Zoom is not kept waiting by it.
    assert_eq!(line.send(&line.registration("bob@example.com")).await, 200);
    line.brevo(json!({ "do": "clear_faults" })).await;
    line.until(&["status"], "the sink goes on", |answer| {
        !answer.out.contains("The sink sends nothing:")
    })
    .await;
    let both = |answer: &Answer| answer.out.matches("confirmed").count() == 4;
    line.until(&["deliveries"], "both are told of", both).await;
    assert_eq!(line.sandbox.snapshot().events.len(), 2, "each event once");
    assert_eq!(
        line.instance.command(&["dead-letters"]).out,
        "No dead letters.\n"
    );
    line.assert_balanced();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brevo_lacks_a_list_or_an_attribute() {
    let mut line = Line::new().await;
    let list = line.sandbox.plan().lists.webinar_attendees;
    line.reconfigure(
        &format!("webinar_attendees: {list}"),
        "webinar_attendees: 999",
    );
    line.instance.start_and_wait().await;
    let paused = line
        .until(&["status"], "the sink pauses", |answer| {
            answer.out.contains("The sink sends nothing:")
        })
        .await;
    assert!(
        paused
            .out
            .contains("list 999 (connectors.zoom.lists.webinar_attendees) does not exist"),
        "{}",
        paused.out
    );
    assert_eq!(line.instance.terminate(), Some(0));

    // An attribute that is missing is told at once: values would be lost without a word. The stages
    // run by then, and are stopped in order every time.
    line.reconfigure("FIRSTNAME", "NO_SUCH_ATTRIBUTE");
    for start in 1..=30 {
        let refused = line.instance.command(&["run"]);
        assert_eq!(refused.code, Some(1), "start {start}: {refused:?}");
        assert!(
            refused.err.contains("attribute NO_SUCH_ATTRIBUTE"),
            "start {start}: {}",
            refused.err
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brevo_hangs_at_the_start() {
    let brevo = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut line = Line::new().await;
    line.reconfigure(
        &line.sandbox.brevo().api_url(),
        &format!("http://{}/v3", brevo.local_addr().expect("an address")),
    );
    line.instance.start_and_wait().await;
    assert_eq!(line.send(&line.registration("ann@example.com")).await, 200);
    let (mut asked, _) = brevo.accept().expect("a connection");
    let mut request = [0; 1024];
    assert!(asked.read(&mut request).expect("a request") > 0);

    assert_eq!(
        line.instance.terminate(),
        Some(0),
        "SIGTERM ends the start, too"
    );
    brevo.set_nonblocking(true).expect("it can be asked");
    let again = brevo.accept();
    assert!(
        again.is_err(),
        "it was ready, and ended, while the first request was not answered"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk() {
    let mut line = Line::running().await;
    assert_eq!(line.send(&line.registration("ann@example.com")).await, 200);
    assert_eq!(line.instance.terminate(), Some(0));
    {
        // Something for the stage to commit.
        let log = line.log();
        let appended = log.appender().expect("an appender").append(
            &TopicPartition::new("zoom.raw", 1),
            Some(b"junk"),
            b"no Avro at all",
        );
        appended.await.expect("appended");
        log.close().expect("closed");
    }
    let folder = line.instance.log_folder();
    let path = format!("path: \"{}\"", folder.display());
    let full = format!("{path}, reserve: 8000TiB");
    line.reconfigure(&path, &full);

    line.instance.start_and_wait().await;
    let said = |words: &str| {
        let file = line.folder.path().join("stderr.log");
        fs::read_to_string(file).unwrap_or_default().contains(words)
    };
    let started = Instant::now();
    for words in [
        "a tick was not appended",
        "the unit of work could not be committed, and is done again",
        "make room, shorten topics.retention",
    ] {
        while !said(words) {
            assert!(started.elapsed() < PATIENCE, "{words}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let body = line.registration("bob@example.com").to_string();
    let refused = post(&line.instance, Some((now_s(), SECRET)), body).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let metrics = line.metrics().await;
    assert!(
        metrics.contains("\nrollcall_embedded_free_bytes 0\n"),
        "{metrics}"
    );
    assert_eq!(
        line.instance.terminate(),
        Some(0),
        "it ran on until it was asked to stop"
    );

    line.reconfigure(&full, &path);
    line.instance.start_and_wait().await;
    assert_eq!(line.send(&line.registration("bob@example.com")).await, 200);
    line.dead_letters(1).await;
    let both = |answer: &Answer| answer.out.matches("confirmed").count() == 4;
    line.until(&["deliveries"], "both are told of", both).await;
    line.assert_balanced();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_and_another_number_of_partitions() {
    let mut line = Line::running().await;
    let second = Instance::new(&line.folder.path().join("second"));
    second.configure(&line.sandbox, &Engine::Embedded, "");
    let text = fs::read_to_string(second.file()).expect("a configuration");
    let (own, others) = (second.log_folder(), line.instance.log_folder());
    fs::write(
        second.file(),
        text.replace(&*own.to_string_lossy(), &others.to_string_lossy()),
    )
    .expect("written");
    let refused = second.command(&["run"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let pid = line.instance.pid().expect("it runs").to_string();
    assert!(
        refused.err.contains(&pid),
        "{} names process {pid}",
        refused.err
    );
    assert!(
        refused.err.contains(&*others.to_string_lossy()),
        "{}",
        refused.err
    );

    assert_eq!(line.instance.terminate(), Some(0));
    line.instance.configure(
        &line.sandbox,
        &Engine::Embedded,
        "topics: { partitions: 8 }\n",
    );
    let refused = line.instance.command(&["run"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for words in ["zoom.raw", "4 partitions", "8 partitions"] {
        assert!(refused.err.contains(words), "{words}: {}", refused.err);
    }
}

#[test]
fn faults_of_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rollcall.yaml");
    let log = format!(
        "log: {{ embedded: {{ path: \"{}\" }} }}\n",
        folder.path().join("log").display()
    );
    for (below_zoom, wanted) in [
        (
            "reconcile_aftr: 10m",
            ":4:5: unknown key connectors.zoom.reconcile_aftr: did you mean `reconcile_after`?",
        ),
        (
            "client_id: \"${ROLLCALL_NOT_SET}\"",
            ":4:16: connectors.zoom.client_id: the environment variable ROLLCALL_NOT_SET is not set",
        ),
        (
            "enabled: maybe",
            ":4:14: connectors.zoom.enabled: expected true or false, found `maybe`",
        ),
        ("webhook: [", ": this is not valid YAML"),
        (
            "enabled: true",
            ":3:3: connectors.zoom.webhook.secret_token is missing",
        ),
        (
            "webhook: { secret_token: x }",
            "rollcall.yaml:1:1: brevo.api_key is missing",
        ),
        (
            "webhook: { secret_token: x }\nbrevo: { api_key: x, dry_run: true }",
            ":5:31: brevo.dry_run: true is not built yet",
        ),
    ] {
        fs::write(
            &file,
            format!("{log}connectors:\n  zoom:\n    {below_zoom}\n"),
        )
        .expect("written");
        let answer = rollcall(&["run", "-c", &file.to_string_lossy()]);
        assert_eq!(answer.code, Some(2), "{below_zoom}: {answer:?}");
        assert!(answer.err.contains(wanted), "{below_zoom}: {}", answer.err);
    }
    assert!(
        !folder.path().join("log").exists(),
        "what is refused has made nothing"
    );
    let answer = rollcall(&[
        "status",
        "-c",
        &folder.path().join("none.yaml").to_string_lossy(),
    ]);
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(
        answer
            .err
            .contains("none.yaml: the configuration cannot be read"),
        "{}",
        answer.err
    );
    assert!(answer.out.is_empty());
}

#[test]
fn faults_of_the_command_line() {
    for arguments in [
        &[][..],
        &["rnu"],
        &["run", "--roles", "juggler"],
        &["run", "--config"],
        &["contact"],
        &["contact", "nobody"],
        &["deliveries", "nobody"],
        &["dead-letters", "show"],
        &["dead-letters", "show", "somewhere"],
        &["audit", "--yaml"],
        &["sandbox", "--target", "127.0.0.1:8080"],
    ] {
        let answer = rollcall(arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}: {answer:?}");
        assert!(
            !answer.err.is_empty() && answer.out.is_empty(),
            "{arguments:?}: {answer:?}"
        );
    }
    let help = rollcall(&["--help"]);
    assert!(
        help.code == Some(0) && help.out.contains("audit"),
        "{help:?}"
    );

    // The topics, as they are with the file that is there, and without one.
    let folder = tempfile::tempdir().expect("a folder");
    let topics = rollcall_in(folder.path(), &["topics"]);
    assert!(
        topics.code == Some(0) && topics.out.starts_with("zoom.raw "),
        "{topics:?}"
    );
    let settings =
        "connectors: { zoom: {} }\ntopics: { prefix: \"acme.\", retention: { zoom.raw: 12h } }\n";
    fs::write(folder.path().join("rollcall.yaml"), settings).expect("written");
    let topics = rollcall_in(folder.path(), &["topics"]);
    assert!(
        topics.code == Some(0)
            && topics.out.starts_with("acme.zoom.raw ")
            && topics.out.contains("12 hours"),
        "{topics:?}"
    );

    // Right, of a folder in which nothing has run yet: it failed, and nothing is made.
    let folder = tempfile::tempdir().expect("a folder");
    let instance = Instance::new(folder.path());
    let log = instance.log_folder();
    let admin = free_address();
    let text = format!(
        "connectors: {{ zoom: {{}} }}\nadmin: {{ listen: \"{admin}\" }}\nlog: {{ embedded: {{ path: \"{}\" }} }}\n",
        log.display()
    );
    fs::write(instance.file(), text).expect("written");
    for command in ["audit", "status", "deliveries", "occurrence"] {
        let answer = instance.command(&[command]);
        assert_eq!(answer.code, Some(1), "{command}: {answer:?}");
        assert!(
            answer
                .err
                .contains("nothing has run with this configuration yet"),
            "{command}: {}",
            answer.err
        );
    }
    assert!(!log.exists());
}

#[test]
fn a_demo_says_how_to_look_closer_and_what_it_leaves() {
    let small = ["demo", "--registrants", "10", "--seconds", "1"];
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept");
    let answer = rollcall(&[&small[..], &["--keep", &*kept.to_string_lossy()]].concat());
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let commands: Vec<Vec<&str>> = answer
        .out
        .lines()
        .skip_while(|line| *line != "Kept. Look closer:")
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(commands.len(), 2, "{}", answer.out);
    for command in commands {
        let output = Command::new(command[0]).args(&command[1..]).output();
        let output = output.expect("the program that is printed can be called");
        assert!(output.status.success(), "{command:?}: {output:?}");
    }

    let Engine::Kafka(brokers) = Engine::kafka() else {
        unreachable!("it was asked for")
    };
    let answer = rollcall(&[&small[..], &["--kafka", &brokers]].concat());
    assert_eq!(answer.code, Some(0), "{answer:?}");
    for words in [" demo --keep DIR\n", "--delete --topic 'demo-"] {
        assert!(answer.out.contains(words), "{words}: {}", answer.out);
    }
}
