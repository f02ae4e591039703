//! Waiting longer each time, with jitter.

use std::time::Duration;

/// Delays that double from `base` up to `cap`, each between half and all of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) base: Duration,
    pub(crate) cap: Duration,
}

impl Backoff {
    /// The delay before retry `retry` (from 0). `jitter` is a random number from 0 to 1.
    pub(crate) fn delay(self, retry: u32, jitter: f64) -> Duration {
        let factor = 2_u32.saturating_pow(retry);
        let longest = self.base.saturating_mul(factor).min(self.cap);
        longest.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }

    /// The delay before retry `retry` (from 0), at random.
    pub(crate) fn random_delay(self, retry: u32) -> Duration {
        self.delay(retry, rand::random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        check(0, 1.0, 1000);
        check(0, 0.0, 500);
        check(1, 1.0, 2000);
        check(4, 1.0, 16_000);
        check(5, 1.0, 30_000);
        check(5, 0.0, 15_000);
        check(u32::MAX, 0.5, 22_500);
    }

    fn check(retry: u32, jitter: f64, millis: u64) {
        let backoff = Backoff {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(30),
        };
        let delay = backoff.delay(retry, jitter);
        assert_eq!(delay, Duration::from_millis(millis), "{retry} {jitter}");
    }
}
