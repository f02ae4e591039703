//! The project's own commands: `cargo xtask help` lists them.

#![expect(
    clippy::print_stdout,
    reason = "a command that people run in a terminal"
)]

mod broker;
mod ci;
mod deny;
mod docs;
mod install;
mod shell;
mod tidy;

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::broker::Broker;
use crate::shell::Cargo;

const HELP: &str = "\
usage: cargo xtask COMMAND

commands:
  demo         run the program once against a platform in memory; needs no services
  test [ARGS]  every test there is, with a private RabbitMQ that is started for them;
               ARGS go to `cargo test --workspace`
  ci           what the CI runs: format, tidiness, clippy, docs, cargo-deny, tests
  docs         write docs/CONFIGURATION.md anew from the program
  services     start the tests' RabbitMQ and keep it until Enter is pressed
  help         this text

RabbitMQ is installed with apt-get where it is missing and we are root. To use a broker that
runs already, set DIODE_TEST_AMQP to its address, such as amqp://guest:guest@127.0.0.1:5672/%2f;
it should have max_message_size set to 16777216, the limit that one of the tests goes over.
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
    let broker = Broker::of_environment_or_started()?;
    let result = Cargo::new(["test", "--workspace", "--no-fail-fast"])
        .args(arguments)
        .env(shell::BIN_VARIABLE, program)
        .env(broker::VARIABLE, broker.address())
        .run();
    if result.is_ok() {
        broker.discard();
    } else if let Some(log) = broker.log() {
        println!("xtask: the broker's log is kept in {}", log.display());
    }
    result
}

fn services() -> anyhow::Result<()> {
    let broker = Broker::of_environment_or_started()?;
    println!("export {}={}", broker::VARIABLE, broker.address());
    println!("RabbitMQ runs until Enter is pressed.");
    std::io::stdin()
        .read(&mut [0])
        .context("cannot read from the terminal")?;
    broker.discard();
    Ok(())
}
