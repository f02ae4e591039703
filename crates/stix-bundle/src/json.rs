//! JSON objects, one level at a time, without copying their values.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Text;
use crate::text::JSON_SPACE;
use crate::value::Value;

/// What sort of value a JSON text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
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
    #[error("not valid JSON at line {line}, column {column}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The byte in that line, from 1; 0 where the line break itself is meant.
        column: usize,
        /// What is wrong there.
        source: serde_json::Error,
    },
    /// It is JSON, but something else than an object.
    #[error("expected a JSON object, found {found}")]
    NotAnObject {
        /// What it is.
        found: Kind,
    },
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
/// platform reads what we send.
///
/// ```
/// use stix_bundle::json::{Kind, Object, kind, string};
/// use stix_bundle::{Limits, Text};
///
/// let text = Text::check(br#"{"n": 1e-07, "n": 0.10, "s": "\u00e9"}"#, &Limits::default())?;
/// let object = Object::parse(text)?;
/// let number = object.get("n").expect("it is there");
/// assert_eq!((number.get(), kind(number)), ("0.10", Kind::Number));
/// assert_eq!(object.get("s").and_then(string).as_deref(), Some("é"));
///
/// let list = Text::check(b"[]", &Limits::default())?;
/// let refused = Object::parse(list).unwrap_err();
/// assert_eq!(refused.to_string(), "expected a JSON object, found a list");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// Reads an object's members; the grammar of the whole text is checked.
    ///
    /// # Errors
    /// [`JsonError::Syntax`] or [`JsonError::NotAnObject`]; lines and columns count from the start
    /// of `text`.
    pub fn parse(text: Text<'a>) -> Result<Self, JsonError> {
        Self::read(text, Members { keys: None })
    }

    /// The same, keeping only the members of these keys: of a text with millions of others,
    /// nothing else takes up memory.
    ///
    /// ```
    /// use stix_bundle::json::Object;
    /// use stix_bundle::{Limits, Text};
    ///
    /// let text = Text::check(br#"{"a": 1, "b": 2, "a": 3}"#, &Limits::default())?;
    /// let object = Object::pick(text, &["a"])?;
    /// assert_eq!(object.get("a").map(|value| value.get()), Some("3"));
    /// assert!(object.get("b").is_none());
    /// assert_eq!(object.members().count(), 1, "only the last value of a key is kept");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn pick(text: Text<'a>, keys: &[&str]) -> Result<Self, JsonError> {
        Self::read(text, Members { keys: Some(keys) })
    }

    fn read(text: Text<'a>, wanted: Members<'_>) -> Result<Self, JsonError> {
        if !text
            .as_str()
            .trim_start_matches(JSON_SPACE)
            .starts_with('{')
        {
            let value: &RawValue = serde_json::from_str(text.as_str())?;
            return Err(JsonError::NotAnObject { found: kind(value) });
        }
        let mut reader = serde_json::Deserializer::from_str(text.as_str());
        let members = wanted.deserialize(&mut reader)?;
        reader.end()?;
        Ok(Self { members })
    }

    /// The value of a key: the last one, where there are several.
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.members
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| *value)
    }

    /// The value of a key as a text that needs no second check.
    pub fn text(&self, key: &str) -> Option<Text<'a>> {
        self.get(key).map(Text::found)
    }

    /// All members in their order, repeated keys included.
    pub fn members(&self) -> impl Iterator<Item = (&Cow<'a, str>, &'a RawValue)> {
        self.members.iter().map(|(key, value)| (key, *value))
    }
}

/// What sort of value this is.
pub fn kind(value: &RawValue) -> Kind {
    Value::of(value).kind()
}

/// A string's text, its escapes resolved; `None` where the value is none, or holds half of a
/// surrogate pair and so has no text.
pub fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    Value::of(value).string()
}

struct Members<'k> {
    /// The keys that are kept; all, where there are none.
    keys: Option<&'k [&'k str]>,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Self::Value = Vec::new();
        while let Some(key) = map.next_key_seed(Key)? {
            let value = map.next_value()?;
            match self.keys {
                None => members.push((key, value)),
                Some(keys) if keys.contains(&&*key) => {
                    members.retain(|(earlier, _)| *earlier != key);
                    members.push((key, value));
                }
                Some(_) => {}
            }
        }
        Ok(members)
    }
}

/// A key, borrowed where it holds no escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn parse(text: &str) -> Result<Object<'_>, JsonError> {
        Object::parse(Text::check(text.as_bytes(), &Limits::default()).unwrap())
    }

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn members_keep_their_order_and_their_bytes() {
        let object = parse("\r\n { \"b\" : 1.50 ,\"a\\u0062\":[ 1 ], \"b\":\"x\"} ").unwrap();
        let seen: Vec<_> = object
            .members()
            .map(|(key, value)| (&**key, value.get()))
            .collect();
        assert_eq!(seen, [("b", "1.50"), ("ab", "[ 1 ]"), ("b", "\"x\"")]);
        assert_eq!(object.get("b").map(RawValue::get), Some("\"x\""));
        assert_eq!(object.text("ab").map(Text::as_str), Some("[ 1 ]"));
        assert!(object.get("c").is_none());
    }

    #[test]
    fn what_is_not_an_object_is_told_from_what_is_not_json() {
        for (text, expect) in [
            ("", "not valid JSON at line 1, column 0"),
            ("{", "not valid JSON at line 1, column 1"),
            ("{\n\"a\": tru }", "not valid JSON at line 2, column 9"),
            ("{} {}", "not valid JSON at line 1, column 4"),
            ("{\"a\": NaN}", "not valid JSON at line 1, column 7"),
            ("{\"a\": [1, 2}", "not valid JSON at line 1, column 12"),
            ("{\"\\ud800\": 1}", "not valid JSON at line 1, column 9"),
            ("null", "expected a JSON object, found null"),
            (" [1]", "expected a JSON object, found a list"),
            ("[1", "not valid JSON at line 1, column 2"),
            ("\"x\"", "expected a JSON object, found a string"),
            ("-1", "expected a JSON object, found a number"),
            ("true", "expected a JSON object, found a boolean"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expect, "{text}");
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
            assert_eq!(string(raw(text)).as_deref(), expect, "{text}");
        }
    }
}
