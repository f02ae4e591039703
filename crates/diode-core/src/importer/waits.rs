//! What was said of files that wait: the operator reads each reason once in a run of the program.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bundle_source::{Listing, Location};

use crate::Code;

/// The files that were said to wait, and why.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<HashMap<Location, Code>>);

impl Waits {
    /// Whether it has not been said yet that a file waits for that reason. It counts as said then.
    ///
    /// The ledger does not tell: who starts the program again, maybe with other settings, is to
    /// read what keeps the files now.
    pub(super) fn is_news(&self, location: &Location, code: Code) -> bool {
        self.lock().insert(location.clone(), code) != Some(code)
    }

    /// Forgets the files that are not there any more.
    pub(super) fn keep(&self, listing: &Listing) {
        let mut said = self.lock();
        if said.is_empty() {
            return;
        }
        let mut before = std::mem::take(&mut *said);
        let listed = listing.iter().map(|file| file.location);
        said.extend(listed.filter_map(|location| before.remove_entry(location)));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Location, Code>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bundle_source::Entry;
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_reason_is_news_once_while_the_file_is_there() {
        let (waits, file) = (Waits::default(), Location::new("a.json"));
        let entry = Entry {
            location: file.clone(),
            size: 1,
            modified: DateTime::UNIX_EPOCH,
            etag: None,
        };
        assert!(waits.is_news(&file, Code::Queue));
        assert!(!waits.is_news(&file, Code::Queue));
        assert!(waits.is_news(&file, Code::Platform));
        assert!(waits.is_news(&file, Code::Queue));
        waits.keep(&[entry].into_iter().collect());
        assert!(!waits.is_news(&file, Code::Queue));
        waits.keep(&Listing::default());
        assert!(waits.is_news(&file, Code::Queue));
    }
}
