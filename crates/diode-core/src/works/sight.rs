//! What is remembered of open works while the program runs, and what the platform lets us see.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use opencti_client::{ApiError, ErrorClass, Platform, WorkId};
use tokio::task::JoinHandle;

use super::decide::{
    Hold, Life, OpenWork, Waiting, is_quiet, is_surely_alive, life, rested_before,
};
use crate::LedgerError;
use crate::reminder::Reminder;
use crate::trouble::chain;

/// For how long a question that was answered oddly is not asked again: an answer that fails takes
/// its retries and their time.
const ODD_FOR: Duration = Duration::from_secs(30);

/// Whether the platform lets us see something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sight {
    /// Not yet asked.
    #[default]
    Unknown,
    /// It does.
    Clear,
    /// It did not answer this question, or in a way that makes no sense, although it answers others;
    /// its next answer may.
    Odd,
    /// Our token may not ask, or the platform does not understand the question.
    Blind,
}

/// What came of a look at a work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The platform told this.
    Seen(Life),
    /// For the first time, it did not answer this question, or in a way that makes no sense.
    Odd,
    /// It cannot be asked: it does not let us, does not understand the question, or answered oddly
    /// before.
    Unseen,
}

/// What is remembered while the program runs, by a time that only goes on: a clock that jumps
/// ahead must not close a work whose messages the broker does not tell of yet.
#[derive(Debug)]
pub(super) struct Memory {
    /// Of works.
    pub(super) sight: Sight,
    /// Of what waits in queues.
    queues: Sight,
    /// Whether a work is alive.
    lives: Sight,
    /// When a look at a work was last answered oddly.
    odd_at: Option<Instant>,
    watches: HashMap<String, Watch>,
    /// That works fail for a reason that all have in common.
    failure: Reminder,
    /// When this run began, by our own time and by the clock. What earlier runs sent, they sent
    /// before.
    began: (Instant, DateTime<Utc>),
    /// The writing of the ledger to disk, where that is under way.
    pub(super) syncing: Option<JoinHandle<Result<(), LedgerError>>>,
}

/// What is remembered of one connector's work.
#[derive(Clone, Copy, Debug, Default)]
struct Watch {
    /// When the work was last seen alive.
    seen: Option<Instant>,
    /// When it was opened, or messages were last sent for it.
    used: Option<Instant>,
    /// Whether a file is being sent for it.
    under_way: bool,
    /// Whether everything sent for it is in its counts: opened in this run, and told of all.
    counted: bool,
    /// Whether it was opened in this run, or taken back from one that ended in order.
    orderly: bool,
    /// How many messages were sent for it, those included that workers make of others; `None` where
    /// that is not known.
    announced: Option<i64>,
    /// That the work fails on its own.
    failure: Reminder,
}

impl Memory {
    /// That of a run that begins now.
    pub(super) fn new(own_now: Instant, clock_now: DateTime<Utc>) -> Self {
        Self {
            sight: Sight::default(),
            queues: Sight::default(),
            lives: Sight::default(),
            odd_at: None,
            watches: HashMap::new(),
            failure: Reminder::default(),
            began: (own_now, clock_now),
            syncing: None,
        }
    }

    /// So many messages for a connector's work follow, and some that workers will count.
    pub(super) fn starts(
        &mut self,
        connector_id: &str,
        messages: usize,
        uncounted: usize,
        now: Instant,
    ) {
        let watch = self.watch(connector_id);
        watch.under_way = true;
        watch.counted &= uncounted == 0;
        watch.used = Some(now);
        watch.announce(i64::try_from(messages.saturating_add(uncounted)).ok());
    }

    /// So many messages were not sent after all; `None`: nobody knows.
    pub(super) fn falls_short(&mut self, connector_id: &str, messages: Option<usize>) {
        let messages = messages.and_then(|messages| i64::try_from(messages).ok());
        self.watch(connector_id)
            .announce(messages.map(i64::saturating_neg));
    }

