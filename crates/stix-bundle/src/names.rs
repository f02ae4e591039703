//! Every id, type and reference of a bundle once, and the object it leads to.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::Profile;

/// Names, numbered in the order in which they were met.
///
/// There is one for each object and more, so they are kept small: as places in the bundle's text.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    text: &'a str,
    /// Those that do not stand in the text, since they have escapes.
    others: Vec<Box<str>>,
    list: Vec<Name>,
    numbers: HashTable<u32>,
    /// Seeded anew for each bundle: a file cannot be made so that its ids collide.
    hasher: RandomState,
}

#[derive(Debug)]
struct Name {
    place: Place,
    supported: bool,
    /// The last object with this id; [`NONE`] where there is none.
    own: u32,
    /// The last object with this internal id, likewise.
    internal: u32,
}

/// Where a name stands in the text, or the number of one that does not, with [`OTHER`].
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    length: u32,
}

/// The length of a name that does not stand in the text.
const OTHER: u32 = u32::MAX;

/// The greatest number: a link has 29 bits for it.
const MAX_NUMBER: u32 = u32::MAX >> 3;

/// The number of no object.
const NONE: u32 = u32::MAX;

impl<'a> Names<'a> {
    /// No names yet, with room for as many as there are objects. Most are places in `text`.
    pub(crate) fn with_capacity(objects: usize, text: &'a str) -> Self {
        Self {
            text,
            others: Vec::new(),
            list: Vec::with_capacity(objects),
            numbers: HashTable::with_capacity(objects),
            hasher: RandomState::default(),
        }
    }

    /// The number of a name; `None` where there are more than can be numbered.
    pub(crate) fn number(&mut self, name: &str, profile: &Profile) -> Option<u32> {
        let hash = self.hasher.hash_one(name);
        let same = |number: &u32| self.text_of(*number) == name;
        if let Some(&number) = self.numbers.find(hash, same) {
            return Some(number);
        }
        let number = u32::try_from(self.list.len()).ok()?;
        if number > MAX_NUMBER {
            return None;
        }
        let place = if let Some(place) = place(self.text, name) {
            place
        } else {
            self.others.push(Box::from(name));
            Place {
                start: u32::try_from(self.others.len() - 1).ok()?,
                length: OTHER,
            }
        };
        self.list.push(Name {
            place,
            supported: profile.supports(name),
            own: NONE,
            internal: NONE,
        });
        let Self {
            text,
            others,
            list,
            numbers,
            hasher,
        } = self;
        let hash_of = |number: &u32| hasher.hash_one(read(text, others, &list[*number as usize]));
        numbers.insert_unique(hash, number, hash_of);
        Some(number)
    }

    /// A name itself.
    pub(crate) fn text_of(&self, number: u32) -> &str {
        read(self.text, &self.others, &self.list[number as usize])
    }

    /// Lets go of what finding a name's number takes.
    pub(crate) fn finish(&mut self) {
        self.numbers = HashTable::new();
    }

    /// Notes the object that has a name as its id; a later one replaces it.
    pub(crate) fn set_own(&mut self, number: u32, object: u32) {
        self.list[number as usize].own = object;
    }

    /// Notes the object that has a name as an internal id; a later one replaces it.
    pub(crate) fn set_internal(&mut self, number: u32, object: u32) {
        self.list[number as usize].internal = object;
    }

    /// Whether the platform takes an object of this name.
    pub(crate) fn is_supported(&self, number: u32) -> bool {
        self.list[number as usize].supported
    }

    /// The object of this id.
    pub(crate) fn own(&self, number: u32) -> Option<usize> {
        object(self.list[number as usize].own)
    }

    /// The object that a reference of this name leads to: by id or else by internal id.
    pub(crate) fn object(&self, number: u32) -> Option<usize> {
        let name = &self.list[number as usize];
        object(name.own).or(object(name.internal))
    }
}

fn object(number: u32) -> Option<usize> {
    (number != NONE).then_some(number as usize)
}

fn read<'t>(text: &'t str, others: &'t [Box<str>], name: &Name) -> &'t str {
    let Place { start, length } = name.place;
    if length == OTHER {
        &others[start as usize]
    } else {
        &text[start as usize..][..length as usize]
    }
}

/// Where a name stands in the text; `None` where it does not, or lies beyond the first 4 GiB.
fn place(text: &str, name: &str) -> Option<Place> {
    let start = name.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    if start + name.len() > text.len() {
        return None;
    }
    let start = u32::try_from(start).ok()?;
    let length = u32::try_from(name.len()).ok()?;
    (length != OTHER).then_some(Place { start, length })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn a_name_is_the_same_wherever_it_stands() {
        let profile = Profile::opencti();
        let text = String::from("tool--1 x-foo--1 tool--1");
        let mut names = Names::with_capacity(0, &text);
        let elsewhere = String::from("tool--1");
        for (name, expect) in [
            (Cow::Borrowed(&text[..7]), 0),
            (Cow::Borrowed(&text[8..16]), 1),
            (Cow::Borrowed(&text[17..]), 0),
            (Cow::Borrowed(elsewhere.as_str()), 0),
            (Cow::Owned("tool--1".to_owned()), 0),
            (Cow::Owned("\n".to_owned()), 2),
            (Cow::Borrowed(""), 3),
        ] {
            assert_eq!(names.number(&name, &profile), Some(expect), "{name:?}");
            assert_eq!(names.text_of(expect), name);
        }
        assert!(names.is_supported(0) && !names.is_supported(1));
        assert_eq!((names.own(0), names.object(0)), (None, None));
        names.set_internal(0, 7);
        assert_eq!((names.own(0), names.object(0)), (None, Some(7)));
        names.set_own(0, 8);
        assert_eq!((names.own(0), names.object(0)), (Some(8), Some(8)));
    }

    #[test]
    fn many_names() {
        let profile = Profile::opencti();
        let mut names = Names::with_capacity(0, "");
        for round in 0..2 {
            for number in 0..5_000 {
                let name = Cow::Owned(format!("tool--{number}"));
                assert_eq!(names.number(&name, &profile), Some(number), "{round}");
            }
        }
    }
}
