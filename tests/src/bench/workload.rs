//! What there is to be done.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;

use crate::envelope::{WEATHER, envelope, malware};
use crate::program;

/// A large bundle in one file, most of it relationships.
pub(super) const ATTACK: &str = "attack";
/// A bundle of middle size in one file.
pub(super) const CAPEC: &str = "capec";
/// A number of files of middle size.
pub(super) const CATCH_UP: &str = "catch-up";
/// Many files of one object each.
pub(super) const SMALL: &str = "small";
/// The large bundle without network.
pub(super) const CHECK: &str = "check";
/// A file of 500 MB.
pub(super) const LARGE: &str = "large";
/// Few files of one object each, then many.
pub(super) const BACKLOG: &str = "backlog";

/// A daemon that files arrive at one by one.
pub(super) const DAEMON: &str = "daemon";

const NAMES: [&str; 8] = [
    ATTACK, CAPEC, CATCH_UP, SMALL, CHECK, LARGE, BACKLOG, DAEMON,
];

/// The workload of this name.
pub(super) fn known(name: &str) -> anyhow::Result<&'static str> {
    let known = NAMES.into_iter().find(|known| *known == name);
    known.with_context(|| format!("no workload `{name}`; there are {}", NAMES.join(", ")))
}

/// Files to import, and what is to come of them.
#[derive(Clone, Debug)]
pub(super) enum Workload {
    /// A file, any number of times.
    File {
        /// Where it is.
        path: PathBuf,
        /// The connector in it.
        connector: Value,
        /// The messages that each makes.
        messages: usize,
    },
    /// Any number of files of one object each.
    Small,
}

impl Workload {
    /// The file at `path`; the program itself says what it makes of it.
    pub(super) fn file(path: &Path) -> anyhow::Result<Self> {
        let output = Command::new(program::binary()?)
            .args(["check", "--format", "json"])
            .arg(path)
            .output()
            .context("cannot run the program")?;
        let report: Value = serde_json::from_slice(&output.stdout).context("no report")?;
        let messages = report["messages"].as_u64().unwrap_or_default();
        anyhow::ensure!(
            messages > 0,
            "{} would not be imported: {report}",
            path.display()
        );
        Ok(Self::File {
            path: path.to_owned(),
            connector: connector(path)?,
            messages: usize::try_from(messages)?,
        })
    }

    /// A file of one object that came from the same connector before.
    pub(super) fn forerunner(&self) -> Value {
        let mut file = envelope(WEATHER, 0, &[malware(0)]);
        if let Self::File { connector, .. } = self {
            file["connector"] = connector.clone();
        }
        file
    }

    /// Writes so many files into a folder.
    pub(super) fn fill(&self, folder: &Path, files: usize) -> anyhow::Result<()> {
        match self {
            Self::File { path, .. } => {
                for number in 1..=files {
                    fs::copy(path, folder.join(format!("feed-{number:06}.json")))
                        .with_context(|| format!("cannot copy {}", path.display()))?;
                }
            }
            Self::Small => {
                for number in 1..=u32::try_from(files)? {
                    let text = envelope(WEATHER, number, &[malware(number)]).to_string();
                    fs::write(folder.join(format!("{number:06}.json")), text)?;
                }
            }
        }
        Ok(())
    }

    /// The id of the connector in the files.
    pub(super) fn connector_id(&self) -> &str {
        match self {
            Self::File { connector, .. } => connector["id"].as_str().unwrap_or_default(),
            Self::Small => WEATHER.id,
        }
    }

    /// How many messages so many files make.
    pub(super) fn messages(&self, files: usize) -> usize {
        match self {
            Self::File { messages, .. } => files * messages,
            Self::Small => files,
        }
    }
}

/// The connector in a file that may be too large to be read whole.
fn connector(path: &Path) -> anyhow::Result<Value> {
    #[derive(Deserialize)]
    struct Head {
        connector: Value,
    }
    let file = BufReader::new(File::open(path)?);
    let head: Head = serde_json::from_reader(file).context("no connector")?;
    Ok(head.connector)
}
