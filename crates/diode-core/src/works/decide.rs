//! What a work's counts mean, and what is to be done about them: pure.

use std::str::FromStr;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use opencti_client::{WorkId, WorkProgress, WorkStatus};

/// For how long nothing must have been sent for a work before its counts and its queue are taken
/// for what they seem: a broker tells the length of a queue with some seconds' delay. It also
/// keeps a slow stream of files in one work.
const QUIET: Duration = Duration::from_secs(30);

/// How long a work that was seen to be alive is taken to be, before the next file is sent for it:
/// the time within which the platform itself notices that works are to be ended, and few calls for
/// a stream of small files.
const ALIVE_FOR: Duration = Duration::from_mins(1);

/// After how long without a message what a work still expects counts as never sent, where the
/// platform is too old to tell whether the queue is empty. So old a platform throws nothing away.
const FORGOTTEN: Duration = Duration::from_hours(24);

/// An open work of a source connector, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWork {
    /// The source connector's id.
    pub connector_id: String,
    /// Its name.
    pub connector_name: String,
    /// The work.
    pub work: WorkId,
    /// Whether we keep it open.
    pub hold: Hold,
    /// How many objects were not sent although they should have been.
    pub unsent: usize,
    /// When it was opened, left or given back, by the clock.
    pub used_at: DateTime<Utc>,
}

/// Whether a work expects something of us, besides its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// One thing: it cannot be complete before we say so.
    Held,
    /// The same, though nothing is being sent: an earlier run left it so, in order.
    Left,
    /// Nothing, so far as we know: it is complete when its messages are processed.
    GivenBack,
}

impl Hold {
    /// The name, as the ledger has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Left => "left",
            Self::GivenBack => "given-back",
        }
    }

    /// How many of the expectations are ours.
    pub(super) fn expectations(self) -> i64 {
        match self {
            Self::Held | Self::Left => 1,
            Self::GivenBack => 0,
        }
    }
}

impl FromStr for Hold {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Held, Self::Left, Self::GivenBack]
            .into_iter()
            .find(|hold| hold.as_str() == name)
            .ok_or_else(|| name.to_owned())
    }
}

/// What the platform says of a work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It takes messages.
    Open(Counts),
    /// It was ended.
    Ended(Counts),
    /// It is not known.
    Gone,
}

/// What a work expects and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// How many reports it was told to expect in all.
    pub(super) expected: i64,
    /// How many of them it has yet to get.
    pub(super) open: i64,
}

/// Reads what the platform says of a work: its progress, and whether its messages are still
/// imported, where it can be asked that.
pub(super) fn life(progress: Option<WorkProgress>, alive: Option<bool>) -> Life {
    let Some(progress) = progress else {
        return Life::Gone;
    };
    let counts = Counts {
        expected: progress.expected,
        open: progress.expected.saturating_sub(progress.processed),
    };
    match progress.status {
        WorkStatus::Wait | WorkStatus::Progress if alive != Some(false) => Life::Open(counts),
        _ => Life::Ended(counts),
    }
}

/// Whether the workers import the messages of a work, all of which are confirmed. One that is not
/// alive any more may have been completed: then they have imported all of them.
pub(super) fn is_imported(alive: Option<bool>, progress: Option<WorkProgress>) -> bool {
    let is_done = |progress: WorkProgress| {
        progress.status == WorkStatus::Complete
            && progress.expected > 0
            && progress.processed >= progress.expected
    };
    alive != Some(false) || progress.is_some_and(is_done)
}

/// What is known of the queue that a work's messages are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nothing waits there.
    Nothing,
    /// Messages wait there, of whatever work.
    Something,
    /// The platform cannot be asked.
    Unknown,
}

