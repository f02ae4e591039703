//! One look at every byte of a text: whether it is JSON that may be read, and where its large parts
//! are, so that nobody has to look for them again.
//!
//! What is taken for JSON here is what `serde_json` takes for it, and besides, as numbers, the three
//! words that Python's `json` writes for numbers that are not finite. `serde_json` is asked about the
//! others: it says what is wrong, and where.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::Limits;
use crate::objects::Starts;
use crate::text::JSON_SPACE;
use crate::value::Value;

/// Digits that a number may have. Python's `json`, with which the platform's worker reads what we
/// send, refuses a longer integer, and with it the whole message.
pub(crate) const MAX_DIGITS: usize = 4300;

/// Lists and objects whose places are kept at most; an envelope with its bundle has four.
const MAX_PLACES: usize = 64;

/// How deep they stand at most: an envelope has a bundle, and that has a list of objects.
const DEEPEST: usize = 2;

/// What Python's `json` writes for numbers that are not finite, and reads where a value may stand.
/// JSON has no such numbers.
const NON_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// Where lists and objects are that stand in the outermost object, or in one that does.
#[derive(Debug, Default)]
pub(crate) struct Places<'a> {
    text: &'a str,
    list: Vec<Place>,
    /// Whether the text has numbers that are not finite.
    has_non_finite: bool,
}

#[derive(Debug)]
struct Place {
    start: usize,
    end: usize,
    /// Of a list, where its elements start.
    elements: Option<Arc<Starts>>,
}

/// A list whose elements' places are known.
#[derive(Debug)]
pub(crate) struct KnownList<'a> {
    /// The text that the places are counted in.
    pub(crate) text: &'a str,
    pub(crate) elements: Arc<Starts>,
    /// Where its closing bracket is.
    pub(crate) end: usize,
}

impl<'a> Places<'a> {
    /// How many bytes the list or object has that starts where `part` does, if that is known.
    pub(crate) fn length(&self, part: &str) -> Option<usize> {
        self.place(part).map(|place| place.end - place.start)
    }

    /// A list, if its elements' places are known.
    pub(crate) fn list(&self, list: Value<'_>) -> Option<KnownList<'a>> {
        let place = self.place(list.text())?;
        Some(KnownList {
            text: self.text,
            elements: Arc::clone(place.elements.as_ref()?),
            end: place.end - 1,
        })
    }

    /// Whether there is a number that is not finite anywhere in the text.
    pub(crate) fn has_non_finite(&self) -> bool {
        self.has_non_finite
    }

    fn place(&self, part: &str) -> Option<&Place> {
        let base = self.text.as_ptr().addr();
        let start = part.as_ptr().addr().checked_sub(base)?;
        self.list.iter().find(|place| place.start == start)
    }
}

/// The places in a text; `None` where it is no JSON, nests too deep or has too long a number.
pub(crate) fn scan<'a>(text: &'a str, limits: &Limits) -> Option<Places<'a>> {
    let mut notes = Notes::up_to(limits.max_objects.saturating_add(1));
    let mut has_non_finite = false;
    let end = walk(text, limits.max_depth, &mut notes, |_| {
        has_non_finite = true;
    })?;
    let is_all = after_space(text.as_bytes(), end) == text.len();
    is_all.then_some(Places {
        text,
        list: notes.list,
        has_non_finite,
    })
}

/// The complete value that a text begins with, where more follows behind it. A number or a word is
/// complete only if space follows.
pub(crate) fn first_of_several(text: &str) -> Option<&str> {
    let end = walk(text, usize::MAX, &mut Notes::up_to(0), |_| {})?;
    let (first, rest) = text.split_at(end);
    let ends_itself = first.ends_with(['"', ']', '}']);
    let is_complete = ends_itself || rest.starts_with(JSON_SPACE);
    let has_more = !rest.trim_start_matches(JSON_SPACE).is_empty();
    (is_complete && has_more).then_some(first)
}

/// A text in which zeros stand for numbers that are not finite, as far as it is sound: for a parser
/// that is to say what else is wrong. All else keeps its place.
pub(crate) fn with_finite_numbers(text: &str) -> Cow<'_, str> {
    let mut found: Vec<Range<usize>> = Vec::new();
    walk(text, usize::MAX, &mut Notes::up_to(0), |number| {
        found.push(number);
    });
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut finite = String::with_capacity(text.len());
    let mut at = 0;
    for number in found {
        finite.push_str(&text[at..number.start]);
        finite.push_str(zero_for(&text[number.clone()]));
        at = number.end;
    }
    finite.push_str(&text[at..]);
    Cow::Owned(finite)
}

/// A zero of as many bytes.
fn zero_for(number: &str) -> &'static str {
    match number.len() {
        3 => "0.0",
        8 => "0.000000",
        _ => "-0.000000",
    }
}

