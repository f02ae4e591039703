//! Tests that cannot be run everywhere: they are left out by name, and that is said.

use crate::disk;
use crate::install::is_root;

/// What the tests have in their names, and no others, in which one user's files lie beside another's.
const TWO_USERS: &str = "local::tests::permission::";

/// What the tests that cannot be run here have in their names.
///
/// # Errors
/// If that cannot be found out.
pub(crate) fn names() -> anyhow::Result<Vec<&'static str>> {
    let mut names = Vec::new();
    if !disk::can_be_mounted()? {
        println!("xtask: no disk can be mounted here: the tests of a full disk are left out");
        names.push(disk::FULL_DISK);
    }
    if !is_root() {
        println!("xtask: not run as root: the tests of other users' files are left out");
        names.push(TWO_USERS);
    }
    Ok(names)
}

/// The arguments of `cargo test` without what has these in its name.
pub(crate) fn arguments<'a>(given: &[&'a str], left_out: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = given.to_vec();
    if !left_out.is_empty() && !given.contains(&"--") {
        arguments.push("--");
    }
    for name in left_out {
        arguments.extend(["--skip", name]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_run_is_left_out_by_name() {
        for (given, left_out, expect) in [
            (&["--locked"][..], &[][..], &["--locked"][..]),
            (&["--locked"], &["a"], &["--locked", "--", "--skip", "a"]),
            (&[], &["a", "b"], &["--", "--skip", "a", "--skip", "b"]),
            (
                &["-p", "x", "--", "name"],
                &["a"],
                &["-p", "x", "--", "name", "--skip", "a"],
            ),
        ] {
            assert_eq!(arguments(given, left_out), expect, "{given:?}");
        }
    }
}
