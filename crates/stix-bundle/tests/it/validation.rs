//! What validation finds in small bundles.

use stix_bundle::{Level, Profile};

use crate::support::bundle;

const UUID: &str = "01135740-4359-53a3-ac5f-b2cf148175e5";
const DATES: &str = r#""created":"2024-03-05T10:00:00.000Z","modified":"2024-03-05T10:00:00Z""#;

/// One object in, codes and paths within the object out.
fn check(object: &str, expect: &[(&str, &str)]) {
    let text = format!(
        r#"{{"type":"bundle","id":"bundle--{UUID}","objects":[{}]}}"#,
        object.replace("UUID", UUID)
    );
    let findings = bundle(&text).validate(&Profile::opencti());
    let seen: Vec<_> = findings
        .kept()
        .iter()
        .map(|finding| {
            (
                finding.code,
                finding.path.strip_prefix("$.objects[0]").unwrap(),
            )
        })
        .collect();
    assert_eq!(seen, expect, "{object}");
}

#[test]
fn sound_objects() {
    for object in [
        r#"{"type":"mutex","id":"mutex--UUID","name":"m"}"#,
        &format!(
            r#"{{"type":"malware","id":"malware--UUID","spec_version":"2.1","is_family":false,{DATES}}}"#
        ),
        &format!(
            r#"{{"type":"location","id":"location--UUID","spec_version":"2.1","country":"fr",{DATES}}}"#
        ),
        r#"{"type":"marking-definition","id":"marking-definition--UUID","spec_version":"2.1",
            "created":"2017-01-20T00:00:00.000Z","definition_type":"tlp","definition":{"tlp":"red"}}"#,
        r#"{"type":"x-opencti-task","id":"x-opencti-task--UUID"}"#,
    ] {
        check(object, &[]);
    }
}

#[test]
fn rules_that_are_broken() {
    check(
        r#"{"type":"indicator","id":"indicator--UUID","spec_version":"2.0","name":"i","pattern":null}"#,
        &[
            ("missing-property", ".created"),
            ("missing-property", ".modified"),
            ("missing-property", ".pattern"),
            ("missing-property", ".pattern_type"),
            ("missing-property", ".valid_from"),
            ("spec-version", ".spec_version"),
        ],
    );
    check(
        r#"{"type":"report","id":"malware--UUID","spec_version":"2.1","name":"r","object_refs":[],
            "created":"2024-03-05T10:00:00.5Z","modified":"2024-03-05T10:00:00.49Z","published":"2024-03-05"}"#,
        &[
            ("type-of-id", ".id"),
            ("timestamp-form", ".published"),
            ("modified-before-created", ".modified"),
        ],
    );
    check(
        r#"{"type":"url","id":"url--1","value":"u"}"#,
        &[("id-form", ".id")],
    );
    check(
        r#"{"type":"file","id":"file--UUID"}"#,
        &[("missing-property", ".hashes")],
    );
    check(
        r#"{"type":"mutex","id":"mutex--UUID","name":"m","spec_version":2.1,"created":1}"#,
        &[
            ("spec-version", ".spec_version"),
            ("timestamp-form", ".created"),
        ],
    );
}

#[test]
fn what_is_not_sent_has_errors_or_nothing() {
    check("7", &[("not-an-object", "")]);
    check(r#"{"type":"tool"}"#, &[("no-id", "")]);
    check(
        r#"{"type":"tool","id":"tool--1","a_ref":1}"#,
        &[("invalid-property", "")],
    );
    check(r#"{"type":"x-foo","id":"x-foo--1"}"#, &[]);
    check(
        r#"{"type":"relationship","id":"x-foo--1","source_ref":"a","target_ref":"b",
            "relationship_type":"uses","spec_version":"2.1","created":"2024-03-05T10:00:00Z"}"#,
        &[
            ("id-form", ".id"),
            ("type-of-id", ".id"),
            ("missing-property", ".modified"),
        ],
    );
}

#[test]
fn the_bundle_itself() {
    for (members, expect) in [
        (format!(r#""type":"bundle","id":"bundle--{UUID}","#), vec![]),
        (
            format!(r#""type":"bundle","id":"report--{UUID}","#),
            vec!["bundle-id"],
        ),
        (
            r#""type":"bundle","id":"bundle--1","#.to_owned(),
            vec!["bundle-id"],
        ),
        (
            r#""type":"bundel","#.to_owned(),
            vec!["bundle-type", "bundle-id"],
        ),
    ] {
        let text = format!(r#"{{{members}"objects":[]}}"#);
        let findings = bundle(&text).validate(&Profile::opencti());
        let codes: Vec<_> = findings.kept().iter().map(|finding| finding.code).collect();
        assert_eq!((codes, findings.errors()), (expect, 0), "{text}");
    }
}

#[test]
fn findings_at_and_around_what_is_kept() {
    for (count, kept) in [(999, 999), (1000, 1000), (1001, 1000)] {
        let objects = vec!["1"; count].join(",");
        let text = format!(r#"{{"type":"bundle","id":"bundle--{UUID}","objects":[{objects}]}}"#);
        let findings = bundle(&text).validate(&Profile::opencti());
        assert_eq!(
            (findings.kept().len(), findings.omitted()),
            (kept, count - kept)
        );
        assert_eq!((findings.errors(), findings.warnings()), (count, 0));
        assert!(!findings.is_empty() && findings.kept().iter().all(|f| f.level == Level::Error));
    }
}
