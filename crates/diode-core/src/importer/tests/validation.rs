//! Imports that a person is to look at first.

use opencti_client::{DeliveryErrorKind, ErrorClass, PlatformVersion};
use serde_json::{Value, json};

use super::bench::{Bench, envelope, exists, identity};
use crate::{Outcome, ValidationMode};

/// An envelope that asks for validation.
fn doubtful(objects: &[Value]) -> String {
    let scope = r#""scope":"x""#;
    let asking = format!(r#"{scope},"validate_before_import":true"#);
    envelope("c", objects).replace(scope, &asking)
}

#[tokio::test]
async fn validation_goes_into_a_draft_where_the_platform_has_them() {
    let mut bench = Bench::new();
    bench.version = Some(PlatformVersion::new(6, 6, 0));
    bench.put("a.json", &doubtful(&[identity("a")]), 60);
    assert_eq!(bench.pass().await.count(Outcome::Imported), 1);
    assert_eq!(bench.queue.messages.lock().unwrap()[0]["draft_id"], "draft");
    assert_eq!(bench.platform.uploads.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn validation_goes_into_the_workbench_elsewhere_and_needs_no_broker() {
    let mut bench = Bench::new();
    bench.version = Some(PlatformVersion::new(6, 5, 9));
    *bench.queue.ready.lock().unwrap() = Some(DeliveryErrorKind::Unavailable);
    let unsupported = json!({"type": "x-y", "id": "x-y--1"});
    let path = bench.put("a.json", &doubtful(&[identity("a"), unsupported]), 60);
    let report = bench.pass().await;
    assert_eq!((report.count(Outcome::Imported), report.not_sent), (1, 0));
    let steps = [
        "register c",
        "work c",
        "expect 1",
        "upload",
        "remove a.json",
    ];
    assert_eq!(bench.diary(), steps);
    assert!(!exists(&path));
    let uploads = bench.platform.uploads.lock().unwrap();
    let name = uploads[0].name.strip_suffix(".json").unwrap();
    assert!(name.starts_with("work of c: Feed run @ "), "{name}");
    let bundle = r#"{"id":"bundle--1","objects":[{"id":"identity--a","#;
    assert!(uploads[0].content.starts_with(bundle.as_bytes()));
}

#[tokio::test]
async fn a_bundle_with_broken_objects_goes_into_the_workbench_without_them() {
    let bench = Bench::new();
    let objects = [identity("a"), json!({"type": "identity", "name": "no id"})];
    bench.put("a.json", &doubtful(&objects), 60);
    assert_eq!(bench.pass().await.count(Outcome::Partial), 1);
    assert_eq!(bench.reason("a.json.reason.json")["code"], "partial");
    let uploads = bench.platform.uploads.lock().unwrap();
    let bundle: Value = serde_json::from_slice(&uploads[0].content).unwrap();
    assert_eq!(bundle["objects"].as_array().unwrap().len(), 1);
    assert_eq!(bundle["objects"][0]["id"], "identity--a");
}

#[tokio::test]
async fn where_validation_is_refused_what_needs_it_waits_and_the_rest_goes_on() {
    for (version, call, works) in [
        ((6, 5, 0), "upload", &["work c"][..]),
        ((6, 6, 0), "draft", &["work c", "expect -1", "work c"]),
    ] {
        let mut bench = Bench::new();
        bench.version = Some(PlatformVersion::new(version.0, version.1, version.2));
        bench.fail(call, ErrorClass::Contract, 9);
        bench.put("1.json", &doubtful(&[identity("a")]), 60);
        bench.put("2.json", &doubtful(&[identity("a")]), 50);
        bench.put("3.json", &envelope("c", &[identity("a")]), 40);
        let report = bench.pass().await;
        assert_eq!(report.count(Outcome::Waiting), 2, "{call}");
        assert_eq!(report.count(Outcome::Imported), 1, "{call}");
        let mut diary = bench.diary();
        diary.retain(|line| line.starts_with("work") || line.starts_with("expect -"));
        assert_eq!(diary, works, "{call}");
    }
}

#[tokio::test]
async fn a_draft_that_is_told_to_be_taken_and_cannot_be_makes_files_wait() {
    let mut bench = Bench::new();
    bench.version = Some(PlatformVersion::new(6, 5, 9));
    bench.validation.mode = ValidationMode::Draft;
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    assert_eq!(bench.pass().await.count(Outcome::Waiting), 1);
    assert_eq!(bench.diary(), Vec::<String>::new());
}
