//! The trait that every place where bundle files wait implements, and the values it speaks in.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{Listing, Wanted};

/// A file's name within its source: a file name in a folder, a key in a bucket.
///
/// Unique within one source, stable while the file stays where it is, and fit for a log line. Clones
/// share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location(Arc<str>);

impl Location {
    /// Wraps a name as the source lists it.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Location {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One file as a listing showed it.
///
/// `location`, `size`, `modified` and `etag` together are the file's *identity*: a file that was
/// replaced or written to since the listing is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the file is.
    pub location: Location,
    /// Its size in bytes.
    pub size: u64,
    /// When its content was last modified, as precisely as the source tells.
    pub modified: DateTime<Utc>,
    /// What else tells one version of the file from the next, where the source has it.
    pub etag: Option<String>,
}

/// What became of a file that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// It had gone before.
    AlreadyGone,
    /// Another file is there under the same name now; it was left alone.
    Replaced,
}

/// Why a listing, a removal, a setting aside or a watch failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {place}")]
pub struct SourceError {
    /// What was being done: `list`, `remove`, `set aside`, `watch`.
    pub action: &'static str,
    /// The folder, bucket or file it was done to.
    pub place: String,
    /// Whether the same call may succeed later without anybody changing anything.
    pub transient: bool,
    /// Whether the place permits reading only: the change was not permitted to us, nor would be any
    /// other of its kind. What is the matter with one file alone is none of this.
    pub read_only: bool,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is larger than the limit; nothing of it was kept.
    #[error("{location} has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The file.
        location: Location,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is no longer the one that was listed: it was replaced, or is being written to.
    #[error("{location} changed since it was listed")]
    Changed {
        /// The file.
        location: Location,
    },
    /// The file has gone since it was listed.
    #[error("{location} has gone")]
    Gone {
        /// The file.
        location: Location,
    },
    /// Reading failed.
    #[error(transparent)]
    Failed(#[from] SourceError),
}

/// A place where bundle files wait.
///
/// The contract, which the functions of the `testing` module check on any implementation:
///
/// - A listing holds only files that may be bundles.
/// - No call follows a link or a name out of the source.
/// - What is done to an entry is done only to the file that was listed, never to another that has
///   taken its name since.
#[async_trait]
pub trait Source: Send + Sync + fmt::Debug {
    /// The source's name for logs and for the ledger, such as `directory:/var/diode`.
    fn name(&self) -> &str;

    /// The files that wait, oldest first, as far as they are wanted. A [`Selection`](crate::Selection)
    /// finds them in little memory.
    ///
    /// # Errors
    /// [`SourceError`] where the place itself cannot be listed: it is missing, or closed to us.
    async fn list(&self, wanted: &Wanted) -> Result<Listing, SourceError>;

    /// All files that wait, oldest first.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    async fn list_all(&self) -> Result<Listing, SourceError> {
        self.list(&Wanted::all()).await
    }

    /// The content of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ReadError`]; on each of them the file is where it was.
    async fn read(&self, entry: &Entry, limit: u64) -> Result<Bytes, ReadError>;

    /// Removes a file, if it is still the one that was listed.
    ///
    /// # Errors
    /// [`SourceError`]; the file is where it was.
    async fn remove(&self, entry: &Entry) -> Result<Removal, SourceError>;

    /// Removes several files, each as [`remove`](Self::remove) does: what became of them, in their
    /// order. Once none may be removed ([`SourceError::read_only`]) no other is tried, and nothing is
    /// said of those.
    async fn remove_all(&self, entries: &[Entry]) -> Vec<Result<Removal, SourceError>> {
        let mut removals = Vec::with_capacity(entries.len());
        for entry in entries {
            let removal = self.remove(entry).await;
            let is_refused = matches!(&removal, Err(error) if error.read_only);
            removals.push(removal);
            if is_refused {
                break;
            }
        }
        removals
    }

    /// Moves a file, unchanged, to where rejected files are kept, with `reason` (a JSON text) beside it.
    ///
    /// The reason is there before the file leaves its place. Returns where the file is now: its own
    /// name, or one made different where that was taken or too long; `None` where it had gone, or had been
    /// replaced, before it could be moved.
    ///
    /// # Errors
    /// [`SourceError`]; the file is where it was.
    async fn set_aside(&self, entry: &Entry, reason: &[u8]) -> Result<Option<String>, SourceError>;

    /// The files that lie where rejected files are kept, without their reasons. A file's location is
    /// what [`set_aside`](Self::set_aside) returned for it.
    ///
    /// # Errors
    /// [`SourceError`] where the place is there, and cannot be listed.
    async fn list_set_aside(&self) -> Result<Listing, SourceError>;

    /// Deletes a file that [`set_aside`](Self::set_aside) moved, and its reason.
    ///
    /// `set_aside` is what that call returned. A file that has gone meanwhile is no error; nothing
    /// outside of where rejected files are kept is ever touched.
    ///
    /// # Errors
    /// [`SourceError`]
    async fn discard(&self, set_aside: &str) -> Result<(), SourceError>;
}
