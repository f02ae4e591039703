//! A pass that needs several looks at its source, because there are more new files than one shows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bundle_source::{
    Entry, Listed, Listing, ReadError, Removal, Selection, Source, SourceError, Wanted,
};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use opencti_client::ErrorClass;
use proptest::prelude::*;

use super::bench::{Bench, envelope, exists, identity};
use crate::report::{Interruption, PassReport};
use crate::{AfterImport, History, Importer, Outcome};

/// What happens between two listings.
type Meanwhile = Box<dyn FnMut(usize) -> Result<(), SourceError> + Send>;

/// A folder in which something happens before each listing, and what the listings had.
struct Lively {
    inner: Arc<dyn Source>,
    meanwhile: Mutex<Meanwhile>,
    listed: Mutex<Vec<usize>>,
}

impl std::fmt::Debug for Lively {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl Source for Lively {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn list(&self, wanted: &Wanted) -> Result<Listing, SourceError> {
        let number = self.listed.lock().unwrap().len();
        (self.meanwhile.lock().unwrap())(number)?;
        let listing = self.inner.list(wanted).await?;
        self.listed.lock().unwrap().push(listing.len());
        Ok(listing)
    }

    async fn read(&self, entry: &Entry, limit: u64) -> Result<Bytes, ReadError> {
        self.inner.read(entry, limit).await
    }

    async fn remove(&self, entry: &Entry) -> Result<Removal, SourceError> {
        self.inner.remove(entry).await
    }

    async fn set_aside(&self, entry: &Entry, reason: &[u8]) -> Result<Option<String>, SourceError> {
        self.inner.set_aside(entry, reason).await
    }

    async fn list_set_aside(&self) -> Result<Listing, SourceError> {
        self.inner.list_set_aside().await
    }

    async fn discard(&self, set_aside: &str) -> Result<(), SourceError> {
        self.inner.discard(set_aside).await
    }
}

/// An importer to whom a look shows so many new files, of a folder that was gone over before.
async fn importer(bench: &Bench, most_new: usize) -> Importer {
    bench.pass().await;
    Importer {
        most_new,
        ..bench.importer()
    }
}

/// The same, where something happens meanwhile.
async fn lively(
    bench: &Bench,
    most_new: usize,
    meanwhile: impl FnMut(usize) -> Result<(), SourceError> + Send + 'static,
) -> (Importer, Arc<Lively>) {
    let importer = importer(bench, most_new).await;
    let source = Arc::new(Lively {
        inner: Arc::clone(&importer.source),
        meanwhile: Mutex::new(Box::new(meanwhile)),
        listed: Mutex::default(),
    });
    let importer = Importer {
        source: Arc::clone(&source) as _,
        ..importer
    };
    (importer, source)
}

/// Puts files of these connectors, the oldest first.
fn put(bench: &Bench, connectors: &str) {
    for (number, connector) in connectors.chars().enumerate() {
        let name = format!("{}.json", 100 - number);
        let content = envelope(&connector.to_string(), &[identity("x")]);
        bench.put(&name, &content, 1_000 - 10 * number as u64);
    }
}

/// The time of one of those files.
fn modified(bench: &Bench, number: usize) -> DateTime<Utc> {
    let path = bench.folder.path().join(format!("{number}.json"));
    path.metadata().unwrap().modified().unwrap().into()
}

fn sent_to(connectors: &str) -> Vec<String> {
    let connectors = connectors.chars();
    connectors
        .map(|connector| format!("publish {connector} 1"))
        .collect()
}

#[tokio::test]
async fn a_backlog_is_imported_in_its_order_by_one_look_after_the_other() {
    for (most_new, looks) in [(1, 7), (2, 4), (3, 3), (7, 1), (8, 1)] {
        let bench = Bench::new();
        let (mut importer, source) = lively(&bench, most_new, |_| Ok(())).await;
        put(&bench, "abacbaa");
        let report = importer.pass(None).await;
        assert_eq!(report.count(Outcome::Imported), 7);
        assert_eq!((report.untried, report.interruption), (0, None));
        // Small files go together, those of a connector in their order.
        let mut published = bench.published();
        published.sort();
        assert_eq!(published, sent_to("aaaabbc"), "{most_new}");
        let listed = source.listed.lock().unwrap();
        assert_eq!(listed.len(), looks, "{most_new}");
        assert!(listed.iter().all(|files| *files <= most_new), "{listed:?}");
    }
}

/// More new files than a look shows, which are gone when they are to be read.
#[derive(Debug, Default)]
struct Crowd {
    listed: Mutex<Vec<usize>>,
}

impl Crowd {
    const FILES: usize = 20_000;
}

#[async_trait]
impl Source for Crowd {
    fn name(&self) -> &'static str {
        "crowd"
    }

