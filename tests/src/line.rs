//! Processes of the pipeline between a sandbox's Zoom and its Brevo.

use std::fs::{self, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rollcall_sandbox::Sandbox;
use rollcall_sandbox::configuration::PipelinePlaces;
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;

/// How long a whole play may take. No test measures speed; this only ends one that hangs.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// How long nothing may change before what differs is a difference.
const STANDSTILL: Duration = Duration::from_secs(30);

/// Which engine a test runs on.
#[derive(Clone, Debug)]
pub enum Engine {
    /// The log in a folder.
    Embedded,
    /// The brokers of an Apache Kafka.
    Kafka(String),
}

impl Engine {
    /// The Apache Kafka that the environment names.
    ///
    /// # Panics
    ///
    /// Where `KAFKA_BROKERS` is not set: `make test` starts one.
    #[must_use]
    pub fn kafka() -> Self {
        let brokers = std::env::var("KAFKA_BROKERS");
        Self::Kafka(
            brokers
                .expect("KAFKA_BROKERS names no Apache Kafka: `make test` starts one and sets it"),
        )
    }
}

/// One process of the pipeline, with a folder and addresses of its own.
pub struct Instance {
    folder: PathBuf,
    /// Where it takes in webhooks.
    pub http: SocketAddr,
    /// Its admin address.
    pub admin: SocketAddr,
    child: Option<Child>,
}

/// An address that is free now, below the ports that connections are given: until the instance
/// listens there, none takes it. No two calls of a process are given the same.
///
/// # Panics
///
/// Where the machine has no free port.
#[must_use]
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 100).expect("below 100") * 100;
    (0..10_000)
        .find_map(|_| {
            let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
            TcpListener::bind(("127.0.0.1", port))
                .ok()?
                .local_addr()
                .ok()
        })
        .expect("a free port")
}

/// Whether a stop has come to every thread of a process.
fn is_stopped(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs, and there is a /proc");
    threads.flatten().all(|thread| {
        // A thread that ends meanwhile does nothing any more.
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next());
        state.is_none_or(|state| matches!(state, 'T' | 'Z' | 'X'))
    })
}

fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let binary = test
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps")
        .join("rollcall");
    assert!(
        binary.exists(),
        "{} is missing: run `cargo build --bin rollcall` first",
        binary.display()
    );
    binary
}

/// Runs a command of the binary to its end.
///
/// # Panics
///
/// Where the binary cannot be started.
#[must_use]
pub fn rollcall(arguments: &[&str]) -> Answer {
    rollcall_in(Path::new("."), arguments)
}

