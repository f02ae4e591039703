//! Which elements of a list were met before.

use std::collections::HashSet;
use std::hash::Hash;

use foldhash::quality::RandomState;

/// Up to here, comparing each with each is faster than hashing.
const FEW: usize = 8;

/// A set that takes up no memory while it is empty.
#[derive(Debug)]
pub(crate) struct Seen<T> {
    few: Vec<T>,
    /// Seeded anew for each list: a file cannot be made so that its elements collide.
    many: HashSet<T, RandomState>,
}

impl<T: Eq + Hash> Seen<T> {
    pub(crate) fn new() -> Self {
        Self {
            few: Vec::new(),
            many: HashSet::default(),
        }
    }

    /// Whether an element is met for the first time.
    pub(crate) fn insert(&mut self, element: T) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(element);
        }
        if self.few.contains(&element) {
            return false;
        }
        self.few.push(element);
        if self.few.len() > FEW {
            self.many.extend(self.few.drain(..));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_new_once_however_many_there_are() {
        for count in 0..40 {
            let mut seen = Seen::new();
            for round in [true, false] {
                for element in 0..count {
                    assert_eq!(seen.insert(element), round, "{element} of {count}");
                }
            }
        }
    }
}
