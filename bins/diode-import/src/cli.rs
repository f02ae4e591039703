//! The command line.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use diode_core::terminal;

use crate::exit::Exit;

/// Imports OpenCTI envelopes that crossed an air gap.
///
/// Reads the files that OpenCTI connectors write with `send_to_directory`, and hands them to the
/// platform on this side in the name of the connector that made them.
///
/// Settings come from the environment, then from config.yml, then from defaults; docs/CONFIGURATION.md
/// lists them.
#[derive(Debug, Parser)]
#[command(name = "diode-import", bin_name = "diode-import", version, after_help = exit_codes())]
pub(crate) struct Cli {
    /// The configuration file [default: config.yml in the working directory, if there is one]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

impl Cli {
    /// Reads the command line.
    ///
    /// # Errors
    /// What cannot be understood, and help and the version where they are asked for. Arguments stand in
    /// there without characters that a terminal would obey.
    pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.collect();
        Self::try_parse_from(&arguments).map_err(|_| {
            // clap tells of arguments as they are, so it is asked again with such as can be told of.
            let shown = arguments
                .iter()
                .map(|argument| terminal::guard(&argument.to_string_lossy()).into_owned());
            let again = Self::try_parse_from(shown).err();
            again.unwrap_or_else(|| {
                let what = "an argument holds characters that cannot be used";
                Self::command().error(ErrorKind::InvalidValue, what)
            })
        })
    }
}

/// What the program is asked to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Import what waits, and go on doing so (the default)
    ///
    /// With `CONNECTOR_RUN_AND_TERMINATE=true`, one pass is made and the program ends. SIGTERM and
    /// SIGINT end it after what is in flight.
    Run,

    /// Say what would become of files, without sending or touching anything
    ///
    /// Needs neither a platform nor a token; of the settings, only those for the content count: the limits, and which commands are allowed. Only the content is
    /// judged, not the name or the kind of a file: an import passes over all but regular `*.json` files.
    #[command(after_help = exit_codes())]
    Check {
        /// The files to check
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,

        /// How findings are written to standard output
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },

    /// Print the settings in force, and where each came from
    ///
    /// Secrets are masked. What is wrong with the settings is told on standard error, with exit code
    /// 2, as a start with them would end. What shows only when the platform, the broker, the bucket or
    /// the folders are reached is not looked at.
    #[command(after_help = exit_codes())]
    Config {
        /// Print only what is wrong
        #[arg(long)]
        check: bool,

        /// How settings are written to standard output
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },

    /// List what became of files, the newest first
    ///
    /// Reads the ledger, also while the connector runs, and changes nothing. Of the settings, only
    /// `DIODE_IMPORT_STATE_PATH` counts.
    #[command(after_help = exit_codes())]
    History {
        /// Write one JSON object a line, with all that is known, instead of a table
        #[arg(long)]
        json: bool,

        /// List at most so many files
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },

    /// Print generated documentation
    #[command(hide = true)]
    Docs {
        /// Which page.
        #[command(subcommand)]
        page: Page,
    },
}

/// How something is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For reading.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// A generated page.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Page {
    /// docs/CONFIGURATION.md
    Configuration,
}

