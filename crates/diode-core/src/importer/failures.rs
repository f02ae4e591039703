//! Changes to files that fail in pass after pass: each is said once in a run of the program.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bundle_source::Entry;

/// So many are told of one by one; of further ones there is their number.
const NAMED: usize = 10_000;

/// What was said of changes that failed.
#[derive(Debug, Default)]
pub(super) struct Failures {
    memory: Mutex<Memory>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Memory {
    /// Of each that was told of, what it was, as a hash.
    said: HashSet<u64>,
    /// How many of this pass were not.
    unnamed: usize,
    /// How many of them the log has been told of.
    told: usize,
}

impl Failures {
    /// A new pass begins. Returns how many failed in the last one without being told of, where that
    /// is news.
    pub(super) fn pass_begins(&self) -> Option<usize> {
        let mut memory = self.lock();
        let unnamed = std::mem::take(&mut memory.unnamed);
        let before = std::mem::replace(&mut memory.told, unnamed);
        (unnamed != before).then_some(unnamed)
    }

    /// Takes note of what failed with a file. Returns whether it is to be said: of that very file, and
    /// for that reason, it was not.
    pub(super) fn is_news_of(&self, entry: &Entry, reason: &str) -> bool {
        let file = (entry.location.as_str(), entry.size, entry.modified);
        self.is_news(self.hasher.hash_one((file, reason)))
    }

    /// The same of a file that was set aside, by its row.
    pub(super) fn is_news_of_row(&self, id: i64, reason: &str) -> bool {
        self.is_news(self.hasher.hash_one((id, reason)))
    }

    fn is_news(&self, hash: u64) -> bool {
        let mut memory = self.lock();
        if memory.said.contains(&hash) {
            return false;
        }
        let is_named = memory.said.len() < NAMED;
        if is_named {
            memory.said.insert(hash);
        } else {
            memory.unnamed += 1;
        }
        is_named
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bundle_source::Location;
    use chrono::DateTime;

    use super::*;

    fn entry(size: u64) -> Entry {
        Entry {
            location: Location::new("a.json"),
            size,
            modified: DateTime::UNIX_EPOCH,
            etag: None,
        }
    }

    #[test]
    fn a_failure_is_news_once_for_each_file_and_reason() {
        let failures = Failures::default();
        for (size, reason, expect) in [
            (1, "full", true),
            (1, "full", false),
            (1, "denied", true),
            (2, "full", true),
            (2, "full", false),
        ] {
            let got = failures.is_news_of(&entry(size), reason);
            assert_eq!(got, expect, "{size} {reason}");
        }
        assert!(failures.is_news_of_row(1, "full"));
        assert!(!failures.is_news_of_row(1, "full"));
    }

    #[test]
    fn of_too_many_there_is_their_number_when_it_changes() {
        let failures = Failures::default();
        for (files, expect) in [
            (NAMED, None),
            (NAMED + 7, Some(7)),
            (NAMED + 7, None),
            (NAMED + 8, Some(8)),
            (NAMED, Some(0)),
            (NAMED, None),
        ] {
            for size in 0..files {
                failures.is_news_of(&entry(size as u64), "full");
            }
            assert_eq!(failures.pass_begins(), expect, "{files}");
        }
    }
}
