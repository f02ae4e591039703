//! The program's life: greet the platform, go over the files again and again, stay alive, leave.

mod arrivals;
mod heart;
mod pace;
mod tell;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bundle_source::Watch;
use chrono::TimeDelta;
use opencti_client::{
    ApiError, ConnectorInfo, ErrorClass, Platform, PlatformVersion, Registered, Registration,
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::arrivals::Lookout;
use self::heart::Heart;
use crate::Importer;
use crate::observer::Observer;
use crate::pressure::Backpressure;
use crate::reminder::Reminder;
use crate::report::PassReport;
use crate::state::{ConnectorState, SharedState};
use crate::trouble::chain;
use crate::works::{Occasion, Works};

/// How long a farewell ping may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long giving open works back may take: when somebody waits for us to end, and otherwise.
const LEAVE_WORKS: Duration = Duration::from_secs(4);
const LEAVE_WORKS_AT_LEISURE: Duration = Duration::from_mins(2);
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
    let mut waiting = Reminder::default();
    loop {
        let answer = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(StartError::Stopped),
            answer = greet_once(platform, own) => answer,
        };
        let error = match answer {
            Ok(greeting) => return Ok(greeting),
            Err(error) => StartError::new(error),
        };
        match error {
            StartError::Unreachable(cause) if patience == Patience::Endless => {
                if waiting.is_due(Instant::now().into_std()) {
                    tracing::warn!(
                        error = chain(&cause),
                        "waiting for the platform, which is asked again each minute; this is said \
                         ever more rarely"
                    );
                }
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
/// registering tells. One that registers us and only fails on that question is asked once more, and then
/// gone on with as one of an unknown version.
async fn greet_once(platform: &dyn Platform, own: &Registration) -> Result<Greeting, ApiError> {
    let version = match platform.version().await {
        Ok(version) => version,
        Err(error) if error.class() == ErrorClass::Contract => None,
        Err(error) if error.is_transient() => {
            let registered = platform.register_connector(own).await.map_err(|_| error)?;
            return Ok(Greeting {
                version: version_or_none(platform).await,
                registered,
            });
        }
        Err(error) => return Err(error),
    };
    let registered = platform.register_connector(own).await?;
    Ok(Greeting {
        version,
        registered,
    })
}

async fn version_or_none(platform: &dyn Platform) -> Option<PlatformVersion> {
    platform.version().await.unwrap_or_else(|error| {
        tracing::warn!(
            error = chain(&error),
            "the platform does not tell its version: it is asked only for what every version knows, and \
             imports that are to be validated go into the workbench"
        );
        None
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
    /// The number of the importer whose source is watched, and what watches it.
    lookout: Option<(usize, Lookout)>,
    heart: Heart,
    works: Arc<dyn Works>,
    schedule: Schedule,
    stop: CancellationToken,
    interrupted: tell::Interrupted,
}

impl Service {
    /// A service of `importers`, registered as `own` with what `greeting` says.
    pub fn new(
        importers: Vec<Importer>,
        platform: Arc<dyn Platform>,
        works: Arc<dyn Works>,
        own: Registration,
        greeting: &Greeting,
        schedule: Schedule,
        stop: CancellationToken,
    ) -> Self {
        let state = ConnectorState::read(greeting.registered.state.as_deref());
        if !state.is_reset() {
            for importer in &importers {
                tell::without_watermark(importer, &state);
            }
        }
        let service = Self {
            importers,
            lookout: None,
            heart: Heart::new(platform, own, SharedState::new(state)),
            works,
            schedule,
            stop,
            interrupted: tell::Interrupted::default(),
        };
        service.disbelieve_what_is_to_come();
        service
    }

    /// Forgets watermarks that are later than now: they say nothing of files of now, which would count
    /// as imported.
    fn disbelieve_what_is_to_come(&self) {
        let Some(now) = self.importers.first().map(Importer::now) else {
            return;
        };
        let before = self.heart.state.get();
        let mut after = before.clone();
        let later = after.forget_later_than(now);
        if !later.is_empty() {
            self.heart.state.replace(&before, after);
            tell::later_than_now(&later, now);
        }
    }

    /// The same, which says in its signs of life how full the queues are that importers wait for.
    #[must_use]
    pub fn with_backpressure(mut self, pressure: Arc<Backpressure>) -> Self {
        self.heart.pressure = Some(pressure);
        self
    }

    /// The same, with a pass over `source` as soon as `watch` tells of it, besides those of every
    /// period. It counts for [`run`](Self::run); what is told of a source that is not ours is nothing.
    #[must_use]
    pub fn with_watch(self, source: &str, watch: Box<dyn Watch>) -> Self {
        let mut importers = self.importers.iter();
        let number = importers.position(|importer| importer.source() == source);
        Self {
            lookout: number.map(|number| (number, Lookout::new(watch))),
            ..self
        }
    }

    /// The same, which tells an observer of its signs of life, and of all that its importers do.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        let watch = |importer: Importer| importer.with_observer(Arc::clone(&observer));
        self.importers = self.importers.into_iter().map(watch).collect();
        self.heart.observer = observer;
        self
    }

    /// One pass over each source. None is watched meanwhile: nobody waits for what arrives.
    pub async fn run_once(&mut self) -> Vec<PassReport> {
        let lookout = self.lookout.take();
        let reports = self.one_round().await;
        self.lookout = lookout;
        reports
    }

    async fn one_round(&mut self) -> Vec<PassReport> {
        let works = Arc::clone(&self.works);
        let beating = self.heart.clone().beat(self.schedule.ping_every, works);
        let working = async {
            self.tell_what_we_are_at(None);
            let reports = self.round().await;
            self.farewell().await;
            reports
        };
        tokio::select! {
            reports = working => reports,
            never = beating => match never {},
        }
    }

    /// Round after round of passes, until we are stopped.
    pub async fn run(&mut self) {
        let works = Arc::clone(&self.works);
        let beating = self.heart.clone().beat(self.schedule.ping_every, works);
        let working = async {
            while !self.stop.is_cancelled() {
                let next = Instant::now() + self.schedule.pass_every;
                self.tell_what_we_are_at(Some(self.schedule.pass_every));
                self.round_and_ping().await;
                self.watch_until(next).await;
            }
            self.tell_untold();
            self.farewell().await;
        };
        tokio::select! {
            () = working => {}
            never = beating => match never {},
        }
    }

    /// Notes for the platform's interface that a round begins, and when the next one will.
    fn tell_what_we_are_at(&self, next_in: Option<Duration>) {
        let now = self.importers.first().map(Importer::now);
        let delta = next_in.and_then(|delta| TimeDelta::from_std(delta).ok());
        self.heart.tell(ConnectorInfo {
            run_and_terminate: next_in.is_none(),
            last_run: now,
            next_run: now
                .zip(delta)
                .and_then(|(now, delta)| now.checked_add_signed(delta)),
            ..ConnectorInfo::default()
        });
    }

    /// A round, and a sign of life that tells the state after it.
    async fn round_and_ping(&mut self) {
        self.round().await;
        if !self.stop.is_cancelled() {
            self.heart.ping().await;
        }
    }

    /// A pass over each source, one after the other. A source that fails does not keep us from the
    /// next; what reaches all of them does.
    async fn round(&mut self) -> Vec<PassReport> {
        self.follow_reset().await;
        self.disbelieve_what_is_to_come();
        let mut reports = Vec::with_capacity(self.importers.len());
        let mut cut_short_by = None;
        self.tell_untold();
        for (number, importer) in self.importers.iter_mut().enumerate() {
            if let Some(interruption) = cut_short_by {
                self.interrupted.passed_over(importer, interruption);
                continue;
            }
            let report = match &mut self.lookout {
                Some((watched, lookout)) if *watched == number => {
                    lookout.pass(importer, &self.heart.state).await
                }
                _ => pass(importer, &self.heart.state).await,
            };
            self.interrupted.pass(&report, importer);
            tell::lasting_waits(&report, importer);
            cut_short_by = report.interruption.filter(|it| it.reaches_all_sources());
            reports.push(report);
        }
        self.heart.round_over();
        if !self.stop.is_cancelled() {
            self.works.settle(Occasion::PassEnd).await;
        }
        reports
    }

    /// Has everything that is there imported again, where the connector's state was reset.
    ///
    /// Until the ledger has forgotten, we hand in the empty text of a reset and nothing else: so
    /// the platform holds it, and whoever starts after us follows the reset in our place.
    async fn follow_reset(&self) {
        if !self.heart.state.get().is_reset() {
            return;
        }
        let turn = self.heart.turn().await;
        // The platform's own mark of a reset goes with the first sign of life after it. With the
        // mark still there, the state that we hand in next would be answered as reset once more.
        if !self.heart.hand_in(&turn).await {
            return;
        }
        match self.importers.iter().map(Importer::forget).sum() {
            Ok(files) => tell::reset(files),
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "the reset of the connector's state is not followed for now"
                );
                return;
            }
        }
        self.heart
            .state
            .replace(&ConnectorState::reset(), ConnectorState::default());
        self.heart.hand_in(&turn).await;
    }

    fn tell_untold(&mut self) {
        if let Some((number, lookout)) = &mut self.lookout
            && let Some(importer) = self.importers.get(*number)
        {
            tell::pass(&lookout.untold(), importer.stand_in());
        }
    }

    async fn farewell(&self) {
        tokio::join!(self.say_farewell(), self.leave_works(), self.give_back());
    }

    /// Lets others go on with our sources.
    async fn give_back(&self) {
        for importer in &self.importers {
            importer.give_back().await;
        }
    }

    /// Lets open works become complete without us: we may be gone for long.
    async fn leave_works(&self) {
        let patience = if self.stop.is_cancelled() {
            LEAVE_WORKS
        } else {
            LEAVE_WORKS_AT_LEISURE
        };
        let leaving = self.works.settle(Occasion::Leaving);
        if timeout(patience, leaving).await.is_err() {
            tracing::warn!("the platform did not take open works back in time; the next run does");
        }
    }

    async fn say_farewell(&self) {
        if timeout(FAREWELL, self.heart.ping()).await.is_err() {
            tracing::warn!("the platform did not take the last sign of life in time");
        }
    }
}

async fn pass(importer: &mut Importer, state: &SharedState) -> PassReport {
    let before = state.get();
    let key = importer.state_key();
    let report = importer.pass(before.last_run(key)).await;
    if let Some(watermark) = report.watermark(before.last_run(key), importer.now())
        && !before.is_reset()
    {
        let mut after = before.clone();
        after.set_last_run(key, watermark);
        state.replace(&before, after);
    }
    report
}