/// The exit codes, as `--help` ends with them.
fn exit_codes() -> String {
    Exit::ALL
        .iter()
        .fold("Exit codes:".to_owned(), |mut text, exit| {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {}  {}", exit.code(), exit.meaning());
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("diode-import").chain(arguments.iter().copied()))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_are_understood() {
        let check = |arguments: &[&str], expected: &str| {
            let cli = parse(arguments).unwrap();
            assert_eq!(
                format!("{:?} {:?}", cli.config, cli.command),
                expected,
                "{arguments:?}"
            );
        };
        check(&[], "None None");
        check(&["run"], "None Some(Run)");
        check(&["--config", "a.yml"], r#"Some("a.yml") None"#);
        check(&["run", "--config", "a.yml"], r#"Some("a.yml") Some(Run)"#);
        check(
            &["check", "a", "b", "--format", "json"],
            r#"None Some(Check { files: ["a", "b"], format: Json })"#,
        );
        check(
            &["check", "a"],
            r#"None Some(Check { files: ["a"], format: Text })"#,
        );
        check(
            &["config", "--check"],
            "None Some(Config { check: true, format: Text })",
        );
        check(
            &["config", "--format", "json"],
            "None Some(Config { check: false, format: Json })",
        );
        check(
            &["history", "--json", "--limit", "7"],
            "None Some(History { json: true, limit: 7 })",
        );
        check(
            &["history"],
            "None Some(History { json: false, limit: 50 })",
        );
        check(
            &["docs", "configuration"],
            "None Some(Docs { page: Configuration })",
        );
    }

    #[test]
    fn misuse_is_refused_with_the_documented_code() {
        let check = |arguments: &[&str], kind: ErrorKind| {
            let error = parse(arguments).unwrap_err();
            assert_eq!(error.kind(), kind, "{arguments:?}");
            assert_eq!(
                error.exit_code(),
                i32::from(Exit::Misconfigured.code()),
                "{arguments:?}"
            );
        };
        check(&["check"], ErrorKind::MissingRequiredArgument);
        check(&["check", "a", "--format", "xml"], ErrorKind::InvalidValue);
        check(&["history", "--limit", "all"], ErrorKind::ValueValidation);
        check(&["import"], ErrorKind::InvalidSubcommand);
        check(&["--config"], ErrorKind::InvalidValue);
        check(&["--verbose"], ErrorKind::UnknownArgument);
    }

    #[test]
    fn help_says_what_the_program_does() {
        insta::assert_snapshot!(Cli::command().render_long_help(), @r#"
        Imports OpenCTI envelopes that crossed an air gap.

        Reads the files that OpenCTI connectors write with `send_to_directory`, and hands them to the platform on this side in the name of the connector that made them.

        Settings come from the environment, then from config.yml, then from defaults; docs/CONFIGURATION.md lists them.

        Usage: diode-import [OPTIONS] [COMMAND]

        Commands:
          run      Import what waits, and go on doing so (the default)
          check    Say what would become of files, without sending or touching anything
          config   Print the settings in force, and where each came from
          history  List what became of files, the newest first
          help     Print this message or the help of the given subcommand(s)

        Options:
              --config <PATH>
                  The configuration file [default: config.yml in the working directory, if there is one]

          -h, --help
                  Print help (see a summary with '-h')

          -V, --version
                  Print version

        Exit codes:
          0  done
          1  a check found something, or the program failed while it ran
          2  the configuration or the arguments are wrong; nothing was done
          3  the platform refuses the token, or its account lacks a capability
          4  the platform or the broker cannot be reached (with run_and_terminate)
          5  another diode-import is at work on the same files (with run_and_terminate)
        "#);
    }

    #[test]
    fn help_of_check_says_what_it_needs() {
        let mut cli = Cli::command();
        cli.build();
        let check = cli.find_subcommand_mut("check").unwrap();
        let help = check.render_long_help().to_string();
        let lines: Vec<_> = help.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        Say what would become of files, without sending or touching anything

        Needs neither a platform nor a token; of the settings, only those for the content count: the limits, and which commands are allowed. Only the content is judged, not the name or the kind of a file: an import passes over all but regular `*.json` files.

        Usage: diode-import check [OPTIONS] <FILE>...

        Arguments:
          <FILE>...
                  The files to check

        Options:
              --config <PATH>
                  The configuration file [default: config.yml in the working directory, if there is one]

              --format <FORMAT>
                  How findings are written to standard output

                  Possible values:
                  - text: For reading
                  - json: For programs

                  [default: text]

          -h, --help
                  Print help (see a summary with '-h')

        Exit codes:
          0  done
          1  a check found something, or the program failed while it ran
          2  the configuration or the arguments are wrong; nothing was done
          3  the platform refuses the token, or its account lacks a capability
          4  the platform or the broker cannot be reached (with run_and_terminate)
          5  another diode-import is at work on the same files (with run_and_terminate)
        "#);
    }
}
