//! Every id, type and reference of a bundle once, and the object it leads to.

use std::borrow::Cow;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use memchr::memchr;

use crate::Profile;
use crate::room::push;

/// Names, numbered in the order in which they were met.
///
/// There is one for each object and more, so they are kept small: as places in the bundle's text.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    store: Store<'a>,
    numbers: HashTable<u32>,
    /// Seeded anew for each bundle: a file cannot be made so that its ids collide.
    hasher: RandomState,
}

#[derive(Debug)]
struct Store<'a> {
    text: &'a str,
    /// Those that do not stand in the text, since they have escapes.
    others: Vec<Box<str>>,
    list: Vec<Name>,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    /// Where it starts in the text, up to the next quotation mark; of one with [`OTHER`], its number
    /// among the others.
    place: u32,
    /// The number of the object that it leads to, or [`NONE`], with three bits beside it.
    object: u32,
}

/// The platform takes an object of this name.
const SUPPORTED: u32 = 1;
/// It does not stand in the text.
const OTHER: u32 = 2;
/// It leads to the last object that has it as its id; without, to the last one that has it as an
/// internal id.
const OWN: u32 = 4;
const OBJECT_SHIFT: u32 = 3;

/// The number of no object.
const NONE: u32 = u32::MAX >> OBJECT_SHIFT;

/// The greatest number of an object: 29 bits are left for it.
pub(crate) const MAX_OBJECT: u32 = NONE - 1;

/// The greatest number of a name: a link has 29 bits for it.
const MAX_NUMBER: u32 = u32::MAX >> 3;

impl Name {
    fn has(self, bit: u32) -> bool {
        self.object & bit != 0
    }

    fn object(self) -> Option<u32> {
        let number = self.object >> OBJECT_SHIFT;
        (number != NONE).then_some(number)
    }

    fn lead_to(&mut self, object: u32, own: u32) {
        self.object = object << OBJECT_SHIFT | own | self.object & (SUPPORTED | OTHER);
    }
}

impl<'a> Names<'a> {
    /// No names yet, with room for as many as there are objects. Most are places in `text`.
    pub(crate) fn with_capacity(objects: usize, text: &'a str) -> Self {
        Self {
            store: Store {
                text,
                others: Vec::new(),
                list: Vec::with_capacity(objects),
            },
            numbers: HashTable::with_capacity(objects),
            hasher: RandomState::default(),
        }
    }

    /// The number of a name; `None` where there are more than can be numbered. A borrowed name is
    /// what stands between two quotation marks, so it has none within.
    #[expect(clippy::ptr_arg, reason = "whether it is borrowed counts")]
    pub(crate) fn number(&mut self, name: &Cow<'_, str>, profile: &Profile) -> Option<u32> {
        let Self {
            store,
            numbers,
            hasher,
        } = self;
        let hash = hasher.hash_one(&**name);
        if let Some(&number) = numbers.find(hash, |number| store.is(*number, name)) {
            return Some(number);
        }
        let number = store.add(name, profile)?;
        let hash_of = |number: &u32| hasher.hash_one(store.read(*number));
        numbers.insert_unique(hash, number, hash_of);
        Some(number)
    }

    /// A name itself.
    pub(crate) fn text_of(&self, number: u32) -> &str {
        self.store.read(number)
    }

    /// Lets go of what finding a name's number takes.
    pub(crate) fn finish(&mut self) {
        self.numbers = HashTable::new();
    }

    /// Notes the object that has a name as its id; another one replaces it.
    pub(crate) fn set_own(&mut self, number: u32, object: u32) {
        self.store.list[number as usize].lead_to(object, OWN);
    }

    /// Notes the object that has a name as an internal id, unless one has it as its id; a later one
    /// replaces it.
    pub(crate) fn set_internal(&mut self, number: u32, object: u32) {
        let name = &mut self.store.list[number as usize];
        if !name.has(OWN) {
            name.lead_to(object, 0);
        }
    }

    /// Whether the platform takes an object of this name.
    pub(crate) fn is_supported(&self, number: u32) -> bool {
        self.store.list[number as usize].has(SUPPORTED)
    }

    /// The object of this id.
    pub(crate) fn own(&self, number: u32) -> Option<u32> {
        let name = self.store.list[number as usize];
        name.object().filter(|_| name.has(OWN))
    }

