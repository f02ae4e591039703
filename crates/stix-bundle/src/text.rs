//! JSON text that is safe to hand to a parser.

use std::fmt;
use std::str::Utf8Error;
use std::sync::Arc;

use memchr::memchr2;

use crate::Limits;
use crate::grammar::{MAX_DIGITS, Places, first_of_several, scan};
use crate::value::Value;

/// What JSON allows between its tokens.
pub(crate) const JSON_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Text that was checked against the [`Limits`]: its size, its UTF-8, its nesting.
///
/// Whether it is JSON is for [`json::Object`](crate::json::Object) to say; what is promised here is
/// that finding out cannot exhaust the stack. Only [`Text::check`] makes one. It remembers where the
/// large parts of an envelope or a bundle are, so that nobody has to look for them again; its clones
/// and what is found in it share that.
///
/// ```
/// use stix_bundle::{Limits, Text, TextError};
///
/// let text = Text::check(b"\xEF\xBB\xBF{}", &Limits::default())?;
/// assert_eq!(text.as_str(), "{}", "a byte order mark is dropped");
///
/// let refused = Text::check(b"{\"a\": \"\xFF\"}", &Limits::default());
/// assert!(matches!(refused, Err(TextError::InvalidUtf8 { offset: 7 })));
/// # Ok::<(), TextError>(())
/// ```
#[derive(Clone)]
pub struct Text<'a> {
    text: &'a str,
    /// Of a text that is known to be one JSON value, and what is known of its parts.
    places: Option<Arc<Places<'a>>>,
}

/// Why a text is not looked at any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It has more bytes than [`Limits::max_bytes`].
    #[error("the text has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// It is UTF-16, as Windows PowerShell writes it.
    #[error("the text is UTF-16, not UTF-8: {sign}")]
    Utf16 {
        /// By what that can be told.
        sign: Utf16Sign,
    },
    /// It is not UTF-8, the only encoding of JSON between systems (RFC 8259, section 8.1).
    #[error("the text is not UTF-8 from byte {offset} on")]
    InvalidUtf8 {
        /// The first byte that is not.
        offset: usize,
    },
    /// It is UTF-8 and ends within a character.
    #[error("the text is cut short: it ends within a character, at byte {offset}")]
    CutShort {
        /// The character's first byte.
        offset: usize,
    },
    /// It nests deeper than [`Limits::max_depth`].
    #[error(
        "the text nests {depth} levels deep, deeper than the {limit} allowed; byte {offset} is the \
         first that is too deep"
    )]
    TooDeep {
        /// The limit in levels.
        limit: usize,
        /// How deep it nests.
        depth: usize,
        /// The bracket that goes too deep.
        offset: usize,
    },
    /// It has a number of more digits than the platform's worker can read.
    #[error("the number at byte {offset} has more than {limit} digits")]
    NumberTooLong {
        /// The limit in digits.
        limit: usize,
        /// The number's first digit.
        offset: usize,
    },
}

/// By what UTF-16 can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Utf16Sign {
    /// It begins with a byte order mark of UTF-16.
    ByteOrderMark,
    /// There is no byte order mark, and every other byte at its beginning is zero.
    ZeroBytes,
}

impl fmt::Display for Utf16Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByteOrderMark => "it begins with a byte order mark of UTF-16",
            Self::ZeroBytes => {
                "there is no byte order mark, but every other byte at its beginning is zero"
            }
        })
    }
}

impl Utf16Sign {
    /// Bytes that are looked at for zeros.
    const LOOKED_AT: usize = 16;

    /// The sign that bytes have which are not JSON in UTF-8.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            // A byte order mark of UTF-32.
            [0xFF, 0xFE, 0, 0, ..] => return None,
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => return Some(Self::ByteOrderMark),
            _ => {}
        }
        let pairs = bytes.chunks_exact(2).take(Self::LOOKED_AT / 2);
        let is_little = |pair: &[u8]| pair[0] != 0 && pair[1] == 0;
        let is_big = |pair: &[u8]| pair[0] == 0 && pair[1] != 0;
        let is_either = pairs.clone().all(is_little) || pairs.clone().all(is_big);
        (pairs.len() > 1 && is_either).then_some(Self::ZeroBytes)
    }
}

