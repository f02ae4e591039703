//! Small bundles, and exactly what becomes of them.

use stix_bundle::{NotSentCode, Profile};

use crate::support::{bundle, object, objects, split, written};

/// Objects in, objects out, and the positions and codes of those that are not sent.
fn check(input: &str, sent: &[&str], not_sent: &[(usize, &str)]) {
    let text = format!(r#"{{"type":"bundle","objects":[{input}]}}"#);
    let split = split(&text);
    let seen: Vec<_> = split
        .not_sent()
        .map(|o| (o.index, o.code.as_str()))
        .collect();
    assert_eq!(
        (objects(&split), &*seen),
        (sent.iter().map(|&s| s.to_owned()).collect(), not_sent)
    );
}

#[test]
fn an_object_keeps_its_bytes() {
    check("", &[], &[]);
    check(
        r#"{"type":"mutex","id":"mutex--1"}"#,
        &[r#"{"type":"mutex","id":"mutex--1","nb_deps":1}"#],
        &[],
    );
    check(
        "  { \"id\" : \"mutex\\u002d-1\",\r\n\t\"n\":[1e-07, -0.0 ,12345678901234567890123],
            \"type\":\"mutex\", \"deep\": {\"a_ref\": \"x-foo--1\"}\n } ",
        &[
            "{ \"id\" : \"mutex\\u002d-1\",\r\n\t\"n\":[1e-07, -0.0 ,12345678901234567890123],
            \"type\":\"mutex\", \"deep\": {\"a_ref\": \"x-foo--1\"}\n ,\"nb_deps\":1}",
        ],
        &[],
    );
    check(
        r#"{"type":"mutex","id":"mutex--1","name":"\ud800 é \u00e9 / \/"}"#,
        &[r#"{"type":"mutex","id":"mutex--1","name":"\ud800 é \u00e9 / \/","nb_deps":1}"#],
        &[],
    );
}

#[test]
fn the_count_is_replaced_where_it_stands() {
    check(
        r#"{"type":"mutex", "nb_deps": 77 ,"id":"mutex--1"}"#,
        &[r#"{"type":"mutex", "nb_deps": 1 ,"id":"mutex--1"}"#],
        &[],
    );
    check(
        r#"{"nb_deps":null,"type":"mutex","nb_deps":"x","id":"mutex--1"}"#,
        &[r#"{"nb_deps":null,"type":"mutex","nb_deps":1,"id":"mutex--1"}"#],
        &[],
    );
}

#[test]
fn an_object_comes_after_those_it_refers_to() {
    check(
        r#"{"type":"report","id":"report--1","object_refs":["malware--1","tool--9","malware--1"]},
           {"type":"malware","id":"malware--1","created_by_ref":"identity--1"},
           {"type":"identity","id":"identity--1"}"#,
        &[
            r#"{"type":"identity","id":"identity--1","nb_deps":1}"#,
            r#"{"type":"malware","id":"malware--1","created_by_ref":"identity--1","nb_deps":2}"#,
            r#"{"type":"report","id":"report--1","object_refs":["malware--1","tool--9"],"nb_deps":5}"#,
        ],
        &[],
    );
    check(
        r#"{"type":"malware","id":"malware--1","b_ref":"tool--2","a_ref":"tool--1"},
           {"type":"tool","id":"tool--1"},{"type":"tool","id":"tool--2"}"#,
        &[
            r#"{"type":"tool","id":"tool--2","nb_deps":1}"#,
            r#"{"type":"tool","id":"tool--1","nb_deps":1}"#,
            r#"{"type":"malware","id":"malware--1","b_ref":"tool--2","a_ref":"tool--1","nb_deps":3}"#,
        ],
        &[],
    );
}

#[test]
fn references_that_cannot_stay_are_taken_out() {
    check(
        r#"{"type":"note","id":"note--1","created_by_ref": "x-foo--1" ,"object_refs":[ "x-foo--1" , "n" ]}"#,
        &[
            r#"{"type":"note","id":"note--1","created_by_ref": null ,"object_refs":["n"],"nb_deps":1}"#,
        ],
        &[],
    );
    check(
        r#"{"type":"note","id":"note--1","created_by_ref":null,"object_refs":null,"a_refs":[ ]}"#,
        &[
            r#"{"type":"note","id":"note--1","created_by_ref":null,"object_refs":null,"a_refs":[ ],"nb_deps":1}"#,
        ],
        &[],
    );
    check(
        r#"{"type":"note","id":"note--1","a_ref":"note--1","object_refs":["note--1"]}"#,
        &[r#"{"type":"note","id":"note--1","a_ref":null,"object_refs":[],"nb_deps":1}"#],
        &[],
    );
    check(
        r#"{"type":"note","id":"note--1","a\u005fref":"x-foo--1","b_refs":["x\u002dfoo--1","tool--1","tool\u002d-1"]}"#,
        &[r#"{"type":"note","id":"note--1","a\u005fref":null,"b_refs":["tool--1"],"nb_deps":1}"#],
        &[],
    );
}

#[test]
fn a_cycle_loses_the_reference_that_closes_it() {
    check(
        r#"{"type":"tool","id":"tool--1","a_ref":"tool--2"},{"type":"tool","id":"tool--2","a_ref":"tool--1"}"#,
        &[
            r#"{"type":"tool","id":"tool--2","a_ref":null,"nb_deps":1}"#,
            r#"{"type":"tool","id":"tool--1","a_ref":"tool--2","nb_deps":2}"#,
        ],
        &[],
    );
    check(
        r#"{"type":"tool","id":"tool--1","a_ref":"tool--2"},
           {"type":"tool","id":"tool--2","a_ref":"tool--3"},
           {"type":"tool","id":"tool--3","a_refs":["tool--1","tool--4"]}"#,
        &[
            r#"{"type":"tool","id":"tool--3","a_refs":["tool--4"],"nb_deps":1}"#,
            r#"{"type":"tool","id":"tool--2","a_ref":"tool--3","nb_deps":2}"#,
            r#"{"type":"tool","id":"tool--1","a_ref":"tool--2","nb_deps":3}"#,
        ],
        &[],
    );
}

#[test]
fn a_cycle_loses_another_reference_than_an_end_of_a_relationship() {
    let uses = r#"{"type":"relationship","id":"relationship--1","source_ref":"tool--1","target_ref":"report--1"}"#;
    let sent_uses = r#"{"type":"relationship","id":"relationship--1","source_ref":"tool--1","target_ref":"report--1","nb_deps":4}"#;
    let tool = r#"{"type":"tool","id":"tool--1"}"#;
    let sent_tool = r#"{"type":"tool","id":"tool--1","nb_deps":1}"#;
    check(
        &format!(
            r#"{{"type":"report","id":"report--1","object_refs":["relationship--1","tool--1"]}},{uses},{tool}"#
        ),
        &[
            sent_tool,
            r#"{"type":"report","id":"report--1","object_refs":["tool--1"],"nb_deps":2}"#,
            sent_uses,
        ],
        &[],
    );
    // By way of another object, and of another relationship.
    check(
        &format!(
            r#"{{"type":"report","id":"report--1","object_refs":["note--1","tool--1"]}},
               {{"type":"note","id":"note--1","object_refs":["sighting--1"]}},
               {{"type":"sighting","id":"sighting--1","sighting_of_ref":"relationship--1","where_sighted_refs":["tool--1"]}},
               {uses},{tool}"#
        ),
        &[
            r#"{"type":"note","id":"note--1","object_refs":[],"nb_deps":1}"#,
            sent_tool,
            r#"{"type":"report","id":"report--1","object_refs":["note--1","tool--1"],"nb_deps":3}"#,
            &sent_uses.replace("\"nb_deps\":4", "\"nb_deps\":5"),
            r#"{"type":"sighting","id":"sighting--1","sighting_of_ref":"relationship--1","where_sighted_refs":["tool--1"],"nb_deps":7}"#,
        ],
        &[],
    );
}

#[test]
fn of_a_relationship_64_references_are_looked_at_for_a_way_back() {
    for (markings, sent) in [(61, true), (62, true), (63, false)] {
        let list: Vec<_> = (0..markings)
            .map(|number| format!("\"marking-definition--{number}\""))
            .collect();
        let text = format!(
            r#"{{"objects":[{{"type":"report","id":"report--1","object_refs":["relationship--1"]}},
                {{"type":"relationship","id":"relationship--1","object_marking_refs":[{}],
                  "source_ref":"tool--1","target_ref":"report--1"}}]}}"#,
            list.join(",")
        );
        let split = split(&text);
        assert_eq!(split.part_count() == 2, sent, "{markings}");
        assert_eq!(split.cycles_broken(), 1);
    }
}

#[test]
fn relationships_whose_ends_are_each_other_cannot_all_be_sent() {
    check(
        r#"{"type":"relationship","id":"relationship--1","source_ref":"relationship--2","target_ref":"tool--2"},
           {"type":"relationship","id":"relationship--2","source_ref":"relationship--1","target_ref":"tool--1"}"#,
        &[
            r#"{"type":"relationship","id":"relationship--1","source_ref":"relationship--2","target_ref":"tool--2","nb_deps":2}"#,
        ],
        &[(1, "relationship-without-end")],
    );
}

#[test]
fn what_was_taken_out_is_counted() {
    let text = r#"{"objects":[
        {"type":"tool","id":"tool--1","a_refs":["tool--2","tool--2","tool--1","x-foo--1"]},
        {"type":"tool","id":"tool--2","a_ref":"tool--1","b_ref":"x-foo--1"}]}"#;
    let split = split(text);
    assert_eq!((split.cycles_broken(), split.references_removed()), (2, 4));
}

#[test]
fn the_last_of_several_definitions_counts() {
    check(
        r#"{"type":"tool","id":"tool--1","n":1},{"type":"tool","id":"tool--2"},{"type":"tool","id":"tool--1","n":2}"#,
        &[
            r#"{"type":"tool","id":"tool--1","n":2,"nb_deps":1}"#,
            r#"{"type":"tool","id":"tool--2","nb_deps":1}"#,
        ],
        &[(0, "duplicate-id")],
    );
    check(
        r#"{"type":"tool","id":"tool--1","n":1},{"type":"tool","id":"tool--1","a_ref":7}"#,
        &[r#"{"type":"tool","id":"tool--1","n":1,"nb_deps":1}"#],
        &[(1, "invalid-property")],
    );
    check(
        r#"{"type":"x","id":"x","type":"tool","id":"tool--1","a_ref":"x-foo--1","a_ref":"x-foo--2"}"#,
        &[
            r#"{"type":"x","id":"x","type":"tool","id":"tool--1","a_ref":"x-foo--1","a_ref":null,"nb_deps":1}"#,
        ],
        &[],
    );
}

#[test]
fn of_a_repeated_key_the_last_value_is_edited() {
    check(
        r#"{"type":"tool","id":"tool--1","a_ref":"x-foo--1","b_ref":"x-foo--2","a_ref":"x-foo--3"}"#,
        &[
            r#"{"type":"tool","id":"tool--1","a_ref":"x-foo--1","b_ref":null,"a_ref":null,"nb_deps":1}"#,
        ],
        &[],
    );
}

#[test]
fn what_is_not_sent_is_listed_in_the_order_of_the_bundle() {
    check(
        r#"{"type":"x-foo","id":"x-foo--1"},42,{"type":"sighting","id":"sighting--1"},{}"#,
        &[],
        &[
            (0, "unsupported-type"),
            (1, "not-an-object"),
            (2, "sighting-without-end"),
            (3, "no-id"),
        ],
    );
}

#[test]
fn an_object_is_known_by_its_internal_ids_too() {
    const EXTENSION: &str =
        r#"{"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba":{"id":"new"}}"#;
    check(
        &format!(
            r#"{{"type":"note","id":"note--1","object_refs":["old","new","tool--1"]}},
               {{"type":"tool","id":"tool--1","x_opencti_id":"old","extensions":{EXTENSION},"a_ref":"old"}}"#
        ),
        &[
            &format!(
                r#"{{"type":"tool","id":"tool--1","x_opencti_id":"old","extensions":{EXTENSION},"a_ref":null,"nb_deps":1}}"#
            ),
            r#"{"type":"note","id":"note--1","object_refs":["old","new","tool--1"],"nb_deps":4}"#,
        ],
        &[],
    );
    check(
        r#"{"type":"tool","id":"tool--1","a_ref":"old"},
           {"type":"tool","id":"tool--2","x_opencti_id":"old"},
           {"type":"tool","id":"tool--2","a_ref":"tool--3"},{"type":"tool","id":"tool--3"}"#,
        &[
            r#"{"type":"tool","id":"tool--3","nb_deps":1}"#,
            r#"{"type":"tool","id":"tool--2","a_ref":"tool--3","nb_deps":2}"#,
            r#"{"type":"tool","id":"tool--1","a_ref":"old","nb_deps":3}"#,
        ],
        &[(1, "duplicate-id")],
    );
    check(
        r#"{"type":"tool","id":"free","a_ref":"tool--2"},
           {"type":"tool","id":"tool--2","x_opencti_id":"free"},
           {"type":"note","id":"note--1","object_refs":["free"]}"#,
        &[
            r#"{"type":"tool","id":"tool--2","x_opencti_id":"free","nb_deps":1}"#,
            r#"{"type":"tool","id":"free","a_ref":"tool--2","nb_deps":2}"#,
            r#"{"type":"note","id":"note--1","object_refs":["free"],"nb_deps":3}"#,
        ],
        &[],
    );
}

#[test]
fn an_internal_id_that_two_objects_claim() {
    check(
        r#"{"type":"tool","id":"tool--1","x_opencti_id":"old","a_ref":"old"},
           {"type":"tool","id":"tool--2","x_opencti_id":"old"},
           {"type":"note","id":"note--1","object_refs":["old"]}"#,
        &[
            r#"{"type":"tool","id":"tool--1","x_opencti_id":"old","a_ref":null,"nb_deps":1}"#,
            r#"{"type":"tool","id":"tool--2","x_opencti_id":"old","nb_deps":1}"#,
            r#"{"type":"note","id":"note--1","object_refs":["old"],"nb_deps":2}"#,
        ],
        &[],
    );
}

#[test]
fn lists_of_embedded_things_lose_repetitions() {
    check(
        r#"{"type":"tool","id":"tool--1","external_references":[{"url":"u"}, {"url":"u","x":1} ,{"source_name":"s"}],
            "kill_chain_phases": [ {"kill_chain_name":"k","phase_name":"p"},{"phase_name":"p","kill_chain_name":"k"}]}"#,
        &[
            r#"{"type":"tool","id":"tool--1","external_references":[{"url":"u"}],
            "kill_chain_phases": [{"kill_chain_name":"k","phase_name":"p"}],"nb_deps":1}"#,
        ],
        &[],
    );
    check(
        r#"{"type":"tool","id":"tool--1","external_references":[ {"url":"u"}, {"url":"v"} ],"kill_chain_phases":null}"#,
        &[
            r#"{"type":"tool","id":"tool--1","external_references":[ {"url":"u"}, {"url":"v"} ],"kill_chain_phases":null,"nb_deps":1}"#,
        ],
        &[],
    );
}

#[test]
fn links_need_both_ends() {
    for (properties, expect) in [
        (r#""source_ref":"tool--1","target_ref":"tool--2""#, None),
        (r#""target_ref":"free","source_ref":"tool--2""#, None),
        (
            r#""source_ref":"tool--1""#,
            Some("relationship-without-end"),
        ),
        (
            r#""source_ref":null,"target_ref":"tool--1""#,
            Some("relationship-without-end"),
        ),
        (
            r#""source_ref":"tool--1","target_ref":"x-foo--1""#,
            Some("relationship-without-end"),
        ),
        (
            r#""source_ref":"relationship--1","target_ref":"tool--1""#,
            Some("relationship-without-end"),
        ),
        (
            r#""source_ref":1,"target_ref":"tool--1""#,
            Some("invalid-property"),
        ),
    ] {
        check_left_out("relationship", properties, expect);
    }
    for (properties, expect) in [
        (
            r#""sighting_of_ref":"tool--1","where_sighted_refs":["tool--2","x-foo--1"]"#,
            None,
        ),
        (
            r#""where_sighted_refs":["tool--1"]"#,
            Some("sighting-without-end"),
        ),
        (
            r#""sighting_of_ref":"tool--1""#,
            Some("sighting-without-end"),
        ),
        (
            r#""sighting_of_ref":"tool--1","where_sighted_refs":[]"#,
            Some("sighting-without-end"),
        ),
        (
            r#""sighting_of_ref":"tool--1","where_sighted_refs":null"#,
            Some("sighting-without-end"),
        ),
        (
            r#""sighting_of_ref":"tool--1","where_sighted_refs":["x-foo--1"]"#,
            Some("sighting-without-end"),
        ),
        (
            r#""sighting_of_ref":"x-foo--1","where_sighted_refs":["tool--1"]"#,
            Some("sighting-without-end"),
        ),
    ] {
        check_left_out("sighting", properties, expect);
    }
}

#[test]
fn an_object_that_is_left_out_still_counts() {
    check(
        r#"{"type":"relationship","id":"relationship--1","source_ref":"tool--1"},
           {"type":"tool","id":"tool--1"},{"type":"note","id":"note--1","object_refs":["relationship--1"]}"#,
        &[
            r#"{"type":"tool","id":"tool--1","nb_deps":1}"#,
            r#"{"type":"note","id":"note--1","object_refs":["relationship--1"],"nb_deps":3}"#,
        ],
        &[(0, "relationship-without-end")],
    );
}

#[test]
fn defects() {
    for (value, expect) in [
        ("42", "not-an-object"),
        ("null", "not-an-object"),
        ("[{}]", "not-an-object"),
    ] {
        check(
            &format!(r#"{value},{{"type":"tool","id":"free"}}"#),
            &[r#"{"type":"tool","id":"free","nb_deps":1}"#],
            &[(0, expect)],
        );
    }
    for (object, expect) in [
        ("{}", "no-id"),
        (r#"{"type":"tool"}"#, "no-id"),
        (r#"{"type":"tool","id":null}"#, "no-id"),
        (r#"{"type":"tool","id":1}"#, "invalid-property"),
        (r#"{"type":"tool","id":"\ud800"}"#, "invalid-property"),
        (r#"{"id":"tool--1"}"#, "no-type"),
        (r#"{"id":"tool--1","type":null}"#, "no-type"),
        (r#"{"id":"tool--1","type":["tool"]}"#, "invalid-property"),
        (
            r#"{"id":"tool--1","type":"tool","\ud800":1}"#,
            "invalid-property",
        ),
    ] {
        check(object, &[], &[(0, expect)]);
    }
}

#[test]
fn properties_on_which_the_worker_would_fail() {
    for property in [
        r#""a_ref":1"#,
        r#""a_ref":["tool--1"]"#,
        r#""a_ref":false"#,
        r#""a_ref":"\udc00""#,
        r#""a_refs":"tool--1""#,
        r#""a_refs":{}"#,
        r#""a_refs":[null]"#,
        r#""a_refs":["tool--1",["tool--2"]]"#,
        r#""a_refs":["\ud800"]"#,
        r#""external_references":{}"#,
        r#""external_references":["u"]"#,
        r#""external_references":[{"url":"\ud800"}]"#,
        r#""kill_chain_phases":0"#,
        r#""kill_chain_phases":[[]]"#,
        r#""x_opencti_id":1"#,
        r#""x_opencti_id":["a"]"#,
        r#""extensions":1"#,
        r#""extensions":["a"]"#,
        r#""extensions":{"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba":"a"}"#,
        r#""extensions":{"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba":{"id":["a"]}}"#,
    ] {
        check_left_out("tool", property, Some("invalid-property"));
    }
    for property in [
        r#""a_ref":null"#,
        r#""a_refs":null"#,
        r#""external_references":null"#,
        r#""x_opencti_id":null"#,
        r#""x_opencti_id":"""#,
        r#""x_opencti_id":[]"#,
        r#""extensions":null"#,
        r#""extensions":[ ]"#,
        r#""extensions":{"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba":null}"#,
        r#""extensions":{"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba":{"id":0}}"#,
        r#""extensions":{"another":1}"#,
    ] {
        check_left_out("tool", property, None);
    }
}

fn check_left_out(object_type: &str, properties: &str, expect: Option<&str>) {
    let text = format!(
        r#"{{"objects":[{{"type":"{object_type}","id":"{object_type}--1",{properties}}}]}}"#
    );
    let split = split(&text);
    let seen = split.not_sent().next().map(|object| object.code.as_str());
    assert_eq!(
        (seen, split.part_count()),
        (expect, usize::from(expect.is_none())),
        "{text}"
    );
}

#[test]
fn a_defective_object_is_as_good_as_absent() {
    check(
        r#"{"type":"tool","id":"tool--1","a_refs":0},{"type":"note","id":"note--1","object_refs":["tool--1"]}"#,
        &[r#"{"type":"note","id":"note--1","object_refs":["tool--1"],"nb_deps":1}"#],
        &[(0, "invalid-property")],
    );
}

#[test]
fn what_is_not_sent_is_described() {
    let long = "é".repeat(1000);
    let text = format!(
        r#"{{"objects":[{{"type":"tool","id":"tool--1","{long}_ref":1}},{{"type":"x","id":"x--{long}"}}]}}"#
    );
    let split = split(&text);
    let not_sent: Vec<_> = split.not_sent().collect();
    let [first, second] = &*not_sent else {
        panic!("two are not sent")
    };
    assert_eq!(
        (first.id.as_deref(), first.object_type.as_deref()),
        (Some("tool--1"), Some("tool"))
    );
    assert!(
        first
            .detail
            .ends_with("…\" is neither null nor a readable string"),
        "{first:?}"
    );
    assert!(first.detail.len() < 320, "{first:?}");
    assert_eq!(
        second.id.as_deref().map(str::len),
        Some(255 + '…'.len_utf8())
    );
    assert_eq!(second.code, NotSentCode::UnsupportedType);
}

#[test]
fn the_bundle_id_is_escaped() {
    let text = r#"{"objects":[{"type":"mutex","id":"mutex--1"}]}"#;
    let mut out = b"before".to_vec();
    split(text).write_part(0, "\"\\\n\u{1}é", &mut out);
    let head = r#"before{"type":"bundle","id":"\"\\\n\u0001é","spec_version""#;
    assert!(String::from_utf8(out).unwrap().starts_with(head));
    let written = written(&split(text), 0);
    assert!(
        serde_json::from_str::<serde_json::Value>(&written).is_ok(),
        "{written}"
    );
}

#[test]
fn another_profile_has_other_rules() {
    let text =
        r#"{"objects":[{"type":"x-foo","id":"x-foo--1","a_ref":"tool--1","b_link":"tool--1"}]}"#;
    let profile = Profile::opencti()
        .with_type("x-foo")
        .without_type("tool")
        .with_reference_suffixes("_link", "_links");
    let split = bundle(text).split(&profile);
    let expect = r#"{"type":"x-foo","id":"x-foo--1","a_ref":"tool--1","b_link":null,"nb_deps":1}"#;
    assert_eq!(object(&split, 0), expect);
}

#[test]
fn what_is_not_sent_is_told_in_words() {
    let text = r#"{"objects":[
        {"type":"tool","id":"tool--1"},
        {"type":"x-foo","id":"x-foo--1"},
        {"type":"relationship","id":"relationship--1","target_ref":"tool--1"},
        {"type":"relationship","id":"relationship--2","source_ref":"tool--1","target_ref":"x-foo--1"},
        {"type":"sighting","id":"sighting--1","sighting_of_ref":"tool--1"},
        {"type":"tool","id":"tool--1"},
        {"type":"tool"}
    ]}"#;
    let split = split(text);
    let seen: Vec<_> = split.not_sent().map(|o| (o.index, o.detail)).collect();
    let expect = [
        (0, "objects[5] has the same id"),
        (1, "the platform takes no ids of type \"x-foo\""),
        (2, "\"source_ref\" holds no reference that could be sent"),
        (3, "\"target_ref\" holds no reference that could be sent"),
        (
            4,
            "\"where_sighted_refs\" holds no reference that could be sent",
        ),
        (6, "it has no \"id\""),
    ];
    assert_eq!(
        seen,
        expect.map(|(index, detail)| (index, detail.to_owned()))
    );
    assert_eq!(split.not_sent().len(), expect.len());
}
