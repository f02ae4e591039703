//! Values in a text whose grammar was checked, without checking it again.

use std::borrow::Cow;

use memchr::{memchr, memchr3};

use crate::grammar::{Places, non_finite};
use crate::json::Kind;
use crate::text::{JSON_SPACE, after_string};

/// A JSON value as it is written; known to be one.
///
/// ```
/// use stix_bundle::json::{Kind, Object};
/// use stix_bundle::{Limits, Text};
///
/// let text = Text::check(br#"{"n": 1e-07, "s": "\u00e9"}"#, &Limits::default())?;
/// let object = Object::parse(&text)?;
/// let number = object.get("n").expect("it is there");
/// assert_eq!((number.text(), number.kind(), number.string()), ("1e-07", Kind::Number, None));
/// assert_eq!(object.get("s").and_then(|value| value.string()).as_deref(), Some("é"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Value<'a>(&'a str);

impl<'a> Value<'a> {
    /// What `serde_json` found to be a value.
    #[cfg(test)]
    pub(crate) fn of(raw: &'a serde_json::value::RawValue) -> Self {
        Self(raw.get())
    }

    /// A text whose grammar was checked.
    pub(crate) fn of_json(text: &'a str) -> Self {
        Self(text.trim_matches(JSON_SPACE))
    }

    /// The value as it is written, without space around it.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// What sort of value it is.
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'n') => Kind::Null,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'"') => Kind::String,
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            _ => Kind::Number,
        }
    }

    /// A string's text, its escapes resolved; `None` where the value is none, or holds half of a
    /// surrogate pair and so has no text.
    pub fn string(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if memchr(b'\\', inner.as_bytes()).is_none() {
            return Some(Cow::Borrowed(inner));
        }
        serde_json::from_str(self.0).ok().map(Cow::Owned)
    }

    /// Whether Python takes the value for false: `null`, `false`, zero, and whatever is empty.
    pub(crate) fn is_falsy(self) -> bool {
        match self.kind() {
            Kind::Null => true,
            Kind::Bool => self.0 == "false",
            Kind::Number => self.0.parse() == Ok(0.0),
            Kind::String => self.0 == "\"\"",
            Kind::Array | Kind::Object => self.items().next().is_none(),
        }
    }

    /// A list's elements, or an object's keys and values in turn.
    pub(crate) fn items(self) -> Items<'a> {
        Items {
            text: self.0,
            at: 1,
        }
    }

    /// The last values of some keys of an object; `None` where the value is none, or one of its
    /// keys has no text.
    pub(crate) fn pick<const N: usize>(self, keys: [&str; N]) -> Option<[Option<Self>; N]> {
        if self.kind() != Kind::Object {
            return None;
        }
        let mut values = [None; N];
        let mut items = self.items();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            let key = key.string()?;
            if let Some(place) = keys.iter().position(|wanted| *wanted == key) {
                values[place] = Some(value);
            }
        }
        Some(values)
    }

    /// The same, where keys that have no text are none of those that are looked for.
    pub(crate) fn find<const N: usize>(self, keys: [&str; N]) -> [Option<Self>; N] {
        let mut values = [None; N];
        if self.kind() != Kind::Object {
            return values;
        }
        let mut items = self.items();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            let key = key.string();
            if let Some(place) = keys
                .iter()
                .position(|wanted| key.as_deref() == Some(*wanted))
            {
                values[place] = Some(value);
            }
        }
        values
    }

    /// The first number within the value that is not finite.
    pub(crate) fn non_finite(self) -> Option<&'static str> {
        let bytes = self.0.as_bytes();
        let mut at = 0;
        while let Some(found) = bytes
            .get(at..)
            .and_then(|rest| memchr3(b'"', b'N', b'I', rest))
        {
            at += found;
            if bytes[at] == b'"' {
                at = after_string(bytes, at + 1);
            } else {
                let is_negative = at > 0 && bytes[at - 1] == b'-';
                return non_finite(&self.0[at - usize::from(is_negative)..]);
            }
        }
        None
    }

    /// An object's members; `None` where the value is none, one of its keys has no text, or it
    /// [has too many](Self::has_too_many_members).
    pub(crate) fn members(self) -> Option<Members<'a>> {
        if self.kind() != Kind::Object {
            return None;
        }
        let mut members = Vec::with_capacity(USUAL_MEMBERS);
        let mut items = self.items();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            if members.len() == MAX_MEMBERS {
                return None;
            }
            members.push((key.string()?, value));
        }
        Some(Members(members))
    }

    /// Whether an object has more members than are looked at.
    pub(crate) fn has_too_many_members(self) -> bool {
        self.kind() == Kind::Object && self.items().nth(2 * MAX_MEMBERS).is_some()
    }
}

/// Members that one object may have; more take up many times the memory that their text does.
pub(crate) const MAX_MEMBERS: usize = 1_000_000;

/// Members for which room is made at once.
const USUAL_MEMBERS: usize = 24;

