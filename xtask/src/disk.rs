//! Whether the tests of a full disk can be run: they mount a small one of their own.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::shell::target;

/// What those tests have in their names, and no others.
pub(crate) const FULL_DISK: &str = "full_disk";

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
    }
    Ok(mounted)
}

fn succeeds(command: &mut Command, place: &Path) -> bool {
    let status = command.arg(place).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
