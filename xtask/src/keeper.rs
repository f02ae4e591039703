//! Servers that run for the tests: they end when we do, whatever ends us.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// A shell script that runs servers until our end of its standard input is closed, and then kills
/// its process group, itself included. That happens when this is dropped.
pub(crate) struct Keeper {
    script: Child,
    folder: PathBuf,
}

impl Keeper {
    /// Starts a script of servers that write to `folder`.
    pub(crate) fn start(mut script: Command, folder: PathBuf) -> anyhow::Result<Self> {
        let script = script
            .current_dir(&folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start what is in {}", folder.display()))?;
        Ok(Self { script, folder })
    }

    /// Where the servers write.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until `server` is ready, or is known not to become so.
    pub(crate) fn wait(
        &self,
        server: &str,
        patience: Duration,
        is_ready: impl Fn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        let logs = || {
            let logs = self.folder.display();
            format!("{server} does not start; its logs are in {logs}, and one of them says why")
        };
        while !is_ready().with_context(logs)? {
            anyhow::ensure!(
                Instant::now() < deadline,
                "{}: it does not listen after {} s",
                logs(),
                patience.as_secs()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Stops the servers, and removes what they wrote.
    pub(crate) fn discard(self) {
        let folder = self.folder.clone();
        drop(self);
        // What cannot be removed lies in the target folder, where it disturbs nobody.
        drop(fs::remove_dir_all(folder));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        // It kills itself, so there is no other outcome to look at.
        drop(self.script.wait());
    }
}
