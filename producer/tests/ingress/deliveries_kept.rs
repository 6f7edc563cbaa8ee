//! What is kept, where, and when the sender is told.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use rollcall_producer::ingress::IngressSettings;
use rollcall_runtime::TopicSettings;
use rollcall_runtime::secret::Secret;
use rollcall_schemas::catalogue::ZOOM_RAW;
use rollcall_schemas::record::{RawKind, RawRecord};
use rollcall_schemas::wire::RAW_RECORD;
use tokio::sync::watch;

use crate::delivery::{Delivery, Framing, NOW, SECRET, body_of};
use crate::log::Appends;
use crate::server::{Server, read_reply, settings};

const STARTED: &str = r#"{"event":"meeting.started","event_ts":1785369356750,"payload":{"account_id":"A1","object":{"id":"86084701483","topic":"Réunion — été"}}}"#;

#[test]
fn the_record_holds_the_delivery_byte_for_byte() {
    let server = Server::start();
    let reply = server.send(&Delivery::of(STARTED));
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    let kept = server.log.kept();
    let record: RawRecord<'_> = RAW_RECORD.decode(&kept[0].value).expect("a raw record");
    assert_eq!(record.kind, RawKind::Webhook);
    assert_eq!(record.received_at, NOW * 1000 + 400);
    assert_eq!(record.account_id.as_deref(), Some("A1"));
    assert_eq!(record.meeting_id.as_deref(), Some("86084701483"));
    assert_eq!(record.tick, None);
    let webhook = record.webhook.expect("set");
    assert_eq!(webhook.body, STARTED.as_bytes());
    assert_eq!(
        webhook.request_id.as_deref(),
        Some("1a2b3c4d_5e6f_7a8b_9c0d_1e2f3a4b5c6d")
    );
    assert_eq!(server.outcomes("kept"), 1);
    assert_eq!(
        server
            .metric("rollcall_ingress_append_seconds_count ")
            .as_deref(),
        Some("1")
    );
    assert_eq!(
        server
            .metric("rollcall_ingress_clock_skew_seconds ")
            .as_deref(),
        Some("0.4")
    );
}

