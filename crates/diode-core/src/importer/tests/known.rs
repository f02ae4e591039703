//! The same content again.

use std::time::Duration;

use chrono::TimeDelta;

use super::bench::{Bench, QueueFault, envelope, exists, identity};
use crate::doubles::Lines;
use crate::{AfterImport, Code, History, Outcome, StandIn};

const HOUR: TimeDelta = TimeDelta::hours(1);

fn content() -> String {
    envelope("c", &[identity("a"), identity("b")])
}

/// A bench on which content is not sent again within a day.
fn skipping() -> Bench {
    let mut bench = Bench::new();
    bench.skip_known = Some(Duration::from_hours(24));
    bench
}

/// Case `same-file-again`.
#[tokio::test]
async fn the_same_content_is_sent_again_and_the_line_says_so() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    for _ in 0..3 {
        bench.put("feed-1.json", &content(), 60);
        bench.pass().await;
        bench.later(HOUR);
    }
    assert_eq!(bench.published(), ["publish c 2"; 3]);
    let said = lines.with("file imported");
    assert!(!said[0].contains("same"), "{said:?}");
    let first = bench.now.lock().unwrap().to_owned() - HOUR * 3;
    for (line, at) in said[1..].iter().zip([first, first + HOUR]) {
        let at = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let words = format!("file imported: same content as feed-1.json, imported at {at}");
        assert!(line.contains(&words), "{line}");
        assert!(line.contains("same_as=\"feed-1.json\""), "{line}");
        assert!(line.contains(&format!("imported_at={at:?}")), "{line}");
    }
}

#[tokio::test]
async fn the_same_content_twice_in_one_pass_is_told() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    bench.put("a.json", &content(), 60);
    bench.put("b.json", &content(), 50);
    bench.pass().await;
    assert_eq!(lines.with("same content as a.json, imported at").len(), 1);
    assert_eq!(bench.published().len(), 2);
}

#[tokio::test]
async fn content_that_was_imported_lately_is_not_sent_again() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = skipping();
    bench.put("a.json", &content(), 60);
    bench.pass().await;
    for (later, published) in [(HOUR, 0), (HOUR * 22, 0), (HOUR, 1), (HOUR * 23, 0)] {
        bench.published();
        bench.later(later);
        let path = bench.put("b.json", &content(), 60);
        let report = bench.pass().await;
        assert_eq!(bench.published().len(), published, "{later}");
        assert_eq!(report.count(Outcome::Imported), 1);
        assert_eq!(report.messages, published * 2);
        assert!(!exists(&path), "it is deleted as an imported one");
    }
    let said = lines.with("file not sent again: same content as a.json, imported at");
    assert_eq!(said.len(), 2, "{lines:?}");
    assert!(said[0].starts_with("INFO"), "{said:?}");
    let entry = History::open(bench.state.path())
        .unwrap()
        .entries(1)
        .unwrap();
    assert_eq!(
        entry[0].code.as_deref(),
        Some(Code::AlreadyImported.as_str())
    );
}

#[tokio::test]
async fn a_copy_that_comes_with_its_original_is_not_sent_either() {
    let bench = skipping();
    for (name, age) in [("a.json", 60), ("b.json", 50), ("c.json", 40)] {
        bench.put(name, &content(), age);
    }
    bench.put("d.json", &envelope("c", &[identity("d")]), 30);
    let report = bench.pass().await;
    assert_eq!(bench.published(), ["publish c 2", "publish c 1"]);
    assert_eq!((report.count(Outcome::Imported), report.messages), (4, 3));
}

#[tokio::test]
async fn a_copy_waits_with_an_original_that_could_not_be_sent() {
    use opencti_client::DeliveryErrorKind::Unavailable;
    let bench = skipping();
    let paths =
        [("a.json", 60), ("b.json", 50)].map(|(name, age)| bench.put(name, &content(), age));
    bench.queue_fault(QueueFault::Fail(Unavailable, 0));
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Imported), 0);
    assert!(paths.iter().all(|path| exists(path)));
    bench.published();
    bench.pass().await;
    assert_eq!(bench.published(), ["publish c 2"]);
    assert!(!paths.iter().any(|path| exists(path)));
}

#[tokio::test]
async fn what_was_imported_in_part_is_sent_again() {
    let bench = skipping();
    let content = envelope(
        "c",
        &[identity("a"), serde_json::json!({"type": "identity"})],
    );
    for name in ["a.json", "b.json"] {
        bench.put(name, &content, 60);
        assert_eq!(bench.pass().await.count(Outcome::Partial), 1);
    }
    assert_eq!(bench.published(), ["publish c 1"; 2]);
}

#[tokio::test]
async fn a_reset_lets_the_same_content_be_sent_again() {
    let bench = skipping();
    bench.put("a.json", &content(), 60);
    bench.pass().await;
    bench.later(HOUR);
    bench.importer().forget().unwrap();
    bench.later(HOUR);
    bench.put("b.json", &content(), 60);
    bench.pass().await;
    assert_eq!(bench.published(), ["publish c 2"; 2]);
}

#[tokio::test]
async fn content_that_would_go_in_under_another_user_is_sent_again() {
    let mut bench = skipping();
    let content = content().replace("there", "nobody");
    bench.put("a.json", &content, 60);
    bench.pass().await;
    bench.stand_in = StandIn::User("somebody".into());
    for (name, published) in [("b.json", 2), ("c.json", 2)] {
        bench.put(name, &content, 60);
        bench.pass().await;
        let diary = bench.diary.lock().unwrap();
        let sent = diary.iter().filter(|line| line.starts_with("publish"));
        assert_eq!(sent.count(), published, "{name}");
    }
}

#[tokio::test]
async fn what_is_kept_is_skipped_where_it_came_back() {
    let mut bench = skipping();
    bench.after_import = AfterImport::Keep;
    let path = bench.put("a.json", &content(), 60);
    bench.pass().await;
    std::fs::remove_file(&path).unwrap();
    bench.pass().await;
    bench.put("a.json", &content(), 5);
    bench.pass().await;
    bench.pass().await;
    assert_eq!(bench.published(), ["publish c 2"]);
    assert!(exists(&path), "kept as an imported one");
    let history = History::open(bench.state.path()).unwrap();
    assert_eq!(history.entries(9).unwrap().len(), 2);
}

#[tokio::test]
async fn the_user_in_whose_name_a_file_went_in_is_noted() {
    let bench = Bench::new();
    bench.put("a.json", &content(), 60);
    bench.put("b.json", &content().replace("there", "nobody"), 50);
    bench.put("c.json", "{", 40);
    bench.pass().await;
    let history = History::open(bench.state.path()).unwrap();
    let users: Vec<_> = history.entries(9).unwrap();
    let users = users.into_iter().map(|entry| (entry.file, entry.user_id));
    let mut users: Vec<_> = users.collect();
    users.sort();
    let expect = [("a.json", Some("here")), ("b.json", None), ("c.json", None)];
    let expect = expect.map(|(file, user)| (file.to_owned(), user.map(str::to_owned)));
    assert_eq!(users, expect);
}
