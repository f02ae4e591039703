//! A Debian root of its own with a newer RabbitMQ than the machine's: made once by debootstrap, and
//! kept in the cache folder of whoever runs us.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::{install, shell};

/// The Debian release whose RabbitMQ it has: 4.0.
const RELEASE: &str = "trixie";

/// What is installed in it.
const PACKAGE: &str = "rabbitmq-server";

/// Enters a root, see there.
const ENTER: &str = include_str!("debian_root.sh");

/// Begins each command that mounts something: what it mounts is gone with it.
const APART: [&str; 3] = ["--mount", "--propagation", "private"];

/// Where the folder of a run is seen from within a root.
pub(crate) const SEEN_FOLDER: &str = "/srv";

/// Why there can be no such root here: something that this machine lacks, and no fault of ours.
#[derive(Debug)]
pub(crate) struct Lacking(&'static str);

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Lacking {}

/// A Debian root with RabbitMQ in it.
#[derive(Debug)]
pub(crate) struct DebianRoot(PathBuf);

impl DebianRoot {
    /// The root that is kept, or a new one, which takes about a minute.
    ///
    /// # Errors
    /// With [`Lacking`] in its chain where this machine cannot have one.
    pub(crate) fn find_or_make() -> anyhow::Result<Self> {
        if !install::is_root() {
            return Err(Lacking("only root can enter a Debian root of its own").into());
        }
        if !can_mount_apart() {
            return Err(Lacking("nothing can be mounted apart from others (unshare)").into());
        }
        let kept = cache()?;
        fs::create_dir_all(&kept)
            .with_context(|| format!("cannot make the folder {}", kept.display()))?;
        // Another run may be making it.
        let lock = File::create(kept.join("lock")).context("cannot open a file to lock")?;
        lock.lock().context("cannot lock a file")?;
        let root = kept.join(format!("{RELEASE}-{PACKAGE}"));
        if !root.is_dir() {
            make(&root)?;
        }
        Ok(Self(root))
    }

    /// The command that runs another in here, given as its arguments, with `folder` as
    /// [`SEEN_FOLDER`].
    ///
    /// # Errors
    /// If `folder` cannot be written to.
    pub(crate) fn entering(&self, folder: &Path) -> anyhow::Result<Vec<String>> {
        let script = folder.join("enter");
        fs::write(&script, ENTER)
            .with_context(|| format!("cannot write to {}", script.display()))?;
        // All processes end with the first one, and that one with `unshare`.
        let apart = ["--pid", "--fork", "--kill-child", "sh"];
        let words = ["unshare"].into_iter().chain(APART).chain(apart);
        let paths = [&script, &self.0, folder];
        let paths = paths.map(|path: &Path| path.display().to_string());
        Ok(words.map(ToOwned::to_owned).chain(paths).collect())
    }
}

fn can_mount_apart() -> bool {
    let mut command = Command::new("unshare");
    let mount = "mount -t tmpfs tmpfs /mnt && mount -t proc proc /proc";
    command
        .args(APART)
        .args(["--pid", "--fork", "sh", "-c", mount]);
    shell::succeeds(&mut command)
}

/// The folder for what can be made again.
fn cache() -> anyhow::Result<PathBuf> {
    let given = |name| std::env::var_os(name).map(PathBuf::from);
    let absolute = |path: &PathBuf| path.is_absolute();
    let cache = given("XDG_CACHE_HOME")
        .filter(absolute)
        .or_else(|| Some(given("HOME").filter(absolute)?.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME names a folder")?;
    Ok(cache.join("diode-import"))
}

fn make(root: &Path) -> anyhow::Result<()> {
    install::debootstrap()?;
    let mirror = mirror()?;
    println!(
        "xtask: installing {PACKAGE} of Debian {RELEASE} into {}",
        root.display()
    );
    let unfinished = root.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .with_context(|| format!("cannot remove {}", unfinished.display()))?;
    }
    let mut command = Command::new("unshare");
    command
        .args(APART)
        .args(["debootstrap", "--variant=minbase"])
        .arg(format!("--include={PACKAGE}"))
        .arg(RELEASE)
        .arg(&unfinished)
        .arg(&mirror)
        .env("DEBIAN_FRONTEND", "noninteractive");
    let log = root.with_extension("log");
    let output = File::create(&log).context("cannot write a log")?;
    command.stdout(output);
    shell::run(&mut command)
        .with_context(|| format!("its log is {}", log.display()))
        .context(Lacking("debootstrap could not install it"))?;
    // Nothing is installed into it later.
    drop(fs::remove_dir_all(
        unfinished.join("var/cache/apt/archives"),
    ));
    fs::rename(&unfinished, root).with_context(|| format!("cannot make {}", root.display()))
}

/// Where this machine gets Debian's packages from.
fn mirror() -> anyhow::Result<String> {
    let mut command = Command::new("apt-get");
    command
        .args(["indextargets", "--format", "$(LABEL) $(COMPONENT) $(SITE)"])
        .arg("Created-By: Packages");
    let targets = shell::read(&mut command)?;
    mirror_among(&targets)
        .map(ToOwned::to_owned)
        .ok_or_else(|| Lacking("apt has no Debian mirror among its sources").into())
}

/// The first address of Debian's main archive among lines of label, component and address.
fn mirror_among(targets: &str) -> Option<&str> {
    let mut addresses = targets
        .lines()
        .filter_map(|line| line.strip_prefix("Debian main "));
    addresses.next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_machine_s_own() {
        for (targets, expect) in [
            ("", None),
            (
                "Debian-Security main http://a.example/debian-security\n",
                None,
            ),
            ("Ubuntu main http://a.example/ubuntu\n", None),
            ("Debian contrib http://a.example/debian\n", None),
            (
                "Other main http://a.example\nDebian main http://b.example/debian\n\
                 Debian main http://c.example/debian\n",
                Some("http://b.example/debian"),
            ),
        ] {
            assert_eq!(mirror_among(targets), expect, "{targets}");
        }
    }
}
