//! JSON that keeps its numbers as they are written, to compare messages by value: an integer of
//! twenty digits must not pass through a float.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number's text.
    Number(String),
    /// A string, with its escapes resolved.
    String(String),
    /// A list.
    Array(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

/// From 2^53 on the dependency counts of messages may saturate.
const COUNTS: [&str; 2] = ["nb_deps", "x_opencti_seq"];
const LARGE: f64 = 9_007_199_254_740_992.0;

impl Json {
    /// Reads a JSON text.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        Self::read(serde_json::from_str(text)?)
    }

    fn read(raw: &RawValue) -> serde_json::Result<Self> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
                let read = |(key, raw)| Ok((key, Self::read(raw)?));
                Self::Object(members.into_iter().map(read).collect::<Result<_, _>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                Self::Array(
                    items
                        .into_iter()
                        .map(Self::read)
                        .collect::<Result<_, _>>()?,
                )
            }
            Some(b'"') => Self::String(serde_json::from_str(text)?),
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Bool(text == "true"),
            _ => Self::Number(text.to_owned()),
        })
    }

    /// A member of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(key),
            _ => None,
        }
    }

    /// Takes a member out of an object.
    pub fn take(&mut self, key: &str) -> Option<Self> {
        match self {
            Self::Object(members) => members.remove(key),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// The first difference between two values, as a path and what is there; `None` where they are
/// equal. Two things may differ: a wanted `<generated>` stands for any bundle id, and a wanted
/// dependency count of 2^53 or more for any such count.
///
/// ```
/// use tests::json::{Json, difference};
///
/// let wanted = Json::parse(r#"{"a":[1e-7,"x"]}"#)?;
/// let got = Json::parse(r#"{"a":[0.0000001,"y"]}"#)?;
/// assert_eq!(
///     difference(&wanted, &got).as_deref(),
///     Some(r#"$.a[1]: wanted String("x"), got String("y")"#)
/// );
/// assert_eq!(difference(&got, &got), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn difference(wanted: &Json, got: &Json) -> Option<String> {
    compare("$", "", wanted, got)
}

fn compare(path: &str, key: &str, wanted: &Json, got: &Json) -> Option<String> {
    match (wanted, got) {
        (Json::Object(wanted), Json::Object(got)) => compare_objects(path, wanted, got),
        (Json::Array(wanted), Json::Array(got)) if wanted.len() == got.len() => wanted
            .iter()
            .zip(got)
            .enumerate()
            .find_map(|(index, (wanted, got))| {
                compare(&format!("{path}[{index}]"), "", wanted, got)
            }),
        (Json::String(wanted), Json::String(got)) if wanted == "<generated>" => {
            (!got.starts_with("bundle--")).then(|| format!("{path}: {got:?} is no bundle id"))
        }
        (Json::Number(wanted), Json::Number(got)) if COUNTS.contains(&key) && is_large(wanted) => {
            (!is_large(got)).then(|| format!("{path}: wanted a large count, got {got}"))
        }
        (Json::Number(a), Json::Number(b)) if canonical(a) == canonical(b) => None,
        _ if wanted == got => None,
        _ => Some(format!("{path}: wanted {wanted:?}, got {got:?}")),
    }
}

fn compare_objects(
    path: &str,
    wanted: &BTreeMap<String, Json>,
    got: &BTreeMap<String, Json>,
) -> Option<String> {
    if let Some(key) = got.keys().find(|key| !wanted.contains_key(*key)) {
        return Some(format!("{path}.{key}: not wanted"));
    }
    wanted.iter().find_map(|(key, wanted)| match got.get(key) {
        Some(got) => compare(&format!("{path}.{key}"), key, wanted, got),
        None => Some(format!("{path}.{key}: missing")),
    })
}

fn is_large(number: &str) -> bool {
    number.parse::<f64>().is_ok_and(|number| number >= LARGE)
}

/// A number's sign, its digits without zeros at either end, and the power of ten they stand at.
fn canonical(number: &str) -> (bool, String, i64) {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(i64::MAX / 2);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let trimmed = digits.trim_end_matches('0');
    if trimmed.is_empty() {
        return (false, String::new(), 0);
    }
    let zeros = digits.len() - trimmed.len();
    let power = exponent + zeros as i64 - fraction.len() as i64;
    (negative, trimmed.to_owned(), power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(wanted: &str, got: &str) -> bool {
        difference(&Json::parse(wanted).unwrap(), &Json::parse(got).unwrap()).is_some()
    }

    #[test]
    fn numbers_are_compared_by_value() {
        for (a, b) in [
            ("1", "1.0"),
            ("0", "-0.0"),
            ("1e-07", "1e-7"),
            ("1e-07", "0.0000001"),
            ("1200", "12E+2"),
            ("12345678901234567890123", "12345678901234567890123.0"),
        ] {
            assert!(!differs(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("1", "-1"),
            ("9007199254740993", "9007199254740992"),
            ("0.1", "0.10000000000000001"),
            ("10", "1"),
            ("1", "\"1\""),
        ] {
            assert!(differs(a, b), "{a} {b}");
        }
    }

    #[test]
    fn values_are_compared_in_depth() {
        for (wanted, got, differ) in [
            (
                r#"{"a":1,"b":[null,true]}"#,
                r#"{ "b":[null,true], "a":1 }"#,
                false,
            ),
            (r#"{"a":"\u00e9"}"#, r#"{"a":"é"}"#, false),
            (r#"{"a":1}"#, r#"{}"#, true),
            (r#"{}"#, r#"{"a":1}"#, true),
            (r#"[1,2]"#, r#"[2,1]"#, true),
            (r#"[1]"#, r#"[1,1]"#, true),
            (r#"{"id":"<generated>"}"#, r#"{"id":"bundle--x"}"#, false),
            (r#"{"id":"<generated>"}"#, r#"{"id":"x"}"#, true),
        ] {
            assert_eq!(differs(wanted, got), differ, "{wanted} {got}");
        }
    }

    #[test]
    fn large_counts_need_only_be_large() {
        let huge = r#"{"nb_deps":3626764237,"x_opencti_seq":1180591620717411303424}"#;
        for (got, differ) in [
            (
                r#"{"nb_deps":3626764237,"x_opencti_seq":9007199254740992}"#,
                false,
            ),
            (
                r#"{"nb_deps":3626764237,"x_opencti_seq":9007199254740991}"#,
                true,
            ),
            (
                r#"{"nb_deps":3626764238,"x_opencti_seq":9007199254740992}"#,
                true,
            ),
        ] {
            assert_eq!(differs(huge, got), differ, "{got}");
        }
        assert!(differs("[18014398509481984]", "[9007199254740992]"));
    }
}
