//! Versioned buckets, and objects that were put in parts.

use bundle_source::{ReadError, Removal, Source};
use http::Method;

use crate::bucket::{Bucket, entry, listed};

#[tokio::test]
async fn a_versioned_bucket_is_as_any_other() {
    let bucket = Bucket::new().await;
    let enable = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    bucket
        .send(Method::PUT, "", "versioning", &[], enable)
        .await;
    let source = bucket.source("in");
    bucket.put("in/01.json", b"[1]").await;
    let first = entry(&source, "01.json").await;
    bucket.put("in/01.json", b"[2]").await;
    let second = entry(&source, "01.json").await;
    let refused = source.read(&first, 100).await.unwrap_err();
    assert!(matches!(refused, ReadError::Changed { .. }), "{refused:?}");
    assert_eq!(source.remove(&first).await.unwrap(), Removal::Replaced);
    assert_eq!(source.read(&second, 100).await.unwrap(), "[2]");
    assert_eq!(source.remove(&second).await.unwrap(), Removal::Removed);
    assert_eq!(source.remove(&second).await.unwrap(), Removal::AlreadyGone);
    assert_eq!(listed(&source).await, [""; 0]);
    let refused = source.read(&second, 100).await.unwrap_err();
    assert!(matches!(refused, ReadError::Gone { .. }), "{refused:?}");
    bucket.put("in/01.json", b"[3]").await;
    let third = entry(&source, "01.json").await;
    let place = source.set_aside(&third, b"{}").await.unwrap().unwrap();
    assert_eq!(bucket.get(&place).await.unwrap(), b"[3]");
    assert_eq!(listed(&source).await, [""; 0]);
}

#[tokio::test]
async fn an_object_put_in_parts_is_as_any_other() {
    let bucket = Bucket::new().await;
    let source = bucket.source("in");
    let parts = [vec![b' '; 5 << 20], b"{}".to_vec()];
    put_in_parts(&bucket, "in/01.json", &parts).await;
    let found = entry(&source, "01.json").await;
    let etag = found.etag.as_deref().unwrap();
    assert!(
        etag.ends_with("-2"),
        "it is no digest of the content: {etag}"
    );
    assert_eq!(source.read(&found, u64::MAX).await.unwrap(), parts.concat());
    let place = source.set_aside(&found, b"{}").await.unwrap().unwrap();
    assert_eq!(bucket.get(&place).await.unwrap(), parts.concat());
    assert_eq!(listed(&source).await, [""; 0]);
    put_in_parts(&bucket, "in/01.json", &parts).await;
    let found = entry(&source, "01.json").await;
    assert_eq!(source.remove(&found).await.unwrap(), Removal::Removed);
}

async fn put_in_parts(bucket: &Bucket, key: &str, parts: &[Vec<u8>]) {
    let (_, answer) = bucket.send(Method::POST, key, "uploads", &[], b"").await;
    let answer = String::from_utf8(answer.to_vec()).unwrap();
    let id = answer.split("<UploadId>").nth(1).unwrap();
    let id = id.split("</UploadId>").next().unwrap();
    let mut list = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let query = format!("partNumber={number}&uploadId={id}");
        let (headers, _) = bucket.send(Method::PUT, key, &query, &[], part).await;
        let etag = headers["etag"].to_str().unwrap();
        let part = format!("<PartNumber>{number}</PartNumber><ETag>{etag}</ETag>");
        list.push(format!("<Part>{part}</Part>"));
    }
    let list = list.concat();
    let list = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    let query = format!("uploadId={id}");
    bucket
        .send(Method::POST, key, &query, &[], list.as_bytes())
        .await;
}
