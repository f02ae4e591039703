//! What one run stands on: a platform with queues of its own, and a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use super::mark::Mark;
use super::measured::{Usage, launcher};
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
    workload: &'w Workload,
    files: usize,
}

impl<'w> Stand<'w> {
    /// A platform at `broker`, and a folder with `files` of the workload's files.
    pub(super) async fn build(
        broker: &str,
        workload: &'w Workload,
        files: usize,
    ) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("bench-").context("cannot make a folder")?;
        let stand = Self {
            platform: Platform::start(peer::platform(broker)).await?,
            folder,
            workload,
            files,
        };
        fs::create_dir(stand.inbox())?;
        workload.fill(&stand.inbox(), files)?;
        Ok(stand)
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
            .with("DIODE_IMPORT_APPLICANT_MAPPINGS", "src-user-1:dst-user-1"))
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
        let mut messages = 0;
        for id in self.workload.connectors() {
            messages += self.platform.queued(&id).await?;
        }
        let wanted = self.workload.messages(self.files);
        anyhow::ensure!(
            messages == wanted,
            "of {wanted} messages the broker holds {messages}"
        );
        Ok(Mark {
            usage: Usage::read(&self.figures())?,
            files: self.files,
            messages,
            requests: self.platform.calls().len(),
        })
    }

    /// Takes the messages of the run that was.
    pub(super) async fn take(&self) -> anyhow::Result<Vec<Message>> {
        let mut messages = Vec::new();
        for id in self.workload.connectors() {
            messages.extend(self.platform.drain(&id).await?);
        }
        Ok(messages)
    }

    /// Removes the queues, so that the broker has no more to carry for the next run.
    pub(super) async fn clear(self) -> anyhow::Result<()> {
        for id in self.workload.connectors() {
            self.platform.lose_queue(&id).await?;
        }
        Ok(())
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
