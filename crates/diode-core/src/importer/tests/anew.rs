//! Files that are written anew, and looked at before that is done.

use chrono::TimeDelta;

use super::bench::{Bench, envelope, identity};
use crate::{AfterImport, History, Outcome};

/// What the ledger has of the only name, the newest first.
fn rows(bench: &Bench) -> Vec<(String, i64)> {
    let history = History::open(bench.state.path()).unwrap();
    let entries = history.entries(10).unwrap().into_iter();
    entries
        .map(|entry| (entry.outcome, entry.messages))
        .collect()
}

fn row(outcome: Outcome, messages: i64) -> (String, i64) {
    (outcome.as_str().to_owned(), messages)
}

#[tokio::test]
async fn a_look_before_a_file_is_written_anew_does_not_send_it_again() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let content = envelope("c", &[identity("a")]);
    bench.put("a.json", &content, 60);
    let mut importer = bench.importer();
    importer.pass(None).await;
    assert_eq!(bench.published(), ["publish c 1"]);
    for (name, part, growing) in [
        ("a part of it is there", &content[..50], false),
        ("nothing is there", "", false),
        ("it changes while it is read", &content[..], true),
    ] {
        bench.put("a.json", part, 2);
        *bench.source.growing.lock().unwrap() = growing;
        assert_eq!(
            importer.pass(None).await.count(Outcome::Waiting),
            1,
            "{name}"
        );
        assert_eq!(rows(&bench), [row(Outcome::Imported, 1)], "{name}");
        *bench.source.growing.lock().unwrap() = false;
        bench.put("a.json", &content, 1);
        assert!(!importer.pass(None).await.is_eventful(), "{name}");
        assert_eq!(bench.published(), Vec::<String>::new(), "{name}");
    }
}

#[tokio::test]
async fn what_takes_the_place_of_an_imported_file_is_judged_and_the_history_stays() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.pass().await;
    bench.put("a.json", "{", 1);
    bench.pass().await;
    bench.later(TimeDelta::seconds(6));
    assert_eq!(bench.pass().await.count(Outcome::Rejected), 1);
    let expect = [row(Outcome::Rejected, 0), row(Outcome::Imported, 1)];
    assert_eq!(rows(&bench), expect);
}

#[tokio::test]
async fn a_file_that_came_back_is_imported_again_though_it_could_not_be_read_at_first() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let content = envelope("c", &[identity("a")]);
    let path = bench.put("a.json", &content, 60);
    bench.pass().await;
    std::fs::remove_file(path).unwrap();
    bench.pass().await;
    bench.put("a.json", &content[..50], 2);
    bench.pass().await;
    bench.put("a.json", &content, 1);
    bench.pass().await;
    assert_eq!(bench.published(), ["publish c 1", "publish c 1"]);
}
