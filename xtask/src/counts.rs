//! Instructions that our own code needs for generated input, counted by callgrind: unlike time,
//! they do not depend on what else the machine does.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::install;
use crate::shell::{self, Cargo};

/// What was counted when it was last renewed.
const STORED: &str = "crates/sample-data/instructions.txt";

/// What is counted: the input, and how many objects it has.
const FEED: (&str, u64) = ("feed", 5_000);

/// The function that is counted, with all that it calls.
const FUNCTION: &str = "--toggle-collect=*take_apart*";

/// Bundles with references of these shapes, a small one and one ten times as large.
const SHAPES: [&str; 4] = ["chain", "star", "ladder", "ring"];
const SIZES: [u64; 2] = [1_000, 10_000];

/// In hundredths: what an object of the larger bundle may cost of what one of the smaller costs.
/// Tables that outgrow the processor's caches do not show in instructions; a quadratic way costs
/// ten times as much.
const MOST_GROWTH: u64 = 150;

/// Fails where instructions are more than a tenth above what is stored, or grow faster than the
/// bundle.
pub(crate) fn check() -> anyhow::Result<()> {
    let counter = Counter::build()?;
    let now = counter.count(FEED)?;
    let bound = stored()?;
    println!("xtask: {now} instructions, {bound} stored");
    anyhow::ensure!(
        !is_too_many(now, bound),
        "{now} instructions are more than a tenth above the {bound} in {STORED}; if that is \
         how it has to be, `cargo xtask counts --renew` stores them"
    );
    if is_worth_renewing(now, bound) {
        println!("xtask: that is less: `cargo xtask counts --renew` stores it");
    }
    for shape in SHAPES {
        let [small, large] = SIZES.map(|objects| counter.count((shape, objects)));
        let (small, large) = (small? / SIZES[0], large? / SIZES[1]);
        println!("xtask: {shape}: {small} instructions per object, {large} in a larger bundle");
        anyhow::ensure!(
            large * 100 <= small * MOST_GROWTH,
            "{shape}: an object costs more the more there are"
        );
    }
    Ok(())
}

/// Stores what is counted now.
pub(crate) fn renew() -> anyhow::Result<()> {
    let counted = Counter::build()?.count(FEED)?;
    fs::write(shell::root().join(STORED), format!("{counted}\n"))
        .with_context(|| format!("cannot write {STORED}"))?;
    println!("xtask: {STORED} holds {counted} now");
    Ok(())
}

fn stored() -> anyhow::Result<u64> {
    let text = fs::read_to_string(shell::root().join(STORED))
        .with_context(|| format!("cannot read {STORED}"))?;
    text.trim()
        .parse()
        .with_context(|| format!("{STORED} holds no number"))
}

fn is_too_many(counted: u64, stored: u64) -> bool {
    counted * 10 > stored * 11
}

fn is_worth_renewing(counted: u64, stored: u64) -> bool {
    counted * 10 < stored * 9
}

/// What runs for a count.
struct Counter {
    work: PathBuf,
}

impl Counter {
    fn build() -> anyhow::Result<Self> {
        install::valgrind()?;
        Ok(Self { work: work()? })
    }

    fn count(&self, (what, objects): (&str, u64)) -> anyhow::Result<u64> {
        let output = Command::new("valgrind")
            .args([
                "--tool=callgrind",
                "--callgrind-out-file=/dev/null",
                FUNCTION,
            ])
            .arg(&self.work)
            .args([what, &objects.to_string()])
            .output()
            .context("cannot run valgrind")?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "valgrind failed:\n{said}");
        let collected = collected(&said).filter(|&count| count > 0);
        collected.with_context(|| format!("valgrind counted nothing:\n{said}"))
    }
}

/// Builds what takes a generated file apart, and returns where it is.
pub(crate) fn work() -> anyhow::Result<PathBuf> {
    Cargo::new(["build", "--quiet", "--locked", "--profile", "counting"])
        .args(&["--package", "sample-data", "--example", "work"])
        .run()?;
    Ok(shell::target()?
        .join("counting")
        .join("examples")
        .join("work"))
}

/// The number in callgrind's last line, `==7== Collected : 123`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_more_is_too_many() {
        for (counted, too_many) in [(0, false), (1000, false), (1100, false), (1101, true)] {
            assert_eq!(is_too_many(counted, 1000), too_many, "{counted}");
        }
    }

    #[test]
    fn the_count_is_found() {
        let said = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(collected(said), Some(123_456));
        assert_eq!(collected("==7== nothing"), None);
    }
}
