//! The contract of [`Source`] as functions that check it on any implementation.
//!
//! An implementation gives a [`Harness`], and calls [`check_contract`] in a test with a function
//! that makes a fresh one. Every function here panics where the contract is broken.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a broken contract fails the test"
)]

use std::future::Future;
use std::slice;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Entry, Location, Position, REASON_SUFFIX, ReadError, Removal, Source, Wanted};

/// A source with nothing in it yet, and another way to what it holds.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The source.
    fn source(&self) -> &dyn Source;

    /// Names of files that may wait beside the others, but which no listing shows.
    fn unlisted(&self) -> &[&'static str];

    /// Puts a file, replacing the one of that name, whose modification the source tells as later
    /// than that of any file put before.
    async fn put(&self, name: &str, content: &[u8]);

    /// The content of a file that waits in the source, if there is one of that name.
    async fn waiting(&self, name: &str) -> Option<Vec<u8>>;

    /// Removes a file that waits in the source.
    async fn delete(&self, name: &str);

    /// The content of what is at a place that [`Source::set_aside`] returned, or beside it.
    async fn at(&self, place: &str) -> Option<Vec<u8>>;
}

/// Checks the whole contract, each part of it on a fresh harness.
pub async fn check_contract<H, F>(fresh: impl Fn() -> F)
where
    H: Harness,
    F: Future<Output = H>,
{
    lists_nothing_of_nothing(&fresh().await).await;
    lists_only_what_may_be_a_bundle(&fresh().await).await;
    lists_the_oldest_first(&fresh().await).await;
    lists_the_same_while_nothing_changes(&fresh().await).await;
    lists_only_what_is_wanted(&fresh().await).await;
    reads_up_to_the_limit(&fresh().await).await;
    reads_only_what_was_listed(&fresh().await).await;
    removes_only_what_was_listed(&fresh().await).await;
    removes_several_as_it_removes_one(&fresh().await).await;
    sets_aside_with_the_reason(&fresh().await).await;
    sets_aside_only_what_was_listed(&fresh().await).await;
    sets_aside_without_overwriting(&fresh().await).await;
    discards_what_was_set_aside(&fresh().await).await;
    lists_what_was_set_aside(&fresh().await).await;
    stays_within_the_source(&fresh().await).await;
}

/// An empty source has an empty listing.
pub async fn lists_nothing_of_nothing(harness: &dyn Harness) {
    assert_eq!(listed(harness).await, Vec::new());
}

/// A listing holds what may be a bundle, and nothing else.
pub async fn lists_only_what_may_be_a_bundle(harness: &dyn Harness) {
    let others = harness.unlisted();
    let bundles = ["01.json", "tête à tête #1 50%.json"];
    for name in others.iter().chain(&bundles) {
        harness.put(name, b"{}").await;
    }
    assert_eq!(names(&listed(harness).await), bundles);
    for name in others {
        assert!(
            harness.waiting(name).await.is_some(),
            "{name} must be left alone"
        );
    }
}

/// A listing is ordered by modification time, whatever the names.
pub async fn lists_the_oldest_first(harness: &dyn Harness) {
    for name in ["b.json", "c.json", "a.json"] {
        harness.put(name, b"{}").await;
    }
    let entries = listed(harness).await;
    assert_eq!(names(&entries), ["b.json", "c.json", "a.json"]);
    assert!(entries.is_sorted_by_key(|entry| entry.modified));
    harness.put("b.json", b"{}").await;
    assert_eq!(
        names(&listed(harness).await),
        ["c.json", "a.json", "b.json"]
    );
}

/// A file that nobody touches, but reads, keeps its identity.
pub async fn lists_the_same_while_nothing_changes(harness: &dyn Harness) {
    let entry = put(harness, "01.json", b"{}").await;
    read(harness, &entry, 2).await.expect("reading");
    assert_eq!(listed(harness).await, [entry]);
}