    /// The object that a reference of this name leads to: by id or else by internal id.
    pub(crate) fn object(&self, number: u32) -> Option<u32> {
        self.store.list[number as usize].object()
    }
}

impl Store<'_> {
    #[expect(clippy::ptr_arg, reason = "whether it is borrowed counts")]
    fn add(&mut self, name: &Cow<'_, str>, profile: &Profile) -> Option<u32> {
        let number = u32::try_from(self.list.len()).ok()?;
        if number > MAX_NUMBER {
            return None;
        }
        let supported = if profile.supports(name) { SUPPORTED } else { 0 };
        let (place, other) = if let Some(start) = place(self.text, name) {
            (start, 0)
        } else {
            self.others.push(Box::from(&**name));
            (u32::try_from(self.others.len() - 1).ok()?, OTHER)
        };
        let object = NONE << OBJECT_SHIFT | other | supported;
        push(&mut self.list, Name { place, object });
        Some(number)
    }

    /// Whether a name is this one.
    #[expect(clippy::ptr_arg, reason = "whether it is borrowed counts")]
    fn is(&self, number: u32, name: &Cow<'_, str>) -> bool {
        let known = self.list[number as usize];
        let place = known.place as usize;
        if known.has(OTHER) {
            return *self.others[place] == **name;
        }
        let (text, end) = (self.text.as_bytes(), place + name.len());
        // The known name ends at the first quotation mark.
        text.get(end) == Some(&b'"')
            && &text[place..end] == name.as_bytes()
            && (matches!(name, Cow::Borrowed(_)) || memchr(b'"', name.as_bytes()).is_none())
    }

    fn read(&self, number: u32) -> &str {
        let name = self.list[number as usize];
        let place = name.place as usize;
        if name.has(OTHER) {
            return &self.others[place];
        }
        let rest = &self.text[place..];
        &rest[..memchr(b'"', rest.as_bytes()).unwrap_or(rest.len())]
    }
}

/// Where a name starts in the text; `None` where it does not stand there up to a quotation mark, or
/// beyond the first 4 GiB.
#[expect(clippy::ptr_arg, reason = "whether it is borrowed counts")]
fn place(text: &str, name: &Cow<'_, str>) -> Option<u32> {
    let Cow::Borrowed(name) = name else {
        return None;
    };
    let start = name.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let ends = text.as_bytes().get(start + name.len()) == Some(&b'"');
    u32::try_from(start).ok().filter(|_| ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_wherever_it_stands() {
        let profile = Profile::opencti();
        let text = String::from(r#""tool--1","x-foo--1","tool--1""#);
        let mut names = Names::with_capacity(0, &text);
        let elsewhere = String::from("tool--1");
        for (name, expect) in [
            (Cow::Borrowed(&text[1..8]), 0),
            (Cow::Borrowed(&text[11..19]), 1),
            (Cow::Borrowed(&text[22..29]), 0),
            (Cow::Borrowed(elsewhere.as_str()), 0),
            (Cow::Owned("tool--1".to_owned()), 0),
            (Cow::Owned("\n".to_owned()), 2),
            (Cow::Borrowed(""), 3),
            (Cow::Owned(text[1..19].to_owned()), 4),
            (Cow::Borrowed(&text[22..28]), 5),
            (Cow::Borrowed(&text[29..29]), 3),
        ] {
            assert_eq!(names.number(&name, &profile), Some(expect), "{name:?}");
            assert_eq!(names.text_of(expect), name);
        }
        assert!(names.store.is(0, &Cow::Owned("tool--1".to_owned())));
        for other in [&text[1..19], "tool--", "tool--2", "x"] {
            let other = Cow::Owned(other.to_owned());
            assert!(!names.store.is(0, &other), "{other}");
        }
        assert!(!names.store.is(0, &Cow::Borrowed("tool--")));
        assert!(names.is_supported(0) && !names.is_supported(1));
        assert_eq!((names.own(0), names.object(0)), (None, None));
        names.set_internal(0, 7);
        assert_eq!((names.own(0), names.object(0)), (None, Some(7)));
        names.set_own(0, 8);
        assert_eq!((names.own(0), names.object(0)), (Some(8), Some(8)));
        names.set_internal(0, 9);
        assert_eq!((names.own(0), names.object(0)), (Some(8), Some(8)));
        assert!(names.is_supported(0));
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
