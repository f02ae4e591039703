//! What a source did not let us remove, file by file.

use std::collections::{HashMap, HashSet};

use crate::{Entry, Listing, Location};

/// The files whose removal was refused, and told of.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    known: HashMap<Location, Entry>,
}

impl Refusals {
    /// Notes a refused file; tells whether that is news.
    pub(crate) fn is_news(&mut self, entry: &Entry) -> bool {
        let before = self.known.insert(entry.location.clone(), entry.clone());
        before.as_ref() != Some(entry)
    }

    /// Whether this very file was refused before.
    pub(crate) fn knows(&self, entry: &Entry) -> bool {
        self.known.get(&entry.location) == Some(entry)
    }

    /// Whether a file of this name was refused before.
    pub(crate) fn has(&self, location: &Location) -> bool {
        self.known.contains_key(location)
    }

    /// Forgets the files that are gone.
    pub(crate) fn keep(&mut self, listing: &Listing) {
        if self.known.is_empty() {
            return;
        }
        let listed: HashSet<&str> = listing.iter().map(|file| file.location).collect();
        self.known
            .retain(|location, _| listed.contains(location.as_str()));
    }
}
