//! Whatever a bundle holds: every part is JSON, no object is lost, and nothing is changed but what is said.

#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;
use stix_bundle::{Bundle, Limits, Profile, Text};

static PROFILE: LazyLock<Profile> = LazyLock::new(Profile::opencti);

const LIMITS: Limits = Limits {
    max_objects: 64,
    max_depth: 24,
    max_refs: 40,
    max_all_refs: 200,
    max_bytes: 1 << 20,
};

/// Whether the splitter may change a member: it takes references out.
fn may_change(key: &str) -> bool {
    key.ends_with("_ref")
        || key.ends_with("_refs")
        || matches!(key, "external_references" | "kill_chain_phases" | "nb_deps")
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = Text::check(data, &LIMITS) else {
        return;
    };
    let Ok(bundle) = Bundle::parse(&text, &LIMITS) else {
        return;
    };
    let is_json = serde_json::from_str::<&RawValue>(text.as_str()).is_ok();
    assert!(is_json, "a bundle was read from what is no JSON");
    // Values that serde_json does not take (lone surrogates, large exponents) are JSON nonetheless.
    let whole: Option<Value> = serde_json::from_str(text.as_str()).ok();

    let (split, findings) = bundle.split_and_validate(&PROFILE);
    let plain = bundle.split(&PROFILE);
    let validated = bundle.validate(&PROFILE);
    assert_eq!(findings.errors(), validated.errors());
    assert_eq!(findings.warnings(), validated.warnings());
    assert_eq!(split.part_count(), plain.part_count());
    let not_sent = split.not_sent().len();
    assert_eq!(split.part_count() + not_sent, bundle.object_count());

    let mut deps = 0;
    let mut objects = HashSet::new();
    let mut message = Vec::new();
    for index in 0..split.part_count() {
        let part = split.part(index);
        assert!(part.nb_deps >= deps, "parts are out of order");
        deps = part.nb_deps;
        assert!(objects.insert(part.object), "an object is sent twice");
        message.clear();
        split.write_part(index, "bundle--\u{1}\"x", &mut message);
        let message = str::from_utf8(&message).expect("a part is UTF-8");
        let is_json = serde_json::from_str::<&RawValue>(message).is_ok();
        assert!(is_json, "a part is no JSON: {message}");
        let Ok(sent) = serde_json::from_str::<Value>(message) else {
            assert!(whole.is_none(), "a part cannot be read, and the bundle can");
            continue;
        };
        let object = &sent["objects"][0];
        assert_eq!(sent["objects"].as_array().map(Vec::len), Some(1));
        assert_eq!(object["id"].as_str(), Some(part.id));
        assert_eq!(object["type"].as_str(), Some(part.object_type));
        assert_eq!(object["nb_deps"].as_u64(), Some(part.nb_deps));
        // Objects of an inner bundle are numbered after those around them.
        let written = whole
            .as_ref()
            .and_then(|whole| whole["objects"].get(part.object));
        if let (Some(Value::Object(written)), Value::Object(object)) = (written, object)
            && written.get("type") != Some(&"bundle".into())
            && written.get("id") == object.get("id")
        {
            for (key, value) in written {
                if !may_change(key) {
                    assert_eq!(object.get(key), Some(value), "{key}");
                }
            }
            for key in object.keys() {
                assert!(
                    key == "nb_deps" || written.contains_key(key),
                    "{key} was added"
                );
            }
        }
    }
    for object in split.not_sent() {
        assert!(
            objects.insert(object.index),
            "an object is sent, and is not"
        );
    }
});
