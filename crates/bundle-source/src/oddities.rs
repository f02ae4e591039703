//! What is named like a bundle file and left alone: said once while it stays, and in little memory
//! however much there is of it.

use std::collections::HashSet;
use std::hash::Hash;

/// So many are told of by name; of further ones there is their number.
const NAMED: usize = 10_000;

/// What a listing found of it: names, and why each is left alone.
#[derive(Debug)]
pub(crate) struct Oddities<N, R> {
    named: Vec<(N, R)>,
    more: usize,
}

impl<N, R> Default for Oddities<N, R> {
    fn default() -> Self {
        Self {
            named: Vec::new(),
            more: 0,
        }
    }
}

impl<N, R> Oddities<N, R> {
    /// Adds one.
    pub(crate) fn push(&mut self, name: impl FnOnce() -> N, reason: R) {
        if self.named.len() < NAMED {
            self.named.push((name(), reason));
        } else {
            self.more += 1;
        }
    }

    /// Those that are told of by name.
    #[cfg(test)]
    pub(crate) fn into_named(self) -> Vec<(N, R)> {
        self.named
    }
}

/// What was said of the last listing.
#[derive(Debug)]
pub(crate) struct Said<N> {
    names: HashSet<N>,
    more: usize,
}

impl<N> Default for Said<N> {
    fn default() -> Self {
        Self {
            names: HashSet::new(),
            more: 0,
        }
    }
}

impl<N: Eq + Hash + Clone> Said<N> {
    /// Has `say` called for each that the listing before did not have. Returns how many more there are
    /// than are told of by name, where that is news.
    pub(crate) fn say_news<R>(
        &mut self,
        oddities: Oddities<N, R>,
        say: impl Fn(&N, &R),
    ) -> Option<usize> {
        let Oddities { named, more } = oddities;
        let is_news = |name: &N| !self.names.contains(name);
        for (name, reason) in named.iter().filter(|(name, _)| is_news(name)) {
            say(name, reason);
        }
        self.names = named.into_iter().map(|(name, _)| name).collect();
        let before = std::mem::replace(&mut self.more, more);
        (more != before).then_some(more)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn oddities(names: impl IntoIterator<Item = usize>) -> Oddities<usize, ()> {
        let mut oddities = Oddities::default();
        for name in names {
            oddities.push(|| name, ());
        }
        oddities
    }

    #[test]
    fn each_is_told_once_while_it_stays() {
        let mut said = Said::default();
        for (now, expect) in [
            (vec![1, 2], vec![1, 2]),
            (vec![1, 2], vec![]),
            (vec![2, 3], vec![3]),
            (vec![], vec![]),
            (vec![2], vec![2]),
        ] {
            let told = RefCell::new(Vec::new());
            let more = said.say_news(oddities(now), |name, ()| told.borrow_mut().push(*name));
            assert_eq!((told.into_inner(), more), (expect, None));
        }
    }

    #[test]
    fn of_too_many_there_is_their_number_when_it_changes() {
        let mut said = Said::default();
        for (files, expect) in [
            (NAMED, (NAMED, None)),
            (NAMED + 2, (0, Some(2))),
            (NAMED + 2, (0, None)),
            (NAMED + 1, (0, Some(1))),
            (NAMED, (0, Some(0))),
            (NAMED, (0, None)),
        ] {
            let told = RefCell::new(0);
            let more = said.say_news(oddities(0..files), |_, ()| *told.borrow_mut() += 1);
            assert_eq!((told.into_inner(), more), expect);
        }
    }
}
