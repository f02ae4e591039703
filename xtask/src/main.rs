//! The project's own commands: `cargo xtask help` lists them.

#![expect(
    clippy::print_stdout,
    reason = "a command that people run in a terminal"
)]

mod bench;
mod broker;
mod certificates;
mod ci;
mod counts;
mod deny;
mod disk;
mod docs;
mod install;
mod keeper;
mod left_out;
mod scaling;
mod shell;
mod shown;
mod slow_disk;
mod soak;
mod store;
mod tidy;

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::broker::Broker;
use crate::shell::Cargo;
use crate::store::Store;

const HELP: &str = "\
usage: cargo xtask COMMAND

commands:
  demo         run the program once against a platform in memory; needs no services
  test [ARGS]  every test there is, with a private RabbitMQ and a private S3 server (Ceph) that
               are started for them; ARGS go to `cargo test --workspace`
  soak [--minutes N] [--seed S] [--kills K] [--source directory|s3|both]
               files and faults at random against the program, a RabbitMQ of its own and a store,
               then a count: 2 minutes, at least 40 kills and both sources where nothing else is
               said
  bench [--peer SCRIPT --python INTERPRETER] [--rounds N] [--data FOLDER] [--only WORKLOAD]...
        [--slow-disk MILLISECONDS] [--out FOLDER]
               time, CPU and memory of the program over real data or generated data, beside those of
               a bare publisher of the same messages, and of the connector in Python where it is
               given; docs/PERFORMANCE.md tells more
  bench --scaling
               the time that an object takes in bundles of 100 to 1,000,000 objects
  counts [--renew]
               the instructions that taking a file apart needs, counted by valgrind: fails where
               they have become more than a tenth more, or grow faster than the file; or stores them
  ci           what the CI runs: format, tidiness, clippy, docs, cargo-deny, tests
  docs         write docs/CONFIGURATION.md anew from the program
  services     start the tests' RabbitMQ and S3 server, and keep them until Enter is pressed
  help         this text

Where no disk may be mounted, `test` leaves out the tests of a full disk, and where we are not root
those of other users' files, and says so. RabbitMQ and
Ceph are installed with apt-get where they are missing and we are root. To use servers
that run already:
  DIODE_TEST_AMQP  a broker's address, such as amqp://guest:guest@127.0.0.1:5672/%2f; it should have
                   max_message_size set to 16777216, the limit that one of the tests goes over;
                   DIODE_TEST_AMQPS and DIODE_TEST_CERTIFICATES, for the tests of TLS, are as
                   `services` prints them
  DIODE_TEST_S3    a store's, http://ACCESS:SECRET@HOST:PORT/PREFIX; buckets named PREFIX-... are
                   made there, and left
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["demo"] => demo()?,
        ["test", rest @ ..] => test(rest)?,
        ["soak", rest @ ..] => soak::run(rest)?,
        ["bench", "--scaling"] => scaling::run()?,
        ["counts"] => counts::check()?,
        ["counts", "--renew"] => counts::renew()?,
        ["bench", rest @ ..] => bench::run(rest)?,
        ["ci"] => ci::run()?,
        ["docs"] => docs::write()?,
        ["services"] => services()?,
        [] | ["help" | "--help" | "-h", ..] => print!("{HELP}"),
        unknown => {
            println!("xtask: no such command: {}\n\n{HELP}", unknown.join(" "));
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn demo() -> anyhow::Result<()> {
    let program = shell::build_program()?;
    Cargo::new(["run", "--quiet", "--package", "tests", "--bin", "demo"])
        .env(shell::BIN_VARIABLE, program)
        .run()
}

fn test(arguments: &[&str]) -> anyhow::Result<()> {
    let program = shell::build_program()?;
    let services = Services::start()?;
    let arguments = left_out::arguments(arguments, &left_out::names()?);
    let result = Cargo::new(["test", "--workspace", "--no-fail-fast"])
        .args(&arguments)
        .env(shell::BIN_VARIABLE, program)
        .envs(services.broker.variables())
        .env(store::VARIABLE, services.store.address())
        .run();
    if result.is_ok() {
        services.discard();
    } else {
        for log in [services.broker.log(), services.store.log()] {
            let Some(log) = log else { continue };
            println!("xtask: a server's log is kept in {}", log.display());
        }
    }
    result
}

fn services() -> anyhow::Result<()> {
    let services = Services::start()?;
    for (variable, value) in services.broker.variables() {
        println!("export {variable}={value}");
    }
    println!("export {}={}", store::VARIABLE, services.store.address());
    println!("They run until Enter is pressed.");
    std::io::stdin()
        .read(&mut [0])
        .context("cannot read from the terminal")?;
    services.discard();
    Ok(())
}

/// The servers that tests need.
struct Services {
    broker: Broker,
    store: Store,
}

impl Services {
    fn start() -> anyhow::Result<Self> {
        Ok(Self {
            broker: Broker::of_environment_or_started()?,
            store: Store::of_environment_or_started()?,
        })
    }

    fn discard(self) {
        self.broker.discard();
        self.store.discard();
    }
}
