//! Which source connectors are registered, and whose files wait.

use chrono::TimeDelta;
use opencti_client::{ErrorClass, KnownConnector};

use super::bench::{Bench, envelope, identity};
use crate::doubles::Lines;
use crate::{ConnectorPolicy, Outcome, TypeConflict, Unlisted};

fn here(id: &str, connector_type: &str) -> KnownConnector {
    KnownConnector {
        id: id.to_owned(),
        name: "Feed".to_owned(),
        connector_type: Some(connector_type.to_owned()),
    }
}

/// A file of each connector, the first the oldest.
fn put(bench: &Bench, connectors: &[&str]) {
    for (connector, age) in connectors.iter().zip((60..600).rev()) {
        let content = envelope(connector, &[identity(connector)]);
        bench.put(&format!("{connector}.json"), &content, age);
    }
}

fn waiting(report: &crate::PassReport) -> usize {
    report.count(Outcome::Waiting)
}

fn at_most(max_new: u32) -> ConnectorPolicy {
    ConnectorPolicy {
        max_new,
        ..ConnectorPolicy::default()
    }
}

#[tokio::test]
async fn files_of_unlisted_connectors_wait_and_nothing_is_asked_for_them() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut bench = Bench::new();
    put(&bench, &["a", "b", "c"]);
    bench.connector_policy.allowed = Some(["z".to_owned()].into());
    let mut importer = bench.importer();
    for _ in 0..3 {
        assert_eq!(waiting(&importer.pass(None).await), 3);
    }
    let once = ["a.json", "b.json", "c.json"];
    assert_eq!(bench.source.reads(), once, "in three passes");
    assert_eq!(bench.diary(), Vec::<String>::new());
    assert_eq!(*bench.platform.listings.lock().unwrap(), 0);
    let said = lines.with("connector-not-allowed");
    assert_eq!(said.len(), 1, "{lines:?}");
    assert!(said[0].contains("files=3"), "{said:?}");
    assert!(said[0].contains("DIODE_IMPORT_ALLOWED_CONNECTORS"));
    drop(importer);
    bench.connector_policy.allowed = Some(["b".to_owned()].into());
    assert_eq!(waiting(&bench.importer().pass(None).await), 2);
    assert_eq!(bench.published(), ["publish b 1"]);
}

#[tokio::test]
async fn files_of_unlisted_connectors_are_rejected_where_that_is_set() {
    let mut bench = Bench::new();
    put(&bench, &["a", "b"]);
    bench.connector_policy.allowed = Some(["b".to_owned()].into());
    bench.connector_policy.unlisted = Unlisted::Reject;
    let report = bench.importer().pass(None).await;
    assert_eq!(report.count(Outcome::Rejected), 1);
    let reason = bench.reason("a.json.reason.json");
    assert_eq!(reason["code"], "connector-not-allowed");
    assert_eq!(bench.published(), ["publish b 1"]);
}

#[tokio::test]
async fn a_day_allows_so_many_new_connectors_whatever_is_started_anew() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut bench = Bench::new();
    put(&bench, &["a", "b", "c", "d", "e"]);
    bench.connector_policy = at_most(2);
    assert_eq!(waiting(&bench.importer().pass(None).await), 3);
    assert_eq!(bench.published(), ["publish a 1", "publish b 1"]);
    let said = lines.with("too-many-new-connectors");
    assert_eq!(said.len(), 1, "{lines:?}");
    assert!(said[0].contains("files=3") && said[0].contains("connectors=3"));
    // Another run.
    let mut importer = bench.importer();
    bench.later(TimeDelta::hours(24) - TimeDelta::minutes(1));
    assert_eq!(waiting(&importer.pass(None).await), 3);
    assert_eq!(bench.published(), Vec::<String>::new());
    bench.later(TimeDelta::minutes(2));
    assert_eq!(waiting(&importer.pass(None).await), 1);
    assert_eq!(bench.published(), ["publish c 1", "publish d 1"]);
    bench.later(TimeDelta::hours(24));
    assert_eq!(waiting(&importer.pass(None).await), 0);
    assert_eq!(bench.published(), ["publish e 1"]);
}

