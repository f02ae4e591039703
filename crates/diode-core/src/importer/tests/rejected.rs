//! Rejected files: how long they lie there, and that nobody forgets them.

use std::time::Duration;

use chrono::TimeDelta;

use super::bench::{Bench, exists};
use crate::doubles::Lines;
use crate::{AfterImport, History, Place};

const LYING: &str = "rejected files lie where they were set aside";

#[tokio::test]
async fn rejected_files_have_a_retention_of_their_own() {
    for (rejected_retention, expect) in [(None, true), (Some(30), true), (Some(20), false)] {
        let mut bench = Bench::new();
        bench.after_import = AfterImport::Keep;
        bench.rejected_retention =
            rejected_retention.map(|days: u64| Duration::from_hours(days * 24));
        bench.put("a.json", "{", 60);
        bench.pass().await;
        bench.later(TimeDelta::days(25));
        bench.pass().await;
        let lies_there = exists(&bench.folder.path().join("rejected/a.json"));
        assert_eq!(lies_there, expect, "{rejected_retention:?}");
    }
}

/// What the ledger has of a file's reason.
fn reasons(bench: &Bench) -> Vec<Option<String>> {
    let ledger = rusqlite::Connection::open(bench.state.path().join(crate::ledger::FILE_NAME));
    let ledger = ledger.unwrap();
    let mut statement = ledger
        .prepare("SELECT reason FROM files ORDER BY id")
        .unwrap();
    let reasons = statement.query_map([], |row| row.get::<_, Option<Vec<u8>>>(0));
    let text = |reason: Vec<u8>| String::from_utf8(reason).unwrap();
    reasons
        .unwrap()
        .map(|reason| reason.unwrap().map(text))
        .collect()
}

#[tokio::test]
async fn a_reason_is_known_for_90_days_although_its_file_is_gone() {
    for taken_away in [true, false] {
        let mut bench = Bench::new();
        bench.rejected_retention = (!taken_away).then_some(Duration::from_hours(24));
        bench.put("a.json", "{", 60);
        bench.pass().await;
        let rejected = bench.folder.path().join("rejected");
        if taken_away {
            std::fs::remove_dir_all(&rejected).unwrap();
        }
        bench.later(TimeDelta::days(50));
        bench.pass().await;
        assert!(!exists(&rejected.join("a.json")));
        let history = History::open(bench.state.path()).unwrap();
        let entry = history.entries(1).unwrap().remove(0);
        assert_eq!((entry.place, entry.moved_to), (Place::Gone, None));
        let [Some(reason)] = &reasons(&bench)[..] else {
            panic!("{:?}", reasons(&bench))
        };
        assert!(reason.contains("invalid-json"), "{reason}");
        bench.later(TimeDelta::days(41));
        bench.pass().await;
        assert_eq!(reasons(&bench), [], "{taken_away}");
    }
}

#[tokio::test]
async fn a_reason_is_known_for_as_long_as_its_file_lies_there() {
    let mut bench = Bench::new();
    bench.rejected_retention = None;
    bench.put("a.json", "{", 60);
    for _ in 0..2 {
        bench.pass().await;
        bench.later(TimeDelta::days(100));
    }
    assert!(reasons(&bench)[0].is_some());
    let history = History::open(bench.state.path()).unwrap();
    assert_eq!(history.entries(1).unwrap()[0].place, Place::SetAside);
}

#[tokio::test]
async fn what_was_set_aside_is_told_once_a_week_whatever_is_restarted() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut bench = Bench::new();
    bench.rejected_retention = None;
    let passes = |later: TimeDelta| {
        let (bench, lines) = (&bench, &lines);
        // Each pass is a process of its own.
        async move {
            bench.later(later);
            let before = lines.with(LYING).len();
            bench.pass().await;
            lines.with(LYING).split_off(before)
        }
    };
    let folder = bench.folder.path();
    assert_eq!(passes(TimeDelta::zero()).await, [""; 0], "there is nothing");
    for (name, content) in [("a.json", "{"), ("b.json", "[[")] {
        bench.put(name, content, 60);
    }
    assert_eq!(
        passes(TimeDelta::zero()).await,
        [""; 0],
        "each was told of just now"
    );
    assert_eq!(passes(TimeDelta::days(6)).await, [""; 0]);
    let [line] = &passes(TimeDelta::days(1)).await[..] else {
        panic!("{lines:?}")
    };
    assert!(
        line.contains("WARN") && line.contains("files=2 bytes=3"),
        "{line}"
    );
    assert_eq!(passes(TimeDelta::days(6)).await, [""; 0]);
    assert_eq!(passes(TimeDelta::days(1)).await.len(), 1);
    assert_eq!(
        passes(TimeDelta::days(-3000)).await.len(),
        1,
        "the clock was set back"
    );
    assert_eq!(passes(TimeDelta::days(1)).await, [""; 0]);
    std::fs::remove_dir_all(folder.join("rejected")).unwrap();
    assert_eq!(
        passes(TimeDelta::days(8)).await,
        [""; 0],
        "there is nothing any more"
    );
}
