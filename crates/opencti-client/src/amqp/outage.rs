//! How long a broker has been of no use.

use std::time::{Duration, Instant};

/// The time since the last sign of life, once something failed.
#[derive(Debug)]
pub(super) struct Outage {
    budget: Duration,
    since: Option<Instant>,
    failures: u32,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try again; this was failure number `failures` (from 0), and `left` of the budget is left.
    Retry { failures: u32, left: Duration },
    /// It has lasted too long.
    GiveUp,
}

impl Outage {
    pub(super) fn new(budget: Duration) -> Self {
        Self {
            budget,
            since: None,
            failures: 0,
        }
    }

    /// Something failed at `now`.
    pub(super) fn failed(&mut self, now: Instant) -> Verdict {
        let since = *self.since.get_or_insert(now);
        let left = self.budget.saturating_sub(now.duration_since(since));
        if left.is_zero() {
            return Verdict::GiveUp;
        }
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        Verdict::Retry { failures, left }
    }

    /// The broker answered for a message.
    pub(super) fn over(&mut self) {
        self.since = None;
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_counts_from_the_first_failure_and_ends_with_a_sign_of_life() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut outage = Outage::new(Duration::from_secs(30));
        check(outage.failed(at(0)), Some((0, 30)));
        check(outage.failed(at(29)), Some((1, 1)));
        check(outage.failed(at(30)), None);
        outage.over();
        check(outage.failed(at(100)), Some((0, 30)));
        check(outage.failed(at(131)), None);
        check(Outage::new(Duration::ZERO).failed(start), None);
    }

    fn check(verdict: Verdict, expect: Option<(u32, u64)>) {
        let expect = expect.map_or(Verdict::GiveUp, |(failures, left)| Verdict::Retry {
            failures,
            left: Duration::from_secs(left),
        });
        assert_eq!(verdict, expect);
    }
}
