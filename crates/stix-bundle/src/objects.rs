//! Where the elements of a bundle's `objects` stand.

use std::sync::Arc;

use crate::grammar::{KnownList, Places};
use crate::nested::{Nested, TooMany, may_hold_bundles};
use crate::room::push;
use crate::value::Value;

/// The elements of a list in a text, each known by where it starts: it ends where the next one
/// does, but for what stands between them.
#[derive(Debug)]
pub(crate) struct Objects<'a> {
    text: &'a str,
    starts: Arc<Starts>,
    /// Where the last one ends, but for space behind it.
    end: usize,
    /// Where the objects stand, if some are bundles that hold others.
    nested: Option<Box<Nested>>,
}

impl<'a> Objects<'a> {
    /// Those of a list and of bundles in it, whether their places are known or not.
    ///
    /// # Errors
    /// [`TooMany`]
    pub(crate) fn all_of(
        list: Value<'a>,
        places: &Places<'a>,
        limit: usize,
    ) -> Result<Self, TooMany> {
        if may_hold_bundles(list.text())
            && let Some(nested) = Nested::of(list, limit)?
        {
            return Ok(Self {
                text: list.text(),
                starts: Arc::default(),
                end: 0,
                nested: Some(Box::new(nested)),
            });
        }
        let objects = Self::of(list, places, limit);
        if objects.len() > limit {
            return Err(TooMany(list.items().count()));
        }
        Ok(objects)
    }

    /// Those of a list, at most one more than `limit`, whether their places are known or not.
    fn of(list: Value<'a>, places: &Places<'a>, limit: usize) -> Self {
        if let Some(known) = places.list(list) {
            return Self::known(known);
        }
        let text = list.text();
        let (mut starts, mut end) = (Starts::default(), 0);
        for object in list.items().take(limit.saturating_add(1)) {
            let start = object.text().as_ptr().addr() - text.as_ptr().addr();
            end = start + object.text().len();
            starts.push(start);
        }
        starts.shrink();
        Self {
            text,
            starts: Arc::new(starts),
            end,
            nested: None,
        }
    }

    fn known(list: KnownList<'a>) -> Self {
        Self {
            text: list.text,
            starts: list.elements,
            end: list.end,
            nested: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.nested {
            None => self.starts.len(),
            Some(nested) => nested.starts.len(),
        }
    }

    /// Whether some stand in bundles among the others.
    pub(crate) fn are_nested(&self) -> bool {
        self.nested.is_some()
    }

    /// How many bundles the object of this position stands in, not counting the outermost one.
    pub(crate) fn depth(&self, position: usize) -> usize {
        let nested = self.nested.as_ref();
        nested.map_or(0, |nested| nested.depth(position))
    }

    /// Where the object of this position stands, such as `objects[3]`.
    pub(crate) fn path(&self, position: usize) -> String {
        match &self.nested {
            None => format!("objects[{position}]"),
            Some(nested) => nested.path(position),
        }
    }

    /// The text that they stand in.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The element of this position.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn get(&self, position: usize) -> Value<'a> {
        if let Some(nested) = &self.nested {
            let (start, end) = (nested.starts.get(position), nested.ends.get(position));
            return Value::of_json(&self.text[start..end]);
        }
        let start = self.starts.get(position);
        let end = if position + 1 < self.len() {
            self.starts.get(position + 1)
        } else {
            self.end
        };
        let with_comma = &self.text[start..end];
        let is_last = |byte| !matches!(byte, b',' | b' ' | b'\t' | b'\n' | b'\r');
        let last = with_comma.bytes().rposition(is_last);
        Value::of_json(&with_comma[..last.map_or(0, |last| last + 1)])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Value<'a>> {
        (0..self.len()).map(|position| self.get(position))
    }
}

/// Ascending places in a text; those of a text below 4 GiB take half the memory.
#[derive(Debug)]
pub(crate) enum Starts {
    Near(Vec<u32>),
    Far(Vec<usize>),
}

impl Default for Starts {
    fn default() -> Self {
        Self::Near(Vec::new())
    }
}

impl Starts {
    pub(crate) fn push(&mut self, start: usize) {
        match self {
            Self::Near(starts) => {
                if let Ok(start) = u32::try_from(start) {
                    push(starts, start);
                } else {
                    let starts = starts.iter().map(|near| *near as usize);
                    *self = Self::Far(starts.chain([start]).collect());
                }
            }
            Self::Far(starts) => push(starts, start),
        }
    }

    /// Lets go of the room for more.
    pub(crate) fn shrink(&mut self) {
        match self {
            Self::Near(starts) => starts.shrink_to_fit(),
            Self::Far(starts) => starts.shrink_to_fit(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> usize {
        match self {
            Self::Near(starts) => starts[index] as usize,
            Self::Far(starts) => starts[index],
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Near(starts) => starts.len(),
            Self::Far(starts) => starts.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::grammar::scan;

    #[test]
    fn each_keeps_its_bytes_and_nothing_of_what_stands_between() {
        let list = "[ 1 ,\t\"a,\"\r\n, {\"b\": [2, 3 ]}\n,[ ] , \"c, \" ,\nnull ] ";
        let expect = ["1", "\"a,\"", "{\"b\": [2, 3 ]}", "[ ]", "\"c, \"", "null"];
        let text = format!("{{\"objects\": {list}}}");
        let places = scan(&text, &Limits::default()).unwrap();
        let list = &text[text.find('[').unwrap()..text.len() - 1];
        let list = Value::of_json(list);
        assert!(places.list(list).is_some());
        for places in [&places, &Places::default()] {
            let objects = Objects::of(list, places, expect.len());
            assert_eq!(objects.len(), expect.len());
            let seen: Vec<_> = objects.iter().map(Value::text).collect();
            assert_eq!(seen, expect);
        }
    }

    #[test]
    fn no_more_are_found_than_tell_that_there_are_too_many() {
        let list = Value::of_json("[1, 2, 3, 4, 5]");
        for (limit, expect) in [(0, 1), (2, 3), (4, 5), (5, 5), (usize::MAX, 5)] {
            assert_eq!(Objects::of(list, &Places::default(), limit).len(), expect);
        }
    }

    #[test]
    fn places_beyond_4_gib() {
        const GIB: usize = 1 << 30;
        let places = [0, 7, 4 * GIB - 1, 4 * GIB, 4 * GIB + 1, 9 * GIB];
        let mut starts = Starts::Near(Vec::new());
        for (count, place) in places.into_iter().enumerate() {
            starts.push(place);
            assert_eq!(matches!(starts, Starts::Near(_)), count < 3);
            let seen: Vec<_> = (0..starts.len()).map(|index| starts.get(index)).collect();
            assert_eq!(seen, places[..=count]);
        }
    }
}