    async fn list(&self, wanted: &Wanted) -> Result<Listing, SourceError> {
        let mut selection = Selection::new(wanted);
        for number in 0..Self::FILES {
            selection.push(Listed {
                location: &number.to_string(),
                size: 1,
                modified: DateTime::UNIX_EPOCH,
                etag: None,
            });
        }
        let listing = selection.finish();
        self.listed.lock().unwrap().push(listing.len());
        Ok(listing)
    }

    async fn read(&self, entry: &Entry, _: u64) -> Result<Bytes, ReadError> {
        let location = entry.location.clone();
        Err(ReadError::Gone { location })
    }

    async fn remove(&self, _: &Entry) -> Result<Removal, SourceError> {
        unreachable!("nothing is imported")
    }

    async fn set_aside(&self, _: &Entry, _: &[u8]) -> Result<Option<String>, SourceError> {
        unreachable!("nothing is rejected")
    }

    async fn list_set_aside(&self) -> Result<Listing, SourceError> {
        Ok(Listing::default())
    }

    async fn discard(&self, _: &str) -> Result<(), SourceError> {
        unreachable!("nothing was rejected")
    }
}

#[tokio::test]
async fn a_look_shows_8192_new_files_at_most() {
    let (bench, source) = (Bench::new(), Arc::new(Crowd::default()));
    let mut importer = Importer {
        source: Arc::clone(&source) as _,
        ..bench.importer()
    };
    let report = importer.pass(None).await;
    assert_eq!((report.untried, report.interruption), (0, None));
    // The first pass of all sees whether the source can be listed.
    assert_eq!(*source.listed.lock().unwrap(), [1, 8_192, 8_192, 3_616]);
}

#[tokio::test]
async fn files_behind_one_that_waits_wait_whichever_look_shows_them() {
    let bench = Bench::new();
    let mut importer = importer(&bench, 1).await;
    put(&bench, "abaab");
    bench.fail("work a", ErrorClass::Transient, 1);
    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Waiting), 3);
    assert_eq!(bench.published(), sent_to("bb"));
    importer.pass(None).await;
    assert_eq!(bench.published(), sent_to("aaa"));
}

#[tokio::test]
async fn a_known_file_is_not_tried_before_an_older_one_that_a_look_left_out() {
    let bench = Bench::new();
    let mut importer = importer(&bench, 1).await;
    let two = envelope("a", &[identity("x"), identity("y")]);
    bench.put("known.json", &two, 10);
    bench.fail("work a", ErrorClass::Transient, 1);
    importer.pass(None).await;
    put(&bench, "bac");
    importer.pass(None).await;
    let expect = ["publish b 1", "publish a 1", "publish c 1", "publish a 2"];
    assert_eq!(bench.published(), expect);
}

#[tokio::test]
async fn a_kept_file_that_came_back_is_imported_again_whichever_look_shows_it() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let mut importer = importer(&bench, 1).await;
    let content = envelope("z", &[identity("x")]);
    let path = bench.put("known.json", &content, 60);
    importer.pass(None).await;
    std::fs::remove_file(path).unwrap();
    importer.pass(None).await;
    bench.put("known.json", &content, 10);
    put(&bench, "ab");
    importer.pass(None).await;
    assert_eq!(bench.published(), sent_to("zabz"));
}

#[tokio::test]
async fn what_is_not_come_to_is_counted_and_the_watermark_stays_below_it() {
    let bench = Bench::new();
    let mut importer = importer(&bench, 2).await;
    bench.put("known.json", &envelope("z", &[identity("x")]), 10);
    bench.fail("work z", ErrorClass::Transient, 1);
    importer.pass(None).await;
    put(&bench, "aaaaa");
    bench.stop_with("expect 2");
    let report = importer.pass(None).await;
    assert_eq!(report.interruption, Some(Interruption::Stopped));
    let done = report.count(Outcome::Imported);
    assert_eq!(done + report.untried, 6);
    assert_eq!(report.oldest_waiting, Some(modified(&bench, 100 - done)));
}

fn closed() -> SourceError {
    SourceError {
        action: "list",
        place: "the folder".into(),
        transient: true,
        read_only: false,
        source: "made to fail".into(),
    }
}

