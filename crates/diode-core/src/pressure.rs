//! Backpressure: how full the queues of source connectors are, and whether more may be sent.

mod gauge;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use opencti_client::{ApiError, ConnectorInfo, Platform, Queue};

use self::gauge::{Gauge, Verdict};
use crate::Clock;
use crate::trouble::chain;
use crate::works::is_for_good;

/// pycti's megabyte.
const MEGABYTE: u64 = 1_000_000;

/// How long none is looked at after a look failed: the platform's patience is not ours to spend.
const AFTER_FAILURE: TimeDelta = TimeDelta::minutes(1);

/// Keeps source connectors from filling their queues beyond a threshold, as far as the platform
/// tells how full they are; shared by all sources.
pub struct Backpressure {
    platform: Arc<dyn Platform>,
    queue: Arc<dyn Queue>,
    threshold: u64,
    clock: Clock,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    sight: Sight,
    gauges: HashMap<String, Gauge>,
    /// The connectors that wait for their queues: in this round, and in the one before.
    waiting: HashSet<String>,
    waited: HashSet<String>,
}

/// Whether the platform lets us see how full queues are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sight {
    /// Not yet asked.
    #[default]
    Unknown,
    /// It does.
    Clear,
    /// Not when it was last asked, for whatever reason.
    Failed(DateTime<Utc>),
    /// It does not, and will not.
    Blind,
}

/// A queue that takes no more for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error(
    "the connector's queue holds about {:.1} MB, and CONNECTOR_QUEUE_THRESHOLD is {:.1} MB",
    megabytes(*.filled),
    megabytes(*.threshold)
)]
pub(crate) struct QueueFull {
    filled: u64,
    threshold: u64,
}

impl fmt::Debug for Backpressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backpressure")
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}

impl Backpressure {
    /// Queues of `platform` that are full with so many megabytes of 1,000,000 bytes; messages go
    /// to them through `queue`.
    pub fn new(
        platform: Arc<dyn Platform>,
        queue: Arc<dyn Queue>,
        threshold_mb: u64,
        clock: Clock,
    ) -> Self {
        Self {
            platform,
            queue,
            threshold: threshold_mb.saturating_mul(MEGABYTE),
            clock,
            memory: Mutex::default(),
        }
    }

    /// Lets a registered connector send, unless its queue is full. Looks at the queue where that
    /// is due; where that cannot be done, it is gone without.
    ///
    /// # Errors
    /// [`QueueFull`]
    pub(crate) async fn admit(&self, connector_id: &str) -> Result<(), QueueFull> {
        let verdict = match self.verdict(connector_id) {
            Verdict::Look => self.look(connector_id).await,
            verdict => verdict,
        };
        let mut memory = self.memory();
        if verdict == Verdict::Wait {
            memory.waiting.insert(connector_id.to_owned());
            let gauge = memory.gauges.get(connector_id);
            return Err(QueueFull {
                filled: gauge.map_or(0, Gauge::filled),
                threshold: self.threshold,
            });
        }
        memory.waiting.remove(connector_id);
        memory.waited.remove(connector_id);
        Ok(())
    }

    /// So many bytes of messages were sent for a connector, by estimate.
    pub(crate) fn sent(&self, connector_id: &str, bytes: u64) {
        let now = self.now();
        self.with_gauge(connector_id, |gauge| gauge.sent(bytes, now));
    }

    /// All sources were gone over: who waits was met.
    pub(crate) fn round_over(&self) {
        let mut memory = self.memory();
        memory.waited = std::mem::take(&mut memory.waiting);
    }

    /// Looks again at the queue that is told of, and at the one that may be the fullest by now, so that
    /// what is told is true.
    pub(crate) async fn refresh(&self) {
        for measure in [Gauge::seen, Gauge::filled] {
            if let Some(connector_id) = self.worth_a_look(measure) {
                self.look(&connector_id).await;
            }
        }
    }

