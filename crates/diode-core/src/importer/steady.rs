//! What must not follow a clock that jumps: the program's own time, which only goes on, is held
//! against it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bundle_source::{Entry, Listing, Location};
use chrono::{DateTime, TimeDelta, Utc};

use super::Importer;
use crate::plan::Policy;
use crate::rules::OwnTime;
use crate::trouble::Fatal;

/// A clock that is ahead of our own time by more than this since the last pass has jumped.
const JUMP: TimeDelta = TimeDelta::days(1);

/// After a jump nothing expires for so long, by our own time: somebody may set the clock right.
const DISTRUST: Duration = Duration::from_hours(24);

/// Before this program was there: a clock that tells such a time was never set, as on a machine whose
/// battery is empty.
fn first_of_2026() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default()
}

/// What our own time says of files and of the clock.
pub(super) struct Steady {
    own_time: OwnTime,
    /// When the files were listed for this pass, the first time.
    pass_began: Instant,
    /// When they were listed last.
    listed_at: Instant,
    /// Files that looked unfinished, with when they were first listed so in this run.
    unfinished: Mutex<HashMap<Location, (Entry, Instant)>>,
    trust: Trust,
}

impl Default for Steady {
    fn default() -> Self {
        Self::new(Arc::new(Instant::now))
    }
}

impl Steady {
    pub(super) fn new(own_time: OwnTime) -> Self {
        let now = own_time();
        Self {
            pass_began: now,
            listed_at: now,
            own_time,
            unfinished: Mutex::default(),
            trust: Trust::default(),
        }
    }

    /// Our own time.
    pub(super) fn now(&self) -> Instant {
        (self.own_time)()
    }

    /// A pass begins with this listing, at `now` by the clock. Files that are not as they were are
    /// forgotten.
    pub(super) fn listed(&mut self, listing: &Listing, now: DateTime<Utc>) {
        self.listed_at = (self.own_time)();
        self.pass_began = self.listed_at;
        self.trust.pass_begins(now, self.listed_at);
        let mut unfinished = self.lock();
        if unfinished.is_empty() {
            return;
        }
        let mut before = std::mem::take(&mut *unfinished);
        unfinished.extend(listing.iter().filter_map(|file| {
            let known = before.remove_entry(file.location);
            known.filter(|(_, (entry, _))| file.is(entry))
        }));
    }

    /// The pass goes on with another listing.
    pub(super) fn listed_again(&mut self) {
        self.listed_at = (self.own_time)();
    }

    /// Takes note of a file that looks unfinished.
    pub(super) fn looks_unfinished(&self, entry: &Entry) {
        let since = (entry.clone(), self.listed_at);
        self.lock().entry(entry.location.clone()).or_insert(since);
    }

    /// Whether a file that looks unfinished has been as it is for `settle`; nothing where this run
    /// sees it so for the first time.
    pub(super) fn is_settled(&self, entry: &Entry, settle: Duration) -> Option<bool> {
        let unfinished = self.lock();
        let (_, since) = unfinished.get(&entry.location)?;
        Some(self.listed_at.saturating_duration_since(*since) >= settle)
    }

    /// How long from now it takes until the first of the files that looked unfinished has settled, of
    /// those that had not when the pass began: these were judged.
    fn until_settled(&self, settle: Duration) -> Option<Duration> {
        let now = self.now();
        let unfinished = self.lock();
        let settled = unfinished
            .values()
            .filter_map(|(_, since)| since.checked_add(settle));
        let next = settled.filter(|settled| *settled > self.pass_began).min();
        next.map(|settled| settled.saturating_duration_since(now))
    }

    /// Whether something may expire in this pass.
    pub(super) fn may_expire(&self) -> bool {
        self.trust.distrusted_since.is_none()
    }

