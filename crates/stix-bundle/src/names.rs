//! Every id and reference of a bundle once, and the object it leads to.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::quality::RandomState;

use crate::Profile;

/// Ids and references, numbered in the order in which they were met.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    /// Seeded anew for each bundle: a file cannot be made so that its ids collide.
    numbers: HashMap<Cow<'a, str>, usize, RandomState>,
    names: Vec<Name>,
}

#[derive(Debug)]
struct Name {
    supported: bool,
    /// The last object with this id.
    own: Option<usize>,
    /// The last object with this internal id.
    internal: Option<usize>,
}

impl<'a> Names<'a> {
    /// No names yet, with room for as many as there are objects.
    pub(crate) fn with_capacity(objects: usize) -> Self {
        Self {
            numbers: HashMap::with_capacity_and_hasher(objects, RandomState::default()),
            names: Vec::with_capacity(objects),
        }
    }

    /// The number of a name.
    pub(crate) fn number(&mut self, name: Cow<'a, str>, profile: &Profile) -> usize {
        if let Some(&number) = self.numbers.get(&name) {
            return number;
        }
        let number = self.names.len();
        self.names.push(Name {
            supported: profile.supports(&name),
            own: None,
            internal: None,
        });
        self.numbers.insert(name, number);
        number
    }

    /// Notes the object that has a name as its id; a later one replaces it.
    pub(crate) fn set_own(&mut self, number: usize, object: usize) {
        self.names[number].own = Some(object);
    }

    /// Notes the object that has a name as an internal id; a later one replaces it.
    pub(crate) fn set_internal(&mut self, number: usize, object: usize) {
        self.names[number].internal = Some(object);
    }

    /// Whether the platform takes an object of this name.
    pub(crate) fn is_supported(&self, number: usize) -> bool {
        self.names[number].supported
    }

    /// The object of this id.
    pub(crate) fn own(&self, number: usize) -> Option<usize> {
        self.names[number].own
    }

    /// The object that a reference of this name leads to: by id or else by internal id.
    pub(crate) fn object(&self, number: usize) -> Option<usize> {
        let name = &self.names[number];
        name.own.or(name.internal)
    }
}
