//! Envelopes and STIX objects to feed the program with. All of it is invented.

use serde_json::{Value, json};

/// A connector on the sending side.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Its id, a UUID.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
}

/// A connector for samples.
pub const WEATHER: Source = Source {
    id: "0d8a1c36-5f1e-4b8a-9a55-2f6d3c9b7e10",
    name: "Weather Feed",
};

/// Another one.
pub const HARBOUR: Source = Source {
    id: "7b2f90d4-1c63-4e7f-8d0a-b5e94a6c2f31",
    name: "Harbour Feed",
};

/// An envelope as `send_to_directory` writes it. The bundle has an id of its own for each number.
///
/// ```
/// use tests::envelope::{WEATHER, envelope, malware};
///
/// let envelope = envelope(WEATHER, 1, &[malware(1)]);
/// assert_eq!(envelope["connector"]["name"], "Weather Feed");
/// assert_eq!(envelope["bundle"]["objects"][0]["type"], "malware");
/// ```
pub fn envelope(source: Source, number: u32, objects: &[Value]) -> Value {
    json!({
        "bundle_type": "DIRECTORY_BUNDLE",
        "applicant_id": "src-user-1",
        "connector": {
            "id": source.id,
            "name": source.name,
            "type": "EXTERNAL_IMPORT",
            "scope": "malware,report",
            "auto": false,
            "validate_before_import": false,
        },
        "entities_types": null,
        "bundle": { "type": "bundle", "id": id("bundle", number), "objects": objects },
        "update": false,
    })
}

/// A malware without references.
pub fn malware(number: u32) -> Value {
    let mut object = object("malware", number, &format!("Sample {number}"));
    object["is_family"] = json!(false);
    object
}

/// An object of a type that no platform takes.
pub fn unsupported() -> Value {
    json!({ "type": "x-acme-note", "id": "x-acme-note--1" })
}

/// An organization.
pub fn identity(number: u32) -> Value {
    let mut object = object("identity", number, &format!("Organization {number}"));
    object["identity_class"] = json!("organization");
    object
}

/// A report by an identity, on other objects.
pub fn report(number: u32, author: &Value, on: &[&Value]) -> Value {
    let mut object = object("report", number, &format!("Report {number}"));
    object["published"] = json!("2026-01-01T00:00:00.000Z");
    object["created_by_ref"] = author["id"].clone();
    object["object_refs"] = on.iter().map(|object| object["id"].clone()).collect();
    object
}

fn object(kind: &str, number: u32, name: &str) -> Value {
    json!({
        "type": kind,
        "spec_version": "2.1",
        "id": id(kind, number),
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": name,
    })
}

fn id(kind: &str, number: u32) -> String {
    format!("{kind}--00000000-0000-4000-8000-{number:012}")
}
