//! What an access key may not do: with one object, or with any.

use std::collections::VecDeque;

use super::refusals::Refusals;
use crate::{Entry, Listing, Location};

/// How many objects must be denied in a row before that is taken to be so with all.
const IN_A_ROW: u32 = 2;

/// What a denial is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// This object, as far as is known.
    ThisOne,
    /// All: others have been denied, and none was permitted since.
    All,
}

/// What became of the removals that a store was asked for.
///
/// A store denies an object without saying whether it would another: a policy may be about a prefix.
/// So what was denied is not asked for again, but for one in each pass by turns, which tells whether
/// it may be removed now; those behind it have their turn.
#[derive(Debug, Default)]
pub(super) struct Denials {
    known: Refusals,
    /// The objects denied, the one to ask for next first.
    turns: VecDeque<Location>,
    /// What is denied and may be asked for in this pass all the same.
    turn: Option<Location>,
    in_a_row: u32,
}

impl Denials {
    /// A pass begins.
    pub(super) fn begin(&mut self, listing: &Listing) {
        self.known.keep(listing);
        self.turns.retain(|location| self.known.has(location));
        self.turn = self.turns.pop_front();
        self.turns.extend(self.turn.clone());
    }

    /// Whether the removal of an object is to be asked for.
    pub(super) fn may_ask(&mut self, entry: &Entry) -> bool {
        !self.known.knows(entry) || self.turn.take_if(|turn| *turn == entry.location).is_some()
    }

    /// An object was removed.
    pub(super) fn granted(&mut self, entry: &Entry) {
        self.in_a_row = 0;
        if self.known.knows(entry) {
            // What holds for one may hold for all.
            *self = Self::default();
        }
    }

    /// The removal of an object was denied. One that was denied before tells nothing of the others.
    pub(super) fn denied(&mut self, entry: &Entry) -> Denied {
        if !self.known.has(&entry.location) {
            self.turns.push_back(entry.location.clone());
        }
        if !self.known.is_news(entry) {
            return Denied::ThisOne;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row < IN_A_ROW {
            Denied::ThisOne
        } else {
            Denied::All
        }
    }
}

/// The object whose setting aside was denied last, if none was permitted since.
#[derive(Debug, Default)]
pub(super) struct LastDenied(Option<Location>);

impl LastDenied {
    /// An object was set aside.
    pub(super) fn granted(&mut self) {
        self.0 = None;
    }

    /// The setting aside of an object was denied.
    pub(super) fn denied(&mut self, location: &Location) -> Denied {
        match self.0.replace(location.clone()) {
            Some(before) if before != *location => Denied::All,
            _ => Denied::ThisOne,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn entry(name: &str) -> Entry {
        Entry {
            location: Location::new(name),
            size: 1,
            modified: DateTime::UNIX_EPOCH,
            etag: Some(name.to_owned()),
        }
    }

    /// A pass over a bucket of so many objects that are removed in turn until that is hopeless: those
    /// that were asked for, and how it ended. What `permits` says goes.
    fn pass(
        denials: &mut Denials,
        objects: &mut Vec<u32>,
        permits: impl Fn(u32) -> bool,
    ) -> (Vec<u32>, Option<Denied>) {
        let name = |number: &u32| format!("{number:03}");
        let listing: Listing = objects.iter().map(|number| entry(&name(number))).collect();
        denials.begin(&listing);
        let (mut asked, mut last) = (Vec::new(), None);
        for number in objects.clone() {
            let entry = entry(&name(&number));
            if !denials.may_ask(&entry) {
                continue;
            }
            asked.push(number);
            if permits(number) {
                denials.granted(&entry);
                objects.retain(|object| *object != number);
                continue;
            }
            last = Some(denials.denied(&entry));
            if last == Some(Denied::All) {
                break;
            }
        }
        (asked, last)
    }

    #[test]
    fn one_object_is_no_read_only_bucket() {
        let (mut denials, mut objects) = (Denials::default(), vec![1, 2, 3]);
        let permits = |object| object != 1;
        let first = pass(&mut denials, &mut objects, permits);
        assert_eq!(first, (vec![1, 2, 3], Some(Denied::ThisOne)));
        objects.push(4);
        let second = pass(&mut denials, &mut objects, permits);
        assert_eq!(second, (vec![1, 4], Some(Denied::ThisOne)));
        assert_eq!(objects, [1]);
    }

    #[test]
    fn a_read_only_bucket_is_asked_little() {
        let (mut denials, mut objects) = (Denials::default(), (1..100).collect());
        let first = pass(&mut denials, &mut objects, |_| false);
        assert_eq!(first, (vec![1, 2], Some(Denied::All)));
        for _ in 0..10 {
            let (asked, last) = pass(&mut denials, &mut objects, |_| false);
            assert!(asked.len() <= 2, "{asked:?}");
            assert_eq!(last, Some(Denied::All));
        }
    }

    #[test]
    fn a_locked_prefix_keeps_nothing_behind_it_for_ever() {
        let (mut denials, mut objects) = (Denials::default(), (0..100).collect::<Vec<_>>());
        let permits = |object| object >= 20;
        for _ in 0..20 {
            let (asked, _) = pass(&mut denials, &mut objects, permits);
            let useless = asked.iter().filter(|object| !permits(**object)).count();
            assert!(useless <= 3, "{asked:?}");
        }
        assert_eq!(objects, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_permitted_later_is_noticed_whichever_it_is() {
        for lifted in [0, 7, 19] {
            let (mut denials, mut objects) = (Denials::default(), (0..20).collect::<Vec<_>>());
            for _ in 0..20 {
                pass(&mut denials, &mut objects, |_| false);
            }
            for _ in 0..21 {
                pass(&mut denials, &mut objects, |object| object == lifted);
            }
            assert!(!objects.contains(&lifted), "{objects:?}");
            assert_eq!(objects.len(), 19);
            for _ in 0..2 {
                pass(&mut denials, &mut objects, |_| true);
            }
            assert_eq!(objects, [0; 0]);
        }
    }

    #[test]
    fn another_object_of_the_same_key_is_asked_for() {
        let (mut denials, old) = (Denials::default(), entry("a"));
        let new = Entry {
            size: 2,
            ..old.clone()
        };
        assert_eq!(denials.denied(&old), Denied::ThisOne);
        denials.begin(&[new.clone()].into_iter().collect());
        denials.turn = None;
        assert!(!denials.may_ask(&old) && denials.may_ask(&new));
    }

    #[test]
    fn two_that_are_not_set_aside_are_all() {
        let (a, b) = (Location::new("a"), Location::new("b"));
        let mut last = LastDenied::default();
        assert_eq!(last.denied(&a), Denied::ThisOne);
        assert_eq!(last.denied(&a), Denied::ThisOne);
        assert_eq!(last.denied(&b), Denied::All);
        assert_eq!(last.denied(&a), Denied::All);
        last.granted();
        assert_eq!(last.denied(&a), Denied::ThisOne);
    }
}
