//! What is remembered of open works while the program runs, and what the platform lets us see.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use opencti_client::{ApiError, ErrorClass, Platform, WorkId};

use super::decide::{Hold, Life, OpenWork, Waiting, is_quiet, is_surely_alive, life};

/// Whether our token may read works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sight {
    /// Not yet asked.
    #[default]
    Unknown,
    /// It may.
    Clear,
    /// It may not, or the platform does not understand the question.
    Blind,
}

/// What is remembered while the program runs.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) sight: Sight,
    watches: HashMap<String, Watch>,
}

/// What is remembered of one connector's work.
#[derive(Clone, Copy, Debug, Default)]
struct Watch {
    /// When the work was last seen alive.
    seen: Option<DateTime<Utc>>,
    /// When messages were last sent for it.
    used: Option<DateTime<Utc>>,
    /// When we first looked at it, where nothing was sent yet.
    met: Option<DateTime<Utc>>,
    /// Whether a file is being sent for it.
    under_way: bool,
    /// Whether everything sent for it is in its counts: opened in this run, and told of all.
    counted: bool,
}

impl Memory {
    /// Messages for a connector's work follow, of which workers will count some.
    pub(super) fn starts(&mut self, connector_id: &str, uncounted: usize, now: DateTime<Utc>) {
        let watch = self.watch(connector_id);
        watch.under_way = true;
        watch.counted &= uncounted == 0;
        watch.used = Some(now);
    }

    /// No more messages follow for now.
    pub(super) fn ends(&mut self, connector_id: &str, now: DateTime<Utc>) {
        let watch = self.watch(connector_id);
        watch.under_way = false;
        watch.used = Some(now);
    }

    pub(super) fn saw(&mut self, connector_id: &str, now: DateTime<Utc>) {
        self.watch(connector_id).seen = Some(now);
    }

    /// Something went wrong with a connector's work: it is to be looked at before it is used.
    pub(super) fn doubts(&mut self, connector_id: &str) {
        self.watch(connector_id).seen = None;
    }

    pub(super) fn is_sure_of(&self, connector_id: &str, now: DateTime<Utc>) -> bool {
        let watch = self.watches.get(connector_id);
        is_surely_alive(watch.and_then(|watch| watch.seen), now)
    }

    pub(super) fn is_under_way(&self, connector_id: &str) -> bool {
        let watch = self.watches.get(connector_id);
        watch.is_some_and(|watch| watch.under_way)
    }

    /// A work was opened for a connector, or one that nothing more was sent for is used again.
    pub(super) fn opened(&mut self, connector_id: &str) {
        let watch = self.watch(connector_id);
        *watch = Watch {
            counted: true,
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
    /// One that an earlier run left held, and not in order, was in use when that run was killed:
    /// for it the time counts from when we first look at it.
    pub(super) fn quiet(&mut self, work: &OpenWork, now: DateTime<Utc>) -> TimeDelta {
        let watch = self.watch(&work.connector_id);
        let used = watch.used.unwrap_or(match work.hold {
            Hold::Held => *watch.met.get_or_insert(now),
            Hold::Left | Hold::GivenBack => work.used_at,
        });
        now - used
    }

    /// Whether a work is worth a look now: nothing was sent for it lately, and it was not looked
    /// at just before.
    pub(super) fn is_due(&mut self, work: &OpenWork, now: DateTime<Utc>) -> bool {
        let seen = self.watch(&work.connector_id).seen;
        let rested = seen.is_none_or(|seen| is_quiet(now - seen) || now < seen);
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

/// Whether messages wait for a connector.
///
/// # Errors
/// [`ApiError`] where the platform may tell another time.
pub(super) async fn waiting(
    platform: &dyn Platform,
    connector_id: &str,
) -> Result<Waiting, ApiError> {
    let details = permitted(platform.queue_details(connector_id).await)?.flatten();
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
        Err(error) if matches!(error.class(), ErrorClass::Contract | ErrorClass::Forbidden) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
