//! Passes over a real folder and a real ledger, against a platform and a queue in memory.

mod admission;
mod alive;
mod anew;
mod applicants;
mod bench;
mod clocks;
mod contents;
mod convoys;
mod head_start;
mod kept;
mod known;
mod lines;
mod looks;
mod observed;
mod pressure;
mod reach;
mod registering;
mod rejected;
mod stop;
mod turn;
mod twice;
mod validation;

use std::io::Write as _;
use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use opencti_client::{DeliveryErrorKind, ErrorClass};
use serde_json::json;

use self::bench::{Bench, QueueFault, StubbornSource, envelope, exists, identity};
use crate::doubles::unmapped;
use crate::report::Interruption;
use crate::{AfterImport, Company, Outcome};

#[tokio::test]
async fn a_good_file_goes_the_way_that_loses_nothing() {
    let bench = Bench::new();
    let path = bench.put(
        "a.json",
        &envelope("c", &[identity("a"), identity("b")]),
        60,
    );
    let report = bench.pass().await;
    assert_eq!((report.count(Outcome::Imported), report.messages), (1, 2));
    assert_eq!(
        bench.diary(),
        [
            "register c",
            "work c",
            "expect 1",
            "expect 2",
            "publish c 2",
            "remove a.json"
        ]
    );
    let message = bench.queue.messages.lock().unwrap()[0].clone();
    assert_eq!(message["routing_key"], "push_c");
    assert_eq!(message["applicant_id"], "here");
    assert!(!exists(&path));
    assert!(!bench.pass().await.is_eventful());
}

#[tokio::test]
async fn the_queue_is_approached_when_there_is_a_file_to_read() {
    let bench = Bench::new();
    let approaches = || bench.queue.approaches.load(Ordering::Relaxed);
    bench.pass().await;
    assert_eq!(approaches(), 0);
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.pass().await;
    assert_eq!(approaches(), 1);
}

#[tokio::test]
async fn connectors_are_registered_once_and_never_as_ourselves() {
    let bench = Bench::new();
    bench.put("1.json", &envelope("c", &[identity("a")]), 60);
    bench.put("2.json", &envelope("own", &[identity("a")]), 50);
    bench.put("3.json", &envelope("c", &[identity("a")]), 40);
    bench.pass().await;
    let mut diary = bench.diary();
    diary.retain(|line| line.starts_with("register") || line.starts_with("publish"));
    assert_eq!(
        diary,
        ["register c", "publish c 1", "publish c 1", "publish own 1"]
    );
}

#[tokio::test]
async fn trouble_of_one_connector_holds_its_files_in_order_and_no_others() {
    let bench = Bench::new();
    for (name, connector, age) in [
        ("1.json", "a", 60),
        ("2.json", "b", 50),
        ("3.json", "a", 40),
    ] {
        bench.put(name, &envelope(connector, &[identity("x")]), age);
    }
    bench.fail("work a", ErrorClass::Transient, 1);
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Waiting), 2);
    assert_eq!(report.interruption, None);
    assert_eq!(bench.published(), ["publish b 1"]);
    bench.pass().await;
    assert_eq!(bench.published(), ["publish a 1", "publish a 1"]);
}

#[tokio::test]
async fn trouble_that_is_about_everything_ends_the_pass() {
    for (fault, class, expect) in [
        ("work", ErrorClass::Transient, Interruption::Platform),
        (
            "register",
            ErrorClass::Credentials,
            Interruption::Credentials,
        ),
    ] {
        let bench = Bench::new();
        bench.fail("version", ErrorClass::Transient, 1);
        for (name, connector) in [("1.json", "a"), ("2.json", "b"), ("3.json", "c")] {
            bench.put(name, &envelope(connector, &[identity("x")]), 60);
            bench.fail(&format!("{fault} {connector}"), class, 1);
        }
        let report = bench.pass().await;
        assert_eq!(report.interruption, Some(expect));
        assert!(report.untried >= 1);
        assert_eq!(bench.published(), Vec::<String>::new());
        assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), 3);
    }
}