#[test]
fn the_key_is_the_meeting_else_the_account() {
    let server = Server::with(
        IngressSettings {
            account_id: Some("A1".into()),
            ..settings()
        },
        Appends::Succeed,
    );
    let deliveries = [
        (STARTED, "86084701483"),
        (
            r#"{"event":"recording.completed","payload":{"account_id":"A1","object":{"id":86084701483}}}"#,
            "86084701483",
        ),
        (
            r#"{"event":"app_deauthorized","payload":{"account_id":"A1","user_id":"u","event_ts":"2024-09-08 15:58:40"}}"#,
            "A1",
        ),
        (
            r#"{"event":"user.created","payload":{"account_id":"A1","object":{"id":"abcD3ojfdbjfg"}}}"#,
            "A1",
        ),
        (
            r#"{"event":"of a kind that nobody knows","payload":[]}"#,
            "A1",
        ),
    ];
    let route = TopicSettings::default().route(&ZOOM_RAW);
    for (body, key) in deliveries {
        assert_eq!(server.send(&Delivery::of(body)).status, 200, "{body}");
        let kept = server.log.kept().pop().expect("kept");
        assert_eq!(
            (kept.key.as_str(), kept.partition),
            (key, route.partition_for(key.as_bytes())),
            "{body}"
        );
    }
    let without_any = Server::start();
    assert_eq!(
        without_any.send(&Delivery::of(r#"{"event":"e"}"#)).status,
        200
    );
    assert_eq!(without_any.log.kept()[0].key, "unknown");
}

#[test]
fn every_kind_of_event_is_kept() {
    let server = Server::start();
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/zoomnet/webhooks"
    );
    let mut kept = 0;
    for file in std::fs::read_dir(folder).expect("the fixtures") {
        let path = file.expect("a file").path();
        if path.ends_with("endpoint.url_validation.json") {
            continue;
        }
        let body = std::fs::read(&path).expect("readable");
        assert_eq!(
            server.send(&Delivery::of(body.clone())).status,
            200,
            "{}",
            path.display()
        );
        kept += 1;
        let record = server.log.kept().pop().expect("kept");
        let record: RawRecord<'_> = RAW_RECORD.decode(&record.value).expect("a raw record");
        assert_eq!(
            record.webhook.expect("set").body,
            body,
            "{}",
            path.display()
        );
    }
    assert!(kept > 100, "the fixtures are there");
    assert_eq!(server.log.kept().len(), kept);
}

#[test]
fn the_answer_waits_for_the_log() {
    let (release, released) = watch::channel(false);
    let server = Server::with(settings(), Appends::Wait(released));
    let mut stream = server.connect();
    stream
        .write_all(&Delivery::of(STARTED).bytes())
        .expect("written");
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a timeout");
    let early = stream
        .read(&mut [0; 1])
        .expect_err("no byte of an answer before the record is durable");
    assert!(
        matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{early}"
    );
    assert!(server.log.kept().is_empty());
    release.send(true).expect("the log waits");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a timeout");
    assert_eq!(read_reply(&mut stream).status, 200);
    assert_eq!(server.log.kept().len(), 1);
}

#[test]
fn a_body_may_have_one_mebibyte_and_come_in_chunks() {
    let server = Server::start();
    for framing in [Framing::Length, Framing::Chunked] {
        let delivery = Delivery {
            framing,
            ..Delivery::of(body_of(1024 * 1024))
        };
        assert_eq!(server.send(&delivery).status, 200);
    }
    assert_eq!(server.log.kept().len(), 2);
}

#[test]
fn a_time_stamp_may_be_five_minutes_off() {
    let server = Server::start();
    for seconds in [NOW - 299, NOW, NOW + 300] {
        assert_eq!(
            server
                .send(&Delivery::stamped(seconds, SECRET, STARTED))
                .status,
            200,
            "{seconds}"
        );
    }
    assert_eq!(server.log.kept().len(), 3);
}

#[test]
fn two_secrets_are_accepted_while_one_is_being_changed() {
    let secrets = vec![Secret::new("new"), Secret::new(SECRET)];
    let server = Server::with(
        IngressSettings {
            secrets,
            ..settings()
        },
        Appends::Succeed,
    );
    assert_eq!(
        server.send(&Delivery::stamped(NOW, "new", STARTED)).status,
        200
    );
    assert_eq!(
        server.send(&Delivery::stamped(NOW, SECRET, STARTED)).status,
        200
    );
    assert_eq!(
        server
            .send(&Delivery::stamped(NOW, "older", STARTED))
            .status,
        401
    );
}

#[test]
fn the_address_is_validated_with_the_secret_that_signed() {
    let secrets = vec![Secret::new("new"), Secret::new(SECRET)];
    let server = Server::with(
        IngressSettings {
            secrets,
            ..settings()
        },
        Appends::Succeed,
    );
    let body = r#"{"event":"endpoint.url_validation","event_ts":1626230691572,"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let reply = server.send(&Delivery::of(body));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(
        reply.body,
        r#"{"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":"5b72bd117f184f54093c1c3c11499c1d13e6d56dc0d96e6b78fbfecedc953b75"}"#
    );
    let reply = server.send(&Delivery::stamped(NOW, "new", body));
    assert_eq!(reply.status, 200);
    assert!(!reply.body.contains("5b72bd117f18"));
    assert_eq!(server.outcomes("validated"), 2);
    assert!(server.log.kept().is_empty());
}

#[test]
fn a_foreign_account_is_counted_and_dropped() {
    let server = Server::with(
        IngressSettings {
            account_id: Some("ours".into()),
            ..settings()
        },
        Appends::Succeed,
    );
    assert_eq!(server.send(&Delivery::of(STARTED)).status, 200);
    assert_eq!(server.outcomes("foreign_account"), 1);
    assert!(server.log.kept().is_empty());
    assert_eq!(
        server
            .send(&Delivery::of(STARTED.replace("A1", "ours")))
            .status,
        200
    );
    assert_eq!(server.log.kept().len(), 1);
}
