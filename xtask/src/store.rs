//! A private S3 server for the tests, Ceph's gateway: own ports, own folder, gone when we are.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::keeper::Keeper;
use crate::{install, shell};

/// The variable that holds the store's address for the tests.
pub(crate) const VARIABLE: &str = "DIODE_TEST_S3";

/// It takes 12 s on two cores that have nothing else to do.
const START_TIMEOUT: Duration = Duration::from_mins(2);

const SCRIPT: &str = include_str!("ceph.sh");
const ACCESS_KEY: &str = "DIODETEST";
const SECRET_KEY: &str = "secret-of-the-tests";

/// The tests' S3 server.
pub(crate) enum Store {
    /// One that runs anyway.
    Given(String),
    /// One that we started.
    Started(Server),
}

impl Store {
    /// The store that the environment names, else one that is started.
    pub(crate) fn of_environment_or_started() -> anyhow::Result<Self> {
        match std::env::var(VARIABLE) {
            Ok(address) if !address.is_empty() => Ok(Self::Given(address)),
            _ => Server::start().map(Self::Started),
        }
    }

    /// Its address, with access key, secret key, and how the names of the tests' buckets begin.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Given(address) => address.clone(),
            Self::Started(server) => format!(
                "http://{ACCESS_KEY}:{SECRET_KEY}@127.0.0.1:{}/diode",
                server.port
            ),
        }
    }

    /// Where it writes its logs, if it is ours.
    pub(crate) fn log(&self) -> Option<&Path> {
        match self {
            Self::Given(_) => None,
            Self::Started(server) => Some(server.keeper.folder()),
        }
    }

    /// Stops it, if it is ours, and removes what it wrote.
    pub(crate) fn discard(self) {
        if let Self::Started(server) = self {
            server.keeper.discard();
        }
    }
}

/// A store that we started; it is stopped when this is dropped.
pub(crate) struct Server {
    keeper: Keeper,
    port: u16,
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        install::ceph()?;
        let folder = shell::target()?
            .join("xtask")
            .join(format!("ceph-{}", std::process::id()));
        let [port, monitor] = shell::free_ports()?;
        let monitor = format!("127.0.0.1:{monitor}");
        write_configuration(&folder, port, &monitor)
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        println!("xtask: starting an S3 server (Ceph) on port {port}");
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "ceph", ACCESS_KEY, SECRET_KEY, &monitor])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let keeper = Keeper::start(command, folder)?;
        keeper.wait("the S3 server", START_TIMEOUT, || {
            let is_there = |name: &str| keeper.folder().join(name).exists();
            anyhow::ensure!(!is_there("failed"), "it ended");
            let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
            Ok(is_there("started") && listens())
        })?;
        Ok(Self { keeper, port })
    }
}

/// Everything on loopback, without passwords. A monitor ends where its disk is nearly full, which is
/// none of its business here: nothing of any size is on it.
fn write_configuration(folder: &Path, port: u16, monitor: &str) -> std::io::Result<()> {
    for daemon in ["mon", "osd", "gateway"] {
        fs::create_dir_all(folder.join(daemon))?;
    }
    let at = folder.display();
    fs::write(
        folder.join("ceph.conf"),
        format!(
            "[global]\n\
             mon host = [v1:{monitor}]\n\
             mon initial members = a\n\
             public addr = 127.0.0.1\n\
             cluster addr = 127.0.0.1\n\
             ms bind msgr2 = false\n\
             auth cluster required = none\n\
             auth service required = none\n\
             auth client required = none\n\
             keyring = /dev/null\n\
             osd objectstore = memstore\n\
             memstore device bytes = 2147483648\n\
             osd crush chooseleaf type = 0\n\
             osd pool default size = 1\n\
             osd pool default min size = 1\n\
             osd pool default pg num = 4\n\
             osd pool default pgp num = 4\n\
             osd pool default pg autoscale mode = off\n\
             mon allow pool size one = true\n\
             mon max pg per osd = 2000\n\
             mon data avail crit = 0\n\
             mon data avail warn = 0\n\
             mon data = {at}/mon\n\
             osd data = {at}/osd\n\
             rgw data = {at}/gateway\n\
             run dir = {at}\n\
             admin socket =\n\
             pid file =\n\
             log file =\n\
             log to stderr = true\n\
             [client.rgw]\n\
             rgw frontends = beast endpoint=127.0.0.1:{port}\n"
        ),
    )
}
