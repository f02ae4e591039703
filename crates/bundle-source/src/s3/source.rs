//! The bucket as a [`Source`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::client::Client;
use super::config::S3Config;
use super::denials::{Denials, Denied, LastDenied};
use super::error::{S3Error, S3Permission, failed};
use super::keys::{Area, Odd};
use super::listing::{list, list_rejected};
use super::reading::{Reading, read};
use super::removal::{delete, remove};
use super::set_aside::Rejection;
use crate::names::reason_name;
use crate::oddities::{Oddities, Said};
use crate::{Entry, Listing, ReadError, Removal, Source, SourceError, Wanted};

/// Bundle files in a bucket of an S3 store.
///
/// What may be a bundle is an object below the folder, at any depth, whose key ends with `.json`;
/// but never one in the folder for rejected files. Its location is its key without the folder. What
/// has a key that cannot be told or addressed unambiguously is left alone, and said once in the log.
///
/// ```
/// use bundle_source::{S3Config, S3Source, Source};
///
/// let source = S3Source::new(&S3Config {
///     endpoint: Some("http://minio:9000".into()),
///     ..S3Config::new("diode", "connectors/")
/// })?;
/// assert_eq!(source.name(), "s3://diode/connectors");
///
/// let refused = S3Source::new(&S3Config {
///     endpoint: Some("http://minio:9000/diode".into()),
///     ..S3Config::new("diode", "connectors/")
/// })
/// .unwrap_err();
/// assert_eq!(refused.to_string(), "cannot use http://minio:9000/diode as the endpoint");
/// # Ok::<(), bundle_source::SourceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct S3Source {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    bucket: String,
    client: Arc<Client>,
    area: Area,
    /// The oddities of the last listing, which have been said.
    said: Mutex<Said<String>>,
    /// What was denied of removals.
    removals: Mutex<Denials>,
    /// What was denied of settings aside.
    last_denied: Mutex<LastDenied>,
}

