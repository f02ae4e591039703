//! How a benchmark came out: a table for people, JSON for programs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::contest::Contest;
use super::mark::Marks;
use super::waits::Waits;
use crate::measure::{Measured, median};

/// How a benchmark came out. Shown, it is a table in Markdown.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub(super) contests: Vec<Contest>,
    pub(super) alone: Vec<Alone>,
    pub(super) daemon: Option<Daemon>,
    pub(super) waits: Option<Waiting>,
}

/// What it costs to wait for each message, as the peer does: medians and the longest, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Waiting {
    /// For this machine's disk.
    sync: Spread,
    /// How much longer each sync of the broker and of what is measured takes.
    slower_by: f64,
    /// For the broker.
    confirmation: Spread,
}

impl Waiting {
    pub(super) fn of(waits: &Waits, slower_by: f64) -> Self {
        Self {
            sync: Spread::of(&waits.syncs),
            slower_by,
            confirmation: Spread::of(&waits.confirmations),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n| to wait for | median | most |\n|---|---|---|")?;
        let Spread { median, most } = self.sync;
        writeln!(f, "| a sync of the disk, ms | {median:.2} | {most:.2} |")?;
        if self.slower_by > 0.0 {
            let slower_by = self.slower_by;
            writeln!(f, "| and what each takes longer, ms | {slower_by:.2} | |")?;
        }
        let Spread { median, most } = self.confirmation;
        writeln!(
            f,
            "| a message alone, sent to confirmed, ms | {median:.2} | {most:.2} |"
        )
    }
}

/// How quick a daemon is, and how small: medians and the largest.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Daemon {
    /// From the process's start to its registration, in milliseconds.
    start: Spread,
    /// From a file's arrival to its message's confirmation, in milliseconds.
    latency: Spread,
    /// The most memory before the first file, in KiB.
    idle_kib: u64,
    /// The most memory after the last one, in KiB.
    after_kib: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Spread {
    median: f64,
    most: f64,
}

impl Spread {
    fn of(times: &[Duration]) -> Self {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        Self {
            median: milliseconds(median(times)),
            most: milliseconds(times.iter().max().copied().unwrap_or_default()),
        }
    }
}

impl Daemon {
    pub(super) fn of(measured: &Measured) -> Self {
        Self {
            start: Spread::of(&measured.starts),
            latency: Spread::of(&measured.latencies),
            idle_kib: measured.idle.peak,
            after_kib: measured.after.peak,
        }
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n| daemon | median | most |\n|---|---|---|")?;
        for (name, spread) in [
            ("start to registered, ms", self.start),
            ("file written to message confirmed, ms", self.latency),
        ] {
            writeln!(f, "| {name} | {:.1} | {:.1} |", spread.median, spread.most)?;
        }
        for (name, kib) in [
            ("memory before the first file, MB", self.idle_kib),
            ("memory after the last one, MB", self.after_kib),
        ] {
            writeln!(f, "| {name} | | {:.1} |", kib as f64 * 1024.0 / 1e6)?;
        }
        Ok(())
    }
}

/// Ours over a workload that has no rival.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Alone {
    /// What it was.
    pub(super) name: String,
    /// Bytes that were read.
    pub(super) bytes: u64,
    pub(super) ours: Marks,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.contests.is_empty() {
            writeln!(
                f,
                "| work | who | wall, s | messages/s | CPU, s | peak, MB | requests | ours is |\n\
                 |---|---|---|---|---|---|---|---|"
            )?;
        }
        for contest in &self.contests {
            let name = contest.name;
            row(f, name, "ours", &contest.ours, String::new())?;
            let over = format!("{:.2} times its time", contest.over_limit());
            row(f, name, "limit", &contest.limit, over)?;
            let over = format!("{:.1} times as fast", contest.over_peer());
            row(f, name, "peer", &contest.peer, over)?;
        }
        if !self.alone.is_empty() {
            writeln!(
                f,
                "\n| work | bytes, MB | wall, s | MB/s | CPU, s | peak, MB |\n|---|---|---|---|---|---|"
            )?;
        }
        for Alone { name, bytes, ours } in &self.alone {
            let megabytes = *bytes as f64 / 1e6;
            writeln!(
                f,
                "| {name} | {megabytes:.1} | {:.3} | {:.0} | {:.3} | {:.1} |",
                ours.wall(),
                megabytes / ours.wall(),
                ours.cpu(),
                ours.peak() / 1e6,
            )?;
        }
        if let Some(daemon) = &self.daemon {
            daemon.fmt(f)?;
        }
        self.waits.map_or(Ok(()), |waits| waits.fmt(f))
    }
}

fn row(
    f: &mut fmt::Formatter<'_>,
    work: &str,
    who: &str,
    marks: &Marks,
    compared: String,
) -> fmt::Result {
    if marks.is_empty() {
        return Ok(());
    }
    let files = match marks.files() {
        0 | 1 => String::new(),
        files => format!(", {files} files"),
    };
    writeln!(
        f,
        "| {work}{files} | {who} | {:.3} | {:.0} | {:.3} | {:.1} | {} | {compared} |",
        marks.wall(),
        marks.messages() as f64 / marks.wall(),
        marks.cpu(),
        marks.peak() / 1e6,
        marks.requests(),
    )
}
