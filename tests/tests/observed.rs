//! What a person sees of the pipeline from outside: how far each role is, the metrics, and what a dead
//! letter holds.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::{EventLog, TopicPartition};
use rollcall_sandbox::account::BEGINS_MS;
use rollcall_sandbox::zoom::sign;
use rollcall_sandbox::{Sandbox, SandboxOptions};
use rollcall_tests::line::{Answer, Engine, Instance, PATIENCE, free_address};
use serde_json::{Value, json};

const SECRET: &str = "secret-token";

/// A pipeline that has not started, and the two accounts. No story is told, and the clock stands.
async fn line(folder: &Path) -> (Sandbox, Instance) {
    let instance = Instance::new(folder);
    let mut options = SandboxOptions::to(format!("http://{}/", free_address()));
    options.player.secret_token = SECRET.to_owned();
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    instance.configure(&sandbox, &Engine::Embedded, "");
    (sandbox, instance)
}

/// A webhook about a meeting's registrant; without one it can never succeed.
async fn register(sandbox: &Sandbox, instance: &Instance, email: Option<&str>) {
    let registrant = email.map(|email| {
        json!({
            "id": format!("registrant-of-{email}"),
            "first_name": "Ann",
            "email": email,
            "status": "approved",
            "join_url": "https://zoom.example/j/1",
        })
    });
    let body = json!({
        "event": "meeting.registration_created",
        "event_ts": BEGINS_MS,
        "payload": {
            "account_id": sandbox.plan().account_id,
            "object": {
                "uuid": "4444AAAiAAAAAiAiAiiAii==",
                "id": 86_084_701_483_u64,
                "topic": "A meeting",
                "type": 2,
                "start_time": "2026-03-03T15:00:00Z",
                "duration": 60,
                "timezone": "Europe/Berlin",
                "registrant": registrant,
            },
        },
    })
    .to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let stamp = now.expect("after 1970").as_secs().to_string();
    let answer = reqwest::Client::new()
        .post(instance.target())
        .header("x-zm-signature", sign(SECRET, &stamp, &body))
        .header("x-zm-request-timestamp", stamp)
        .body(body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
}

/// Does something to the Brevo account.
async fn control(sandbox: &Sandbox, command: Value) {
    let address = format!("http://{}/control", sandbox.brevo().address());
    let answer = reqwest::Client::new().post(address).json(&command).send();
    assert!(answer.await.expect("an answer").status().is_success());
}

/// Waits until a command says what is wanted.
async fn until(
    instance: &Instance,
    command: &[&str],
    what: &str,
    holds: impl Fn(&Answer) -> bool,
) -> Answer {
    let started = Instant::now();
    loop {
        let answer = instance.command(command);
        if holds(&answer) {
            return answer;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{what}: {answer:?}\n{}",
            instance.last_words()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn parsed(answer: &Answer) -> Value {
    serde_json::from_str(&answer.out).unwrap_or_default()
}

/// The sink's lag in a status: in all, of contacts, of activities.
fn lags(answer: &Answer) -> [Option<u64>; 3] {
    let sink = &parsed(answer)["sink"];
    ["lag", "contacts_lag", "activities_lag"].map(|name| sink[name].as_u64())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_wait_for_brevo_are_seen_running_and_at_rest() {
    const ROLES: [&str; 5] = ["ingress", "clock", "attendance", "engagement", "sink"];
    let folder = tempfile::tempdir().expect("a folder");
    let (sandbox, mut instance) = line(folder.path()).await;
    control(
        &sandbox,
        json!({ "do": "fault", "fault": "key_not_found", "times": 1_000_000 }),
    )
    .await;
    instance.start_and_wait().await;
    for email in ["ann@example.com", "bob@example.com", "eve@example.com"] {
        register(&sandbox, &instance, Some(email)).await;
    }
    let waiting = [Some(6), Some(3), Some(3)];
    let status = ["status", "--json"];
    until(&instance, &status, "three people wait", |answer| {
        lags(answer) == waiting
    })
    .await;
    let running = instance.command(&["status"]).out;
    for words in [
        "The sink sends nothing:",
        "Not in Brevo yet: 3 records of contacts, 3 activities",
    ] {
        assert!(running.contains(words), "{words} in\n{running}");
    }
    assert_eq!(instance.terminate(), Some(0));
    let at_rest = instance.command(&["status"]).out;
    for role in ROLES {
        let of = |text: &str| {
            text.lines()
                .filter(|line| line.trim_start().starts_with(role))
                .count()
        };
        assert_eq!(
            (of(&running), of(&at_rest)),
            (1, 1),
            "{role} in\n{running}\n{at_rest}"
        );
    }
    assert_eq!(lags(&instance.command(&status)), waiting);

    control(&sandbox, json!({ "do": "clear_faults" })).await;
    instance.start_and_wait().await;
    let nobody = [Some(0); 3];
    until(&instance, &status, "nobody waits", |answer| {
        lags(answer) == nobody
    })
    .await;
    assert_eq!(instance.terminate(), Some(0));
    assert_eq!(lags(&instance.command(&status)), nobody);
    assert_eq!(sandbox.snapshot().contacts.len(), 3);
}

/// Appends to a topic what it holds, once more, and then a record that is none.
async fn repeat(log: &Arc<dyn EventLog>, topic: &str) {
    let appender = log.appender().expect("an appender");
    let partitions = log.partitions(topic).expect("an answer").expect("a topic");
    for partition in (0..partitions).map(|number| TopicPartition::new(topic, number)) {
        let offsets = log.offsets(&partition).expect("an answer");
        let from = [(partition.clone(), offsets.start)];
        let mut reader = log.reader(&from).expect("a reader");
        let mut position = offsets.start;
        while position < offsets.end {
            let batch = reader.poll(1000, Duration::from_secs(10));
            let batch = batch.expect("it can be read").expect("records");
            for record in batch.iter() {
                let value = record.value.expect("no tombstones");
                let again = appender.append(&partition, record.key, value);
                again.await.expect("appended");
            }
            position = batch.next_offset();
        }
    }
    let first = TopicPartition::new(topic, 0);
    let junk = appender.append(&first, Some(b"junk"), b"no Avro at all");
    junk.await.expect("appended");
}

/// The values of a series of a stage, all labels added up; `None` where there is no such series.
fn series(metrics: &str, name: &str, stage: &str) -> Option<f64> {
    let label = format!("stage=\"{stage}\"");
    metrics
        .lines()
        .filter_map(|line| {
            let (labels, value) = line
                .strip_prefix(name)?
                .strip_prefix('{')?
                .split_once("} ")?;
            labels
                .split(',')
                .any(|of| of == label)
                .then(|| value.parse::<f64>().expect("a number"))
        })
        .reduce(|sum, value| sum + value)
}

const STAGES: [&str; 3] = ["attendance", "engagement", "sink"];

/// What every stage counts of records that had an effect, had none, and can never succeed.
const COUNTED: [&str; 6] = [
    "rollcall_stage_records_total",
    "rollcall_stage_effective_records_total",
    "rollcall_stage_ignored_records_total",
    "rollcall_stage_dead_records_total",
    "rollcall_stage_output_records_total",
    "rollcall_stage_commit_seconds_count",
];

/// What is not counted yet of what every stage must count.
fn missing(metrics: &str) -> Vec<String> {
    let counted = COUNTED
        .iter()
        .flat_map(|name| STAGES.map(|stage| (*name, stage)));
    let mut missing: Vec<_> = counted
        .filter(|(name, stage)| series(metrics, name, stage).is_none_or(|value| value <= 0.0))
        .map(|(name, stage)| format!("{name} of {stage}"))
        .collect();
    missing.extend(
        STAGES
            .iter()
            .filter(|stage| series(metrics, "rollcall_stage_lag_records", stage) != Some(0.0))
            .map(|stage| format!("no lag of {stage}")),
    );
    for outcome in [
        "rollcall_ingress_requests_total{outcome=\"kept\"} ",
        "rollcall_brevo_requests_total{endpoint=\"upsert_contact\",status=\"400\"} ",
    ] {
        if !metrics.contains(outcome) {
            missing.push(outcome.to_owned());
        }
    }
    missing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stage_counts_alike_and_a_dead_letter_can_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let (sandbox, mut instance) = line(folder.path()).await;
    instance.start_and_wait().await;
    register(&sandbox, &instance, Some("bob@example.com")).await;
    until(&instance, &["deliveries"], "Bob is told of", |answer| {
        answer.out.matches("confirmed").count() == 2
    })
    .await;
    assert_eq!(instance.terminate(), Some(0));
    {
        let log: Arc<dyn EventLog> =
            EmbeddedLog::open(EmbeddedConfig::new(instance.log_folder())).expect("the log opens");
        repeat(&log, "engagement.attendance").await;
        repeat(&log, "engagement.contacts").await;
        log.close().expect("closed");
    }
    instance.start_and_wait().await;
    // One whom Brevo takes; one whom it refuses, twice; and one that is no registration.
    let people = ["eve@example.com", "ann@intranet", "ann@intranet"];
    for email in people.map(Some).into_iter().chain([None]) {
        register(&sandbox, &instance, email).await;
    }
    let address = format!("http://{}/metrics", instance.admin);
    let started = Instant::now();
    loop {
        let metrics = reqwest::get(&address).await.expect("an answer");
        let metrics = metrics.text().await.expect("a text");
        let missing = missing(&metrics);
        if missing.is_empty() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{missing:#?} in\n{metrics}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let audit = parsed(&instance.command(&["audit", "--json"]));
    for stage in audit["counters"].as_array().expect("counters") {
        let of = |name: &str| stage[name].as_u64().expect("a number");
        assert_eq!(
            of("records"),
            of("effective") + of("ignored") + of("dead_letters"),
            "{stage}"
        );
    }

    let letters = parsed(&instance.command(&["dead-letters", "list", "--json"]));
    let refused = |letter: &&Value| {
        letter["class"] == "contact_refused" && letter["source"]["topic"] == "engagement.contacts"
    };
    let letter = letters.as_array().expect("letters").iter().find(refused);
    let place = &letter.expect("Ann's")["place"];
    let place = format!(
        "rollcall.dead-letters[{}]@{}",
        place["partition"], place["offset"]
    );
    let shown = instance.command(&["dead-letters", "show", &place]).out;
    assert!(
        shown
            .lines()
            .any(|line| line.split_whitespace().eq(["email", "ann@intranet"])),
        "{shown}"
    );
    let shown = parsed(&instance.command(&["dead-letters", "show", &place, "--json"]));
    let record = &shown["content"]["record"];
    assert_eq!(
        (&record["schema"], &record["fields"]["email"]),
        (&json!("contact"), &json!("ann@intranet"))
    );
}
