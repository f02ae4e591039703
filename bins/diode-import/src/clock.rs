//! A clock that cannot be right.

use std::time::Instant;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use opencti_client::ServerTime;

/// A time before which this version was not there, in seconds since 1970: 2026-11-30. Each release sets
/// it, so that a build of the same sources is the same at any time.
const RELEASED: i64 = 1_795_996_800;

/// How far our clock and the platform's may be apart.
const APART: TimeDelta = TimeDelta::minutes(5);

/// Warns of a clock that tells a time before this version was there.
pub(crate) fn warn_if_not_set(now: DateTime<Utc>) {
    if let Some(warning) = not_set(now) {
        tracing::warn!("{warning}");
    }
}

/// Warns where the clock is far from the platform's.
pub(crate) fn warn_if_apart(platform: &ServerTime, now: DateTime<Utc>) {
    let Some((told, arrived)) = platform.last() else {
        return;
    };
    let since = Instant::now().saturating_duration_since(arrived);
    let there = TimeDelta::from_std(since)
        .ok()
        .and_then(|since| told.checked_add_signed(since));
    if let Some(warning) = apart(there.unwrap_or(told), now) {
        tracing::warn!("{warning}");
    }
}

fn not_set(now: DateTime<Utc>) -> Option<String> {
    let released = DateTime::from_timestamp(RELEASED, 0)?;
    (now < released).then(|| {
        format!(
            "this machine's clock says {}, which is before this version was made ({}): set the clock, \
             or files are kept for a wrong time",
            shown(now),
            released.format("%Y-%m-%d")
        )
    })
}

fn apart(there: DateTime<Utc>, here: DateTime<Utc>) -> Option<String> {
    let ahead = here.signed_duration_since(there);
    let which = if ahead > TimeDelta::zero() {
        "ahead of"
    } else {
        "behind"
    };
    (ahead.abs() > APART).then(|| {
        format!(
            "this machine's clock says {}, which is {} minutes {which} the platform's, {}: set the one \
             that is wrong",
            shown(here),
            ahead.abs().num_minutes(),
            shown(there)
        )
    })
}

fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_time_before_the_release_cannot_be() {
        assert_eq!(not_set(at(RELEASED)), None);
        assert!(not_set(at(RELEASED - 1)).is_some());
        insta::assert_snapshot!(not_set(at(0)).unwrap(), @"this machine's clock says 1970-01-01T00:00:00Z, which is before this version was made (2026-11-30): set the clock, or files are kept for a wrong time");
    }

    #[test]
    fn five_minutes_are_allowed() {
        let (there, limit) = (at(RELEASED), 300);
        for seconds in [-limit, -1, 0, 1, limit] {
            assert_eq!(apart(there, at(RELEASED + seconds)), None, "{seconds}");
        }
        for seconds in [-limit - 1, limit + 1] {
            assert!(apart(there, at(RELEASED + seconds)).is_some(), "{seconds}");
        }
        insta::assert_snapshot!(apart(there, at(RELEASED + 3600)).unwrap(), @"this machine's clock says 2026-11-30T01:00:00Z, which is 60 minutes ahead of the platform's, 2026-11-30T00:00:00Z: set the one that is wrong");
        insta::assert_snapshot!(apart(there, at(RELEASED - 3600)).unwrap(), @"this machine's clock says 2026-11-29T23:00:00Z, which is 60 minutes behind the platform's, 2026-11-30T00:00:00Z: set the one that is wrong");
    }
}
