//! Files whose connector's queue is full, or may be.

use chrono::TimeDelta;
use opencti_client::{DeliveryErrorKind, ErrorClass};

use super::bench::{Bench, QueueFault, envelope, identity};
use crate::{Importer, Outcome};

fn put(bench: &Bench, files: &[(&str, &str, u64)]) {
    for (name, connector, age) in files {
        bench.put(name, &envelope(connector, &[identity("x")]), *age);
    }
}

/// What a pass published and looked at, in order.
async fn pass(bench: &Bench, importer: &mut Importer) -> Vec<String> {
    importer.pass(None).await;
    let mut diary = bench.diary();
    diary.retain(|line| line.starts_with("publish") || line.starts_with("look"));
    diary
}

#[tokio::test]
async fn a_full_queue_holds_its_connector_s_files_and_no_others() {
    let bench = Bench::new();
    bench.fill("a", 600);
    bench.fill("b", 499);
    put(
        &bench,
        &[
            ("1.json", "a", 60),
            ("2.json", "b", 50),
            ("3.json", "a", 40),
        ],
    );
    let mut importer = bench.importer();
    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Waiting), 2);
    assert_eq!((report.undelivered, report.interruption), (0, None));
    let diary = bench.diary();
    assert!(!diary.contains(&"work a".to_owned()), "{diary:?}");
    assert!(diary.contains(&"publish b 1".to_owned()), "{diary:?}");

    bench.fill("a", 499);
    bench.later(TimeDelta::seconds(4));
    assert_eq!(pass(&bench, &mut importer).await, [""; 0]);
    bench.later(TimeDelta::seconds(1));
    assert_eq!(
        pass(&bench, &mut importer).await,
        ["look a", "publish a 1", "publish a 1"]
    );
}

#[tokio::test]
async fn a_file_behind_a_full_queue_is_not_read_again_unless_it_changes() {
    let bench = Bench::new();
    bench.fill("a", 600);
    bench.fill("b", 0);
    put(
        &bench,
        &[
            ("1.json", "a", 60),
            ("2.json", "a", 50),
            ("3.json", "b", 40),
            ("4.json", "a", 30),
        ],
    );
    let mut importer = bench.importer().with_max_in_flight_bytes(1);
    let waiting = async |importer: &mut Importer| {
        let report = importer.pass(None).await;
        (report.count(Outcome::Waiting), bench.source.reads())
    };
    let all = ["1.json", "2.json", "3.json", "4.json"].map(str::to_owned);
    assert_eq!(waiting(&mut importer).await, (3, all.to_vec()));
    assert_eq!(bench.published(), ["publish b 1"]);
    assert_eq!(waiting(&mut importer).await, (3, vec!["1.json".to_owned()]));
    put(&bench, &[("2.json", "b", 49)]);
    let [first, second, ..] = all;
    assert_eq!(waiting(&mut importer).await, (2, vec![first, second]));
    assert_eq!(bench.published(), ["publish b 1"]);

    bench.fill("a", 0);
    bench.later(TimeDelta::seconds(5));
    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Imported), 2);
    assert_eq!(bench.source.reads(), ["1.json", "4.json"]);
    assert_eq!(bench.published(), ["publish a 1", "publish a 1"]);
}

#[tokio::test]
async fn a_file_that_was_read_ahead_in_vain_is_in_nobody_s_way() {
    let bench = Bench::new();
    bench.fill("a", 600);
    bench.fill("b", 0);
    // It goes alone, so that the others are read ahead before it is known that its queue is full.
    let large = identity(&"x".repeat(2_500_000));
    bench.put("1.json", &envelope("a", &[large]), 60);
    put(&bench, &[("2.json", "a", 50)]);
    let mut importer = bench.importer();
    importer.pass(None).await;
    bench.source.reads();
    put(&bench, &[("3.json", "b", 40)]);
    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Imported), 1);
    assert_eq!(bench.source.reads(), ["1.json", "2.json", "3.json"]);
}

#[tokio::test]
async fn a_full_queue_is_no_failure_that_ends_a_pass() {
    let bench = Bench::new();
    for connector in ["a", "b", "c"] {
        bench.fill(connector, 0);
    }
    bench.fill("a", 600);
    bench.fail("work b", ErrorClass::Transient, 1);
    put(
        &bench,
        &[
            ("1.json", "a", 60),
            ("2.json", "b", 50),
            ("3.json", "c", 40),
        ],
    );
    let report = bench.pass().await;
    assert_eq!(report.interruption, None);
    assert_eq!(bench.published(), ["publish c 1"]);
}