/// A listing has the oldest files, as many as are wanted, and those that always are.
pub async fn lists_only_what_is_wanted(harness: &dyn Harness) {
    let names = ["g.json", "f.json", "e.json", "d.json", "c.json", "b.json"];
    for name in names {
        harness.put(name, b"{}").await;
    }
    let all = harness.source().list_all().await.expect("listing");
    let last = all.iter().last().map(Position::of);
    let is_known = |location: &str| ["f.json", "b.json"].contains(&location);
    for most in 1..=5 {
        let mut wanted = Wanted::oldest(most).and_all(is_known);
        let mut found = Vec::new();
        loop {
            let listing = harness.source().list(&wanted).await.expect("listing");
            assert_eq!(listing, all.only(&wanted), "{wanted:?}");
            found.extend(listing.iter().map(|file| file.location.to_owned()));
            let Some(rest) = listing.rest() else { break };
            assert!(Some(&rest.first) < last.as_ref(), "{wanted:?}");
            wanted = wanted.starting_at(rest.first.clone());
        }
        found.retain(|name| !is_known(name));
        assert_eq!(found, ["g.json", "e.json", "d.json", "c.json"], "{most}");
    }
}

/// A file of the limit's size is read, a larger one is not, and an empty one is no exception.
pub async fn reads_up_to_the_limit(harness: &dyn Harness) {
    let entry = put(harness, "01.json", b"[1, 2]").await;
    assert_eq!(entry.size, 6);
    assert_eq!(
        read(harness, &entry, u64::MAX).await.expect("no limit"),
        "[1, 2]"
    );
    assert_eq!(
        read(harness, &entry, 7).await.expect("below the limit"),
        "[1, 2]"
    );
    assert_eq!(
        read(harness, &entry, 6).await.expect("at the limit"),
        "[1, 2]"
    );
    match read(harness, &entry, 5).await {
        Err(ReadError::TooLarge {
            location,
            size: 6,
            limit: 5,
        }) => {
            assert_eq!(location, entry.location);
        }
        other => panic!("above the limit: {other:?}"),
    }
    let empty = put(harness, "02.json", b"").await;
    assert_eq!(read(harness, &empty, 0).await.expect("an empty file"), "");
}

/// A file that was replaced, even by one as long, or that has gone is not read.
pub async fn reads_only_what_was_listed(harness: &dyn Harness) {
    let entry = put(harness, "01.json", b"[1]").await;
    let replacement = put(harness, "01.json", b"[2]").await;
    assert_ne!(
        entry, replacement,
        "a replaced file must have another identity"
    );
    match read(harness, &entry, 100).await {
        Err(ReadError::Changed { location }) => assert_eq!(location, entry.location),
        other => panic!("a replaced file: {other:?}"),
    }
    assert_eq!(
        read(harness, &replacement, 100)
            .await
            .expect("the replacement"),
        "[2]"
    );
    harness.delete("01.json").await;
    match read(harness, &replacement, 100).await {
        Err(ReadError::Gone { location }) => assert_eq!(location, entry.location),
        other => panic!("a file that has gone: {other:?}"),
    }
}

/// What becomes of several files is told for each, in their order.
pub async fn removes_several_as_it_removes_one(harness: &dyn Harness) {
    let mut entries = Vec::new();
    for name in ["a.json", "b.json", "c.json", "d.json"] {
        entries.push(put(harness, name, b"old").await);
    }
    harness.put("b.json", b"new").await;
    harness.delete("c.json").await;
    let removals = harness.source().remove_all(&entries).await;
    let removals: Vec<Removal> = removals
        .into_iter()
        .map(|removal| removal.expect("removing"))
        .collect();
    let expect = [
        Removal::Removed,
        Removal::Replaced,
        Removal::AlreadyGone,
        Removal::Removed,
    ];
    assert_eq!(removals, expect);
    assert_eq!(names(&listed(harness).await), ["b.json"]);
    assert_eq!(harness.waiting("b.json").await.expect("b.json"), b"new");
    assert!(harness.source().remove_all(&[]).await.is_empty());
}

