//! How quick a daemon is, and how small: measured from outside, on a program that is a process.
//!
//! What is timed ends with a line in the program's log: *registered on the platform*, or *file
//! imported*, which comes after the broker has confirmed the last message.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::envelope::{WEATHER, envelope, malware};
use crate::platform::{Config, Platform};
use crate::program::{Program, Running};

/// How often the log is looked at: it bounds what can be told apart.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// Between two files: a daemon lets 50 ms pass between passes that arrivals begin, which is not what
/// is measured.
const PAUSE: Duration = Duration::from_millis(100);

/// How long what is waited for may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was measured of daemons.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From the start of the process to its registration, one for each start.
    pub starts: Vec<Duration>,
    /// From a file's arrival to the confirmation of its message, one for each file.
    pub latencies: Vec<Duration>,
    /// The memory of a daemon that has not imported anything, after its first pass.
    pub idle: Memory,
    /// The memory after all the files.
    pub after: Memory,
}

/// A process's memory in KiB, as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What is resident now (`VmRSS`).
    pub resident: u64,
    /// What was at most (`VmHWM`).
    pub peak: u64,
    /// What is resident now and in no file (`RssAnon`): without the program's own text, which the
    /// kernel may drop.
    pub private: u64,
}

/// Starts daemons on `broker` that often, with these variables besides their own, then gives the last
/// of them so many files of one object, one after the other.
///
/// # Errors
/// If the program was not built, or does not do in a minute what is waited for.
pub async fn daemon(
    broker: &str,
    starts: usize,
    files: u32,
    with: &[(String, String)],
) -> anyhow::Result<Measured> {
    let folder = TempDir::with_prefix("measure-").context("cannot make a folder")?;
    let platform = Platform::start(Config::on_broker(broker)).await?;
    let place = Place {
        inbox: folder.path().join("inbox"),
        log: folder.path().join("log"),
    };
    fs::create_dir(&place.inbox)?;
    let state = folder.path().join("state");
    let program = Program::new(&platform, folder.path(), &place.inbox, &state)?
        .with("CONNECTOR_RUN_AND_TERMINATE", "false")
        .with("CONNECTOR_DURATION_PERIOD", "PT1H")
        .logging_to(&place.log)
        .with_all(with);
    let mut times = Vec::new();
    let running = loop {
        let (running, took) = place.start(&program).await?;
        times.push(took);
        if times.len() >= starts {
            break running;
        }
        running.terminate().await?;
        running.wait().await?;
    };
    // The first pass is over when the state is told.
    let told = || !platform.calls_of("pingConnector").is_empty();
    until(told).await.context("the first pass is not over")?;
    let id = running.id()?;
    let idle = memory(id)?;
    let mut latencies = Vec::new();
    for number in 1..=files {
        latencies.push(place.import(number).await?);
    }
    let after = memory(id)?;
    running.terminate().await?;
    running.wait().await?;
    Ok(Measured {
        starts: times,
        latencies,
        idle,
        after,
    })
}

/// The middle of some times; zero where there are none.
pub fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A process's memory.
///
/// # Errors
/// If there is no such process.
pub fn memory(id: u32) -> anyhow::Result<Memory> {
    let status = told(id, "status")?;
    Ok(Memory {
        resident: value(&status, "VmRSS:")?,
        peak: value(&status, "VmHWM:")?,
        private: value(&status, "RssAnon:")?,
    })
}

/// How many bytes a process has read, from whatever it reads.
///
/// # Errors
/// If there is no such process, or the system does not tell.
pub fn bytes_read(id: u32) -> anyhow::Result<u64> {
    value(&told(id, "io")?, "rchar:")
}

fn told(id: u32, file: &str) -> anyhow::Result<String> {
    fs::read_to_string(format!("/proc/{id}/{file}")).context("the program is gone")
}

fn value(told: &str, key: &str) -> anyhow::Result<u64> {
    let line = told.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("no {key} in /proc"))
}

struct Place {
    inbox: PathBuf,
    log: PathBuf,
}

impl Place {
    async fn start(&self, program: &Program) -> anyhow::Result<(Running, Duration)> {
        let before = size(&self.log);
        let began = Instant::now();
        let running = program.start()?;
        self.logged(before, "registered on the platform").await?;
        Ok((running, began.elapsed()))
    }

    /// Writes a file in its place, and waits until it is imported.
    async fn import(&self, number: u32) -> anyhow::Result<Duration> {
        let text = envelope(WEATHER, number, &[malware(number)]).to_string();
        let path = self.inbox.join(format!("{number}.json"));
        tokio::time::sleep(PAUSE).await;
        let before = size(&self.log);
        let began = Instant::now();
        fs::write(&path, text)?;
        self.logged(before, "file imported").await?;
        let took = began.elapsed();
        until(|| !path.exists())
            .await
            .context("it is not deleted")?;
        Ok(took)
    }

    /// Waits until what the log has after its first `before` bytes has `words`.
    async fn logged(&self, before: usize, words: &str) -> anyhow::Result<()> {
        let has = || {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            log.get(before..).is_some_and(|new| new.contains(words))
        };
        until(has)
            .await
            .with_context(|| format!("no {words:?} in the log"))
    }
}

fn size(log: &Path) -> usize {
    fs::read(log).map_or(0, |log| log.len())
}

async fn until(is_true: impl Fn() -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_true() {
        anyhow::ensure!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
