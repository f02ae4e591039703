//! Where the ledger is kept if the operator does not say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder of this program under a base directory.
const FOLDER: &str = "diode-import";

/// The ledger's directory by systemd's `STATE_DIRECTORY`, else by the XDG base directories.
///
/// Relative paths count as not given, as the XDG specification demands.
pub(super) fn default_state_path(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let directory = |name: &str| {
        let path = Path::new(environment.get(name)?.as_str());
        path.is_absolute().then(|| path.to_owned())
    };
    systemd_directory(environment)
        .or_else(|| directory("XDG_STATE_HOME").map(|state| state.join(FOLDER)))
        .or_else(|| directory("HOME").map(|home| home.join(".local/state").join(FOLDER)))
}

/// The first of the directories that systemd names, separated by colons.
fn systemd_directory(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let first = environment.get("STATE_DIRECTORY")?.split(':').next()?;
    Path::new(first).is_absolute().then(|| first.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_usable_directory_is_taken() {
        let check = |given: &[(&str, &str)], expected: Option<&str>| {
            let environment = given
                .iter()
                .map(|(name, path)| ((*name).to_owned(), (*path).to_owned()))
                .collect();
            assert_eq!(
                default_state_path(&environment).as_deref(),
                expected.map(Path::new)
            );
        };
        let all = [
            ("STATE_DIRECTORY", "/s"),
            ("XDG_STATE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        check(&all, Some("/s"));
        check(&all[1..], Some("/x/diode-import"));
        check(&all[2..], Some("/h/.local/state/diode-import"));
        check(&[], None);
        check(&[("STATE_DIRECTORY", "/one:/two")], Some("/one"));
        check(
            &[("STATE_DIRECTORY", ""), ("HOME", "/h")],
            Some("/h/.local/state/diode-import"),
        );
        check(&[("XDG_STATE_HOME", "relative"), ("HOME", "")], None);
    }
}
