//! A private RabbitMQ for the tests: own ports, own folder, gone when we are.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::keeper::Keeper;
use crate::{certificates, install, shell};

/// The variable that holds the broker's address for the tests.
pub(crate) const VARIABLE: &str = "DIODE_TEST_AMQP";

/// The variable that holds the address at which it speaks TLS and wants a client certificate.
const TLS_VARIABLE: &str = "DIODE_TEST_AMQPS";

/// The variable that names the folder of certificates for that.
const CERTIFICATES_VARIABLE: &str = "DIODE_TEST_CERTIFICATES";

const START_TIMEOUT: Duration = Duration::from_secs(90);

/// Runs the broker beside the port mapper that Erlang wants, see [`Keeper`].
const SCRIPT: &str = "\
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
            _ => Server::start(&[]).map(Self::Started),
        }
    }

    /// What the tests find it by: variables and their values. Of one that runs anyway, the
    /// environment tells the rest, or the tests that need it fail.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Given(address) => vec![(VARIABLE, address.clone())],
            Self::Started(server) => vec![
                (VARIABLE, server.address()),
                (
                    TLS_VARIABLE,
                    format!("amqps://guest:guest@localhost:{}/%2f", server.tls_port),
                ),
                (
                    CERTIFICATES_VARIABLE,
                    certificates_in(server.keeper.folder())
                        .display()
                        .to_string(),
                ),
            ],
        }
    }

    /// Where it writes its log, if it is ours.
    pub(crate) fn log(&self) -> Option<&Path> {
        match self {
            Self::Given(_) => None,
            Self::Started(server) => Some(server.keeper.folder()),
        }
    }

    /// Stops it, if it is ours, and removes what it wrote.
    pub(crate) fn discard(self) {
        if let Self::Started(server) = self {
            server.discard();
        }
    }
}

/// A broker that we started; it is stopped when this is dropped.
pub(crate) struct Server {
    keeper: Keeper,
    port: u16,
    tls_port: u16,
}

impl Server {
    /// Starts one, with these variables besides its own.
    pub(crate) fn start(more: &[(&str, String)]) -> anyhow::Result<Self> {
        let script = install::rabbitmq_server()?;
        let folder = shell::target()?
            .join("xtask")
            .join(format!("rabbitmq-{}", std::process::id()));
        let [port, tls_port, distribution, mapper] = shell::free_ports()?;
        certificates::write(&certificates_in(&folder))?;
        write_configuration(&folder, port, tls_port)
            .and_then(|()| write_control(&script, &folder, [port, mapper]))
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        let mut command = command(&script, &folder, [port, distribution, mapper])?;
        command.envs(more.iter().map(|(name, value)| (name, value)));
        let keeper = Keeper::start(command, folder)?;
        println!("xtask: starting RabbitMQ on port {port}");
        let listens = |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        keeper.wait("the broker", START_TIMEOUT, || {
            Ok(listens(port) && listens(tls_port))
        })?;
        Ok(Self {
            keeper,
            port,
            tls_port,
        })
    }

    /// Its address, with user, password and virtual host.
    pub(crate) fn address(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// The `rabbitmqctl` that controls it.
    pub(crate) fn control(&self) -> PathBuf {
        self.keeper.folder().join("rabbitmqctl")
    }

    /// Stops it, and removes what it wrote.
    pub(crate) fn discard(self) {
        self.keeper.discard();
    }
}

fn certificates_in(folder: &Path) -> PathBuf {
    folder.join("certificates")
}

fn write_configuration(folder: &Path, port: u16, tls_port: u16) -> std::io::Result<()> {
    let certificates = certificates_in(folder);
    let certificates = certificates.display();
    fs::write(folder.join("enabled_plugins"), "[].\n")?;
    fs::write(
        folder.join("rabbitmq.conf"),
        format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\n\
             listeners.ssl.1 = 127.0.0.1:{tls_port}\n\
             ssl_options.cacertfile = {certificates}/ca.pem\n\
             ssl_options.certfile = {certificates}/server.pem\n\
             ssl_options.keyfile = {certificates}/server.key\n\
             ssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = true\n\
             loopback_users = none\n\
             max_message_size = 16777216\n\
             log.file.level = info\n"
        ),
    )
}

/// Writes a script that calls the `rabbitmqctl` beside `script` for this broker.
fn write_control(script: &Path, folder: &Path, [port, mapper]: [u16; 2]) -> std::io::Result<()> {
    let path = folder.join("rabbitmqctl");
    let text = format!(
        "#!/bin/sh\nexport HOME='{}' ERL_EPMD_PORT={mapper} RABBITMQ_CONF_ENV_FILE=/dev/null\n\
         exec '{}' --node {} \"$@\"\n",
        folder.display(),
        script.with_file_name("rabbitmqctl").display(),
        node_name(port),
    );
    fs::write(&path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

fn node_name(port: u16) -> String {
    format!("diode{port}@localhost")
}

fn command(script: &Path, folder: &Path, ports: [u16; 3]) -> anyhow::Result<Command> {
    let [port, distribution, mapper] = ports;
    let output = fs::File::create(folder.join("output.log"))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    let mut command = Command::new("sh");
    command
        .args(["-c", SCRIPT, "broker"])
        .arg(script)
        .env("HOME", folder)
        .env("RABBITMQ_NODENAME", node_name(port))
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
        .stdout(output.try_clone().context("cannot share the log")?)
        .stderr(output);
    Ok(command)
}