/// Whether a work is done, and by how much what it expects must then be changed so that it is
/// complete when our own expectation is given back.
///
/// It is done when the workers have reported all but that one. Where more is expected, yet
/// nothing is left in the queue, the rest was never sent, or never reported: a crash between
/// telling and sending leaves that behind. Where more was reported than told, messages arrived
/// twice.
pub(super) fn closing(hold: Hold, open: i64, quiet: Duration, waiting: Waiting) -> Option<i64> {
    let change = hold.expectations().saturating_sub(open);
    let done = match waiting {
        Waiting::Nothing => true,
        Waiting::Something => false,
        Waiting::Unknown => change >= 0 || quiet >= FORGOTTEN,
    };
    (is_quiet(quiet) && done).then_some(change)
}

/// How many messages of a work that is closed were never processed, although its queue is empty.
///
/// `announced` is how many were sent for it, where this run knows that: a message that holds several
/// objects is expected only once a worker has taken it.
pub(super) fn missing(hold: Hold, counts: Counts, announced: Option<i64>) -> u64 {
    let ours = hold.expectations();
    let unreported = counts.open.saturating_sub(ours).max(0);
    let never_expected = announced.map_or(0, |announced| {
        announced
            .saturating_add(ours)
            .saturating_sub(counts.expected)
            .max(0)
    });
    u64::try_from(unreported.saturating_add(never_expected)).unwrap_or(0)
}

/// Whether nothing was sent for long enough.
pub(super) fn is_quiet(quiet: Duration) -> bool {
    quiet >= QUIET
}

/// For how long a work of an earlier run, last used at `used_at`, had not been used when this run
/// began at `began`. A clock that was set back meanwhile does not tell: then it counts as just used.
pub(super) fn rested_before(used_at: DateTime<Utc>, began: DateTime<Utc>) -> Duration {
    (began - used_at).to_std().unwrap_or_default()
}

