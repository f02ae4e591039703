//! What is taken for JSON, and what is noted of it.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

fn is_json(text: &str) -> bool {
    scan(text, &Limits::default()).is_some()
}

fn is_json_to_serde(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(&with_nulls(text)).is_ok()
}

/// The text with `null` in place of the words for numbers that are not finite, but in strings.
fn with_nulls(text: &str) -> String {
    let (mut out, mut rest, mut in_string) = (String::new(), text, false);
    while let Some(first) = rest.chars().next() {
        let number = NON_FINITE.iter().find(|number| rest.starts_with(**number));
        let (piece, put) = match number {
            Some(number) if !in_string => (number.len(), "null"),
            _ if in_string && first == '\\' => {
                let next = rest.chars().nth(1).map_or(0, char::len_utf8);
                (1 + next, &rest[..=next])
            }
            _ => (first.len_utf8(), &rest[..first.len_utf8()]),
        };
        in_string ^= put == "\"";
        out.push_str(put);
        rest = &rest[piece..];
    }
    out
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
        "NaN",
        " -Infinity ",
        r#"[NaN,Infinity, -Infinity,{"a":NaN}]"#,
    ] {
        assert!(is_json(text) && is_json_to_serde(text), "{text:?}");
    }
}

#[test]
fn numbers_that_are_not_finite_are_noted() {
    for (text, expect) in [
        (r#"{"a": [1, "NaN", "Infinity", -1]}"#, false),
        (r#"{"NaN": null}"#, false),
        ("NaN", true),
        ("[-Infinity]", true),
        (r#"{"a": {"b": [[Infinity]]}}"#, true),
    ] {
        let places = scan(text, &Limits::default()).unwrap();
        assert_eq!(places.has_non_finite(), expect, "{text}");
    }
}

#[test]
fn what_else_is_wrong_is_found_behind_numbers_that_are_not_finite() {
    for (text, expect) in [
        ("[1, \"NaN\"", "[1, \"NaN\""),
        (
            "[NaN, -Infinity,Infinity , x NaN",
            "[0.0, -0.000000,0.000000 , x NaN",
        ),
    ] {
        assert_eq!(with_finite_numbers(text), expect);
    }
}

#[test]
fn the_first_of_several_values() {
    for (text, expect) in [
        ("{\"a\": 1}\n{\"b\": 2}", Some("{\"a\": 1}")),
        ("[]x", Some("[]")),
        ("\"a\"\"b\"", Some("\"a\"")),
        ("1 2", Some("1")),
        ("NaN\n{", Some("NaN")),
        ("2026-01-01", None),
        ("nullx", None),
        ("{} \n", None),
        ("{\"a\": 1", None),
        ("x {}", None),
        ("", None),
    ] {
        assert_eq!(first_of_several(text), expect, "{text}");
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
        "nan",
        "NaNs",
        "-NaN",
        "+Infinity",
        "--Infinity",
        "- Infinity",
        "Infinit",
        "1NaN",
        "{NaN: 1}",
        "[NaN NaN]",
        "\"\\NaN\"",
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
        "NaN",
        "Infinity",
        "-Infinity",
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
            let inner = (inner, space).prop_map(|(text, space)| format!("{space}{text}{space}"));
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
            "\n", "\u{1f}", "x", "é", "N", "I", "NaN", "Infinity",
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
