//! All that is measured, one after the other.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::contest::{Files, contest};
use super::mark::{Mark, Marks};
use super::measured::{Usage, launcher};
use super::options::Options;
use super::report::{Alone, Daemon, Report, Waiting};
use super::stand::Stand;
use super::waits::Waits;
use super::workload::{self, Workload};
use super::{chart, sample};
use crate::{measure, program};

const SMALL_FILES: Files = Files {
    ours: 10_000,
    peer: 500,
};

const MIDDLE_FILES: Files = Files { ours: 10, peer: 3 };

const ONE_FILE: Files = Files { ours: 1, peer: 1 };

/// How often as many rounds a run takes that lasts a tenth of a second only: single ones differ by half.
const SHORT: usize = 3;

/// How many files a backlog has, and how often that is measured at most: it takes long.
const BACKLOGS: [(usize, usize); 3] = [(1_000, usize::MAX), (10_000, usize::MAX), (100_000, 2)];

const DAEMON_STARTS: usize = 11;
const DAEMON_FILES: u32 = 51;

/// Bytes of the large file.
const LARGE: usize = 500_000_000;

/// Measures what the options ask for, at the broker at this address, and writes the figures to the
/// folder of the options.
///
/// # Errors
/// If a run fails, or the broker does not hold what it should hold then.
#[expect(clippy::disallowed_methods, reason = "these are figures of our own")]
pub async fn bench(options: &Options, broker: &str) -> anyhow::Result<Report> {
    fs::create_dir_all(&options.out).context("cannot make the folder for the figures")?;
    let mut report = Report::default();
    for (name, more) in [(workload::ATTACK, 1), (workload::CAPEC, SHORT)] {
        if options.wants(name) {
            let work = Workload::file(&data(options, name)?)?;
            let options = options.clone().rounds_times(more);
            let contest = contest(name, &work, ONE_FILE, &options, broker).await?;
            report.contests.push(contest);
        }
    }
    if options.wants(workload::CATCH_UP) {
        let name = workload::CATCH_UP;
        let work = Workload::file(&data(options, workload::CAPEC)?)?;
        let contest = contest(name, &work, MIDDLE_FILES, options, broker).await?;
        report.contests.push(contest);
    }
    if options.wants(workload::SMALL) {
        let name = workload::SMALL;
        let contest = contest(name, &Workload::Small, SMALL_FILES, options, broker).await?;
        report.contests.push(contest);
    }
    if options.wants(workload::CHECK) {
        let path = data(options, workload::ATTACK)?;
        report.alone.push(check(&path, options)?);
    }
    if options.wants(workload::BACKLOG) {
        for (files, rounds) in BACKLOGS {
            let name = format!("{files} files, memory");
            let options = options.clone().rounds_at_most(rounds);
            let alone = alone(name, &Workload::Small, files, &options, broker).await?;
            report.alone.push(alone);
        }
    }
    if options.wants(workload::LARGE) {
        let path = options.out.join("large.json");
        sample::write(&path, LARGE)?;
        let work = Workload::file(&path)?;
        let alone = alone("large".to_owned(), &work, 1, options, broker).await?;
        report.alone.push(alone);
        fs::remove_file(&path)?;
    }
    if options.wants(workload::DAEMON) {
        let measured = measure::daemon(broker, DAEMON_STARTS, DAEMON_FILES, &options.with).await?;
        report.daemon = Some(Daemon::of(&measured));
    }
    if !report.contests.is_empty() {
        let waits = Waits::measure(broker).await?;
        report.waits = Some(Waiting::of(&waits, options.slow_disk));
    }
    let json = serde_json::to_vec_pretty(&report)?;
    fs::write(options.out.join("bench.json"), json)?;
    fs::write(options.out.join("bench.svg"), chart::draw(&report))?;
    fs::write(options.out.join("bench.md"), report.to_string())?;
    Ok(report)
}

/// The file of this workload: real data where there is some, else a generated one.
fn data(options: &Options, name: &str) -> anyhow::Result<PathBuf> {
    let (real, bytes) = match name {
        workload::CAPEC => ("capec.envelope.json", 3_500_000),
        _ => ("enterprise-attack.envelope.json", 35_000_000),
    };
    if let Some(folder) = &options.data {
        let path = folder.join(real);
        anyhow::ensure!(path.is_file(), "{} is missing", path.display());
        return Ok(path);
    }
    let path = options.out.join(format!("{name}.json"));
    sample::write(&path, bytes)?;
    Ok(path)
}

/// The program's `check` of a file, which needs no network.
fn check(path: &Path, options: &Options) -> anyhow::Result<Alone> {
    let figures = options.out.join("figures");
    let launcher = launcher(&figures)?;
    let (measurer, arguments) = launcher.split_first().context("no launcher")?;
    let mut ours = Marks::default();
    for _ in 0..=options.rounds {
        let output = std::process::Command::new(measurer)
            .args(arguments)
            .arg(program::binary()?)
            .arg("check")
            .arg(path)
            .output()?;
        anyhow::ensure!(output.status.success(), "the check failed");
        ours.push(Mark {
            usage: Usage::read(&figures)?,
            files: 1,
            messages: 0,
            requests: 0,
        });
    }
    fs::remove_file(figures)?;
    Ok(Alone {
        name: "check".to_owned(),
        bytes: fs::metadata(path)?.len(),
        ours,
    })
}

/// Ours over a workload, as often as the options say.
async fn alone(
    name: String,
    workload: &Workload,
    files: usize,
    options: &Options,
    broker: &str,
) -> anyhow::Result<Alone> {
    let mut ours = Marks::default();
    let mut bytes = 0;
    for _ in 0..options.rounds {
        let stand = Stand::build(broker, workload, files, options).await?;
        bytes = stand.bytes()?;
        ours.push(stand.run_ours().await?);
        stand.clear().await?;
    }
    Ok(Alone { name, bytes, ours })
}
