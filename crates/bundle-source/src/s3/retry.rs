//! Asking again, later each time.

use std::time::Duration;

use tokio::time::Instant;

use super::config::S3Patience;
use super::error::S3Error;

/// The longest wait before the first retry; it doubles with each.
const FIRST_DELAY: Duration = Duration::from_millis(200);

/// The longest wait before any retry.
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// What is left of the patience with one request.
#[derive(Debug)]
pub(super) struct Retries {
    patience: S3Patience,
    made: u32,
    first_failure: Option<Instant>,
}

impl Retries {
    /// All of `patience`.
    pub(super) fn new(patience: S3Patience) -> Self {
        Self {
            patience,
            made: 0,
            first_failure: None,
        }
    }

    /// Waits until the request may be sent again.
    ///
    /// # Errors
    /// `error`, where it will not pass, or has not passed for long enough.
    pub(super) async fn pause_after(&mut self, error: S3Error) -> Result<(), S3Error> {
        let now = Instant::now();
        let failing_for = now.duration_since(*self.first_failure.get_or_insert(now));
        let delay = delay(self.made, rand::random());
        // Credentials have been looked for again and again already.
        let may_pass = error.is_transient() && !matches!(error, S3Error::NoCredentials(_));
        if !may_pass
            || self.made >= self.patience.retries
            || failing_for + delay > self.patience.retry_for
        {
            return Err(error);
        }
        tracing::debug!(%error, retry = self.made + 1, "a request to the store is sent again");
        self.made += 1;
        tokio::time::sleep(delay).await;
        Ok(())
    }
}

/// Makes an attempt again and again while its error may pass and `patience` lasts.
pub(super) async fn retried<T, F: Future<Output = Result<T, S3Error>>>(
    patience: S3Patience,
    attempt: impl Fn() -> F,
) -> Result<T, S3Error> {
    let mut retries = Retries::new(patience);
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => retries.pause_after(error).await?,
        }
    }
}

/// The wait before a retry after `made` others: between half and all of its longest. `jitter` is
/// a random number from 0 to 1.
fn delay(made: u32, jitter: f64) -> Duration {
    let longest = FIRST_DELAY.saturating_mul(2_u32.saturating_pow(made));
    longest.min(LONGEST_DELAY).mul_f64(0.5 + jitter / 2.0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn delays_double_up_to_the_longest() {
        let check = |made, jitter, millis| {
            assert_eq!(delay(made, jitter), Duration::from_millis(millis), "{made}");
        };
        check(0, 0.0, 100);
        check(0, 1.0, 200);
        check(3, 1.0, 1_600);
        check(5, 1.0, 5_000);
        check(u32::MAX, 0.0, 2_500);
    }

    #[tokio::test]
    async fn only_what_may_pass_is_tried_again() {
        let check = async |error: fn() -> S3Error, retries, retry_for, expect: u32| {
            let patience = S3Patience {
                retries,
                retry_for,
                ..S3Patience::default()
            };
            let made = Cell::new(0);
            let result: Result<(), _> = retried(patience, || async {
                made.set(made.get() + 1);
                Err(error())
            })
            .await;
            assert_eq!(result.unwrap_err().to_string(), error().to_string());
            assert_eq!(made.get(), expect);
        };
        let busy = || S3Error::Unavailable("503".into());
        check(busy, 2, Duration::from_secs(9), 3).await;
        check(busy, 0, Duration::from_secs(9), 1).await;
        check(busy, 2, Duration::ZERO, 1).await;
        check(|| S3Error::NoBucket, 2, Duration::from_secs(9), 1).await;
    }
}
