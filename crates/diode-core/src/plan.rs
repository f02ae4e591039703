//! What to do in a pass: listing, ledger, policy and time in; steps out. Nothing here does anything.

use std::sync::Arc;
use std::time::Duration;

use bundle_source::{Entry, Listed, Listing, Wanted};
use chrono::{DateTime, TimeDelta, Utc};

use crate::ledger::{Known, KnownFiles};
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
    /// How long after it was set aside a rejected file is deleted; `None`: never.
    pub rejected_retention: Option<Duration>,
    /// How long after its import a file's content is not sent again in another file; `None`: it is sent
    /// each time.
    pub skip_known: Option<Duration>,
    /// How long a file that does not parse must be unchanged to count as complete.
    pub settle: Duration,
}

impl Policy {
    /// What becomes of a file that this row says was imported whole. One that only the peer's watermark
    /// says so of stays: we delivered nothing of it.
    pub(crate) fn after_import(&self, row: &Known<'_>) -> AfterImport {
        match row.code {
            Some(Code::ImportedBefore) => AfterImport::Keep,
            _ => self.after_import,
        }
    }

    /// Whether content that was imported at that time is not to be sent again. A time that is still to
    /// come, by a clock that was set back, is no time to go by.
    pub(crate) fn skips(&self, imported_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        self.skip_known
            .is_some_and(|window| imported_at <= now && !has_passed(imported_at, window, now))
    }
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
    pub(crate) fn into_read(self) -> Option<Entry> {
        match self {
            Self::Examine(entry) => Some(entry),
            Self::Remove(_) | Self::SetAside(_) => None,
        }
    }
}

/// What a listing is to have: all files that are known, and so many of those that are not, the oldest.
pub(crate) fn wanted(known: &Arc<KnownFiles>, most_new: usize) -> Wanted {
    let known = Arc::clone(known);
    Wanted::oldest(most_new).and_all(move |location| known.number_of(location).is_some())
}

/// The steps for files of a listing, in their order, each found when it is asked for.
///
/// Which files are new is decided by the ledger alone, never by comparing times: a file that
/// arrives late with an old time is as new as any.
pub fn plan<'a>(
    files: impl Iterator<Item = Listed<'a>> + Clone + 'a,
    known: &'a KnownFiles,
    policy: &'a Policy,
    now: DateTime<Utc>,
) -> impl Iterator<Item = Step> + Clone + 'a {
    files.filter_map(move |file| match row_of(known, file) {
        Some(row) => step_for_known(file, row, policy, now),
        None => Some(Step::Examine(file.to_entry())),
    })
}

/// What is known of that very file.
fn row_of<'a>(known: &'a KnownFiles, file: Listed<'_>) -> Option<Known<'a>> {
    known.get(file.location).filter(|row| row.is_of(file))
}

/// The known files that went missing or came back since they were last looked for: their rows, and
/// whether they are missing.
///
/// Where another file has the name of one that had gone, that one stays missing: the new one is brought
/// again by somebody, and to be imported whenever a pass gets to it.
pub(crate) fn changed_presence(listing: &Listing, known: &KnownFiles) -> Vec<(i64, bool)> {
    let mut is_missed: Vec<bool> = vec![true; known.len()];
    for file in listing.iter() {
        if let Some(number) = known.number_of(file.location) {
            let row = known.at(number);
            is_missed[number] = row.missed && !row.is_of(file);
        }
    }
    let rows = known.iter().zip(is_missed);
    rows.filter(|(row, is_missed)| row.missed != *is_missed)
        .map(|(row, is_missed)| (row.id, is_missed))
        .collect()
}

/// Those files of a listing that the peer has imported, as far as its watermark tells: where they
/// are kept, it takes every file that is no newer for imported.
///
/// Where files are deleted after their import, one that is there was not imported.
pub fn counted_as_imported(
    listing: &Listing,
    watermark: Option<f64>,
    after_import: AfterImport,
) -> impl Iterator<Item = Entry> {
    let watermark = match after_import {
        AfterImport::Delete => None,
        AfterImport::Keep => watermark,
    };
    listing
        .iter()
        .filter(move |file| watermark.is_some_and(|mark| peer_skips(mark, file.modified)))
        .map(Listed::to_entry)
}

/// The time of the newest file that is still in its place although it was imported. A time that is still
/// to come says nothing of what was imported.
pub(crate) fn newest_kept(
    listing: &Listing,
    known: &KnownFiles,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let is_kept = |row: Known<'_>| row.outcome == Outcome::Imported;
    let kept = listing
        .iter()
        .filter(|file| file.modified <= now && row_of(known, *file).is_some_and(is_kept));
    kept.map(|file| file.modified).max()
}