/// Whether a work last seen alive at `seen` need not be asked for before the next file.
pub(super) fn is_surely_alive(seen: Option<Instant>, now: Instant) -> bool {
    seen.is_some_and(|seen| now.saturating_duration_since(seen) < ALIVE_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(status: WorkStatus, expected: i64, processed: i64) -> WorkProgress {
        WorkProgress {
            status,
            expected,
            processed,
        }
    }

    fn counts(expected: i64, open: i64) -> Counts {
        Counts { expected, open }
    }

    #[test]
    fn what_was_neither_reported_nor_ever_expected_is_missing() {
        use Hold::{GivenBack, Held};
        for (hold, counts, announced, expect) in [
            (Held, counts(11, 1), Some(10), 0),
            (Held, counts(11, 4), Some(10), 3),
            (Held, counts(11, 4), None, 3),
            (GivenBack, counts(10, 4), None, 4),
            // Some arrived twice.
            (Held, counts(11, -1), Some(10), 0),
            // No worker has taken the message with ten objects, or but one of two.
            (Held, counts(1, 1), Some(10), 10),
            (Held, counts(1, 1), None, 0),
            (Held, counts(11, 1), Some(20), 10),
        ] {
            let got = missing(hold, counts, announced);
            assert_eq!(got, expect, "{hold:?} {counts:?} {announced:?}");
        }
    }

    #[test]
    fn a_work_takes_messages_while_it_is_in_progress_and_alive() {
        use WorkStatus::{Complete, Other, Progress, Timeout, Wait};
        for (progress, alive, expect) in [
            (None, None, Life::Gone),
            (None, Some(true), Life::Gone),
            (
                Some(progress(Progress, 5, 2)),
                None,
                Life::Open(counts(5, 3)),
            ),
            (
                Some(progress(Progress, 5, 2)),
                Some(true),
                Life::Open(counts(5, 3)),
            ),
            (
                Some(progress(Progress, 5, 7)),
                Some(true),
                Life::Open(counts(5, -2)),
            ),
            (Some(progress(Wait, 0, 0)), None, Life::Open(counts(0, 0))),
            (
                Some(progress(Progress, 5, 2)),
                Some(false),
                Life::Ended(counts(5, 3)),
            ),
            (
                Some(progress(Complete, 5, 5)),
                Some(true),
                Life::Ended(counts(5, 0)),
            ),
            (
                Some(progress(Timeout, 5, 1)),
                None,
                Life::Ended(counts(5, 4)),
            ),
            (Some(progress(Other, 1, 0)), None, Life::Ended(counts(1, 1))),
        ] {
            assert_eq!(life(progress, alive), expect, "{progress:?} {alive:?}");
        }
    }

    #[test]
    fn messages_of_a_work_are_imported_while_it_is_alive_and_where_all_are_reported() {
        use WorkStatus::{Complete, Progress};
        for (alive, progress, expect) in [
            (Some(true), Some(progress(Progress, 5, 0)), true),
            // It cannot be asked: workers do not ask either, or we may not.
            (None, None, true),
            // Deleted, lost by Redis, ended by force.
            (Some(false), None, false),
            (Some(false), Some(progress(Progress, 5, 5)), false),
            (Some(false), Some(progress(Complete, 5, 0)), false),
            (Some(false), Some(progress(Complete, 0, 0)), false),
            // The workers were quicker than the question.
            (Some(false), Some(progress(Complete, 5, 5)), true),
        ] {
            assert_eq!(
                is_imported(alive, progress),
                expect,
                "{alive:?} {progress:?}"
            );
        }
    }

    #[test]
    fn a_work_is_closed_when_nothing_is_left_to_report() {
        use Hold::{GivenBack, Held};
        use Waiting::{Nothing, Something, Unknown};
        let (brief, long, day) = (29, 30, 86_400);
        for (hold, open, quiet, waiting, expect) in [
            // The workers have reported all but our own.
            (Held, 1, long, Nothing, Some(0)),
            (Held, 1, long, Unknown, Some(0)),
            (Held, 1, brief, Nothing, None),
            // Counts alone do not do where the workers have yet to count what is queued.
            (Held, 1, day, Something, None),
            // More is expected than will ever come.
            (Held, 4, long, Nothing, Some(-3)),
            (Held, 4, brief, Nothing, None),
            (Held, 4, day, Something, None),
            (Held, 4, day - 1, Unknown, None),
            (Held, 4, day, Unknown, Some(-3)),
            // Messages arrived twice.
            (Held, -2, long, Nothing, Some(3)),
            (Held, -2, long, Unknown, Some(3)),
            (Held, -2, long, Something, None),
            // Nothing of ours is in it.
            (GivenBack, 0, long, Nothing, Some(0)),
            (GivenBack, 2, long, Something, None),
            (GivenBack, 2, long, Nothing, Some(-2)),
        ] {
            let got = closing(hold, open, Duration::from_secs(quiet), waiting);
            assert_eq!(got, expect, "{hold:?} {open} {quiet} {waiting:?}");
        }
    }

    #[test]
    fn a_work_is_asked_for_when_it_was_not_seen_lately() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        for (seen, now, expect) in [
            (None, 100, false),
            (Some(100), 100, true),
            (Some(100), 159, true),
            (Some(100), 160, false),
        ] {
            assert_eq!(
                is_surely_alive(seen.map(at), at(now)),
                expect,
                "{seen:?} {now}"
            );
        }
    }

    #[test]
    fn a_work_of_an_earlier_run_has_rested_as_far_as_the_clock_can_tell() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        for (used_at, began, expect) in [(100, 190, 90), (100, 100, 0), (100, 99, 0), (100, 0, 0)] {
            let got = rested_before(at(used_at), at(began));
            assert_eq!(got, Duration::from_secs(expect), "{used_at} {began}");
        }
    }

    #[test]
    fn holds_are_read_back() {
        for hold in [Hold::Held, Hold::Left, Hold::GivenBack] {
            assert_eq!(hold.as_str().parse(), Ok(hold));
        }
        assert!("held ".parse::<Hold>().is_err());
    }
}
