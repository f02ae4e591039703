//! What becomes of files by what is in them, and what is told of that.

use chrono::TimeDelta;
use opencti_client::PlatformVersion;
use serde_json::{Value, json};

use super::bench::{Bench, envelope, exists};
use crate::doubles::Lines;
use crate::{Outcome, StandIn, ValidationMode};

/// An envelope whose bundle holds this text as its objects.
fn with_objects(objects: &str) -> String {
    envelope("c", &[json!("HERE")]).replace("\"HERE\"", objects)
}

const AUTHOR: &str = r#"{"type":"identity","id":"identity--a","name":"a"}"#;

#[tokio::test]
async fn a_feed_that_had_nothing_new_is_imported_and_nothing_is_asked_or_sent_for_it() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut bench = Bench::new();
    // Even its applicant needs no mapping.
    bench.stand_in = StandIn::Nobody;
    let empty = envelope("c", &[]).replace("\"there\"", "\"stranger\"");
    let path = bench.put("a.json", &empty, 60);
    let inner = with_objects(r#"{"type":"bundle","id":"bundle--2","objects":[]}"#);
    let nested = bench.put("b.json", &inner.replace("\"there\"", "\"stranger\""), 60);
    let report = bench.pass().await;
    assert_eq!((report.count(Outcome::Imported), report.messages), (2, 0));
    assert!(report.unmapped.is_empty());
    assert_eq!(bench.diary(), ["remove a.json", "remove b.json"]);
    assert!(!exists(&path) && !exists(&nested));
    let said = lines.with("file imported: its bundle has no objects");
    assert_eq!(said.len(), 2, "{lines:?}");
    assert!(
        said.iter()
            .all(|line| line.starts_with("INFO") && line.contains("messages=0"))
    );
}

#[tokio::test]
async fn references_that_are_taken_out_are_in_the_line_of_the_file() {
    for (objects, level, told) in [
        (AUTHOR.to_owned(), "INFO", None),
        (
            r#"{"type":"tool","id":"tool--1","created_by_ref":"x-y--1"}"#.to_owned(),
            "INFO",
            Some("references_removed=1"),
        ),
        (
            r#"{"type":"tool","id":"tool--1","object_marking_refs":["x-y--1"],"created_by_ref":"x-y--1"}"#
                .to_owned(),
            "WARN",
            Some("references_removed=2 lost_references=\"object_marking_refs of tool--1 (1)\""),
        ),
    ] {
        let lines = Lines::default();
        let _listening = lines.listen();
        let bench = Bench::new();
        bench.put("a.json", &with_objects(&objects), 60);
        assert_eq!(bench.pass().await.count(Outcome::Imported), 1);
        let said = lines.with("file imported").join("\n");
        assert!(said.starts_with(level), "{said}");
        assert_eq!(said.contains("references"), told.is_some(), "{said}");
        assert!(told.is_none_or(|told| said.contains(told)), "{said}");
    }
}

#[tokio::test]
async fn of_many_objects_that_lost_references_a_line_names_few() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    let long = "é".repeat(500);
    let objects: Vec<Value> = (0..2_000)
        .map(|n| {
            let id = format!("note--{n}\u{1b}\u{202e}{long}");
            json!({"type": "note", "id": id, "object_refs": ["x-y--1"]})
        })
        .collect();
    bench.put("a.json", &envelope("c", &objects), 60);
    bench.pass().await;
    let said = lines.with("file imported").join("\n");
    assert!(said.len() < 3_000, "{}", said.len());
    for told in [
        "references_removed=2000",
        "object_refs of note--4",
        "and more in 1995 other objects",
    ] {
        assert!(said.contains(told), "{told} {said}");
    }
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
}

