//! Connectors that the platform fails to register.

use std::time::Duration;

use opencti_client::ErrorClass;

use super::bench::{Bench, envelope, identity};
use crate::{Importer, Outcome};

const CHOKED: usize = 30;

/// A file of each of many connectors that cannot be registered, and then one that can.
fn bench() -> Bench {
    let bench = Bench::new();
    for number in 0..CHOKED {
        let connector = format!("choked-{number:02}");
        bench.fail(
            &format!("register {connector}"),
            ErrorClass::Transient,
            usize::MAX,
        );
        put(&bench, &connector);
    }
    put(&bench, "good");
    bench
}

fn put(bench: &Bench, connector: &str) {
    let content = envelope(connector, &[identity(connector)]);
    bench.put(&format!("{connector}.json"), &content, 10);
}

async fn pass(importer: &mut Importer) -> usize {
    let report = importer.pass(None).await;
    assert_eq!((report.interruption, report.untried), (None, 0));
    report.count(Outcome::Waiting)
}

#[tokio::test]
async fn connectors_that_cannot_be_registered_cost_one_request_a_minute() {
    let bench = bench();
    let mut importer = bench.importer();
    assert_eq!(pass(&mut importer).await, CHOKED);
    assert_eq!(bench.published(), ["publish good 1"]);
    assert_eq!(bench.failed_registrations(), CHOKED, "each is tried once");
    for _ in 0..10 {
        assert_eq!(pass(&mut importer).await, CHOKED);
    }
    assert_eq!(bench.failed_registrations(), 0, "none is asked for again");
    for minute in 1..=60 {
        for _ in 0..3 {
            bench.elapse(Duration::from_secs(20));
            assert_eq!(pass(&mut importer).await, CHOKED);
        }
        assert_eq!(bench.failed_registrations(), 1, "minute {minute}");
    }
}

#[tokio::test]
async fn files_that_come_later_are_not_asked_for_either() {
    let bench = bench();
    let mut importer = bench.importer();
    pass(&mut importer).await;
    bench.failed_registrations();
    let content = envelope("choked-07", &[identity("later")]);
    bench.put("later.json", &content, 5);
    put(&bench, "new");
    bench.published();
    assert_eq!(pass(&mut importer).await, CHOKED + 1);
    assert_eq!(bench.published(), ["publish new 1"]);
    assert_eq!(bench.failed_registrations(), 0);
}

#[tokio::test]
async fn all_follow_when_the_platform_has_recovered() {
    let bench = bench();
    let mut importer = bench.importer();
    pass(&mut importer).await;
    bench.published();
    bench.recover();
    bench.elapse(Duration::from_mins(1));
    assert_eq!(pass(&mut importer).await, CHOKED, "they are registered");
    assert_eq!(pass(&mut importer).await, 0);
    assert_eq!(bench.published().len(), CHOKED);
}

#[tokio::test]
async fn one_whose_files_are_gone_is_not_tried_again() {
    let bench = bench();
    let mut importer = bench.importer();
    pass(&mut importer).await;
    bench.failed_registrations();
    for number in 1..CHOKED {
        bench.take(&format!("choked-{number:02}.json"));
    }
    bench.elapse(Duration::from_hours(3));
    assert_eq!(pass(&mut importer).await, 1);
    bench.elapse(Duration::from_hours(3));
    bench.take("choked-00.json");
    assert_eq!(pass(&mut importer).await, 0);
    assert_eq!(bench.failed_registrations(), 1);
}

#[tokio::test]
async fn a_platform_that_is_away_is_no_connector_s_fault() {
    let bench = Bench::new();
    put(&bench, "a");
    let mut importer = bench.importer();
    bench.fail("register a", ErrorClass::Transient, 1);
    bench.fail("version", ErrorClass::Transient, 1);
    let report = importer.pass(None).await;
    assert!(report.interruption.is_some());
    assert_eq!(pass(&mut importer).await, 0);
    assert_eq!(bench.published(), ["publish a 1"]);
}
