//! What a process took: measured from outside, by a small process of its own.
//!
//! The system tells the peak of a child that has ended only as the largest of all children, and
//! counts what its parent had when it was started. So each is started by a process that does
//! nothing else.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};

/// The word that makes the benchmark's program measure another one.
pub(super) const MEASURE: &str = "measure";

/// What a process took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// From its start to its end, in microseconds.
    pub wall_micros: u64,
    /// Of all its threads, in microseconds.
    pub cpu_micros: u64,
    /// The most memory it had at once, in KiB.
    pub peak_kib: u64,
}

impl Usage {
    /// From its start to its end.
    pub fn wall(&self) -> Duration {
        Duration::from_micros(self.wall_micros)
    }

    /// What was written about a process that was started by [`launcher`].
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read(path).context("a process that was measured left no figures")?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// The command that starts another one, and writes to `path` what that took.
pub(super) fn launcher(path: &Path) -> anyhow::Result<Vec<OsString>> {
    let this = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(vec![this.into(), MEASURE.into(), path.into()])
}

/// Runs a command to its end, writes to `path` what it took, and returns its exit code.
///
/// # Errors
/// If it cannot be started, a signal ended it, or the figures cannot be written.
#[expect(clippy::disallowed_methods, reason = "these are figures of our own")]
pub fn measure(path: &Path, program: &Path, arguments: &[OsString]) -> anyhow::Result<u8> {
    let began = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let wall = began.elapsed();
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).context("the system does not tell")?;
    let cpu = used.user_time().num_microseconds() + used.system_time().num_microseconds();
    let usage = Usage {
        wall_micros: u64::try_from(wall.as_micros())?,
        cpu_micros: u64::try_from(cpu)?,
        peak_kib: u64::try_from(used.max_rss())?,
    };
    fs::write(path, serde_json::to_vec(&usage)?).context("cannot write the figures")?;
    let code = status.code().context("a signal ended it")?;
    Ok(u8::try_from(code)?)
}
