//! Metrics: what is counted, and the endpoint that Prometheus gets it from. docs/METRICS.md says what each
//! of them means.

mod counts;
mod endpoint;
mod exposition;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use diode_core::{Clock, FileReport, Observer, PassReport};
use opencti_client::ApiError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::counts::Counts;
use self::exposition::{Snapshot, State};
use crate::logging::ErrorCount;
use crate::settings::MetricsSettings;

/// Metrics that are served for as long as this is kept.
pub(crate) struct Served {
    metrics: Arc<Metrics>,
    _endpoint: AbortOnDropHandle<()>,
}

impl Served {
    /// Begins to serve metrics as the settings say.
    pub(crate) fn begin(
        settings: &MetricsSettings,
        errors: ErrorCount,
        stop: CancellationToken,
    ) -> Self {
        let prefix = settings.prefix.clone();
        let metrics = Arc::new(Metrics::new(prefix, errors, Arc::new(Utc::now), stop));
        let endpoint = endpoint::serve(
            Arc::clone(&metrics),
            (settings.address, settings.port).into(),
        );
        Self {
            metrics,
            _endpoint: AbortOnDropHandle::new(tokio::spawn(endpoint)),
        }
    }

    /// What counts.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.metrics) as _
    }
}

/// What there is to tell of this run of the program.
struct Metrics {
    prefix: Option<String>,
    errors: ErrorCount,
    clock: Clock,
    stop: CancellationToken,
    counts: Mutex<Counts>,
}

impl Metrics {
    fn new(
        prefix: Option<String>,
        errors: ErrorCount,
        clock: Clock,
        stop: CancellationToken,
    ) -> Self {
        Self {
            prefix,
            errors,
            clock,
            stop,
            counts: Mutex::default(),
        }
    }

    /// All of it, as Prometheus reads it.
    ///
    /// # Errors
    /// None that is known of: it is written into memory.
    fn text(&self) -> Result<String, fmt::Error> {
        // A pass does not wait for the writing of the text.
        let counts = self.counts().clone();
        let snapshot = Snapshot {
            prefix: self.prefix.clone(),
            state: self.state(&counts),
            counts,
            errors: self.errors.get(),
        };
        snapshot.text()
    }

    fn state(&self, counts: &Counts) -> State {
        if counts.is_running() {
            State::Running
        } else if self.stop.is_cancelled() {
            State::Stopped
        } else {
            State::Idle
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Metrics {
    fn pass_began(&self, source: &str) {
        self.counts().pass_began(source, (self.clock)());
    }

    fn file(&self, source: &str, file: &FileReport) {
        self.counts().file(source, file, (self.clock)());
    }

    fn pass_ended(&self, report: &PassReport) {
        self.counts().pass_ended(report, (self.clock)());
    }

    fn sign_of_life(&self, result: Result<(), &ApiError>) {
        self.counts().sign_of_life(result);
    }
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
pub(crate) mod tests;
