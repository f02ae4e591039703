//! Between two rounds: passes over the watched source, as soon as something arrives there.

use std::future::pending;
use std::time::Duration;

use bundle_source::Watch;
use tokio::time::{Instant, sleep_until};

use super::pace::{Cost, Course, next_by_arrival};
use super::{Service, pass};
use crate::report::{Interruption, PassReport};
use crate::state::ConnectorState;
use crate::trouble::chain;
use crate::{Importer, SharedState};

/// Between two signs of life that tell what such passes made of the state.
const BETWEEN_TELLINGS: Duration = Duration::from_secs(5);

/// What is kept of the passes over a watched source.
pub(super) struct Lookout {
    watch: Box<dyn Watch>,
    /// Whether it was said that the source cannot be watched.
    said: bool,
    /// From when on an arrival may begin a pass.
    open: Option<Instant>,
    /// When the first unfinished file has settled.
    settled: Option<Instant>,
    /// What passes that arrivals began have done since the last round: it is told with the next one,
    /// and not for each file.
    untold: PassReport,
}

impl Lookout {
    pub(super) fn new(watch: Box<dyn Watch>) -> Self {
        Self {
            watch,
            said: false,
            open: None,
            settled: None,
            untold: PassReport::default(),
        }
    }

    async fn attend(&mut self, source: &str) {
        match self.watch.attend().await {
            Ok(()) if self.said => {
                self.said = false;
                tracing::info!(source, "new files are noticed at once again");
            }
            Err(error) if !self.said => {
                self.said = true;
                tracing::warn!(
                    source,
                    error = chain(&error),
                    "new files are not noticed at once, but with the next period"
                );
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Returns when a pass is to be begun.
    async fn call(&self) {
        let Some(open) = self.open else {
            return pending().await;
        };
        let settled = async {
            match self.settled {
                Some(settled) => sleep_until(settled).await,
                None => pending().await,
            }
        };
        // Not to be woken for each of many arrivals while none may begin a pass.
        sleep_until(open).await;
        tokio::select! {
            () = self.watch.arrival() => {}
            () = settled => {}
        }
    }

    /// A pass over the source. What arrives while it is under way is told after it.
    pub(super) async fn pass(
        &mut self,
        importer: &mut Importer,
        state: &SharedState,
    ) -> PassReport {
        let began = Instant::now();
        self.attend(importer.source()).await;
        let report = pass(importer, state).await;
        let ended = Instant::now();
        let cost = Cost {
            began,
            ended,
            looking: report.looking,
        };
        self.open = next_by_arrival(Course::of(&report), &cost);
        self.settled = importer.until_settled().map(|wait| Instant::now() + wait);
        report
    }

    /// What has not been told of yet.
    pub(super) fn untold(&mut self) -> PassReport {
        std::mem::take(&mut self.untold)
    }
}

impl Service {
    /// Waits until the next round, or until we are stopped.
    pub(super) async fn watch_until(&mut self, next: Instant) {
        let mut told = self.heart.state.get();
        let mut last_told = Instant::now();
        loop {
            let due = self
                .is_untold(&told)
                .then_some(last_told + BETWEEN_TELLINGS);
            tokio::select! {
                () = sleep_until(next) => return,
                () = self.stop.cancelled() => return,
                () = when(due) => {
                    told = self.heart.state.get();
                    self.heart.ping().await;
                    last_told = Instant::now();
                }
                () = self.call() => self.pass_by_arrival().await,
            }
        }
    }

    /// A state that is a reset's is handed in and followed with the next round.
    fn is_untold(&self, told: &ConnectorState) -> bool {
        let state = self.heart.state.get();
        !state.is_reset() && state != *told
    }

    async fn call(&self) {
        match &self.lookout {
            Some((_, lookout)) => lookout.call().await,
            None => pending().await,
        }
    }

    /// A pass over the watched source alone. Open works are left as they are until the next round:
    /// where a pass has works of its own, they are not more for it.
    async fn pass_by_arrival(&mut self) {
        let Some((number, lookout)) = &mut self.lookout else {
            return;
        };
        let Some(importer) = self.importers.get_mut(*number) else {
            return;
        };
        let report = lookout.pass(importer, &self.heart.state).await;
        match report.interruption {
            None | Some(Interruption::Stopped) => lookout.untold.absorb(report),
            Some(_) => self.interrupted.pass(&report, importer),
        }
    }
}

async fn when(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
