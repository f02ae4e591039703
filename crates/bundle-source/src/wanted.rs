//! Listing as many files of a source as are wanted: however many there are, memory is for these.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{Listed, Listing, Location};

/// Where a file stands in the order of files: by modification time, then location.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// When its content was last modified.
    pub modified: DateTime<Utc>,
    /// Where it is.
    pub location: Location,
}

/// The files that a listing has left out, because there were more than were wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// How many.
    pub files: usize,
    /// Where the oldest of them stands. All files before it that were asked for are in the listing.
    pub first: Position,
}

/// Which files a listing is to have.
///
/// ```
/// use bundle_source::{Entry, Listing, Location, Wanted};
///
/// let files = ["a.json", "b.json", "c.json", "d.json"].map(|name| Entry {
///     location: Location::new(name),
///     size: 2,
///     modified: chrono::DateTime::UNIX_EPOCH,
///     etag: None,
/// });
/// let all: Listing = files.into_iter().collect();
/// let names = |listing: &Listing| -> Vec<String> {
///     listing.iter().map(|file| file.location.to_owned()).collect()
/// };
///
/// let wanted = Wanted::oldest(2).and_all(|location| location == "d.json");
/// let some = all.only(&wanted);
/// assert_eq!(names(&some), ["a.json", "b.json", "d.json"]);
///
/// let rest = some.rest().unwrap();
/// assert_eq!((rest.files, rest.first.location.as_str()), (1, "c.json"));
///
/// let others = all.only(&wanted.starting_at(rest.first.clone()));
/// assert_eq!(names(&others), ["c.json", "d.json"]);
/// assert_eq!(others.rest(), None);
/// ```
#[derive(Clone)]
pub struct Wanted {
    most: usize,
    from: Option<Position>,
    always: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

impl Wanted {
    /// All files.
    pub fn all() -> Self {
        Self::oldest(usize::MAX)
    }

    /// So many files, the oldest that there are; one at least.
    pub fn oldest(most: usize) -> Self {
        Self {
            most: most.max(1),
            from: None,
            always: Arc::new(|_| false),
        }
    }

    /// The same, and besides all those at such locations, however many they are.
    #[must_use]
    pub fn and_all(self, such: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let always = self.always;
        Self {
            always: Arc::new(move |location| always(location) || such(location)),
            ..self
        }
    }

    /// The same, but none that stands before `position`: those are not even left out.
    #[must_use]
    pub fn starting_at(self, position: Position) -> Self {
        Self {
            from: Some(position),
            ..self
        }
    }

    /// Whether files are wanted from the oldest on, and not those that an earlier listing left out.
    pub fn is_from_the_start(&self) -> bool {
        self.from.is_none()
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted")
            .field("most", &self.most)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl Position {
    /// Where a file stands.
    pub fn of(file: Listed<'_>) -> Self {
        Self {
            modified: file.modified,
            location: Location::new(file.location),
        }
    }

    /// Whether a file of that time and location stands before this.
    pub(crate) fn is_after(&self, modified: DateTime<Utc>, location: &str) -> bool {
        (modified, location) < (self.modified, self.location.as_str())
    }
}

/// A listing that is being made: each file that there is is told to it, in any order, and at its end
/// it has those that are wanted.
///
/// Beyond them it has no more meanwhile than a quarter of as many as are wanted of the oldest.
#[derive(Debug)]
pub struct Selection<'w> {
    wanted: &'w Wanted,
    /// Those that are wanted in any case.
    always: Listing,
    /// The oldest others that were told, and maybe some more.
    oldest: Listing,
    rest: Option<Rest>,
}

impl<'w> Selection<'w> {
    /// One to which nothing was told yet.
    pub fn new(wanted: &'w Wanted) -> Self {
        Self::upon(Listing::default(), wanted)
    }

    /// One whose listing goes where an empty one is.
    pub(crate) fn upon(empty: Listing, wanted: &'w Wanted) -> Self {
        Self {
            wanted,
            always: empty,
            oldest: Listing::default(),
            rest: None,
        }
    }

    /// Tells of a file.
    pub fn push(&mut self, file: Listed<'_>) {
        let stands_before = |position: &Position| position.is_after(file.modified, file.location);
        if self.wanted.from.as_ref().is_some_and(stands_before) {
            return;
        }
        if (self.wanted.always)(file.location) {
            self.always.push(file);
            return;
        }
        if let Some(rest) = &mut self.rest
            && !stands_before(&rest.first)
        {
            rest.files += 1;
            return;
        }
        self.oldest.push(file);
        let most = self.wanted.most;
        if self.oldest.len() > most.saturating_add(most / 4) {
            self.cut();
        }
    }

