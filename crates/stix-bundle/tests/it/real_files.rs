//! What real files hold besides: numbers that JSON does not have, bundles in bundles, several versions
//! of one object, objects that are never sent.

use stix_bundle::{Bundle, BundleError, Finding, Limits, NotSent, Profile, Text};

use crate::support::{bundle, objects, split};

/// A bundle's text.
fn text(objects: &[&str]) -> String {
    let objects = objects.join(",\n");
    format!(r#"{{"type":"bundle","objects":[{objects}]}}"#)
}

/// The ids of the parts, in their order.
fn ids(text: &str) -> Vec<String> {
    let split = split(text);
    let parts = (0..split.part_count()).map(|part| split.part(part).id.to_owned());
    parts.collect()
}

fn not_sent(text: &str) -> Vec<NotSent> {
    split(text).not_sent().collect()
}

/// Places and codes of what is not sent.
fn codes(text: &str) -> Vec<(String, &'static str)> {
    let split = split(text);
    let objects = split.not_sent();
    objects
        .map(|o| (split.path(o.index), o.code.as_str()))
        .collect()
}

/// What validation says, by both ways to it.
fn errors(text: &str) -> Vec<Finding> {
    let profile = Profile::opencti();
    let bundle = bundle(text);
    let findings = bundle.validate(&profile);
    let (_, with_split) = bundle.split_and_validate(&profile);
    assert_eq!(findings.kept(), with_split.kept());
    let errors = findings.kept().iter();
    errors
        .filter(|finding| finding.level == stix_bundle::Level::Error)
        .cloned()
        .collect()
}

#[test]
fn of_numbers_that_are_not_finite_only_the_objects_that_hold_them_are_broken() {
    for number in ["NaN", "Infinity", "-Infinity"] {
        let broken = format!(
            r#"{{"type":"tool","id":"tool--2","x_deep":{{"a":["NaN",{{"b":{number}}}]}}}}"#
        );
        let text = text(&[
            r#"{"type":"tool","id":"tool--1","name":"NaN and \"Infinity\", -Infinity"}"#,
            &broken,
            r#"{"type":"tool","id":"tool--3","a_ref":"tool--2"}"#,
        ]);
        assert_eq!(ids(&text), ["tool--1", "tool--3"]);
        assert_eq!(codes(&text), [("$.objects[1]".to_owned(), "not-a-number")]);
        let detail = format!("\"x_deep\" holds {number}, which JSON does not have");
        assert_eq!(not_sent(&text)[0].detail, detail);
        assert!(not_sent(&text)[0].code.is_defect());
        assert_eq!(errors(&text)[0].id.as_deref(), Some("tool--2"));
        assert!(!split(&text).stands_for_bundle());
    }
}

#[test]
fn no_part_holds_a_number_that_json_does_not_have() {
    let text = r#"{"type":"bundle","x":NaN,"id":Infinity,"objects":[
        {"type":"tool","id":"tool--1"}, {"type":"tool","id":"tool--2","n":NaN},
        {"type":"x-foo","id":"x-foo--1","n":-Infinity}, {"type":"tool","id":"tool--3","nb_deps":NaN},
        {"type":NaN,"id":"tool--4"}, {"type":"tool","id":NaN}, NaN], "y":[-Infinity]}"#;
    let parts = objects(&split(text));
    assert_eq!(parts, [r#"{"type":"tool","id":"tool--1","nb_deps":1}"#]);
    let expect = [
        "not-a-number",
        "unsupported-type",
        "not-a-number",
        "invalid-property",
        "invalid-property",
        "not-an-object",
    ];
    let seen: Vec<_> = codes(text).into_iter().map(|(_, code)| code).collect();
    assert_eq!(seen, expect);
    assert_eq!(bundle(text).id(), None);
    assert!(!split(text).stands_for_bundle());
}

#[test]
fn what_an_envelope_holds_beside_the_bundle_does_not_count() {
    let file = r#"{"x":NaN,"bundle":{"objects":[{"type":"tool","id":"tool--1"}]}}"#;
    let limits = Limits::default();
    let text = Text::check(file.as_bytes(), &limits).unwrap();
    let envelope = stix_bundle::json::Object::parse(&text).unwrap();
    let bundle = Bundle::parse(&envelope.text("bundle").unwrap(), &limits).unwrap();
    let split = bundle.split(&Profile::opencti());
    assert_eq!((split.part_count(), split.stands_for_bundle()), (1, true));
    // A part of the text on its own is read just so.
    let part = text.narrow(&file[1..file.len() - 1]).unwrap();
    assert!(stix_bundle::json::Object::parse(&part).is_err());
    let part = text.narrow(file).unwrap();
    assert!(stix_bundle::json::Object::parse(&part).is_ok());
}

#[test]
fn bundles_in_bundles_are_opened_where_they_stand() {
    let inner = r#"{"id":"bundle--2","type":"bundle","objects":[
        {"type":"tool","id":"tool--2","a_ref":"tool--3"},
        {"objects":[{"type":"tool","id":"tool--3"},7],"type":"bundle"},
        {"type":"x-foo","id":"x-foo--1"}],"spec_version":"2.1"}"#;
    let text = text(&[
        r#"{"type":"tool","id":"tool--1"}"#,
        inner,
        r#"{"type":"tool","id":"tool--4","a_ref":1}"#,
        r#"{"type":"tool","id":"tool--1","name":"again"}"#,
    ]);
    assert_eq!(bundle(&text).object_count(), 7);
    assert_eq!(ids(&text), ["tool--1", "tool--3", "tool--2"]);
    let expect = [
        ("$.objects[0]", "duplicate-id"),
        ("$.objects[1].objects[1].objects[1]", "not-an-object"),
        ("$.objects[1].objects[2]", "unsupported-type"),
        ("$.objects[2]", "invalid-property"),
    ];
    assert_eq!(
        codes(&text),
        expect.map(|(path, code)| (path.to_owned(), code))
    );
    let split = split(&text);
    assert_eq!(not_sent(&text)[0].detail, "objects[3] has the same id");
    assert_eq!(
        split.path(split.part(1).object),
        "$.objects[1].objects[1].objects[0]"
    );
    assert!(!split.stands_for_bundle());
    let paths: Vec<_> = errors(&text).into_iter().map(|error| error.path).collect();
    assert_eq!(
        paths,
        ["$.objects[1].objects[1].objects[1]", "$.objects[2]"]
    );
}