/// A file is removed if it was listed; one that replaced it is not.
pub async fn removes_only_what_was_listed(harness: &dyn Harness) {
    let entry = put(harness, "01.json", b"[1]").await;
    let replacement = put(harness, "01.json", b"[2]").await;
    assert_eq!(remove(harness, &entry).await, Removal::Replaced);
    assert_eq!(
        harness.waiting("01.json").await.as_deref(),
        Some(&b"[2]"[..])
    );
    assert_eq!(
        listed(harness).await,
        slice::from_ref(&replacement),
        "it must keep its identity"
    );
    assert_eq!(remove(harness, &replacement).await, Removal::Removed);
    assert_eq!(harness.waiting("01.json").await, None);
    assert_eq!(remove(harness, &replacement).await, Removal::AlreadyGone);
}

/// A file that is set aside is unchanged, has its reason beside it, and is not listed any more.
pub async fn sets_aside_with_the_reason(harness: &dyn Harness) {
    let entry = put(harness, "01.json", b"not \xff JSON").await;
    let place = set_aside(harness, &entry, b"{\"code\": 1}")
        .await
        .expect("a place");
    assert!(place.ends_with("01.json"), "it keeps its name: {place}");
    assert_eq!(
        harness.at(&place).await.as_deref(),
        Some(&b"not \xff JSON"[..])
    );
    let reason = harness.at(&format!("{place}{REASON_SUFFIX}")).await;
    assert_eq!(reason.as_deref(), Some(&b"{\"code\": 1}"[..]));
    assert_eq!(harness.waiting("01.json").await, None);
    assert_eq!(listed(harness).await, Vec::new());
}

/// A file that was replaced, or has gone, is not set aside, and neither is its replacement.
pub async fn sets_aside_only_what_was_listed(harness: &dyn Harness) {
    let entry = put(harness, "01.json", b"[1]").await;
    let replacement = put(harness, "01.json", b"[2]").await;
    assert_eq!(set_aside(harness, &entry, b"{}").await, None);
    assert_eq!(listed(harness).await, slice::from_ref(&replacement));
    harness.delete("01.json").await;
    assert_eq!(set_aside(harness, &replacement, b"{}").await, None);
    let place = set_aside(harness, &put(harness, "01.json", b"[3]").await, b"{}").await;
    let place = place.expect("a place");
    assert!(
        place.ends_with("01.json"),
        "no reason was left behind to be in its way: {place}"
    );
}

/// Files of the same name that are set aside one after another are all kept, with their reasons.
pub async fn sets_aside_without_overwriting(harness: &dyn Harness) {
    let mut places = Vec::new();
    for content in [b"[1]", b"[2]", b"[3]"] {
        let entry = put(harness, "01.json", content).await;
        places.push(set_aside(harness, &entry, content).await.expect("a place"));
    }
    for (place, content) in places.iter().zip([b"[1]", b"[2]", b"[3]"]) {
        assert_eq!(
            harness.at(place).await.as_deref(),
            Some(&content[..]),
            "{place}"
        );
        let reason = format!("{place}{REASON_SUFFIX}");
        assert_eq!(
            harness.at(&reason).await.as_deref(),
            Some(&content[..]),
            "{reason}"
        );
    }
}

/// A file that was set aside is discarded with its reason, and nothing else is.
pub async fn discards_what_was_set_aside(harness: &dyn Harness) {
    let mut places = Vec::new();
    for content in [b"[1]", b"[2]"] {
        let entry = put(harness, "01.json", content).await;
        places.push(set_aside(harness, &entry, b"{}").await.expect("a place"));
    }
    let waiting = put(harness, "01.json", b"[3]").await;
    for _ in ["the first time", "once more"] {
        harness
            .source()
            .discard(&places[0])
            .await
            .expect("discarding");
        assert_eq!(harness.at(&places[0]).await, None);
        assert_eq!(
            harness.at(&format!("{}{REASON_SUFFIX}", places[0])).await,
            None
        );
        assert!(harness.at(&places[1]).await.is_some());
        assert!(
            harness
                .at(&format!("{}{REASON_SUFFIX}", places[1]))
                .await
                .is_some()
        );
    }
    let folder = places[1].trim_end_matches(|c| c != '/');
    for outside in [
        "",
        "01.json",
        "../01.json",
        folder,
        &format!("{folder}../01.json"),
    ] {
        let result = harness.source().discard(outside).await;
        assert!(result.is_err(), "{outside:?} was never set aside");
    }
    assert_eq!(listed(harness).await, [waiting]);
}