#[tokio::test]
async fn where_a_later_look_fails_the_rest_is_left_and_what_was_imported_is_gone() {
    let bench = Bench::new();
    let fails = |number| if number == 1 { Err(closed()) } else { Ok(()) };
    let (mut importer, _) = lively(&bench, 2, fails).await;
    put(&bench, "aaaaa");
    let report = importer.pass(None).await;
    assert_eq!(report.interruption, Some(Interruption::Source));
    assert_eq!((report.count(Outcome::Imported), report.untried), (2, 3));
    assert_eq!(report.oldest_waiting, Some(modified(&bench, 98)));
    for (name, is_there) in [("100", false), ("99", false), ("98", true)] {
        let path = bench.folder.path().join(format!("{name}.json"));
        assert_eq!(exists(&path), is_there, "{name}");
    }
}

#[tokio::test]
async fn what_arrives_meanwhile_is_imported_as_well_but_keeps_no_pass_from_its_end() {
    let bench = Bench::new();
    let folder = bench.folder.path().to_owned();
    let arrive = move |number: usize| {
        let path = folder.join(format!("late-{number}.json"));
        std::fs::write(path, envelope("b", &[identity("x")])).unwrap();
        Ok(())
    };
    let (mut importer, source) = lively(&bench, 1, arrive).await;
    put(&bench, "aaa");
    let report = importer.pass(None).await;
    assert_eq!(report.interruption, None);
    assert_eq!(bench.published()[..3], sent_to("aaa"));
    let looks = source.listed.lock().unwrap().len();
    // Four files at first; as many again.
    assert_eq!((looks, report.count(Outcome::Imported)), (8, 8));
    assert_eq!(report.untried, 3, "one arrived before each look");
}

