//! A clock that a sandbox lends, over a real socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rollcall_producer::remote_clock::RemoteClock;
use rollcall_runtime::clock::Clock;
use tokio::net::TcpListener;

async fn serve(
    answer: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/clock", listener.local_addr().expect("bound"));
    let router = Router::new().route("/clock", get(move || async move { answer() }));
    let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
    (url, server)
}

async fn until(clock: &RemoteClock, now_ms: i64) {
    while clock.now_ms() != now_ms {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn follows_the_sandbox_and_never_goes_back() {
    let time = Arc::new(AtomicI64::new(1_772_409_600_000));
    let told = Arc::clone(&time);
    let (url, server) = serve(move || {
        format!(
            r#"{{"now_ms": {}, "speed": 60}}"#,
            told.load(Ordering::SeqCst)
        )
    })
    .await;
    let clock = RemoteClock::connect(&url).await.expect("a clock");
    assert_eq!(clock.now_ms(), 1_772_409_600_000);
    time.store(1_772_413_200_000, Ordering::SeqCst);
    until(&clock, 1_772_413_200_000).await;
    time.store(5, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(clock.now_ms(), 1_772_413_200_000);
    server.abort();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        clock.now_ms(),
        1_772_413_200_000,
        "it stands still while nobody answers"
    );
}

#[tokio::test]
async fn an_address_that_tells_no_time_is_an_error_at_once() {
    let (url, _server) = serve(|| "noon".to_owned()).await;
    let error = RemoteClock::connect(&url)
        .await
        .expect_err("no time")
        .to_string();
    assert!(
        error.contains(&url) && error.contains("clock.url"),
        "{error}"
    );
    let elsewhere = url.replace("/clock", "/nothing");
    let error = RemoteClock::connect(&elsewhere)
        .await
        .expect_err("no time")
        .to_string();
    assert!(error.contains("404"), "{error}");
    let error = RemoteClock::connect("http://127.0.0.1:1/clock")
        .await
        .expect_err("nobody")
        .to_string();
    assert!(error.to_lowercase().contains("refused"), "{error}");
}