impl<'a> Text<'a> {
    /// Checks bytes against the limits; a byte order mark at their start is dropped.
    ///
    /// # Errors
    /// [`TextError`]: the first thing found, in the order of its variants; offsets count from the
    /// start of `bytes`.
    pub fn check(bytes: &'a [u8], limits: &Limits) -> Result<Self, TextError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > limits.max_bytes {
            return Err(TextError::TooLarge {
                size,
                limit: limits.max_bytes,
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let places = scan(text, limits);
        if places.is_none() {
            // Of ASCII characters alone, UTF-16 is UTF-8, too.
            if let Some(sign) = Utf16Sign::of(bytes) {
                return Err(TextError::Utf16 { sign });
            }
            check_structure(bytes, limits.max_depth)?;
        }
        Ok(Self {
            text,
            places: places.map(Arc::new),
        })
    }

    /// The text itself.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The same promise for a part of this text, such as a value found in it; `None` where `part`
    /// is a slice of something else.
    ///
    /// ```
    /// use stix_bundle::{Limits, Text};
    ///
    /// let text = Text::check(b"[{}]", &Limits::default())?;
    /// let object = text.narrow(&text.as_str()[1..3]);
    /// assert_eq!(object.as_ref().map(Text::as_str), Some("{}"));
    /// assert!(text.narrow("{}").is_none());
    /// # Ok::<(), stix_bundle::TextError>(())
    /// ```
    pub fn narrow(&self, part: &'a str) -> Option<Self> {
        let outer = self.text.as_bytes().as_ptr_range();
        let inner = part.as_bytes().as_ptr_range();
        (outer.start <= inner.start && inner.end <= outer.end).then_some(Self {
            text: part,
            places: None,
        })
    }

    /// A value in a text of which this is known.
    pub(crate) fn found(value: Value<'a>, places: &Arc<Places<'a>>) -> Self {
        Self {
            text: value.text(),
            places: Some(Arc::clone(places)),
        }
    }

    /// The complete JSON value that the text begins with, where more follows behind it: such as the
    /// first of several, one a line. A number or a word is complete only if space follows.
    ///
    /// ```
    /// use stix_bundle::{Limits, Text};
    ///
    /// let limits = Limits::default();
    /// let lines = Text::check(b"{\"a\": 1}\n{\"a\": 2}\n", &limits)?;
    /// assert_eq!(lines.first_of_several().as_ref().map(Text::as_str), Some("{\"a\": 1}"));
    /// assert!(Text::check(b"{\"a\": 1}\n", &limits)?.first_of_several().is_none());
    /// # Ok::<(), stix_bundle::TextError>(())
    /// ```
    pub fn first_of_several(&self) -> Option<Self> {
        let text = first_of_several(self.text)?;
        Some(Self { text, places: None })
    }

    /// The value that it is, and what is known of it, if it is JSON.
    pub(crate) fn json(&self) -> Option<(Value<'a>, Arc<Places<'a>>)> {
        let places = match &self.places {
            Some(places) => Arc::clone(places),
            // Its depth was checked, and how many objects there may be is asked later.
            None => Arc::new(scan(
                self.text,
                &Limits {
                    max_depth: usize::MAX,
                    max_objects: 0,
                    ..Limits::default()
                },
            )?),
        };
        Some((Value::of_json(self.text), places))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.text.len())
    }
}

#[cold]
fn not_utf8(bytes: &[u8], error: Utf8Error) -> TextError {
    let offset = error.valid_up_to();
    match (Utf16Sign::of(bytes), error.error_len()) {
        (Some(sign), _) => TextError::Utf16 { sign },
        (None, None) => TextError::CutShort { offset },
        (None, Some(_)) => TextError::InvalidUtf8 { offset },
    }
}

/// Nesting and the length of numbers, as far as they can be told without knowing the grammar.
fn check_structure(bytes: &[u8], max_depth: usize) -> Result<(), TextError> {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut too_deep_at = None;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            b'"' => after_string(bytes, at + 1),
            b'0'..=b'9' if too_deep_at.is_none() => after_number(bytes, at)?,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
                if depth > max_depth {
                    too_deep_at = too_deep_at.or(Some(at));
                }
                at + 1
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at + 1
            }
            _ => at + 1,
        };
    }
    match too_deep_at {
        None => Ok(()),
        Some(offset) => Err(TextError::TooDeep {
            limit: max_depth,
            depth: deepest,
            offset,
        }),
    }
}

