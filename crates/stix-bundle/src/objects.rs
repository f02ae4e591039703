//! Where the elements of a bundle's `objects` stand.

use crate::Text;
use crate::value::Value;

/// The elements of a list in a text, each known by where it starts: it ends where the next one
/// does, but for what stands between them.
#[derive(Debug)]
pub(crate) struct Objects<'a> {
    text: Text<'a>,
    starts: Starts,
    /// Where the last one ends.
    end: usize,
}

impl<'a> Objects<'a> {
    /// None yet; those that are added are parts of `text`, one behind the other.
    pub(crate) fn of(text: Text<'a>) -> Self {
        Self {
            text,
            starts: Starts::Near(Vec::new()),
            end: 0,
        }
    }

    pub(crate) fn push(&mut self, object: Value<'a>) {
        let start = object.text().as_ptr().addr() - self.text.as_str().as_ptr().addr();
        self.starts.push(start);
        self.end = start + object.text().len();
    }

    pub(crate) fn clear(&mut self) {
        self.starts = Starts::Near(Vec::new());
    }

    /// Lets go of the room for more.
    pub(crate) fn shrink(&mut self) {
        match &mut self.starts {
            Starts::Near(starts) => starts.shrink_to_fit(),
            Starts::Far(starts) => starts.shrink_to_fit(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The text that they stand in.
    pub(crate) fn text(&self) -> &'a str {
        self.text.as_str()
    }

    /// The element of this position.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn get(&self, position: usize) -> Value<'a> {
        let start = self.starts.get(position);
        let end = if position + 1 < self.len() {
            self.starts.get(position + 1)
        } else {
            self.end
        };
        let with_comma = &self.text.as_str()[start..end];
        let element = with_comma.trim_end_matches([',', ' ', '\t', '\n', '\r']);
        // A slice of the text is always a part of it.
        Value::of_json(self.text.narrow(element).unwrap_or(self.text))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Value<'a>> {
        (0..self.len()).map(|position| self.get(position))
    }
}

/// Ascending places in a text; those of a text below 4 GiB take half the memory.
#[derive(Debug)]
enum Starts {
    Near(Vec<u32>),
    Far(Vec<usize>),
}

impl Starts {
    fn push(&mut self, start: usize) {
        match self {
            Self::Near(starts) => {
                if let Ok(start) = u32::try_from(start) {
                    starts.push(start);
                } else {
                    let starts = starts.iter().map(|near| *near as usize);
                    *self = Self::Far(starts.chain([start]).collect());
                }
            }
            Self::Far(starts) => starts.push(start),
        }
    }

    fn get(&self, index: usize) -> usize {
        match self {
            Self::Near(starts) => starts[index] as usize,
            Self::Far(starts) => starts[index],
        }
    }

    fn len(&self) -> usize {
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

    #[test]
    fn each_keeps_its_bytes_and_nothing_of_what_stands_between() {
        let text = "[ 1 ,\t\"a,\"\r\n, {\"b\": [2, 3 ]}\n,[ ] , \"c, \" ,\nnull ] ";
        let text = Text::check(text.as_bytes(), &Limits::default()).unwrap();
        let mut objects = Objects::of(text);
        Value::of_json(text).items().for_each(|o| objects.push(o));
        let expect = ["1", "\"a,\"", "{\"b\": [2, 3 ]}", "[ ]", "\"c, \"", "null"];
        assert_eq!(objects.len(), expect.len());
        let seen: Vec<_> = objects.iter().map(Value::text).collect();
        assert_eq!(seen, expect);
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
