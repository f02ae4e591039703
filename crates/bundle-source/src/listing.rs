//! What a look at a source showed, in little memory: a backlog may have a hundred thousand files.

use std::fmt;
use std::ops::Range;

use chrono::{DateTime, Utc};

use crate::{Entry, Location};

/// The files that a look at a source showed, ordered by modification time, then location.
///
/// It has the texts of all files in one piece, some fifty bytes besides for each file, and gives a
/// file's [`Entry`] when it is asked for.
///
/// ```
/// use bundle_source::{Entry, Listing, Location};
///
/// let entry = |name: &str, seconds| Entry {
///     location: Location::new(name),
///     size: 2,
///     modified: chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default(),
///     etag: None,
/// };
/// let listing: Listing = [entry("late.json", 20), entry("early.json", 10)].into_iter().collect();
/// let names: Vec<&str> = listing.iter().map(|file| file.location).collect();
/// assert_eq!(names, ["early.json", "late.json"]);
/// assert_eq!(listing.entries().next(), Some(entry("early.json", 10)));
/// ```
#[derive(Clone, Default)]
pub struct Listing {
    /// For each file its location and, right behind it, its etag.
    text: String,
    files: Vec<File>,
}

/// How much a listing has in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    files: usize,
    text: usize,
}

/// A file, with where its texts are.
#[derive(Clone, Copy)]
struct File {
    modified: DateTime<Utc>,
    has_etag: bool,
    size: u64,
    start: usize,
    middle: usize,
    end: usize,
}

/// A file as a [`Listing`] has it: what its [`Entry`] has, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Where the file is.
    pub location: &'a str,
    /// Its size in bytes.
    pub size: u64,
    /// When its content was last modified.
    pub modified: DateTime<Utc>,
    /// What else tells one version of the file from the next.
    pub etag: Option<&'a str>,
}

impl Listing {
    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Listed<'_>> + Clone {
        self.files.iter().map(|file| self.listed(file))
    }

    /// The files' entries, oldest first, each made when it is asked for.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry> + Clone {
        self.iter().map(Listed::to_entry)
    }

    /// An empty one with room for what another had, and some more: one that grows has more than its
    /// size in memory at times, and leaves gaps there.
    pub(crate) fn with_room(room: Room) -> Self {
        let and_some = |size: usize| size + size / 8;
        Self {
            text: String::with_capacity(and_some(room.text)),
            files: Vec::with_capacity(and_some(room.files)),
        }
    }

    /// How much is in it.
    pub(crate) fn room(&self) -> Room {
        Room {
            files: self.files.len(),
            text: self.text.len(),
        }
    }

    /// Adds a file at the end. [`sort`](Self::sort) is called when all are there.
    pub(crate) fn push(&mut self, file: &Entry) {
        let start = self.text.len();
        self.text.push_str(file.location.as_str());
        let middle = self.text.len();
        self.text.push_str(file.etag.as_deref().unwrap_or_default());
        self.files.push(File {
            modified: file.modified,
            has_etag: file.etag.is_some(),
            size: file.size,
            start,
            middle,
            end: self.text.len(),
        });
    }

    /// Brings the files into their order.
    pub(crate) fn sort(&mut self) {
        let Self { text, files } = self;
        let order = |file: &File| (file.modified, part(text, file.start..file.middle));
        files.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
    }

    fn listed(&self, file: &File) -> Listed<'_> {
        let etag = || part(&self.text, file.middle..file.end);
        Listed {
            location: part(&self.text, file.start..file.middle),
            size: file.size,
            modified: file.modified,
            etag: file.has_etag.then(etag),
        }
    }
}

fn part(text: &str, place: Range<usize>) -> &str {
    &text[place]
}

impl FromIterator<Entry> for Listing {
    fn from_iter<I: IntoIterator<Item = Entry>>(files: I) -> Self {
        let mut listing = Self::default();
        for file in files {
            listing.push(&file);
        }
        listing.sort();
        listing
    }
}

impl PartialEq for Listing {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Listing {}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Listed<'_> {
    /// The file's entry.
    pub fn to_entry(self) -> Entry {
        Entry {
            location: Location::new(self.location),
            size: self.size,
            modified: self.modified,
            etag: self.etag.map(ToOwned::to_owned),
        }
    }

    /// Whether it is the very file of that entry, not another one that has its name.
    pub fn is(self, entry: &Entry) -> bool {
        self == entry.as_listed()
    }
}

impl Entry {
    /// The same, borrowed.
    pub fn as_listed(&self) -> Listed<'_> {
        Listed {
            location: self.location.as_str(),
            size: self.size,
            modified: self.modified,
            etag: self.etag.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, seconds: i64, etag: Option<&str>) -> Entry {
        Entry {
            location: Location::new(name),
            size: 7,
            modified: DateTime::from_timestamp(seconds, 5).unwrap(),
            etag: etag.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn files_come_by_time_then_name_with_all_that_was_said_of_them() {
        let files = [
            entry("é.json", 10, Some("1")),
            entry("b.json", 20, None),
            entry("a.json", 20, Some("")),
            entry("c.json", 5, Some("e-t-a-g")),
        ];
        let listing: Listing = files.iter().cloned().collect();
        let [e, b, a, c] = files;
        let expect = [c, e, a, b];
        assert_eq!(listing.entries().collect::<Vec<_>>(), expect);
        assert!(
            listing
                .iter()
                .zip(&expect)
                .all(|(listed, entry)| listed.is(entry))
        );
        assert_eq!(listing.len(), 4);
        assert!(!listing.is_empty());
    }

    #[test]
    fn a_listing_like_the_last_one_needs_no_more_room() {
        let files: Vec<Entry> = (0..100)
            .map(|number| entry(&format!("{number}.json"), number, Some("etag")))
            .collect();
        let last: Listing = files.iter().cloned().collect();
        let mut listing = Listing::with_room(last.room());
        let room = |listing: &Listing| (listing.text.capacity(), listing.files.capacity());
        let before = room(&listing);
        assert!(listing.is_empty());
        for file in &files {
            listing.push(file);
        }
        assert_eq!(room(&listing), before);
        assert_eq!(listing, last);
    }

    #[test]
    fn every_difference_is_told() {
        let file = entry("a.json", 10, Some("1"));
        let listing: Listing = [file.clone()].into_iter().collect();
        let listed = listing.iter().next().unwrap();
        assert!(listed.is(&file));
        let (location, modified) = (Location::new("b.json"), DateTime::UNIX_EPOCH);
        for other in [
            Entry {
                location,
                ..file.clone()
            },
            Entry {
                size: 8,
                ..file.clone()
            },
            Entry {
                modified,
                ..file.clone()
            },
            Entry {
                etag: Some("2".into()),
                ..file.clone()
            },
            Entry { etag: None, ..file },
        ] {
            assert!(!listed.is(&other));
            assert_ne!([other].into_iter().collect::<Listing>(), listing);
        }
    }
}
