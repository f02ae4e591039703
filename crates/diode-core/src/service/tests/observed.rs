//! What an observer is told by a service: of its signs of life, and of all sources.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bench::Bench;
use crate::AfterImport;
use crate::doubles::Notes;

#[tokio::test]
async fn signs_of_life_are_told_whether_they_are_taken_or_not() {
    let bench = Bench::new(AfterImport::Delete);
    let notes: Arc<Notes> = Arc::default();
    let service = bench.service().await.with_observer(notes.clone());
    service.heart.ping().await;
    assert_eq!(notes.take(), ["alive"]);
    bench.platform.is_away.store(true, Ordering::Relaxed);
    service.heart.ping().await;
    assert_eq!(notes.take(), ["not alive: Transient"]);
    bench.platform.is_away.store(false, Ordering::Relaxed);
    service.heart.ping().await;
    assert_eq!(notes.take(), ["alive"]);
    // Registering again is no sign of life of its own.
    bench.platform.delete();
    service.heart.ping().await;
    assert_eq!(notes.take(), ["alive"]);
}

#[tokio::test]
async fn all_sources_are_told_of() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.put("a.json", 10, "c");
    bench.bucket.put("b.json", 20, "c");
    let notes: Arc<Notes> = Arc::default();
    let mut service = bench.service().await.with_observer(notes.clone());
    service.run_once().await;
    assert_eq!(
        notes.take(),
        [
            "pass over directory:/in",
            "directory:/in a.json imported - 1/1",
            "directory:/in ended -",
            "pass over s3:in",
            "s3:in b.json imported - 1/1",
            "s3:in ended -",
            "alive",
        ]
    );
}

#[tokio::test]
async fn a_source_that_is_passed_over_has_no_pass() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.put("a.json", 10, "c");
    bench.queue.is_away.store(true, Ordering::Relaxed);
    let notes: Arc<Notes> = Arc::default();
    let mut service = bench.service().await.with_observer(notes.clone());
    service.run_once().await;
    let told = notes.take();
    let passes = told.iter().filter(|line| line.starts_with("pass over"));
    assert_eq!(passes.collect::<Vec<_>>(), ["pass over directory:/in"]);
    assert!(
        told.contains(&"directory:/in ended broker".to_owned()),
        "{told:?}"
    );
}
