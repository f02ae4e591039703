//! What a look at a source showed, in little memory: a backlog may have a hundred thousand files.

use std::fmt;
use std::ops::Range;

use chrono::{DateTime, Utc};

use crate::{Entry, Location, Position, Rest, Selection, Wanted};

/// The files that a look at a source showed, ordered by modification time, then location: all of them,
/// or those that were [`Wanted`].
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
    rest: Option<Rest>,
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

    /// What was left out, where more files were there than were wanted.
    pub fn rest(&self) -> Option<&Rest> {
        self.rest.as_ref()
    }

    /// Those that stand at `from` or behind it, and before `to`.
    pub fn between(
        &self,
        from: Option<&Position>,
        to: Option<&Position>,
    ) -> impl ExactSizeIterator<Item = Listed<'_>> + Clone {
        let place = |position: &Position| {
            let stands_before = |file: &File| {
                let file = self.listed(file);
                position.is_after(file.modified, file.location)
            };
            self.files.partition_point(stands_before)
        };
        let end = to.map_or(self.files.len(), place);
        let start = from.map_or(0, place).min(end);
        self.files[start..end].iter().map(|file| self.listed(file))
    }

    /// Those of them that are wanted.
    #[must_use]
    pub fn only(&self, wanted: &Wanted) -> Self {
        let mut selection = Selection::new(wanted);
        for file in self.iter() {
            selection.push(file);
        }
        selection.finish()
    }

    /// An empty one with room for what another had, and some more: one that grows has more than its
    /// size in memory at times, and leaves gaps there.
    pub(crate) fn with_room(room: Room) -> Self {
        let and_some = |size: usize| size + size / 8;
        Self {
            text: String::with_capacity(and_some(room.text)),
            files: Vec::with_capacity(and_some(room.files)),
            rest: None,
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
    pub(crate) fn push(&mut self, file: Listed<'_>) {
        let start = self.text.len();
        self.text.push_str(file.location);
        let middle = self.text.len();
        self.text.push_str(file.etag.unwrap_or_default());
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
        let Self { text, files, .. } = self;
        files.sort_unstable_by(|a, b| order(text, a).cmp(&order(text, b)));
    }

    /// Keeps so many of more files, the oldest, in no order. Returns where the first of the others stands.
    pub(crate) fn keep_oldest(&mut self, most: usize) -> Position {
        let Self { text, files, .. } = self;
        let by_order = |a: &File, b: &File| order(text, a).cmp(&order(text, b));
        let (_, first, _) = files.select_nth_unstable_by(most, by_order);
        let first = *first;
        let first = Position::of(self.listed(&first));
        self.files.truncate(most);
        self.compact();
        first
    }

    /// Drops the texts of files that are not there any more, where they are.
    fn compact(&mut self) {
        let Self { text, files, .. } = self;
        files.sort_unstable_by_key(|file| file.start);
        let mut kept = files.iter().map(|file| file.start..file.end).peekable();
        let mut place = 0;
        text.retain(|character| {
            while kept.next_if(|range| range.end <= place).is_some() {}
            let is_kept = kept.peek().is_some_and(|range| range.contains(&place));
            place += character.len_utf8();
            is_kept
        });
        let mut start = 0;
        for file in files {
            let moved = file.start - start;
            file.start -= moved;
            file.middle -= moved;
            file.end -= moved;
            start = file.end;
        }
    }

    /// Says what was left out.
    pub(crate) fn leave_out(&mut self, rest: Option<Rest>) {
        self.rest = rest;
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

/// What files are ordered by.
fn order<'t>(text: &'t str, file: &File) -> (DateTime<Utc>, &'t str) {
    (file.modified, part(text, file.start..file.middle))
}

impl FromIterator<Entry> for Listing {
    fn from_iter<I: IntoIterator<Item = Entry>>(files: I) -> Self {
        let mut listing = Self::default();
        for file in files {
            listing.push(file.as_listed());
        }
        listing.sort();
        listing
    }
}

impl PartialEq for Listing {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter()) && self.rest == other.rest
    }
}

impl Eq for Listing {}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<Listed<'_>> = self.iter().collect();
        f.debug_tuple("Listing")
            .field(&files)
            .field(&self.rest)
            .finish()
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
            listing.push(file.as_listed());
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
