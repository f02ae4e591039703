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
use crate::trouble::chain;

/// Whether the platform lets us see something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sight {
    /// Not yet asked.
    #[default]
    Unknown,
    /// It does.
    Clear,
    /// Its last answer made no sense; another may.
    Odd,
    /// Our token may not ask, or the platform does not understand the question.
    Blind,
}

/// What is remembered while the program runs, by a time that only goes on: a clock that jumps
/// ahead must not close a work whose messages the broker does not tell of yet.
#[derive(Debug)]
pub(super) struct Memory {
    /// Of works.
    pub(super) sight: Sight,
    /// Of what waits in queues.
    queues: Sight,
    watches: HashMap<String, Watch>,
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
}

impl Memory {
    /// That of a run that begins now.
    pub(super) fn new(own_now: Instant, clock_now: DateTime<Utc>) -> Self {
        Self {
            sight: Sight::default(),
            queues: Sight::default(),
            watches: HashMap::new(),
            began: (own_now, clock_now),
            syncing: None,
        }
    }

    /// Messages for a connector's work follow, of which workers will count some.
    pub(super) fn starts(&mut self, connector_id: &str, uncounted: usize, now: Instant) {
        let watch = self.watch(connector_id);
        watch.under_way = true;
        watch.counted &= uncounted == 0;
        watch.used = Some(now);
    }

    /// No more messages follow for now.
    pub(super) fn ends(&mut self, connector_id: &str, now: Instant) {
        let watch = self.watch(connector_id);
        watch.under_way = false;
        watch.used = Some(now);
    }

    pub(super) fn saw(&mut self, connector_id: &str, now: Instant) {
        self.watch(connector_id).seen = Some(now);
    }

    /// Something went wrong with a connector's work: it is to be looked at before it is used.
    pub(super) fn doubts(&mut self, connector_id: &str) {
        self.watch(connector_id).seen = None;
    }

    pub(super) fn is_sure_of(&self, connector_id: &str, now: Instant) -> bool {
        let watch = self.watches.get(connector_id);
        is_surely_alive(watch.and_then(|watch| watch.seen), now)
    }

    pub(super) fn is_under_way(&self, connector_id: &str) -> bool {
        let watch = self.watches.get(connector_id);
        watch.is_some_and(|watch| watch.under_way)
    }

    /// A work was opened for a connector, or one that nothing more was sent for is used again.
    pub(super) fn opened(&mut self, connector_id: &str, now: Instant) {
        let watch = self.watch(connector_id);
        *watch = Watch {
            counted: true,
            used: Some(now),
            ..Watch::default()
        };
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

/// Whether messages wait for a connector. An answer that makes no sense says nothing against it.
///
/// # Errors
/// [`ApiError`] where the platform may tell another time.
pub(super) async fn waiting(
    platform: &dyn Platform,
    memory: &mut Memory,
    connector_id: &str,
) -> Result<Waiting, ApiError> {
    let details = match permitted(platform.queue_details(connector_id).await) {
        Err(error) if is_odd(&error) => {
            if memory.queues != Sight::Odd {
                tracing::warn!(
                    connector_id,
                    error = chain(&error),
                    "what waits in a connector's queue cannot be seen for now: its work stays open"
                );
            }
            memory.queues = Sight::Odd;
            return Ok(Waiting::Something);
        }
        answer => answer?.flatten(),
    };
    memory.queues = Sight::Clear;
    Ok(match details {
        None => Waiting::Unknown,
        Some(details) if details.messages > 0 => Waiting::Something,
        Some(_) => Waiting::Nothing,
    })
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

/// Whether an answer made no sense, which says nothing of the next one.
pub(super) fn is_odd(error: &ApiError) -> bool {
    error.class() == ErrorClass::Contract && !is_for_good(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_answer_does_not_blind_for_good() {
        use ErrorClass::{Contract, Credentials, Forbidden, Transient};
        let unknown = Some("GRAPHQL_VALIDATION_FAILED");
        for (class, code, for_good, odd) in [
            (Forbidden, None, true, false),
            (Contract, unknown, true, false),
            (Contract, Some("FUNCTIONAL_ERROR"), false, true),
            (Contract, None, false, true),
            (Transient, unknown, false, false),
            (Credentials, None, false, false),
        ] {
            let error = ApiError::new("work", class, "no");
            let error = match code {
                Some(code) => error.with_code(code),
                None => error,
            };
            let got = (is_for_good(&error), is_odd(&error));
            assert_eq!(got, (for_good, odd), "{class:?} {code:?}");
        }
    }
}
