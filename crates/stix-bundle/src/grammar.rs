//! One look at every byte of a text: whether it is JSON that may be read, and where its large parts
//! are, so that nobody has to look for them again.
//!
//! What is taken for JSON here is what `serde_json` takes for it. It is asked about the others: it
//! says what is wrong, and where.

use std::sync::Arc;

use crate::Limits;
use crate::objects::Starts;
use crate::value::Value;

/// Digits that a number may have. Python's `json`, with which the platform's worker reads what we
/// send, refuses a longer integer, and with it the whole message.
pub(crate) const MAX_DIGITS: usize = 4300;

/// Lists and objects whose places are kept at most; an envelope with its bundle has four.
const MAX_PLACES: usize = 64;

/// How deep they stand at most: an envelope has a bundle, and that has a list of objects.
const DEEPEST: usize = 2;

/// Where lists and objects are that stand in the outermost object, or in one that does.
#[derive(Debug, Default)]
pub(crate) struct Places<'a> {
    text: &'a str,
    list: Vec<Place>,
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

    fn place(&self, part: &str) -> Option<&Place> {
        let base = self.text.as_ptr().addr();
        let start = part.as_ptr().addr().checked_sub(base)?;
        self.list.iter().find(|place| place.start == start)
    }
}

/// The places in a text; `None` where it is no JSON, nests too deep or has too long a number.
pub(crate) fn scan<'a>(text: &'a str, limits: &Limits) -> Option<Places<'a>> {
    let bytes = text.as_bytes();
    let mut notes = Notes::up_to(limits.max_objects.saturating_add(1));
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
                if closers.len() == limits.max_depth {
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
            b'-' | b'0'..=b'9' => after_number(bytes, at)?,
            _ => after_word(bytes, at)?,
        };
        loop {
            at = after_space(bytes, at);
            let Some(&closer) = closers.last() else {
                let list = notes.list;
                return (at == bytes.len()).then_some(Places { text, list });
            };
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
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn is_json(text: &str) -> bool {
        scan(text, &Limits::default()).is_some()
    }

    fn is_json_to_serde(text: &str) -> bool {
        serde_json::from_str::<&RawValue>(text).is_ok()
    }

    #[test]
    fn what_is_json() {
        for text in [
            "null",
            " true ",
            "\r\n\tfalse",
            "0",
            "-0",
            "10",
            "1.50",
            "-1e9",
            "0.1E+05",
            "1e-0",
            "\"\"",
            r#""a\"b\\\/\b\f\n\r\t\u00e9\uD800""#,
            "\"é\u{7f}\u{2028}\"",
            "[]",
            "[ ]",
            "{}",
            "{ }",
            "[1,2 , 3]",
            r#"{"":1,"":2}"#,
            r#"{"a" : [ {} , [[]] ] , "b":"]"}"#,
            "\"12345678\"",
            "\"1234567\\\"\"",
        ] {
            assert!(is_json(text) && is_json_to_serde(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            " ",
            "nul",
            "nulll",
            "True",
            "NaN",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1.e5",
            "1e",
            "1e+",
            "0x1",
            "1 2",
            "\"",
            "\"a",
            "\"\\\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\u123",
            "\"\n\"",
            "\"1234567\u{1f}\"",
            "\"12345678\u{0}\"",
            "[",
            "]",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{",
            "}",
            "{]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{,}",
            "{1:2}",
            "{a:1}",
            "{\"a\" 1}",
            "{\"a\":1 \"b\":2}",
            "[] []",
            "{} x",
            "\u{a0}1",
            "\u{feff}1",
            "1\u{0}",
        ] {
            assert!(!is_json(text) && !is_json_to_serde(text), "{text:?}");
        }
    }

    #[test]
    fn limits() {
        let limits = Limits {
            max_depth: 2,
            ..Limits::default()
        };
        for (text, expect) in [
            ("[[],{}]".to_owned(), true),
            ("[[[]]]".to_owned(), false),
            ("{\"a\":[{}]}".to_owned(), false),
            ("9".repeat(MAX_DIGITS), true),
            ("9".repeat(MAX_DIGITS + 1), false),
            (format!("0.{}", "1".repeat(MAX_DIGITS + 1)), false),
            (format!("1e{}", "1".repeat(MAX_DIGITS + 1)), false),
        ] {
            assert_eq!(scan(&text, &limits).is_some(), expect, "{text}");
        }
    }

    /// What is known of the parts of a text, each by how it starts: its length, its elements.
    fn places(text: &str, limits: Limits) -> Vec<(&str, Option<usize>)> {
        let places = scan(text, &limits).unwrap();
        let list = places.list.iter().map(|place| {
            let part = &text[place.start..place.end];
            assert_eq!(places.length(&text[place.start..]), Some(part.len()));
            let list = places.list(Value::of_json(part));
            let count = list.map(|list| {
                assert_eq!(&text[list.end..=list.end], "]");
                list.elements.len()
            });
            (part, count)
        });
        list.collect()
    }

    #[test]
    fn where_the_large_parts_are() {
        let check = |text, expect: &[(&str, Option<usize>)]| {
            assert_eq!(places(text, Limits::default()), expect, "{text}");
        };
        check("1", &[]);
        check("[[1], {}]", &[("[1]", Some(1)), ("{}", None)]);
        check(
            r#" {"a": 1, "b": {"objects": [1, {"c": [3]}, []], "d": [ ]}, "e": [[7], 8]} "#,
            &[
                (r#"{"objects": [1, {"c": [3]}, []], "d": [ ]}"#, None),
                (r#"[1, {"c": [3]}, []]"#, Some(3)),
                ("[ ]", Some(0)),
                ("[[7], 8]", Some(2)),
                ("[7]", Some(1)),
            ],
        );
    }

    #[test]
    fn no_places_are_kept_where_there_are_too_many() {
        let text = |count| format!("[{}]", vec!["{}"; count].join(","));
        assert_eq!(
            places(&text(MAX_PLACES), Limits::default()).len(),
            MAX_PLACES
        );
        assert_eq!(places(&text(MAX_PLACES + 1), Limits::default()), []);
        let limits = Limits {
            max_objects: 2,
            ..Limits::default()
        };
        let text = r#"{"a": [1, 2], "b": [3]}"#;
        assert_eq!(
            places(text, limits),
            [("[1, 2]", Some(2)), ("[3]", Some(1))]
        );
        assert_eq!(places(r#"{"a": [1, 2], "b": [3, 4]}"#, limits), []);
        assert_eq!(places(r#"{"a": [1, 2, 3, 4], "b": {"c": []}}"#, limits), []);
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "null",
            "true",
            "0",
            "-1.5e+10",
            "\"\"",
            "\"a longer string\"",
            "\"\\u00e9\\\\\"",
            "\"é漢\"",
            "[]",
            "{}",
        ]);
        leaf.prop_map(str::to_owned)
            .prop_recursive(5, 40, 5, |inner| {
                let space = prop::sample::select(vec!["", " ", "\n", "\t\r"]);
                let inner =
                    (inner, space).prop_map(|(text, space)| format!("{space}{text}{space}"));
                let list = prop::collection::vec(inner.clone(), 0..5);
                let object = prop::collection::vec(("\"[a-z\\\\\\\\]{0,9}\"", inner), 0..5);
                prop_oneof![
                    list.prop_map(|items| format!("[{}]", items.join(","))),
                    object.prop_map(|members| {
                        let members = members.iter().map(|(key, value)| format!("{key}:{value}"));
                        format!("{{{}}}", members.collect::<Vec<_>>().join(" , "))
                    }),
                ]
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Sound texts, and ones with a piece taken out, put in or changed.
        #[test]
        fn json_is_what_the_parser_takes_for_it(
            text in json(),
            place in any::<prop::sample::Index>(),
            length in 0..3_usize,
            piece in prop::sample::select(vec![
                "", ",", ":", "\"", "\\", "{", "}", "[", "]", "0", "1", "-", ".", "e", "u", " ",
                "\n", "\u{1f}", "x", "é",
            ]),
        ) {
            prop_assert_eq!(is_json(&text), is_json_to_serde(&text));
            let chars: Vec<char> = text.chars().collect();
            let at = place.index(chars.len() + 1);
            let rest = chars.iter().skip(at + length);
            let other: String = chars[..at].iter().copied().chain(piece.chars())
                .chain(rest.copied()).collect();
            prop_assert_eq!(is_json(&other), is_json_to_serde(&other), "{:?}", other);
        }
    }
}
