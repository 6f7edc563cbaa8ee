//! What a person who reads the log learns of a request.

use std::io;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use rollcall_eventlog::LogError;
use rollcall_producer::ingress::IngressSettings;
use tracing_subscriber::fmt::MakeWriter;

use crate::delivery::{Delivery, NOW, SECRET};
use crate::log::Appends;
use crate::server::{Server, settings};

/// All that was logged, at every level.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

struct LinesWriter<'a>(MutexGuard<'a, Vec<u8>>);

impl io::Write for LinesWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LinesWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LinesWriter(self.0.lock().expect("no writer panics"))
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("text")
    }
}

/// The server answers on threads of its own, so that only a global subscriber sees what it logs. The
/// other tests of this program write to it too; each line that counts here has a mark of its own.
static LINES: LazyLock<Lines> = LazyLock::new(|| {
    let lines = Lines::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(lines.clone())
        .init();
    lines
});

const BODY: &str = r#"{"event":"meeting.marked","payload":{"account_id":"A1","object":{"id":"86084701483","participant":{"email":"ann@body.example","user_name":"Ann-in-the-body"}}}}"#;

#[test]
fn neither_headers_nor_bodies_are_logged() {
    let lines = &*LINES;
    let log_webhooks = IngressSettings {
        log_webhooks: true,
        ..settings()
    };
    let server = Server::with(log_webhooks, Appends::Succeed);
    assert_eq!(server.send(&Delivery::of(BODY)).status, 200);
    assert_eq!(
        server
            .send(&Delivery {
                signature: Some("v0=signature-that-is-wrong".into()),
                ..Delivery::of(BODY)
            })
            .status,
        401
    );
    assert_eq!(
        server
            .send(&Delivery::of(BODY.replace(r#""event":"#, r#""no-event":"#)))
            .status,
        400
    );
    let failing = Server::with(
        IngressSettings {
            log_webhooks: true,
            ..settings()
        },
        Appends::Fail(|| LogError::Busy {
            reason: "full-in-this-test".into(),
        }),
    );
    let refused = BODY.replace("meeting.marked", "meeting.refused");
    assert_eq!(failing.send(&Delivery::of(refused)).status, 503);
    assert_eq!(
        Server::start()
            .send(&Delivery::stamped(NOW - 4_000, SECRET, BODY))
            .status,
        503
    );
    let text = lines.text();
    for expected in [
        "meeting.marked",
        "86084701483",
        "full-in-this-test",
        "skew_seconds=4000.4",
        "the signature is missing or wrong",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    for forbidden in [
        "meeting.refused",
        "body.example",
        "Ann-in-the-body",
        "client-id-in-a-header",
        "token-in-a-header",
        "signature-that-is-wrong",
        SECRET,
    ] {
        assert!(!text.contains(forbidden), "{forbidden} in\n{text}");
    }
}