    /// The fullest queue by a measure, where a look at it would tell anything.
    fn worth_a_look(&self, measure: impl Fn(&Gauge) -> u64) -> Option<String> {
        let now = self.now();
        let memory = self.memory();
        let fullest = memory.gauges.iter().max_by_key(|(_, gauge)| measure(gauge));
        fullest
            .filter(|(_, gauge)| gauge.is_worth_a_look(now))
            .map(|(id, _)| id.clone())
    }

    /// What a sign of life says, with what is known here: of all queues, the fullest, as the platform
    /// told it last. What was sent meanwhile may have been worked off.
    pub(crate) fn told(&self, info: ConnectorInfo) -> ConnectorInfo {
        let memory = self.memory();
        let is_waiting = !(memory.waiting.is_empty() && memory.waited.is_empty());
        let fullest = match memory.sight {
            Sight::Unknown | Sight::Blind => None,
            Sight::Clear | Sight::Failed(_) => memory.gauges.values().map(Gauge::seen).max(),
        };
        ConnectorInfo {
            buffering: is_waiting || self.queue.is_stalled(),
            queue_threshold_mb: megabytes(self.threshold),
            queue_messages_mb: megabytes(fullest.unwrap_or(0)),
            ..info
        }
    }

    fn verdict(&self, connector_id: &str) -> Verdict {
        let (now, threshold) = (self.now(), self.threshold);
        self.with_gauge(connector_id, |gauge| gauge.verdict(threshold, now))
    }

    /// Looks at a connector's queue, where that is possible, and says what follows.
    async fn look(&self, connector_id: &str) -> Verdict {
        if self.memory().sight.may_look(self.now()) {
            let answer = self.platform.queue_details(connector_id).await;
            match answer {
                Ok(Some(details)) => return self.saw(connector_id, details.bytes),
                Ok(None) => self.saw_nothing(connector_id),
                Err(error) => self.failed(&error),
            }
        }
        let (now, threshold) = (self.now(), self.threshold);
        self.with_gauge(connector_id, |gauge| gauge.verdict_unseen(threshold, now))
    }

    fn saw(&self, connector_id: &str, bytes: u64) -> Verdict {
        self.memory().sight = Sight::Clear;
        let (now, threshold) = (self.now(), self.threshold);
        self.with_gauge(connector_id, |gauge| {
            gauge.saw(bytes, now);
            gauge.verdict(threshold, now)
        })
    }

    /// A platform that has told of queues before does not know this connector any more, which is
    /// noticed when something is sent. One that never did is too old.
    fn saw_nothing(&self, connector_id: &str) {
        let mut memory = self.memory();
        memory.gauges.remove(connector_id);
        if memory.sight == Sight::Unknown {
            memory.sight = Sight::Blind;
            tracing::info!(
                "the platform does not tell how full queues are, as platforms from 6.1.12 on do: \
                 CONNECTOR_QUEUE_THRESHOLD has no effect"
            );
        }
    }

    fn failed(&self, error: &ApiError) {
        let mut memory = self.memory();
        if is_for_good(error) {
            memory.sight = Sight::Blind;
            tracing::info!(
                error = chain(error),
                "how full queues are cannot be seen: CONNECTOR_QUEUE_THRESHOLD has no effect"
            );
            return;
        }
        if !matches!(memory.sight, Sight::Failed(_)) {
            tracing::warn!(
                error = chain(error),
                "how full queues are cannot be seen for now"
            );
        }
        memory.sight = Sight::Failed(self.now());
    }

    fn with_gauge<T>(&self, connector_id: &str, act: impl FnOnce(&mut Gauge) -> T) -> T {
        let mut memory = self.memory();
        act(memory.gauges.entry(connector_id.to_owned()).or_default())
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}

impl Sight {
    /// Whether it is worth asking. A clock that was set back says so.
    fn may_look(self, now: DateTime<Utc>) -> bool {
        match self {
            Self::Unknown | Self::Clear => true,
            Self::Failed(at) => !(TimeDelta::zero()..AFTER_FAILURE).contains(&(now - at)),
            Self::Blind => false,
        }
    }
}

/// As the platform's interface and pycti count.
#[expect(
    clippy::cast_precision_loss,
    reason = "for people: a queue of petabytes may be told inexactly"
)]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / MEGABYTE as f64
}
