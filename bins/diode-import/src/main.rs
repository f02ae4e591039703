#![doc = include_str!("../README.md")]

mod broker_tls;
mod bucket;
mod check;
mod claims;
mod cli;
mod clock;
mod config;
mod environment;
mod exit;
mod history;
mod lease;
mod logging;
mod metrics;
mod output;
mod rehearse;
mod report;
mod run;
mod settings;
mod wire;
#[cfg(test)]
mod writers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;

use crate::cli::{Cli, Command, Format, Page};
use crate::config::Scope;
use crate::exit::Exit;
use crate::logging::Style;
use crate::settings::{Loaded, Settings};

/// How long calls that block and cannot be cancelled (a file's opening, a name's look-up) may still
/// take when all else has ended.
const BLOCKED_WITHIN: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    report::tell_of_panics();
    let outcome = Cli::read(std::env::args_os())
        .map_err(anyhow::Error::from)
        .and_then(dispatch);
    outcome
        .unwrap_or_else(|error| report::failure(&error))
        .into()
}

fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => start(cli.config),
        Command::Check { files, format } => check_files(&files, format, cli.config),
        Command::Config { check, format } => {
            let scope = if check {
                Scope::Problems
            } else {
                Scope::All(format)
            };
            config::show(&environment::inputs(cli.config)?, &scope)
        }
        Command::History { json, limit } => {
            let format = if json { Format::Json } else { Format::Text };
            list_history(format, limit, cli.config)
        }
        Command::Docs {
            page: Page::Configuration,
        } => {
            let mut out = output::stdout();
            out.page(&settings::configuration_page())?;
            out.finish()?;
            Ok(Exit::Done)
        }
    }
}

fn start(config: Option<PathBuf>) -> anyhow::Result<Exit> {
    let Loaded {
        value: settings,
        warnings,
    } = Settings::load(&environment::inputs(config)?)?;
    let style = if settings.opencti.json_logging {
        Style::Json
    } else {
        Style::Text
    };
    let errors = logging::install(
        &settings.connector.name,
        style,
        settings.connector.log_level,
    )?;
    logging::tell_of_panics();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    // A provider that is installed already would be this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    Ok(
        run_to_end(runtime, run::run(settings, errors)).unwrap_or_else(|error| {
            tracing::error!("{error:#}");
            Exit::after(&error)
        }),
    )
}

/// Runs `work`, and leaves although a call may block for good: dropping a runtime waits for it.
fn run_to_end<T>(runtime: Runtime, work: impl Future<Output = T>) -> T {
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(BLOCKED_WITHIN);
    outcome
}

fn check_files(files: &[PathBuf], format: Format, config: Option<PathBuf>) -> anyhow::Result<Exit> {
    let Loaded {
        value: rules,
        warnings,
    } = settings::load_content_rules(&environment::inputs(config)?)?;
    report::warnings(&warnings);
    check::check(files, format, &rules)
}

fn list_history(format: Format, limit: u32, config: Option<PathBuf>) -> anyhow::Result<Exit> {
    let Loaded {
        value: state_path,
        warnings,
    } = settings::load_state_path(&environment::inputs(config)?)?;
    report::warnings(&warnings);
    history::list(&state_path, format, limit)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn a_call_that_blocks_for_good_does_not_keep_us() {
        let (release, blocked) = mpsc::channel::<()>();
        let (left, leaving) = mpsc::channel();
        thread::spawn(move || {
            let outcome = run_to_end(Runtime::new().unwrap(), async {
                tokio::task::spawn_blocking(move || blocked.recv());
                Exit::Done
            });
            left.send(outcome)
        });
        let outcome = leaving.recv_timeout(Duration::from_secs(20));
        assert_eq!(outcome, Ok(Exit::Done));
        drop(release);
    }
}
