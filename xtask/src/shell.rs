//! Running other programs, cargo above all.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

/// The variable that tells the tests which program to test.
pub(crate) const BIN_VARIABLE: &str = "DIODE_IMPORT_BIN";

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Cargo's target folder, which is where this very program is.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("cannot tell where xtask is")?;
    let target = this.ancestors().nth(2);
    target
        .map(Path::to_owned)
        .context("xtask is not in cargo's target folder")
}

/// Builds the program as it ships, apart from optimization, and returns where it is.
pub(crate) fn build_program() -> anyhow::Result<PathBuf> {
    Cargo::new(["build", "--package", "diode-import"]).run()?;
    Ok(target()?.join("debug").join("diode-import"))
}

/// A call of cargo in the repository's root.
pub(crate) struct Cargo(Command);

impl Cargo {
    pub(crate) fn new<const N: usize>(arguments: [&str; N]) -> Self {
        // Cargo tells its children which cargo it is.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(root()).args(arguments);
        Self(command)
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.0.args(arguments);
        self
    }

    pub(crate) fn env(mut self, variable: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(variable, value);
        self
    }

    pub(crate) fn envs<'a>(
        mut self,
        variables: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Self {
        self.0.envs(variables);
        self
    }

    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        run(&mut self.0)
    }
}

/// Runs a command to its end, with our terminal.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = show(command);
    let status = command
        .status()
        .with_context(|| format!("cannot run `{shown}`"))?;
    anyhow::ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

/// Runs a command to its end, and returns what it wrote to standard output.
pub(crate) fn read(command: &mut Command) -> anyhow::Result<String> {
    let shown = show(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{shown}`"))?;
    anyhow::ensure!(
        output.status.success(),
        "`{shown}` failed ({})",
        output.status
    );
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` did not write UTF-8"))
}

/// Whether a command runs and succeeds; nothing of it is shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Ports that are free now. Nothing keeps others from taking them before our server does; then it
/// does not start, and says so.
pub(crate) fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut ports = [0; N];
    let mut listeners = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        // Each stays taken until all are known, so that none is given twice.
        listeners.push(listener);
    }
    Ok(ports)
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let words = [name].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    words.join(" ")
}
