//! Signs of life.

use chrono::{DateTime, Utc};

/// A sign of life of a connector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ping<'a> {
    /// The connector's id.
    pub connector_id: &'a str,
    /// Its state: a JSON text, or an empty one.
    pub state: &'a str,
    /// What it is at, which platforms from 6.2.12 on show.
    pub info: ConnectorInfo,
}

/// What a connector is at, as the platform's interface shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConnectorInfo {
    /// Whether it ends after one run.
    pub run_and_terminate: bool,
    /// Whether it waits for its queue to be worked off.
    pub buffering: bool,
    /// The fill of its queue at which it waits, in megabytes; 0 where it never does.
    pub queue_threshold_mb: f64,
    /// The fill of its queue, in megabytes.
    pub queue_messages_mb: f64,
    /// When it last began to run.
    pub last_run: Option<DateTime<Utc>>,
    /// When it will run next.
    pub next_run: Option<DateTime<Utc>>,
}
