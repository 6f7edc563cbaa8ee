//! What is refused, with what, and that nothing of it is kept.

use std::io::Write;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use rollcall_eventlog::{Appender, LogError};
use rollcall_producer::ingress::{Answer, Ingress, IngressSettings, Refusal};
use rollcall_runtime::TopicSettings;
use rollcall_runtime::clock::SystemClock;
use rollcall_schemas::catalogue::ZOOM_RAW;

use crate::delivery::{Delivery, Framing, NOW, SECRET, body_of, sign};
use crate::log::{Appends, MemoryLog};
use crate::server::{Server, settings};

const BODY: &str =
    r#"{"event":"meeting.ended","payload":{"account_id":"A1","object":{"id":"86084701483"}}}"#;

fn refused(server: &Server, delivery: &Delivery, status: u16, outcome: &str) {
    let before = server.outcomes(outcome);
    let reply = server.send(delivery);
    assert_eq!(reply.status, status, "{}", reply.body);
    assert_eq!(server.outcomes(outcome), before + 1, "{outcome}");
    assert_eq!(reply.header("retry-after").is_some(), status == 503);
    assert!(server.log.kept().is_empty());
}

#[test]
fn a_missing_or_wrong_signature_is_401() {
    let server = Server::start();
    let good = Delivery::of(BODY);
    let signature = good.signature.clone().expect("signed");
    let with = |signature: &str| Delivery {
        signature: Some(signature.to_owned()),
        ..good.clone()
    };
    let deliveries = [
        Delivery {
            signature: None,
            ..good.clone()
        },
        Delivery {
            timestamp: None,
            ..good.clone()
        },
        Delivery {
            body: BODY.replace("ended", "Ended").into_bytes(),
            ..good.clone()
        },
        Delivery {
            timestamp: Some((NOW + 1).to_string()),
            ..good.clone()
        },
        Delivery::stamped(NOW, "another secret", BODY),
        Delivery::stamped(NOW, "", BODY),
        with(""),
        with("v0="),
        with(&signature[..signature.len() - 1]),
        with(&format!("{signature}0")),
        with(&signature.replace("v0=", "v1=")),
        with(&signature[3..]),
        with(&signature.to_uppercase()),
        with(&sign(SECRET, "", BODY.as_bytes())),
        with("v0=\u{e9}\u{e9}\u{e9}\u{e9}"),
    ];
    for delivery in &deliveries {
        refused(&server, delivery, 401, "bad_signature");
    }
    assert_eq!(
        server.send(&good).status,
        200,
        "the same with its signature passes"
    );
}

#[test]
fn a_signed_body_that_is_no_envelope_is_400() {
    let server = Server::start();
    for body in [
        "",
        "{}",
        "[]",
        "event",
        r#"{"event":1}"#,
        r#"{"event":"e""#,
        r#"{"event":"endpoint.url_validation","payload":{}}"#,
        r#"{"event":"endpoint.url_validation","payload":{"plainToken":7}}"#,
    ] {
        refused(&server, &Delivery::of(body), 400, "not_an_envelope");
    }
}

#[test]
fn more_than_one_mebibyte_is_413_whatever_was_said_of_its_length() {
    let server = Server::start();
    let too_long = body_of(1024 * 1024 + 1);
    refused(&server, &Delivery::of(too_long.clone()), 413, "too_large");
    refused(
        &server,
        &Delivery {
            framing: Framing::Chunked,
            ..Delivery::of(too_long.clone())
        },
        413,
        "too_large",
    );
    // Announced, and never sent: nothing is waited for.
    refused(
        &server,
        &Delivery {
            framing: Framing::FalseLength(usize::MAX / 2),
            body: Vec::new(),
            ..Delivery::of(BODY)
        },
        413,
        "too_large",
    );
    // Said to be shorter than it is: what was said is what counts, and is not what was signed.
    refused(
        &server,
        &Delivery {
            framing: Framing::FalseLength(40),
            ..Delivery::of(too_long)
        },
        401,
        "bad_signature",
    );
}

#[test]
fn a_length_that_makes_no_sense_is_never_kept() {
    let server = Server::start();
    let request = String::from_utf8(Delivery::of(BODY).bytes()).expect("text");
    let length = format!("content-length: {}", BODY.len());
    for nonsense in [
        "content-length: -1",
        "content-length: 1e9",
        "content-length: 99999999999999999999999",
        "content-length: 5\r\ncontent-length: 7",
    ] {
        let reply = server.send_bytes(request.replace(&length, nonsense).as_bytes());
        assert!(
            (400..500).contains(&reply.status),
            "{nonsense}: {}",
            reply.status
        );
    }
    // Without any length a request has no body.
    let reply = server.send_bytes(request.replace(&format!("{length}\r\n"), "").as_bytes());
    assert_eq!(reply.status, 401);
    assert!(server.log.kept().is_empty());
}

