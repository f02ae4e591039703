//! Finding the servers that the tests need, and installing them where that is possible.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{broker, shell, store};

/// Something that may have to be installed.
struct Missing<'a> {
    /// What is missing, for people.
    what: &'a str,
    /// Debian's packages that have it.
    packages: &'a [&'a str],
    /// The variable that names a server to use instead, where there can be one.
    variable: Option<&'a str>,
}

/// Where Debian puts RabbitMQ's own scripts.
pub(crate) const RABBITMQ_PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// RabbitMQ's start script.
///
/// Debian's own, in the PATH, insists on a system user and on system folders; the one below it
/// does not, and is preferred.
pub(crate) fn rabbitmq_server() -> anyhow::Result<PathBuf> {
    let find = || {
        let preferred = Path::new(RABBITMQ_PROGRAMS).join("rabbitmq-server");
        Some(preferred)
            .filter(|script| script.is_file())
            .or_else(|| in_path("rabbitmq-server"))
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    let missing = Missing {
        what: "rabbitmq-server",
        packages: &["rabbitmq-server"],
        variable: Some(broker::VARIABLE),
    };
    missing.install()?;
    find().ok_or_else(|| anyhow::anyhow!("rabbitmq-server is missing though it was installed"))
}

/// Ceph's daemons, and the commands that set them up, all in the PATH.
pub(crate) fn ceph() -> anyhow::Result<()> {
    const PROGRAMS: [&str; 6] = [
        "ceph",
        "ceph-mon",
        "ceph-osd",
        "monmaptool",
        "radosgw",
        "radosgw-admin",
    ];
    let missing = || -> Vec<&str> {
        let programs = PROGRAMS.into_iter();
        programs.filter(|name| in_path(name).is_none()).collect()
    };
    if missing().is_empty() {
        return Ok(());
    }
    Missing {
        what: &missing().join(", "),
        packages: &["radosgw", "ceph-mon", "ceph-osd"],
        variable: Some(store::VARIABLE),
    }
    .install()?;
    let missing = missing();
    anyhow::ensure!(
        missing.is_empty(),
        "{} missing though Ceph was installed",
        missing.join(", ")
    );
    Ok(())
}

/// Valgrind, in the PATH.
pub(crate) fn valgrind() -> anyhow::Result<()> {
    program("valgrind")
}

/// Debootstrap, in the PATH.
pub(crate) fn debootstrap() -> anyhow::Result<()> {
    program("debootstrap")
}

/// A program that has a package of its name.
fn program(name: &str) -> anyhow::Result<()> {
    if in_path(name).is_some() {
        return Ok(());
    }
    Missing {
        what: name,
        packages: &[name],
        variable: None,
    }
    .install()
}

impl Missing<'_> {
    fn install(&self) -> anyhow::Result<()> {
        let packages = self.packages.join(" ");
        let else_set = self.variable.map_or_else(String::new, |variable| {
            format!(", or set {variable} to a server that runs already")
        });
        anyhow::ensure!(
            shell::succeeds(Command::new("apt-get").arg("--version")) && is_root(),
            "missing: {}. Install it (Debian: apt-get install --no-install-recommends {packages}), \
             or run this as root on Debian{else_set}",
            self.what,
        );
        println!("xtask: installing {packages}");
        apt_get(&["update", "--quiet"])?;
        let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
        apt_get(&[&install, self.packages].concat())
    }
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command
        // Somebody else may be installing at the moment.
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    shell::run(&mut command)
}

pub(crate) fn is_root() -> bool {
    shell::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
