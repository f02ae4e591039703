//! Passes that arrivals begin, by a clock that only moves when everybody waits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bundle_source::{SourceError, Watch};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::bench::Bench;
use crate::AfterImport;

/// A watch that tells what a test says.
#[derive(Clone, Debug, Default)]
struct Bell(Arc<Notify>);

#[async_trait]
impl Watch for Bell {
    async fn attend(&self) -> Result<(), SourceError> {
        Ok(())
    }

    async fn arrival(&self) {
        self.0.notified().await;
    }
}

/// Lets a service with an hour between its rounds run while `work` is done.
async fn while_running(bench: &mut Bench, bell: &Bell, work: impl AsyncFnOnce(&Bench)) {
    bench.pass_every = Duration::from_hours(1);
    let service = bench.service().await;
    let mut service = service.with_watch("directory:/in", Box::new(bell.clone()));
    let bench = &*bench;
    let working = async {
        // The first round is over.
        sleep(Duration::from_secs(10)).await;
        work(bench).await;
        bench.stop.cancel();
    };
    tokio::join!(service.run(), working);
}

/// A watch that nobody may ask for.
#[derive(Debug)]
struct Unwanted;

#[async_trait]
impl Watch for Unwanted {
    async fn attend(&self) -> Result<(), SourceError> {
        unreachable!("nobody waits for what arrives")
    }

    async fn arrival(&self) {
        unreachable!("nobody waits for what arrives")
    }
}

#[tokio::test]
async fn a_single_pass_watches_nothing() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.put("a.json", 10, "c");
    let service = bench.service().await;
    let mut service = service.with_watch("directory:/in", Box::new(Unwanted));
    service.run_once().await;
    assert_eq!(bench.published(), ["c"]);
}

fn pings(bench: &Bench) -> usize {
    bench.platform.infos.lock().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn an_arrival_is_imported_before_the_next_round() {
    let (mut bench, bell) = (Bench::new(AfterImport::Delete), Bell::default());
    while_running(&mut bench, &bell, async |bench| {
        bench.folder.put("a.json", 10, "c");
        bench.bucket.put("b.json", 10, "d");
        bell.0.notify_one();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.published(), ["c"], "the watched source alone");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn arrivals_without_end_begin_no_more_than_twenty_passes_a_second() {
    let (mut bench, bell) = (Bench::new(AfterImport::Keep), Bell::default());
    while_running(&mut bench, &bell, async |bench| {
        let (before, told) = (bench.folder.listings(), pings(bench));
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            bell.0.notify_one();
            sleep(Duration::from_millis(1)).await;
        }
        let passes = bench.folder.listings() - before;
        assert!((190..=201).contains(&passes), "{passes}");
        assert_eq!(pings(bench), told, "nothing is told where nothing changed");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_state_is_told_soon_but_not_for_each_file() {
    let (mut bench, bell) = (Bench::new(AfterImport::Delete), Bell::default());
    while_running(&mut bench, &bell, async |bench| {
        let told = pings(bench);
        for number in 1..=100 {
            bench.folder.put(&format!("{number}.json"), number, "c");
            bell.0.notify_one();
            sleep(Duration::from_millis(100)).await;
        }
        sleep(Duration::from_secs(6)).await;
        assert_eq!(bench.published().len(), 100);
        let told = pings(bench) - told;
        assert!((2..=4).contains(&told), "{told}");
        let state = r#"{"last_run_directory":100.0}"#;
        assert_eq!(bench.platform.held().as_deref(), Some(state));
    })
    .await;
}
