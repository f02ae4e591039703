//! Which objects are listed, and that each is reached by its very key.

use bundle_source::{Removal, Source};
use futures::{StreamExt, stream};

use crate::bucket::{Bucket, entry, listed};

const STRANGE: [&str; 14] = [
    "a b.json",
    " a.json",
    "a .json",
    "a+b.json",
    "a%2Bb.json",
    "a%20b.json",
    "%.json",
    "tête à tête.json",
    "日本.json",
    "a&b=c?d#e.json",
    "a'\"<>\\:@!$*(),;~.json",
    "x//y.json",
    "/z.json",
    "deep/er/and/deeper.json",
];

#[tokio::test]
async fn strange_keys_are_reached() {
    let bucket = Bucket::new().await;
    let source = bucket.source("in put");
    for location in STRANGE {
        bucket
            .put(&format!("in put/{location}"), location.as_bytes())
            .await;
    }
    let mut expect = STRANGE.map(ToOwned::to_owned);
    let mut found = listed(&source).await;
    expect.sort();
    found.sort();
    assert_eq!(found, expect);
    for location in STRANGE {
        let key = format!("in put/{location}");
        let found = entry(&source, location).await;
        let content = source.read(&found, 100).await.unwrap();
        assert_eq!(content, location, "{location:?}");
        let place = source.set_aside(&found, b"{}").await.unwrap().unwrap();
        assert_eq!(place, format!("in put/rejected/{location}"));
        assert_eq!(bucket.get(&key).await, None, "{key:?} has moved");
        assert_eq!(bucket.get(&place).await.unwrap(), location.as_bytes());
        source.discard(&place).await.unwrap();
        assert_eq!(bucket.get(&place).await, None, "{place:?} was discarded");
        bucket.put(&key, b"{}").await;
        let found = entry(&source, location).await;
        assert_eq!(source.remove(&found).await.unwrap(), Removal::Removed);
        assert_eq!(bucket.get(&key).await, None, "{key:?} was removed");
    }
    assert_eq!(bucket.keys().await, [""; 0]);
}

/// Any of these keys would fail or falsify a listing by `object_store`.
#[tokio::test]
async fn hostile_keys_spoil_nothing() {
    let bucket = Bucket::new().await;
    let source = bucket.source("in");
    let hostile = [
        "in/01.json/",
        "in/\u{1}.json",
        "in/\n.json",
        "in/",
        "in/sub/",
    ];
    for key in hostile {
        bucket.put(key, b"[1]").await;
    }
    bucket.put("in/01.json", b"[2]").await;
    assert_eq!(listed(&source).await, ["01.json"]);
    let found = entry(&source, "01.json").await;
    assert_eq!(source.remove(&found).await.unwrap(), Removal::Removed);
    for key in hostile {
        assert!(bucket.get(key).await.is_some(), "{key:?} must stay");
    }
}

#[tokio::test]
async fn foreign_objects_beside_a_whole_bucket_s_are_left_alone() {
    let bucket = Bucket::new().await;
    let source = bucket.source("/");
    let foreign = ["import/global/a.pdf", "x.json.bak", "rejected/old.json"];
    for key in foreign {
        bucket.put(key, key.as_bytes()).await;
    }
    bucket.put("a/01.json", b"{}").await;
    bucket.put("02.json", b"{}").await;
    assert_eq!(listed(&source).await, ["a/01.json", "02.json"]);
    let found = entry(&source, "a/01.json").await;
    let place = source.set_aside(&found, b"{}").await.unwrap().unwrap();
    assert_eq!(place, "rejected/a/01.json");
    assert_eq!(listed(&source).await, ["02.json"]);
    for key in foreign {
        assert_eq!(bucket.get(key).await.unwrap(), key.as_bytes());
    }
}

/// With `/in`, OpenCTI's exporter puts `/in/…`, and the Python connector reads `in/…`.
#[tokio::test]
async fn what_either_writes_into_a_folder_with_a_slash_is_found() {
    let bucket = Bucket::new().await;
    let source = bucket.source("/in");
    assert_eq!(source.name(), format!("s3://{}/in", bucket.name));
    let put = async || {
        for key in ["in/01.json", "/in/01.json"] {
            bucket.put(key, key.as_bytes()).await;
        }
    };
    put().await;
    for key in ["/in/rejected/01.json", "/out/01.json", "in//in/01.json"] {
        bucket.put(key, b"{}").await;
    }
    let mut found = listed(&source).await;
    found.sort();
    assert_eq!(found, ["/in/01.json", "01.json"]);
    for (location, key, place) in [
        ("01.json", "in/01.json", "in/rejected/01.json"),
        ("/in/01.json", "/in/01.json", "in/rejected/01.1.json"),
    ] {
        let found = entry(&source, location).await;
        assert_eq!(source.read(&found, 100).await.unwrap(), key);
        let set_aside = source.set_aside(&found, b"{}").await.unwrap();
        assert_eq!(set_aside.as_deref(), Some(place));
        assert_eq!(bucket.get(place).await.unwrap(), key.as_bytes());
        assert_eq!(bucket.get(key).await, None);
    }
    put().await;
    let found = entry(&source, "/in/01.json").await;
    assert_eq!(source.remove(&found).await.unwrap(), Removal::Removed);
    assert_eq!(listed(&source).await, ["01.json"]);
    for kept in ["/in/rejected/01.json", "/out/01.json", "in//in/01.json"] {
        assert!(bucket.get(kept).await.is_some(), "{kept}");
    }
}

/// A folder's name is no prefix of another's.
#[tokio::test]
async fn only_the_folder_is_listed() {
    let bucket = Bucket::new().await;
    for key in ["in.json", "inn/01.json", "in/02.json", "out/03.json"] {
        bucket.put(key, b"{}").await;
    }
    assert_eq!(listed(&bucket.source("in")).await, ["02.json"]);
}

#[tokio::test]
async fn every_page_is_listed() {
    const COUNT: usize = 2_500;
    let bucket = Bucket::new().await;
    stream::iter(0..COUNT)
        .for_each_concurrent(32, |number| {
            let bucket = &bucket;
            async move { bucket.put(&format!("in/{number:04}.json"), b"{}").await }
        })
        .await;
    let entries: Vec<_> = bucket
        .source("in")
        .list_all()
        .await
        .unwrap()
        .entries()
        .collect();
    assert!(entries.is_sorted_by_key(|entry| (entry.modified, entry.location.clone())));
    let mut locations: Vec<_> = entries.iter().map(|e| e.location.to_string()).collect();
    locations.sort();
    let expect: Vec<_> = (0..COUNT)
        .map(|number| format!("{number:04}.json"))
        .collect();
    assert_eq!(locations, expect);
}
