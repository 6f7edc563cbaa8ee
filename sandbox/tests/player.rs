//! The player against receivers that are good, flaky, wrong and slow.

#![expect(clippy::unwrap_used, reason = "a test that panics names its line")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use rollcall_sandbox::{
    Sandbox, SandboxOptions,
    account::{BEGINS_MS, Plan},
    configuration::PipelinePlaces,
    deliveries::{DeliveryFaults, deliveries},
    zoom::{Phase, PlayError, PlayerOptions, RunOn, VirtualClock, ZoomPlayer, sign},
};
use serde_json::Value;
use tokio::net::TcpListener;

const SECRET: &str = "receiver-secret";

/// One try, as it arrived.
#[derive(Clone)]
struct Arrived {
    request_id: String,
    body: String,
    /// What the lent clock said when it arrived.
    clock_ms: i64,
    answered: u16,
}

#[derive(Clone)]
struct Receiver {
    arrived: Arc<Mutex<Vec<Arrived>>>,
    /// Locked by a test until it has a clock to lend: nothing is received before.
    clock: Arc<tokio::sync::Mutex<Option<VirtualClock>>>,
    /// The status of the n-th try.
    answers: fn(usize) -> u16,
}

impl Receiver {
    async fn start(answers: fn(usize) -> u16) -> (Self, String) {
        let receiver = Self {
            arrived: Arc::default(),
            clock: Arc::default(),
            answers,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("http://{}/webhooks/zoom", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/webhooks/zoom", post(receive))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, target)
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    headers: HeaderMap,
    body: String,
) -> impl IntoResponse {
    let header = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    let stamp = header("x-zm-request-timestamp");
    if header("x-zm-signature") != sign(SECRET, &stamp, &body) {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let skew = stamp.parse::<i64>().unwrap()
        - std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs()
            .cast_signed();
    assert!(skew.abs() < 60, "the transport lives in real time");
    let parsed: Value = serde_json::from_str(&body).unwrap();
    if parsed["event"] == "endpoint.url_validation" {
        // The published vector, with the secret of this test.
        let plain = parsed["payload"]["plainToken"].as_str().unwrap();
        let encrypted = encrypted(plain);
        return (
            StatusCode::OK,
            format!(r#"{{"plainToken":"{plain}","encryptedToken":"{encrypted}"}}"#),
        );
    }
    assert_eq!(header("content-type"), "application/json; charset=utf-8");
    let clock_ms = receiver
        .clock
        .lock()
        .await
        .as_ref()
        .map_or(0, VirtualClock::now_ms);
    let mut arrived = receiver.arrived.lock().unwrap();
    let answered = (receiver.answers)(arrived.len());
    arrived.push(Arrived {
        request_id: header("x-zm-request-id"),
        body,
        clock_ms,
        answered,
    });
    (StatusCode::from_u16(answered).unwrap(), String::new())
}

fn encrypted(plain: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(plain.as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn fast(target: &str) -> PlayerOptions {
    PlayerOptions {
        run_on: RunOn {
            pause: Duration::from_millis(1),
            ..RunOn::default()
        },
        retry_after: Duration::from_millis(5),
        ..PlayerOptions::to(target, SECRET)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flaky_receiver_gets_everything_and_holds_the_clock() {
    // Every third try fails.
    let (receiver, target) =
        Receiver::start(|number| if number % 3 == 1 { 503 } else { 200 }).await;
    let plan = Arc::new(Plan::seeded(4, 12));
    let options = fast(&target);
    let expected = deliveries(&plan, &options.faults);
    let mut lent = receiver.clock.lock().await;
    let player = ZoomPlayer::start(plan, options).await.unwrap();
    *lent = Some(player.clock());
    drop(lent);
    let end = player.finished().await.unwrap();

    assert_eq!(
        (end.phase, end.accepted, end.refused),
        (Phase::Finished, expected.len(), 0)
    );
    let arrived = receiver.arrived();
    assert_eq!(arrived.len(), expected.len() + end.retried);
    let ids = |bodies: &mut dyn Iterator<Item = (String, String)>| bodies.collect::<BTreeSet<_>>();
    let sent = ids(&mut expected
        .iter()
        .map(|one| (one.request_id.clone(), one.body.clone())));
    let got = ids(&mut arrived
        .iter()
        .map(|one| (one.request_id.clone(), one.body.clone())));
    assert_eq!(
        sent, got,
        "each try of a delivery has its bytes and its request id"
    );

    // While a delivery had not been answered for good, the clock stood at its time.
    let mut dues: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for delivery in &expected {
        dues.entry(&delivery.request_id)
            .or_default()
            .push(delivery.due_ms);
    }
    let held = arrived
        .iter()
        .filter(|one| dues[one.request_id.as_str()].contains(&one.clock_ms))
        .count();
    assert_eq!(held, arrived.len());
    let failed = arrived.iter().filter(|one| one.answered == 503).count();
    assert!(failed > 50 && failed == end.retried);

    let last_ms = expected.last().unwrap().due_ms;
    assert!(
        player.clock().now_ms() >= last_ms + 30 * 3_600_000,
        "every deadline passes"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_counted_and_never_sent_again() {
    let (receiver, target) = Receiver::start(|number| if number < 2 { 400 } else { 204 }).await;
    let plan = Arc::new(Plan::seeded(4, 8));
    let options = PlayerOptions {
        faults: DeliveryFaults::NONE,
        ..fast(&target)
    };
    let player = ZoomPlayer::start(plan, options).await.unwrap();
    let end = player.finished().await.unwrap();
    assert_eq!(
        (end.refused, end.retried, end.accepted + 2),
        (2, 0, end.deliveries)
    );
    assert_eq!(
        (end.refusals[0].status, receiver.arrived().len()),
        (400, end.deliveries)
    );
}

#[tokio::test]
async fn time_does_not_begin_before_the_receiver_answers_and_another_secret_ends_the_story() {
    let plan = Arc::new(Plan::seeded(4, 8));
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let player = ZoomPlayer::start(Arc::clone(&plan), fast(&format!("http://{nobody}/")))
        .await
        .unwrap();
    let mut progress = player.progress();
    progress
        .wait_for(|progress| progress.retried >= 3)
        .await
        .unwrap();
    let shown: Value = reqwest::get(player.clock_url())
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(shown, serde_json::json!({"now_ms": BEGINS_MS}));

    let (_, target) = Receiver::start(|_| 200).await;
    let stranger = PlayerOptions {
        secret_token: "another".to_owned(),
        ..fast(&target)
    };
    let player = ZoomPlayer::start(plan, stranger).await.unwrap();
    let error = player.finished().await.unwrap_err();
    assert_eq!(
        error,
        PlayError::UrlValidation {
            target,
            found: "401".to_owned()
        }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_without_a_pipeline_misses_everything_it_should_have() {
    let (_, target) = Receiver::start(|_| 200).await;
    let mut options = SandboxOptions::to(target);
    options.registrants = 12;
    options.player = PlayerOptions {
        secret_token: SECRET.to_owned(),
        ..fast(&options.player.target)
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    sandbox.zoom().finished().await.unwrap();
    let (truth, differences) = (sandbox.truth(), sandbox.differences());
    let on_lists: usize = truth.lists.values().map(BTreeSet::len).sum();
    assert_eq!(
        differences.len(),
        truth.contacts.len() + on_lists + truth.events.len()
    );
    assert!(!sandbox.summary().agrees());

    let status: Value = reqwest::get(format!("http://{}/status", sandbox.zoom().address()))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&status["phase"], &status["running"]),
        (&Value::from("finished"), &serde_json::json!([]))
    );
    let places = PipelinePlaces {
        http: "127.0.0.1:8080".parse().unwrap(),
        admin: "127.0.0.1:9464".parse().unwrap(),
        log: "embedded: { path: ./data }".to_owned(),
    };
    let yaml = sandbox.configuration_yaml(&places);
    for part in [
        sandbox.zoom().clock_url(),
        sandbox.brevo().api_url(),
        "      name: FIRSTNAME\n".to_owned(),
        SECRET.to_owned(),
    ] {
        assert!(yaml.contains(&part), "{part} is not in\n{yaml}");
    }
}
