//! How often something is said in the log, and at what length.

use std::time::Duration;

use chrono::TimeDelta;
use opencti_client::ErrorClass;
use serde_json::json;

use super::bench::{Bench, envelope, identity};
use crate::doubles::Lines;
use crate::{AfterImport, Code};

#[tokio::test]
async fn that_a_file_grows_is_said_once_for_each_way_it_looks() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    let mut importer = bench.importer();
    for length in 1..=10 {
        *bench.source.growing.lock().unwrap() = length % 3 != 0;
        bench.put("a.json", &"x".repeat(length), 1);
        importer.pass(None).await;
    }
    for code in ["unreadable", "invalid-json"] {
        let said = lines.with("file waits").join("\n");
        assert_eq!(said.matches(code).count(), 1, "{said}");
    }
}

#[tokio::test]
async fn what_cannot_be_changed_is_said_once_for_each_file() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    for number in 0..3 {
        bench.put(&format!("r{number}.json"), "{", 60);
        let broken = json!({"type": "identity", "name": "no id"});
        bench.put(&format!("i{number}.json"), &envelope("c", &[broken]), 60);
        let good = envelope("c", &[identity("a")]);
        bench.put(&format!("j{number}.json"), &good, 60);
    }
    *bench.source.stuck.lock().unwrap() = true;
    let mut importer = bench.importer();
    for _ in 0..5 {
        importer.pass(None).await;
    }
    assert_eq!(lines.with("cannot be set aside").len(), 6, "{lines:?}");
    assert_eq!(lines.with("cannot be deleted").len(), 3, "{lines:?}");
    // Another file of that name.
    bench.put("r0.json", "{{", 60);
    importer.pass(None).await;
    assert_eq!(lines.with("cannot be set aside").len(), 7, "{lines:?}");
}

#[tokio::test]
async fn one_connector_id_under_two_names_in_turn_is_said_once() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    for number in 0..6_u64 {
        let content = envelope("c", &[identity(&number.to_string())]);
        let content = if number % 2 == 0 {
            content
        } else {
            content.replace(r#""Feed""#, r#""Another""#)
        };
        bench.put(&format!("{number}.json"), &content, 60 - number);
    }
    let mut importer = bench.importer();
    importer.pass(None).await;
    let said = lines.with("under two names or types in turn");
    assert_eq!(said.len(), 1, "{lines:?}");
    assert!(said[0].contains("other=\"Another\""), "{said:?}");
    assert_eq!(
        bench.published(),
        ["publish c 1"; 6],
        "all are imported all the same"
    );
}

#[tokio::test]
async fn what_cannot_be_discarded_is_said_once() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut bench = Bench::new();
    bench.rejected_retention = Some(Duration::from_hours(24));
    bench.put("a.json", "{", 60);
    bench.pass().await;
    // What cannot be deleted as a file.
    let rejected = bench.folder.path().join("rejected/a.json");
    std::fs::remove_file(&rejected).unwrap();
    std::fs::create_dir_all(rejected.join("x")).unwrap();
    bench.later(TimeDelta::days(2));
    let mut importer = bench.importer();
    for _ in 0..5 {
        importer.pass(None).await;
    }
    let said = lines.with("retention has passed cannot be deleted");
    assert_eq!(said.len(), 1, "{lines:?}");
}

#[tokio::test]
async fn a_line_about_a_bundle_of_many_types_is_short() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    let mut objects: Vec<_> = (0..2_000)
        .map(|number| json!({"type": format!("x-t{number:04}"), "id": format!("x--{number}")}))
        .collect();
    objects.push(identity("a"));
    bench.put("a.json", &envelope("c", &objects), 60);
    bench.pass().await;
    let said = lines.with("file imported");
    assert_eq!(said.len(), 1);
    assert!(said[0].len() < 2_000, "{}", said[0].len());
    for part in ["unsupported-type x-t0000 1, ", ", and 1980 more kinds 1980"] {
        assert!(said[0].contains(part), "{part} {}", said[0]);
    }
}

#[tokio::test]
async fn a_file_that_waits_for_good_is_told_of_each_hour() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    bench.fail("work c", ErrorClass::Contract, usize::MAX);
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    let mut importer = bench.importer();
    let mut told = Vec::new();
    for _ in 0..=120 {
        importer.pass(None).await;
        told.extend(importer.lasting_waits());
        bench.elapse(Duration::from_mins(1));
    }
    assert_eq!(lines.with("file waits").len(), 1, "{lines:?}");
    let told: Vec<_> = told
        .iter()
        .map(|it| (it.code, it.files, it.oldest.as_str()))
        .collect();
    assert_eq!(told, [(Code::Platform, 1, "a.json"); 2]);
}

#[tokio::test]
async fn reading_what_the_peer_imported_is_announced() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    for name in ["a.json", "b.json"] {
        bench.put(name, &envelope("c", &[identity("a")]), 60);
    }
    let mut importer = bench.importer();
    for _ in 0..2 {
        importer.pass(Some(1e12)).await;
    }
    let said = lines.with("taken over");
    assert_eq!(said.len(), 1, "{lines:?}");
    assert!(said[0].contains("files=2"), "{said:?}");
    let said = lines.with("files");
    assert!(said[0].contains("taken over"), "first of all: {said:?}");
    for name in ["a.json", "b.json"] {
        let said = lines.with(name);
        assert_eq!(said.len(), 1, "{lines:?}");
        assert!(said[0].contains("imported-before"), "{said:?}");
    }
}
