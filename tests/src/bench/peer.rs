//! The connector in Python that does the same work.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;

use super::mark::Mark;
use super::measured::launcher;
use super::options::Peer;
use super::stand::Stand;
use crate::program::CONNECTOR_ID;

/// It waits for the broker after every message, so that a large file takes it minutes.
const PATIENCE: Duration = Duration::from_secs(1800);

impl Peer {
    /// Runs it once over the folder, to a good end.
    pub(super) async fn run(&self, stand: &Stand<'_>) -> anyhow::Result<Mark> {
        let launcher = launcher(&stand.figures())?;
        let (program, arguments) = launcher.split_first().context("no launcher")?;
        let run = Command::new(program)
            .args(arguments)
            .arg(&self.python)
            .arg(&self.script)
            .current_dir(stand.folder.path())
            .env_clear()
            .env("OPENCTI_URL", stand.platform.url())
            .env("OPENCTI_TOKEN", stand.platform.token())
            .env("CONNECTOR_ID", CONNECTOR_ID)
            .env("CONNECTOR_NAME", "Peer")
            .env("CONNECTOR_SCOPE", "application/json")
            .env("CONNECTOR_LOG_LEVEL", "error")
            .env("CONNECTOR_RUN_AND_TERMINATE", "true")
            .env("DIODE_IMPORT_APPLICANT_MAPPINGS", "src-user-1:dst-user-1")
            .env("DIODE_IMPORT_GET_FROM_DIRECTORY", "true")
            .env("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", stand.inbox())
            .env("DIODE_IMPORT_GET_FROM_DIRECTORY_RETENTION", "0")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, run)
            .await
            .with_context(|| format!("the peer did not end within {PATIENCE:?}"))??;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "the peer failed:\n{said}");
        stand
            .mark()
            .await
            .with_context(|| format!("the peer said:\n{said}"))
    }
}
