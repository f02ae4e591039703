//! The program under test, as a process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, Command};

use crate::measure::{self, Memory};
use crate::platform::Platform;

/// The variable that names the program's file, where it is not beside the tests.
pub const BIN_VARIABLE: &str = "DIODE_IMPORT_BIN";

/// The connector id that the program runs under.
pub const CONNECTOR_ID: &str = "e5c0a7d2-93b4-4f16-8c7d-1a2b3c4d5e6f";

/// How long a run may take, and a daemon may take to stop, before the test is failed.
const PATIENCE: Duration = Duration::from_mins(10);

/// The program's file: what `DIODE_IMPORT_BIN` says, else the file that cargo puts beside the
/// running executable.
///
/// # Errors
/// If there is no such file; says how to make it.
pub fn binary() -> anyhow::Result<PathBuf> {
    let path = match std::env::var_os(BIN_VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => beside_this_executable()?,
    };
    anyhow::ensure!(
        path.is_file(),
        "the program to be tested is not at {}; run `cargo xtask test`, which builds it, or set \
         {BIN_VARIABLE}",
        path.display()
    );
    Ok(path)
}

fn beside_this_executable() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("cannot tell where this executable is")?;
    let folder = this
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"))
        .context("this executable is nowhere")?;
    Ok(folder.join("diode-import"))
}

/// A way to run the program: its environment, which holds nothing of ours.
#[derive(Clone, Debug)]
pub struct Program {
    binary: PathBuf,
    folder: PathBuf,
    environment: BTreeMap<String, OsString>,
    arguments: Vec<OsString>,
    log: Option<PathBuf>,
    rights: Rights,
    launcher: Vec<OsString>,
    patience: Duration,
}

/// What the program may do to files.
#[derive(Clone, Copy, Debug)]
enum Rights {
    /// What we may.
    Ours,
    /// What a file's mode allows, even where we are root.
    ByMode,
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Program {
    /// The program, once over `inbox`, against `platform`, with its state in `state`. It runs in
    /// `folder`, where a `config.yml` of ours cannot be.
    ///
    /// # Errors
    /// If the program was not built.
    pub fn new(
        platform: &Platform,
        folder: &Path,
        inbox: &Path,
        state: &Path,
    ) -> anyhow::Result<Self> {
        let program = Self {
            binary: binary()?,
            folder: folder.to_owned(),
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            log: None,
            rights: Rights::Ours,
            launcher: Vec::new(),
            patience: PATIENCE,
        };
        Ok(program
            .with("OPENCTI_URL", platform.url())
            .with("OPENCTI_TOKEN", platform.token())
            .with("CONNECTOR_ID", CONNECTOR_ID)
            .with("CONNECTOR_RUN_AND_TERMINATE", "true")
            .with("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", inbox)
            .with("DIODE_IMPORT_GET_FROM_DIRECTORY_RETENTION", "0")
            .with("DIODE_IMPORT_STATE_PATH", state))
    }

    /// The same with a setting.
    #[must_use]
    pub fn with(mut self, variable: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(variable.to_owned(), value.into());
        self
    }

    /// The same with more settings.
    #[must_use]
    pub fn with_all(mut self, settings: &[(String, String)]) -> Self {
        let settings = settings.iter().cloned();
        self.environment
            .extend(settings.map(|(name, value)| (name, value.into())));
        self
    }

    /// The same without a setting.
    #[must_use]
    pub fn without(mut self, variable: &str) -> Self {
        self.environment.remove(variable);
        self
    }

    /// The same with one more argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The same with standard error appended to a file, which can be read while it runs. A daemon
    /// that says much needs it: nobody reads its pipe before its end.
    #[must_use]
    pub fn logging_to(mut self, path: &Path) -> Self {
        self.log = Some(path.to_owned());
        self
    }

    /// The same, kept by the modes of files from what they do not allow. Root is not, as it is; it
    /// needs `setpriv`, which is in util-linux.
    #[must_use]
    pub fn kept_by_modes(mut self) -> Self {
        self.rights = Rights::ByMode;
        self
    }

    /// The same, started by another command, which gets the program's path and arguments after its
    /// own.
    #[must_use]
    pub fn started_by(mut self, launcher: Vec<OsString>) -> Self {
        self.launcher = launcher;
        self
    }

    /// The same, given so much time to end, not ten minutes.
    #[must_use]
    pub fn patiently(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// If it cannot be started, or does not end in time.
    pub async fn run(&self) -> anyhow::Result<Run> {
        self.start()?.wait().await
    }

    /// Starts it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&self) -> anyhow::Result<Running> {
        let stderr = match &self.log {
            Some(path) => appending_to(path)?,
            None => Stdio::piped(),
        };
        let child = self
            .command()?
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        Ok(Running {
            child,
            log: self.log.clone(),
            patience: self.patience,
        })
    }

    fn command(&self) -> anyhow::Result<Command> {
        if let [launcher, arguments @ ..] = self.launcher.as_slice() {
            let mut command = Command::new(launcher);
            command.args(arguments).arg(&self.binary);
            return Ok(command);
        }
        if matches!(self.rights, Rights::Ours) || !we_are_root()? {
            return Ok(Command::new(&self.binary));
        }
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set=-dac_override,-dac_read_search", "--"])
            .arg(&self.binary);
        Ok(command)
    }
}

fn appending_to(path: &Path) -> anyhow::Result<Stdio> {
    fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .map(Stdio::from)
        .with_context(|| format!("cannot write to {}", path.display()))
}

fn we_are_root() -> anyhow::Result<bool> {
    let this = fs::metadata("/proc/self").context("cannot tell who we are")?;
    Ok(this.uid() == 0)
}

/// The program while it runs; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: Option<PathBuf>,
    patience: Duration,
}

impl Running {
    /// Its process id.
    ///
    /// # Errors
    /// If it has ended already.
    pub fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the program has ended already")
    }

    /// Asks it to stop, as a service manager does (SIGTERM).
    ///
    /// # Errors
    /// If it has ended already.
    pub async fn terminate(&self) -> anyhow::Result<()> {
        let id = self.child.id().context("the program has ended already")?;
        let status: ExitStatus = Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status()
            .await
            .context("cannot run kill")?;
        anyhow::ensure!(status.success(), "kill failed: {status}");
        Ok(())
    }

    /// Kills it at once (SIGKILL), and waits until it is gone.
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot kill the program")
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let ended = self.child.try_wait();
        ended.context("cannot tell whether the program runs")
    }

    /// Its memory.
    ///
    /// # Errors
    /// If it has ended already, or the system does not tell.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        measure::memory(self.id()?)
    }

    /// How many bytes it has read, from whatever it reads.
    ///
    /// # Errors
    /// If it has ended already, or the system does not tell.
    pub fn bytes_read(&self) -> anyhow::Result<u64> {
        measure::bytes_read(self.id()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it does not end in time.
    pub async fn wait(self) -> anyhow::Result<Run> {
        let patience = self.patience;
        let output = tokio::time::timeout(patience, self.child.wait_with_output())
            .await
            .with_context(|| format!("the program did not end within {patience:?}"))?
            .context("cannot wait for the program")?;
        let stderr = match &self.log {
            Some(path) => fs::read(path).context("cannot read the program's log")?,
            None => output.stderr,
        };
        Ok(Run {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }
}