    /// No more messages follow for now.
    pub(super) fn ends(&mut self, connector_id: &str, now: Instant) {
        let watch = self.watch(connector_id);
        watch.under_way = false;
        watch.used = Some(now);
    }

    pub(super) fn saw(&mut self, connector_id: &str, now: Instant) {
        self.failure.is_over();
        let watch = self.watch(connector_id);
        watch.failure.is_over();
        watch.seen = Some(now);
    }

    /// Something went wrong with a connector's work: it is to be looked at before it is used.
    pub(super) fn doubts(&mut self, connector_id: &str) {
        self.watch(connector_id).seen = None;
    }

    /// That works fail for a reason that all have in common.
    pub(super) fn failure_of_all(&mut self) -> &mut Reminder {
        &mut self.failure
    }

    /// That a connector's work fails on its own.
    pub(super) fn failure_of(&mut self, connector_id: &str) -> &mut Reminder {
        &mut self.watch(connector_id).failure
    }

    pub(super) fn is_sure_of(&self, connector_id: &str, now: Instant) -> bool {
        let watch = self.watches.get(connector_id);
        is_surely_alive(watch.and_then(|watch| watch.seen), now)
    }

    pub(super) fn is_under_way(&self, connector_id: &str) -> bool {
        let watch = self.watches.get(connector_id);
        watch.is_some_and(|watch| watch.under_way)
    }

    /// A work was opened for a connector.
    pub(super) fn opened(&mut self, connector_id: &str, now: Instant) {
        self.taken_back(connector_id, now);
        self.watch(connector_id).announced = Some(0);
    }

    /// A work of a connector that was given back is used again.
    pub(super) fn taken_back(&mut self, connector_id: &str, now: Instant) {
        let watch = self.watch(connector_id);
        *watch = Watch {
            counted: true,
            orderly: true,
            used: Some(now),
            ..Watch::default()
        };
    }

    /// How many messages were sent for a connector's work, where this run sent all of them.
    pub(super) fn announced(&self, connector_id: &str) -> Option<i64> {
        self.watches.get(connector_id)?.announced
    }

    /// Whether a work was in use when an earlier run was killed.
    pub(super) fn is_of_a_killed_run(&self, work: &OpenWork) -> bool {
        let watch = self.watches.get(&work.connector_id);
        work.hold == Hold::Held && !watch.is_some_and(|watch| watch.orderly)
    }

    /// Notes that a look was answered oddly. Returns whether the one before was not.
    pub(super) fn looks_odd(&mut self, now: Instant) -> bool {
        self.odd_at = Some(now);
        std::mem::replace(&mut self.sight, Sight::Odd) != Sight::Odd
    }

    /// Notes that whether a work is alive was answered oddly. Returns whether that is news.
    pub(super) fn lives_are_odd(&mut self) -> bool {
        std::mem::replace(&mut self.lives, Sight::Odd) != Sight::Odd
    }

    /// Whether works may be looked at now.
    pub(super) fn may_look(&self, now: Instant) -> bool {
        let is_odd = |odd_at| now.saturating_duration_since(odd_at) < ODD_FOR;
        match self.sight {
            Sight::Blind => false,
            Sight::Odd => !self.odd_at.is_some_and(is_odd),
            Sight::Unknown | Sight::Clear => true,
        }
    }

    /// Whether all that was sent for a work is in its counts, so that it may be given back while
    /// messages are queued. Of one that an earlier run used it is not known.
    pub(super) fn is_counted(&self, work: &OpenWork) -> bool {
        let watch = self.watches.get(&work.connector_id);
        work.hold == Hold::Held && watch.is_some_and(|watch| watch.counted)
    }