#[tokio::test]
async fn a_broker_that_is_away_costs_no_work() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    *bench.queue.ready.lock().unwrap() = Some(DeliveryErrorKind::Unavailable);
    let report = bench.pass().await;
    assert_eq!(report.interruption, Some(Interruption::Broker));
    assert_eq!(bench.diary(), ["register c"]);
    *bench.queue.ready.lock().unwrap() = None;
    bench.pass().await;
    assert_eq!(bench.published(), ["publish c 1"]);
}

#[tokio::test]
async fn what_was_not_sent_is_given_back() {
    let bench = Bench::new();
    let path = bench.put(
        "a.json",
        &envelope("c", &[identity("a"), identity("b")]),
        60,
    );
    bench.queue_fault(QueueFault::Fail(DeliveryErrorKind::Unavailable, 1));
    bench.pass().await;
    assert_eq!(
        bench.diary(),
        ["register c", "work c", "expect 1", "expect 2", "expect -1"]
    );
    assert!(exists(&path));
}

#[tokio::test]
async fn a_missing_queue_is_declared_by_registering_again() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.queue_fault(QueueFault::Fail(DeliveryErrorKind::Unroutable, 0));
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Imported), 1);
    let diary = bench.diary();
    assert_eq!(
        diary[..7],
        [
            "register c",
            "work c",
            "expect 1",
            "expect 1",
            "expect -1",
            "register c",
            "expect 1"
        ]
    );
}

#[tokio::test]
async fn a_connector_that_was_deleted_is_registered_again() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.fail("work c", ErrorClass::Contract, 1);
    assert_eq!(bench.pass().await.count(Outcome::Imported), 1);
    assert_eq!(
        bench.diary()[..4],
        ["register c", "register c", "work c", "expect 1"]
    );
}

#[tokio::test]
async fn a_connector_that_cannot_be_registered_is_refused() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.refuse("register c", "FUNCTIONAL_ERROR", 1);
    assert_eq!(bench.pass().await.count(Outcome::Rejected), 1);
    assert_eq!(
        bench.reason("a.json.reason.json")["code"],
        "invalid-connector"
    );
}

#[tokio::test]
async fn a_message_that_the_broker_refuses_makes_the_file_partial() {
    let bench = Bench::new();
    bench.put(
        "a.json",
        &envelope("c", &[identity("a"), identity("b")]),
        60,
    );
    bench.queue_fault(QueueFault::Refuse(1));
    let report = bench.pass().await;
    assert_eq!((report.count(Outcome::Partial), report.messages), (1, 1));
    let reason = bench.reason("a.json.reason.json");
    assert_eq!(reason["code"], "partial");
    assert_eq!(reason["findings"][0]["path"], "$.bundle.objects[1]");
    assert_eq!(reason["findings"][0]["code"], "refused-by-broker");
    assert_eq!(reason["findings"][0]["id"], "identity--b");
    let told = "error a.json: $.bundle.objects[1] (identity--b) was not sent: too large \
                [refused-by-broker]";
    assert!(bench.diary().contains(&told.to_owned()));
}

#[tokio::test]
async fn killed_before_cleaning_up_the_next_run_only_cleans_up() {
    let broken = json!({"type": "identity", "name": "no id"});
    for (content, action) in [
        (envelope("c", &[identity("a")]), "remove a.json"),
        (
            envelope("c", &[identity("a"), broken.clone()]),
            "set aside a.json",
        ),
        (envelope("c", &[broken]), "set aside a.json"),
        ("{".to_owned(), "set aside a.json"),
    ] {
        let bench = Bench::new();
        let path = bench.put("a.json", &content, 60);
        *bench.source.stuck.lock().unwrap() = true;
        bench.pass().await;
        assert!(exists(&path));
        bench.diary();
        *bench.source.stuck.lock().unwrap() = false;
        bench.pass().await;
        assert_eq!(bench.diary(), [action]);
        assert!(!exists(&path));
        assert!(!bench.pass().await.is_eventful());
    }
}

