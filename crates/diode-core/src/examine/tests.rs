//! What files are taken for.

use super::*;
use crate::check;

const CONNECTOR: &str = r#""connector": {"id": "c", "name": "Feed", "type": "STREAM", "x": NaN}"#;

/// What a file is taken for, in a few words.
fn seen(bytes: &[u8]) -> String {
    match examine(bytes, &Limits::default(), &Profile::opencti()) {
        Examined::Foreign(what) => format!("foreign: {what}"),
        Examined::Refused(refusal) => format!("{}: {}", refusal.code, refusal.message),
        Examined::Ready(import) => {
            let code = import
                .defects
                .as_ref()
                .map_or("imported", |refusal| refusal.code.as_str());
            format!("{code}: {}", import.split.part_count())
        }
    }
}

fn check_seen(text: &str, expect: &str) {
    let seen = seen(text.as_bytes());
    assert!(
        seen.starts_with(expect),
        "{text}\n got {seen}\nwant {expect}"
    );
}

fn envelope(bundle: &str) -> String {
    format!(r#"{{{CONNECTOR}, "bundle": {bundle}}}"#)
}

#[test]
fn what_begins_with_json_that_is_no_envelope_is_somebody_elses() {
    let ours = envelope(r#"{"objects": []}"#);
    check_seen(
        "{\"a\": 1}\n{\"b\": 2}\n",
        "foreign: it begins with JSON that is not an envelope",
    );
    check_seen("[1]\n[2]", "foreign: it begins");
    check_seen(
        &format!("{{\"event\": \"x\"}}\n{ours}"),
        "foreign: it begins",
    );
    check_seen("{\"event\": NaN}\n{\"cut\": ", "foreign: it begins");
    check_seen(
        &format!("{ours}\n{ours}"),
        "invalid-json: more follows behind the envelope",
    );
    check_seen(
        &format!("{ours}x"),
        "invalid-json: more follows behind the envelope",
    );
    check_seen("2026-01-01", "invalid-json: not valid JSON");
    check_seen("{\"a\": 1 \"b\"", "invalid-json: not valid JSON");
}

#[test]
fn a_bundle_without_an_envelope_is_told_what_it_lacks() {
    check_seen(
        r#"{"type": "bundle", "id": "bundle--1", "objects": []}"#,
        "foreign: a STIX bundle without its envelope: it lacks \"bundle_type\", \"connector\"",
    );
    check_seen(
        r#"{"type": "feature"}"#,
        "foreign: JSON, but not an envelope",
    );
    check_seen(
        &format!(r#"{{"type": "bundle", {CONNECTOR}, "bundle": {{"objects": []}}}}"#),
        "imported: 0",
    );
}

#[test]
fn numbers_that_json_does_not_have_do_not_matter_where_they_are_not_needed() {
    let tool = r#"{"type": "tool", "id": "tool--1"}"#;
    check_seen(
        &envelope(&format!(r#"{{"x": Infinity, "objects": [{tool}]}}"#)),
        "imported: 1",
    );
    check_seen(
        &envelope(&format!(
            r#"{{"objects": [{tool}, {{"type": "x-y", "n": NaN}}]}}"#
        )),
        "imported: 1",
    );
    let broken = r#"{"type": "tool", "id": "tool--2", "n": NaN}"#;
    check_seen(
        &envelope(&format!(r#"{{"objects": [{tool}, {broken}]}}"#)),
        "partial: 1",
    );
    check_seen(
        &envelope(&format!(r#"{{"objects": [{broken}]}}"#)),
        "nothing-to-import: none of 1",
    );
    check_seen(&envelope("{\"objects\": NaN}"), "invalid-bundle");
    check_seen(
        &format!(
            r#"{{{}, "bundle": {{"objects": []}}}}"#,
            CONNECTOR.replace("\"c\"", "NaN")
        ),
        "invalid-connector: connector.id is not a text",
    );
}

/// Case `report-of-many`, where the limit is a lower one.
#[test]
fn an_object_beyond_a_limit_names_the_setting_and_what_it_needs() {
    let limits = Limits {
        max_refs: 2,
        ..Limits::default()
    };
    let file = envelope(
        r#"{"objects": [{"type": "tool", "id": "tool--1"},
        {"type": "report", "id": "report--1", "object_refs": ["tool--1", "tool--2", "tool--3"]}]}"#,
    );
    let told = "it has 3 references, more than the 2 allowed; to let it in, set DIODE_IMPORT_MAX_REFS to \
                that many or more";
    let profile = Profile::opencti();
    let report = check("a.json", file.as_bytes(), &limits, &profile);
    let errors: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.level == Level::Error.into())
        .collect();
    assert_eq!((errors.len(), &*errors[0].message), (1, told));
    assert_eq!(errors[0].id.as_deref(), Some("report--1"));
    let Examined::Ready(import) = examine(file.as_bytes(), &limits, &profile) else {
        panic!("one object is sound")
    };
    assert_eq!(import.defects.unwrap().findings[0], *errors[0]);
}

#[test]
fn check_tells_of_references_that_are_taken_out() {
    let file = envelope(
        r#"{"objects": [{"type": "report", "id": "report--1", "object_refs": ["x-y--1", "x-y--2"],
        "created_by_ref": "x-y--1"}]}"#,
    );
    let report = check(
        "a.json",
        file.as_bytes(),
        &Limits::default(),
        &Profile::opencti(),
    );
    assert_eq!((report.outcome, report.references_removed), ("imported", 3));
    let last = report.findings.last().unwrap();
    assert_eq!(
        (last.code, &*last.path),
        ("references-removed", "$.bundle.objects[0].object_refs")
    );
    assert!(
        last.message.starts_with("2 references were taken out"),
        "{}",
        last.message
    );
}

/// Case `report-of-many`: a pulse of 80,000 indicators, as many observables and relationships.
#[test]
fn the_report_of_80_000_indicators_is_sent_with_the_limits_as_they_are() {
    let references: Vec<String> = (0..240_000)
        .map(|n| format!("\"ipv4-addr--{n}\""))
        .collect();
    let file = envelope(&format!(
        r#"{{"objects": [{{"type": "identity", "id": "identity--1", "name": "A"}},
        {{"type": "report", "id": "report--1", "object_refs": [{}]}}]}}"#,
        references.join(",")
    ));
    assert_eq!(seen(file.as_bytes()), "imported: 2");
}

