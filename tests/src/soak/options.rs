//! What a soak is to be.

use std::path::PathBuf;
use std::time::Duration;

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
    /// The broker's AMQP URI.
    pub broker: String,
    /// The command `rabbitmqctl` for a broker of the soak's own, which is then stopped and started
    /// for real, too.
    pub rabbitmqctl: Option<PathBuf>,
}
