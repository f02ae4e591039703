//! What to do in a pass: listing, ledger, policy and time in; steps out. Nothing here does anything.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::Duration;

use bundle_source::{Entry, Location};
use chrono::{DateTime, TimeDelta, Utc};

use crate::ledger::Known;
use crate::state::peer_skips;
use crate::{Code, Outcome};

/// What becomes of a file that was imported whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterImport {
    /// It is deleted.
    Delete,
    /// It stays, until its retention has passed.
    Keep,
}

/// The rules that a pass keeps to.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What becomes of imported files (`delete_after_import`).
    pub after_import: AfterImport,
    /// How long after its import a kept file is deleted; `None`: never.
    pub retention: Option<Duration>,
    /// How long a file that does not parse must be unchanged to count as complete.
    pub settle: Duration,
}

/// One thing to do with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read it, and see.
    Examine(Entry),
    /// It was imported, and that is recorded: delete it.
    Remove(Entry),
    /// It was refused or imported in part, and that is recorded: move it away.
    SetAside(Entry),
}

impl Step {
    /// The file, where it is to be read.
    pub(crate) fn to_read(&self) -> Option<&Entry> {
        match self {
            Self::Examine(entry) => Some(entry),
            Self::Remove(_) | Self::SetAside(_) => None,
        }
    }
}

