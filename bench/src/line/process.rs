//! Rollcall's process.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a benchmark waits for what should take seconds.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Rollcall's process; killed when dropped.
pub struct Running {
    child: Child,
    started: Instant,
}

/// What a run took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// From the start of the process to the last commit.
    pub wall_s: f64,
    /// CPU of the process until then.
    pub cpu_s: f64,
    /// Bytes given to the disk until then.
    pub written: u64,
    /// The most memory that the process ever held.
    pub peak_memory_mib: u64,
}

impl Running {
    pub(super) fn start(mut command: Command) -> Result<Self> {
        let started = Instant::now();
        let child = command.spawn().with_context(|| {
            format!(
                "{} does not start: cargo build --release --bin rollcall",
                command.get_program().display()
            )
        })?;
        Ok(Self { child, started })
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Since it was started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Fails where it has ended by itself, or has run for too long.
    ///
    /// # Errors
    ///
    /// In those cases.
    pub fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("rollcall ended with {status}: see stderr.log in its folder");
        }
        if self.elapsed() > PATIENCE {
            bail!("rollcall has not come to an end within {PATIENCE:?}");
        }
        Ok(())
    }

    /// Ends it in order.
    ///
    /// # Errors
    ///
    /// Where it does not end well.
    pub fn stop(mut self) -> Result<()> {
        let status = Command::new("kill").arg(self.pid().to_string()).status()?;
        if !status.success() {
            bail!("kill ended with {status}");
        }
        let status = self.child.wait()?;
        if !status.success() {
            bail!("rollcall ended with {status}");
        }
        Ok(())
    }

    /// `kill -9`.
    ///
    /// # Errors
    ///
    /// Where it is gone already.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
