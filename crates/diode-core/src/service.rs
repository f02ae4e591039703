//! The program's life: greet the platform, go over the files again and again, stay alive, leave.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use opencti_client::{ApiError, ErrorClass, Platform, PlatformVersion, Registered, Registration};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::report::{Interruption, PassReport};
use crate::state::{ConnectorState, SharedState, time, watermark};
use crate::trouble::chain;
use crate::{Importer, Outcome};

/// How long a farewell ping may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// First and longest pause between two attempts to reach the platform at the start.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Whether to wait for a platform that does not answer at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Fail at once.
    None,
    /// Wait until it answers, or we are stopped.
    Endless,
}

/// Why the program cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The platform does not accept us: token, capability or contract.
    #[error("the platform does not accept this connector")]
    Refused(#[source] ApiError),
    /// The platform does not answer.
    #[error("the platform cannot be reached")]
    Unreachable(#[source] ApiError),
    /// We were stopped while waiting for it.
    #[error("stopped while waiting for the platform")]
    Stopped,
}

impl StartError {
    fn new(error: ApiError) -> Self {
        match error.class() {
            ErrorClass::Transient => Self::Unreachable(error),
            _ => Self::Refused(error),
        }
    }
}

/// What the platform answered when we came.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// Its version, where it could be read.
    pub version: Option<PlatformVersion>,
    /// Its answer to our own registration.
    pub registered: Registered,
}

/// Asks the platform for its version and registers ourselves.
///
/// # Errors
/// [`StartError`]
pub async fn greet(
    platform: &dyn Platform,
    own: &Registration,
    patience: Patience,
    stop: &CancellationToken,
) -> Result<Greeting, StartError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match greet_once(platform, own).await {
            Ok(greeting) => return Ok(greeting),
            Err(error) => StartError::new(error),
        };
        match error {
            StartError::Unreachable(cause) if patience == Patience::Endless => {
                tracing::warn!(
                    error = chain(&cause),
                    next_attempt_in_s = pause.as_secs(),
                    "waiting for the platform"
                );
            }
            error => return Err(error),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return Err(StartError::Stopped),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A platform that does not understand the question for its version is none that we know of, but
/// registering tells.
async fn greet_once(platform: &dyn Platform, own: &Registration) -> Result<Greeting, ApiError> {
    let version = match platform.version().await {
        Ok(version) => version,
        Err(error) if error.class() == ErrorClass::Contract => None,
        Err(error) => return Err(error),
    };
    let registered = platform.register_connector(own).await?;
    Ok(Greeting {
        version,
        registered,
    })
}

/// The program's rhythm.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// From the start of one pass to the start of the next.
    pub pass_every: Duration,
    /// Between two signs of life.
    pub ping_every: Duration,
}

/// Importers, one for each source, alive on a platform as one connector.
pub struct Service {
    importers: Vec<Importer>,
    heart: Heart,
    schedule: Schedule,
    stop: CancellationToken,
}

impl Service {
    /// A service of `importers`, registered as `own` with what `greeting` says.
    pub fn new(
        importers: Vec<Importer>,
        platform: Arc<dyn Platform>,
        own: Registration,
        greeting: &Greeting,
        schedule: Schedule,
        stop: CancellationToken,
    ) -> Self {
        let state = ConnectorState::read(greeting.registered.state.as_deref());
        Self {
            importers,
            heart: Heart {
                platform,
                own,
                state: SharedState::new(state),
            },
            schedule,
            stop,
        }
    }

    /// One pass over each source.
    pub async fn run_once(&mut self) -> Vec<PassReport> {
        let beating = self.heart.clone().beat(self.schedule.ping_every);
        let reports = tokio::select! {
            reports = self.round() => reports,
            never = beating => match never {},
        };
        self.farewell().await;
        reports
    }

    /// Round after round of passes, until we are stopped.
    pub async fn run(&mut self) {
        let beating = self.heart.clone().beat(self.schedule.ping_every);
        tokio::pin!(beating);
        while !self.stop.is_cancelled() {
            let next = Instant::now() + self.schedule.pass_every;
            let passing = async {
                let reports = self.round().await;
                if !self.stop.is_cancelled() && reports.iter().any(PassReport::is_eventful) {
                    self.heart.ping().await;
                }
                tokio::select! {
                    () = sleep_until(next) => {}
                    () = self.stop.cancelled() => {}
                }
            };
            tokio::select! {
                () = passing => {}
                never = &mut beating => match never {},
            }
        }
        self.farewell().await;
    }