#[tokio::test]
async fn connectors_that_the_platform_has_do_not_count_as_new() {
    let mut bench = Bench::new();
    put(&bench, &["a", "b", "c"]);
    bench.connector_policy = at_most(0);
    *bench.platform.here.lock().unwrap() = vec![here("b", "EXTERNAL_IMPORT")];
    let mut importer = bench.importer();
    assert_eq!(waiting(&importer.pass(None).await), 2);
    assert_eq!(bench.published(), ["publish b 1"]);
    assert_eq!(*bench.platform.listings.lock().unwrap(), 1, "in a pass");
    // Somebody registers it there.
    let more = here("c", "EXTERNAL_IMPORT");
    bench.platform.here.lock().unwrap().push(more);
    assert_eq!(waiting(&importer.pass(None).await), 1);
    assert_eq!(bench.published(), ["publish c 1"]);
}

#[tokio::test]
async fn files_of_known_connectors_go_before_those_of_many_new_ones() {
    let bench = Bench::new();
    let new: Vec<String> = (0..30).map(|number| format!("new{number:02}")).collect();
    let mut all: Vec<&str> = new.iter().map(String::as_str).collect();
    all.push("known");
    put(&bench, &all);
    *bench.platform.here.lock().unwrap() = vec![here("known", "EXTERNAL_IMPORT")];
    assert_eq!(waiting(&bench.importer().pass(None).await), 0);
    let published = bench.published();
    assert_eq!(published.len(), 31);
    let place = published.iter().position(|line| line == "publish known 1");
    assert_eq!(place, Some(super::super::admission::AT_ONCE));
    let mut expect: Vec<String> = new.iter().map(|id| format!("publish {id} 1")).collect();
    expect.insert(8, "publish known 1".to_owned());
    assert_eq!(published, expect, "the others keep their order");
}

#[tokio::test]
async fn files_of_a_connector_that_is_put_off_keep_their_order() {
    let bench = Bench::new();
    let new: Vec<String> = (0..9).map(|number| format!("new{number}")).collect();
    put(&bench, &new.iter().map(String::as_str).collect::<Vec<_>>());
    let content = envelope("new8", &[identity("x"), identity("y")]);
    bench.put("z.json", &content, 30);
    bench.importer().pass(None).await;
    let published = bench.published();
    assert_eq!(published[8..], ["publish new8 1", "publish new8 2"]);
}

/// Those that are put off take their places: nobody comes back to files that are to wait then.
#[tokio::test]
async fn no_more_new_connectors_are_put_off_than_there_is_room_for() {
    let mut bench = Bench::new();
    let new: Vec<String> = (0..12).map(|number| format!("new{number:02}")).collect();
    put(&bench, &new.iter().map(String::as_str).collect::<Vec<_>>());
    bench.connector_policy = at_most(10);
    assert_eq!(waiting(&bench.importer().pass(None).await), 2);
    let published = bench.published();
    assert_eq!(published.len(), 10);
    assert_eq!(published[8..], ["publish new08 1", "publish new09 1"]);
    let reads = bench.source.reads();
    let again: Vec<&String> = reads
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| &pair[0])
        .collect();
    assert_eq!(again, ["new08.json", "new09.json"], "{reads:?}");
}

#[tokio::test]
async fn a_connector_of_another_type_is_not_registered_over_unless_that_is_set() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut bench = Bench::new();
    put(&bench, &["a", "b"]);
    *bench.platform.here.lock().unwrap() = vec![here("a", "INTERNAL_ENRICHMENT")];
    let mut importer = bench.importer();
    for _ in 0..2 {
        assert_eq!(waiting(&importer.pass(None).await), 1);
    }
    assert!(!bench.diary().contains(&"register a".to_owned()));
    assert_eq!(lines.with("connector-exists").len(), 1, "{lines:?}");
    drop(importer);
    bench.connector_policy.type_conflict = TypeConflict::Overwrite;
    assert_eq!(waiting(&bench.importer().pass(None).await), 0);
    assert!(bench.diary().contains(&"register a".to_owned()));
}

