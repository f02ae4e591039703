//! JSON objects, one level at a time, without copying their values.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::Text;
use crate::grammar::{Places, with_finite_numbers};
use crate::text::JSON_SPACE;
pub use crate::value::Value;

/// What sort of value a JSON text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number; `NaN`, `Infinity` and `-Infinity`, too, which JSON does not have and Python writes.
    Number,
    /// A string.
    String,
    /// A list.
    Array,
    /// An object.
    Object,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "a list",
            Self::Object => "an object",
        })
    }
}

/// Why a text is not a JSON object.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON, or a key of the object holds half of a surrogate pair.
    #[error("not valid JSON")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The byte in that line, from 1; 0 where the line break itself is meant.
        column: usize,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// It is JSON, but something else than an object.
    #[error("expected a JSON object, found {found}")]
    NotAnObject {
        /// What it is.
        found: Kind,
    },
}

impl JsonError {
    /// Whether the text ends before its value does, as that of a file that was cut short.
    pub fn is_cut_short(&self) -> bool {
        matches!(self, Self::Syntax { source, .. } if source.is_eof())
    }
}

impl From<serde_json::Error> for JsonError {
    fn from(source: serde_json::Error) -> Self {
        Self::Syntax {
            line: source.line(),
            column: source.column(),
            source,
        }
    }
}

/// A JSON object's members in their order, the values as they are written.
///
/// Where a key stands more than once, its last value counts, as in Python's `json`, with which the
/// platform reads what we send. Numbers that are not finite (`NaN`, `Infinity`, `-Infinity`), which that
/// writes and JSON does not have, are read as numbers.
///
/// ```
/// use stix_bundle::json::{Kind, Object};
/// use stix_bundle::{Limits, Text};
///
/// let text = Text::check(br#"{"n": 1e-07, "n": 0.10}"#, &Limits::default())?;
/// let object = Object::parse(&text)?;
/// assert_eq!(object.get("n").map(|value| value.text()), Some("0.10"));
///
/// let list = Text::check(b"[]", &Limits::default())?;
/// let refused = Object::parse(&list).unwrap_err();
/// assert_eq!(refused.to_string(), "expected a JSON object, found a list");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, Value<'a>)>,
    places: Arc<Places<'a>>,
}

impl<'a> Object<'a> {
    /// Reads an object's members; the grammar of the whole text is checked.
    ///
    /// # Errors
    /// [`JsonError::Syntax`] or [`JsonError::NotAnObject`]; lines and columns count from the start
    /// of `text`.
    pub fn parse(text: &Text<'a>) -> Result<Self, JsonError> {
        Self::read(text, Wanted(None))
    }

    /// The same, keeping only the members of these keys: of a text with millions of others,
    /// nothing else takes up memory.
    ///
    /// ```
    /// use stix_bundle::json::Object;
    /// use stix_bundle::{Limits, Text};
    ///
    /// let text = Text::check(br#"{"a": 1, "b": 2, "a": 3}"#, &Limits::default())?;
    /// let object = Object::pick(&text, &["a"])?;
    /// assert_eq!(object.get("a").map(|value| value.text()), Some("3"));
    /// assert!(object.get("b").is_none());
    /// assert_eq!(object.members().count(), 1, "only the last value of a key is kept");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn pick(text: &Text<'a>, keys: &[&str]) -> Result<Self, JsonError> {
        Self::read(text, Wanted(Some(keys)))
    }

    fn read(text: &Text<'a>, wanted: Wanted<'_>) -> Result<Self, JsonError> {
        if let Some((value, places)) = text.json() {
            match value.kind() {
                Kind::Object => {}
                found => return Err(JsonError::NotAnObject { found }),
            }
            if let Some(members) = wanted.among(value, &places) {
                return Ok(Self { members, places });
            }
        }
        Err(what_is_wrong(text.as_str()))
    }

    /// The value of a key: the last one, where there are several.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.members
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| *value)
    }

    /// The value of a key as a text that needs no second check.
    pub fn text(&self, key: &str) -> Option<Text<'a>> {
        self.get(key).map(|value| Text::found(value, &self.places))
    }

    /// What is known of its parts.
    pub(crate) fn places(&self) -> &Places<'a> {
        &self.places
    }

    /// All members in their order, repeated keys included.
    pub fn members(&self) -> impl Iterator<Item = (&Cow<'a, str>, Value<'a>)> {
        self.members.iter().map(|(key, value)| (key, *value))
    }
}

/// The parser says what is wrong, and where.
fn what_is_wrong(text: &str) -> JsonError {
    let text = with_finite_numbers(text);
    let mut reader = serde_json::Deserializer::from_str(&text);
    let read = if text.trim_start_matches(JSON_SPACE).starts_with('{') {
        reader.deserialize_map(Keys)
    } else {
        IgnoredAny::deserialize(&mut reader).map(drop)
    };
    match read.and_then(|()| reader.end()) {
        Err(error) => error.into(),
        Ok(()) => serde_json::Error::custom("it cannot be read").into(),
    }
}

