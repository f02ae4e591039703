//! A disk that is slower than the one that is there, for the benchmark: who waits for the broker's
//! disk after each message is as fast as that disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::shell;

/// The option that asks for it.
pub(crate) const OPTION: &str = "--slow-disk";

const SOURCE: &str = include_str!("slow_sync.c");

/// What processes are started with, so that each of their syncs takes longer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SlowDisk {
    library: PathBuf,
    microseconds: u64,
}

impl SlowDisk {
    /// Makes one of which each sync takes so many milliseconds longer; what does that is put into
    /// `folder`.
    pub(crate) fn slower_by(milliseconds: &str, folder: &Path) -> anyhow::Result<Self> {
        let microseconds = microseconds(milliseconds).with_context(|| {
            format!("{OPTION} takes 0 to 1000 milliseconds, not {milliseconds}")
        })?;
        fs::create_dir_all(folder)?;
        let source = folder.join("slow_sync.c");
        let library = source.with_extension("so");
        fs::write(&source, SOURCE)?;
        // The loader takes the variable apart at both.
        let odd = |sign: u8| library.as_os_str().as_encoded_bytes().contains(&sign);
        anyhow::ensure!(
            !odd(b' ') && !odd(b':'),
            "{} cannot be preloaded: there is a space or a colon in its path; build elsewhere, by \
             CARGO_TARGET_DIR",
            library.display()
        );
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .args([&library, &source]);
        shell::run(&mut compiler)?;
        Ok(Self {
            library,
            microseconds,
        })
    }

    /// What makes the disk slow for a process, and for those that it starts.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("SLOW_SYNC_MICROSECONDS", self.microseconds.to_string()),
        ]
    }
}

fn microseconds(milliseconds: &str) -> Option<u64> {
    let milliseconds: f64 = milliseconds.parse().ok()?;
    let sensible = (0.0..=1000.0).contains(&milliseconds);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a million"
    )]
    sensible.then_some((milliseconds * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn only_milliseconds_are_taken() {
        assert_eq!(microseconds("1"), Some(1000));
        assert_eq!(microseconds("0.25"), Some(250));
        for wrong in ["", "-1", "NaN", "2000", "slow"] {
            assert_eq!(microseconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_sync_takes_longer() {
        let name = format!("diode-slow-disk-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let slow = SlowDisk::slower_by("300", &folder).unwrap();
        let mut sync = Command::new("sync");
        sync.arg(&folder).envs(slow.variables());
        let began = Instant::now();
        shell::run(&mut sync).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(300));
        fs::remove_dir_all(folder).unwrap();
    }
}
