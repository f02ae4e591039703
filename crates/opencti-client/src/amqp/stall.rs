//! Whether the broker takes nothing for now.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A stall lasts for so long beyond its last sign: a queue that is full takes some messages between
/// two pauses.
const LINGER: Duration = Duration::from_secs(5);

/// Until when the broker is taken to accept nothing.
#[derive(Debug, Default)]
pub(super) struct Stall(Mutex<Option<Instant>>);

impl Stall {
    /// The broker accepts nothing, and is not tried before `wait` is over.
    pub(super) fn goes_on(&self, now: Instant, wait: Duration) {
        *self.until() = Some(now + wait + LINGER);
    }

    /// Nothing waits any more.
    pub(super) fn end(&self) {
        *self.until() = None;
    }

    pub(super) fn lasts(&self, now: Instant) -> bool {
        self.until().is_some_and(|until| now < until)
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_lasts_until_the_next_attempt_is_over_or_nothing_waits() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let stall = Stall::default();
        assert!(!stall.lasts(start));
        stall.goes_on(at(0), Duration::from_secs(30));
        assert!(stall.lasts(at(30)));
        stall.goes_on(at(31), Duration::from_secs(30));
        assert!(stall.lasts(at(65)));
        assert!(!stall.lasts(at(66)));
        stall.goes_on(at(70), Duration::ZERO);
        stall.end();
        assert!(!stall.lasts(at(70)));
    }
}
