//! The address under test, on a loopback socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rollcall_eventlog::Appender;
use rollcall_producer::ingress::{Ingress, IngressSettings};
use rollcall_runtime::TopicSettings;
use rollcall_runtime::clock::Clock;
use rollcall_runtime::secret::Secret;
use rollcall_schemas::catalogue::ZOOM_RAW;
use tokio::runtime::Runtime;

use crate::delivery::{Delivery, NOW, SECRET};
use crate::log::{Appends, MemoryLog};

/// A clock that stands still.
struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> i64 {
        NOW * 1000 + 400
    }
}

pub(crate) struct Server {
    pub(crate) log: Arc<MemoryLog>,
    address: SocketAddr,
    metrics: PrometheusHandle,
    _runtime: Runtime,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

pub(crate) fn settings() -> IngressSettings {
    IngressSettings {
        secrets: vec![Secret::new(SECRET)],
        account_id: None,
        log_webhooks: false,
        // Far longer than any test takes, so that a slow machine changes no answer.
        answer_within: Duration::from_secs(60),
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(settings(), Appends::Succeed)
    }

    pub(crate) fn with(settings: IngressSettings, appends: Appends) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let log = Arc::new(MemoryLog::new(appends));
        let appender: Arc<dyn Appender> = log.clone();
        let route = TopicSettings::default().route(&ZOOM_RAW);
        let ingress = metrics::with_local_recorder(&recorder, || {
            Ingress::new(settings, appender, route, Arc::new(Stopped))
        })
        .expect("usable secrets");
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        runtime.spawn(async move { axum::serve(listener, ingress.router()).await });
        Self {
            log,
            address,
            metrics: recorder.handle(),
            _runtime: runtime,
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a timeout");
        stream
    }

    pub(crate) fn send(&self, delivery: &Delivery) -> Reply {
        self.send_bytes(&delivery.bytes())
    }

    pub(crate) fn send_bytes(&self, request: &[u8]) -> Reply {
        let mut stream = self.connect();
        write_unless_answered(&mut stream, request);
        read_reply(&mut stream)
    }

    /// How many requests had this outcome.
    pub(crate) fn outcomes(&self, outcome: &str) -> u64 {
        let line = format!("rollcall_ingress_requests_total{{outcome=\"{outcome}\"}} ");
        self.metric(&line)
            .map_or(0, |count| count.parse().expect("a count"))
    }

    /// The value of the metric whose line starts like this.
    pub(crate) fn metric(&self, start: &str) -> Option<String> {
        self.metrics
            .render()
            .lines()
            .find_map(|line| line.strip_prefix(start))
            .map(str::to_owned)
    }
}

/// Writes a request; a server that refuses it in the middle may close its side before the end.
fn write_unless_answered(stream: &mut TcpStream, request: &[u8]) {
    match stream.write_all(request) {
        Ok(()) => {}
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            ) => {}
        Err(error) => panic!("cannot write: {error}"),
    }
}

/// Reads until the server closes. A reset after the answer (the server did not read all that was
/// sent) takes nothing of it away.
pub(crate) fn read_reply(stream: &mut TcpStream) -> Reply {
    let mut reply = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => reply.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset && !reply.is_empty() => break,
            Err(error) => panic!("no answer: {error}"),
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    let text = String::from_utf8(reply).expect("answers are text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status");
    Reply {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
