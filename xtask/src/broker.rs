//! A private RabbitMQ for the tests: own ports, own folder, gone when we are.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::debian_root::{DebianRoot, SEEN_FOLDER};
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

/// Which RabbitMQ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This machine's own; on Debian 12 it is 3.10.
    #[default]
    Machine,
    /// RabbitMQ 4, which OpenCTI ships, in a Debian root of its own.
    Four,
}

impl Kind {
    /// The option that chooses one, with `3` or `4`.
    pub(crate) const OPTION: &str = "--broker";

    /// The kind that arguments choose with their first two words, and the rest of them.
    pub(crate) fn chosen<'a, 'b>(
        arguments: &'a [&'b str],
    ) -> anyhow::Result<(Self, &'a [&'b str])> {
        match arguments {
            [Self::OPTION, "3", rest @ ..] => Ok((Self::Machine, rest)),
            [Self::OPTION, "4", rest @ ..] => Ok((Self::Four, rest)),
            [Self::OPTION, ..] => anyhow::bail!("{} is 3 or 4", Self::OPTION),
            rest => Ok((Self::default(), rest)),
        }
    }
}

/// Where a RabbitMQ's programs are.
#[derive(Debug)]
struct Programs {
    /// The folder with `rabbitmq-server` and `rabbitmqctl`.
    folder: PathBuf,
    /// Where that folder is, if it is not the machine's.
    root: Option<DebianRoot>,
}

impl Programs {
    fn find(kind: Kind) -> anyhow::Result<Self> {
        match kind {
            Kind::Machine => {
                let script = install::rabbitmq_server()?;
                let folder = script.parent().unwrap_or(Path::new("/")).to_owned();
                Ok(Self { folder, root: None })
            }
            Kind::Four => Ok(Self {
                folder: install::RABBITMQ_PROGRAMS.into(),
                root: Some(DebianRoot::find_or_make()?),
            }),
        }
    }

    /// How the programs see the folder of a run.
    fn see<'a>(&self, folder: &'a Path) -> &'a Path {
        match self.root {
            None => folder,
            Some(_) => Path::new(SEEN_FOLDER),
        }
    }

    /// The words before a command that uses them.
    fn entering(&self, folder: &Path) -> anyhow::Result<Vec<String>> {
        match &self.root {
            None => Ok(Vec::new()),
            Some(root) => root.entering(folder),
        }
    }
}

/// The tests' broker.
pub(crate) enum Broker {
    /// One that runs anyway.
    Given(String),
    /// One that we started.
    Started(Server),
}

impl Broker {
    /// The broker that the environment names, else one of that kind that is started.
    pub(crate) fn of_environment_or_started(kind: Kind) -> anyhow::Result<Self> {
        match std::env::var(VARIABLE) {
            Ok(address) if !address.is_empty() => Ok(Self::Given(address)),
            _ => Server::start(kind, &[]).map(Self::Started),
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
    /// Starts one of that kind, with these variables besides its own.
    pub(crate) fn start(kind: Kind, more: &[(&str, String)]) -> anyhow::Result<Self> {
        let programs = Programs::find(kind)?;
        let folder = shell::target()?
            .join("xtask")
            .join(format!("rabbitmq-{}", std::process::id()));
        let [port, tls_port, distribution, mapper] = shell::free_ports()?;
        certificates::write(&certificates_in(&folder))?;
        let entering = programs.entering(&folder)?;
        let seen = programs.see(&folder);
        write_configuration(&folder, seen, [port, tls_port])
            .and_then(|()| write_control(&programs, &folder, &entering, [port, mapper]))
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        let ports = [port, distribution, mapper];
        let mut command = command(&programs, &folder, &entering, ports)?;
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

/// Writes the broker's configuration to `folder`, which it sees as `seen`.
fn write_configuration(
    folder: &Path,
    seen: &Path,
    [port, tls_port]: [u16; 2],
) -> std::io::Result<()> {
    let certificates = certificates_in(seen);
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

/// Writes a script that calls `rabbitmqctl` for this broker.
fn write_control(
    programs: &Programs,
    folder: &Path,
    entering: &[String],
    [port, mapper]: [u16; 2],
) -> std::io::Result<()> {
    let path = folder.join("rabbitmqctl");
    let entering: Vec<String> = entering.iter().map(|word| format!("'{word}' ")).collect();
    let entering = entering.concat();
    let text = format!(
        "#!/bin/sh\nexport HOME='{}' ERL_EPMD_PORT={mapper} RABBITMQ_CONF_ENV_FILE=/dev/null\n\
         exec {entering}'{}' --node {} \"$@\"\n",
        programs.see(folder).display(),
        programs.folder.join("rabbitmqctl").display(),
        node_name(port),
    );
    fs::write(&path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

fn node_name(port: u16) -> String {
    format!("diode{port}@localhost")
}

fn command(
    programs: &Programs,
    folder: &Path,
    entering: &[String],
    [port, distribution, mapper]: [u16; 3],
) -> anyhow::Result<Command> {
    let output = fs::File::create(folder.join("output.log"))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    let seen = programs.see(folder);
    let words = ["sh", "-c", SCRIPT, "broker"].map(ToOwned::to_owned);
    let mut words = entering.iter().chain(&words);
    let mut command = Command::new(words.next().map_or("sh", String::as_str));
    command
        .args(words)
        .arg(programs.folder.join("rabbitmq-server"))
        .env("HOME", seen)
        .env("RABBITMQ_NODENAME", node_name(port))
        .env("RABBITMQ_DIST_PORT", distribution.to_string())
        .env("RABBITMQ_MNESIA_BASE", seen.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", seen.join("log"))
        .env("RABBITMQ_CONFIG_FILE", seen.join("rabbitmq.conf"))
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env(
            "RABBITMQ_ENABLED_PLUGINS_FILE",
            seen.join("enabled_plugins"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_broker_is_chosen_first() {
        let check = |arguments: &[&str], expect: Option<(Kind, usize)>| {
            let chosen = Kind::chosen(arguments).ok();
            let chosen = chosen.map(|(kind, rest)| (kind, rest.len()));
            assert_eq!(chosen, expect, "{arguments:?}");
        };
        check(&[], Some((Kind::Machine, 0)));
        check(&["--locked"], Some((Kind::Machine, 1)));
        check(&["--broker", "3", "--locked"], Some((Kind::Machine, 1)));
        check(&["--broker", "4", "-p", "tests"], Some((Kind::Four, 2)));
        check(&["--broker", "5"], None);
        check(&["--broker"], None);
    }
}
