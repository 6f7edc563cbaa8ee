//! What the benchmarks configure, start and read back is what Rollcall takes: on the embedded log, and
//! on the Apache Kafka that `KAFKA_BROKERS` names.
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use rollcall_bench::input::Webhook;
use rollcall_bench::line::{Engine, Installation};
use rollcall_schemas::catalogue::ENGAGEMENT_CONTACTS;

const PEOPLE: u64 = 20;

#[test]
fn an_embedded_installation_runs_to_rest() {
    runs_to_rest("test-embedded", Engine::Embedded);
}

#[test]
fn an_installation_on_kafka_runs_to_rest() {
    let Ok(brokers) = std::env::var("KAFKA_BROKERS") else {
        println!("KAFKA_BROKERS names no Apache Kafka: `make test` starts one and sets it");
        return;
    };
    let name = format!("test-kafka-{}", std::process::id());
    runs_to_rest(&name, Engine::Kafka(brokers));
}

fn runs_to_rest(name: &str, engine: Engine) {
    let mut installation = Installation::fresh(name, engine).unwrap();
    installation.binary = binary();
    let log = installation.open().unwrap();
    let mut pen = installation.pen(&*log).unwrap();
    let email = |person: u64| format!("person-{person}@mail.example");
    for person in 0..PEOPLE {
        let registration =
            Webhook::registration(90_000_000_000 + person, &email(person), 1_795_000_000_000);
        pen.webhook(&registration).unwrap();
    }
    pen.wait().unwrap();
    drop(pen);
    log.close().unwrap();
    installation.run_to_rest().unwrap();

    let log = installation.open().unwrap();
    let mut contacts = BTreeSet::new();
    installation
        .read(&*log, &ENGAGEMENT_CONTACTS, |key, _| {
            contacts.insert(String::from_utf8(key.to_vec())?);
            Ok(())
        })
        .unwrap();
    log.close().unwrap();
    assert_eq!(contacts, (0..PEOPLE).map(email).collect());
    installation.remove().unwrap();
}

/// The binary beside the tests', of the same profile.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("rollcall");
    assert!(
        binary.exists(),
        "{} is missing: run `cargo build --bin rollcall` first",
        binary.display()
    );
    binary
}
