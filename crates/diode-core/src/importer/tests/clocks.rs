//! A clock that jumps.

use std::time::Duration;

use chrono::TimeDelta;

use super::bench::{Bench, envelope, exists, identity};
use crate::{AfterImport, Outcome};

#[tokio::test]
async fn a_clock_that_jumps_repeats_nothing_and_holds_up_nothing() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.put("b.json", "{", 0);
    bench.pass().await;
    assert_eq!(bench.published(), ["publish c 1"]);
    bench.later(TimeDelta::days(-3650));
    assert!(!bench.pass().await.is_eventful());
    bench.put("c.json", &envelope("c", &[identity("c")]), 0);
    assert_eq!(bench.pass().await.count(Outcome::Imported), 1);
    // First seen at a time that is ten years away by this clock.
    bench.later(TimeDelta::seconds(6));
    assert_eq!(bench.pass().await.count(Outcome::Rejected), 1);
    bench.later(TimeDelta::days(1));
    assert!(!bench.pass().await.is_eventful());
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_judges_no_unfinished_file_too_early() {
    let bench = Bench::new();
    let content = envelope("c", &[identity("a")]);
    bench.put("a.json", &content[..40], 1);
    bench.put("b.json", &content[..40], 1);
    let mut importer = bench.importer();
    assert_eq!(importer.pass(None).await.count(Outcome::Waiting), 2);
    for _ in 0..2 {
        bench.later(TimeDelta::days(3650));
        bench.elapse(Duration::from_secs(2));
        assert_eq!(importer.pass(None).await.count(Outcome::Waiting), 2);
    }
    bench.put("a.json", &content, 0);
    bench.later(TimeDelta::days(-9999));
    bench.elapse(Duration::from_secs(1));
    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Imported), 1);
    assert_eq!(report.count(Outcome::Rejected), 1);
    assert_eq!(bench.reason("b.json.reason.json")["code"], "invalid-json");
}

#[tokio::test]
async fn an_unfinished_file_is_looked_at_again_when_it_is_judged() {
    let bench = Bench::new();
    bench.put("a.json", "{", 3);
    let mut importer = bench.importer();
    for (left, waiting) in [(Some(5), 1), (Some(3), 1), (Some(1), 1), (None, 0)] {
        let report = importer.pass(None).await;
        let until_settled = importer.until_settled();
        assert_eq!(until_settled, left.map(Duration::from_secs));
        assert_eq!(report.count(Outcome::Waiting), waiting, "{left:?}");
        bench.later(TimeDelta::seconds(2));
        bench.elapse(Duration::from_secs(2));
    }
}

#[tokio::test]
async fn what_a_clock_told_that_was_not_set_expires_as_if_it_were_new() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let path = bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.put("b.json", "{", 60);
    let rejected = bench.folder.path().join("rejected/b.json");
    let decades = TimeDelta::days(19_000);
    bench.later(-decades);
    bench.pass().await;
    bench.later(decades);
    // Each pass is a process of its own.
    for (days, expect) in [(0, true), (6, true), (2, false)] {
        bench.later(TimeDelta::days(days));
        bench.pass().await;
        assert_eq!(
            (exists(&path), exists(&rejected)),
            (expect, expect),
            "{days}"
        );
    }
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_lets_nothing_expire_for_a_day() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let path = bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.put("b.json", "{", 60);
    let rejected = bench.folder.path().join("rejected/b.json");
    let mut importer = bench.importer();
    importer.pass(None).await;
    bench.later(TimeDelta::days(3650));
    for _ in 0..2 {
        bench.elapse(Duration::from_mins(1));
        importer.pass(None).await;
        assert!(exists(&path) && exists(&rejected));
    }
    bench.elapse(Duration::from_hours(24));
    assert_eq!(importer.pass(None).await.removed, 2);
    assert!(!exists(&path) && !exists(&rejected));
}