#[tokio::test]
async fn broken_objects_are_named_by_id_and_place_wherever_they_are_told() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    let inner = format!(
        r#"{{"type":"bundle","objects":[{AUTHOR},
           {{"type":"tool","id":"tool--1\u001b\u202e","created_by_ref":{{}}}}]}}"#
    );
    bench.put("a.json", &with_objects(&inner), 60);
    let report = bench.pass().await;
    assert_eq!((report.count(Outcome::Partial), report.messages), (1, 1));
    let place = r"$.bundle.objects[0].objects[1] (tool--1\u{1b}\u{202e})";
    let what = "\"created_by_ref\" is neither null nor a readable string";
    let told = format!("error a.json: {place} was not sent: {what} [invalid-property]");
    assert!(bench.diary().contains(&told), "{:?}", bench.diary());
    let reason = bench.reason("a.json.reason.json");
    let finding = &reason["findings"][0];
    assert_eq!(finding["path"], "$.bundle.objects[0].objects[1]");
    assert_eq!(finding["id"], r"tool--1\u{1b}\u{202e}");
    let message = reason["message"].as_str().unwrap();
    assert_eq!(
        message,
        format!(
            "1 of 2 objects are broken and were not sent; 1 were; the first is {place}: {what}"
        )
    );
    assert_eq!(lines.with("file imported in part").len(), 1);
}

#[tokio::test]
async fn what_the_platform_could_not_read_or_would_split_otherwise_is_not_put_into_the_workbench_as_it_came()
 {
    let old = r#"{"type":"tool","id":"tool--1","modified":"2026-01-01T00:00:00Z"}"#;
    let new = r#"{"type":"tool","id":"tool--1","modified":"2026-01-02T00:00:00Z"}"#;
    let in_bundle = format!(r#"{{"type":"bundle","objects":[{new}]}}"#);
    let tool = ["tool--1"];
    for (objects, around, as_it_came, ids) in [
        (new.to_owned(), "", true, &tool[..]),
        (format!("{old},{new}"), "", true, &["tool--1", "tool--1"]),
        (format!("{new},{old}"), "", false, &tool),
        (in_bundle, "", false, &tool),
        (new.to_owned(), r#""x":NaN,"#, false, &tool),
        (
            format!(r#"{new},{{"type":"x-y","n":-Infinity}}"#),
            "",
            false,
            &tool,
        ),
    ] {
        let mut bench = Bench::new();
        bench.validation.mode = ValidationMode::Workbench;
        bench.version = Some(PlatformVersion::new(6, 5, 9));
        let text = with_objects(&objects)
            .replace(r#""objects":"#, &format!(r#"{around}"objects":"#))
            .replace(
                r#""scope":"x""#,
                r#""scope":"x","validate_before_import":true"#,
            );
        bench.put("a.json", &text, 60);
        assert_eq!(bench.pass().await.count(Outcome::Imported), 1, "{text}");
        let uploads = bench.platform.uploads.lock().unwrap();
        let bundle: Value = serde_json::from_slice(&uploads[0].content).unwrap();
        let sent: Vec<&str> = bundle["objects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|object| object["id"].as_str().unwrap())
            .collect();
        assert_eq!(sent, ids, "{text}");
        let is_new = uploads[0]
            .content
            .windows(10)
            .any(|bytes| bytes == b"2026-01-02");
        assert!(is_new, "{text}");
        let has_counts = uploads[0]
            .content
            .windows(7)
            .any(|bytes| bytes == b"nb_deps");
        assert_eq!(has_counts, !as_it_came, "{text}");
    }
}

#[tokio::test]
async fn what_is_cut_short_waits_and_then_says_so() {
    for (cut, told) in [
        (
            &b"{\"connector\": {\"id\": \"c"[..],
            "the file is cut short",
        ),
        (
            b"{\"connector\": {\"id\": \"\xC3",
            "cut short: it ends within a character",
        ),
        (b"", "the file is empty"),
        (
            b"{\0\"\0b\0u\0n\0d\0",
            "the text is UTF-16, not UTF-8: there is no byte order mark",
        ),
    ] {
        let bench = Bench::new();
        let path = bench.put("a.json", "", 0);
        std::fs::write(&path, cut).unwrap();
        assert_eq!(bench.pass().await.count(Outcome::Waiting), 1, "{told}");
        bench.later(TimeDelta::seconds(6));
        assert_eq!(bench.pass().await.count(Outcome::Rejected), 1, "{told}");
        let reason = bench.reason("a.json.reason.json");
        let message = reason["message"].as_str().unwrap();
        assert!(message.contains(told), "{message}");
    }
}
