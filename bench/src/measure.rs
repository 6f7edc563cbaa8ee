//! CPU, memory and disk, from `/proc` and the file system.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// Linux counts the CPU time in `/proc/PID/stat` in hundredths of a second on every architecture.
const TICKS_A_SECOND: f64 = 100.0;

/// CPU seconds of a process so far, user and system.
///
/// # Errors
///
/// Where there is no such process.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // The name, in brackets, may hold spaces.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|text| text.parse::<u32>().ok())
            .map(f64::from)
    };
    Ok(
        (ticks(11).context("no user time")? + ticks(12).context("no system time")?)
            / TICKS_A_SECOND,
    )
}

/// CPU time of the calling thread so far.
///
/// # Errors
///
/// Where the kernel does not say.
pub fn thread_cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")
        .context("the kernel counts no thread's time")?;
    let nanos = text
        .split_whitespace()
        .next()
        .context("an empty schedstat")?
        .parse()?;
    Ok(Duration::from_nanos(nanos))
}

/// The most memory that a process ever held, in MiB.
///
/// # Errors
///
/// Where there is no such process.
pub fn peak_memory_mib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .context("no VmHWM")?;
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .context("no figure in VmHWM")?
        .parse()?;
    Ok(kib / 1024)
}

/// Bytes that a process gave to the disk so far.
///
/// # Errors
///
/// Where there is no such process, or it is another user's.
pub fn bytes_written(pid: u32) -> Result<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
    let line = io
        .lines()
        .find(|line| line.starts_with("write_bytes:"))
        .context("no write_bytes")?;
    Ok(line
        .split_whitespace()
        .nth(1)
        .context("no figure in write_bytes")?
        .parse()?)
}

/// Bytes below a folder.
#[must_use]
pub fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some(if metadata.is_dir() {
                bytes_below(&entry.path())
            } else {
                metadata.len()
            })
        })
        .sum()
}

/// Bytes of the segments of each topic in a broker's data folder.
#[must_use]
pub fn topic_bytes(data: &Path) -> BTreeMap<String, u64> {
    let mut topics = BTreeMap::new();
    for partition in std::fs::read_dir(data).into_iter().flatten().flatten() {
        let name = partition.file_name().to_string_lossy().into_owned();
        let Some((topic, _)) = name.rsplit_once('-') else {
            continue;
        };
        let files = std::fs::read_dir(partition.path())
            .into_iter()
            .flatten()
            .flatten();
        let segments = files.filter(|file| {
            file.path()
                .extension()
                .is_some_and(|extension| extension == "log")
        });
        *topics.entry(topic.to_owned()).or_default() += segments
            .filter_map(|file| Some(file.metadata().ok()?.len()))
            .sum::<u64>();
    }
    topics
}

/// What grew between two calls of [`topic_bytes`].
#[must_use]
pub fn growth(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    after
        .iter()
        .filter_map(|(topic, bytes)| {
            let grown = bytes.saturating_sub(before.get(topic).copied().unwrap_or_default());
            (grown > 0).then(|| (topic.clone(), grown))
        })
        .collect()
}
