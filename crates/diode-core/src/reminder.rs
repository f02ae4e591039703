//! Saying once what lasts, and then ever more rarely: pure.

use std::time::{Duration, Instant};

/// How long after a thing was said for the first time it is said again; each further time takes twice as
/// long.
const FIRST: Duration = Duration::from_hours(1);

/// The longest time between two.
const LONGEST: Duration = Duration::from_hours(24);

/// Of one thing that may last, when it was said, and how long it is not to be said again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reminder {
    said: Option<(Instant, Duration)>,
}

impl Reminder {
    /// The thing is so. Returns whether it is to be said now; it counts as said then.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let pause = match self.said {
            Some((said, pause)) if now.saturating_duration_since(said) < pause => return false,
            Some((_, pause)) => pause.saturating_mul(2).min(LONGEST),
            None => FIRST,
        };
        self.said = Some((now, pause));
        true
    }

    /// The thing is over: when it comes again, it is news. Returns whether it had been said.
    pub(crate) fn is_over(&mut self) -> bool {
        self.said.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_once_and_then_ever_more_rarely() {
        let (mut reminder, began) = (Reminder::default(), Instant::now());
        assert!(!reminder.is_over());
        let hours = |hours| began + Duration::from_hours(hours);
        let said: Vec<u64> = (0..=100).filter(|at| reminder.is_due(hours(*at))).collect();
        assert_eq!(said, [0, 1, 3, 7, 15, 31, 55, 79]);
        assert!(reminder.is_over());
        assert!(reminder.is_due(hours(100)));
        assert!(!reminder.is_due(hours(100) + Duration::from_mins(59)));
        assert!(reminder.is_due(hours(101)), "it begins anew");
    }
}
