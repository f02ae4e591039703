//! What one run stands on: a platform with queues of its own, and a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use super::mark::Mark;
use super::measured::{Usage, launcher};
use super::options::Options;
use super::peer;
use super::workload::Workload;
use crate::platform::{Message, Platform};
use crate::program::Program;

/// How long a run may take, on a machine that does much else, too.
pub(super) const PATIENCE: Duration = Duration::from_secs(1800);

/// What one run stands on.
pub(super) struct Stand<'w> {
    pub(super) platform: Platform,
    pub(super) folder: TempDir,
    pub(super) options: &'w Options,
    workload: &'w Workload,
    files: usize,
    /// Requests that the platform got before what is measured.
    earlier: usize,
}

impl<'w> Stand<'w> {
    /// A platform at `broker`, and a folder with `files` of the workload's files. It is not the first
    /// import ever: the platform knows the connectors, their queues are there, and so is the ledger.
    pub(super) async fn build(
        broker: &str,
        workload: &'w Workload,
        files: usize,
        options: &'w Options,
    ) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("bench-").context("cannot make a folder")?;
        let mut stand = Self {
            platform: Platform::start(peer::platform(broker)).await?,
            folder,
            options,
            workload,
            files,
            earlier: 0,
        };
        fs::create_dir(stand.inbox())?;
        stand.run_forerunner().await?;
        workload.fill(&stand.inbox(), files)?;
        Ok(stand)
    }

    async fn run_forerunner(&mut self) -> anyhow::Result<()> {
        let file = self.workload.forerunner().to_string();
        fs::write(self.inbox().join("forerunner.json"), file)?;
        let run = self.program()?.run().await?;
        let sent = self.take().await?.len();
        anyhow::ensure!(
            run.code == Some(0) && sent == 1,
            "the file before was not imported:\n{}",
            run.stderr
        );
        self.earlier = self.platform.calls().len();
        Ok(())
    }

    pub(super) fn inbox(&self) -> PathBuf {
        self.folder.path().join("inbox")
    }

    /// How many bytes are to be imported.
    pub(super) fn bytes(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.inbox())? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }

    pub(super) fn figures(&self) -> PathBuf {
        self.folder.path().join("figures")
    }

    /// The program, once over the folder, measured.
    pub(super) fn program(&self) -> anyhow::Result<Program> {
        let (folder, state) = (self.folder.path(), self.folder.path().join("state"));
        let program = Program::new(&self.platform, folder, &self.inbox(), &state)?;
        Ok(program
            .patiently(PATIENCE)
            .started_by(launcher(&self.figures())?)
            .with("DIODE_IMPORT_APPLICANT_MAPPINGS", "src-user-1:dst-user-1")
            .with_all(&self.options.with))
    }

    /// Runs the program to a good end.
    pub(super) async fn run_ours(&self) -> anyhow::Result<Mark> {
        let run = self.program()?.run().await?;
        anyhow::ensure!(run.code == Some(0), "diode-import failed:\n{}", run.stderr);
        self.mark().await
    }

    /// The figures of the run that was, if nothing was lost.
    pub(super) async fn mark(&self) -> anyhow::Result<Mark> {
        let left = count(&self.inbox())?;
        anyhow::ensure!(left == 0, "{left} files were left");
        let connector_id = self.workload.connector_id();
        let messages = self.platform.queued(connector_id).await?;
        let wanted = self.workload.messages(self.files);
        anyhow::ensure!(
            messages == wanted,
            "of {wanted} messages the broker holds {messages}"
        );
        Ok(Mark {
            usage: Usage::read(&self.figures())?,
            files: self.files,
            messages,
            requests: self.platform.calls().len() - self.earlier,
        })
    }

    /// Takes the messages of the run that was.
    pub(super) async fn take(&self) -> anyhow::Result<Vec<Message>> {
        self.platform.drain(self.workload.connector_id()).await
    }

    /// Removes the queue, so that the broker has no more to carry for the next run.
    pub(super) async fn clear(self) -> anyhow::Result<()> {
        self.platform.lose_queue(self.workload.connector_id()).await
    }
}

/// How many files are in a folder, those in its folders not counted.
fn count(folder: &Path) -> anyhow::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        count += usize::from(entry?.file_type()?.is_file());
    }
    Ok(count)
}
