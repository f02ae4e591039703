//! Fuzzing with libFuzzer, by cargo-fuzz.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::shell::{self, Cargo};

const USAGE: &str = "usage: cargo xtask fuzz [--seconds N] [TARGET]...";

/// The targets, as fuzz/Cargo.toml has them.
const TARGETS: [&str; 5] = ["split", "envelope", "policy", "listing", "configuration"];

/// For how long each target runs where nothing else is said, in seconds.
const SECONDS: u32 = 300;

/// So much memory a target may take, in MiB: far more than any needs.
const MEMORY: u32 = 4096;

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
struct Plan<'a> {
    seconds: u32,
    targets: Vec<&'a str>,
}

/// Runs fuzz targets one after another, and fails with the first that finds something.
pub(crate) fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let plan = plan(arguments)?;
    let cargo_fuzz = find_or_install()?;
    let folder = shell::root().join("fuzz");
    let kept = shell::target()?.join("fuzz");
    for target in &plan.targets {
        println!("xtask: fuzzing {target} for {} s", plan.seconds);
        let corpus = kept.join("corpus").join(target);
        std::fs::create_dir_all(&corpus)
            .with_context(|| format!("cannot make {}", corpus.display()))?;
        let mut command = Command::new(&cargo_fuzz);
        command
            .current_dir(&folder)
            // The stable toolchain has what libFuzzer needs, behind this switch.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", kept.join("target"))
            .args([
                "fuzz",
                "run",
                "--fuzz-dir",
                ".",
                "--sanitizer",
                "none",
                "--debug-assertions",
            ])
            .arg(target)
            .arg(&corpus)
            .arg(folder.join("seeds").join(target))
            .arg("--")
            .arg(format!("-max_total_time={}", plan.seconds))
            .arg(format!("-rss_limit_mb={MEMORY}"))
            .args(["-dict=dictionary.txt", "-print_final_stats=1"]);
        shell::run(&mut command).with_context(|| format!("fuzzing {target} found something"))?;
    }
    Ok(())
}

fn plan<'a>(arguments: &[&'a str]) -> anyhow::Result<Plan<'a>> {
    let (seconds, targets) = match arguments {
        ["--seconds", seconds, targets @ ..] => (seconds.parse().context(USAGE)?, targets),
        targets => (SECONDS, targets),
    };
    for target in targets {
        let names = TARGETS.join(", ");
        anyhow::ensure!(
            TARGETS.contains(target),
            "no target {target:?}; there are {names}. {USAGE}"
        );
    }
    let targets = match targets {
        [] => TARGETS.to_vec(),
        targets => targets.to_vec(),
    };
    Ok(Plan { seconds, targets })
}

fn find_or_install() -> anyhow::Result<PathBuf> {
    let tools = shell::target()?.join("xtask").join("tools");
    let ours = tools.join("bin").join("cargo-fuzz");
    for candidate in [PathBuf::from("cargo-fuzz"), ours.clone()] {
        if shell::succeeds(Command::new(&candidate).args(["fuzz", "--version"])) {
            return Ok(candidate);
        }
    }
    println!("xtask: installing cargo-fuzz into {}", tools.display());
    let root = tools.to_string_lossy();
    Cargo::new(["install", "cargo-fuzz", "--locked", "--root", &root]).run()?;
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn all_targets_run_where_none_is_named() {
        let all = plan(&[]).unwrap();
        assert_eq!(
            (all.seconds, all.targets.as_slice()),
            (SECONDS, &TARGETS[..])
        );
        let one = plan(&["--seconds", "7", "policy"]).unwrap();
        assert_eq!((one.seconds, one.targets), (7, vec!["policy"]));
        for wrong in [&["--seconds", "x"][..], &["--seconds"], &["nothing"]] {
            assert!(plan(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn each_target_is_declared_and_has_seeds() {
        let folder = shell::root().join("fuzz");
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
        for target in TARGETS {
            let path = format!("path = \"targets/{target}.rs\"");
            assert!(manifest.contains(&path), "{target}");
            let seeds = fs::read_dir(folder.join("seeds").join(target)).unwrap();
            assert!(seeds.count() > 0, "{target}");
        }
    }
}
