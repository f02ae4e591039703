//! Files that stay after their import, for how long, and those that the peer imported before.

use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, envelope, exists, identity};
use crate::report::Interruption;
use crate::{AfterImport, History};

#[tokio::test]
async fn kept_files_are_sent_once_until_they_change_or_come_back() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let content = envelope("c", &[identity("a")]);
    let path = bench.put("a.json", &content, 60);
    bench.pass().await;
    bench.pass().await;
    bench.put("a.json", &content, 10);
    bench.pass().await;
    assert_eq!(
        bench.published(),
        ["publish c 1"],
        "the same content, written anew"
    );
    bench.put(
        "a.json",
        &envelope("c", &[identity("a"), identity("b")]),
        10,
    );
    bench.pass().await;
    assert_eq!(
        bench.published(),
        ["publish c 2"],
        "other content under the same name"
    );
    std::fs::remove_file(&path).unwrap();
    bench.pass().await;
    bench.put("a.json", &envelope("c", &[identity("a"), identity("b")]), 5);
    bench.pass().await;
    assert_eq!(
        bench.published(),
        ["publish c 2"],
        "it had gone, and came back"
    );
    assert!(exists(&path));
}

#[tokio::test]
async fn retention_counts_from_the_decision_and_spares_what_is_not_ours() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let old = 30 * 86_400;
    let imported = bench.put("a.json", &envelope("c", &[identity("a")]), old);
    let foreign = bench.put("b.json", "{}", old);
    bench.put("c.json", "{", old);
    bench.pass().await;
    let rejected = bench.folder.path().join("rejected/c.json");
    let stray = bench.folder.path().join("rejected/stray.json");
    std::fs::write(&stray, "x").unwrap();
    bench.later(TimeDelta::days(6));
    bench.pass().await;
    assert!(exists(&imported) && exists(&rejected));
    bench.later(TimeDelta::days(2));
    assert_eq!(bench.pass().await.removed, 2);
    assert!(!exists(&imported) && !exists(&rejected));
    assert!(!exists(
        &bench.folder.path().join("rejected/c.json.reason.json")
    ));
    assert!(exists(&foreign) && exists(&stray));
}

#[tokio::test]
async fn history_is_forgotten_90_days_after_the_file_is_gone() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    let remembered = || {
        let history = History::open(bench.state.path()).unwrap();
        history.entries(10).unwrap().len()
    };
    bench.pass().await;
    for (later, expect) in [(TimeDelta::days(89), 1), (TimeDelta::days(2), 0)] {
        bench.later(later);
        bench.pass().await;
        assert_eq!(remembered(), expect, "{later}");
    }
}

#[tokio::test]
async fn a_kept_file_is_known_for_90_days_after_it_went_missing() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    let mut importer = bench.importer();
    importer.rules.policy.retention = None;
    importer.pass(None).await;
    assert_eq!(bench.published(), ["publish c 1"]);
    let mut after = async |days: i64, unmounted: bool| {
        bench.later(TimeDelta::days(days));
        bench.elapse(Duration::from_hours(days.cast_unsigned() * 24));
        *bench.source.unmounted.lock().unwrap() = unmounted;
        importer.pass(None).await;
        bench.published().len()
    };
    assert_eq!(after(101, false).await, 0);
    assert_eq!(after(0, true).await, 0);
    assert_eq!(after(0, false).await, 0, "it was imported 101 days ago");
    assert_eq!(after(0, true).await, 0);
    assert_eq!(after(90, true).await, 0);
    assert_eq!(after(0, false).await, 0, "it had gone 90 days ago");
    assert_eq!(after(0, true).await, 0);
    assert_eq!(after(91, true).await, 0);
    assert_eq!(after(0, false).await, 1, "it had gone for longer");
}

#[tokio::test]
async fn what_the_peer_imported_is_kept_and_its_retention_counts_from_now() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let old = 30 * 86_400;
    let content = envelope("c", &[identity("a")]);
    let imported = bench.put("a.json", &content, old);
    let foreign = bench.put("b.json", "{}", old);
    bench.put("c.json", "{", old);
    bench.importer().pass(Some(1e12)).await;
    assert_eq!(bench.published(), Vec::<String>::new());
    assert_eq!(bench.reason("c.json.reason.json")["code"], "invalid-json");

    bench.later(TimeDelta::days(6));
    bench.put("a.json", &content, old - 1);
    bench.pass().await;
    assert!(exists(&imported));
    bench.later(TimeDelta::days(2));
    bench.pass().await;
    assert!(!exists(&imported) && exists(&foreign));
    assert_eq!(bench.published(), Vec::<String>::new(), "written anew");
}

#[tokio::test]
async fn what_the_peer_imported_is_not_deleted_where_imported_files_are() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let content = envelope("c", &[identity("a")]);
    let theirs = bench.put("a.json", &content, 3_000);
    bench.importer().pass(Some(1e12)).await;
    let ours = bench.put("b.json", &envelope("c", &[identity("b")]), 60);
    bench.pass().await;
    assert_eq!(bench.published(), ["publish c 1"]);
    bench.after_import = AfterImport::Delete;
    bench.pass().await;
    assert!(exists(&theirs) && !exists(&ours));
    bench.put("a.json", &content, 60);
    bench.pass().await;
    assert!(exists(&theirs), "written anew");
    assert_eq!(bench.published(), Vec::<String>::new());
    bench.later(TimeDelta::days(8));
    bench.pass().await;
    assert!(!exists(&theirs), "its retention has passed");
}

#[tokio::test]
async fn a_kept_file_with_a_time_that_the_ledger_cannot_have_is_read_once() {
    for seconds in [10_000_000_000, 15_000_000_000] {
        let mut bench = Bench::new();
        bench.after_import = AfterImport::Keep;
        let path = bench.put("a.json", &envelope("c", &[identity("a")]), 60);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        file.set_modified(time).unwrap();
        let mut importer = bench.importer();
        for _ in 0..3 {
            importer.pass(None).await;
        }
        assert_eq!(bench.source.reads(), ["a.json"], "{seconds}");
    }
}

#[tokio::test]
async fn stopped_while_taking_over_the_next_run_takes_over() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.stop.cancel();
    let report = bench.importer().pass(Some(1e12)).await;
    assert_eq!(report.interruption, Some(Interruption::Stopped));
    bench.stop = CancellationToken::new();
    bench.importer().pass(Some(1e12)).await;
    assert_eq!(bench.published(), Vec::<String>::new());
}

#[tokio::test]
async fn what_came_back_is_imported_again_also_by_a_later_pass_than_the_one_that_saw_it() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let content = envelope("c", &[identity("a")]);
    let path = bench.put("a.json", &content, 60);
    bench.pass().await;
    std::fs::remove_file(path).unwrap();
    bench.pass().await;
    bench.put("a.json", &content, 5);
    bench.stop.cancel();
    bench.pass().await;
    bench.stop = CancellationToken::new();
    bench.pass().await;
    assert_eq!(bench.published(), ["publish c 1", "publish c 1"]);
}
