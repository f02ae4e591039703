//! Rounds over sources in memory, on a platform that keeps a connector's state as the real one does.

mod arrivals;
mod bench;
mod observed;
mod unheard;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opencti_client::ConnectorInfo;

use self::bench::{Bench, at};
use super::{Patience, greet};
use crate::doubles::Lines;
use crate::report::{Interruption, PassReport};
use crate::{AfterImport, Outcome, StateKey};

fn told(reports: &[PassReport]) -> Vec<(&str, usize, Option<Interruption>)> {
    reports
        .iter()
        .map(|report| {
            let imported = report.count(Outcome::Imported);
            (report.source.as_str(), imported, report.interruption)
        })
        .collect()
}

#[tokio::test]
async fn sources_are_gone_over_one_after_the_other_as_one_connector() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.put("a.json", 10, "c");
    bench.bucket.put("b.json", 20, "c");
    let reports = bench.service().await.run_once().await;
    assert_eq!(
        told(&reports),
        [("directory:/in", 1, None), ("s3:in", 1, None)]
    );
    assert_eq!(bench.published(), ["c", "c"]);
    let calls = bench.platform.calls("");
    let registered = calls.iter().filter(|call| call.starts_with("register"));
    assert_eq!(
        registered.collect::<Vec<_>>(),
        ["register own", "register c"]
    );
    assert_eq!(
        calls.last().unwrap(),
        r#"ping own {"last_run_directory":10.0,"last_run_s3":20.0}"#
    );
}

#[tokio::test]
async fn a_source_that_fails_does_not_keep_us_from_the_other() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.is_closed.store(true, Ordering::Relaxed);
    bench.bucket.put("b.json", 20, "c");
    let reports = bench.service().await.run_once().await;
    let failed = Some(Interruption::Source);
    assert_eq!(
        told(&reports),
        [("directory:/in", 0, failed), ("s3:in", 1, None)]
    );
}