#[test]
fn of_many_kinds_that_are_not_sent_check_names_a_thousand_and_counts_the_others() {
    for (kinds, named, omitted) in [
        (999, 999, 0),
        (1000, 1000, 0),
        (1001, 1000, 1),
        (1500, 1000, 500),
    ] {
        // Two of each kind.
        let objects: Vec<String> = (0..2 * kinds)
            .map(|n| format!(r#"{{"type": "x{}", "id": "x--{n}"}}"#, n % kinds))
            .collect();
        let sound = r#"{"type": "tool", "id": "tool--1", "name": "x"}"#;
        let file = envelope(&format!(
            r#"{{"objects": [{sound}, {}]}}"#,
            objects.join(",")
        ));
        let (limits, profile) = (Limits::default(), Profile::opencti());
        let report = check("a.json", file.as_bytes(), &limits, &profile);
        assert_eq!(report.not_sent.len(), named, "{kinds}");
        assert_eq!(report.not_sent_omitted, omitted, "{kinds}");
        assert_eq!(report.not_sent_omitted_objects, 2 * omitted, "{kinds}");
    }
}

#[test]
fn of_many_kinds_a_refusal_names_ten_and_quotes_what_is_no_word() {
    let objects: Vec<String> = (0..12)
        .map(|n| format!(r#"{{"type": "x) \u202e{n:02}", "id": "x--{n}"}}"#))
        .collect();
    let file = envelope(&format!(r#"{{"objects": [{}]}}"#, objects.join(",")));
    let told = seen(file.as_bytes());
    assert!(
        told.starts_with(
            r#"nothing-to-import: none of 12 objects can be sent: 1 unsupported-type ("x) \u{202e}00"), "#
        ),
        "{told}"
    );
    assert!(
        told.ends_with(r#"("x) \u{202e}09"), and 2 more kinds"#),
        "{told}"
    );
}

/// The bundle's id that messages of a file carry whose bundle has this one.
fn bundle_id(id: &str) -> String {
    let object = r#"{"type": "tool", "id": "tool--1", "name": "x"}"#;
    let text = envelope(&format!(r#"{{"id": {id}, "objects": [{object}]}}"#));
    match examine(text.as_bytes(), &Limits::default(), &Profile::opencti()) {
        Examined::Ready(import) => import.bundle_id,
        _ => panic!("{text}"),
    }
}

/// Case `sec-bundle-id-repeated`: a long id in every message would make a small file fill the broker.
#[test]
fn only_an_id_of_stix_s_form_stands_in_messages() {
    let kept = "bundle--44AF6C39-c09b-49c5-9de2-394224b04982";
    assert_eq!(bundle_id(&format!("{kept:?}")), kept);
    let long = format!("\"bundle--{}\"", "x".repeat(100_000));
    for other in [
        "null",
        "17",
        "\"\"",
        "\"free text\"",
        "\"report--44af6c39-c09b-49c5-9de2-394224b04982\"",
        "\"bundle--44af6c39c09b49c59de2394224b04982\"",
        "\"bundle--{44af6c39-c09b-49c5-9de2-394224b04982}\"",
        "\"bundle--44af6c39-c09b-49c5-9de2-394224b04982 \"",
        &long,
    ] {
        let derived = bundle_id(other);
        let uuid = derived.strip_prefix("bundle--").unwrap();
        assert_eq!(
            Uuid::try_parse(uuid).unwrap().get_version_num(),
            5,
            "{other}"
        );
        assert_eq!(derived, bundle_id(other), "it is the same again");
    }
}
