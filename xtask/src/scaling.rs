//! The time that an object takes in bundles of every size and shape.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::{counts, shell};

const SHAPES: [&str; 5] = ["chain", "star", "ladder", "ring", "feed"];
const SIZES: [u64; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

/// A feed has something of every kind, and so no fewer objects.
const SMALLEST_FEED: u64 = 1_000;

/// Each is taken so many times; the best counts, being the one that was disturbed least.
const ROUNDS: usize = 5;

/// Prints a table of nanoseconds per object.
pub(crate) fn run() -> anyhow::Result<()> {
    let work = counts::work()?;
    println!("Nanoseconds per object, from bytes to written parts:\n");
    println!("| objects | {} |", SHAPES.join(" | "));
    println!("|---|{}", "---|".repeat(SHAPES.len()));
    for objects in SIZES {
        let mut cells = Vec::new();
        for shape in SHAPES {
            if shape == "feed" && objects < SMALLEST_FEED {
                cells.push(String::new());
                continue;
            }
            let rounds: Result<Vec<u64>, _> =
                (0..ROUNDS).map(|_| time(&work, shape, objects)).collect();
            let best = rounds?.into_iter().min().unwrap_or_default();
            cells.push((best / objects).to_string());
        }
        println!("| {objects} | {} |", cells.join(" | "));
    }
    Ok(())
}

fn time(work: &Path, shape: &str, objects: u64) -> anyhow::Result<u64> {
    let said = shell::read(Command::new(work).args([shape, &objects.to_string()]))?;
    nanos(&said).with_context(|| format!("no time in `{said}`"))
}

/// The time in a line such as `7 parts, 123 ns`.
fn nanos(said: &str) -> Option<u64> {
    let (_, time) = said.trim().split_once(", ")?;
    time.strip_suffix(" ns")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::nanos;

    #[test]
    fn the_time_is_found() {
        assert_eq!(nanos("7 parts, 123 ns\n"), Some(123));
        assert_eq!(nanos("7 parts"), None);
    }
}
