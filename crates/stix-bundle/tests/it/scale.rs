//! Large and hostile bundles: nothing recurses, nothing is quadratic.

use std::fmt::Write;

use stix_bundle::{Bundle, Limits, NotSentCode, Profile, Text};

use crate::support::{object, split};

const MANY: usize = 100_000;

/// A bundle of tools of which each refers to those that `refs` names.
fn tools(count: usize, refs: impl Fn(usize) -> Vec<usize>) -> String {
    let mut text = String::from(r#"{"objects":["#);
    for i in 0..count {
        let refs: Vec<_> = refs(i).iter().map(|to| format!("\"tool--{to}\"")).collect();
        let comma = if i == 0 { "" } else { "," };
        let refs = refs.join(",");
        write!(
            text,
            r#"{comma}{{"type":"tool","id":"tool--{i}","a_refs":[{refs}]}}"#
        )
        .unwrap();
    }
    text + "]}"
}

#[test]
fn a_long_chain_is_sent_from_its_end() {
    let text = tools(MANY, |i| if i + 1 < MANY { vec![i + 1] } else { vec![] });
    let split = split(&text);
    assert_eq!((split.part_count(), split.references_removed()), (MANY, 0));
    for part in 0..MANY {
        let expect = (MANY - 1 - part, u64::try_from(part).unwrap() + 1);
        assert_eq!((split.part(part).object, split.part(part).nb_deps), expect);
    }
}

#[test]
fn a_long_cycle_loses_one_reference() {
    let text = tools(MANY, |i| vec![(i + 1) % MANY]);
    let split = split(&text);
    assert_eq!((split.part_count(), split.cycles_broken()), (MANY, 1));
    let expect = format!(
        r#"{{"type":"tool","id":"tool--{}","a_refs":[],"nb_deps":1}}"#,
        MANY - 1
    );
    assert_eq!(object(&split, 0), expect);
}

#[test]
fn counts_stop_growing() {
    let rungs = 400;
    let text = tools(rungs, |i| if i == 0 { vec![] } else { vec![i - 1, i - 1] });
    let split = split(&text);
    let counts: Vec<_> = (0..rungs).map(|part| split.part(part).nb_deps).collect();
    assert_eq!(counts[..4], [1, 3, 7, 15]);
    assert_eq!(counts[52..54], [(1 << 53) - 1, 1 << 53]);
    assert_eq!(counts.last(), Some(&(1 << 53)));
    assert!(
        (0..rungs).all(|part| split.part(part).object == part),
        "the order still holds"
    );
}

#[test]
fn every_object_refers_to_every_other() {
    let count = 300;
    let text = tools(count, |_| (0..count).collect());
    let split = split(&text);
    assert_eq!(split.part_count(), count);
    assert_eq!(split.cycles_broken(), count * (count + 1) / 2);
}

#[test]
fn many_references_to_relationships_that_lead_back() {
    let count = 300;
    let mut text = String::from(r#"{"objects":["#);
    let relationships: Vec<_> = (0..count)
        .map(|i| format!("\"relationship--{i}\""))
        .collect();
    let refs = relationships.join(",");
    for i in 0..count {
        write!(
            text,
            r#"{{"type":"report","id":"report--{i}","object_refs":["report--{}",{refs}]}},"#,
            i + 1
        )
        .unwrap();
    }
    for i in 0..count {
        let comma = if i == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"type":"relationship","id":"relationship--{i}",
               "source_ref":"relationship--{}","target_ref":"report--0"}}"#,
            i + 1
        )
        .unwrap();
    }
    let text = text + "]}";
    let split = split(&text);
    assert_eq!(
        (split.part_count(), split.cycles_broken()),
        (2 * count, count * count)
    );
}

