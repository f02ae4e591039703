//! Whatever an object holds: nothing is sent in which a reader like Python's finds a command, or a type of the
//! platform's own.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use stix_bundle::{Bundle, ContentPolicy, Limits, Profile, Text};

static PROFILE: LazyLock<Profile> = LazyLock::new(Profile::opencti);

const EXTENSIONS: [&str; 2] = [
    "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba",
    "extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82",
];

/// The bundle around what is fuzzed, so that the fuzzer need not find it out.
const BEFORE: &[u8] = br#"{"type":"bundle","objects":["#;
const AFTER: &[u8] = b"]}";

/// Reads JSON as Python does: of repeated keys the last one counts, and a lone surrogate is a character as
/// any other. None of the names that count has one, so that another character can stand for it.
fn read(text: &str) -> Option<Value> {
    let mut readable = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        readable.push_str(before);
        let length = if escape.as_bytes().get(1) == Some(&b'u') {
            6
        } else {
            2
        };
        let escape = escape.get(..length)?;
        let is_surrogate = matches!(escape.as_bytes().get(2), Some(b'd' | b'D'))
            && matches!(
                escape.as_bytes().get(3),
                Some(b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F')
            );
        readable.push_str(if is_surrogate { "\u{fffd}" } else { escape });
        rest = rest.get(at + length..)?;
    }
    readable.push_str(rest);
    serde_json::from_str(&readable).ok()
}

/// Whether a worker takes it for a value: null is none to it.
fn is_there(members: &Value, name: &str) -> bool {
    members.get(name).is_some_and(|value| !value.is_null())
}

fuzz_target!(|data: &[u8]| {
    let file = [BEFORE, data, AFTER].concat();
    let limits = Limits::default();
    let Ok(text) = Text::check(&file, &limits) else {
        return;
    };
    let Ok(bundle) = Bundle::parse(&text, &limits) else {
        return;
    };
    let split = bundle.split(&PROFILE);
    let mut message = Vec::new();
    for index in 0..split.part_count() {
        message.clear();
        split.write_part(index, "bundle--1", &mut message);
        let message = str::from_utf8(&message).expect("a part is UTF-8");
        let Some(sent) = read(message) else {
            continue;
        };
        let object = &sent["objects"][0];
        let extensions = EXTENSIONS.map(|id| &object["extensions"][id]);
        for members in [object, extensions[0], extensions[1]] {
            for name in ["opencti_operation", "opencti_upsert_operations"] {
                assert!(!is_there(members, name), "{name} is sent: {message}");
            }
        }
        let object_type = object["type"].as_str().unwrap_or_default();
        let is_internal = ContentPolicy::INTERNAL_TYPES
            .iter()
            .any(|internal| internal.eq_ignore_ascii_case(object_type));
        assert!(!is_internal, "a {object_type} is sent");
    }
});
