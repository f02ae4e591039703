//! What a soak is to be.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;

/// What the program is told to do with imported files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterImport {
    /// `DIODE_IMPORT_DELETE_AFTER_IMPORT=true`
    Delete,
    /// `DIODE_IMPORT_DELETE_AFTER_IMPORT=false`
    Keep,
}

impl AfterImport {
    pub(super) fn setting(self) -> &'static str {
        match self {
            Self::Delete => "true",
            Self::Keep => "false",
        }
    }
}

/// Where the program takes its files from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sources {
    /// A folder.
    Directory,
    /// A bucket.
    Bucket,
    /// One file here, one there.
    Both,
}

impl Sources {
    pub(super) fn has_bucket(self) -> bool {
        self != Self::Directory
    }

    pub(super) fn has_directory(self) -> bool {
        self != Self::Bucket
    }

    /// The name, as the command line has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Bucket => "s3",
            Self::Both => "both",
        }
    }
}

impl FromStr for Sources {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        [Self::Directory, Self::Bucket, Self::Both]
            .into_iter()
            .find(|sources| sources.as_str() == name)
            .with_context(|| format!("no such source: {name}"))
    }
}

/// When there have been faults enough: when both are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goal {
    /// For how long, at least.
    pub time: Duration,
    /// How many kills (SIGKILL), at least.
    pub kills: u32,
}

/// What a soak is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// What files and faults follow from.
    pub seed: u64,
    /// When to end.
    pub goal: Goal,
    /// What becomes of imported files.
    pub after_import: AfterImport,
    /// Where files come from. A bucket is made at the store that `DIODE_TEST_S3` names.
    pub sources: Sources,
    /// The broker's AMQP URI.
    pub broker: String,
    /// The command `rabbitmqctl` for a broker of the soak's own, which is then stopped and started
    /// for real, too.
    pub rabbitmqctl: Option<PathBuf>,
}
