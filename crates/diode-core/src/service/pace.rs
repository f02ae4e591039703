//! When a pass may be begun by an arrival: pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::Outcome;
use crate::report::PassReport;

/// From the start of one pass to the start of one that an arrival begins, at least: however much
/// arrives, and whoever touches files without end, it is not more than 20 passes a second.
const BETWEEN_PASSES: Duration = Duration::from_millis(50);

/// After a pass in which the platform or the broker did not do what was asked: every pass asks again.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

/// How a pass over a watched source went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// No file changed its lot.
    Idle,
    /// Some did.
    Busy,
    /// Files wait for the platform or the broker.
    Troubled,
    /// It was cut short.
    CutShort,
}

impl Course {
    pub(super) fn of(report: &PassReport) -> Self {
        if report.interruption.is_some() {
            Self::CutShort
        } else if report.unavailable > 0 {
            Self::Troubled
        } else if report.is_eventful() || report.count(Outcome::Ignored) > 0 {
            Self::Busy
        } else {
            Self::Idle
        }
    }
}

/// What a pass cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// What it took to find out what there is to do: it grows with the files that are kept.
    pub(super) looking: Duration,
}

/// From when on an arrival may begin a pass after this one; `None`: it waits for the next round.
///
/// Looking, and passes in which nothing was to be done, take half of the time at most. What is
/// spent on importing is not waited for: files that arrive meanwhile would be ever more.
pub(super) fn next_by_arrival(course: Course, cost: &Cost) -> Option<Instant> {
    let pause = match course {
        Course::CutShort => return None,
        Course::Troubled => AFTER_TROUBLE,
        Course::Busy => cost.looking,
        Course::Idle => cost.ended - cost.began,
    };
    Some((cost.began + BETWEEN_PASSES).max(cost.ended + pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn passes_by_arrival_keep_their_distance() {
        use Course::{Busy, CutShort, Idle, Troubled};
        let start = Instant::now();
        let ms = Duration::from_millis;
        for (course, took, looking, expect) in [
            (Idle, 1, 1, Some(50)),
            (Idle, 40, 1, Some(80)),
            (Idle, 3_000, 300, Some(6_000)),
            (Busy, 1, 1, Some(50)),
            (Busy, 49, 0, Some(50)),
            (Busy, 3_000, 1, Some(3_001)),
            (Busy, 3_000, 300, Some(3_300)),
            (Troubled, 10, 1, Some(5_010)),
            (Troubled, 9_000, 1, Some(14_000)),
            (CutShort, 10, 1, None),
        ] {
            let cost = Cost {
                began: start,
                ended: start + ms(took),
                looking: ms(looking),
            };
            let got = next_by_arrival(course, &cost);
            assert_eq!(got, expect.map(|at| start + ms(at)), "{course:?} {took}");
        }
    }

    #[test]
    fn what_a_pass_was_like_is_read_from_its_report() {
        let mut report = PassReport::new("source");
        assert_eq!(Course::of(&report), Course::Idle);
        report.outcomes.insert(Outcome::Waiting.as_str(), 1);
        assert_eq!(Course::of(&report), Course::Idle);
        report.outcomes.insert(Outcome::Imported.as_str(), 1);
        assert_eq!(Course::of(&report), Course::Busy);
        report.unavailable = 1;
        assert_eq!(Course::of(&report), Course::Troubled);
        report.interruption = Some(crate::Interruption::Platform);
        assert_eq!(Course::of(&report), Course::CutShort);
    }
}