#[tokio::test]
async fn killed_while_deleting_nothing_is_sent_again_and_nothing_stays_hidden() {
    let mut bench = Bench::new();
    let path = bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    *bench.source.stuck.lock().unwrap() = true;
    bench.pass().await;
    // What the folder looks like between the two halves of a deletion.
    let hidden = bench.folder.path().join(".diode-import-held-0-a.json");
    std::fs::rename(&path, &hidden).unwrap();
    bench.diary();
    bench.source = StubbornSource::new(bench.folder.path(), &bench.diary);
    bench.pass().await;
    assert_eq!(bench.diary(), ["remove a.json"]);
    assert!(!exists(&path) && !exists(&hidden));
}

#[tokio::test]
async fn unfinished_files_wait_and_are_imported_once_complete() {
    let bench = Bench::new();
    let content = envelope("c", &[identity("a")]);
    let path = bench.put("a.json", &content[..40], 1);
    assert_eq!(bench.pass().await.count(Outcome::Waiting), 1);
    bench.put("a.json", &content, 0);
    assert_eq!(bench.pass().await.count(Outcome::Imported), 1);
    assert!(!exists(&path));

    bench.put("b.json", "{\"conn", 0);
    assert_eq!(bench.pass().await.count(Outcome::Waiting), 1);
    bench.later(TimeDelta::seconds(6));
    assert_eq!(bench.pass().await.count(Outcome::Rejected), 1);
    assert_eq!(bench.reason("b.json.reason.json")["code"], "invalid-json");
    assert_eq!(bench.reason("b.json.reason.json")["size"], 6);
}

#[tokio::test]
async fn what_goes_beyond_a_limit_is_set_aside_with_its_code() {
    let objects = [identity("a"), identity("b")];
    let content = envelope("c", &objects);
    let size = content.len();
    let size_told = format!("DIODE_IMPORT_MAX_FILE_BYTES to {size}");
    for (code, bytes, depth, objects, remedy) in [
        ("too-large", size as u64 - 1, 9, 9, &*size_told),
        ("too-deep", 1000, 3, 9, "DIODE_IMPORT_MAX_DEPTH to 4"),
        (
            "too-many-objects",
            1000,
            9,
            1,
            "DIODE_IMPORT_MAX_OBJECTS to 2",
        ),
    ] {
        let bench = Bench::new();
        let path = bench.put("a.json", &content, 60);
        let mut importer = bench.importer();
        importer.rules.limits = stix_bundle::Limits {
            max_bytes: bytes,
            max_depth: depth,
            max_objects: objects,
            ..stix_bundle::Limits::default()
        };
        assert_eq!(
            importer.pass(None).await.count(Outcome::Rejected),
            1,
            "{code}"
        );
        let reason = bench.reason("a.json.reason.json");
        assert_eq!(reason["code"], code);
        let message = reason["message"].as_str().unwrap();
        let told = format!("; to let it in, set {remedy} or more");
        assert!(message.ends_with(&told), "{message}");
        assert!(!exists(&path) && bench.published().is_empty(), "{code}");
    }
}

#[tokio::test]
async fn a_ledger_that_is_damaged_while_it_is_used_is_replaced_and_the_next_pass_goes_on() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let files = 20;
    for number in 0..files {
        let name = format!("{number:0>200}.json");
        bench.put(&name, &envelope("c", &[identity("a")]), 60);
    }
    bench.pass().await;
    assert_eq!(bench.published().len(), files);
    // What is still in SQLite's log is written into its file when nobody has it open any more.
    *bench.source.ledger.lock().unwrap() = None;
    let mut importer = bench.importer();
    let path = bench.state.path().join(crate::FILE_NAME);
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[4096..].fill(0xff);
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all(&damaged)
        .unwrap();

    let report = importer.pass(None).await;
    assert_eq!(report.interruption, Some(Interruption::Ledger));
    assert_eq!(bench.published(), Vec::<String>::new());
    let names = std::fs::read_dir(bench.state.path()).unwrap();
    let kept = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".broken-") && name.ends_with('Z'));
    assert_eq!(kept.count(), 1, "the damaged one is kept");
    // Nothing is known any more: what is there is imported once more, and then known.
    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Imported), files);
    assert!(!importer.pass(None).await.is_eventful());
}

