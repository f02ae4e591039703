//! Signs of life: they keep the platform knowing that we are there, and what our state is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opencti_client::{ApiError, ConnectorInfo, ErrorClass, Ping, Platform, Registration};
use tokio::time::{Instant, timeout};

use crate::observer::{Nobody, Observer};
use crate::pressure::Backpressure;
use crate::reminder::Reminder;
use crate::state::{ConnectorState, SharedState};
use crate::trouble::chain;
use crate::works::{Occasion, Works};

/// How long looking at queues may take before a sign of life that tells of them.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// What keeps the platform knowing that we are there.
#[derive(Clone)]
pub(super) struct Heart {
    platform: Arc<dyn Platform>,
    own: Registration,
    pub(super) state: SharedState,
    info: Arc<Mutex<ConnectorInfo>>,
    /// What is known of the queues of source connectors, where they may be too full.
    pub(super) pressure: Option<Arc<Backpressure>>,
    pub(super) observer: Arc<dyn Observer>,
    /// Whose turn it is to hand in the state: of two at once, the older could come last.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Whether the platform may have acted on the last sign of life without our hearing of it.
    is_unheard_of: Arc<AtomicBool>,
    /// That the platform takes no sign of life.
    untaken: Arc<Mutex<Reminder>>,
}

/// The right to hand in the state.
pub(super) type Turn<'a> = tokio::sync::MutexGuard<'a, ()>;

pub(super) enum Never {}

impl Heart {
    pub(super) fn new(platform: Arc<dyn Platform>, own: Registration, state: SharedState) -> Self {
        Self {
            platform,
            own,
            state,
            info: Arc::default(),
            pressure: None,
            observer: Arc::new(Nobody),
            turn: Arc::default(),
            is_unheard_of: Arc::default(),
            untaken: Arc::default(),
        }
    }

    /// Says what we are at from the next sign of life on.
    pub(super) fn tell(&self, info: ConnectorInfo) {
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = info;
    }

    /// All sources were gone over.
    pub(super) fn round_over(&self) {
        if let Some(pressure) = &self.pressure {
            pressure.round_over();
        }
    }

    /// A sign of life and a look at open works, again and again.
    pub(super) async fn beat(self, every: Duration, works: Arc<dyn Works>) -> Never {
        loop {
            tokio::time::sleep(every).await;
            self.ping().await;
            works.settle(Occasion::Heartbeat).await;
        }
    }

    /// A sign of life, after a look at the fullest queues.
    pub(super) async fn ping(&self) {
        if let Some(pressure) = &self.pressure {
            // It does not wait for long for an answer that is only for show.
            let _ = timeout(LOOK_WITHIN, pressure.refresh()).await;
        }
        let turn = self.turn().await;
        self.hand_in(&turn).await;
    }

    /// Waits until no other sign of life is under way.
    pub(super) async fn turn(&self) -> Turn<'_> {
        self.turn.lock().await
    }

    /// Hands our state in. Says whether the platform took it, or told us of another one.
    pub(super) async fn hand_in(&self, turn: &Turn<'_>) -> bool {
        let result = match self.exchange(turn).await {
            Err(unknown) if unknown.class() == ErrorClass::WorkGone => {
                self.return_from_oblivion(turn, &unknown).await
            }
            result => result,
        };
        self.tell_of(&result);
        self.observer.sign_of_life(result.as_ref().copied());
        result.is_ok()
    }

    /// Says once, and then ever more rarely, that signs of life are not taken, and when they are again.
    fn tell_of(&self, result: &Result<(), ApiError>) {
        let mut untaken = self.untaken.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) if untaken.is_over() => {
                tracing::info!("the platform takes signs of life again");
            }
            Err(error) if untaken.is_due(Instant::now().into_std()) => tracing::warn!(
                error = chain(error),
                "the platform did not take a sign of life; more are sent, and this is said ever more \
                 rarely while it lasts"
            ),
            Ok(()) | Err(_) => {}
        }
    }

    /// A connector that was deleted in the platform's interface is unknown to a ping. It is
    /// registered again, and comes back with the state that it had.
    async fn return_from_oblivion(
        &self,
        turn: &Turn<'_>,
        unknown: &ApiError,
    ) -> Result<(), ApiError> {
        tracing::warn!(error = chain(unknown), "registering again");
        self.platform.register_connector(&self.own).await?;
        self.exchange(turn).await
    }

    async fn exchange(&self, turn: &Turn<'_>) -> Result<(), ApiError> {
        self.learn_the_last(turn).await?;
        let sent = self.state.get();
        let text = sent.to_text();
        let info = *self.info.lock().unwrap_or_else(PoisonError::into_inner);
        let ping = Ping {
            connector_id: &self.own.id,
            state: &text,
            info: match &self.pressure {
                Some(pressure) => pressure.told(info),
                None => info,
            },
        };
        // Who gives up waiting for the answer has not heard of it either.
        self.is_unheard_of.store(true, Ordering::Relaxed);
        let answer = self.platform.ping_connector(&ping).await;
        let is_unheard_of = answer.as_ref().is_err_and(ApiError::may_have_been_seen);
        self.is_unheard_of.store(is_unheard_of, Ordering::Relaxed);
        let held = answer?;
        if held.as_deref() != Some(&text) {
            self.take_over(&sent, ConnectorState::read(held.as_deref()));
        }
        Ok(())
    }

    /// A sign of life that we heard nothing of may have taken the mark of a reset with it: then the
    /// next one would put our state in its place, and nobody would follow the reset. Registering
    /// tells what the platform holds, and changes nothing of it.
    async fn learn_the_last(&self, _: &Turn<'_>) -> Result<(), ApiError> {
        if !self.is_unheard_of.load(Ordering::Relaxed) {
            return Ok(());
        }
        let registered = self.platform.register_connector(&self.own).await?;
        self.is_unheard_of.store(false, Ordering::Relaxed);
        let is_known = self.state.get().is_reset();
        if !is_known && ConnectorState::read(registered.state.as_deref()).is_reset() {
            self.was_reset();
        }
        Ok(())
    }

    /// What comes back differs from what we sent where the state was reset meanwhile. That holds
    /// even if a pass has set the state anew since.
    fn take_over(&self, sent: &ConnectorState, held: ConnectorState) {
        if sent.is_reset() || *sent == held {
            return;
        }
        if held.is_reset() {
            self.was_reset();
        } else {
            tracing::warn!(
                "the platform holds another state than ours; a second program may be running \
                 under this connector's id"
            );
            self.state.replace(sent, held);
        }
    }

    fn was_reset(&self) {
        tracing::info!(
            "the connector's state was reset in the platform; the next pass imports everything \
             that is there again"
        );
        self.state.reset();
    }
}
