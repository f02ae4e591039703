//! The objects that a store did not let us remove.

use std::collections::{HashMap, HashSet};

use crate::{Entry, Listing, Location};

/// The objects whose removal was refused.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    known: HashMap<Location, Entry>,
}

impl Refusals {
    /// Notes a refused object; tells whether that is news.
    pub(super) fn is_news(&mut self, entry: &Entry) -> bool {
        let before = self.known.insert(entry.location.clone(), entry.clone());
        before.as_ref() != Some(entry)
    }

    /// Whether this very object was refused before.
    pub(super) fn knows(&self, entry: &Entry) -> bool {
        self.known.get(&entry.location) == Some(entry)
    }

    /// Whether an object of this name was refused before.
    pub(super) fn has(&self, location: &Location) -> bool {
        self.known.contains_key(location)
    }

    /// Forgets those that are gone.
    pub(super) fn keep(&mut self, listing: &Listing) {
        if self.known.is_empty() {
            return;
        }
        let listed: HashSet<&str> = listing.iter().map(|file| file.location).collect();
        self.known
            .retain(|location, _| listed.contains(location.as_str()));
    }
}