/// What was set aside is listed with its size by the place that it got, without reasons, until it is
/// discarded.
pub async fn lists_what_was_set_aside(harness: &dyn Harness) {
    assert_eq!(set_aside_files(harness).await, Vec::new());
    let mut expect = Vec::new();
    for content in ["{", "[1]"] {
        let entry = put(harness, "01.json", content.as_bytes()).await;
        let place = set_aside(harness, &entry, b"{\"reason\": 1}").await;
        expect.push((place.expect("a file that is there"), content.len() as u64));
    }
    put(harness, "02.json", b"{}").await;
    expect.sort();
    assert_eq!(set_aside_files(harness).await, expect);
    let (gone, _) = expect.remove(0);
    harness.source().discard(&gone).await.expect("discarding");
    assert_eq!(set_aside_files(harness).await, expect);
}

/// The places and sizes of what was set aside, in order.
async fn set_aside_files(harness: &dyn Harness) -> Vec<(String, u64)> {
    let listing = harness.source().list_set_aside().await.expect("listing");
    let files = listing.iter();
    let mut files: Vec<_> = files
        .map(|file| (file.location.to_owned(), file.size))
        .collect();
    files.sort();
    files
}

/// A location that leads out of the source, or that no listing shows, is nothing's.
pub async fn stays_within_the_source(harness: &dyn Harness) {
    let listed = put(harness, "01.json", b"{}").await;
    for name in harness.unlisted() {
        harness.put(name, b"{}").await;
    }
    let nowhere = [
        "./01.json",
        "../01.json",
        "/01.json",
        "",
        "..",
        ".",
        "a\0.json",
    ];
    for name in harness.unlisted().iter().chain(&nowhere) {
        let entry = Entry {
            location: Location::new(*name),
            ..listed.clone()
        };
        let read = read(harness, &entry, 100).await;
        assert!(
            matches!(read, Err(ReadError::Gone { .. })),
            "{name:?}: {read:?}"
        );
        assert_eq!(
            remove(harness, &entry).await,
            Removal::AlreadyGone,
            "{name:?}"
        );
        assert_eq!(set_aside(harness, &entry, b"{}").await, None, "{name:?}");
    }
    for name in harness.unlisted().iter().chain(&["01.json"]) {
        assert!(harness.waiting(name).await.is_some(), "{name}");
    }
}

async fn put(harness: &dyn Harness, name: &str, content: &[u8]) -> Entry {
    harness.put(name, content).await;
    let entries = listed(harness).await;
    let entry = entries
        .into_iter()
        .find(|entry| entry.location.as_str() == name);
    entry.expect("a file that was put is listed")
}

async fn listed(harness: &dyn Harness) -> Vec<Entry> {
    let listing = harness.source().list_all().await.expect("listing");
    listing.entries().collect()
}

fn names(entries: &[Entry]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| entry.location.as_str())
        .collect()
}

async fn read(harness: &dyn Harness, entry: &Entry, limit: u64) -> Result<Bytes, ReadError> {
    harness.source().read(entry, limit).await
}

async fn remove(harness: &dyn Harness, entry: &Entry) -> Removal {
    harness.source().remove(entry).await.expect("removing")
}

async fn set_aside(harness: &dyn Harness, entry: &Entry, reason: &[u8]) -> Option<String> {
    harness
        .source()
        .set_aside(entry, reason)
        .await
        .expect("setting aside")
}
