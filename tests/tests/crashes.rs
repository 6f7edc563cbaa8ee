//! The account played while the process is killed: nothing is missing, nothing is there twice.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::kafka::{KafkaConfig, KafkaLog};
use rollcall_sandbox::{Sandbox, SandboxOptions};
use rollcall_tests::line::{Engine, Instance, PATIENCE, assert_true, settle};
use rollcall_tests::rows::assert_rows;

const KILLS: usize = 20;
const SEED: u64 = 7;

fn options(target: String) -> SandboxOptions {
    let mut options = SandboxOptions::to(target);
    options.player.pace = Some(Duration::from_secs(20));
    options.player.run_on.pause = Duration::from_millis(30);
    options
}

/// Kills and restarts the instance at seeded moments, in the play and in what comes after it.
async fn kill_at_seeded_moments(sandbox: &Sandbox, instance: &mut Instance, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let progress = sandbox.zoom().progress();
    let deliveries = progress.borrow().deliveries;
    let in_play = KILLS * 3 / 4;
    let mut moments: Vec<usize> = (0..in_play)
        .map(|_| random.random_range(1..deliveries))
        .collect();
    moments.sort_unstable();
    for moment in moments {
        let started = std::time::Instant::now();
        while progress.borrow().accepted < moment && started.elapsed() < PATIENCE {
            assert!(instance.ended().is_none(), "it ended by itself");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..150))).await;
        instance.kill();
        instance.start();
    }
    for _ in in_play..KILLS {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..2500))).await;
        instance.kill();
        instance.start();
    }
}

/// What became of every record adds up, by the topics and, where it runs, by its counters.
fn assert_accounts(instance: &Instance) {
    let audit = instance.command(&["audit"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.out, audit.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_on_the_embedded_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut instance = Instance::new(folder.path());
    let sandbox = Sandbox::start(options(instance.target()))
        .await
        .expect("a sandbox");
    instance.configure(&sandbox, &Engine::Embedded, "");
    instance.start();
    kill_at_seeded_moments(&sandbox, &mut instance, SEED).await;
    settle(&sandbox, &[&instance]).await;
    assert_accounts(&instance);
    assert_eq!(instance.terminate(), Some(0), "SIGTERM drains and exits 0");
    assert_accounts(&instance);
    assert_true(&sandbox);
    let log: std::sync::Arc<dyn rollcall_eventlog::EventLog> =
        EmbeddedLog::open(EmbeddedConfig::new(instance.log_folder())).expect("the log opens");
    assert_rows(&log, "", &sandbox.truth());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_on_kafka() {
    let Engine::Kafka(brokers) = Engine::kafka() else {
        unreachable!("it is Kafka")
    };
    let folder = tempfile::tempdir().expect("a folder");
    let prefix = format!("crashes-{}.", std::process::id());
    let mut instance = Instance::new(folder.path());
    let sandbox = Sandbox::start(options(instance.target()))
        .await
        .expect("a sandbox");
    instance.configure(
        &sandbox,
        &Engine::kafka(),
        &format!("topics: {{ prefix: \"{prefix}\" }}\n"),
    );
    instance.start();
    kill_at_seeded_moments(&sandbox, &mut instance, SEED + 1).await;
    settle(&sandbox, &[&instance]).await;
    assert_accounts(&instance);
    assert_eq!(instance.terminate(), Some(0), "SIGTERM drains and exits 0");
    assert_accounts(&instance);
    assert_true(&sandbox);
    let log: std::sync::Arc<dyn rollcall_eventlog::EventLog> =
        KafkaLog::open(KafkaConfig::new(brokers)).expect("the log opens");
    assert_rows(&log, &prefix, &sandbox.truth());
}

/// Two instances share the work: one is killed and comes back, one is stopped past its session
/// time-out and woken, a zombie by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_killed_and_one_stopped_and_woken_on_kafka() {
    let Engine::Kafka(brokers) = Engine::kafka() else {
        unreachable!("it is Kafka")
    };
    let folder = tempfile::tempdir().expect("a folder");
    let prefix = format!("zombies-{}.", std::process::id());
    let mut one = Instance::new(&folder.path().join("one"));
    let mut other = Instance::new(&folder.path().join("other"));
    let mut options = options(one.target());
    options.player.pace = Some(Duration::from_secs(30));
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    for (instance, name) in [(&one, "one"), (&other, "other")] {
        let more = format!("topics: {{ prefix: \"{prefix}\" }}\ninstance: {name}\n");
        instance.configure(&sandbox, &Engine::kafka(), &more);
    }
    one.start();
    other.start();
    let progress = sandbox.zoom().progress();
    let deliveries = progress.borrow().deliveries;
    let reached = async |part: usize| {
        let started = std::time::Instant::now();
        while progress.borrow().accepted < deliveries * part / 100 && started.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    reached(25).await;
    other.signal("STOP");
    reached(40).await;
    one.kill();
    one.start();
    // Past the session time-out of 6 s: the other's partitions go to this one.
    tokio::time::sleep(Duration::from_secs(8)).await;
    other.signal("CONT");
    reached(75).await;
    other.kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    other.start();
    settle(&sandbox, &[&one, &other]).await;
    assert_accounts(&one);
    assert_accounts(&other);
    assert_eq!(one.terminate(), Some(0), "SIGTERM drains and exits 0");
    assert_eq!(other.terminate(), Some(0), "SIGTERM drains and exits 0");
    assert_accounts(&one);
    assert_true(&sandbox);
    let log: std::sync::Arc<dyn rollcall_eventlog::EventLog> =
        KafkaLog::open(KafkaConfig::new(brokers)).expect("the log opens");
    assert_rows(&log, &prefix, &sandbox.truth());
}
