//! Logs on standard error: JSON lines with pycti's field names, or text.

mod errors;
mod fields;
mod layer;
mod line;

use std::io;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

pub(crate) use self::errors::ErrorCount;
use self::layer::LogLayer;
#[cfg(test)]
pub(crate) use self::layer::tests::logged_by;
pub(crate) use self::line::Style;
use crate::settings::LogLevel;

/// The crates of this project, by the targets of their events.
const OURS: [&str; 5] = [
    "bundle_source",
    "diode_core",
    "diode_import",
    "opencti_client",
    "stix_bundle",
];

/// Sends all events of the process to standard error, in the name of `connector`. Returns what counts the
/// errors among them.
///
/// # Errors
/// Where it was called before.
#[expect(
    clippy::disallowed_methods,
    reason = "a log's lines are safe for a terminal"
)]
pub(crate) fn install(
    connector: &str,
    style: Style,
    level: LogLevel,
) -> Result<ErrorCount, tracing::subscriber::SetGlobalDefaultError> {
    let layer = LogLayer::new(connector, style, chrono::Utc::now, io::stderr);
    let errors = ErrorCount::default();
    tracing::subscriber::set_global_default(subscriber(layer, level, &errors))?;
    Ok(errors)
}

fn subscriber<W>(
    log: LogLayer<W>,
    level: LogLevel,
    errors: &ErrorCount,
) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    // What is an error is logged at every level.
    let counting = errors.clone().with_filter(filter(LogLevel::Error));
    tracing_subscriber::registry()
        .with(log.with_filter(filter(level)))
        .with(counting)
}

/// Has a panic told in the log, like all else. What it says is left out: it may hold some of a file.
pub(crate) fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(
            place = panic.location().map(ToString::to_string),
            "a fault of this program's own (a panic): please report it"
        );
    }));
}

/// The AMQP library. It logs returned messages with their content, and what it has to say of
/// connections our own events say, too.
const SILENT: &str = "lapin";

/// Our own events from `level` on; those of libraries from warnings on, at any level: below that
/// they write what passes through them, tokens and content included.
fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Trace => Level::TRACE,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Info => Level::INFO,
        LogLevel::Warn => Level::WARN,
        LogLevel::Error => Level::ERROR,
    };
    Targets::new()
        .with_default(level.min(Level::WARN))
        .with_targets(OURS.map(|target| (target, level)))
        .with_target(SILENT, LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Seek as _};
    use std::sync::Arc;

    use super::*;

    #[test]
    fn libraries_are_quieter_than_we_are() {
        let check = |level: LogLevel, target: &str, event: Level, expected: bool| {
            let enabled = filter(level).would_enable(target, &event);
            assert_eq!(enabled, expected, "{level:?} {target} {event}");
        };
        check(LogLevel::Info, "diode_core::import", Level::INFO, true);
        check(LogLevel::Info, "diode_core::import", Level::DEBUG, false);
        check(LogLevel::Info, "hyper_util", Level::INFO, false);
        check(LogLevel::Info, "hyper_util", Level::WARN, true);
        check(LogLevel::Debug, "opencti_client", Level::DEBUG, true);
        check(LogLevel::Debug, "hyper_util::client", Level::DEBUG, false);
        check(LogLevel::Warn, "diode_import", Level::INFO, false);
        check(LogLevel::Error, "hyper_util", Level::WARN, false);
        check(LogLevel::Error, "diode_import", Level::ERROR, true);
        check(LogLevel::Trace, "diode_core", Level::TRACE, true);
        check(LogLevel::Trace, "hyper_util::client", Level::INFO, false);
        check(LogLevel::Trace, "lapin::channel", Level::ERROR, false);
    }

    #[test]
    fn errors_are_counted_as_they_are_logged_at_every_level() {
        for level in [LogLevel::Error, LogLevel::Info, LogLevel::Trace] {
            let (errors, file) = (ErrorCount::default(), tempfile::tempfile().unwrap());
            let file = Arc::new(file);
            let log = LogLayer::new("name", Style::Text, chrono::Utc::now, Arc::clone(&file));
            tracing::subscriber::with_default(subscriber(log, level, &errors), || {
                tracing::error!("ours");
                tracing::error!(target: "hyper_util", "a library's");
                tracing::error!(target: "lapin::channel", "silent");
                tracing::warn!("no error");
                tracing::error_span!("no event").in_scope(|| {});
            });
            let text = text_of(&file);
            let logged = text.lines().filter(|line| line.contains(" ERROR "));
            assert_eq!((logged.count(), errors.get()), (2, 2), "{level:?}: {text}");
            let is_logged = text.contains("no error");
            assert_eq!(is_logged, level != LogLevel::Error, "{level:?}: {text}");
        }
    }

    fn text_of(mut file: &File) -> String {
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }
}
