//! The connector in Python that does the same work.

use std::process::Stdio;

use anyhow::Context as _;
use serde_json::json;
use tokio::process::Command;

use super::mark::Mark;
use super::measured::launcher;
use super::options::Peer;
use super::stand::{PATIENCE, Stand};
use crate::platform::{Config, SCHEMA};
use crate::program::CONNECTOR_ID;

/// What the peer asks for beyond what the program does.
const MORE: &str = "
extend input RegisterConnectorInput {
  enrichment_resolution: String
  listen_callback_uri: String
  xtm_one_intent: String
  version: String
  slug: String
}

extend type Connector {
  jwks: String
  connector_info: ConnectorInfo
}

type ConnectorInfo {
  run_and_terminate: Boolean
  buffering: Boolean
  queue_threshold: Float
  queue_messages_size: Float
  next_run_datetime: DateTime
  last_run_datetime: DateTime
}
";

/// A platform at `broker` that both the program and the peer can speak to.
pub(super) fn platform(broker: &str) -> Config {
    let arguments = "workAdd(connectorId: String!, friendlyName: String";
    let more = format!("{arguments}, isMultiPartWork: Boolean");
    Config {
        schema: SCHEMA.replace(arguments, &more) + MORE,
        storage: json!({
            "endpoint": "localhost", "port": 9000, "use_ssl": false, "bucket_name": "bucket",
            "bucket_region": "us-east-1", "access_key": "none", "secret_key": "none",
        }),
        ..Config::on_broker(broker).in_version("7.261026.0")
    }
}

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
            .env("CONNECTOR_TYPE", "EXTERNAL_IMPORT")
            .env("CONNECTOR_SCOPE", "application/json")
            .env("CONNECTOR_LOG_LEVEL", "error")
            .env("CONNECTOR_RUN_AND_TERMINATE", "true")
            .env("DIODE_IMPORT_APPLICANT_MAPPINGS", "src-user-1:dst-user-1")
            .env("DIODE_IMPORT_GET_FROM_DIRECTORY", "true")
            .env("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", stand.inbox())
            .env("DIODE_IMPORT_GET_FROM_DIRECTORY_RETENTION", "0")
            .envs(stand.options.with.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, run)
            .await
            .with_context(|| format!("the peer did not end within {PATIENCE:?}"))??;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        anyhow::ensure!(output.status.success(), "the peer failed:\n{said}");
        stand
            .mark()
            .await
            .with_context(|| format!("the peer said:\n{said}"))
    }
}

#[cfg(test)]
mod tests {
    use super::platform;
    use crate::platform::{Config, Platform};

    #[tokio::test]
    async fn the_platform_of_both_has_a_valid_schema() {
        let config = Config {
            broker: Config::in_memory().broker,
            ..platform("")
        };
        assert!(config.schema.contains("isMultiPartWork"));
        Platform::start(config).await.unwrap();
    }
}
