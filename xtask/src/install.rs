//! Finding RabbitMQ, and installing it where that is possible.

use std::path::PathBuf;
use std::process::Command;

use crate::shell;

/// RabbitMQ's start script.
///
/// Debian's own, in the PATH, insists on a system user and on system folders; the one below it
/// does not, and is preferred.
pub(crate) fn rabbitmq_server() -> anyhow::Result<PathBuf> {
    if let Some(found) = find() {
        return Ok(found);
    }
    anyhow::ensure!(
        shell::succeeds(Command::new("apt-get").arg("--version")) && is_root(),
        "rabbitmq-server is missing. Install it (Debian: apt-get install --no-install-recommends \
         rabbitmq-server), run this as root on Debian, or set {} to a broker that runs already",
        crate::broker::VARIABLE,
    );
    println!("xtask: installing rabbitmq-server");
    apt_get(&["update", "--quiet"])?;
    apt_get(&[
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
        "rabbitmq-server",
    ])?;
    find().ok_or_else(|| anyhow::anyhow!("rabbitmq-server is missing though it was installed"))
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("rabbitmq-server"));
    std::iter::once(PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server"))
        .chain(in_path)
        .find(|script| script.is_file())
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

fn is_root() -> bool {
    shell::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