/// An object's members in their order, repeated keys included.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Members<'a> {
    /// The last value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<Value<'a>> {
        let last = self.0.iter().rev().find(|(name, _)| name == key);
        last.map(|(_, value)| *value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Value<'a>)> {
        self.0.iter().map(|(key, value)| (&**key, *value))
    }
}

/// The values between two brackets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Items<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let start = self.start()?;
        if matches!(bytes[start], b']' | b'}') {
            return None;
        }
        self.at = after_value(bytes, start);
        self.text.get(start..self.at).map(Value)
    }
}

impl<'a> Items<'a> {
    /// The next value, whose end may be known.
    pub(crate) fn next_in(&mut self, places: &Places<'_>) -> Option<Value<'a>> {
        let start = self.start()?;
        let Some(length) = places.length(self.text.get(start..)?) else {
            return self.next();
        };
        self.at = start + length;
        self.text.get(start..self.at).map(Value)
    }

    /// Where the next value starts, or the bracket stands that closes these.
    fn start(&self) -> Option<usize> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let between = rest.iter().position(|byte| !is_between(*byte))?;
        Some(self.at + between)
    }
}

/// Whether a byte stands between values.
fn is_between(byte: u8) -> bool {
    matches!(byte, b',' | b':' | b' ' | b'\t' | b'\n' | b'\r')
}

/// Where the value ends that starts at `at`.
fn after_value(bytes: &[u8], at: usize) -> usize {
    match bytes[at] {
        b'"' => after_string(bytes, at + 1),
        b'{' | b'[' => after_brackets(bytes, at),
        _ => {
            let ends = |byte: &u8| is_between(*byte) || matches!(byte, b']' | b'}');
            bytes[at..]
                .iter()
                .position(ends)
                .map_or(bytes.len(), |length| at + length)
        }
    }
}

/// Where the bracket closes that opens at `at`.
fn after_brackets(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = after_string(bytes, at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value<'_> {
        Value::of(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn items() {
        for (text, expect) in [
            ("[]", &[][..]),
            ("[ \n]", &[]),
            ("[1]", &["1"]),
            ("[ null ,true,\t-1.5e-3\r\n]", &["null", "true", "-1.5e-3"]),
            (
                r#"["a,]","\"","\\",""]"#,
                &[r#""a,]""#, r#""\"""#, r#""\\""#, r#""""#],
            ),
            (
                r#"[[],[[1], {"a":"]"}],{}]"#,
                &["[]", r#"[[1], {"a":"]"}]"#, "{}"],
            ),
            (
                r#"{"é": 1,"b":{"c":2}}"#,
                &[r#""é""#, "1", r#""b""#, r#"{"c":2}"#],
            ),
        ] {
            let seen: Vec<_> = value(text).items().map(Value::text).collect();
            assert_eq!(seen, expect, "{text}");
        }
    }

    #[test]
    fn members() {
        let text = r#"{"a": 1, "\u0062":[ 2 ], "a":"x"}"#;
        let members = value(text).members().unwrap();
        let seen: Vec<_> = members
            .iter()
            .map(|(key, value)| (key, value.text()))
            .collect();
        assert_eq!(seen, [("a", "1"), ("b", "[ 2 ]"), ("a", "\"x\"")]);
        assert_eq!(members.get("a").map(Value::text), Some("\"x\""));
        assert!(members.get("c").is_none());
        for text in ["[]", "1", r#"{"\ud800":1}"#] {
            assert!(value(text).members().is_none(), "{text}");
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_found_outside_of_strings() {
        for (text, expect) in [
            (r#"{"NaN": "NaN", "a": ["\"Infinity", true, -1e5]}"#, None),
            (r#"{"a": ["N", {"b": NaN}], "c": Infinity}"#, Some("NaN")),
            ("[1,-Infinity]", Some("-Infinity")),
            ("Infinity", Some("Infinity")),
        ] {
            assert_eq!(Value::of_json(text).non_finite(), expect, "{text}");
        }
    }

    #[test]
    fn members_are_found_beside_keys_that_cannot_be_read() {
        let text = r#"{"\ud800": 1, "a": 2, "b": 3, "\u0061": 4}"#;
        let found = Value::of_json(text).find(["a", "c"]);
        assert_eq!(found.map(|value| value.map(Value::text)), [Some("4"), None]);
        assert!(Value::of_json("[\"a\"]").find(["a"])[0].is_none());
    }

    #[test]
    fn truth_is_as_in_python() {
        for text in [
            "null", "false", "0", "-0", "0.0", "0e9", "\"\"", "[]", "[ \n]", "{ }",
        ] {
            assert!(value(text).is_falsy(), "{text}");
        }
        for text in [
            "true",
            "1",
            "-0.1",
            "\" \"",
            "[0]",
            "[[]]",
            "{\"\":0}",
            "1e999",
            "NaN",
            "-Infinity",
        ] {
            assert!(!Value::of_json(text).is_falsy(), "{text}");
        }
    }
}
