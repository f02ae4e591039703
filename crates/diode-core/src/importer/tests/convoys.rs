//! Several files that are delivered together.

use opencti_client::DeliveryErrorKind::{Unavailable, Unroutable};
use opencti_client::PlatformVersion;
use serde_json::json;

use super::bench::{Bench, QueueFault, envelope, exists, identity};
use crate::Outcome;
use crate::report::Interruption;

/// The same file, of a connector that is called otherwise, or wants a person to look at it.
fn envelope_that(connector: &str, changes: &[(&str, serde_json::Value)]) -> String {
    let text = envelope(connector, &[identity("a")]);
    let mut envelope: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (member, value) in changes {
        envelope["connector"][*member] = value.clone();
    }
    envelope.to_string()
}

/// Files 1.json and so on of a connector, each with as many objects as its number says.
fn put(bench: &Bench, connector: &str, count: usize) -> Vec<std::path::PathBuf> {
    (1..=count)
        .map(|number| {
            let objects: Vec<_> = (0..number).map(|n| identity(&n.to_string())).collect();
            let age = 100 - u64::try_from(number).unwrap();
            bench.put(
                &format!("{number}.json"),
                &envelope(connector, &objects),
                age,
            )
        })
        .collect()
}

#[tokio::test]
async fn a_work_is_told_once_of_files_that_go_together() {
    let bench = Bench::new();
    put(&bench, "c", 3);
    bench.put("4.json", &envelope("d", &[identity("a")]), 10);
    let report = bench.pass().await;
    assert_eq!((report.count(Outcome::Imported), report.messages), (4, 7));
    let expect = [
        "register c",
        "work c",
        "expect 1",
        "expect 6",
        "publish c 1",
        "publish c 2",
        "publish c 3",
        "register d",
        "work d",
        "expect 1",
        "expect 1",
        "publish d 1",
        "remove 1.json",
        "remove 2.json",
        "remove 3.json",
        "remove 4.json",
    ];
    assert_eq!(bench.diary(), expect);
}

#[tokio::test]
async fn what_is_behind_a_file_that_failed_is_sent_again_behind_it() {
    let bench = Bench::new();
    let paths = put(&bench, "c", 3);
    bench.queue_fault(QueueFault::Fail(Unavailable, 1));
    bench.queue_fault(QueueFault::Deliver);
    *bench.queue.ready_after_fault.lock().unwrap() = Some(Unavailable);
    let report = bench.pass().await;
    assert_eq!(report.interruption, Some(Interruption::Broker));
    *bench.queue.ready.lock().unwrap() = None;
    assert_eq!((report.count(Outcome::Imported), report.messages), (1, 1));
    assert_eq!((report.count(Outcome::Waiting), report.untried), (1, 1));
    let there: Vec<bool> = paths.iter().map(|path| exists(path)).collect();
    assert_eq!(there, [false, true, true]);
    let mut diary = bench.diary();
    diary.retain(|line| line.starts_with("expect"));
    // Of the six messages one was confirmed of the first file, and one of the second.
    assert_eq!(diary, ["expect 1", "expect 6", "expect -4"]);
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Imported), 2);
    assert_eq!(bench.published(), ["publish c 2", "publish c 3"]);
}

#[tokio::test]
async fn what_was_confirmed_before_a_queue_was_deleted_is_sent_again_with_the_rest() {
    let bench = Bench::new();
    let paths = put(&bench, "c", 3);
    bench.queue_fault(QueueFault::Fail(Unroutable, 0));
    bench.queue_fault(QueueFault::Deliver);
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Imported), 3);
    assert!(paths.iter().all(|path| !exists(path)));
    let mut diary = bench.diary();
    diary.retain(|line| !line.starts_with("remove"));
    let expect = [
        "register c",
        "work c",
        "expect 1",
        "expect 6",
        "publish c 1",
        "expect -5",
        "register c",
        "expect 6",
        "publish c 1",
        "publish c 2",
        "publish c 3",
    ];
    assert_eq!(diary, expect);
}

#[tokio::test]
async fn files_keep_their_order_where_they_cannot_go_together() {
    let mut bench = Bench::new();
    bench.version = Some(PlatformVersion::new(6, 6, 0));
    let other_name = [("name", json!("Other"))];
    let validated = [("validate_before_import", json!(true))];
    for (name, changes, age) in [
        ("1.json", &[][..], 60),
        ("2.json", &other_name[..], 50),
        ("3.json", &other_name[..], 40),
        ("4.json", &validated[..], 30),
        ("5.json", &[][..], 20),
    ] {
        bench.put(name, &envelope_that("c", changes), age);
    }
    assert_eq!(bench.pass().await.count(Outcome::Imported), 5);
    let mut diary = bench.diary();
    diary.retain(|line| {
        line.starts_with("register") || line.starts_with("publish") || line == "draft"
    });
    let expect = [
        "register c",
        "publish c 1",
        "register c",
        "publish c 1",
        "publish c 1",
        "register c",
        "draft",
        "publish c 1",
        "publish c 1",
    ];
    assert_eq!(diary, expect);
}

#[tokio::test]
async fn what_cannot_be_sent_does_not_hold_up_the_files_around_it() {
    let bench = Bench::new();
    put(&bench, "c", 2);
    bench.put("0.json", r#"{"not":"an envelope"}"#, 200);
    bench.put("1a.json", "{broken", 98);
    bench.queue_fault(QueueFault::Refuse(0));
    bench.queue_fault(QueueFault::Deliver);
    let report = bench.pass().await;
    let outcomes = [
        Outcome::Imported,
        Outcome::Partial,
        Outcome::Rejected,
        Outcome::Ignored,
    ];
    assert_eq!(outcomes.map(|outcome| report.count(outcome)), [1; 4]);
    assert_eq!(bench.reason("2.json.reason.json")["code"], "partial");
    assert_eq!(bench.reason("1a.json.reason.json")["code"], "invalid-json");
    let mut diary = bench.diary();
    diary.retain(|line| line.starts_with("expect") || line.starts_with("report"));
    assert_eq!(diary[..2], ["expect 1", "expect 3"]);
}
