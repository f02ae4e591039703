//! Which version of an object is there, and whether it is the one that was listed.

use chrono::{DateTime, TimeDelta, Utc};
use http::header::{CONTENT_LENGTH, ETAG, LAST_MODIFIED};
use http::{HeaderMap, Method};

use super::client::{Call, Client, Said};
use super::error::{S3Error, S3Permission};
use super::retry::retried;
use crate::Entry;

/// The metadata that says of which object a reason's object speaks.
pub(super) const MARK_HEADER: &str = "x-amz-meta-diode-import-of";

/// An etag that no object has: it is as long as a digest, and no content has this one.
pub(super) const NOBODYS_ETAG: &str = "00000000000000000000000000000000";

/// What the headers of an answer tell about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// Its etag, without the quotes.
    pub(super) etag: Option<String>,
    /// Its size in bytes, if the answer is about the whole of it.
    pub(super) size: Option<u64>,
    /// When it was put, to the second.
    modified: Option<DateTime<Utc>>,
    /// Of which object it speaks, if we put it as a reason.
    pub(super) mark: Option<String>,
    /// Whether the bucket keeps the versions of its objects.
    pub(super) is_versioned: bool,
}

impl Version {
    /// What `headers` tell.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            etag: text(ETAG.as_str()).and_then(bare_etag),
            size: text(CONTENT_LENGTH.as_str()).and_then(|size| size.parse().ok()),
            modified: text(LAST_MODIFIED.as_str())
                .and_then(|date| DateTime::parse_from_rfc2822(date).ok())
                .map(|date| date.to_utc()),
            mark: text(MARK_HEADER).map(ToOwned::to_owned),
            // A bucket whose versioning was suspended tells of a version `null`, which is not kept.
            is_versioned: text("x-amz-version-id").is_some_and(|id| id != "null"),
        }
    }

    /// Whether it is the one of `entry`.
    ///
    /// A header tells the time to the second, a listing perhaps more precisely. What a store does not
    /// tell here does not count; the etag and the size it does.
    pub(super) fn is(&self, entry: &Entry) -> bool {
        self.etag == entry.etag
            && self.size.is_none_or(|size| size == entry.size)
            && self
                .modified
                .is_none_or(|modified| (modified - entry.modified).abs() < TimeDelta::seconds(1))
    }
}

impl Client {
    /// The version of an object that is there, if there is one.
    pub(super) async fn version(&self, key: &str) -> Result<Option<Version>, S3Error> {
        retried(self.patience, || self.version_at_once(key)).await
    }

    /// As [`version`](Self::version), asking only once.
    pub(super) async fn version_at_once(&self, key: &str) -> Result<Option<Version>, S3Error> {
        match self
            .send(&Call::new(Method::HEAD, key, S3Permission::Read))
            .await?
        {
            Said::Yes(answer) => Ok(Some(Version::of(&answer.headers))),
            Said::Missing => Ok(None),
            Said::Condition | Said::CannotDo => Err(unasked()),
        }
    }
}

/// The error of an answer to what was not asked.
pub(super) fn unasked() -> S3Error {
    S3Error::Answer("it is about a condition that was not set".into())
}

/// An etag without its quotes and without the mark of a weak one, if anything is left then.
pub(super) fn bare_etag(etag: &str) -> Option<String> {
    let etag = etag.trim();
    let etag = etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"');
    (!etag.is_empty()).then(|| etag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;

    #[test]
    fn etags_without_quotes() {
        let check = |etag: &str, expect: Option<&str>| {
            assert_eq!(bare_etag(etag).as_deref(), expect, "{etag}");
        };
        check("\"abc-2\"", Some("abc-2"));
        check("W/\"abc\"", Some("abc"));
        check("abc", Some("abc"));
        check("\"\"", None);
        check("", None);
    }

    #[test]
    fn every_difference_is_another_version() {
        let entry = Entry {
            location: Location::new("01.json"),
            size: 7,
            modified: "2026-01-01T00:00:00.999Z".parse().unwrap(),
            etag: Some("e".into()),
        };
        let check = |etag: &str, size: &str, modified: &str, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(ETAG, etag.parse().unwrap());
            headers.insert(CONTENT_LENGTH, size.parse().unwrap());
            headers.insert(LAST_MODIFIED, modified.parse().unwrap());
            let version = Version::of(&headers);
            assert_eq!(version.is(&entry), expect, "{version:?}");
        };
        let date = "Thu, 01 Jan 2026 00:00:00 GMT";
        check("\"e\"", "7", date, true);
        check("\"e\"", "7", "Thu, 01 Jan 2026 00:00:01 GMT", true);
        check("\"e\"", "7", "Thu, 01 Jan 2026 00:00:02 GMT", false);
        check("\"e\"", "7", "Wed, 31 Dec 2025 23:59:59 GMT", false);
        check("\"e\"", "8", date, false);
        check("\"f\"", "7", date, false);
        check("", "7", date, false);
        check("\"e\"", "", "", true);
    }
}
