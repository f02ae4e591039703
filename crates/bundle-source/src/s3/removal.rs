//! Removing an object, and only if it is the one that was listed.

use http::Method;

use super::client::{Call, Client, Said};
use super::error::{S3Error, S3Permission};
use super::objects::{NOBODYS_ETAG, Version, unasked};
use super::retry::retried;
use crate::{Entry, Removal};

/// What a store makes of a deletion's `If-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deletions {
    /// It deletes only an object that has that etag (AWS since 2025, and others since).
    Conditional,
    /// It does not look at it, and deletes whatever is there.
    Unconditional,
}

/// Removes a listed object.
///
/// The object is examined first, for not every store knows a deletion with a condition; the
/// condition closes the gap between the two where the store does. Both are done again in each
/// attempt: one whose answer was lost may have succeeded, and another object may be there now.
///
/// A version is never deleted by its id, though that would be exact: the one before it would come
/// to light again, and be imported after the newer one. A deletion without an id hides them all.
pub(super) async fn remove(client: &Client, key: &str, entry: &Entry) -> Result<Removal, S3Error> {
    retried(client.patience, || remove_at_once(client, key, entry)).await
}

/// Deletes an object of ours, whatever it is by now.
pub(super) async fn delete(client: &Client, key: &str) -> Result<(), S3Error> {
    retried(client.patience, || async {
        match client.send(&deletion(key)).await? {
            Said::Yes(_) | Said::Missing => Ok(()),
            Said::Condition | Said::CannotDo => Err(unasked()),
        }
    })
    .await
}

async fn remove_at_once(client: &Client, key: &str, entry: &Entry) -> Result<Removal, S3Error> {
    let version = match client.version_at_once(key).await? {
        Some(version) if version.is(entry) => version,
        Some(_) => return Ok(Removal::Replaced),
        None => return Ok(Removal::AlreadyGone),
    };
    let said = match (client.deletions.get(), &entry.etag) {
        (Some(Deletions::Conditional), Some(etag)) => send_if(client, key, etag).await?,
        (None, Some(etag)) => find_out(client, key, etag, &version).await?,
        (Some(Deletions::Unconditional), _) | (_, None) => client.send(&deletion(key)).await?,
    };
    match said {
        Said::Yes(_) => Ok(Removal::Removed),
        Said::Missing => Ok(Removal::AlreadyGone),
        Said::Condition => Ok(Removal::Replaced),
        Said::CannotDo => Err(unasked()),
    }
}

/// The first deletion, which tells by the way what the store makes of conditions: it has one that
/// never holds. A store that looks at it refuses, and is asked again with the right one; a store
/// that does not has deleted what was to be deleted.
async fn find_out(
    client: &Client,
    key: &str,
    etag: &str,
    version: &Version,
) -> Result<Said, S3Error> {
    match send_if(client, key, NOBODYS_ETAG).await? {
        Said::Condition => {
            learn(client, Deletions::Conditional, version);
            send_if(client, key, etag).await
        }
        Said::CannotDo => {
            learn(client, Deletions::Unconditional, version);
            client.send(&deletion(key)).await
        }
        Said::Yes(answer) => {
            learn(client, Deletions::Unconditional, version);
            Ok(Said::Yes(answer))
        }
        Said::Missing => Ok(Said::Missing),
    }
}

/// Remembers what the store makes of conditions, and says once what that means.
fn learn(client: &Client, deletions: Deletions, version: &Version) {
    if client.deletions.set(deletions).is_err() {
        return;
    }
    let bucket = client.bucket();
    match (deletions, version.is_versioned) {
        (Deletions::Conditional, _) => tracing::info!(
            bucket,
            "this store deletes an object only if it still is the one that was imported"
        ),
        (Deletions::Unconditional, true) => tracing::info!(
            bucket,
            "this store deletes without conditions, but keeps versions: an object that is put \
             under the key of another in the moment of its deletion would be hidden, not lost"
        ),
        (Deletions::Unconditional, false) => tracing::warn!(
            bucket,
            "this store deletes without conditions: an object that is put under the key of \
             another in the moment of its deletion would be lost. Use no key twice, as OpenCTI's \
             exporter does, or turn on the bucket's versioning"
        ),
    }
}

async fn send_if(client: &Client, key: &str, etag: &str) -> Result<Said, S3Error> {
    let call = deletion(key).only_if("if-match", Some(etag))?;
    client.send(&call).await
}

fn deletion(key: &str) -> Call<'_> {
    Call::new(Method::DELETE, key, S3Permission::Delete)
}
