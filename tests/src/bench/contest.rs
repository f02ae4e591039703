//! Ours, the limit and the peer over one workload, in turns.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use tokio::process::Command;

use super::limit::{LIMIT, prepare};
use super::mark::{Mark, Marks};
use super::measured::{Usage, launcher};
use super::options::Options;
use super::stand::Stand;
use super::workload::Workload;

/// How many files each gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files {
    pub(super) ours: usize,
    /// Fewer, where it would take too long.
    pub(super) peer: usize,
}

/// What came of a contest.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Contest {
    /// The workload's name.
    pub(super) name: &'static str,
    pub(super) ours: Marks,
    pub(super) limit: Marks,
    pub(super) peer: Marks,
}

impl Contest {
    /// How many times as long as the limit ours took.
    pub(super) fn over_limit(&self) -> f64 {
        self.ours.wall_over(&self.limit)
    }

    /// How many times the peer's throughput ours has.
    pub(super) fn over_peer(&self) -> f64 {
        self.ours.rate_over(&self.peer)
    }
}

/// Lets all of them run as often as the options say. A first run that does not count leaves the
/// messages that the limit sends.
pub(super) async fn contest(
    name: &'static str,
    workload: &Workload,
    files: Files,
    options: &Options,
    broker: &str,
) -> anyhow::Result<Contest> {
    let folder = tempfile::TempDir::with_prefix("bench-")?;
    let messages = folder.path().join("messages");
    let stand = Stand::build(broker, workload, files.ours, options).await?;
    stand.run_ours().await.context("the first run")?;
    prepare(&stand.take().await?, &messages)?;
    stand.clear().await?;

    let mut contest = Contest {
        name,
        ours: Marks::default(),
        limit: Marks::default(),
        peer: Marks::default(),
    };
    for round in 1..=options.rounds {
        for runner in order(round) {
            match runner {
                Runner::Ours => {
                    let stand = Stand::build(broker, workload, files.ours, options).await?;
                    contest.ours.push(stand.run_ours().await?);
                    stand.clear().await?;
                }
                Runner::Limit => {
                    let mark = limit(broker, &messages, workload, files.ours).await?;
                    contest.limit.push(mark);
                }
            }
        }
        if let Some(peer) = &options.peer {
            let stand = Stand::build(broker, workload, files.peer, options).await?;
            contest.peer.push(peer.run(&stand).await?);
            stand.clear().await?;
        }
        eprintln!("bench: {name}, round {round} of {}", options.rounds);
    }
    Ok(contest)
}

/// Who runs in every round, beside the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runner {
    Ours,
    Limit,
}

/// The order of a round: each comes as often as the other first, right after the peer.
fn order(round: usize) -> [Runner; 2] {
    if round.is_multiple_of(2) {
        [Runner::Limit, Runner::Ours]
    } else {
        [Runner::Ours, Runner::Limit]
    }
}

/// Publishes the messages, in a process like the others. What it takes is counted from before the
/// connection is opened until the last confirmation: reading the messages is no part of it.
async fn limit(
    broker: &str,
    messages: &Path,
    workload: &Workload,
    files: usize,
) -> anyhow::Result<Mark> {
    let figures = messages.with_extension("figures");
    let launcher = launcher(&figures)?;
    let (program, arguments) = launcher.split_first().context("no launcher")?;
    let output = Command::new(program)
        .args(arguments)
        .arg(program)
        .args([LIMIT, broker])
        .arg(messages)
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "the limit failed:\n{said}");
    let took = String::from_utf8_lossy(&output.stdout);
    Ok(Mark {
        usage: Usage {
            wall_micros: took.trim().parse()?,
            ..Usage::read(&figures)?
        },
        files,
        messages: workload.messages(files),
        requests: 0,
    })
}
