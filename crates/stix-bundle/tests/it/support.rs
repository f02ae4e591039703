//! What the tests share.

use serde_json::Value;
use stix_bundle::{Bundle, Limits, Profile, Split, Text};

/// The bundle id of all parts.
pub(crate) const BUNDLE: &str = "bundle--1";

/// A bundle within the default limits.
pub(crate) fn bundle(text: &str) -> Bundle<'_> {
    let limits = Limits::default();
    Bundle::parse(&Text::check(text.as_bytes(), &limits).unwrap(), &limits).unwrap()
}

/// A bundle split by today's rules.
pub(crate) fn split(text: &str) -> Split<'_> {
    bundle(text).split(&Profile::opencti())
}

/// A part as it is written.
pub(crate) fn written(split: &Split<'_>, part: usize) -> String {
    let mut out = Vec::new();
    split.write_part(part, BUNDLE, &mut out);
    String::from_utf8(out).unwrap()
}

/// The text of a part's only object; the bundle around it is checked.
pub(crate) fn object(split: &Split<'_>, part: usize) -> String {
    let text = written(split, part);
    let count = split.part(part).nb_deps;
    let head = format!(
        r#"{{"type":"bundle","id":"{BUNDLE}","spec_version":"2.1","x_opencti_seq":{count},"objects":["#
    );
    let object = text
        .strip_prefix(&head)
        .and_then(|rest| rest.strip_suffix("]}"));
    object
        .unwrap_or_else(|| panic!("{text} is no bundle of one"))
        .to_owned()
}

/// The objects of all parts, in order.
pub(crate) fn objects(split: &Split<'_>) -> Vec<String> {
    (0..split.part_count())
        .map(|part| object(split, part))
        .collect()
}

/// A part's only object as a value.
pub(crate) fn value(split: &Split<'_>, part: usize) -> Value {
    serde_json::from_str(&object(split, part)).unwrap()
}
