//! The project's own commands: `cargo xtask help` lists them.

#![expect(
    clippy::print_stdout,
    reason = "a command that people run in a terminal"
)]

mod advisories;
mod bench;
mod broker;
mod cases;
mod certificates;
mod ci;
mod counts;
mod debian_root;
mod deny;
mod disk;
mod docs;
mod fuzz;
mod install;
mod keeper;
mod left_out;
mod scaling;
mod second_broker;
mod services;
mod shell;
mod shown;
mod slow_disk;
mod soak;
mod store;
mod tidy;

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::broker::Kind;
use crate::services::Services;
use crate::shell::Cargo;

const HELP: &str = "\
usage: cargo xtask COMMAND

commands:
  demo         run the program once against a platform in memory; needs no services
  test [--broker 3|4] [ARGS]
               every test there is, with a private RabbitMQ and a private S3 server (Ceph) that
               are started for them; ARGS go to `cargo test --workspace`
  soak [--broker 3|4] [--minutes N] [--seed S] [--kills K] [--source directory|s3|both]
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
  fuzz [--seconds N] [TARGET]...
               the fuzz targets of fuzz/, five minutes each where nothing else is said: split,
               envelope, policy, listing, configuration. cargo-fuzz is built where it is missing; the
               pinned toolchain is enough
  advisories --db FOLDER
               whether RustSec has an advisory about a crate in Cargo.lock; FOLDER is a checkout of its
               advisory-db, so that no network is needed
  ci           what the CI runs: format, tidiness, clippy, docs, cargo-deny, tests, and those of the
               broker once more on RabbitMQ 4
  docs         write docs/CONFIGURATION.md anew from the program
  services [--broker 3|4]
               start the tests' RabbitMQ and S3 server, and keep them until Enter is pressed
  help         this text

Where no disk may be mounted, `test` leaves out the tests of a full disk, and where we are not root
those of other users' files, and says so. RabbitMQ and
Ceph are installed with apt-get where they are missing and we are root. `--broker 3`, where nothing is
said, is this machine's RabbitMQ (3.10 on Debian 12); `--broker 4` is Debian 13's, the version that
OpenCTI ships, in a folder of its own under ~/.cache/diode-import, where debootstrap installs it the
first time, from the machine's own mirror, which takes root and a minute. Where it cannot be had, `ci`
leaves its tests out, and says so. To use servers that run already:
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
        ["test", rest @ ..] => {
            let (kind, rest) = Kind::chosen(rest)?;
            test(kind, rest)?;
        }
        ["soak", rest @ ..] => {
            let (kind, rest) = Kind::chosen(rest)?;
            soak::run(kind, rest)?;
        }
        ["bench", "--scaling"] => scaling::run()?,
        ["counts"] => counts::check()?,
        ["counts", "--renew"] => counts::renew()?,
        ["bench", rest @ ..] => bench::run(rest)?,
        ["fuzz", rest @ ..] => fuzz::run(rest)?,
        ["advisories", rest @ ..] => advisories::check(rest)?,
        ["ci"] => ci::run()?,
        ["docs"] => docs::write()?,
        ["services", rest @ ..] => {
            let (kind, rest) = Kind::chosen(rest)?;
            anyhow::ensure!(rest.is_empty(), "no such option: {}", rest.join(" "));
            services(kind)?;
        }
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

fn test(kind: Kind, arguments: &[&str]) -> anyhow::Result<()> {
    let program = shell::build_program()?;
    let arguments = left_out::arguments(arguments, &left_out::names()?);
    let tests = Cargo::new(["test", "--workspace", "--no-fail-fast"])
        .args(&arguments)
        .env(shell::BIN_VARIABLE, program);
    Services::start(kind)?.run(vec![tests])
}

fn services(kind: Kind) -> anyhow::Result<()> {
    let services = Services::start(kind)?;
    for (variable, value) in services.variables() {
        println!("export {variable}={value}");
    }
    println!("They run until Enter is pressed.");
    std::io::stdin()
        .read(&mut [0])
        .context("cannot read from the terminal")?;
    services.discard();
    Ok(())
}