#[test]
fn a_time_stamp_that_is_off_is_503_and_shows_by_how_much() {
    let server = Server::start();
    refused(
        &server,
        &Delivery::stamped(NOW - 300, SECRET, BODY),
        503,
        "clock_off",
    );
    assert_eq!(
        server
            .metric("rollcall_ingress_clock_skew_seconds ")
            .as_deref(),
        Some("300.4")
    );
    refused(
        &server,
        &Delivery::stamped(NOW + 3600, SECRET, BODY),
        503,
        "clock_off",
    );
    assert_eq!(
        server
            .metric("rollcall_ingress_clock_skew_seconds ")
            .as_deref(),
        Some("-3599.6")
    );
    for stamp in [
        "soon",
        "1785369356750",
        "99999999999999999999",
        "-9223372036854775808",
        "1785369356.5",
    ] {
        let signature = Some(sign(SECRET, stamp, BODY.as_bytes()));
        refused(
            &server,
            &Delivery {
                timestamp: Some(stamp.to_owned()),
                signature,
                ..Delivery::of(BODY)
            },
            503,
            "clock_off",
        );
    }
    // An unsigned one is refused as unsigned, and moves no gauge.
    refused(
        &server,
        &Delivery::stamped(0, "another secret", BODY),
        401,
        "bad_signature",
    );
    let validation = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"t"}}"#;
    refused(
        &server,
        &Delivery::stamped(NOW - 3600, SECRET, validation),
        503,
        "clock_off",
    );
}

#[test]
fn whenever_the_log_does_not_take_it_it_is_503() {
    let errors: [fn() -> LogError; 4] = [
        || LogError::Busy {
            reason: "full".into(),
        },
        || LogError::Closed { reason: None },
        || LogError::DiskFull {
            path: "data".into(),
            free: 1,
            reserve: 2,
        },
        || LogError::Kafka {
            action: "produce".into(),
            reason: "no leader".into(),
            retriable: true,
        },
    ];
    for error in errors {
        refused(
            &Server::with(settings(), Appends::Fail(error)),
            &Delivery::of(BODY),
            503,
            "log_unavailable",
        );
    }
}

#[test]
fn what_takes_too_long_is_503() {
    let soon = IngressSettings {
        answer_within: Duration::from_millis(50),
        ..settings()
    };
    let server = Server::with(soon, Appends::Hang);
    refused(&server, &Delivery::of(BODY), 503, "too_late");
    // A body that never comes to its end.
    refused(
        &server,
        &Delivery {
            framing: Framing::FalseLength(BODY.len() + 1),
            ..Delivery::of(BODY)
        },
        503,
        "too_late",
    );
}

#[test]
fn a_body_that_breaks_off_is_not_kept() {
    let server = Server::start();
    let mut stream = server.connect();
    stream
        .write_all(
            &Delivery {
                framing: Framing::FalseLength(BODY.len() + 1),
                ..Delivery::of(BODY)
            }
            .bytes(),
        )
        .expect("written");
    stream.shutdown(Shutdown::Write).expect("half closed");
    while server.outcomes("broken_off") == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(server.log.kept().is_empty());
}

#[test]
fn other_methods_and_paths_are_405_and_404() {
    let server = Server::start();
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let reply = server.send(&Delivery {
            method,
            ..Delivery::of(BODY)
        });
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, Some("POST")),
            "{method}"
        );
    }
    for path in [
        "/",
        "/webhooks",
        "/webhooks/zoom/",
        "/webhooks/Zoom",
        "/webhooks/zoom/x",
    ] {
        assert_eq!(
            server
                .send(&Delivery {
                    path,
                    ..Delivery::of(BODY)
                })
                .status,
            404,
            "{path}"
        );
    }
    assert!(server.log.kept().is_empty());
    assert_eq!(
        server
            .send(&Delivery {
                path: "/webhooks/zoom?x=1",
                ..Delivery::of(BODY)
            })
            .status,
        200
    );
}

fn header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let name = prop_oneof![
        4 => prop::sample::select(vec!["x-zm-signature", "x-zm-request-timestamp", "x-zm-request-id", "content-length"]).prop_map(str::to_owned),
        1 => "[a-z][a-z0-9-]{0,20}",
    ];
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..90),
        "v0=[0-9a-f]{64}".prop_map(String::into_bytes),
        "[0-9]{1,20}".prop_map(String::into_bytes),
    ];
    (name, value).prop_filter_map("headers that HTTP can hold", |(name, value)| {
        Some((name.parse().ok()?, HeaderValue::from_bytes(&value).ok()?))
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        r#"\{"event":"(meeting\.ended|endpoint\.url_validation|.{0,5})","payload":(\{"account_id":"A","object":\{"id":"?[0-9]{0,22}"?\}\}|\{"plainToken":".{0,5}"\}|null|\[\])\}"#.prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn nothing_unsigned_is_ever_kept(headers in proptest::collection::vec(header(), 0..8), body in any_body(), signed in any::<bool>(), seconds_off in -400..400_i64) {
        let log = Arc::new(MemoryLog::new(Appends::Succeed));
        let appender: Arc<dyn Appender> = log.clone();
        let ingress = Ingress::new(settings(), appender, TopicSettings::default().route(&ZOOM_RAW), Arc::new(SystemClock)).expect("usable secrets");
        let mut map: HeaderMap = headers.into_iter().collect();
        if signed {
            let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs().cast_signed();
            let timestamp = (now + seconds_off).to_string();
            map.insert("x-zm-signature", sign(SECRET, &timestamp, &body).parse().expect("a header"));
            map.insert("x-zm-request-timestamp", timestamp.parse().expect("a header"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let answer = runtime.block_on(ingress.receive(&map, &body));
        prop_assert_eq!(log.kept().len(), usize::from(answer == Answer::Kept));
        prop_assert_eq!(answer == Answer::Refused(Refusal::BadSignature), !signed);
    }
}
