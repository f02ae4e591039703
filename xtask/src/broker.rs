//! A private RabbitMQ for the tests: own ports, own folder, gone when we are.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::{install, shell};

/// The variable that holds the broker's address for the tests.
pub(crate) const VARIABLE: &str = "DIODE_TEST_AMQP";

const START_TIMEOUT: Duration = Duration::from_secs(90);

/// Runs the broker beside the port mapper that Erlang wants, until our end of its standard input
/// is closed: that happens whatever ends us. Then it kills its process group, itself included.
const KEEPER: &str = "\
epmd -address 127.0.0.1 -port \"$ERL_EPMD_PORT\" </dev/null &
\"$1\" </dev/null &
read -r _
kill -9 0";

/// The tests' broker.
pub(crate) enum Broker {
    /// One that runs anyway.
    Given(String),
    /// One that we started.
    Started(Server),
}

impl Broker {
    /// The broker that the environment names, else one that is started.
    pub(crate) fn of_environment_or_started() -> anyhow::Result<Self> {
        match std::env::var(VARIABLE) {
            Ok(address) if !address.is_empty() => Ok(Self::Given(address)),
            _ => Server::start().map(Self::Started),
        }
    }

    /// Its address, with user, password and virtual host.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Given(address) => address.clone(),
            Self::Started(server) => format!("amqp://guest:guest@127.0.0.1:{}/%2f", server.port),
        }
    }

    /// Where it writes its log, if it is ours.
    pub(crate) fn log(&self) -> Option<&Path> {
        match self {
            Self::Given(_) => None,
            Self::Started(server) => Some(&server.folder),
        }
    }

    /// Stops it, if it is ours, and removes what it wrote.
    pub(crate) fn discard(self) {
        if let Self::Started(server) = self {
            let folder = server.folder.clone();
            drop(server);
            // What cannot be removed lies in the target folder, where it disturbs nobody.
            drop(fs::remove_dir_all(folder));
        }
    }
}

/// A broker that we started; it is stopped when this is dropped.
pub(crate) struct Server {
    keeper: Child,
    folder: PathBuf,
    port: u16,
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        let script = install::rabbitmq_server()?;
        let folder = shell::target()?
            .join("xtask")
            .join(format!("rabbitmq-{}", std::process::id()));
        let [port, distribution, mapper] = shell::free_ports()?;
        write_configuration(&folder, port)
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        let keeper = command(&script, &folder, [port, distribution, mapper])?
            .spawn()
            .context("cannot start the broker")?;
        let mut server = Self {
            keeper,
            folder,
            port,
        };
        println!("xtask: starting RabbitMQ on port {port}");
        server.wait_until_it_listens()?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            anyhow::ensure!(
                Instant::now() < deadline,
                "the broker does not listen after {} s; its log is in {}",
                START_TIMEOUT.as_secs(),
                self.folder.display()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It kills itself, so there is no other outcome to look at.
        drop(self.keeper.wait());
    }
}

fn write_configuration(folder: &Path, port: u16) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("enabled_plugins"), "[].\n")?;
    fs::write(
        folder.join("rabbitmq.conf"),
        format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\n\
             loopback_users = none\n\
             max_message_size = 16777216\n\
             log.file.level = info\n"
        ),
    )
}

fn command(script: &Path, folder: &Path, ports: [u16; 3]) -> anyhow::Result<Command> {
    let [port, distribution, mapper] = ports;
    let output = fs::File::create(folder.join("output.log"))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    let mut command = Command::new("sh");
    command
        .args(["-c", KEEPER, "broker"])
        .arg(script)
        .env("HOME", folder)
        .env("RABBITMQ_NODENAME", format!("diode{port}@localhost"))
        .env("RABBITMQ_DIST_PORT", distribution.to_string())
        .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder.join("log"))
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env(
            "RABBITMQ_ENABLED_PLUGINS_FILE",
            folder.join("enabled_plugins"),
        )
        .env("ERL_EPMD_PORT", mapper.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
        )
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(output.try_clone().context("cannot share the log")?)
        .stderr(output);
    Ok(command)
}
