//! What lies where files arrive: in the folder, and in the bucket.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::feed::Place;
use crate::bucket::Bucket;

/// The folder of the bucket that objects arrive in.
pub(super) const PREFIX: &str = "connectors/";

/// A file that lies there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lying {
    pub(super) digest: [u8; 32],
    /// Whether it is a reason that names a code.
    pub(super) has_code: bool,
}

impl Lying {
    fn new(content: &[u8]) -> Self {
        let reason: Option<serde_json::Value> = serde_json::from_slice(content).ok();
        let has_code = |reason: serde_json::Value| {
            let code = reason["code"].as_str();
            code.is_some_and(|code| !code.is_empty())
        };
        Self {
            digest: Sha256::digest(content).into(),
            has_code: reason.is_some_and(has_code),
        }
    }
}

/// What lies in the folder, and what lay in the bucket when it was last listed.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    inbox: PathBuf,
    objects: BTreeMap<String, Object>,
}

#[derive(Debug)]
struct Object {
    etag: Option<String>,
    lying: Lying,
}

impl Shelves {
    /// A folder, and an empty bucket.
    pub(super) fn of_folder(inbox: &Path) -> Self {
        Self {
            inbox: inbox.to_owned(),
            ..Self::default()
        }
    }

    /// Lists the bucket, and reads what is new there.
    pub(super) async fn list(&mut self, bucket: &Bucket) {
        let mut known = std::mem::take(&mut self.objects);
        for (key, etag) in bucket.etags().await {
            let Some(name) = key.strip_prefix(PREFIX) else {
                continue;
            };
            let object = match known.remove(name) {
                Some(object) if object.etag == etag => object,
                _ => match bucket.find(&key).await {
                    Some(content) => Object {
                        etag,
                        lying: Lying::new(&content),
                    },
                    None => continue,
                },
            };
            self.objects.insert(name.to_owned(), object);
        }
    }

    /// What lies there under that name.
    pub(super) fn look(&self, place: Place, name: &str) -> Option<Lying> {
        match place {
            Place::Directory => {
                let content = fs::read(self.inbox.join(name)).ok()?;
                Some(Lying::new(&content))
            }
            Place::Bucket => self.objects.get(name).map(|object| object.lying),
        }
    }

    /// How much lies there, roughly: enough to see that something moves.
    pub(super) fn count(&self) -> usize {
        let names = |folder: &Path| fs::read_dir(folder).map_or(0, Iterator::count);
        let rejected = names(&self.inbox.join("rejected"));
        names(&self.inbox) + 2 * rejected + self.objects.len()
    }
}