    /// For how long nothing was sent for a work.
    ///
    /// One that an earlier run left held, and not in order, was in use when that run was killed.
    pub(super) fn quiet(&self, work: &OpenWork, now: Instant) -> Duration {
        let watch = self.watches.get(&work.connector_id);
        if let Some(used) = watch.and_then(|watch| watch.used) {
            return now.saturating_duration_since(used);
        }
        let (began, began_at) = self.began;
        let before = match work.hold {
            Hold::Held => Duration::ZERO,
            Hold::Left | Hold::GivenBack => rested_before(work.used_at, began_at),
        };
        before.saturating_add(now.saturating_duration_since(began))
    }

    /// Whether a work is worth a look now: nothing was sent for it lately, and it was not looked
    /// at just before.
    pub(super) fn is_due(&self, work: &OpenWork, now: Instant) -> bool {
        let watch = self.watches.get(&work.connector_id);
        let seen = watch.and_then(|watch| watch.seen);
        let rested = seen.is_none_or(|seen| is_quiet(now.saturating_duration_since(seen)));
        rested && is_quiet(self.quiet(work, now))
    }

    fn watch(&mut self, connector_id: &str) -> &mut Watch {
        self.watches.entry(connector_id.to_owned()).or_default()
    }
}

impl Watch {
    fn announce(&mut self, messages: Option<i64>) {
        self.announced = self
            .announced
            .zip(messages)
            .map(|(before, messages)| before.saturating_add(messages));
    }
}

/// What the platform says of a work; `None` where it does not let us ask.
///
/// # Errors
/// [`ApiError`] where it may tell another time.
pub(super) async fn look(platform: &dyn Platform, work: &WorkId) -> Result<Option<Life>, ApiError> {
    let Some(progress) = permitted(platform.work(work).await)? else {
        return Ok(None);
    };
    let alive = match progress {
        Some(_) => permitted(platform.is_work_alive(work).await)?.flatten(),
        None => None,
    };
    Ok(Some(life(progress, alive)))
}

/// Whether messages wait for a connector. What the platform does not answer, or oddly, says nothing
/// against it.
pub(super) async fn waiting(
    platform: &dyn Platform,
    memory: &mut Memory,
    connector_id: &str,
) -> Waiting {
    let details = match permitted(platform.queue_details(connector_id).await) {
        Ok(details) => details.flatten(),
        Err(error) => {
            if memory.queues != Sight::Odd {
                tracing::warn!(
                    connector_id,
                    error = chain(&error),
                    "what waits in a connector's queue cannot be seen for now: its work stays open"
                );
            }
            memory.queues = Sight::Odd;
            return Waiting::Something;
        }
    };
    memory.queues = Sight::Clear;
    match details {
        None => Waiting::Unknown,
        Some(details) if details.messages > 0 => Waiting::Something,
        Some(_) => Waiting::Nothing,
    }
}

/// The answer to a question that our token may not be allowed to ask, or that the platform's
/// version may not understand.
fn permitted<T>(answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if is_for_good(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the platform will never answer a question, however often our token asks it.
pub(crate) fn is_for_good(error: &ApiError) -> bool {
    match error.class() {
        ErrorClass::Forbidden => true,
        ErrorClass::Contract => error.is_not_known(),
        ErrorClass::Credentials | ErrorClass::WorkGone | ErrorClass::Transient => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_answer_does_not_blind_for_good() {
        use ErrorClass::{Contract, Credentials, Forbidden, Transient};
        let unknown = Some("GRAPHQL_VALIDATION_FAILED");
        for (class, code, for_good) in [
            (Forbidden, None, true),
            (Contract, unknown, true),
            (Contract, Some("FUNCTIONAL_ERROR"), false),
            (Contract, None, false),
            (Transient, unknown, false),
            (Credentials, None, false),
        ] {
            let error = ApiError::new("work", class, "no");
            let error = match code {
                Some(code) => error.with_code(code),
                None => error,
            };
            assert_eq!(is_for_good(&error), for_good, "{class:?} {code:?}");
        }
    }
}
