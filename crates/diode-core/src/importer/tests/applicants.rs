//! Files whose applicant no mapping names, where somebody or nobody stands in.

use super::bench::{Bench, envelope, exists, identity};
use crate::doubles::unmapped;
use crate::{History, Outcome, StandIn, Unmapped};

/// Files of a connector by its applicants: unmapped, mapped, not named, and one of another connector.
fn bench(stand_in: StandIn) -> Bench {
    let mut bench = Bench::new();
    bench.stand_in = stand_in;
    let content = envelope("c", &[identity("a")]);
    let other = envelope("d", &[identity("a")]);
    bench.put("1.json", &content.replace("there", "nobody"), 60);
    bench.put("2.json", &content, 50);
    // Too large to go with others.
    let room = " ".repeat(4 << 20);
    let unnamed = content.replace(r#""there""#, "null");
    bench.put("3.json", &format!("{unnamed}{room}"), 40);
    bench.put("4.json", &other.replace("there", "nobody"), 30);
    bench
}

#[tokio::test]
async fn the_default_applicant_stands_in_and_the_unmapped_are_named() {
    let bench = bench(StandIn::User("somebody".into()));
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Imported), 4);
    let expect = [(unmapped(""), 1), (unmapped("nobody"), 2)].into();
    assert_eq!(report.unmapped, expect);
    let messages = bench.queue.messages.lock().unwrap();
    let applicants = messages.iter().map(|message| &message["applicant_id"]);
    assert_eq!(
        applicants.collect::<Vec<_>>(),
        ["somebody", "here", "somebody", "somebody"]
    );
}

#[tokio::test]
async fn where_nobody_stands_in_files_wait_and_those_of_the_mapped_go_on() {
    let mut bench = bench(StandIn::Nobody);
    let mut importer = bench.importer();
    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Imported), 1);
    assert_eq!(report.count(Outcome::Waiting), 3);
    assert_eq!((report.undelivered, report.interruption), (0, None));
    let diary = bench.diary();
    assert!(diary.contains(&"publish c 1".to_owned()), "{diary:?}");
    let of_the_other = |line: &String| line.ends_with(" d");
    assert!(!diary.iter().any(of_the_other), "{diary:?}");
    let expect = [(unmapped(""), 1), (unmapped("nobody"), 2)].into();
    assert_eq!(report.unmapped, expect);
    assert_eq!(waiting(&bench), 3);
    assert_eq!(bench.source.reads().len(), 4);

    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Waiting), 3);
    assert_eq!(report.unmapped, [].into(), "it was said before");
    assert_eq!(bench.source.reads(), [""; 0], "nothing has changed");

    let mapped = envelope("c", &[identity("a")]);
    for (name, age) in [("5.json", 55), ("6.json", 45), ("7.json", 35)] {
        bench.put(name, &mapped, age);
    }
    bench.diary();
    assert_eq!(importer.pass(None).await.count(Outcome::Waiting), 3);
    assert_eq!(bench.source.reads(), ["5.json", "6.json", "7.json"]);
    let diary = bench.diary();
    assert!(
        diary.contains(&"expect 3".to_owned()),
        "together: {diary:?}"
    );

    bench.stand_in = StandIn::User("somebody".into());
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Imported), 3);
    assert!(!exists(&bench.folder.path().join("1.json")));
    assert_eq!(waiting(&bench), 0);
}

/// How many files the ledger says wait for a mapping.
/// The connector `d` has an entry of its own, so that none of the others is for it.
#[tokio::test]
async fn an_entry_of_a_connector_s_own_binds_who_speaks_for_it() {
    let mut bench = Bench::new();
    bench.stand_in = StandIn::Nobody;
    let own = [("robot".to_owned(), "feed".to_owned())];
    bench.own = [("d".to_owned(), own.into())].into();
    let of = |connector: &str, applicant: &str| {
        envelope(connector, &[identity("a")]).replace("there", applicant)
    };
    bench.put("1.json", &of("c", "there"), 60);
    bench.put("2.json", &of("d", "there"), 50);
    bench.put("3.json", &of("d", "robot"), 40);
    bench.put("4.json", &of("c", "robot"), 30);
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Imported), 2);
    assert_eq!(waiting(&bench), 2);
    let bound = Unmapped {
        source: "there".to_owned(),
        connector: Some("d".to_owned()),
    };
    let expect = [(unmapped("robot"), 1), (bound, 1)].into();
    assert_eq!(report.unmapped, expect);
    let messages = bench.queue.messages.lock().unwrap();
    let applicants = messages.iter().map(|message| &message["applicant_id"]);
    assert_eq!(applicants.collect::<Vec<_>>(), ["here", "feed"]);
}

fn waiting(bench: &Bench) -> usize {
    let history = History::open(bench.state.path()).unwrap();
    let entries = history.entries(100).unwrap();
    let codes = entries.into_iter().filter_map(|entry| entry.code);
    codes.filter(|code| code == "unmapped-applicant").count()
}
