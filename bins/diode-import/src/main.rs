#![doc = include_str!("../README.md")]

mod check;
mod cli;
mod environment;
mod exit;
mod logging;
mod report;
mod run;
mod settings;
mod wire;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use crate::cli::{Cli, Command, Format, Page};
use crate::exit::Exit;
use crate::logging::Style;
use crate::settings::{Loaded, Settings};

fn main() -> ExitCode {
    let outcome = Cli::try_parse()
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
        Command::Docs {
            page: Page::Configuration,
        } => {
            std::io::stdout().write_all(settings::configuration_page().as_bytes())?;
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
    logging::install(
        &settings.connector.name,
        style,
        settings.connector.log_level,
    )?;
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
    Ok(runtime
        .block_on(run::run(settings))
        .unwrap_or_else(|error| {
            tracing::error!("{error:#}");
            Exit::Failed
        }))
}

fn check_files(files: &[PathBuf], format: Format, config: Option<PathBuf>) -> anyhow::Result<Exit> {
    let Loaded {
        value: limits,
        warnings,
    } = settings::load_limits(&environment::inputs(config)?)?;
    report::warnings(&warnings);
    check::check(files, format, limits)
}
