//! The tests that are about the broker, once more on RabbitMQ 4, which OpenCTI ships.

use crate::broker::{Broker, Kind, Server};
use crate::debian_root::Lacking;
use crate::services::Services;
use crate::shell::{self, Cargo};

/// The modules of the whole program's tests in which the broker takes part.
const MODULES: [&str; 6] = [
    "conformance",
    "failures",
    "faults_broker",
    "pressure",
    "tls",
    "transport",
];

/// Runs them; where this machine cannot have that RabbitMQ, they are left out, and that is said.
pub(crate) fn tests() -> anyhow::Result<()> {
    let program = shell::build_program()?;
    let server = match Server::start(Kind::Four, &[]) {
        Ok(server) => server,
        Err(error) if error.is::<Lacking>() => {
            println!(
                "xtask: RabbitMQ 4 cannot be had here ({error:#}): left out on it are the tests of \
                 opencti-client's `amqp`, and the whole program's `{}`",
                MODULES.join("`, `")
            );
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let modules = MODULES.map(|module| format!("{module}::"));
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    let test = |package| {
        Cargo::new(["test", "--locked", "--no-fail-fast", "--package", package])
            .env(shell::BIN_VARIABLE, &program)
    };
    Services::with(Broker::Started(server))?.run(vec![
        test("opencti-client").args(&["--test", "amqp"]),
        test("tests")
            .args(&["--test", "whole_program", "--"])
            .args(&modules),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_is_there() {
        let tests = shell::root().join("tests/tests/whole_program");
        for module in MODULES {
            let file = tests.join(format!("{module}.rs"));
            assert!(file.is_file(), "{}", file.display());
        }
    }
}
