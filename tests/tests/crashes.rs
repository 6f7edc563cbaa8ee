//! The account played while the process is killed: nothing is missing, nothing is there twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rollcall_eventlog::EventLog;
use rollcall_eventlog::embedded::{EmbeddedConfig, EmbeddedLog};
use rollcall_eventlog::kafka::{KafkaConfig, KafkaLog};
use rollcall_sandbox::{Sandbox, SandboxOptions};
use rollcall_tests::commit::{CommitWatch, JournalWatch, TransactionWatch, stop_in_commit};
use rollcall_tests::line::{Engine, Instance, PATIENCE, Signal, assert_true, settle};
use rollcall_tests::rows::assert_rows;

const KILLS: usize = 20;
/// How many of them come while webhooks do; the others come while what is late is sent.
const KILLS_IN_PLAY: usize = 15;
/// How many of those are held back until a commit is under way.
const KILLS_IN_COMMIT: usize = 7;
const SEED: u64 = 7;

fn options(target: String) -> SandboxOptions {
    let mut options = SandboxOptions::to(target);
    options.player.pace = Some(Duration::from_secs(20));
    options.player.run_on.pause = Duration::from_millis(30);
    options
}

/// Waits until so many webhooks were answered.
async fn accepted(sandbox: &Sandbox, wanted: usize) {
    let progress = sandbox.zoom().progress();
    let started = Instant::now();
    while progress.borrow().accepted < wanted {
        assert!(
            started.elapsed() < PATIENCE,
            "webhook {wanted} is never answered: {:?}",
            progress.borrow()
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Kills and restarts the instance at seeded moments, in the play and in what comes after it.
async fn kill_at_seeded_moments(
    sandbox: &Sandbox,
    instance: &mut Instance,
    seed: u64,
    watch: &mut dyn CommitWatch,
) {
    let mut random = StdRng::seed_from_u64(seed);
    let deliveries = sandbox.zoom().progress().borrow().deliveries;
    let mut moments: Vec<usize> = (0..KILLS_IN_PLAY)
        .map(|_| random.random_range(1..deliveries))
        .collect();
    moments.sort_unstable();
    for (number, moment) in moments.into_iter().enumerate() {
        accepted(sandbox, moment).await;
        assert!(instance.ended().is_none(), "it ended by itself");
        if number % 2 == 1 {
            tokio::task::block_in_place(|| stop_in_commit(instance, watch));
        } else {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..150))).await;
        }
        instance.kill();
        instance.start();
    }
    for _ in KILLS_IN_PLAY..KILLS {
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

/// Waits until all is done, and ends the instances in order.
async fn finish(sandbox: &Sandbox, instances: &mut [&mut Instance]) {
    settle(
        sandbox,
        &instances.iter().map(|it| &**it).collect::<Vec<_>>(),
    )
    .await;
    for instance in &*instances {
        assert_accounts(instance);
    }
    for instance in &mut *instances {
        assert_eq!(instance.terminate(), Some(0), "SIGTERM drains and exits 0");
    }
    assert_accounts(instances[0]);
    assert_true(sandbox);
}

fn kafka() -> (String, Engine) {
    match Engine::kafka() {
        Engine::Kafka(brokers) => (brokers.clone(), Engine::Kafka(brokers)),
        Engine::Embedded => unreachable!("it is Kafka"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_on_the_embedded_log() {
    // On the disk of the build: a file system in memory has no sync in which to be killed.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let mut instance = Instance::new(folder.path());
    let sandbox = Sandbox::start(options(instance.target()))
        .await
        .expect("a sandbox");
    instance.configure(&sandbox, &Engine::Embedded, "");
    instance.start();
    let mut watch = JournalWatch::new(instance.log_folder());
    kill_at_seeded_moments(&sandbox, &mut instance, SEED, &mut watch).await;
    finish(&sandbox, &mut [&mut instance]).await;
    let log: Arc<dyn EventLog> =
        EmbeddedLog::open(EmbeddedConfig::new(instance.log_folder())).expect("the log opens");
    assert_rows(&log, "", &sandbox.truth());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_on_kafka() {
    let (brokers, engine) = kafka();
    let folder = tempfile::tempdir().expect("a folder");
    let prefix = format!("crashes-{}.", std::process::id());
    let mut instance = Instance::new(folder.path());
    let sandbox = Sandbox::start(options(instance.target()))
        .await
        .expect("a sandbox");
    let more = format!("topics: {{ prefix: \"{prefix}\" }}\n");
    instance.configure(&sandbox, &engine, &more);
    instance.start();
    let mut watch = tokio::task::block_in_place(|| TransactionWatch::new(&brokers, &prefix));
    kill_at_seeded_moments(&sandbox, &mut instance, SEED + 1, &mut watch).await;
    finish(&sandbox, &mut [&mut instance]).await;
    let log: Arc<dyn EventLog> = KafkaLog::open(KafkaConfig::new(brokers)).expect("the log opens");
    assert_rows(&log, &prefix, &sandbox.truth());
    assert_eq!(
        watch.aborted(&*log),
        KILLS_IN_COMMIT,
        "a kill within a commit leaves nothing of its transaction"
    );
}

/// Waits until an instance has every partition of every stage.
async fn has_all_partitions(instance: &Instance, partitions: u32) {
    let started = Instant::now();
    loop {
        let held = instance.partitions().await.unwrap_or_default();
        if !held.is_empty() && held.iter().all(|it| *it == u64::from(partitions)) {
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "it has {held:?} of {partitions} partitions of each stage"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Two instances share the work: one is killed and comes back, one is stopped past its session
/// time-out and woken, a zombie by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_killed_and_one_stopped_and_woken_on_kafka() {
    let (brokers, engine) = kafka();
    let folder = tempfile::tempdir().expect("a folder");
    let prefix = format!("zombies-{}.", std::process::id());
    let mut one = Instance::new(&folder.path().join("one"));
    let mut other = Instance::new(&folder.path().join("other"));
    let mut options = options(one.target());
    options.player.pace = Some(Duration::from_secs(30));
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    for (instance, name) in [(&one, "one"), (&other, "other")] {
        let more = format!("topics: {{ prefix: \"{prefix}\" }}\ninstance: {name}\n");
        instance.configure(&sandbox, &engine, &more);
    }
    one.start();
    other.start();
    let log: Arc<dyn EventLog> = KafkaLog::open(KafkaConfig::new(brokers)).expect("the log opens");
    let percent = |part: usize| sandbox.zoom().progress().borrow().deliveries * part / 100;
    accepted(&sandbox, percent(25)).await;
    let partitions = log
        .partitions(&format!("{prefix}zoom.raw"))
        .expect("the log can be asked")
        .expect("webhooks were answered");
    other.stop();
    accepted(&sandbox, percent(40)).await;
    one.kill();
    one.start();
    // Past the session time-out: the other's partitions go to this one.
    has_all_partitions(&one, partitions).await;
    other.signal(Signal::CONT);
    accepted(&sandbox, percent(75)).await;
    other.kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    other.start();
    finish(&sandbox, &mut [&mut one, &mut other]).await;
    assert_rows(&log, &prefix, &sandbox.truth());
}