impl S3Source {
    /// The source of the files that `config` describes. Nothing is asked of the store yet.
    ///
    /// Where the process has no default crypto provider of rustls, ring's becomes it.
    ///
    /// # Errors
    /// [`SourceError`], not transient, whose cause is an [`S3Error`]: a setting cannot be used.
    pub fn new(config: &S3Config) -> Result<Self, SourceError> {
        let area = Area::of(config)?;
        let client = Arc::new(Client::new(config)?);
        let bucket = format!("s3://{}", config.bucket);
        let inner = Inner {
            name: format!("{bucket}/{}", area.folder())
                .trim_end_matches('/')
                .to_owned(),
            bucket,
            client,
            area,
            said: Mutex::default(),
            removals: Mutex::default(),
            last_denied: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Whether the folder is the whole bucket, which others may keep their files in.
    pub fn is_whole_bucket(&self) -> bool {
        self.inner.area.is_whole_bucket()
    }

    /// What a lease on the folder is kept with, and the key of its object.
    pub(super) fn lease_object(&self) -> (Arc<Client>, String) {
        (Arc::clone(&self.inner.client), self.inner.area.lease_key())
    }
}

#[async_trait]
impl Source for S3Source {
    fn name(&self) -> &str {
        &self.inner.name
    }

    async fn list(&self, wanted: &Wanted) -> Result<Listing, SourceError> {
        let found = list(&self.inner.client, &self.inner.area, wanted)
            .await
            .map_err(|error| failed("list", &self.inner.name, error))?;
        self.inner.say_oddities(found.oddities);
        if wanted.is_from_the_start() {
            locked(&self.inner.removals).begin(&found.listing);
        }
        Ok(found.listing)
    }

    async fn read(&self, entry: &Entry, limit: u64) -> Result<Bytes, ReadError> {
        let location = entry.location.clone();
        let Some(key) = self.inner.area.key(location.as_str()) else {
            return Err(ReadError::Gone { location });
        };
        if entry.size > limit {
            return Err(ReadError::TooLarge {
                location,
                size: entry.size,
                limit,
            });
        }
        match read(&self.inner.client, &key, entry).await {
            Ok(Reading::Content(content)) => Ok(content),
            Ok(Reading::Changed) => Err(ReadError::Changed { location }),
            Ok(Reading::Gone) => Err(ReadError::Gone { location }),
            Err(error) => Err(self.inner.failed("read", &key, error).into()),
        }
    }

    async fn remove(&self, entry: &Entry) -> Result<Removal, SourceError> {
        let Some(key) = self.inner.area.key(entry.location.as_str()) else {
            return Ok(Removal::AlreadyGone);
        };
        if !locked(&self.inner.removals).may_ask(entry) {
            let error = S3Error::NotPermitted(S3Permission::Delete);
            return Err(self.inner.failed("remove", &key, error));
        }
        let removal = remove(&self.inner.client, &key, entry).await;
        self.inner.removed(entry, &key, removal)
    }

    async fn set_aside(&self, entry: &Entry, reason: &[u8]) -> Result<Option<String>, SourceError> {
        let Some(key) = self.inner.area.key(entry.location.as_str()) else {
            return Ok(None);
        };
        let rejection = Rejection {
            client: &self.inner.client,
            area: &self.inner.area,
            key: &key,
            entry,
            reason: Bytes::copy_from_slice(reason),
        };
        let place = rejection.set_aside().await;
        self.inner.set_aside(entry, &key, place)
    }

    async fn list_set_aside(&self) -> Result<Listing, SourceError> {
        let Inner { client, area, .. } = &*self.inner;
        list_rejected(client, area)
            .await
            .map_err(|error| self.inner.failed("list", area.rejected(), error))
    }

    async fn discard(&self, set_aside: &str) -> Result<(), SourceError> {
        if !self.inner.area.is_place(set_aside) {
            return Err(self
                .inner
                .failed("discard", set_aside, S3Error::NotSetAside));
        }
        // The file goes first: a call that did not come to its end can be repeated.
        for key in [set_aside, &reason_name(set_aside)] {
            delete(&self.inner.client, key)
                .await
                .map_err(|error| self.inner.failed("discard", key, error))?;
        }
        Ok(())
    }
}

impl Inner {
    /// What a removal came to, as far as others have come to the same.
    fn removed(
        &self,
        entry: &Entry,
        key: &str,
        removal: Result<Removal, S3Error>,
    ) -> Result<Removal, SourceError> {
        let mut removals = locked(&self.removals);
        match removal {
            Ok(Removal::Removed) => removals.granted(entry),
            Err(error @ S3Error::NotPermitted(_)) => {
                let denied = removals.denied(entry);
                return Err(self.denied("remove", key, error, denied));
            }
            _ => {}
        }
        removal.map_err(|error| self.failed("remove", key, error))
    }

    /// The same of a setting aside.
    fn set_aside(
        &self,
        entry: &Entry,
        key: &str,
        place: Result<Option<String>, S3Error>,
    ) -> Result<Option<String>, SourceError> {
        let mut last_denied = locked(&self.last_denied);
        match place {
            Ok(Some(_)) => last_denied.granted(),
            Err(error @ S3Error::NotPermitted(_)) => {
                let denied = last_denied.denied(&entry.location);
                return Err(self.denied("set aside", key, error, denied));
            }
            _ => {}
        }
        place.map_err(|error| self.failed("set aside", key, error))
    }

    fn denied(
        &self,
        action: &'static str,
        key: &str,
        error: S3Error,
        denied: Denied,
    ) -> SourceError {
        SourceError {
            read_only: denied == Denied::All,
            ..self.failed(action, key, error)
        }
    }

    fn failed(&self, action: &'static str, key: &str, error: S3Error) -> SourceError {
        failed(action, format!("{}/{key}", self.bucket), error)
    }

    fn say_oddities(&self, oddities: Oddities<String, Odd>) {
        let source = self.name.as_str();
        let more = locked(&self.said).say_news(oddities, |key, reason| {
            tracing::warn!(source, key, %reason, "an object is left alone");
        });
        if let Some(more) = more {
            tracing::warn!(
                source,
                more,
                "more objects are left alone, too many to be named"
            );
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
