//! Output that is safe for a terminal, whoever wrote what is in it.
//!
//! Names, ids and types come from files that anybody may have written. A terminal obeys some characters
//! (U+009B begins a command to it), and others show nothing or turn the text around them, so that a line
//! reads as what it is not. Whatever the program writes, but for its messages to the platform, goes
//! through here: JSON by [`write_json`], text by [`escape`], [`quote`], [`word`] or [`guard`].
//!
//! ```
//! use diode_core::terminal::{Layout, escape, guard, is_safe, quote, write_json};
//!
//! assert!(is_safe('é') && is_safe('漢') && !is_safe('\u{202e}'));
//! assert_eq!(escape("a\n\u{202e}\\"), r"a\n\u{202e}\\");
//! assert_eq!(guard("a\n\u{202e}\\"), r"a\n\u{202e}\");
//! assert_eq!(quote("a \"b\"\u{9b}"), r#""a \"b\"\u{9b}""#);
//!
//! let mut json = Vec::new();
//! write_json(&mut json, "é\u{9b}\u{e0041}", Layout::Line)?;
//! assert_eq!(json, r#""é\u009b\udb40\udc41""#.as_bytes());
//! assert_eq!(serde_json::from_slice::<String>(&json)?, "é\u{9b}\u{e0041}");
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// The first and the last of the characters beyond ASCII that are not safe, range by range: what Unicode
/// has as controls, format characters, line and paragraph separators, default ignorable code points, and
/// noncharacters but for the last two of each plane. A test compares them with Unicode's own tables.
const UNSAFE: [(char, char); 27] = [
    ('\u{80}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fdd0}', '\u{fdef}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a terminal shows a character as it is: printable ASCII, or one above U+00A0 that is neither a
/// format character (category Cf: zero-width characters, joiners, directional marks, tags), nor a line or
/// paragraph separator, nor invisible by definition (default ignorable, variation selectors among them),
/// nor a noncharacter.
pub fn is_safe(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    let is_last_of_plane = u32::from(character) & 0xfffe == 0xfffe;
    let after = UNSAFE.partition_point(|(first, _)| *first <= character);
    let is_within = UNSAFE[..after]
        .last()
        .is_some_and(|(_, last)| character <= *last);
    !is_last_of_plane && !is_within
}

/// A text of another's making, for one line: what is not safe is escaped as Rust writes it (`\n`,
/// `\u{202e}`), and a backslash is doubled, so that what was escaped can be told from what was not.
///
/// It is borrowed where nothing had to be escaped.
pub fn escape(text: &str) -> Cow<'_, str> {
    replaced(text, |character| character == '\\' || !is_safe(character))
}

/// The same between quotation marks, those within escaped.
pub fn quote(text: &str) -> String {
    let inner = replaced(text, |character| {
        matches!(character, '\\' | '"') || !is_safe(character)
    });
    format!("\"{inner}\"")
}

/// A text that stands among other words: as it is where it is one word of letters, digits and `-_./:@+`,
/// all ASCII; else [quoted](quote).
pub fn word(text: &str) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@+".contains(&byte);
    if !text.is_empty() && text.bytes().all(fits) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(quote(text))
}

/// A line that we put together: what is not safe is escaped, and backslashes stay, since parts of it may be
/// escaped already. It is the last to touch a line before it is written.
///
/// It is borrowed where nothing had to be escaped.
pub fn guard(line: &str) -> Cow<'_, str> {
    replaced(line, |character| !is_safe(character))
}

/// The same for a page of several lines, whose line breaks stay.
pub fn guard_page(page: &str) -> Cow<'_, str> {
    replaced(page, |character| character != '\n' && !is_safe(character))
}

fn replaced(text: &str, is_replaced: impl Fn(char) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find(&is_replaced) else {
        return Cow::Borrowed(text);
    };
    let (start, rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(start);
    for character in rest.chars() {
        if is_replaced(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// On one line, without spaces.
    Line,
    /// On many lines, indented.
    Indented,
}

/// Writes a value as JSON in which what is not safe stands as `\uXXXX`, so that it is the same value to
/// whoever reads it. There is no line break at its end.
///
/// # Errors
/// Those of `to`, and of a value that has no JSON.
pub fn write_json<T: Serialize + ?Sized>(
    to: impl Write,
    value: &T,
    layout: Layout,
) -> serde_json::Result<()> {
    match layout {
        Layout::Line => value.serialize(&mut Serializer::with_formatter(
            to,
            SafeFormatter(CompactFormatter),
        )),
        Layout::Indented => {
            let formatter = SafeFormatter(PrettyFormatter::new());
            value.serialize(&mut Serializer::with_formatter(to, formatter))
        }
    }
}

/// Lays JSON out as another formatter does, and escapes what is not safe.
struct SafeFormatter<F>(F);

impl<F: Formatter> Formatter for SafeFormatter<F> {
    /// `serde_json` has escaped what JSON itself asks for.
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_escaped(to, fragment, |character| !is_safe(character))
    }

    /// JSON that somebody else wrote: outside of its texts, it has no other such characters than the
    /// whitespace between its parts.
    fn write_raw_fragment<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let on_a_line = fragment.replace(['\t', '\n', '\r'], " ");
        write_escaped(to, &on_a_line, |character| !is_safe(character))
    }

    fn begin_array<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_array(to)
    }

    fn end_array<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_array(to)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(to, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_array_value(to)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object(to)
    }

    fn end_object<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object(to)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(to, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object_value(to)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object_value(to)
    }
}

