//! What holds for any bundle.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{split, value, written};

const TYPES: [&str; 6] = [
    "tool",
    "report",
    "relationship",
    "sighting",
    "x-foo",
    "mutex",
];

/// A reference to one of few objects, so that cycles, repetitions and strangers are common.
fn reference() -> impl Strategy<Value = Value> {
    prop_oneof![
        12 => (0..TYPES.len(), 0..6_u8).prop_map(|(t, n)| json!(format!("{}--{n}", TYPES[t]))),
        2 => (0..6_u8).prop_map(|n| json!(format!("internal {n}"))),
        1 => Just(json!("tool--elsewhere")),
        1 => Just(Value::Null),
    ]
}

fn references() -> impl Strategy<Value = Value> {
    let sound = reference().prop_filter("a list has no nulls", |r| !r.is_null());
    prop_oneof![
        9 => prop::collection::vec(sound, 0..5).prop_map(Value::Array),
        1 => Just(Value::Null),
        1 => Just(json!([1])),
    ]
}

fn embedded() -> impl Strategy<Value = Value> {
    let reference = (0..3_u8, any::<bool>()).prop_map(|(n, known)| {
        if known {
            json!({"url": n.to_string()})
        } else {
            json!({"source_name": "s"})
        }
    });
    prop::collection::vec(reference, 0..4).prop_map(Value::Array)
}

fn property() -> impl Strategy<Value = (&'static str, Value)> {
    let keys = |keys: &'static [&'static str]| prop::sample::select(keys);
    prop_oneof![
        (
            keys(&["a_ref", "source_ref", "target_ref", "sighting_of_ref"]),
            reference()
        ),
        (keys(&["object_refs", "where_sighted_refs"]), references()),
        (keys(&["external_references"]), embedded()),
        (keys(&["nb_deps", "name"]), Just(json!("é \" 1"))),
        (
            keys(&["x_opencti_id"]),
            (0..6_u8).prop_map(|n| json!(format!("internal {n}")))
        ),
    ]
}

fn object() -> impl Strategy<Value = Value> {
    let properties = prop::collection::vec(property(), 0..6);
    ((0..TYPES.len(), 0..6_u8), properties).prop_map(|((t, n), properties)| {
        let mut object = Map::new();
        object.insert("type".into(), json!(TYPES[t]));
        object.insert("id".into(), json!(format!("{}--{n}", TYPES[t])));
        object.extend(
            properties
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value)),
        );
        Value::Object(object)
    })
}

fn bundle() -> impl Strategy<Value = Vec<Value>> {
    let element = prop_oneof![
        30 => object(),
        1 => Just(json!(1)),
        1 => Just(json!({"type": "tool"})),
    ];
    prop::collection::vec(element, 0..16)
}

fn is_reference(key: &str) -> bool {
    key.ends_with("_ref") || key.ends_with("_refs")
}

/// The references of an object that are still there.
fn targets(object: &Value) -> Vec<&str> {
    let members = object.as_object().into_iter().flatten();
    let values = members
        .filter(|(key, _)| is_reference(key))
        .map(|(_, value)| value);
    values
        .flat_map(|v| v.as_array().map_or(std::slice::from_ref(v), Vec::as_slice))
        .filter_map(Value::as_str)
        .collect()
}

/// Whether `sent` is what may be left of `given`.
fn is_left_of(given: &Value, sent: &Value, key: &str) -> bool {
    match (given, sent) {
        (Value::Array(given), Value::Array(sent))
            if is_reference(key) || key == "external_references" =>
        {
            let mut rest = given.iter();
            sent.iter()
                .all(|element| rest.any(|other| other == element))
        }
        (Value::String(_), Value::Null) => key.ends_with("_ref"),
        _ => key == "nb_deps" || given == sent,
    }
}

/// What an object refers to, by number: its ends, where it is a relationship or a sighting, and others.
#[derive(Clone, Debug)]
struct Node {
    object_type: &'static str,
    ends: Vec<usize>,
    others: Vec<usize>,
}

const LINKS: [&str; 3] = ["report", "relationship", "sighting"];

/// Objects that refer to one another as they like, none to itself by an end.
fn tangle() -> impl Strategy<Value = Vec<Node>> {
    let node = |number: usize, count: usize| {
        let other = prop::sample::select((0..count).filter(|n| *n != number).collect::<Vec<_>>());
        let ends = prop::collection::vec(other, 2);
        let others = prop::collection::vec(0..count, 0..3);
        let types = prop::sample::select(&LINKS[..]);
        (types, ends, others).prop_map(|(object_type, ends, others)| Node {
            object_type,
            ends: if object_type == "report" {
                Vec::new()
            } else {
                ends
            },
            others,
        })
    };
    (2..9_usize).prop_flat_map(move |count| {
        (0..count)
            .map(|number| node(number, count))
            .collect::<Vec<_>>()
    })
}

