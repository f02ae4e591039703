//! Names of types, as settings have them.

use std::fmt;

/// A type of objects, or all types that begin alike.
///
/// ```
/// use stix_bundle::TypePattern;
///
/// let cases = TypePattern::parse("case-*").expect("it is one");
/// assert!(cases.matches("case-rfi") && cases.matches("Case-Incident"));
/// assert!(!cases.matches("case") && !cases.matches("x-opencti-case-rfi"));
/// assert!(TypePattern::parse("*-case").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypePattern {
    start: String,
    and_more: bool,
}

impl TypePattern {
    /// Reads a type, which is of ASCII letters, digits, `-` and `_`, or the start of types with a `*` behind
    /// it. `None` where the text is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (start, and_more) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (!start.is_empty() && start.bytes().all(is_usual)).then(|| Self {
            start: start.to_owned(),
            and_more,
        })
    }

    /// Whether a type is meant, in any letter case.
    pub fn matches(&self, object_type: &str) -> bool {
        let start = object_type.get(..self.start.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(&self.start))
            && (self.and_more || object_type.len() == self.start.len())
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.and_more { "*" } else { "" };
        write!(f, "{}{star}", self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_star_at_the_end_stands_for_all_that_begin_alike() {
        for (pattern, object_type, expect) in [
            ("task", "task", true),
            ("task", "TASK", true),
            ("task", "tasks", false),
            ("task", "tas", false),
            ("task*", "task", true),
            ("task*", "tasks", true),
            ("task*", "tasé", false),
            ("x-*", "x-mitre-data-source", true),
        ] {
            let read = TypePattern::parse(pattern).unwrap();
            assert_eq!(read.matches(object_type), expect, "{pattern} {object_type}");
        }
        for wrong in ["", "*", "**", "a**", "*a", "a*b", "a b", "é", "a,b"] {
            assert_eq!(TypePattern::parse(wrong), None, "{wrong}");
        }
    }
}