/// The platform is asked before the first of them is registered, and may not tell at all.
#[tokio::test]
async fn the_type_that_this_run_registered_is_not_registered_over_either() {
    for is_told in [true, false] {
        let bench = Bench::new();
        if !is_told {
            bench.fail("connectors", ErrorClass::Forbidden, usize::MAX);
        }
        let content = envelope("a", &[identity("x")]);
        bench.put("1.json", &content, 60);
        let other = envelope("a", &[identity("x"), identity("y")]);
        let other = other.replace("EXTERNAL_IMPORT", "STREAM");
        bench.put("2.json", &other, 50);
        let mut importer = bench.importer();
        for _ in 0..2 {
            assert_eq!(waiting(&importer.pass(None).await), 1, "{is_told}");
        }
        assert_eq!(bench.published(), ["publish a 1"], "{is_told}");
    }
}

#[tokio::test]
async fn another_name_is_warned_of_once_for_each_connector() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    let other = |id: &str| KnownConnector {
        name: "Other".to_owned(),
        ..here(id, "EXTERNAL_IMPORT")
    };
    *bench.platform.here.lock().unwrap() = vec![other("a"), here("b", "EXTERNAL_IMPORT")];
    let mut importer = bench.importer();
    for _ in 0..3 {
        put(&bench, &["a", "b"]);
        importer.pass(None).await;
    }
    let said = lines.with("under another name");
    assert_eq!(said.len(), 1, "{lines:?}");
    assert!(said[0].contains("name_here=\"Other\""), "{said:?}");
}

#[tokio::test]
async fn where_the_platform_does_not_tell_our_own_registrations_count() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut bench = Bench::new();
    bench.fail("connectors", ErrorClass::Forbidden, usize::MAX);
    put(&bench, &["a"]);
    bench.importer().pass(None).await;
    assert_eq!(bench.published(), ["publish a 1"]);
    bench.connector_policy = at_most(1);
    put(&bench, &["a", "b"]);
    let content = envelope("a", &[identity("x"), identity("y")]);
    bench.put("later.json", &content, 30);
    let mut importer = bench.importer();
    for _ in 0..3 {
        assert_eq!(waiting(&importer.pass(None).await), 1);
    }
    assert!(bench.published().contains(&"publish a 2".to_owned()));
    let said = lines.with("does not tell which connectors");
    assert_eq!(said.len(), 2, "once in each run: {lines:?}");
    assert!(said[0].contains("MODULES"), "{said:?}");
}

#[tokio::test]
async fn a_new_connector_that_cannot_be_registered_takes_no_place() {
    let mut bench = Bench::new();
    put(&bench, &["a", "b"]);
    bench.connector_policy = at_most(1);
    bench.fail("register a", ErrorClass::Transient, usize::MAX);
    bench.importer().pass(None).await;
    assert_eq!(bench.published(), ["publish b 1"]);
}

#[tokio::test]
async fn a_known_connector_that_cannot_be_registered_stays_known() {
    let mut bench = Bench::new();
    bench.fail("connectors", ErrorClass::Forbidden, usize::MAX);
    put(&bench, &["a"]);
    bench.importer().pass(None).await;
    assert_eq!(bench.published(), ["publish a 1"]);
    // Another run, in which no new one is let in, and a registration that fails once.
    bench.connector_policy = at_most(0);
    put(&bench, &["a"]);
    bench.fail("register a", ErrorClass::Transient, 1);
    let mut importer = bench.importer();
    assert_eq!(waiting(&importer.pass(None).await), 1);
    drop(importer);
    assert_eq!(waiting(&bench.importer().pass(None).await), 0);
    assert_eq!(bench.published(), ["publish a 1"]);
}

#[tokio::test]
async fn our_own_connector_is_never_registered_over() {
    let bench = Bench::new();
    let content = envelope("own", &[identity("x")]);
    let content = content.replace("EXTERNAL_IMPORT", "INTERNAL_ENRICHMENT");
    bench.put("own.json", &content, 60);
    bench.importer().pass(None).await;
    let diary = bench.diary();
    assert!(diary.contains(&"publish own 1".to_owned()), "{diary:?}");
    assert!(!diary.contains(&"register own".to_owned()), "{diary:?}");
}
