//! What no compiler checks: that ARCHITECTURE.md speaks of what is there, and docs/SEMANTICS.md of
//! tests that there are, and that every case has one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::{cases, shell, shown};

const PAGE: &str = "ARCHITECTURE.md";

/// Endings that make a word without a slash a path.
const ENDINGS: [&str; 5] = [".rs", ".md", ".toml", ".graphql", ".yml"];

/// Fails where ARCHITECTURE.md names a path that does not exist, docs/SEMANTICS.md no test, or a
/// case has none.
pub(crate) fn check() -> anyhow::Result<()> {
    let root = shell::root();
    let text =
        fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let repository = Repository::read(root)?;
    let missing = missing_paths(&text, &repository);
    anyhow::ensure!(
        missing.is_empty(),
        "{PAGE} names what does not exist: {}",
        missing.join(", ")
    );
    cases::check(root, repository.0.iter().map(String::as_str))?;
    shown::check(root, repository.0.iter().map(String::as_str))
}

/// What is in the repository: every file and folder that git does not ignore.
struct Repository(BTreeSet<String>);

impl Repository {
    fn read(root: &Path) -> anyhow::Result<Self> {
        let mut git = Command::new("git");
        git.current_dir(root)
            .args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        let files = shell::read(&mut git)?;
        let present = files.lines().filter(|file| root.join(file).exists());
        Ok(Self::of(present))
    }

    fn of<'a>(files: impl Iterator<Item = &'a str>) -> Self {
        let with_folders = files.flat_map(|file| Path::new(file).ancestors());
        Self(
            with_folders
                .map(|path| path.to_string_lossy().into_owned())
                .filter(|path| !path.is_empty())
                .collect(),
        )
    }

    /// Whether the path is there: from the root, or as the end of a longer one.
    fn has(&self, path: &str) -> bool {
        let end = format!("/{path}");
        self.0.contains(path) || self.0.iter().any(|known| known.ends_with(&end))
    }
}

fn missing_paths(text: &str, repository: &Repository) -> Vec<String> {
    let quoted = text
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let mut missing: Vec<String> = quoted
        .filter(|word| looks_like_path(word, repository))
        .map(|word| word.trim_end_matches('/'))
        .filter(|path| !repository.has(path))
        .map(ToOwned::to_owned)
        .collect();
    missing.dedup();
    missing
}

/// A path begins with a folder of the repository's root, or ends like a file of ours. Names of
/// places elsewhere, such as `rejected/`, do neither.
fn looks_like_path(word: &str, repository: &Repository) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let begins_in_root = word
        .split_once('/')
        .is_some_and(|(first, _)| repository.0.contains(first));
    let ends_like_ours = ENDINGS
        .iter()
        .any(|ending| word.len() > ending.len() && word.ends_with(ending));
    word.chars().all(plain) && (begins_in_root || ends_like_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_paths_are_found() {
        let files = ["Cargo.toml", "crates/core/src/run.rs", ".ci/run"];
        let repository = Repository::of(files.into_iter());
        for (text, missing) in [
            ("`crates/core` and `crates/core/`", vec![]),
            ("`crates/gone` stands here", vec!["crates/gone"]),
            ("`run.rs`, `src/run.rs`, `Cargo.toml`, `.ci/run`", vec![]),
            ("`un.rs`", vec!["un.rs"]),
            ("crates/gone without ticks", vec![]),
            ("`rejected/` and `a/b` are elsewhere", vec![]),
            ("`elsewhere/main.rs`", vec!["elsewhere/main.rs"]),
            ("`crates/*/src`, `Vec<u8>`, `serde::json`", vec![]),
        ] {
            assert_eq!(missing_paths(text, &repository), missing, "{text}");
        }
    }
}
