//! Two programs on one bucket, each with a ledger of its own.

use std::path::PathBuf;
use std::time::Duration;

use tests::envelope::{HARBOUR, WEATHER, envelope, malware};
use tests::program::Program;
use tokio::time::{Instant, timeout};

use crate::site::{Site, objects_of};
use tests::bucket::Bucket;

const TAKEN: i32 = 5;
const KEY: &str = "connectors/.diode-import-lease";

/// How long something may take that has to happen; a lease is taken over after 45 s.
const PATIENCE: Duration = Duration::from_secs(150);

fn bundle(number: u32) -> String {
    envelope(WEATHER, number, &[malware(number)]).to_string()
}

fn id(number: u32) -> String {
    malware(number)["id"].as_str().unwrap().to_owned()
}

/// A daemon with a ledger of its own, and its log.
fn daemon(site: &Site, bucket: &Bucket, name: &str) -> (Program, PathBuf) {
    let log = site.folder().join(format!("{name}.log"));
    let program = bucket
        .program(site.daemon())
        .with("DIODE_IMPORT_STATE_PATH", site.folder().join(name))
        .logging_to(&log);
    (program, log)
}

async fn until(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let poll = async {
        while !is_true().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let reached = timeout(PATIENCE, poll).await;
    assert!(reached.is_ok(), "{what}: not within {PATIENCE:?}");
}

async fn said(log: &PathBuf, words: &str) {
    let has = async || std::fs::read_to_string(log).is_ok_and(|text| text.contains(words));
    until(words, has).await;
}

async fn imported(bucket: &Bucket, key: &str) {
    let gone = async || !bucket.keys().await.contains(&key.to_owned());
    until(key, gone).await;
}

#[tokio::test]
async fn second_program_on_a_bucket_stands_by_and_takes_over() {
    let (site, bucket) = (Site::new().await, Bucket::new().await);
    bucket.put("connectors/1.json", bundle(1)).await;
    let ((first, _), (second, log)) = (daemon(&site, &bucket, "a"), daemon(&site, &bucket, "b"));
    let first = first.start().unwrap();
    imported(&bucket, "connectors/1.json").await;
    let second = second.start().unwrap();
    said(&log, "standing by until it ends").await;

    // A single pass does nothing there; the directory it is to go over as well, it does.
    site.put("2.json", &envelope(HARBOUR, 2, &[malware(2)]));
    let once = bucket
        .added_to(site.program())
        .with("DIODE_IMPORT_STATE_PATH", site.folder().join("c"));
    let once = once.run().await.unwrap();
    assert_eq!(once.code, Some(TAKEN), "{}", once.stderr);
    let words = "another diode-import is at work on this bucket; nothing was done there";
    assert!(once.stderr.contains(words), "{}", once.stderr);
    assert!(site.left().is_empty());

    bucket.put("connectors/3.json", bundle(3)).await;
    imported(&bucket, "connectors/3.json").await;
    first.kill().await.unwrap();
    bucket.put("connectors/4.json", bundle(4)).await;
    imported(&bucket, "connectors/4.json").await;
    said(&log, "taking over").await;

    // The next one need not wait for long.
    let (third, log) = daemon(&site, &bucket, "d");
    let third = third.start().unwrap();
    said(&log, "standing by until it ends").await;
    let ended = Instant::now();
    second.terminate().await.unwrap();
    let run = second.wait().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(
        run.stderr.matches("standing by").count(),
        1,
        "{}",
        run.stderr
    );
    said(&log, "taking over").await;
    assert!(ended.elapsed() < Duration::from_secs(40));
    bucket.put("connectors/5.json", bundle(5)).await;
    imported(&bucket, "connectors/5.json").await;
    third.terminate().await.unwrap();
    assert_eq!(third.wait().await.unwrap().code, Some(0));

    let sent = objects_of(&site.drain(WEATHER.id).await);
    assert_eq!(sent, [id(1), id(3), id(4), id(5)]);
    assert_eq!(bucket.keys().await, [""; 0]);
}

#[tokio::test]
async fn a_lease_that_is_lost_ends_the_import_until_it_is_free() {
    let (site, bucket) = (Site::new().await, Bucket::new().await);
    let (program, log) = daemon(&site, &bucket, "a");
    bucket.put("connectors/0.json", bundle(0)).await;
    let running = program.start().unwrap();
    imported(&bucket, "connectors/0.json").await;
    bucket.put(KEY, "process of another\nhost there\n").await;
    said(&log, "the lease on this bucket is lost").await;
    said(&log, "standing by until it ends").await;
    bucket.put("connectors/1.json", bundle(1)).await;
    // It is not imported before nobody has renewed the other's lease for long enough.
    let since = Instant::now();
    imported(&bucket, "connectors/1.json").await;
    assert!(since.elapsed() > Duration::from_secs(20));
    running.terminate().await.unwrap();
    assert_eq!(running.wait().await.unwrap().code, Some(0));
    let sent = objects_of(&site.drain(WEATHER.id).await);
    assert_eq!(sent, [id(0), id(1)]);
}

/// It had no time to give its lease back, and nobody else has its ledger.
#[tokio::test]
async fn who_was_killed_does_not_wait_for_itself() {
    let (site, bucket) = (Site::new().await, Bucket::new().await);
    let (program, _) = daemon(&site, &bucket, "a");
    let running = program.start().unwrap();
    let held = async || bucket.keys().await == [KEY];
    until("the lease is there", held).await;
    running.kill().await.unwrap();
    bucket.put("connectors/1.json", bundle(1)).await;
    let started = Instant::now();
    let run = program
        .with("CONNECTOR_RUN_AND_TERMINATE", "true")
        .run()
        .await
        .unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(started.elapsed() < Duration::from_secs(40));
    assert_eq!(bucket.keys().await, [""; 0]);
}
