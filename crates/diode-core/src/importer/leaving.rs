//! Files that are recorded together, and leave together: the disk is waited for once.

use bundle_source::Entry;
use chrono::{DateTime, TimeDelta, Utc};

use super::{Course, Importer};
use crate::trouble::Fatal;

/// The disk is waited for once so many files are recorded: a power failure lets them be sent once
/// more.
const AT_ONCE: usize = 100;

/// A file that is imported stays for so long at most while others are imported, but for the one
/// that is being sent when this time is over.
const FOR_AT_MOST: TimeDelta = TimeDelta::milliseconds(200);

/// Imported files, recorded in the ledger but maybe not yet on disk.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    /// How many were recorded.
    recorded: usize,
    since: Option<DateTime<Utc>>,
    /// Those of them that are to be deleted.
    files: Vec<Entry>,
}

impl Leaving {
    /// Counts a file whose import is recorded.
    pub(super) fn recorded(&mut self, now: DateTime<Utc>) {
        self.recorded += 1;
        self.since.get_or_insert(now);
    }

    /// Such a file is to be deleted.
    pub(super) fn add(&mut self, file: &Entry) {
        self.files.push(file.clone());
    }

    /// Whether there are enough of them, or one of them has stayed long enough. A clock that was
    /// set back lets them go.
    pub(super) fn is_due(&self, now: DateTime<Utc>) -> bool {
        let stayed = |since| !(TimeDelta::zero()..FOR_AT_MOST).contains(&(now - since));
        self.recorded >= AT_ONCE || self.since.is_some_and(stayed)
    }

    fn take(&mut self) -> Vec<Entry> {
        self.recorded = 0;
        self.since = None;
        std::mem::take(&mut self.files)
    }
}

impl Importer {
    /// Makes sure that the ledger is on disk, and then deletes the files that it says are imported.
    pub(super) async fn let_leave(&self, course: &mut Course) -> Result<(), Fatal> {
        self.ledger.flush()?;
        self.remove_all(&course.leaving.take()).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use bundle_source::Location;

    use super::*;

    #[test]
    fn files_leave_when_they_are_many_or_have_stayed_for_long() {
        let at = |milliseconds| DateTime::from_timestamp_millis(milliseconds).unwrap();
        let file = Entry {
            location: Location::new("a.json"),
            size: 1,
            modified: at(0),
            etag: None,
        };
        for (files, now, expect) in [
            (0, 99_999, false),
            (1, 1000, false),
            (1, 1199, false),
            (1, 1200, true),
            (1, 999, true),
            (99, 1000, false),
            (100, 1000, true),
        ] {
            let mut leaving = Leaving::default();
            for _ in 0..files {
                leaving.recorded(at(1000));
                leaving.add(&file);
            }
            assert_eq!(leaving.is_due(at(now)), expect, "{files} {now}");
            assert_eq!(leaving.take().len(), files);
            assert!(!leaving.is_due(at(99_999)), "they have left");
        }
    }
}