#[test]
fn bundles_at_and_around_the_depth_to_which_they_are_opened() {
    let tool = r#"{"type":"tool","id":"tool--1"}"#;
    for (depth, is_opened) in [(1, true), (7, true), (8, true), (9, false), (40, false)] {
        let mut object = tool.to_owned();
        for _ in 0..depth {
            object = format!(r#"{{"type":"bundle","objects":[{object}]}}"#);
        }
        let text = text(&[&object]);
        assert_eq!(ids(&text).len(), usize::from(is_opened), "{depth}");
        let path = format!("${}", ".objects[0]".repeat(9));
        let expect = if is_opened {
            vec![]
        } else {
            vec![(path, "nested-bundle")]
        };
        assert_eq!(codes(&text), expect, "{depth}");
        assert!(not_sent(&text).iter().all(|object| object.code.is_defect()));
    }
}

#[test]
fn a_bundle_that_cannot_be_opened_is_a_defect() {
    for object in [
        r#"{"type":"bundle","id":"bundle--1"}"#,
        r#"{"type":"bundle","objects":null}"#,
        r#"{"type":"bundle","objects":{"0":{}}}"#,
        r#"{"id":"bundle--1"}"#,
        r#"{"type":null,"id":"bundle--1","objects":1}"#,
        r#"{"type":"b\u0075ndle","id":"x","objects":[]}"#,
        r#"{"type":"bundle","id":7,"a_ref":1}"#,
        r#"{"type":"bundle","\ud800":1,"id":"bundle--1"}"#,
    ] {
        let text = text(&[object, r#"{"type":"tool","id":"tool--1"}"#]);
        assert_eq!(ids(&text), ["tool--1"], "{object}");
        assert_eq!(
            codes(&text),
            [("$.objects[0]".to_owned(), "nested-bundle")],
            "{object}"
        );
        assert_eq!(errors(&text).len(), 1, "{object}");
    }
}

#[test]
fn objects_of_bundles_in_bundles_count_to_the_limit() {
    let inner = r#"{"type":"bundle","objects":[{"id":"a"},{"id":"b"},{"id":"c"}]}"#;
    let text = text(&[inner, inner]);
    for (max_objects, is_enough) in [(5, false), (6, true)] {
        let limits = Limits {
            max_objects,
            ..Limits::default()
        };
        let checked = Text::check(text.as_bytes(), &limits).unwrap();
        match Bundle::parse(&checked, &limits) {
            Ok(bundle) => assert!(is_enough && bundle.object_count() == 6),
            Err(BundleError::TooManyObjects { count: 6, limit: 5 }) => assert!(!is_enough),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Versions of one object, by what stands beside type and id; which one is sent.
fn version_sent(versions: &[&str]) -> usize {
    let versions: Vec<String> = versions
        .iter()
        .map(|members| format!(r#"{{"type":"tool","id":"tool--1"{members}}}"#))
        .collect();
    let texts: Vec<&str> = versions.iter().map(String::as_str).collect();
    let text = text(&texts);
    let split = split(&text);
    assert_eq!(
        (split.part_count(), split.not_sent().len()),
        (1, versions.len() - 1)
    );
    let sent = split.part(0).object;
    let is_last = sent == versions.len() - 1;
    assert_eq!(split.stands_for_bundle(), is_last, "{text}");
    for object in split.not_sent() {
        assert_eq!(object.code.as_str(), "duplicate-id");
        let newer = if object.index > sent {
            " and a later \"modified\""
        } else {
            ""
        };
        assert_eq!(
            object.detail,
            format!("objects[{sent}] has the same id{newer}")
        );
    }
    sent
}

#[test]
fn of_several_versions_the_newest_is_sent() {
    let old = r#","modified":"2026-01-01T10:00:00.5Z""#;
    let new = r#","modified":"2026-01-01T10:00:00.51Z""#;
    assert_eq!(version_sent(&[old, new]), 1);
    assert_eq!(version_sent(&[new, old]), 0);
    assert_eq!(version_sent(&[old, new, old]), 1);
    assert_eq!(version_sent(&[new, old, old]), 0);
    let repeated = format!("{new}{old}");
    assert_eq!(
        version_sent(&[&repeated, old]),
        1,
        "the last value of a key counts"
    );
}

#[test]
fn of_versions_that_are_as_new_as_one_another_or_do_not_say_the_last_is_sent() {
    let dated = r#","modified":"2026-01-01T10:00:00.000Z""#;
    let same = r#","modified":"2026-01-01T10:00:00Z""#;
    assert_eq!(version_sent(&["", ""]), 1);
    assert_eq!(version_sent(&[dated, same]), 1);
    assert_eq!(version_sent(&[same, dated, same]), 2);
    for undated in [
        "",
        r#","modified":null"#,
        r#","modified":"yesterday""#,
        r#","modified":"1999-01-01T00:00:00+00:00""#,
        r#","modified":1"#,
    ] {
        assert_eq!(version_sent(&[dated, undated]), 1, "{undated}");
        assert_eq!(version_sent(&[undated, dated]), 1, "{undated}");
        let older = r#","modified":"2025-01-01T00:00:00Z""#;
        assert_eq!(version_sent(&[dated, undated, older]), 0, "{undated}");
    }
}

#[test]
fn references_lead_to_the_version_that_is_sent() {
    let text = text(&[
        r#"{"type":"tool","id":"tool--1","modified":"2026-01-02T00:00:00Z","a_ref":"tool--2"}"#,
        r#"{"type":"note","id":"note--1","object_refs":["tool--1"]}"#,
        r#"{"type":"tool","id":"tool--1","modified":"2026-01-01T00:00:00Z","a_ref":"note--1"}"#,
        r#"{"type":"tool","id":"tool--2"}"#,
    ]);
    assert_eq!(ids(&text), ["tool--2", "tool--1", "note--1"]);
    assert_eq!(split(&text).references_removed(), 0);
}

#[test]
fn what_is_never_sent_is_no_defect_whatever_it_looks_like() {
    for object in [
        r#"{"type":"x-foo","id":"x-foo--1","user_ref":7}"#,
        r#"{"type":"x-foo"}"#,
        r#"{"type":"x-foo","id":null}"#,
        r#"{"type":"x-foo","id":7}"#,
        r#"{"id":"x-foo--1"}"#,
        r#"{"id":"x-foo--1","type":["x"]}"#,
        r#"{"type":"x-foo","id":"x-foo--1","\ud800":1}"#,
        r#"{"type":"x-foo","id":"x-foo--1","external_references":7,"a":NaN}"#,
    ] {
        let text = text(&[object, r#"{"type":"tool","id":"tool--1"}"#]);
        assert_eq!(ids(&text), ["tool--1"], "{object}");
        assert_eq!(
            codes(&text),
            [("$.objects[0]".to_owned(), "unsupported-type")],
            "{object}"
        );
        let detail = "the platform takes no ids of type \"x-foo\"";
        assert_eq!(not_sent(&text)[0].detail, detail, "{object}");
        assert_eq!(errors(&text), [], "{object}");
    }
    for (object, code) in [
        (r#"{"type":"relationship"}"#, "no-id"),
        (
            r#"{"type":"relationship","id":"x-foo--1","a_ref":1}"#,
            "invalid-property",
        ),
        (
            r#"{"type":"x-foo","id":"tool--1","a_ref":1}"#,
            "invalid-property",
        ),
        (r#"{"type":"tool","a_ref":1}"#, "no-id"),
        ("{}", "no-id"),
        ("7", "not-an-object"),
    ] {
        assert_eq!(
            codes(&text(&[object])),
            [("$.objects[0]".to_owned(), code)],
            "{object}"
        );
        assert_eq!(errors(&text(&[object])).len(), 1, "{object}");
    }
}

#[test]
fn an_object_of_too_many_references_says_how_many_it_has() {
    let limits = Limits {
        max_refs: 3,
        ..Limits::default()
    };
    for (members, count) in [
        (
            r#""a_refs":["a","b"],"b_refs":["c","d"],"c_ref":"e","d_ref":null"#,
            5,
        ),
        (r#""external_references":[{},{},{},{}],"a_refs":["a"]"#, 4),
    ] {
        let text = text(&[&format!(r#"{{"type":"tool","id":"tool--1",{members}}}"#)]);
        let checked = Text::check(text.as_bytes(), &limits).unwrap();
        let split = Bundle::parse(&checked, &limits)
            .unwrap()
            .split(&Profile::opencti());
        let seen: Vec<_> = split.not_sent().map(|object| object.detail).collect();
        assert_eq!(
            seen,
            [format!(
                "it has {count} references, more than the 3 allowed"
            )]
        );
    }
}

#[test]
fn references_that_are_taken_out_are_told() {
    let text = text(&[
        r#"{"type":"report","id":"report--1","object_marking_refs":["x-foo--1"],
            "object_refs":["tool--1","x-foo--2","report--1","x-foo--2"]}"#,
        r#"{"type":"tool","id":"tool--1","created_by_ref":"x-foo--1"}"#,
        r#"{"type":"x-foo","id":"x-foo--1","object_refs":["x-foo--2"]}"#,
        r#"{"type":"note","id":"note--1","object_refs":["tool--1","tool--1"]}"#,
    ]);
    let split = split(&text);
    assert_eq!((split.references_removed(), split.stripped_count()), (5, 1));
    let seen: Vec<_> = split
        .stripped()
        .map(|s| (s.object, s.id, s.key, s.count))
        .collect();
    assert_eq!(
        seen,
        [
            (0, "report--1", "object_marking_refs", 1),
            (0, "report--1", "object_refs", 3)
        ]
    );
}

#[test]
fn of_many_objects_that_lost_references_the_first_are_named() {
    let objects: Vec<String> = (0..1_001)
        .map(|n| format!(r#"{{"type":"note","id":"note--{n}","object_refs":["x-foo--1"]}}"#))
        .collect();
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    let text = text(&objects);
    let split = split(&text);
    assert_eq!(
        (split.stripped().count(), split.stripped_count()),
        (1_000, 1_001)
    );
    assert_eq!(split.references_removed(), 1_001);
}
