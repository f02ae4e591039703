//! Whether there is an advisory about a crate that we depend on. The database is a folder, so that no network
//! is needed.

use std::path::Path;

use anyhow::Context as _;
use chrono::{NaiveDate, Utc};
use rustsec::advisory::Informational;
use rustsec::report::Settings;
use rustsec::{Database, Lockfile, Report};

use crate::shell;

const USAGE: &str =
    "usage: cargo xtask advisories --db FOLDER, a checkout of RustSec's advisory-db";

/// So old a database is warned of, in days.
const OLD: i64 = 60;

/// What the database says of a lock file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// When the newest advisory is from.
    newest: NaiveDate,
    /// Crates with a fault, a line each.
    faults: Vec<String>,
    /// Crates that nobody maintains any more, a line each.
    warnings: Vec<String>,
}

/// Checks what we depend on against the advisories in a folder, and tells how old those are.
pub(crate) fn check(arguments: &[&str]) -> anyhow::Result<()> {
    let ["--db", folder] = arguments else {
        anyhow::bail!(USAGE);
    };
    let found = look_up(Path::new(folder), &shell::root().join("Cargo.lock"))?;
    println!("xtask: the newest advisory is of {}", found.newest);
    let age = (Utc::now().date_naive() - found.newest).num_days();
    if age > OLD {
        println!("xtask: warning: that is {age} days ago; bring a newer database in");
    }
    for warning in &found.warnings {
        println!("xtask: warning: {warning}");
    }
    for fault in &found.faults {
        println!("xtask: {fault}");
    }
    anyhow::ensure!(
        found.faults.is_empty(),
        "{} advisories are about crates in Cargo.lock: update them with cargo update, or replace them",
        found.faults.len()
    );
    println!("xtask: no advisory is about a version in Cargo.lock");
    Ok(())
}

fn look_up(folder: &Path, lock_file: &Path) -> anyhow::Result<Found> {
    let database = Database::open(folder)
        .with_context(|| format!("cannot read advisories in {}; {USAGE}", folder.display()))?;
    let dates = database.iter().map(|advisory| advisory.date().as_str());
    let newest = dates
        .max()
        .with_context(|| format!("no advisory is in {}; {USAGE}", folder.display()))?;
    let newest = newest
        .parse()
        .with_context(|| format!("an advisory is of {newest}, which is no date"))?;
    let lock_file = Lockfile::load(lock_file)
        .with_context(|| format!("cannot read {}", lock_file.display()))?;
    let settings = Settings {
        informational_warnings: vec![Informational::Unmaintained, Informational::Unsound],
        ..Settings::default()
    };
    let report = Report::generate(&database, &lock_file, &settings);
    let mut found = Found {
        newest,
        ..Found::default()
    };
    for fault in &report.vulnerabilities.list {
        let (package, advisory) = (&fault.package, &fault.advisory);
        found.faults.push(format!(
            "{} {}: {}, {}",
            package.name, package.version, advisory.id, advisory.title
        ));
    }
    for warning in report.warnings.values().flatten() {
        let (name, version) = (&warning.package.name, &warning.package.version);
        let Some(advisory) = &warning.advisory else {
            continue;
        };
        let line = format!("{name} {version}: {}, {}", advisory.id, advisory.title);
        match advisory.informational {
            Some(Informational::Unsound) => found.faults.push(line),
            _ => found.warnings.push(line),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LOCK_FILE: &str = r#"version = 4

[[package]]
name = "old-crate"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "sound-crate"
version = "2.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
"#;

    fn advisory(folder: &Path, number: u32, package: &str, kind: &str, patched: &str) {
        let folder = folder.join("crates").join(package);
        fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "```toml\n[advisory]\nid = \"RUSTSEC-2026-000{number}\"\npackage = \"{package}\"\n\
             date = \"2026-0{number}-01\"\n{kind}\n[versions]\npatched = [{patched}]\n```\n\n\
             # Fault {number}\n\nWords.\n"
        );
        fs::write(folder.join(format!("RUSTSEC-2026-000{number}.md")), text).unwrap();
    }

    #[test]
    fn a_fault_in_a_version_that_is_locked_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let lock_file = folder.path().join("Cargo.lock");
        fs::write(&lock_file, LOCK_FILE).unwrap();
        let database = folder.path().join("db");
        advisory(&database, 1, "old-crate", "", "\">= 1.0.1\"");
        advisory(&database, 2, "old-crate", "informational = \"unsound\"", "");
        advisory(
            &database,
            3,
            "old-crate",
            "informational = \"unmaintained\"",
            "",
        );
        advisory(&database, 4, "sound-crate", "", "\">= 1.9.0\"");
        advisory(&database, 5, "unknown-crate", "", "");
        let found = look_up(&database, &lock_file).unwrap();
        let expect = Found {
            newest: NaiveDate::from_ymd_opt(2026, 5, 1).unwrap(),
            faults: vec![
                "old-crate 1.0.0: RUSTSEC-2026-0001, Fault 1".to_owned(),
                "old-crate 1.0.0: RUSTSEC-2026-0002, Fault 2".to_owned(),
            ],
            warnings: vec!["old-crate 1.0.0: RUSTSEC-2026-0003, Fault 3".to_owned()],
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn a_folder_without_advisories_is_no_database() {
        let folder = tempfile::tempdir().unwrap();
        let lock_file = folder.path().join("Cargo.lock");
        fs::write(&lock_file, LOCK_FILE).unwrap();
        assert!(look_up(folder.path(), &lock_file).is_err());
        fs::create_dir(folder.path().join("crates")).unwrap();
        let error = look_up(folder.path(), &lock_file).unwrap_err();
        assert!(
            error.to_string().starts_with("no advisory is in"),
            "{error}"
        );
    }
}