/// The same, with a folder as its working directory.
///
/// # Panics
///
/// Where the binary cannot be started.
#[must_use]
pub fn rollcall_in(folder: &Path, arguments: &[&str]) -> Answer {
    let output = Command::new(binary())
        .current_dir(folder)
        .args(arguments)
        .env_remove("BREVO_API_KEY")
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    Answer {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What a command said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Instance {
    /// An instance that has not been started.
    ///
    /// # Panics
    ///
    /// Where its folder cannot be made.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        Self {
            folder: folder.to_owned(),
            http: free_address(),
            admin: free_address(),
            child: None,
        }
    }

    /// Where it takes in Zoom's webhooks.
    #[must_use]
    pub fn target(&self) -> String {
        format!("http://{}/webhooks/zoom", self.http)
    }

    /// Its configuration file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.join("rollcall.yaml")
    }

    /// The folder of its log, on the embedded engine.
    #[must_use]
    pub fn log_folder(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Writes its configuration: the sandbox's, with `more` at the end.
    ///
    /// # Panics
    ///
    /// Where the file cannot be written.
    pub fn configure(&self, sandbox: &Sandbox, engine: &Engine, more: &str) {
        let log = match engine {
            Engine::Embedded => {
                format!("embedded: {{ path: \"{}\" }}", self.log_folder().display())
            }
            Engine::Kafka(brokers) => format!(
                "kafka: {{ brokers: \"{brokers}\", state_path: \"{}\", session_timeout: 6s }}",
                self.folder.join("state").display()
            ),
        };
        let places = PipelinePlaces {
            http: self.http,
            admin: self.admin,
            log,
        };
        fs::write(
            self.file(),
            format!("{}{more}", sandbox.configuration_yaml(&places)),
        )
        .expect("a file");
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// Where the binary cannot be started.
    pub fn start(&mut self) {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("stderr.log"))
            .expect("a file");
        let child = Command::new(binary())
            .args(["run", "-c"])
            .arg(self.file())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        self.child = Some(child);
    }

    /// Runs a command with its configuration: the command's name first.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Answer {
        let file = self.file();
        let file = file.to_string_lossy();
        let mut all = vec![arguments[0], "-c", &file];
        all.extend(&arguments[1..]);
        rollcall(&all)
    }

    /// The number of its process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts it, and waits until it takes in webhooks and every stage is ready.
    ///
    /// # Panics
    ///
    /// Where it ends instead.
    pub async fn start_and_wait(&mut self) {
        self.start();
        let ready = format!("http://{}/readyz", self.admin);
        let started = Instant::now();
        loop {
            assert!(
                self.ended().is_none() && started.elapsed() < PATIENCE,
                "it does not become ready"
            );
            if reqwest::get(&ready)
                .await
                .is_ok_and(|answer| answer.status().is_success())
                && std::net::TcpStream::connect(self.http).is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// Where it was not started, or cannot be sent one.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it was started");
        kill_process(Pid::from_child(child), signal).expect("it can be sent a signal");
    }

    /// Stops all of its threads where they are (SIGSTOP), and waits until they are.
    ///
    /// # Panics
    ///
    /// Where they go on.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        let pid = self.pid().expect("it was started");
        let started = Instant::now();
        while !is_stopped(pid) {
            assert!(started.elapsed() < PATIENCE, "process {pid} does not stop");
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// SIGTERM; tells the exit code.
    ///
    /// # Panics
    ///
    /// Where it was not started.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        let mut child = self.child.take().expect("it was started");
        child.wait().expect("it can be waited for").code()
    }

    /// Whether it has ended by itself, and how.
    ///
    /// # Panics
    ///
    /// Where its state cannot be asked.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child
            .as_mut()
            .and_then(|child| child.try_wait().expect("it can be asked"))
    }

    /// The last lines that it logged.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(self.folder.join("stderr.log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// What it says of itself. `None` where it does not answer.
    async fn status(&self) -> Option<Value> {
        let answer = reqwest::get(format!("http://{}/status", self.admin)).await;
        answer.ok()?.json().await.ok()
    }

    /// How many partitions each of its stages has. `None` where it does not answer.
    pub async fn partitions(&self) -> Option<Vec<u64>> {
        let status = self.status().await?;
        let stages = status["stages"].as_array()?.iter();
        stages.map(|stage| stage["partitions"].as_u64()).collect()
    }

    /// Whether every stage has nothing to do, and the sink neither. `None` where it does not answer.
    pub async fn idle(&self) -> Option<bool> {
        let status = self.status().await?;
        let stages = status["stages"]
            .as_array()?
            .iter()
            .all(|stage| stage["lag"] == 0 || stage["partitions"] == 0);
        let sink = &status["sink"];
        let sends = sink["active"] == false || sink["drained"] == true;
        Some(stages && sends)
    }
}

impl Drop for Instance {
    #[expect(clippy::print_stdout, reason = "a test that failed shows why")]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            println!(
                "--- the last lines of {} ---\n{}",
                self.folder.display(),
                self.last_words()
            );
        }
    }
}

/// Waits until the story is over, every instance idle, and Brevo has what is true; or until nothing
/// changes any more.
///
/// # Panics
///
/// Where the story cannot be played.
pub async fn settle(sandbox: &Sandbox, instances: &[&Instance]) {
    sandbox
        .zoom()
        .finished()
        .await
        .expect("the story is played");
    let started = Instant::now();
    let mut last = (0, 0, Instant::now());
    while started.elapsed() < PATIENCE {
        let mut idle = true;
        for instance in instances {
            idle &= instance.idle().await.unwrap_or(false);
        }
        let snapshot = sandbox.snapshot();
        let now = (snapshot.contacts.len(), snapshot.events.len());
        if now != (last.0, last.1) {
            last = (now.0, now.1, Instant::now());
        }
        if (idle && sandbox.differences().is_empty()) || last.2.elapsed() > STANDSTILL {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // What would come twice comes now.
    tokio::time::sleep(Duration::from_secs(2)).await;
}

/// Asserts that Brevo has what is true, each once.
///
/// # Panics
///
/// Where it has not.
pub fn assert_true(sandbox: &Sandbox) {
    let differences: Vec<_> = sandbox
        .differences()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