#[tokio::test]
async fn what_was_sent_counts_until_the_platform_can_have_seen_it() {
    let mut bench = Bench::new();
    bench.threshold_mb = 20;
    bench.fill("c", 0);
    let large = identity(&"x".repeat(2_500_000));
    for (name, age) in [("1", 60), ("2", 50), ("3", 40), ("4", 30)] {
        let name = format!("{name}.json");
        bench.put(&name, &envelope("c", std::slice::from_ref(&large)), age);
    }
    let mut importer = bench.importer();
    // Each has some 5,000,000 bytes, and a third more in base64.
    let published = "publish c 1";
    assert_eq!(
        pass(&bench, &mut importer).await,
        ["look c", published, published, published]
    );
    bench.later(TimeDelta::seconds(9));
    assert_eq!(pass(&bench, &mut importer).await, ["look c"]);
    bench.later(TimeDelta::seconds(5));
    assert_eq!(pass(&bench, &mut importer).await, ["look c", published]);
}

#[tokio::test]
async fn what_was_not_sent_does_not_count() {
    let mut bench = Bench::new();
    bench.threshold_mb = 1;
    bench.fill("c", 0);
    let large = identity(&"x".repeat(500_000));
    bench.put("1.json", &envelope("c", &[large]), 60);
    bench.queue_fault(QueueFault::Fail(DeliveryErrorKind::Unavailable, 0));
    let mut importer = bench.importer();
    assert_eq!(pass(&bench, &mut importer).await, ["look c"]);
    assert_eq!(pass(&bench, &mut importer).await, ["publish c 1"]);
}

#[tokio::test]
async fn many_small_files_cost_one_look() {
    let bench = Bench::new();
    bench.fill("c", 0);
    for number in 0..100 {
        put(&bench, &[(&format!("{number}.json"), "c", 60)]);
    }
    let mut importer = bench.importer();
    let diary = pass(&bench, &mut importer).await;
    assert_eq!(diary.len(), 101);
    assert_eq!(diary.iter().filter(|line| *line == "look c").count(), 1);
}

#[tokio::test]
async fn queues_that_cannot_be_looked_at_are_gone_without() {
    for (class, looks_again) in [
        (ErrorClass::Forbidden, false),
        (ErrorClass::Contract, true),
        (ErrorClass::Transient, true),
    ] {
        let bench = Bench::new();
        bench.fill("a", 600);
        bench.fill("b", 600);
        bench.fail("look a", class, 1);
        put(&bench, &[("1.json", "a", 60), ("2.json", "b", 50)]);
        let mut importer = bench.importer();
        assert_eq!(
            pass(&bench, &mut importer).await,
            ["publish a 1", "publish b 1"],
            "{class:?}"
        );
        bench.later(TimeDelta::seconds(59));
        put(&bench, &[("3.json", "a", 30)]);
        assert_eq!(pass(&bench, &mut importer).await, ["publish a 1"]);
        bench.later(TimeDelta::seconds(1));
        put(&bench, &[("4.json", "a", 20)]);
        let expect = if looks_again { "look a" } else { "publish a 1" };
        assert_eq!(pass(&bench, &mut importer).await, [expect], "{class:?}");
    }
}

#[tokio::test]
async fn a_connector_that_the_platform_has_lost_has_no_queue_that_is_full() {
    let bench = Bench::new();
    bench.fill("c", 600);
    bench.fill("d", 0);
    put(&bench, &[("1.json", "c", 60)]);
    let mut importer = bench.importer();
    assert_eq!(pass(&bench, &mut importer).await, ["look c"]);
    bench.platform.queues.lock().unwrap().remove("c");
    bench.later(TimeDelta::seconds(5));
    put(&bench, &[("2.json", "d", 50)]);
    assert_eq!(
        pass(&bench, &mut importer).await,
        ["publish c 1", "look d", "publish d 1"],
        "others are still looked at"
    );
}

#[tokio::test]
async fn a_full_queue_that_cannot_be_looked_at_any_more_stays_full_for_a_while() {
    let bench = Bench::new();
    bench.fill("c", 600);
    put(&bench, &[("1.json", "c", 60)]);
    let mut importer = bench.importer();
    assert_eq!(pass(&bench, &mut importer).await, ["look c"]);
    bench.fail("look c", ErrorClass::Transient, 99);
    for minutes in [1, 8, 1] {
        assert_eq!(pass(&bench, &mut importer).await, [""; 0]);
        bench.later(TimeDelta::minutes(minutes));
    }
    assert_eq!(pass(&bench, &mut importer).await, ["publish c 1"]);
}
