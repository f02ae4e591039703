//! The contract of every source.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::{Place, set_modified};
use crate::testing::{Harness, check_contract};
use crate::{LocalSource, Source};

struct Local {
    place: Place,
    source: LocalSource,
    next_modified: AtomicU64,
}

impl Local {
    /// A harness whose rejected folder is at `rejected`, or else the default one.
    fn new(rejected: Option<&str>) -> Self {
        let place = Place::new();
        let rejected = rejected.map(|rejected| place.elsewhere(rejected));
        let source = LocalSource::new(place.path(""), rejected).unwrap();
        Self {
            place,
            source,
            next_modified: AtomicU64::new(1_767_225_600),
        }
    }
}

#[async_trait]
impl Harness for Local {
    fn source(&self) -> &dyn Source {
        &self.source
    }

    fn unlisted(&self) -> &[&'static str] {
        &[
            "02.json.tmp",
            "03.JSON",
            ".04.json",
            "sub/05.json",
            "06.txt",
            "07json",
        ]
    }

    async fn put(&self, name: &str, content: &[u8]) {
        let path = self.place.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        set_modified(&path, self.next_modified.fetch_add(1, Ordering::Relaxed));
    }

    async fn waiting(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.place.path(name)).ok()
    }

    async fn delete(&self, name: &str) {
        fs::remove_file(self.place.path(name)).unwrap();
    }

    async fn at(&self, place: &str) -> Option<Vec<u8>> {
        fs::read(Path::new(place)).ok()
    }
}

#[tokio::test]
async fn holds_with_the_default_rejected_folder() {
    check_contract(|| async { Local::new(None) }).await;
}

#[tokio::test]
async fn holds_with_a_rejected_folder_elsewhere() {
    check_contract(|| async { Local::new(Some("some/where")) }).await;
}