#[tokio::test]
async fn what_reaches_all_sources_is_not_tried_twice() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.put("a.json", 10, "c");
    bench.bucket.put("b.json", 20, "c");
    bench.queue.is_away.store(true, Ordering::Relaxed);
    let reports = bench.service().await.run_once().await;
    assert_eq!(
        told(&reports),
        [("directory:/in", 0, Some(Interruption::Broker))]
    );
    assert_eq!(bench.bucket.files.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_day_without_the_platform_is_told_in_few_lines() {
    let mut bench = Bench::new(AfterImport::Delete);
    bench.pass_every = Duration::from_mins(1);
    bench.ping_every = Duration::from_secs(40);
    bench.folder.put("a.json", 10, "c");
    let mut service = bench.service().await;
    for importer in &mut service.importers {
        importer.follow(Arc::new(|| tokio::time::Instant::now().into_std()));
    }
    service.run_once().await;
    let lines = Lines::default();
    let _listening = lines.listen();
    bench.platform.is_away.store(true, Ordering::Relaxed);
    bench.folder.put("b.json", 20, "d");
    bench.bucket.put("c.json", 30, "d");
    let day = tokio::time::timeout(Duration::from_hours(24), service.run());
    assert!(day.await.is_err(), "it runs on");
    let asked = bench.platform.calls("register own").len();
    assert!(asked > 2_000, "{asked}");
    for said in [
        "did not take a sign of life",
        "no file can be delivered now",
        "pass done",
        "source passed over",
    ] {
        assert!(!lines.with(said).is_empty(), "{said}: {lines:?}");
    }
    let all = lines.with("").len();
    assert!(all <= 30, "{all} lines: {lines:?}");
    bench.platform.is_away.store(false, Ordering::Relaxed);
    service.heart.ping().await;
    assert_eq!(lines.with("takes signs of life again").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_is_waited_for_is_told_of_ever_more_rarely() {
    let bench = Bench::new(AfterImport::Delete);
    bench.platform.is_away.store(true, Ordering::Relaxed);
    let lines = Lines::default();
    let _listening = lines.listen();
    let own = bench::own();
    let greeting = greet(&*bench.platform, &own, Patience::Endless, &bench.stop);
    let day = tokio::time::timeout(Duration::from_hours(24), greeting);
    assert!(day.await.is_err(), "it waits on");
    assert!(bench.platform.calls("register").len() > 1_000);
    assert_eq!(lines.with("waiting for the platform").len(), 5, "{lines:?}");
}

#[tokio::test]
async fn of_files_that_wait_on_a_service_says_so_each_hour() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.put("a.json", 10, "c");
    *bench.platform.queued.lock().unwrap() = Some(600_000_000);
    let own_time = Arc::new(Mutex::new(Instant::now()));
    let mut service = bench.service().await;
    for importer in &mut service.importers {
        let own_time = Arc::clone(&own_time);
        importer.follow(Arc::new(move || *own_time.lock().unwrap()));
    }
    for _ in 0..=120 {
        service.run_once().await;
        *own_time.lock().unwrap() += Duration::from_mins(1);
    }
    assert_eq!(lines.with("file waits").len(), 1, "{lines:?}");
    let told = lines.with("files still wait");
    assert_eq!(told.len(), 2, "{lines:?}");
    for part in ["directory:/in", "queue-full", "files=1", "a.json"] {
        assert!(told[0].contains(part), "{part}: {told:?}");
    }
}

/// A bench whose files are kept: two in the folder, one in the bucket, all imported once.
async fn with_kept_files() -> Bench {
    let bench = Bench::new(AfterImport::Keep);
    bench.folder.put("a.json", 10, "a");
    bench.folder.put("b.json", 20, "b");
    bench.bucket.put("c.json", 30, "c");
    assert_eq!(bench.run().await, ["a", "b", "c"]);
    assert_eq!(bench.run().await, NOTHING);
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    bench
}

const NOTHING: [&str; 0] = [];
const ALL_IMPORTED: &str = r#"{"last_run_directory":20.0,"last_run_s3":30.0}"#;

#[tokio::test]
async fn a_reset_before_the_start_imports_everything_again_once() {
    let bench = with_kept_files().await;
    bench.platform.hold(Some(""));
    assert_eq!(bench.run().await, ["a", "b", "c"]);
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    assert_eq!(bench.run().await, NOTHING);
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_pass_takes_effect_in_the_next() {
    let mut bench = with_kept_files().await;
    bench.ping_every = Duration::from_millis(1);
    bench.folder.put("late.json", 5, "late");
    *bench.folder.resets_during_read.lock().unwrap() = Some(Arc::clone(&bench.platform));
    let mut service = bench.service().await;
    service.run_once().await;
    assert_eq!(bench.published(), ["late"]);
    // The pass has set a watermark, which must not take the reset's place.
    assert_eq!(bench.platform.held().as_deref(), Some(""));
    service.run_once().await;
    assert_eq!(bench.published(), ["late", "a", "b", "c"]);
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    service.run_once().await;
    assert_eq!(bench.published(), NOTHING);
}

#[tokio::test]
async fn a_reset_wins_over_a_state_set_while_it_was_told() {
    let bench = with_kept_files().await;
    let service = bench.service().await;
    bench.platform.hold(Some(""));
    *bench.platform.overtaken.lock().unwrap() = Some(service.heart.state.clone());
    service.heart.ping().await;
    assert!(service.heart.state.get().is_reset());
}

#[tokio::test]
async fn a_state_set_while_an_older_one_was_handed_in_is_kept() {
    let bench = with_kept_files().await;
    let service = bench.service().await;
    *bench.platform.overtaken.lock().unwrap() = Some(service.heart.state.clone());
    service.heart.ping().await;
    assert_eq!(service.heart.state.get().last_run(StateKey::S3), Some(99.0));
}

#[tokio::test]
async fn another_state_than_the_one_handed_in_is_taken_over() {
    let bench = with_kept_files().await;
    let service = bench.service().await;
    bench
        .platform
        .answer_next_with(r#"{"last_run_directory":77.0}"#);
    service.heart.ping().await;
    let state = service.heart.state.get();
    assert_eq!(state.last_run(StateKey::Directory), Some(77.0));
}

#[tokio::test]
async fn killed_after_a_reset_was_told_the_next_run_follows_it() {
    let mut bench = with_kept_files().await;
    bench.ping_every = Duration::from_millis(1);
    bench.folder.put("late.json", 5, "late");
    *bench.folder.resets_during_read.lock().unwrap() = Some(Arc::clone(&bench.platform));
    assert_eq!(bench.run().await, ["late"]);
    assert!(!bench.platform.was_reset(), "the reset was not told");
    assert_eq!(bench.run().await, ["late", "a", "b", "c"]);
    assert_eq!(bench.run().await, NOTHING);
}

#[tokio::test]
async fn a_reset_is_followed_only_once_the_platform_knows_that_we_know() {
    // However many signs of life get through before the run is over, the reset is not forgotten,
    // and in the end nothing is imported any more.
    for (pings, during) in [
        (0, &NOTHING[..]),
        (1, &["a", "b", "c"]),
        (2, &["a", "b", "c"]),
    ] {
        let bench = with_kept_files().await;
        bench.platform.hold(Some(""));
        *bench.platform.pings_left.lock().unwrap() = Some(pings);
        assert_eq!(bench.run().await, during, "{pings}");
        *bench.platform.pings_left.lock().unwrap() = None;
        let again: &[&str] = if pings < 2 { &["a", "b", "c"] } else { &[] };
        assert_eq!(bench.run().await, again, "{pings}");
        assert_eq!(bench.run().await, NOTHING, "{pings}");
        assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    }
}

#[tokio::test]
async fn a_reset_that_the_ledger_cannot_follow_stays_one() {
    let bench = with_kept_files().await;
    bench.platform.hold(Some(""));
    let mut service = bench.service().await;
    let ledger = rusqlite::Connection::open(bench.state.path().join(crate::FILE_NAME)).unwrap();
    ledger
        .execute_batch("ALTER TABLE files RENAME TO away")
        .unwrap();
    let reports = service.run_once().await;
    assert_eq!(
        told(&reports),
        [("directory:/in", 0, Some(Interruption::Ledger))]
    );
    assert_eq!(bench.platform.held().as_deref(), Some(""));
    ledger
        .execute_batch("ALTER TABLE away RENAME TO files")
        .unwrap();
    service.run_once().await;
    assert_eq!(bench.published(), ["a", "b", "c"]);
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
}

#[tokio::test]
async fn a_sign_of_life_says_when_we_ran_and_will_run() {
    let bench = with_kept_files().await;
    let mut service = bench.service().await;
    service.run_once().await;
    service.tell_what_we_are_at(Some(Duration::from_mins(1)));
    service.heart.ping().await;
    let once = ConnectorInfo {
        run_and_terminate: true,
        queue_threshold_mb: 500.0,
        last_run: Some(at(1_000_000)),
        ..ConnectorInfo::default()
    };
    let again = ConnectorInfo {
        run_and_terminate: false,
        next_run: Some(at(1_000_060)),
        ..once
    };
    let infos = bench.platform.infos.lock().unwrap();
    assert_eq!(infos[infos.len() - 2..], [once, again]);
}

#[tokio::test]
async fn a_sign_of_life_says_that_a_connector_waits_for_its_queue_and_how_full_it_is() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.put("a.json", 10, "c");
    let mut service = bench.service().await;
    for (queued, passed, buffering, told) in [
        (600_000_000, 0, true, 600.0),
        (499_500_000, 4, true, 600.0),
        (499_500_000, 5, false, 499.5),
    ] {
        *bench.platform.queued.lock().unwrap() = Some(queued);
        bench.passed.store(passed, Ordering::Relaxed);
        service.run_once().await;
        let info = *bench.platform.infos.lock().unwrap().last().unwrap();
        assert_eq!(info.buffering, buffering, "{passed}");
        assert!((info.queue_messages_mb - told).abs() < 0.01, "{info:?}");
        assert!((info.queue_threshold_mb - 500.0).abs() < 0.01, "{info:?}");
    }
    assert_eq!(bench.published(), ["c"]);
}

#[tokio::test]
async fn a_sign_of_life_tells_of_a_queue_what_the_platform_told_last() {
    let bench = Bench::new(AfterImport::Delete);
    let mut service = bench.service().await;
    for (queued, passed) in [
        (0_u32, 0),
        (400_000_000, 5),
        (100_000_000, 10),
        (0, 15),
        (0, 20),
    ] {
        *bench.platform.queued.lock().unwrap() = Some(queued.into());
        bench.passed.store(passed, Ordering::Relaxed);
        bench.folder.put("a.json", 10 + passed, "c");
        service.run_once().await;
        let told = bench
            .platform
            .infos
            .lock()
            .unwrap()
            .last()
            .unwrap()
            .queue_messages_mb;
        let queued = f64::from(queued) / 1e6;
        assert!(
            (told - queued).abs() < 1e-9,
            "{passed}: {told} instead of {queued}"
        );
    }
    assert_eq!(bench.published(), ["c"; 5]);
}

#[tokio::test]
async fn of_queues_that_cannot_be_seen_nothing_is_told() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.put("a.json", 10, "c");
    let mut service = bench.service().await;
    for queued in [None, Some(600_000_000)] {
        *bench.platform.queued.lock().unwrap() = queued;
        service.run_once().await;
        let info = *bench.platform.infos.lock().unwrap().last().unwrap();
        assert!(
            !info.buffering && info.queue_messages_mb < 0.001,
            "{info:?}"
        );
        bench.folder.put("b.json", 20, "c");
    }
    assert_eq!(bench.published(), ["c", "c"]);
}

#[tokio::test]
async fn a_connector_whose_files_were_taken_away_waits_no_longer() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.put("a.json", 10, "c");
    *bench.platform.queued.lock().unwrap() = Some(600_000_000);
    let mut service = bench.service().await;
    service.run_once().await;
    bench.folder.files.lock().unwrap().clear();
    service.run_once().await;
    let told = |info: &ConnectorInfo| info.buffering;
    let infos = bench.platform.infos.lock().unwrap();
    assert_eq!(infos.iter().map(told).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn between_files_the_fullest_queue_is_looked_at_until_it_is_empty() {
    let mut bench = Bench::new(AfterImport::Delete);
    bench.ping_every = Duration::from_millis(1);
    bench.folder.put("a.json", 10, "c");
    *bench.platform.queued.lock().unwrap() = Some(400_000_000);
    let mut service = bench.service().await;
    service.run_once().await;
    *bench.platform.queued.lock().unwrap() = Some(0);
    bench.passed.store(30, Ordering::Relaxed);
    let emptied = async {
        let told = || bench.platform.infos.lock().unwrap().last().copied();
        while told().is_none_or(|info| info.queue_messages_mb > 0.0) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bench.stop.cancel();
    };
    let both = async { tokio::join!(service.run(), emptied) };
    let in_time = tokio::time::timeout(Duration::from_secs(20), both).await;
    in_time.unwrap();
}

#[tokio::test]
async fn a_sign_of_life_says_that_the_broker_takes_nothing() {
    let bench = Bench::new(AfterImport::Delete);
    let service = bench.service().await;
    for is_stalled in [true, false] {
        bench.queue.is_stalled.store(is_stalled, Ordering::Relaxed);
        service.heart.ping().await;
        let info = *bench.platform.infos.lock().unwrap().last().unwrap();
        assert_eq!(info.buffering, is_stalled);
    }
}

#[tokio::test]
async fn the_state_is_told_after_every_pass_though_nothing_was_there() {
    let bench = Bench::new(AfterImport::Delete);
    let mut service = bench.service().await;
    let working = service.run();
    let enough = async {
        while bench.platform.infos.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
        bench.stop.cancel();
    };
    let (both, never) = (
        async { tokio::join!(working, enough) },
        Duration::from_secs(20),
    );
    tokio::time::timeout(never, both).await.unwrap();
}

#[tokio::test]
async fn a_connector_that_was_deleted_comes_back_with_its_state() {
    let bench = with_kept_files().await;
    let mut service = bench.service().await;
    bench.platform.delete();
    service.run_once().await;
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    assert_eq!(bench.published(), NOTHING);
}

#[tokio::test]
async fn a_connector_without_a_state_is_not_one_that_was_reset() {
    for state in [None, Some("null"), Some("{}"), Some("[1]")] {
        let bench = with_kept_files().await;
        bench.platform.hold(state);
        assert_eq!(bench.run().await, NOTHING, "{state:?}");
        assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    }
}

#[tokio::test]
async fn the_peer_s_watermark_counts_in_the_first_pass_only() {
    use AfterImport::{Delete, Keep};
    let everything = &["a", "b", "c", "late"][..];
    for (state, after_import, expect) in [
        (None, Keep, everything),
        (Some(""), Keep, everything),
        (Some("null"), Keep, everything),
        (Some("{\"last_run_directory\": \"x\"}"), Keep, everything),
        (
            Some("{\"last_run_directory\": 10.0}"),
            Keep,
            &["b", "c", "late"],
        ),
        (Some("{\"last_run_directory\": 9.999}"), Keep, everything),
        (Some("{\"last_run\": 20}"), Keep, &["c", "late"]),
        (Some("{\"last_run_s3\": 30}"), Keep, &["a", "b", "late"]),
        (Some(ALL_IMPORTED), Keep, &["late"]),
        (Some(ALL_IMPORTED), Delete, everything),
    ] {
        let bench = Bench::new(after_import);
        bench.platform.hold(state);
        bench.folder.put("a.json", 10, "a");
        bench.folder.put("b.json", 20, "b");
        bench.bucket.put("c.json", 30, "c");
        let mut published = bench.run().await;
        bench.folder.put("late.json", 5, "late");
        published.extend(bench.run().await);
        assert_eq!(published, expect, "{state:?} {after_import:?}");
        assert_eq!(bench.run().await, NOTHING, "{state:?} {after_import:?}");
        assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    }
}

/// Case `future-mtime`.
#[tokio::test]
async fn a_watermark_is_never_later_than_now_and_a_later_one_is_not_believed() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut bench = Bench::new(AfterImport::Keep);
    let now = 1_000_000;
    bench.folder.put("a.json", now - 100, "c");
    bench.folder.put("future.json", 4_102_444_800, "c");
    bench.service().await.run_once().await;
    assert_eq!(bench.published(), ["c", "c"]);
    let state = format!("{{\"last_run_directory\":{}.0}}", now - 100);
    assert_eq!(bench.platform.held(), Some(state.clone()));
    assert_eq!(lines.with("later than now").len(), 0);
    // The Python connector's own, or one of an earlier version.
    let other = r#"{"last_run_directory":4102444800.0,"last_run_s3":4102444800.0,"of":"others"}"#;
    bench.platform.hold(Some(other));
    bench.state = tempfile::tempdir().unwrap();
    bench.folder.put("new.json", now - 1, "c");
    bench.service().await.run_once().await;
    assert_eq!(
        bench.published().len(),
        3,
        "nothing counts as imported before"
    );
    let held = bench.platform.held().unwrap();
    let expect = format!("{{\"last_run_directory\":{}.0,\"of\":\"others\"}}", now - 1);
    assert_eq!(held, expect);
    let said = lines.with("later than now");
    assert_eq!(said.len(), 2, "once for each: {said:?}");
    assert!(
        said[0].starts_with("WARN") && said[0].contains("last_run_directory"),
        "{said:?}"
    );
    bench.service().await.run_once().await;
    assert_eq!(lines.with("later than now").len(), 2);
    assert_eq!(bench.published(), [""; 0]);
}