fn step_for_known(
    file: Listed<'_>,
    row: Known<'_>,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Option<Step> {
    let entry = || file.to_entry();
    match (row.outcome, policy.after_import(&row)) {
        (Outcome::Waiting, _) => Some(Step::Examine(entry())),
        (Outcome::Ignored, _) => None,
        (Outcome::Rejected | Outcome::Partial, _) => Some(Step::SetAside(entry())),
        (Outcome::Imported, AfterImport::Delete) => Some(Step::Remove(entry())),
        (Outcome::Imported, AfterImport::Keep) => {
            let expired = policy
                .retention
                .is_some_and(|retention| has_passed(row.decided_at, retention, now));
            expired.then(|| Step::Remove(entry()))
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
    use bundle_source::Location;

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

    fn known(entry: &Entry, outcome: Outcome, decided_at: i64) -> Known<'_> {
        Known {
            id: 1,
            file: entry.as_listed(),
            fingerprint: None,
            outcome,
            code: None,
            seen_since: at(0),
            decided_at: at(decided_at),
            missed: false,
        }
    }

    fn listing<'e>(files: impl IntoIterator<Item = &'e Entry>) -> Listing {
        files.into_iter().cloned().collect()
    }

    const DAY: u64 = 86_400;

    fn policy(after_import: AfterImport, retention_days: Option<u64>) -> Policy {
        Policy {
            after_import,
            retention: retention_days.map(|days| Duration::from_secs(days * DAY)),
            rejected_retention: None,
            skip_known: None,
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
            let rows = [known(&file, outcome, decided_at)].into_iter().collect();
            let listing = listing([&file]);
            let step = plan(listing.iter(), &rows, &policy, now).next();
            assert_eq!(step, *expect, "{outcome} {policy:?}");
        }
    }

    #[test]
    fn what_the_peer_imported_goes_by_its_retention_alone() {
        use AfterImport::{Delete, Keep};
        let file = entry("a.json", 100);
        let row = Known {
            code: Some(Code::ImportedBefore),
            ..known(&file, Outcome::Imported, 0)
        };
        let (rows, listing) = ([row].into_iter().collect(), listing([&file]));
        for (after_import, retention, days, expect) in [
            (Keep, None, 9_999, None),
            (Delete, None, 9_999, None),
            (Delete, Some(7), 6, None),
            (Delete, Some(7), 7, Some(Step::Remove(file.clone()))),
        ] {
            let policy = policy(after_import, retention);
            let step = plan(listing.iter(), &rows, &policy, at(days * 86_400)).next();
            assert_eq!(step, expect, "{policy:?} {days}");
        }
    }

    #[test]
    fn only_the_ledger_says_what_is_new() {
        let new = entry("new.json", 200);
        let rows = [known(&new, Outcome::Imported, 0)].into_iter().collect();
        let policy = policy(AfterImport::Keep, None);
        let late = entry("late.json", 100);
        let replaced = Entry {
            size: 11,
            ..entry("new.json", 200)
        };
        let touched = entry("new.json", 201);
        let check = |files: &[&Entry], examined: &Entry| {
            let listing = listing(files.iter().copied());
            let steps: Vec<Step> = plan(listing.iter(), &rows, &policy, at(300)).collect();
            assert_eq!(steps, [Step::Examine(examined.clone())]);
        };
        check(&[&late, &entry("new.json", 200)], &late);
        for changed in [replaced, touched] {
            check(&[&changed], &changed);
        }
    }

    #[test]
    fn known_files_go_missing_and_come_back() {
        let [a, b, other] = [entry("a", 100), entry("b", 200), entry("c", 300)];
        let touched = entry("a", 101);
        let (went, came_back) = (true, false);
        for (missed, listed, expect) in [
            ([false, false], vec![&a, &b, &other], vec![]),
            ([false, false], vec![&touched, &b], vec![]),
            ([false, false], vec![&a, &other], vec![(2, went)]),
            ([false, false], vec![], vec![(1, went), (2, went)]),
            ([false, true], vec![&a, &other], vec![]),
            ([true, true], vec![&other], vec![]),
            ([false, true], vec![&a, &b], vec![(2, came_back)]),
            ([false, true], vec![&b], vec![(1, went), (2, came_back)]),
            ([true, true], vec![&touched], vec![]),
            ([true, true], vec![&touched, &b], vec![(2, came_back)]),
        ] {
            let row = |file, id, missed| Known {
                id,
                missed,
                ..known(file, Outcome::Imported, 0)
            };
            let rows = [row(&a, 1, missed[0]), row(&b, 2, missed[1])];
            let rows = rows.into_iter().collect();
            let got = changed_presence(&listing(listed.clone()), &rows);
            assert_eq!(got, expect, "{missed:?} {listed:?}");
        }
    }

    #[test]
    fn the_newest_of_the_imported_files_that_are_there() {
        let [a, b, c] = [entry("a", 100), entry("b", 200), entry("c", 300)];
        let rows = [
            known(&a, Outcome::Imported, 0),
            known(&b, Outcome::Imported, 0),
            known(&c, Outcome::Ignored, 0),
        ]
        .into_iter()
        .collect();
        let newest_at =
            |listed: &[&Entry], now| newest_kept(&listing(listed.iter().copied()), &rows, at(now));
        let newest = |listed: &[&Entry]| newest_at(listed, 300);
        assert_eq!(newest_at(&[&a, &b], 200), Some(at(200)));
        assert_eq!(newest_at(&[&a, &b], 199), Some(at(100)));
        assert_eq!(newest(&[&a, &b, &c]), Some(at(200)));
        assert_eq!(newest(&[&a, &entry("b", 201)]), Some(at(100)));
        assert_eq!(newest(&[&c]), None);
    }

    #[test]
    fn the_peer_s_watermark_counts_where_files_are_kept() {
        use AfterImport::{Delete, Keep};
        let listing = listing([&entry("a", 100), &entry("b", 200), &entry("c", 201)]);
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
    fn content_is_skipped_within_its_time() {
        for (window, imported_at, now, expect) in [
            (None, 100, 100, false),
            (Some(50), 100, 100, true),
            (Some(50), 100, 149, true),
            (Some(50), 100, 150, false),
            (Some(50), 100, 99, false),
        ] {
            let policy = Policy {
                skip_known: window.map(Duration::from_secs),
                ..policy(AfterImport::Delete, None)
            };
            let got = policy.skips(at(imported_at), at(now));
            assert_eq!(got, expect, "{window:?} {imported_at} {now}");
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