/// The members that are kept: those of these keys; all, where there are none.
#[derive(Clone, Copy)]
struct Wanted<'k>(Option<&'k [&'k str]>);

impl Wanted<'_> {
    /// Those of an object; `None` where a key has no text.
    fn among<'a>(self, object: Value<'a>, places: &Places<'a>) -> Option<Found<'a>> {
        let mut found = Vec::new();
        let mut items = object.items();
        while let Some(key) = items.next() {
            let value = items.next_in(places)?;
            self.add(&mut found, key.string()?, value);
        }
        Some(found)
    }

    fn add<'a>(self, found: &mut Found<'a>, key: Cow<'a, str>, value: Value<'a>) {
        match self.0 {
            None => found.push((key, value)),
            Some(keys) if keys.contains(&&*key) => {
                found.retain(|(earlier, _)| *earlier != key);
                found.push((key, value));
            }
            Some(_) => {}
        }
    }
}

type Found<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// Reads an object's keys, which must have texts, and skips its values.
struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key) = map.next_key()? {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// A key that has a text.
struct Key;

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_str(Self)
    }
}

impl Visitor<'_> for Key {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::Limits;

    fn parse(text: &str) -> Result<Object<'_>, JsonError> {
        Object::parse(&Text::check(text.as_bytes(), &Limits::default()).unwrap())
    }

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn members_keep_their_order_and_their_bytes() {
        let object = parse("\r\n { \"b\" : 1.50 ,\"a\\u0062\":[ 1 ], \"b\":\"x\"} ").unwrap();
        let seen: Vec<_> = object
            .members()
            .map(|(key, value)| (&**key, value.text()))
            .collect();
        assert_eq!(seen, [("b", "1.50"), ("ab", "[ 1 ]"), ("b", "\"x\"")]);
        assert_eq!(object.get("b").map(Value::text), Some("\"x\""));
        assert_eq!(object.text("ab").unwrap().as_str(), "[ 1 ]");
        assert!(object.get("c").is_none());
    }

    #[test]
    fn it_is_told_where_a_text_is_not_json() {
        for (text, expect) in [
            ("", (1, 0)),
            ("{", (1, 1)),
            ("{\n\"a\": tru }", (2, 9)),
            ("{} {}", (1, 4)),
            ("{\"a\": NaN, \"b\": nan}", (1, 18)),
            ("{\"a\": NaN", (1, 9)),
            ("{\"a\": -Infinity, \"b\": \"c", (1, 24)),
            ("{\"a\": [1, 2}", (1, 12)),
            ("{\"\\ud800\": 1}", (1, 9)),
            ("[1", (1, 2)),
        ] {
            let error = parse(text).unwrap_err();
            let JsonError::Syntax { line, column, .. } = error else {
                panic!("{text}: {error}");
            };
            assert_eq!((line, column), expect, "{text}");
        }
    }

    #[test]
    fn what_ends_too_early_is_cut_short() {
        for (text, expect) in [
            ("", true),
            ("{\"a\"", true),
            ("{\"a\": NaN, \"b\": {\"c\": \"d", true),
            ("{\"a\": tru", true),
            ("{\"a\": NaN, b", false),
            ("{} {", false),
        ] {
            assert_eq!(parse(text).unwrap_err().is_cut_short(), expect, "{text}");
        }
        assert!(!parse("[]").unwrap_err().is_cut_short());
    }

    #[test]
    fn numbers_that_are_not_finite_are_read() {
        let object = parse("{\"a\": NaN, \"b\": [-Infinity], \"c\": {\"d\": Infinity}}").unwrap();
        let kinds: Vec<_> = object.members().map(|(_, value)| value.kind()).collect();
        assert_eq!(kinds, [Kind::Number, Kind::Array, Kind::Object]);
        assert_eq!(object.get("a").map(Value::text), Some("NaN"));
    }

    #[test]
    fn what_is_json_and_no_object_is_told_by_its_kind() {
        for (text, expect) in [
            ("null", Kind::Null),
            (" [1]", Kind::Array),
            ("\"x\"", Kind::String),
            ("-1", Kind::Number),
            ("NaN", Kind::Number),
            ("true", Kind::Bool),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(error, JsonError::NotAnObject { found } if found == expect),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn strings() {
        for (text, expect) in [
            (r#""""#, Some("")),
            (r#""a b""#, Some("a b")),
            (r#""\ud83e\udd80\n\"""#, Some("🦀\n\"")),
            (r#""\ud800""#, None),
            (r#""\udc00\ud800""#, None),
            ("1", None),
            ("null", None),
        ] {
            assert_eq!(Value::of(raw(text)).string().as_deref(), expect, "{text}");
        }
    }
}