/// The steps for a listing, in its order.
///
/// Which files are new is decided by the ledger alone, never by comparing times: a file that
/// arrives late with an old time is as new as any.
pub fn plan<S: BuildHasher>(
    listing: Vec<Entry>,
    known: &HashMap<Location, Known, S>,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Vec<Step> {
    listing
        .into_iter()
        .filter_map(|entry| match known.get(&entry.location) {
            Some(row) if row.is(&entry) => step_for_known(entry, row, policy, now),
            _ => Some(Step::Examine(entry)),
        })
        .collect()
}

/// Those files of a listing that the peer has imported, as far as its watermark tells: where they
/// are kept, it takes every file that is no newer for imported.
///
/// Where files are deleted after their import, one that is there was not imported.
pub fn counted_as_imported(
    listing: &[Entry],
    watermark: Option<f64>,
    after_import: AfterImport,
) -> impl Iterator<Item = &Entry> {
    let watermark = match after_import {
        AfterImport::Delete => None,
        AfterImport::Keep => watermark,
    };
    listing
        .iter()
        .filter(move |entry| watermark.is_some_and(|mark| peer_skips(mark, entry.modified)))
}

/// The times of the files that are still in their place although they were imported.
pub(crate) fn kept<S: BuildHasher>(
    listing: &[Entry],
    known: &HashMap<Location, Known, S>,
) -> Vec<DateTime<Utc>> {
    listing
        .iter()
        .filter(|entry| {
            known
                .get(&entry.location)
                .is_some_and(|row| row.is(entry) && row.outcome == Outcome::Imported)
        })
        .map(|entry| entry.modified)
        .collect()
}

fn step_for_known(entry: Entry, row: &Known, policy: &Policy, now: DateTime<Utc>) -> Option<Step> {
    match (row.outcome, policy.after_import) {
        (Outcome::Waiting, _) => Some(Step::Examine(entry)),
        (Outcome::Ignored, _) => None,
        (Outcome::Rejected | Outcome::Partial, _) => Some(Step::SetAside(entry)),
        (Outcome::Imported, AfterImport::Delete) => Some(Step::Remove(entry)),
        (Outcome::Imported, AfterImport::Keep) => {
            let expired = policy
                .retention
                .is_some_and(|retention| has_passed(row.decided_at, retention, now));
            expired.then_some(Step::Remove(entry))
        }
    }
}

/// Whether a file that looks unfinished has been left alone for long enough to be judged.
///
/// `seen_since` is when we first saw it as it is now; it counts where the file's own time lies in
/// the future, or the clock was set back.
pub fn is_settled(
    modified: DateTime<Utc>,
    seen_since: DateTime<Utc>,
    settle: Duration,
    now: DateTime<Utc>,
) -> bool {
    has_passed(modified, settle, now) || has_passed(seen_since, settle, now)
}

/// Whether a file refused with `code` is to be waited for instead.
pub fn must_wait(
    code: Code,
    modified: DateTime<Utc>,
    seen_since: DateTime<Utc>,
    policy: &Policy,
    now: DateTime<Utc>,
) -> bool {
    code.may_be_unfinished() && !is_settled(modified, seen_since, policy.settle, now)
}

fn has_passed(since: DateTime<Utc>, duration: Duration, now: DateTime<Utc>) -> bool {
    TimeDelta::from_std(duration).is_ok_and(|duration| now.signed_duration_since(since) >= duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn entry(name: &str, modified: i64) -> Entry {
        Entry {
            location: Location::new(name),
            size: 10,
            modified: at(modified),
            etag: Some("1".into()),
        }
    }

    fn known(entry: &Entry, outcome: Outcome, decided_at: i64) -> Known {
        Known {
            id: 1,
            entry: entry.clone(),
            fingerprint: None,
            outcome,
            code: None,
            seen_since: at(0),
            decided_at: at(decided_at),
            missed: false,
        }
    }

    const DAY: u64 = 86_400;

    fn policy(after_import: AfterImport, retention_days: Option<u64>) -> Policy {
        Policy {
            after_import,
            retention: retention_days.map(|days| Duration::from_secs(days * DAY)),
            settle: Duration::from_secs(5),
        }
    }

    #[test]
    fn steps_by_outcome_and_policy() {
        use AfterImport::{Delete, Keep};
        let file = entry("a.json", 100);
        let (examine, remove, aside) = (
            Some(Step::Examine(file.clone())),
            Some(Step::Remove(file.clone())),
            Some(Step::SetAside(file.clone())),
        );
        let now = at(10 * 86_400);
        for (outcome, decided_at, policy, expect) in [
            (Outcome::Waiting, 0, policy(Delete, None), &examine),
            (Outcome::Ignored, 0, policy(Delete, Some(1)), &None),
            (Outcome::Rejected, 0, policy(Keep, None), &aside),
            (Outcome::Partial, 0, policy(Delete, None), &aside),
            (Outcome::Imported, 0, policy(Delete, None), &remove),
            (Outcome::Imported, 0, policy(Keep, None), &None),
            (
                Outcome::Imported,
                3 * 86_400,
                policy(Keep, Some(7)),
                &remove,
            ),
            (
                Outcome::Imported,
                3 * 86_400 + 1,
                policy(Keep, Some(7)),
                &None,
            ),
        ] {
            let rows = [(file.location.clone(), known(&file, outcome, decided_at))].into();
            let steps = plan(vec![file.clone()], &rows, &policy, now);
            assert_eq!(steps.first(), expect.as_ref(), "{outcome} {policy:?}");
        }
    }

    #[test]
    fn only_the_ledger_says_what_is_new() {
        let rows = [(
            Location::new("new.json"),
            known(&entry("new.json", 200), Outcome::Imported, 0),
        )]
        .into();
        let policy = policy(AfterImport::Keep, None);
        let late = entry("late.json", 100);
        let replaced = Entry {
            size: 11,
            ..entry("new.json", 200)
        };
        let touched = entry("new.json", 201);
        let listing = vec![late.clone(), entry("new.json", 200)];
        assert_eq!(
            plan(listing, &rows, &policy, at(300)),
            [Step::Examine(late)]
        );
        for changed in [replaced, touched] {
            let steps = plan(vec![changed.clone()], &rows, &policy, at(300));
            assert_eq!(steps, [Step::Examine(changed)]);
        }
    }

    #[test]
    fn the_peer_s_watermark_counts_where_files_are_kept() {
        use AfterImport::{Delete, Keep};
        let listing = [entry("a", 100), entry("b", 200), entry("c", 201)];
        for (watermark, after_import, expect) in [
            (None, Keep, 0),
            (Some(99.9), Keep, 0),
            (Some(200.0), Keep, 2),
            (Some(1e300), Keep, 3),
            (Some(200.0), Delete, 0),
        ] {
            let count = counted_as_imported(&listing, watermark, after_import).count();
            assert_eq!(count, expect, "{watermark:?} {after_import:?}");
        }
    }

    #[test]
    fn unfinished_files_are_waited_for() {
        let policy = policy(AfterImport::Delete, None);
        for (code, modified, seen_since, now, expect) in [
            (Code::InvalidJson, 100, 100, 104, true),
            (Code::InvalidJson, 100, 100, 105, false),
            (Code::InvalidJson, 10, 100, 100, false),
            (Code::InvalidJson, 9_999, 100, 104, true),
            (Code::InvalidJson, 9_999, 100, 105, false),
            (Code::InvalidUtf8, 100, 100, 101, true),
            (Code::TooLarge, 100, 100, 101, true),
            (Code::InvalidBundle, 100, 100, 101, false),
            (Code::NothingToImport, 100, 100, 101, false),
        ] {
            let got = must_wait(code, at(modified), at(seen_since), &policy, at(now));
            assert_eq!(got, expect, "{code} {modified} {seen_since} {now}");
        }
    }
}