/// Where a string ends whose first character is at `at`.
pub(crate) fn after_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// Where the digits end that start at `at`.
fn after_number(bytes: &[u8], at: usize) -> Result<usize, TextError> {
    let digits = bytes[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits > MAX_DIGITS {
        return Err(TextError::NumberTooLong {
            limit: MAX_DIGITS,
            offset: at,
        });
    }
    Ok(at + digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], limits: Limits, expect: Result<&str, TextError>) {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert_eq!(
            Text::check(bytes, &limits).map(|text| text.as_str()),
            expect,
            "{shown}"
        );
    }

    #[test]
    fn size_at_and_around_the_limit() {
        let limits = Limits {
            max_bytes: 4,
            ..Limits::default()
        };
        check(b"[1]", limits, Ok("[1]"));
        check(b"[11]", limits, Ok("[11]"));
        check(
            b"[111]",
            limits,
            Err(TextError::TooLarge { size: 5, limit: 4 }),
        );
    }

    #[test]
    fn depth_at_and_around_the_limit() {
        let limits = Limits {
            max_depth: 2,
            ..Limits::default()
        };
        check(b"{}", limits, Ok("{}"));
        check(b"[{},{}]", limits, Ok("[{},{}]"));
        check(
            b"[{\"a\":[]}]",
            limits,
            Err(TextError::TooDeep {
                limit: 2,
                depth: 3,
                offset: 6,
            }),
        );
        check(
            b"\xEF\xBB\xBF[[[[]]],[[[[[]",
            limits,
            Err(TextError::TooDeep {
                limit: 2,
                depth: 6,
                offset: 5,
            }),
        );
        check(b"]]]]", limits, Ok("]]]]"));
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let limits = Limits {
            max_depth: 1,
            ..Limits::default()
        };
        for text in [
            r#"["[[["]"#,
            r#"["\"[["]"#,
            r#"["\\","{"]"#,
            r#"["é\u005b[漢[字"]"#,
        ] {
            check(text.as_bytes(), limits, Ok(text));
        }
        check(
            br#"["\\",["[""#,
            limits,
            Err(TextError::TooDeep {
                limit: 1,
                depth: 2,
                offset: 6,
            }),
        );
        check(br#"["open [["#, limits, Ok(r#"["open [["#));
        check(br#"["open \"#, limits, Ok(r#"["open \"#));
    }

    #[test]
    fn encoding() {
        let limits = Limits::default();
        check(b"", limits, Ok(""));
        check(b"\xEF\xBB\xBF1", limits, Ok("1"));
        check(b"[\"\xC3\xA9\"]", limits, Ok("[\"é\"]"));
        check(
            b"[\"\xED\xA0\x80\"]",
            limits,
            Err(TextError::InvalidUtf8 { offset: 2 }),
        );
        for bytes in [&b"[\"\xC3"[..], b"[\"\xF0\x9F\x98"] {
            check(bytes, limits, Err(TextError::CutShort { offset: 2 }));
        }
    }

    #[test]
    fn utf_16_is_told_with_and_without_a_byte_order_mark() {
        use Utf16Sign::{ByteOrderMark, ZeroBytes};
        let text = "{\"bundle_type\": \"DIRECTORY_BUNDLE\", \"name\": \"é漢\"}";
        let little =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let big =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
        let marked = format!("\u{feff}{text}");
        for (bytes, sign) in [
            (little(&marked), ByteOrderMark),
            (big(&marked), ByteOrderMark),
            (little(text), ZeroBytes),
            (big(text), ZeroBytes),
            (little("{\"a\": 1}"), ZeroBytes),
            (big("{\"a\": 1}"), ZeroBytes),
            (b"\xFF\xFE".to_vec(), ByteOrderMark),
        ] {
            check(&bytes, Limits::default(), Err(TextError::Utf16 { sign }));
        }
        let utf32 = b"\xFF\xFE\0\0{\0\0\0";
        let error = TextError::InvalidUtf8 { offset: 0 };
        check(utf32, Limits::default(), Err(error));
        for zeros in ["{\0", "\0\0\0\0\0\0", "{\0\0\0\0\0\0"] {
            check(zeros.as_bytes(), Limits::default(), Ok(zeros));
        }
    }

    #[test]
    fn numbers_that_python_cannot_read() {
        let limits = Limits::default();
        let longest = "9".repeat(4300);
        check(longest.as_bytes(), limits, Ok(&longest));
        let error = TextError::NumberTooLong {
            limit: 4300,
            offset: 1,
        };
        check(format!("-{longest}9").as_bytes(), limits, Err(error));
        let in_string = format!("\"{longest}9\"");
        check(in_string.as_bytes(), limits, Ok(&in_string));
    }
}