#[tokio::test]
async fn foreign_files_are_read_once_and_left() {
    let bench = Bench::new();
    let path = bench.put("a.json", r#"{"type": "bundle", "objects": []}"#, 60);
    assert_eq!(bench.pass().await.count(Outcome::Ignored), 1);
    assert_eq!(bench.pass().await.count(Outcome::Ignored), 0);
    assert!(exists(&path));
    assert_eq!(bench.diary(), Vec::<String>::new());
}

#[tokio::test]
async fn unmapped_applicants_are_imported_and_named() {
    let bench = Bench::new();
    let content = envelope("c", &[identity("a")]);
    bench.put("1.json", &content.replace("there", "nobody"), 60);
    bench.put("2.json", &content.replace(r#""there""#, "null"), 60);
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Imported), 2);
    let expect = [(unmapped(""), 1), (unmapped("nobody"), 1)].into();
    assert_eq!(report.unmapped, expect);
    let messages = bench.queue.messages.lock().unwrap();
    assert!(
        messages
            .iter()
            .all(|message| message["applicant_id"].is_null())
    );
}

#[tokio::test]
async fn asked_to_stop_nothing_more_is_started() {
    let bench = Bench::new();
    bench.put("1.json", &envelope("c", &[identity("a")]), 60);
    bench.put("2.json", &envelope("c", &[identity("a")]), 50);
    bench.queue_fault(QueueFault::Fail(DeliveryErrorKind::Stopped, 0));
    let report = bench.pass().await;
    assert_eq!(report.interruption, Some(Interruption::Stopped));
    assert_eq!(report.untried, 2);
    bench.stop.cancel();
    let report = bench.pass().await;
    assert_eq!(
        (report.interruption, report.untried),
        (Some(Interruption::Stopped), 2)
    );
}

#[tokio::test]
async fn without_the_folder_nothing_counts_as_gone() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.pass().await;
    bench.diary();
    let hidden = bench.state.path().join("hidden");
    std::fs::rename(bench.folder.path(), &hidden).unwrap();
    assert_eq!(bench.pass().await.interruption, Some(Interruption::Source));
    std::fs::rename(&hidden, bench.folder.path()).unwrap();
    assert!(!bench.pass().await.is_eventful());
    assert_eq!(bench.diary(), Vec::<String>::new());
}

#[tokio::test]
async fn a_source_that_is_read_only_is_asked_for_a_change_once_in_a_pass() {
    let bench = Bench {
        after_import: AfterImport::Keep,
        ..Bench::new()
    };
    for name in ["1.json", "2.json"] {
        bench.put(name, "no JSON", 60);
    }
    bench.put("3.json", &envelope("c", &[identity("a")]), 50);
    *bench.source.read_only.lock().unwrap() = true;
    let mut importer = bench.importer();
    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Rejected), 2);
    assert_eq!(report.count(Outcome::Imported), 1);
    let mut diary = bench.diary();
    diary.retain(|line| line.starts_with("refuse"));
    assert_eq!(diary, ["refuse to set aside 1.json"]);
    assert!(!importer.pass(None).await.is_eventful());
    assert_eq!(bench.diary(), ["refuse to set aside 1.json"]);
    *bench.source.read_only.lock().unwrap() = false;
    importer.pass(None).await;
    assert_eq!(bench.diary(), ["set aside 1.json", "set aside 2.json"]);
}

#[tokio::test]
async fn what_may_be_anybody_s_is_left_alone_where_others_keep_files() {
    let bench = Bench::new();
    let theirs = bench.put("1.json", "no JSON", 60);
    let broken = json!({"type": "identity", "name": "no id"});
    let ours = bench.put("2.json", &envelope("c", &[broken]), 60);
    let mut importer = bench.importer().with_company(Company::Shared);
    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Ignored), 1);
    assert_eq!(report.count(Outcome::Rejected), 1);
    assert!(exists(&theirs) && !exists(&ours));
    assert!(!importer.pass(None).await.is_eventful());
}
