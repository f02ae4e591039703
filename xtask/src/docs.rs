//! docs/CONFIGURATION.md, which the program writes about itself.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::shell;

/// Writes the page anew.
pub(crate) fn write() -> anyhow::Result<()> {
    let text = generate()?;
    let page = page();
    fs::write(&page, text).with_context(|| format!("cannot write {}", page.display()))
}

/// Fails where the page is not what the program would write.
pub(crate) fn check() -> anyhow::Result<()> {
    let page = page();
    let found =
        fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    anyhow::ensure!(
        found == generate()?,
        "docs/CONFIGURATION.md is not current; run `cargo xtask docs`"
    );
    Ok(())
}

fn generate() -> anyhow::Result<String> {
    let program = shell::build_program()?;
    shell::read(Command::new(program).args(["docs", "configuration"]))
}

fn page() -> PathBuf {
    shell::root().join("docs").join("CONFIGURATION.md")
}
