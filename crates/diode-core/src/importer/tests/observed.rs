//! What an observer is told of passes and files.

use std::sync::Arc;

use chrono::TimeDelta;
use opencti_client::{DeliveryErrorKind, PlatformVersion};
use serde_json::{Value, json};

use super::bench::{Bench, QueueFault, envelope, identity};
use crate::doubles::Notes;
use crate::{AfterImport, Importer, ValidationMode};

/// An importer that is watched, and what its observer is told. The folder's name is left out.
struct Watched {
    importer: Importer,
    notes: Arc<Notes>,
}

impl Watched {
    fn new(bench: &Bench) -> Self {
        let notes: Arc<Notes> = Arc::default();
        Self {
            importer: bench.importer().with_observer(notes.clone()),
            notes,
        }
    }

    async fn pass(&mut self) -> Vec<String> {
        self.importer.pass(Some(0.0)).await;
        self.told()
    }

    fn told(&self) -> Vec<String> {
        let source = self.importer.source();
        let lines = self.notes.take().into_iter();
        lines.map(|line| line.replace(source, "in")).collect()
    }
}

fn broken() -> Value {
    json!({"type": "identity", "name": "no id"})
}

#[tokio::test]
async fn every_outcome_is_told_once_and_what_waits_in_each_pass() {
    let bench = Bench::new();
    let good = [identity("a"), identity("b")];
    bench.put("1.json", &envelope("a", &good), 60);
    bench.put("2.json", &envelope("b", &[identity("a"), broken()]), 50);
    bench.put("3.json", &envelope("c", &[broken()]), 40);
    bench.put("4.json", r#"{"foreign": true}"#, 30);
    bench.put("5.json", "{\"conn", 0);
    let mut watched = Watched::new(&bench);
    assert_eq!(
        watched.pass().await,
        [
            "pass over in",
            "in 3.json rejected nothing-to-import 0/0",
            "in 5.json waiting invalid-json 0/0",
            "in 4.json ignored not-an-envelope 0/0",
            "in 1.json imported - 2/2",
            "in 2.json partial partial 1/1",
            "in ended -",
        ]
    );
    let waits = "in 5.json waiting invalid-json 0/0";
    for _ in 0..2 {
        assert_eq!(watched.pass().await, ["pass over in", waits, "in ended -"]);
    }
    bench.elapse(std::time::Duration::from_secs(6));
    let rejected = "in 5.json rejected invalid-json 0/0";
    assert_eq!(
        watched.pass().await,
        ["pass over in", rejected, "in ended -"]
    );
    assert_eq!(watched.pass().await, ["pass over in", "in ended -"]);
}

#[tokio::test]
async fn files_that_wait_behind_another_are_told_though_they_are_not_read() {
    let bench = Bench::new();
    for number in 1..=3 {
        bench.put(
            &format!("{number}.json"),
            &envelope("c", &[identity("a")]),
            60 - number,
        );
    }
    bench.fill("c", 600);
    let mut watched = Watched::new(&bench);
    for _ in 0..3 {
        let told = watched.pass().await;
        let waiting = |line: &&String| line.ends_with("waiting queue-full 0/0");
        assert_eq!(told.iter().filter(waiting).count(), 3, "{told:?}");
        assert_eq!(told.len(), 5, "{told:?}");
    }
}

#[tokio::test]
async fn what_is_cleaned_up_later_is_not_told_again() {
    let bench = Bench::new();
    bench.put("1.json", &envelope("a", &[identity("a")]), 60);
    bench.put("2.json", "no JSON", 60);
    *bench.source.stuck.lock().unwrap() = true;
    let mut watched = Watched::new(&bench);
    assert_eq!(watched.pass().await.len(), 4);
    *bench.source.stuck.lock().unwrap() = false;
    assert_eq!(watched.pass().await, ["pass over in", "in ended -"]);
}

#[tokio::test]
async fn what_counts_as_imported_before_is_not_told() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    bench.put("1.json", &envelope("a", &[identity("a")]), 60);
    let mut watched = Watched::new(&bench);
    watched.importer.pass(Some(4e9)).await;
    assert_eq!(watched.told(), ["pass over in", "in ended -"]);
    assert_eq!(watched.importer.kept_files().unwrap(), 1);
}

#[tokio::test]
async fn what_goes_into_the_workbench_is_one_bundle_of_what_is_uploaded() {
    let mut bench = Bench::new();
    bench.version = Some(PlatformVersion::new(6, 5, 9));
    bench.validation.mode = ValidationMode::Workbench;
    let unsupported = json!({"type": "x-y", "id": "x-y--1"});
    let objects = [identity("a"), identity("b"), unsupported];
    bench.put("1.json", &envelope("a", &objects), 60);
    let objects = [&objects[..], &[broken()]].concat();
    bench.put("2.json", &envelope("a", &objects), 50);
    let told = Watched::new(&bench).pass().await;
    let expect = ["in 1.json imported - 1/3", "in 2.json partial partial 1/2"];
    assert_eq!(told[1..3], expect);
    let uploads = bench.platform.uploads.lock().unwrap();
    let counts = uploads.iter().map(|file| {
        let bundle: Value = serde_json::from_slice(&file.content).unwrap();
        bundle["objects"].as_array().unwrap().len()
    });
    assert_eq!(counts.collect::<Vec<_>>(), [3, 2]);
}

#[tokio::test]
async fn a_pass_that_is_cut_short_ends() {
    let bench = Bench::new();
    bench.put("1.json", &envelope("a", &[identity("a")]), 60);
    let mut watched = Watched::new(&bench);

    let away = bench.state.path().join("away");
    std::fs::rename(bench.folder.path(), &away).unwrap();
    assert_eq!(watched.pass().await, ["pass over in", "in ended source"]);
    std::fs::rename(&away, bench.folder.path()).unwrap();

    *bench.queue.ready.lock().unwrap() = Some(DeliveryErrorKind::Unavailable);
    let waits = "in 1.json waiting queue 0/0";
    let ended = "in ended broker";
    assert_eq!(watched.pass().await, ["pass over in", waits, ended]);
    *bench.queue.ready.lock().unwrap() = None;

    bench.queue_fault(QueueFault::Fail(DeliveryErrorKind::Stopped, 0));
    assert_eq!(watched.pass().await, ["pass over in", "in ended stop"]);

    let ledger = rusqlite::Connection::open(bench.state.path().join(crate::FILE_NAME)).unwrap();
    ledger
        .execute_batch("ALTER TABLE files RENAME TO away")
        .unwrap();
    assert_eq!(watched.pass().await, ["pass over in", "in ended ledger"]);
    ledger
        .execute_batch("ALTER TABLE away RENAME TO files")
        .unwrap();
    bench.later(TimeDelta::seconds(1));
    assert_eq!(watched.pass().await[1], "in 1.json imported - 1/1");
}
