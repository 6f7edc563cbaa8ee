//! The benchmarks' own Kafka broker, apart from that of the tests.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::peer::{bench_folder, run, tree};

/// A running broker; stopped when dropped.
pub struct Broker {
    /// Where it listens.
    pub address: String,
    /// Its process.
    pub pid: u32,
    home: PathBuf,
}

impl Broker {
    /// Starts a broker without any topics, with the peers' heap of 1 GiB.
    ///
    /// # Errors
    ///
    /// Where it does not come up.
    pub fn fresh() -> Result<Self> {
        let home = bench_folder().join("broker");
        std::fs::create_dir_all(&home)?;
        run(script(None).arg("lib"))?;
        run(script(Some(&home)).arg("reset"))?;
        let output = script(Some(&home))
            .arg("start")
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            bail!("the broker did not start");
        }
        let address = String::from_utf8(output.stdout)?.trim().to_owned();
        let pid = std::fs::read_to_string(home.join("pid"))?
            .trim()
            .parse()
            .context("the broker's pid")?;
        Ok(Self { address, pid, home })
    }

    /// Where it keeps its topics.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // A broker that stays is stopped by the next benchmark.
        let _ = script(Some(&self.home)).arg("stop").status();
    }
}

fn script(home: Option<&PathBuf>) -> Command {
    let mut command = Command::new(tree().join("scripts/kafka.sh"));
    command.env("KAFKA_HEAP", "1g");
    if let Some(home) = home {
        command.env("ROLLCALL_KAFKA_HOME", home);
    }
    command
}
