//! Measures the program. `cargo xtask bench` builds it, starts a broker, and calls this; this calls
//! itself for what has to be in a process of its own.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use tests::bench::{Options, bench, measure, publish};

const USAGE: &str = "call it by `cargo xtask bench`";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    match arguments {
        [word, figures, program, rest @ ..] if word == "measure" => {
            measure(Path::new(figures), Path::new(program), rest).map(ExitCode::from)
        }
        [word, broker, messages] if word == "limit" => {
            let broker = broker.to_str().context(USAGE)?;
            let took = runtime()?.block_on(publish(broker, Path::new(messages)))?;
            println!("{took}");
            Ok(ExitCode::SUCCESS)
        }
        options => {
            let options: Option<Vec<String>> = options
                .iter()
                .map(|option| option.to_str().map(str::to_owned))
                .collect();
            let options = Options::read(&options.context(USAGE)?)?;
            let broker = std::env::var("DIODE_TEST_AMQP").context(USAGE)?;
            let report = runtime()?.block_on(bench(&options, &broker))?;
            println!("{report}");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Runtime::new()
}
