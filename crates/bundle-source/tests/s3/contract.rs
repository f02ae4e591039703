//! The contract of every source.

use std::sync::Mutex;

use async_trait::async_trait;
use bundle_source::testing::{Harness, check_contract};
use bundle_source::{S3Config, S3Source, Source};
use chrono::{DateTime, Utc};

use crate::bucket::Bucket;

struct Store {
    bucket: Bucket,
    folder: &'static str,
    source: S3Source,
    /// The time of the last put as the store tells it.
    last: Mutex<DateTime<Utc>>,
}

impl Store {
    async fn new(folder: &'static str, rejected: Option<&str>) -> Self {
        let bucket = Bucket::new().await;
        let source = S3Source::new(&S3Config {
            rejected_folder: rejected.map(Into::into),
            ..bucket.config(folder)
        });
        Self {
            source: source.unwrap(),
            folder,
            bucket,
            last: Mutex::default(),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }
}

#[async_trait]
impl Harness for Store {
    fn source(&self) -> &dyn Source {
        &self.source
    }

    fn unlisted(&self) -> &[&'static str] {
        &["02.json.tmp", "03.JSON", "06.txt", "07json", "08.json/"]
    }

    /// Puts it again where the store's clock has not moved on since the put before.
    async fn put(&self, name: &str, content: &[u8]) {
        loop {
            self.bucket.put(&self.key(name), content).await;
            let entries: Vec<_> = self.source.list_all().await.unwrap().entries().collect();
            let found = entries.iter().find(|entry| entry.location.as_str() == name);
            let Some(found) = found else { return };
            let mut last = self.last.lock().unwrap();
            if found.modified > *last {
                *last = found.modified;
                return;
            }
        }
    }

    async fn waiting(&self, name: &str) -> Option<Vec<u8>> {
        self.bucket.get(&self.key(name)).await
    }

    async fn delete(&self, name: &str) {
        self.bucket.delete(&self.key(name)).await;
    }

    async fn at(&self, place: &str) -> Option<Vec<u8>> {
        self.bucket.get(place).await
    }
}

#[tokio::test]
async fn holds_in_a_folder() {
    check_contract(|| Store::new("in/", None)).await;
}

#[tokio::test]
async fn holds_in_a_whole_bucket() {
    check_contract(|| Store::new("", None)).await;
}

#[tokio::test]
async fn holds_with_a_rejected_folder_elsewhere() {
    check_contract(|| Store::new("in/", Some("some/where"))).await;
}