/// Goes over the value that a text begins with, and says where it ends; `None` where there is none, or
/// it nests too deep or has too long a number. Each number that is not finite is told.
fn walk(
    text: &str,
    max_depth: usize,
    notes: &mut Notes,
    mut is_not_finite: impl FnMut(Range<usize>),
) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut closers: Vec<u8> = Vec::new();
    let mut at = after_space(bytes, 0);
    'value: loop {
        let first = *bytes.get(at)?;
        if closers.len() <= DEEPEST + 1 {
            notes.starts(first, &closers, at);
        }
        at = match first {
            b'"' => after_string(bytes, at + 1)?,
            b'{' | b'[' => {
                if closers.len() == max_depth {
                    return None;
                }
                let closer = if first == b'{' { b'}' } else { b']' };
                closers.push(closer);
                at = after_space(bytes, at + 1);
                if bytes.get(at) != Some(&closer) {
                    if first == b'{' {
                        at = after_key(bytes, at)?;
                    }
                    continue 'value;
                }
                at
            }
            b'0'..=b'9' => after_number(bytes, at)?,
            _ => {
                if let Some(end) = after_other(bytes, at) {
                    end
                } else {
                    let end = at + non_finite(&text[at..])?.len();
                    is_not_finite(at..end);
                    end
                }
            }
        };
        loop {
            let Some(&closer) = closers.last() else {
                return Some(at);
            };
            at = after_space(bytes, at);
            match *bytes.get(at)? {
                b',' => {
                    at = after_space(bytes, at + 1);
                    if closer == b'}' {
                        at = after_key(bytes, at)?;
                    }
                    continue 'value;
                }
                byte if byte == closer => {
                    closers.pop();
                    at += 1;
                    if closers.len() <= DEEPEST {
                        notes.ends(closers.len(), at);
                    }
                }
                _ => return None,
            }
        }
    }
}

fn after_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Where the value starts whose key starts at `at`.
fn after_key(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let at = after_space(bytes, after_string(bytes, at + 1)?);
    (bytes.get(at) == Some(&b':')).then(|| after_space(bytes, at + 1))
}

/// Where a string ends whose first character is at `at`.
fn after_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let found = ends_or_escapes(u64::from_le_bytes(*word));
            if found != 0 {
                at += found.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = after_escape(bytes, at + 1)?,
            byte if byte < b' ' => return None,
            _ => at += 1,
        }
    }
}

/// The lowest bit that is set belongs to the first byte that is a quotation mark, a backslash or a
/// control character; zero where none of the eight is.
fn ends_or_escapes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    let quotes = is_zero(word ^ (ONES * u64::from(b'"')));
    let backslashes = is_zero(word ^ (ONES * u64::from(b'\\')));
    (controls | quotes | backslashes) & HIGH
}

/// Where an escape ends, without its backslash.
fn after_escape(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
        b'u' => {
            let digits = bytes.get(at + 1..at + 5)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 5)
        }
        _ => None,
    }
}

fn after_number(bytes: &[u8], at: usize) -> Option<usize> {
    let start = at + usize::from(bytes[at] == b'-');
    let mut at = after_digits(bytes, start)?;
    if bytes[start] == b'0' && at > start + 1 {
        return None;
    }
    if bytes.get(at) == Some(&b'.') {
        at = after_digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = after_digits(bytes, at + 1 + usize::from(signed))?;
    }
    Some(at)
}

/// Where digits end, of which there is at least one.
fn after_digits(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=MAX_DIGITS).contains(&count).then_some(at + count)
}

fn after_other(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes[at] == b'-' {
        after_number(bytes, at)
    } else {
        after_word(bytes, at)
    }
}

/// The number that is not finite which a text begins with.
#[cold]
pub(crate) fn non_finite(text: &str) -> Option<&'static str> {
    let mut numbers = NON_FINITE.into_iter();
    numbers.find(|number| text.starts_with(number))
}

fn after_word(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let words: [&[u8]; 3] = [b"null", b"true", b"false"];
    let word = words.into_iter().find(|word| rest.starts_with(word))?;
    Some(at + word.len())
}

/// The places as they are found.
struct Notes {
    list: Vec<Place>,
    /// For each depth, which place of the list is open.
    open: [usize; DEEPEST],
    /// The elements of the list that is open at each depth.
    elements: [Starts; DEEPEST],
    /// How many more elements are noted.
    room: usize,
    /// There is more than is worth it.
    is_void: bool,
}

impl Notes {
    fn up_to(room: usize) -> Self {
        Self {
            list: Vec::new(),
            open: [0; DEEPEST],
            elements: Default::default(),
            room,
            is_void: false,
        }
    }

    /// A value starts within those that `closers` close.
    fn starts(&mut self, first: u8, closers: &[u8], at: usize) {
        if self.is_void {
            return;
        }
        let depth = closers.len();
        if depth > 1 && closers[depth - 1] == b']' {
            let Some(room) = self.room.checked_sub(1) else {
                return self.give_up();
            };
            self.room = room;
            self.elements[depth - 2].push(at);
        }
        if (1..=DEEPEST).contains(&depth) && matches!(first, b'{' | b'[') {
            if self.list.len() == MAX_PLACES {
                return self.give_up();
            }
            self.open[depth - 1] = self.list.len();
            self.list.push(Place {
                start: at,
                end: at,
                elements: (first == b'[').then(Arc::default),
            });
        }
    }

    /// What stands at this depth ends.
    fn ends(&mut self, depth: usize, at: usize) {
        if self.is_void || depth == 0 {
            return;
        }
        let place = &mut self.list[self.open[depth - 1]];
        place.end = at;
        if place.elements.is_some() {
            let mut elements = std::mem::take(&mut self.elements[depth - 1]);
            elements.shrink();
            place.elements = Some(Arc::new(elements));
        }
    }

    fn give_up(&mut self) {
        *self = Self {
            is_void: true,
            ..Self::up_to(0)
        };
    }
}

#[cfg(test)]
mod tests;