    /// The listing.
    pub fn finish(mut self) -> Listing {
        if self.oldest.len() > self.wanted.most {
            self.cut();
        }
        let (mut listing, others) = if self.always.len() < self.oldest.len() {
            (self.oldest, self.always)
        } else {
            (self.always, self.oldest)
        };
        for file in others.iter() {
            listing.push(file);
        }
        listing.sort();
        listing.leave_out(self.rest);
        listing
    }

    /// Leaves out what is too much of the oldest. All of them stand before those that were left out
    /// earlier.
    fn cut(&mut self) {
        let files = self.oldest.len() - self.wanted.most;
        let earlier = self.rest.take().map_or(0, |rest| rest.files);
        self.rest = Some(Rest {
            files: earlier + files,
            first: self.oldest.keep_oldest(self.wanted.most),
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Entry;

    fn entry(name: u8, seconds: i64) -> Entry {
        Entry {
            location: Location::new(format!("{name}.json")),
            size: u64::from(name),
            modified: DateTime::from_timestamp(seconds, 0).unwrap(),
            etag: name.is_multiple_of(2).then(|| format!("etag of {name}")),
        }
    }

    /// Files with many of the same time, in no order, each location once.
    fn files() -> impl Strategy<Value = Vec<Entry>> {
        let times = proptest::collection::btree_map(any::<u8>(), 0..10_i64, 0..60);
        let files = times.prop_map(|times| -> Vec<Entry> {
            times
                .into_iter()
                .map(|(name, time)| entry(name, time))
                .collect()
        });
        files.prop_shuffle()
    }

    fn is_known(location: &str) -> bool {
        location.starts_with('1')
    }

    proptest! {
        #[test]
        fn the_oldest_and_the_known_are_listed_and_the_rest_is_counted(
            files in files(),
            most in 1..20_usize,
            from in proptest::option::of((any::<u8>(), 0..10_i64)),
        ) {
            let from = from.map(|(name, time)| Position::of(entry(name, time).as_listed()));
            let mut wanted = Wanted::oldest(most).and_all(is_known);
            if let Some(from) = &from {
                wanted = wanted.starting_at(from.clone());
            }
            let mut selection = Selection::new(&wanted);
            for file in &files {
                selection.push(file.as_listed());
                prop_assert!(selection.oldest.len() <= most + most / 4);
            }
            let listing = selection.finish();

            let all: Listing = files.iter().cloned().collect();
            let (mut expect, mut left_out) = (Vec::new(), Vec::new());
            let mut others = 0;
            for file in all.iter() {
                let position = Position::of(file);
                if from.as_ref().is_some_and(|from| position < *from) {
                    continue;
                }
                if is_known(file.location) {
                    expect.push(file);
                } else {
                    others += 1;
                    if others <= most {
                        expect.push(file);
                    } else {
                        left_out.push(position);
                    }
                }
            }
            prop_assert_eq!(listing.iter().collect::<Vec<_>>(), expect);
            let rest = left_out.first().map(|first| Rest {
                files: left_out.len(),
                first: first.clone(),
            });
            prop_assert_eq!(listing.rest(), rest.as_ref());
            prop_assert_eq!(&all.only(&wanted), &listing);

            // What stands before the rest has no gaps, and it and what is behind are all.
            let to = listing.rest().map(|rest| &rest.first);
            let whole = all.between(from.as_ref(), to);
            prop_assert!(listing.between(from.as_ref(), to).eq(whole));
            let both = listing.between(None, to).chain(to.into_iter().flat_map(|to| {
                listing.between(Some(to), None)
            }));
            prop_assert!(both.eq(listing.iter()));
        }

        #[test]
        fn one_listing_after_the_other_comes_to_all_files_in_their_order(
            files in files(),
            most in 0..20_usize,
        ) {
            let all: Listing = files.into_iter().collect();
            let mut wanted = Wanted::oldest(most);
            let mut found: Vec<Entry> = Vec::new();
            loop {
                let listing = all.only(&wanted);
                prop_assert!(listing.len() <= most.max(1));
                found.extend(listing.entries());
                let Some(rest) = listing.rest() else { break };
                prop_assert_eq!(found.len() + rest.files, all.len());
                wanted = wanted.starting_at(rest.first.clone());
            }
            prop_assert!(found.into_iter().eq(all.entries()));
        }
    }

    #[test]
    fn nothing_is_between_a_position_and_one_before_it() {
        let listing: Listing = (0..5).map(|name| entry(name, name.into())).collect();
        let at = |name: u8| Position::of(entry(name, name.into()).as_listed());
        let names = |from: u8, to: u8| listing.between(Some(&at(from)), Some(&at(to))).len();
        assert_eq!(
            [names(1, 3), names(3, 3), names(3, 1), names(4, 9)],
            [2, 0, 0, 1]
        );
    }
}
