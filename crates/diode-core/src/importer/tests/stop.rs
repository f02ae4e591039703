//! Being asked to stop, or losing the source, in the middle of files.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bundle_source::{Entry, Listing, ReadError, Removal, Source, SourceError, Wanted};
use bytes::Bytes;
use opencti_client::DeliveryErrorKind;
use tokio::time::{Instant, sleep};

use super::bench::{Bench, QueueFault, envelope, identity};
use crate::report::Interruption;
use crate::{History, Importer, Outcome, ValidationMode};

#[tokio::test]
async fn nothing_more_is_uploaded_after_a_stop() {
    let mut bench = Bench::new();
    bench.validation.mode = ValidationMode::Workbench;
    for number in 1..=5 {
        let content = envelope("a", &[identity(&number.to_string())]);
        bench.put(&format!("{number}.json"), &content, 60 - number);
    }
    bench.stop_with("upload");
    let report = bench.pass().await;
    assert_eq!(report.interruption, Some(Interruption::Stopped));
    assert_eq!((report.count(Outcome::Imported), report.untried), (1, 4));
    assert_eq!(bench.platform.uploads.lock().unwrap().len(), 1);
}

/// A bucket whose store does not come to an end of its listing.
#[derive(Debug)]
struct Endless;

#[async_trait]
impl Source for Endless {
    fn name(&self) -> &'static str {
        "endless"
    }

    async fn list(&self, _: &Wanted) -> Result<Listing, SourceError> {
        std::future::pending().await
    }

    async fn read(&self, _: &Entry, _: u64) -> Result<Bytes, ReadError> {
        unreachable!("nothing is listed")
    }

    async fn remove(&self, _: &Entry) -> Result<Removal, SourceError> {
        unreachable!("nothing is listed")
    }

    async fn set_aside(&self, _: &Entry, _: &[u8]) -> Result<Option<String>, SourceError> {
        unreachable!("nothing is listed")
    }

    async fn list_set_aside(&self) -> Result<Listing, SourceError> {
        Ok(Listing::default())
    }

    async fn discard(&self, _: &str) -> Result<(), SourceError> {
        unreachable!("nothing is listed")
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_takes_long_is_given_up_when_we_are_to_stop() {
    let bench = Bench::new();
    let mut importer = Importer {
        source: Arc::new(Endless),
        ..bench.importer()
    };
    let stop = bench.stop.clone();
    let stopping = async {
        sleep(Duration::from_mins(10)).await;
        stop.cancel();
        Instant::now()
    };
    let (report, stopped) = tokio::join!(importer.pass(None), stopping);
    assert_eq!(report.interruption, Some(Interruption::Stopped));
    assert!(stopped.elapsed() <= Duration::from_secs(2));
}

#[tokio::test]
async fn no_work_is_opened_after_a_stop() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.stop_with("register c");
    let report = bench.pass().await;
    assert_eq!(report.interruption, Some(Interruption::Stopped));
    assert_eq!(bench.diary(), ["register c"]);
}

#[tokio::test]
async fn a_broker_that_is_ready_is_of_no_use_after_a_stop() {
    let bench = Bench::new();
    let importer = bench.importer();
    bench.stop.cancel();
    // Which of two that are ready comes first must not be a matter of chance.
    for _ in 0..50 {
        assert!(importer.courier.prepare().await.is_err());
    }
}

#[tokio::test]
async fn a_file_that_a_stop_interrupts_does_not_wait_for_the_broker() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.queue_fault(QueueFault::Fail(DeliveryErrorKind::Stopped, 0));
    let report = bench.pass().await;
    assert_eq!(report.interruption, Some(Interruption::Stopped));
    let lots = (report.count(Outcome::Waiting), report.untried);
    assert_eq!(lots, (0, 1));
    let rows = History::open(bench.state.path()).unwrap();
    assert_eq!(rows.entries(10).unwrap().len(), 0, "nothing became of it");
}
