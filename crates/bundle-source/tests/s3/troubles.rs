//! What somebody must mend: one clear line each.

use std::error::Error;

use bundle_source::{
    Entry, Removal, S3Config, S3Keys, S3Patience, S3Permission, S3Setting, S3Source, Source,
    SourceError, Wanted,
};
use http::Method;

use crate::bucket::{Bucket, cause, entry, listed};

/// Lists with `config`, which fails for good.
async fn check(config: S3Config, expect: &str, setting: Option<S3Setting>) {
    let source = S3Source::new(&config).unwrap();
    let error = source.list_all().await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot list {}", source.name()));
    assert_eq!(cause(&error).to_string(), expect);
    assert_eq!(cause(&error).setting(), setting);
    assert!(!error.transient, "{error:?}");
}

#[tokio::test]
async fn wrong_credentials_and_a_missing_bucket() {
    let bucket = Bucket::new().await;
    let right = bucket.config("in");
    let keys = right.keys.clone().unwrap();
    let with_keys = |keys| S3Config {
        keys: Some(keys),
        ..right.clone()
    };
    let wrong_secret = S3Keys {
        secret_key: "wrong".into(),
        ..keys.clone()
    };
    let expect = "the secret key is not that of the access key";
    check(with_keys(wrong_secret), expect, Some(S3Setting::SecretKey)).await;
    let unknown = S3Keys {
        access_key: "NOBODY".into(),
        ..keys
    };
    let expect = "the store does not know the access key";
    check(with_keys(unknown), expect, Some(S3Setting::AccessKey)).await;
    let missing = Bucket::named("missing").config("in");
    let expect = "the bucket does not exist";
    check(missing, expect, Some(S3Setting::Bucket)).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_reached() {
    let bucket = Bucket::named("any");
    let source = S3Source::new(&S3Config {
        // Nobody listens there.
        endpoint: Some("127.0.0.1:1".into()),
        patience: S3Patience {
            retries: 1,
            ..S3Patience::default()
        },
        ..bucket.config("in")
    });
    let error = source.unwrap().list_all().await.unwrap_err();
    assert_eq!(cause(&error).to_string(), "cannot connect to the store");
    let why = cause(&error).source().expect("it is known why");
    assert!(why.to_string().contains("refused"), "{why}");
    assert!(why.source().is_none(), "all is said once: {why}");
    assert_eq!(cause(&error).setting(), Some(S3Setting::Endpoint));
    assert!(error.transient);
}

#[tokio::test]
async fn a_key_that_may_only_read() {
    let bucket = Bucket::new().await;
    let source = bucket.source("in");
    bucket.put("in/01.json", b"[1]").await;
    let found = entry(&source, "01.json").await;
    deny(&bucket, &["s3:PutObject", "s3:DeleteObject"], "").await;
    assert_eq!(source.read(&found, 100).await.unwrap(), "[1]");
    let check = |error: SourceError, what: &str, permission: S3Permission| {
        let place = format!("s3://{}/in/01.json", bucket.name);
        assert_eq!(error.to_string(), format!("cannot {what} {place}"));
        let cause = cause(&error).to_string();
        let expect = format!("the access key is not permitted to {permission} here");
        assert_eq!(cause, expect);
        assert!(
            !error.transient && !error.read_only,
            "it may be about this one"
        );
    };
    let error = source.remove(&found).await.unwrap_err();
    check(error, "remove", S3Permission::Delete);
    let error = source.set_aside(&found, b"{}").await.unwrap_err();
    check(error, "set aside", S3Permission::Write);
    assert_eq!(bucket.keys().await, ["in/01.json"]);
    assert!(source.list_all().await.unwrap().entries().eq([found]));
}

/// The original cannot be deleted: there is one copy of it, however often that is tried.
#[tokio::test]
async fn a_key_that_may_not_delete() {
    let bucket = Bucket::new().await;
    let source = bucket.source("in");
    bucket.put("in/01.json", b"[1]").await;
    let found = entry(&source, "01.json").await;
    deny(&bucket, &["s3:DeleteObject"], "").await;
    let everything = [
        "in/01.json",
        "in/rejected/01.json",
        "in/rejected/01.json.reason.json",
    ];
    for _ in 0..3 {
        let error = source.set_aside(&found, b"{}").await.unwrap_err();
        assert!(!error.transient, "{error:?}");
        assert_eq!(bucket.keys().await, everything);
    }
    bucket.send(Method::DELETE, "", "policy", &[], b"").await;
    let place = source.set_aside(&found, b"{}").await.unwrap();
    assert_eq!(place.as_deref(), Some("in/rejected/01.json"));
    assert_eq!(bucket.keys().await, everything[1..]);
    assert_eq!(listed(&source).await, [""; 0]);
}

/// One warning and few requests in vain, however many files there are.
#[tokio::test]
async fn two_objects_that_are_denied_make_a_bucket_read_only() {
    let (bucket, source, found) = three_files().await;
    deny(&bucket, &["s3:PutObject", "s3:DeleteObject"], "").await;
    let check = async |expect: [bool; 2]| {
        let removals = source.remove_all(&found).await;
        let read_only = removals.iter().filter_map(|removal| removal.as_ref().err());
        let read_only: Vec<bool> = read_only.map(|error| error.read_only).collect();
        assert_eq!(read_only, expect, "{removals:?}");
        for (entry, expect) in found.iter().zip(expect) {
            let error = source.set_aside(entry, b"{}").await.unwrap_err();
            assert_eq!(error.read_only, expect, "{error:?}");
        }
    };
    check([false, true]).await;
    listed(&source).await;
    // The first is asked for again, and is no news.
    let removals = source.remove_all(&found).await;
    assert!(!removals[0].as_ref().unwrap_err().read_only, "{removals:?}");
    assert!(removals.last().unwrap().as_ref().unwrap_err().read_only);
    let error = source.set_aside(&found[0], b"{}").await.unwrap_err();
    assert!(error.read_only, "{error:?}");
    assert_eq!(bucket.keys().await.len(), 3);

    // Two passes: what holds for one need not hold for all.
    bucket.send(Method::DELETE, "", "policy", &[], b"").await;
    listed(&source).await;
    source.remove_all(&found).await;
    listed(&source).await;
    source.remove_all(&found).await;
    assert_eq!(bucket.keys().await, [""; 0]);
}

#[tokio::test]
async fn an_object_that_is_denied_keeps_no_other_from_leaving() {
    let (bucket, source, found) = three_files().await;
    deny(&bucket, &["s3:DeleteObject"], "in/01.json").await;
    let removals = source.remove_all(&found[..2]).await;
    let error = removals[0].as_ref().unwrap_err();
    assert!(!error.read_only, "{error:?}");
    assert!(matches!(removals[1], Ok(Removal::Removed)), "{removals:?}");
    let error = source.set_aside(&found[0], b"{}").await.unwrap_err();
    assert!(!error.read_only, "{error:?}");
    let place = source.set_aside(&found[2], b"{}").await.unwrap();
    assert_eq!(place.as_deref(), Some("in/rejected/03.json"));
    assert_eq!(listed(&source).await, ["01.json"]);
    let error = source.remove(&found[0]).await.unwrap_err();
    assert!(!error.read_only && !error.transient, "{error:?}");
}

/// Whose turn it is to be asked for again is a matter of passes, not of looks.
#[tokio::test]
async fn a_pass_of_several_listings_gives_a_turn_to_one_denied_object() {
    let (bucket, source, found) = three_files().await;
    deny(&bucket, &["s3:DeleteObject"], "").await;
    for entry in &found[..2] {
        source.remove(entry).await.unwrap_err();
    }
    bucket.send(Method::DELETE, "", "policy", &[], b"").await;
    bucket.put("in/04.json", b"[1]").await;
    let wanted = Wanted::oldest(1).and_all(|location| location < "03.json");
    let listing = source.list(&wanted).await.unwrap();
    let rest = listing.rest().unwrap().first.clone();
    source.list(&wanted.starting_at(rest)).await.unwrap();
    assert_eq!(source.remove(&found[0]).await.unwrap(), Removal::Removed);
}

async fn three_files() -> (Bucket, S3Source, Vec<Entry>) {
    let bucket = Bucket::new().await;
    let source = bucket.source("in");
    let mut found = Vec::new();
    for location in ["01.json", "02.json", "03.json"] {
        bucket.put(&format!("in/{location}"), b"[1]").await;
        found.push(entry(&source, location).await);
    }
    (bucket, source, found)
}

/// Forbids everybody some actions on an object, or on all.
async fn deny(bucket: &Bucket, actions: &[&str], key: &str) {
    let key = if key.is_empty() { "*" } else { key };
    let name = &bucket.name;
    let actions = actions.join("\", \"");
    let policy = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Deny", "Principal": "*",
            "Action": ["{actions}"], "Resource": "arn:aws:s3:::{name}/{key}"}}]}}"#
    );
    bucket
        .send(Method::PUT, "", "policy", &[], policy.as_bytes())
        .await;
}
