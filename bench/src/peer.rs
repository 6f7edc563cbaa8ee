//! The Kafka Streams peer: built by Maven, and its load generator.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The tree that this program was built from.
#[must_use]
pub fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// Where benchmarks keep what they make; may be deleted at any time.
#[must_use]
pub fn bench_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| tree().join("target"), PathBuf::from)
        .join("bench")
}

/// Runs a command to its end, its output shown.
///
/// # Errors
///
/// Where it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// How large the load is.
#[derive(Clone, Debug)]
pub struct Size {
    /// Its name, in folders and reports.
    pub name: Cow<'static, str>,
    webinars: u32,
    registrants: u32,
    people: u32,
    most_stays: u32,
    distinct: bool,
}

impl Size {
    /// 2.2 million records of 100,000 people; with `SMALL=1` in the environment 88 thousand.
    #[must_use]
    pub fn from_environment() -> Self {
        if std::env::var("SMALL").is_ok_and(|value| value == "1") {
            Self::SMALL
        } else {
            Self::FULL
        }
    }

    const FULL: Self = Self {
        name: Cow::Borrowed("full"),
        webinars: 1000,
        registrants: 500,
        people: 100_000,
        most_stays: 4,
        distinct: false,
    };
    /// 87 thousand records of 10,000 people.
    pub const SMALL: Self = Self {
        name: Cow::Borrowed("small"),
        webinars: 40,
        registrants: 500,
        people: 10_000,
        most_stays: 4,
        distinct: false,
    };

    /// A load with this many people, each registered for one webinar, as the recovery and growth
    /// benchmarks use it.
    #[must_use]
    pub fn of_people(people: u32) -> Self {
        Self {
            name: Cow::Owned(format!("{people}-people")),
            webinars: people.div_ceil(500),
            registrants: 500,
            people,
            most_stays: 1,
            distinct: true,
        }
    }
}

/// A generated load.
#[derive(Clone, Debug)]
pub struct Load {
    /// The webhooks: see [`crate::input`].
    pub webhooks: PathBuf,
    /// The answer: see [`crate::answer`].
    pub expected: PathBuf,
}

/// The class path of the built peer.
///
/// # Errors
///
/// Where Maven cannot build it.
pub fn class_path() -> Result<String> {
    let home = bench_folder().join("peers/streams");
    if !home.exists() {
        // Whole or not at all.
        let unfinished = home.with_extension("unfinished");
        let project = tree().join("bench/peers/kafka-streams/pom.xml");
        run(Command::new("mvn")
            .args(["-B", "-q", "-ntp", "-f"])
            .arg(project)
            .arg(format!(
                "-Dmaven.repo.local={}",
                tree().join(".kafka/m2").display()
            ))
            .arg(format!("-Dpeer.dist={}", unfinished.display()))
            .arg("package"))?;
        std::fs::rename(unfinished, &home)?;
    }
    Ok(format!("{}/lib/*", home.display()))
}

fn generator(size: &Size, expected: &Path) -> Result<Command> {
    let mut java = Command::new("java");
    java.args(["-Xmx4g", "-cp", &class_path()?, "-Dseed=1"])
        .arg(format!("-Dwebinars={}", size.webinars))
        .arg(format!("-Dregistrants={}", size.registrants))
        .arg(format!("-Dpeople={}", size.people))
        .arg(format!("-Dsegs={}", size.most_stays))
        .arg(format!("-Ddistinct={}", size.distinct))
        .arg(format!("-Dexpected={}", expected.display()));
    Ok(java)
}

/// The load of this size, generated unless it is there.
///
/// # Errors
///
/// Where Java cannot make it.
pub fn load(size: &Size) -> Result<Load> {
    let folder = bench_folder().join("load").join(&*size.name);
    let load = Load {
        webhooks: folder.join("webhooks"),
        expected: folder.join("expected.jsonl"),
    };
    if !load.webhooks.exists() {
        std::fs::create_dir_all(&folder)?;
        let unfinished = folder.join("webhooks.unfinished");
        run(generator(size, &load.expected)?
            .arg(format!("-Dfile={}", unfinished.display()))
            .arg("peer.Gen"))?;
        std::fs::rename(unfinished, &load.webhooks)?;
    }
    Ok(load)
}

/// Sends the same load to the peer's topic `zoom.webhooks`.
///
/// # Errors
///
/// Where Java or the broker fails.
pub fn preload(size: &Size, brokers: &str) -> Result<()> {
    let folder = bench_folder().join("load").join(&*size.name);
    run(generator(size, &folder.join("expected-again.jsonl"))?
        .arg(format!("-Dbrokers={brokers}"))
        .arg("peer.Gen"))
}