    /// A pass over each source, one after the other. A source that fails does not keep us from the
    /// next; what reaches all of them does.
    async fn round(&mut self) -> Vec<PassReport> {
        let mut reports = Vec::with_capacity(self.importers.len());
        let mut cut_short_by = None;
        for importer in &mut self.importers {
            if let Some(interruption) = cut_short_by {
                tell_passed_over(importer.source(), interruption);
                continue;
            }
            let report = pass(importer, &self.heart.state).await;
            cut_short_by = report.interruption.filter(|it| it.reaches_all_sources());
            reports.push(report);
        }
        reports
    }

    async fn farewell(&self) {
        if timeout(FAREWELL, self.heart.ping()).await.is_err() {
            tracing::warn!("the platform did not take the last sign of life in time");
        }
    }
}

/// What keeps the platform knowing that we are there.
#[derive(Clone)]
struct Heart {
    platform: Arc<dyn Platform>,
    own: Registration,
    state: SharedState,
}

enum Never {}

impl Heart {
    async fn beat(self, every: Duration) -> Never {
        loop {
            tokio::time::sleep(every).await;
            self.ping().await;
        }
    }

    /// A ping hands our state in; what comes back differs where the state was reset meanwhile.
    async fn ping(&self) {
        let sent = self.state.get();
        match self
            .platform
            .ping_connector(&self.own.id, &sent.to_text())
            .await
        {
            Ok(held) => {
                let held = ConnectorState::read(held.as_deref());
                if held != sent {
                    tracing::info!("the connector's state was reset in the platform");
                    self.state.replace(&sent, held);
                }
            }
            Err(error) if error.class() == ErrorClass::WorkGone => {
                self.register_again(&error).await;
            }
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "the platform did not take a sign of life"
                );
            }
        }
    }

    /// A connector that was deleted in the platform's interface is unknown to a ping.
    async fn register_again(&self, unknown: &ApiError) {
        tracing::warn!(error = chain(unknown), "registering again");
        if let Err(error) = self.platform.register_connector(&self.own).await {
            tracing::warn!(
                error = chain(&error),
                "the platform does not register us again"
            );
        }
    }
}

async fn pass(importer: &mut Importer, state: &SharedState) -> PassReport {
    let before = state.get();
    let report = importer.pass().await;
    let mark = watermark(
        before.last_run(importer.state_key()).and_then(time),
        report.done.iter().copied(),
        report.waiting.iter().copied(),
    );
    if let Some(mark) = mark {
        let mut after = before.clone();
        after.set_last_run(importer.state_key(), mark);
        state.replace(&before, after);
    }
    tell(&report);
    report
}

fn tell(report: &PassReport) {
    for (applicant, files) in &report.unmapped {
        tell_unmapped(applicant, *files);
    }
    if !report.is_eventful() {
        return;
    }
    tracing::info!(
        source = report.source,
        imported = report.count(Outcome::Imported),
        partial = report.count(Outcome::Partial),
        rejected = report.count(Outcome::Rejected),
        ignored = report.count(Outcome::Ignored),
        waiting = report.count(Outcome::Waiting),
        untried = report.untried,
        removed = report.removed,
        messages = report.messages,
        objects_not_sent = report.not_sent,
        interrupted_by = report.interruption.map(Interruption::as_str),
        "pass done"
    );
}

fn tell_passed_over(source: &str, interruption: Interruption) {
    if interruption != Interruption::Stopped {
        tracing::warn!(
            source,
            because_of = interruption.as_str(),
            "source passed over: the pass before it was cut short by what would cut this one \
             short, too"
        );
    }
}

fn tell_unmapped(applicant: &str, files: usize) {
    if applicant.is_empty() {
        tracing::warn!(
            files,
            "files without an applicant_id were imported as the platform worker's own user; let \
             the sending connector set one"
        );
    } else {
        tracing::warn!(
            applicant_id = applicant,
            files,
            "no mapping for this applicant: its files were imported as the platform worker's own \
             user; add {applicant}:<id of a user of this platform> to \
             DIODE_IMPORT_APPLICANT_MAPPINGS"
        );
    }
}