#[tokio::test]
async fn what_comes_late_with_an_older_time_is_imported_by_the_next_pass() {
    let bench = Bench::new();
    let late = bench.folder.path().join("late.json");
    let arrive = move |number: usize| {
        if number == 1 {
            std::fs::write(&late, envelope("b", &[identity("x")])).unwrap();
            let file = std::fs::File::options().write(true).open(&late).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        Ok(())
    };
    let (mut importer, _) = lively(&bench, 1, arrive).await;
    put(&bench, "aac");
    importer.pass(None).await;
    assert_eq!(bench.published(), sent_to("aac"));
    importer.pass(None).await;
    assert_eq!(bench.published(), sent_to("b"));
}

#[tokio::test]
async fn an_unfinished_file_that_a_later_look_shows_is_not_judged_by_the_time_of_the_first() {
    let bench = Bench::new();
    let own_time = Arc::clone(&bench.own_time);
    let take_long = move |number: usize| {
        if number == 1 {
            *own_time.lock().unwrap() += Duration::from_mins(1);
        }
        Ok(())
    };
    let (mut importer, _) = lively(&bench, 1, take_long).await;
    put(&bench, "a");
    bench.put("growing.json", "{", 0);
    assert_eq!(importer.pass(None).await.count(Outcome::Waiting), 1);
    bench.elapse(Duration::from_secs(1));
    assert_eq!(importer.pass(None).await.count(Outcome::Waiting), 1);
    bench.elapse(Duration::from_secs(4));
    assert_eq!(importer.pass(None).await.count(Outcome::Rejected), 1);
}

/// What somebody does to the folder, or the platform, before a pass.
#[derive(Clone, Debug)]
enum Act {
    /// A file of that number and age in seconds, whose content is of that kind and connector.
    Put(u8, u64, Kind, &'static str),
    Delete(u8),
    /// A connector's queue holds so many megabytes.
    Fill(&'static str, u64),
    /// A connector's next work cannot be opened.
    Fail(&'static str),
    /// The program is started again.
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Good,
    Partial,
    Broken,
    Foreign,
}

fn act() -> impl Strategy<Value = Act> {
    let connector = || prop_oneof![Just("a"), Just("b")];
    let kind = prop_oneof![
        6 => Just(Kind::Good),
        1 => Just(Kind::Partial),
        1 => Just(Kind::Broken),
        1 => Just(Kind::Foreign),
    ];
    prop_oneof![
        8 => (0..8_u8, 0..20_u64, kind, connector()).prop_map(|(file, age, kind, connector)| {
            Act::Put(file, age, kind, connector)
        }),
        2 => (0..8_u8).prop_map(Act::Delete),
        1 => (connector(), prop_oneof![Just(0), Just(600)]).prop_map(|(c, mb)| Act::Fill(c, mb)),
        1 => connector().prop_map(Act::Fail),
        1 => Just(Act::Restart),
    ]
}

/// What can be seen of a pass, and of what it left behind.
#[derive(Debug, PartialEq)]
struct Seen {
    outcomes: BTreeMap<&'static str, usize>,
    counts: [usize; 4],
    interruption: Option<Interruption>,
    times: [Option<DateTime<Utc>>; 2],
    /// The objects that were sent, by connector, in their order.
    sent: BTreeMap<String, Vec<String>>,
    rows: Vec<String>,
    files: Vec<String>,
}

/// What is seen of the passes after these acts.
async fn seen(rounds: &[Vec<Act>], after_import: AfterImport, most_new: usize) -> Vec<Seen> {
    let mut bench = Bench::new();
    bench.after_import = after_import;
    for connector in ["a", "b"] {
        bench.fill(connector, 0);
    }
    *bench.now.lock().unwrap() = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
    let start = || Importer {
        most_new,
        ..bench.importer()
    };
    let mut importer = start();
    let mut all = Vec::new();
    for round in rounds {
        for act in round {
            match act {
                Act::Put(file, age, kind, connector) => {
                    put_kind(&bench, *file, *age, *kind, connector);
                }
                Act::Delete(file) => {
                    let _ = std::fs::remove_file(bench.folder.path().join(format!("{file}.json")));
                }
                Act::Fill(connector, megabytes) => bench.fill(connector, *megabytes),
                Act::Fail(connector) => {
                    bench.fail(&format!("work {connector}"), ErrorClass::Transient, 1);
                }
                Act::Restart => importer = start(),
            }
        }
        let report = importer.pass(None).await;
        all.push(look_at(&bench, &report));
        bench.later(TimeDelta::seconds(12));
        bench.elapse(Duration::from_secs(12));
    }
    all
}

fn put_kind(bench: &Bench, file: u8, age: u64, kind: Kind, connector: &str) {
    // The same again, now and then.
    let good = envelope(connector, &[identity(&format!("{file}-{}", age % 3))]);
    let content = match kind {
        Kind::Good => good,
        Kind::Partial => good.replace("[{", "[1, {"),
        Kind::Broken => good[..50].to_owned(),
        Kind::Foreign => "{}".to_owned(),
    };
    let path = bench.put(&format!("{file}.json"), &content, 0);
    let time = SystemTime::from(*bench.now.lock().unwrap()) - Duration::from_secs(age);
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

fn look_at(bench: &Bench, report: &PassReport) -> Seen {
    let mut sent = BTreeMap::<String, Vec<String>>::new();
    for message in bench.queue.messages.lock().unwrap().drain(..) {
        let connector = message["routing_key"].to_string();
        let object = message["bundle"]["objects"][0]["name"].to_string();
        sent.entry(connector).or_default().push(object);
    }
    let history = History::open(bench.state.path())
        .unwrap()
        .entries(1_000)
        .unwrap();
    let mut rows: Vec<String> = history
        .into_iter()
        .map(|row| {
            format!(
                "{} {} {:?} {:?}",
                row.file, row.outcome, row.code, row.place
            )
        })
        .collect();
    rows.sort();
    let names = |folder: &str| {
        let names = std::fs::read_dir(bench.folder.path().join(folder));
        let names = names.into_iter().flatten();
        names.map(move |name| name.unwrap().path().display().to_string())
    };
    let here = bench.folder.path().display().to_string();
    let mut files: Vec<String> = names("").chain(names("rejected")).collect();
    for file in &mut files {
        *file = file.replace(&here, "");
    }
    files.sort();
    Seen {
        outcomes: report.outcomes.clone(),
        counts: [
            report.untried,
            report.removed,
            report.messages,
            report.undelivered,
        ],
        interruption: report.interruption,
        times: [report.done, report.oldest_waiting],
        sent,
        rows,
        files,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_becomes_of_files_does_not_depend_on_how_many_a_look_shows(
        rounds in proptest::collection::vec(proptest::collection::vec(act(), 0..8), 1..5),
        keep in any::<bool>(),
        most_new in 1..4_usize,
    ) {
        let after_import = if keep { AfterImport::Keep } else { AfterImport::Delete };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (many, few) = runtime.block_on(async {
            let many = seen(&rounds, after_import, usize::MAX).await;
            (many, seen(&rounds, after_import, most_new).await)
        });
        prop_assert_eq!(many, few);
    }
}