    /// The policy for this pass.
    pub(super) fn policy(&self, policy: &Policy) -> Policy {
        let retention = policy.retention.filter(|_| self.may_expire());
        Policy {
            retention,
            ..policy.clone()
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Location, (Entry, Instant)>> {
        self.unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Importer {
    /// Takes this for our own time.
    #[cfg(test)]
    pub(crate) fn follow(&mut self, own_time: OwnTime) {
        self.steady = Steady::new(own_time);
    }

    /// What the ledger has from a clock that was not set yet counts from now on: it would have expired
    /// as soon as the clock is right.
    pub(super) fn date_anew(&self) -> Result<(), Fatal> {
        let (now, set_since) = ((self.clock)(), first_of_2026());
        if now >= set_since {
            let source = self.source.name();
            let times = self.ledger.date_anew(source, set_since, now)?;
            if times > 0 {
                tracing::warn!(
                    source,
                    times,
                    "the clock was not set when files were imported or set aside: their retention \
                     counts from now on"
                );
            }
        }
        Ok(())
    }

    /// How long from now it takes until the first of the files that looked unfinished has settled.
    pub(crate) fn until_settled(&self) -> Option<Duration> {
        self.steady.until_settled(self.rules.policy.settle)
    }
}

/// Whether the clock can be trusted with what expires.
#[derive(Debug, Default)]
struct Trust {
    last: Option<(DateTime<Utc>, Instant)>,
    distrusted_since: Option<Instant>,
}

impl Trust {
    /// Takes note of the time at which a pass begins.
    fn pass_begins(&mut self, now: DateTime<Utc>, instant: Instant) {
        let last = self.last.replace((now, instant));
        if self
            .distrusted_since
            .is_some_and(|since| instant - since >= DISTRUST)
        {
            self.distrusted_since = None;
        }
        if last.is_some_and(|(before, since)| has_jumped(now - before, instant - since)) {
            tracing::warn!(
                "the clock has jumped ahead by more than a day; no file's retention passes within \
                 the next 24 hours"
            );
            self.distrusted_since = Some(instant);
        }
    }
}

/// Whether a clock went that much further ahead than our own time.
fn has_jumped(clock: TimeDelta, own: Duration) -> bool {
    TimeDelta::from_std(own).is_ok_and(|own| clock - own > JUMP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_jumps_when_it_is_a_day_further_ahead_than_we_are() {
        let day = 86_400_i64;
        for (clock, own, expect) in [
            (60, 60, false),
            (day, 60, false),
            (day + 60, 60, false),
            (day + 61, 60, true),
            (-3650 * day, 60, false),
            (9 * day, 9 * 86_400, false),
        ] {
            let got = has_jumped(TimeDelta::seconds(clock), Duration::from_secs(own));
            assert_eq!(got, expect, "{clock} {own}");
        }
    }

    #[test]
    fn nothing_expires_for_a_day_after_a_jump() {
        let (mut trust, began) = (Trust::default(), Instant::now());
        let hours = |hours: u64| Duration::from_hours(hours);
        let at = |hours| DateTime::UNIX_EPOCH + TimeDelta::hours(hours);
        for (clock, own, expect) in [
            (0, 0, true),
            (1, 1, true),
            (100, 2, false),
            (101, 3, false),
            (124, 26, true),
            (1, 27, true),
            (300, 28, false),
        ] {
            trust.pass_begins(at(clock), began + hours(own));
            let may_expire = trust.distrusted_since.is_none();
            assert_eq!(may_expire, expect, "{clock} {own}");
        }
    }

    #[test]
    fn a_file_settles_by_our_own_time_from_when_it_was_first_seen_as_it_is() {
        let began = Instant::now();
        let own_time = Arc::new(Mutex::new(began));
        let told = Arc::clone(&own_time);
        let mut steady = Steady::new(Arc::new(move || *told.lock().unwrap()));
        let entry = Entry {
            location: Location::new("a.json"),
            size: 1,
            modified: DateTime::UNIX_EPOCH,
            etag: None,
        };
        let longer = Entry {
            size: 2,
            ..entry.clone()
        };
        for (after, listed, expect, next) in [
            (0, Some(&entry), None, Some(5)),
            (4, Some(&entry), Some(false), Some(1)),
            (5, Some(&entry), Some(true), None),
            (5, Some(&longer), None, Some(5)),
            (9, Some(&longer), Some(false), Some(1)),
            (10, Some(&longer), Some(true), None),
            (11, None, None, None),
            (20, Some(&longer), None, Some(5)),
        ] {
            *own_time.lock().unwrap() = began + Duration::from_secs(after);
            let listing: Listing = listed.into_iter().cloned().collect();
            steady.listed(&listing, DateTime::UNIX_EPOCH);
            let Some(listed) = listed else { continue };
            let settle = Duration::from_secs(5);
            let settled = steady.is_settled(listed, settle);
            assert_eq!(settled, expect, "{after} {listed:?}");
            steady.looks_unfinished(listed);
            let until_settled = steady.until_settled(settle).map(|left| left.as_secs());
            assert_eq!(until_settled, next, "{after} {listed:?}");
        }
    }

    #[test]
    fn in_a_pass_of_several_listings_a_file_settles_from_when_it_was_listed() {
        let began = Instant::now();
        let own_time = Arc::new(Mutex::new(began));
        let told = Arc::clone(&own_time);
        let mut steady = Steady::new(Arc::new(move || *told.lock().unwrap()));
        let entry = |name: &str| Entry {
            location: Location::new(name),
            size: 1,
            modified: DateTime::UNIX_EPOCH,
            etag: None,
        };
        let (first, second) = (entry("first.json"), entry("second.json"));
        let (settle, now) = (Duration::from_secs(5), DateTime::UNIX_EPOCH);
        let all: Listing = [first.clone(), second.clone()].into_iter().collect();
        let at = |seconds| *own_time.lock().unwrap() = began + Duration::from_secs(seconds);
        steady.listed(&all, now);
        steady.looks_unfinished(&first);
        at(8);
        steady.listed_again();
        steady.looks_unfinished(&second);
        // The first was not looked at again, though it has settled by now.
        assert_eq!(steady.until_settled(settle), Some(Duration::ZERO));
        at(9);
        steady.listed(&all, now);
        assert_eq!(steady.is_settled(&first, settle), Some(true));
        assert_eq!(steady.is_settled(&second, settle), Some(false));
        assert_eq!(steady.until_settled(settle), Some(Duration::from_secs(4)));
    }
}
