//! Whether the tests of a full disk can be run: they mount a small one of their own.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::shell::target;

/// What those tests have in their names, and no others.
const FULL_DISK: &str = "full_disk";

/// Tries to mount a disk.
///
/// # Errors
/// If there is no place for it, or it cannot be unmounted.
pub(crate) fn can_be_mounted() -> anyhow::Result<bool> {
    let place = target()?.join("xtask").join("disk");
    std::fs::create_dir_all(&place).context("cannot make a folder to mount a disk on")?;
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
    let mounted = succeeds(&mut mount, &place);
    if mounted {
        let unmounted = succeeds(&mut Command::new("umount"), &place);
        anyhow::ensure!(unmounted, "cannot unmount {}", place.display());
    } else {
        println!("xtask: no disk can be mounted here: the tests of a full disk are left out");
    }
    Ok(mounted)
}

fn succeeds(command: &mut Command, place: &Path) -> bool {
    let status = command.arg(place).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The arguments of `cargo test`, with what is left out where no disk can be mounted.
pub(crate) fn arguments<'a>(given: &[&'a str], can_be_mounted: bool) -> Vec<&'a str> {
    let mut arguments = given.to_vec();
    if !can_be_mounted {
        if !given.contains(&"--") {
            arguments.push("--");
        }
        arguments.extend(["--skip", FULL_DISK]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_a_full_disk_are_left_out_where_none_can_be_mounted() {
        for (given, can_be_mounted, expect) in [
            (&["--locked"][..], true, &["--locked"][..]),
            (
                &["--locked"],
                false,
                &["--locked", "--", "--skip", FULL_DISK],
            ),
            (&[], false, &["--", "--skip", FULL_DISK]),
            (
                &["-p", "x", "--", "name"],
                false,
                &["-p", "x", "--", "name", "--skip", FULL_DISK],
            ),
        ] {
            assert_eq!(arguments(given, can_be_mounted), expect, "{given:?}");
        }
    }
}