/// Writes a part of a JSON text, escaped as JSON does: beyond U+FFFF by two surrogates.
fn write_escaped<W: ?Sized + Write>(
    to: &mut W,
    text: &str,
    is_escaped: impl Fn(char) -> bool,
) -> io::Result<()> {
    let mut rest = text;
    while let Some(at) = rest.find(&is_escaped) {
        let (start, from) = rest.split_at(at);
        to.write_all(start.as_bytes())?;
        let mut characters = from.chars();
        if let Some(character) = characters.next() {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(to, "\\u{unit:04x}")?;
            }
        }
        rest = characters.as_str();
    }
    to.write_all(rest.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_syntax::hir::{Class, HirKind};
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    /// Unicode's own word, as a regular expression has it.
    fn unicode_says_unsafe() -> impl Fn(char) -> bool {
        let pattern = r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]";
        let parsed = regex_syntax::parse(pattern).unwrap();
        let HirKind::Class(Class::Unicode(class)) = parsed.into_kind() else {
            panic!("it is a class");
        };
        move |character| {
            let ranges = class.ranges();
            let after = ranges.partition_point(|range| range.start() <= character);
            after > 0 && character <= ranges[after - 1].end()
        }
    }

    #[test]
    fn what_is_safe_is_what_unicode_s_tables_say() {
        let is_unsafe = unicode_says_unsafe();
        for character in '\0'..=char::MAX {
            assert_eq!(is_safe(character), !is_unsafe(character), "{character:?}");
        }
    }

    #[test]
    fn usual_text_stays_as_it_is_and_is_not_copied() {
        for text in [
            "",
            "Feed",
            "Größe é",
            "Привет",
            "漢字かな",
            "हिन्दी",
            "🦀🚀",
            "\u{a0}~ ",
        ] {
            assert!(
                matches!(escape(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
            assert!(
                matches!(guard(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
            assert_eq!(json_of(text, Layout::Line), format!("\"{text}\""));
        }
    }

    #[test]
    fn what_is_not_safe_is_escaped() {
        for (text, escaped, guarded) in [
            ("a\nb\r\t", r"a\nb\r\t", r"a\nb\r\t"),
            (
                "\0\u{1b}[2J\u{7f}",
                r"\u{0}\u{1b}[2J\u{7f}",
                r"\u{0}\u{1b}[2J\u{7f}",
            ),
            (
                "\u{9b}31m\u{2028}",
                r"\u{9b}31m\u{2028}",
                r"\u{9b}31m\u{2028}",
            ),
            (
                "\u{202e}\u{e0041}'\"",
                r#"\u{202e}\u{e0041}'""#,
                r#"\u{202e}\u{e0041}'""#,
            ),
            (r"C:\n", r"C:\\n", r"C:\n"),
        ] {
            assert_eq!(escape(text), escaped);
            assert_eq!(guard(text), guarded);
            assert_eq!(guard(&guard(text)), guarded, "twice is once");
        }
        assert_eq!(quote("a\"b\\\n"), r#""a\"b\\\n""#);
        for (text, expect) in [
            ("x-y", "x-y"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("é", r#""é""#),
            ("x\u{202e}", r#""x\u{202e}""#),
        ] {
            assert_eq!(word(text), expect);
        }
    }

    #[test]
    fn json_of_others_is_the_same_value_and_on_one_line() {
        let text = "{\"a\u{2028}\":\r\n\t[\"\u{9b}\",  1]}";
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        let written = json_of(&raw, Layout::Line);
        assert!(written.chars().all(is_safe), "{written:?}");
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value(&written), value(text));
    }

    fn json_of<T: Serialize + ?Sized>(value: &T, layout: Layout) -> String {
        let mut out = Vec::new();
        write_json(&mut out, value, layout).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Any text, one in which every other character is not safe, or both in a tree.
    fn value() -> impl Strategy<Value = Value> {
        let odd = prop_oneof![
            prop::sample::select(&UNSAFE[..])
                .prop_flat_map(|(first, last)| prop::char::range(first, last)),
            prop::char::range('\0', '\u{ff}'),
            any::<char>(),
        ];
        let text = prop::collection::vec(odd, 0..12).prop_map(|all| all.into_iter().collect());
        let leaf = prop_oneof![
            text.prop_map(Value::String),
            any::<i64>().prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let member = (any::<String>(), inner.clone());
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::Array),
                prop::collection::vec(member, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_has_only_safe_characters_and_is_laid_out_and_read_as_ever(value in value()) {
            let line = json_of(&value, Layout::Line);
            prop_assert!(line.chars().all(is_safe), "{line:?}");
            prop_assert_eq!(&serde_json::from_str::<Value>(&line).unwrap(), &value);
            let indented = json_of(&value, Layout::Indented);
            let is_fine = |character| character == '\n' || is_safe(character);
            prop_assert!(indented.chars().all(is_fine), "{indented:?}");
            prop_assert_eq!(&serde_json::from_str::<Value>(&indented).unwrap(), &value);
            // But for the escapes it is what serde_json writes.
            if value.to_string().chars().all(is_safe) {
                prop_assert_eq!(line, value.to_string());
                prop_assert_eq!(indented, format!("{value:#}"));
            }
        }

        #[test]
        fn text_has_only_safe_characters(text in any::<String>()) {
            let page = guard_page(&text);
            prop_assert!(page.chars().all(|c| c == '\n' || is_safe(c)), "{page:?}");
            prop_assert_eq!(page.matches('\n').count(), text.matches('\n').count());
            for written in [&*escape(&text), &*guard(&text), &*word(&text), &quote(&text)] {
                prop_assert!(written.chars().all(is_safe), "{written:?}");
            }
        }
    }
}