fn text_of(tangle: &[Node]) -> String {
    let id = |number: usize| format!("{}--{number}", tangle[number].object_type);
    let object = |(number, node): (usize, &Node)| {
        let others: Vec<_> = node.others.iter().map(|other| id(*other)).collect();
        let mut object = json!({"type": node.object_type, "id": id(number), "object_refs": others});
        match (node.object_type, &node.ends[..]) {
            ("relationship", [source, target]) => {
                object["source_ref"] = json!(id(*source));
                object["target_ref"] = json!(id(*target));
            }
            ("sighting", [of, at]) => {
                object["sighting_of_ref"] = json!(id(*of));
                object["where_sighted_refs"] = json!([id(*at)]);
            }
            _ => {}
        }
        object
    };
    let objects: Vec<_> = tangle.iter().enumerate().map(object).collect();
    json!({"objects": objects}).to_string()
}

/// Whether an object's ends, and theirs, lead back to it.
fn is_its_own_end(tangle: &[Node], number: usize) -> bool {
    let mut ahead = tangle[number].ends.clone();
    let mut seen = BTreeSet::new();
    while let Some(next) = ahead.pop() {
        if seen.insert(next) {
            ahead.extend(&tangle[next].ends);
        }
    }
    seen.contains(&number)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_object_is_a_part_or_accounted_for(objects in bundle()) {
        let text = json!({"objects": objects}).to_string();
        let split = split(&text);
        let parts = (0..split.part_count()).map(|part| split.part(part).object);
        let mut seen: Vec<_> = parts.chain(split.not_sent().map(|o| o.index)).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..objects.len()).collect::<Vec<_>>());
        let ids: BTreeSet<_> = (0..split.part_count()).map(|part| split.part(part).id).collect();
        prop_assert_eq!(ids.len(), split.part_count(), "no id is sent twice");
    }

    #[test]
    fn references_go_to_what_was_sent_before(objects in bundle()) {
        let text = json!({"objects": objects}).to_string();
        let split = split(&text);
        let values: Vec<_> = (0..split.part_count()).map(|part| value(&split, part)).collect();
        let mut places = HashMap::new();
        for (place, value) in values.iter().enumerate() {
            places.insert(value["id"].as_str().unwrap(), place);
        }
        for (place, value) in values.iter().enumerate() {
            for target in targets(value) {
                prop_assert!(places.get(target).is_none_or(|&at| at < place), "{} {}", target, value);
                prop_assert!(!target.starts_with("x-foo"), "{} {}", target, value);
            }
            prop_assert!(place == 0 || split.part(place - 1).nb_deps <= split.part(place).nb_deps);
        }
    }

    #[test]
    fn nothing_is_invented(objects in bundle()) {
        let text = json!({"objects": objects}).to_string();
        let split = split(&text);
        for part in 0..split.part_count() {
            let sent = value(&split, part);
            let given = &objects[split.part(part).object];
            for (key, value) in sent.as_object().unwrap() {
                let before = given.get(key).unwrap_or(&Value::Null);
                prop_assert!(is_left_of(before, value, key), "{}: {} from {}", key, value, before);
            }
            for (key, _) in given.as_object().unwrap() {
                prop_assert!(sent.get(key).is_some(), "{} is lost", key);
            }
            prop_assert_eq!(&sent["nb_deps"], &json!(split.part(part).nb_deps));
        }
    }

    #[test]
    fn bundles_among_the_objects_change_nothing_but_places(
        objects in bundle(),
        wrapped in prop::collection::vec((0..4_usize, 0..4_usize), 1..6),
    ) {
        let flat = json!({"objects": objects}).to_string();
        let mut elements = objects;
        for (start, length) in wrapped {
            let start = start.min(elements.len());
            let end = (start + length).min(elements.len());
            let inner: Vec<_> = elements.drain(start..end).collect();
            elements.insert(start, json!({"type": "bundle", "objects": inner}));
        }
        let nested = json!({"objects": elements}).to_string();
        let (flat, nested) = (split(&flat), split(&nested));
        let parts = |split: &stix_bundle::Split<'_>| -> Vec<_> {
            (0..split.part_count()).map(|part| written(split, part)).collect()
        };
        prop_assert_eq!(parts(&flat), parts(&nested));
        let codes = |split: &stix_bundle::Split<'_>| -> Vec<_> {
            split.not_sent().map(|object| (object.index, object.code)).collect()
        };
        prop_assert_eq!(codes(&flat), codes(&nested));
        prop_assert_eq!(flat.references_removed(), nested.references_removed());
    }

    #[test]
    fn only_a_cycle_of_ends_costs_a_relationship(tangle in tangle()) {
        let text = text_of(&tangle);
        for lost in split(&text).not_sent() {
            prop_assert!(is_its_own_end(&tangle, lost.index), "{} is not sent of {}", lost.index, text);
        }
    }

    #[test]
    fn a_part_splits_into_itself(objects in bundle()) {
        let text = json!({"objects": objects}).to_string();
        let split_once = split(&text);
        for part in 0..split_once.part_count() {
            let again = written(&split_once, part);
            let split_again = split(&again);
            prop_assert_eq!((split_again.part_count(), split_again.not_sent().len()), (1, 0));
            prop_assert_eq!((split_again.references_removed(), split_again.part(0).nb_deps), (0, 1));
            let mut expect = value(&split_once, part);
            expect["nb_deps"] = json!(1);
            prop_assert_eq!(value(&split_again, 0), expect);
        }
    }
}