#[test]
fn references_at_and_around_the_limit() {
    let limits = Limits {
        max_refs: 3,
        ..Limits::default()
    };
    for (refs, expect) in [
        (r#""a_refs":["a","b"]"#, None),
        (r#""a_refs":["a","b","b"]"#, None),
        (
            r#""a_refs":["a","b","b","c"]"#,
            Some(NotSentCode::TooManyReferences),
        ),
        (r#""a_refs":["a","b"],"b_ref":"c""#, None),
        (r#""a_refs":["a","b"],"b_ref":"c","c_ref":null"#, None),
        (
            r#""a_refs":["a","b"],"b_ref":"c","c_ref":"d""#,
            Some(NotSentCode::TooManyReferences),
        ),
        (
            r#""a_refs":["a","b"],"b_refs":["c","d"]"#,
            Some(NotSentCode::TooManyReferences),
        ),
    ] {
        let text = format!(r#"{{"objects":[{{"type":"tool","id":"tool--1",{refs}}}]}}"#);
        let text = Text::check(text.as_bytes(), &limits).unwrap();
        let split = Bundle::parse(&text, &limits)
            .unwrap()
            .split(&Profile::opencti());
        assert_eq!(
            split.not_sent().next().map(|object| object.code),
            expect,
            "{text:?} {refs}"
        );
    }
}

#[test]
fn all_references_of_a_bundle_at_and_around_the_limit() {
    let limits = Limits {
        max_all_refs: 3,
        ..Limits::default()
    };
    let text = r#"{"objects":[{"type":"tool","id":"tool--1","a_refs":["a","b"]},
        {"type":"tool","id":"tool--2","a_refs":["a","b"]},
        {"type":"tool","id":"tool--3","a_ref":"a"},
        {"type":"tool","id":"tool--4","a_ref":"a"}]}"#;
    let text = Text::check(text.as_bytes(), &limits).unwrap();
    let bundle = Bundle::parse(&text, &limits).unwrap();
    let (split, findings) = bundle.split_and_validate(&Profile::opencti());
    let not_sent: Vec<_> = split.not_sent().collect();
    let seen: Vec<_> = not_sent.iter().map(|o| (o.index, o.code)).collect();
    let code = NotSentCode::TooManyReferences;
    assert_eq!(seen, [(1, code), (3, code)]);
    assert_eq!(
        not_sent[0].detail,
        "with it the bundle has 4 references, more than the 3 allowed in all"
    );
    assert_eq!(findings.errors(), 2);
    let alone = bundle.validate(&Profile::opencti());
    assert_eq!(alone.kept(), findings.kept());
}

#[test]
fn embedded_lists_are_as_long_as_lists_of_references_at_most() {
    let limits = Limits {
        max_refs: 2,
        ..Limits::default()
    };
    for key in ["external_references", "kill_chain_phases"] {
        for (count, expect) in [(2, None), (3, Some(NotSentCode::TooManyReferences))] {
            let list = vec!["{}"; count].join(",");
            let text =
                format!(r#"{{"objects":[{{"type":"tool","id":"tool--1","{key}":[{list}]}}]}}"#);
            let text = Text::check(text.as_bytes(), &limits).unwrap();
            let split = Bundle::parse(&text, &limits)
                .unwrap()
                .split(&Profile::opencti());
            let seen = split.not_sent().next().map(|object| object.code);
            assert_eq!(seen, expect, "{count} {key}");
        }
    }
}

#[test]
fn members_at_and_around_the_limit() {
    for (more, expect) in [
        (999_998, None),
        (999_999, Some(NotSentCode::TooManyMembers)),
    ] {
        let members = r#","":1"#.repeat(more);
        let text = format!(r#"{{"objects":[{{"type":"tool","id":"tool--1"{members}}}]}}"#);
        let split = split(&text);
        let seen = split.not_sent().next();
        assert_eq!(seen.as_ref().map(|object| object.code), expect, "{more}");
        if let Some(object) = seen {
            assert_eq!(object.id.as_deref(), Some("tool--1"));
        }
    }
}

#[test]
fn one_object_may_have_as_many_references_as_allowed() {
    let limits = Limits::default();
    let text = tools(2, |i| {
        if i == 0 {
            (1..=limits.max_refs).collect()
        } else {
            vec![]
        }
    });
    let split = split(&text);
    assert_eq!((split.part_count(), split.part(1).nb_deps), (2, 2));
}

#[test]
fn nesting_up_to_the_limit_is_passed_on() {
    let limits = Limits::default();
    let levels = limits.max_depth - 3;
    let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let inside = |deep: &str| {
        format!(
            r#"{{"objects":[{{"type":"tool","id":"tool--1","a":{deep},"external_references":[{{"x":1}}]}}]}}"#
        )
    };
    let text = inside(&deep);
    let split = split(&text);
    let expect = format!(
        r#"{{"type":"tool","id":"tool--1","a":{deep},"external_references":[],"nb_deps":1}}"#
    );
    assert_eq!(object(&split, 0), expect);
    let too_deep = inside(&format!("[{deep}]"));
    assert!(Text::check(too_deep.as_bytes(), &limits).is_err());
}

#[test]
fn many_members_of_one_name() {
    let repeated = r#""a_ref":"x-foo--1","#.repeat(MANY);
    let text = format!(r#"{{"objects":[{{{repeated}"type":"tool","id":"tool--1"}}]}}"#);
    let split = split(&text);
    assert_eq!((split.part_count(), split.references_removed()), (1, 1));
    assert_eq!(object(&split, 0).matches("null").count(), 1);
}

#[test]
fn many_embedded_references() {
    let references: Vec<_> = (0..MANY)
        .map(|i| format!(r#"{{"url":"{}"}}"#, i / 2))
        .collect();
    let references = references.join(",");
    let text = format!(
        r#"{{"objects":[{{"type":"tool","id":"tool--1","external_references":[{references}]}}]}}"#
    );
    assert_eq!(object(&split(&text), 0).matches("url").count(), MANY / 2);
}

#[test]
fn many_broken_objects() {
    let text = format!(r#"{{"objects":[{}1]}}"#, "1,".repeat(MANY - 1));
    let split = split(&text);
    assert_eq!((split.part_count(), split.not_sent().len()), (0, MANY));
}
