//! Whatever a file holds: it is judged alike by an import and by `check`, and what is read of the envelope is
//! what any reader of JSON reads.

#![no_main]

use std::sync::LazyLock;

use diode_core::{Examined, examine, examine_all};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;
use stix_bundle::{Limits, Profile};

static PROFILE: LazyLock<Profile> = LazyLock::new(Profile::opencti);

const LIMITS: Limits = Limits {
    max_objects: 32,
    max_depth: 24,
    max_refs: 40,
    max_all_refs: 200,
    max_bytes: 1 << 20,
};

/// No message is longer, in bytes, whatever the file is.
const LONGEST_MESSAGE: usize = 8192;

fuzz_target!(|data: &[u8]| {
    let by_import = examine(data, &LIMITS, &PROFILE);
    let (by_check, _) = examine_all(data, &LIMITS, &PROFILE);
    let text = str::from_utf8(data).ok();
    let text = text.map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    let value: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
    match (by_import, by_check) {
        (Examined::Foreign(_), Examined::Foreign(_)) => {
            if let Some(Value::Object(file)) = value {
                let is_envelope = file.contains_key("connector") && file.contains_key("bundle");
                assert!(!is_envelope, "an envelope was left alone");
            }
        }
        (Examined::Refused(one), Examined::Refused(other)) => {
            assert_eq!(one.code, other.code);
            assert!(one.message.len() < LONGEST_MESSAGE);
        }
        (Examined::Ready(one), Examined::Ready(other)) => {
            assert_eq!(one.split.part_count(), other.split.part_count());
            let connector = &one.envelope.connector;
            for name in [&connector.id, &connector.name] {
                assert!(!name.is_empty() && name.len() <= 1024);
                assert!(!name.chars().any(char::is_control), "{name:?}");
            }
            if let Some(value) = &value {
                let trimmed = |name: &str| value["connector"][name].as_str().map(str::trim);
                assert_eq!(trimmed("id"), Some(connector.id.as_str()));
                assert_eq!(trimmed("name"), Some(connector.name.as_str()));
                assert_eq!(value["update"] == Value::Bool(true), one.envelope.update);
                let applicant = value["applicant_id"].as_str();
                let applicant = applicant.filter(|id| !id.trim().is_empty());
                assert_eq!(applicant, one.envelope.applicant_id.as_deref());
            }
            assert!(one.bundle_id.starts_with("bundle--") && one.bundle_id.len() == 44);
            let mut message = Vec::new();
            for index in 0..one.split.part_count() {
                message.clear();
                one.split.write_part(index, &one.bundle_id, &mut message);
                assert!(serde_json::from_slice::<&RawValue>(&message).is_ok());
            }
            if let Some(defects) = &one.defects {
                assert!(defects.message.len() < LONGEST_MESSAGE);
            }
        }
        _ => panic!("an import and `check` judge the file differently"),
    }
});
