//! The first file of a pass is read before the pass begins.

use std::sync::Arc;
use std::time::Duration;

use bundle_source::{Entry, Location};
use chrono::{DateTime, Utc};
use tokio::time::{sleep, timeout};

use super::bench::{Bench, envelope, identity};
use crate::importer::Importer;
use crate::{AfterImport, HeadStart, Outcome, Record};

/// An importer with a head start, and what is read for it.
async fn ahead(bench: &Bench) -> (Importer, Vec<String>) {
    let importer = bench.importer();
    let head_start = HeadStart::begin(
        Arc::clone(&importer.source),
        Arc::clone(&importer.ledger),
        importer.rules.clone(),
        Arc::clone(&importer.clock),
    );
    let mut reads = Vec::new();
    let reading = async {
        while reads.is_empty() {
            sleep(Duration::from_millis(1)).await;
            reads = bench.source.reads();
        }
    };
    timeout(Duration::from_mins(1), reading).await.unwrap();
    (importer.with_head_start(head_start), reads)
}

#[tokio::test]
async fn what_was_read_before_is_not_read_again() {
    let bench = Bench::new();
    bench.put("1.json", &envelope("a", &[identity("x")]), 60);
    bench.put("2.json", &envelope("b", &[identity("x")]), 50);
    let (mut importer, reads) = ahead(&bench).await;
    assert_eq!(reads, ["1.json"]);
    assert_eq!(bench.diary(), [""; 0], "nothing but reading is done");
    importer.pass(None).await;
    assert_eq!(bench.source.reads(), ["2.json"]);
    assert_eq!(bench.published(), ["publish a 1", "publish b 1"]);
    bench.put("3.json", &envelope("c", &[identity("x")]), 40);
    importer.pass(None).await;
    assert_eq!(
        bench.source.reads(),
        ["3.json"],
        "only the first pass has it"
    );
}

#[tokio::test]
async fn a_file_that_has_changed_since_is_read_as_it_is_now() {
    let bench = Bench::new();
    bench.put("1.json", &envelope("a", &[identity("x")]), 60);
    let (mut importer, _) = ahead(&bench).await;
    let content = envelope("a", &[identity("x"), identity("y")]);
    bench.put("1.json", &content, 50);
    importer.pass(None).await;
    assert_eq!(bench.source.reads(), ["1.json"]);
    assert_eq!(bench.published(), ["publish a 2"]);
}

#[tokio::test]
async fn a_file_that_is_not_the_first_any_more_keeps_its_place() {
    let bench = Bench::new();
    bench.put("2.json", &envelope("a", &[identity("x")]), 60);
    let (mut importer, reads) = ahead(&bench).await;
    assert_eq!(reads, ["2.json"]);
    bench.put(
        "1.json",
        &envelope("a", &[identity("x"), identity("y")]),
        70,
    );
    importer.pass(None).await;
    assert_eq!(bench.source.reads(), ["1.json", "2.json"]);
    assert_eq!(bench.published(), ["publish a 2", "publish a 1"]);
}

#[tokio::test]
async fn a_file_that_is_gone_since_is_not_imported() {
    let bench = Bench::new();
    let path = bench.put("1.json", &envelope("a", &[identity("x")]), 60);
    bench.put("2.json", &envelope("b", &[identity("x")]), 50);
    let (mut importer, _) = ahead(&bench).await;
    std::fs::remove_file(path).unwrap();
    importer.pass(None).await;
    assert_eq!(bench.published(), ["publish b 1"]);
}

#[tokio::test]
async fn what_the_ledger_knows_is_not_read_before_either() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    bench.put("1.json", &envelope("a", &[identity("x")]), 60);
    bench.pass().await;
    bench.put("2.json", &envelope("b", &[identity("x")]), 50);
    bench.source.reads();
    let (_, reads) = ahead(&bench).await;
    assert_eq!(reads, ["2.json"]);
}

#[tokio::test]
async fn where_many_files_are_known_none_is_read_before() {
    let bench = Bench::new();
    bench.put("1.json", &envelope("a", &[identity("x")]), 60);
    for (known, is_read) in [(8_191, true), (2, false)] {
        let importer = bench.importer();
        let (source, ledger) = (importer.source(), &importer.ledger);
        let first = ledger.known(source).unwrap().len();
        let files: Vec<Entry> = (first..first + known)
            .map(|number| Entry {
                location: Location::new(format!("known-{number}")),
                size: 1,
                modified: DateTime::UNIX_EPOCH,
                etag: None,
            })
            .collect();
        let record = Record::default();
        let rows = files.iter().map(|file| (file, Outcome::Ignored, &record));
        ledger.record_all(source, rows, Utc::now()).unwrap();
        let head_start = HeadStart::begin(
            Arc::clone(&importer.source),
            Arc::clone(ledger),
            importer.rules.clone(),
            Arc::clone(&importer.clock),
        );
        let file = head_start.file().await;
        assert_eq!(file.is_some(), is_read, "{known}");
    }
}
