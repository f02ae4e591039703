//! The XML that a store answers with.

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode;
use quick_xml::de;
use serde::Deserialize;

use super::error::S3Error;
use super::objects::bare_etag;

/// One page of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// What is on it.
    pub(super) objects: Vec<Listed>,
    /// What the next page is asked for with, if there is one.
    pub(super) next: Option<String>,
}

/// An object as a listing shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its key, which need not be UTF-8.
    pub(super) key: Vec<u8>,
    /// Its size in bytes.
    pub(super) size: u64,
    /// When it was put; most stores tell no more than the second.
    pub(super) modified: DateTime<Utc>,
    /// Its etag, without the quotes.
    pub(super) etag: Option<String>,
}

/// What a refusal says.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ErrorBody {
    /// The machine-readable part, such as `NoSuchKey`.
    pub(super) code: String,
    /// The rest.
    pub(super) message: String,
    /// The region that the bucket is in, where that is the trouble.
    pub(super) region: Option<String>,
}

impl ErrorBody {
    /// What `body` says; nothing, if it is not a store's refusal: a proxy's page, or cut short.
    pub(super) fn parse(body: &[u8]) -> Self {
        str::from_utf8(body)
            .ok()
            .and_then(|text| de::from_str(text).ok())
            .unwrap_or_default()
    }
}

/// Reads the answer to a `ListObjectsV2` request.
pub(super) fn parse_page(body: &[u8]) -> Result<Page, S3Error> {
    let nonsense = |what: String| S3Error::Answer(format!("listing: {what}"));
    let text = str::from_utf8(body).map_err(|_| nonsense("it is not UTF-8".into()))?;
    let page: ListBucketResult =
        de::from_str(text).map_err(|error| nonsense(error.to_string().escape_debug().collect()))?;
    let is_encoded = page.encoding_type.as_deref() == Some("url");
    let objects = page.contents.into_iter().map(|object| {
        let modified = DateTime::parse_from_rfc3339(&object.last_modified)
            .map_err(|_| nonsense("a time that is none".into()))?;
        Ok(Listed {
            key: decode(object.key, is_encoded),
            size: object.size,
            modified: modified.to_utc(),
            etag: object.e_tag.as_deref().and_then(bare_etag),
        })
    });
    let objects = objects.collect::<Result<_, S3Error>>()?;
    let next = match (page.is_truncated, page.next_continuation_token) {
        (false, _) => None,
        (true, Some(token)) => Some(token),
        (true, None) => return Err(nonsense("more pages, but no way to ask for them".into())),
    };
    Ok(Page { objects, next })
}

/// Whether the answer to a copy is one of success: the status alone does not tell.
pub(super) fn is_copied(body: &[u8]) -> bool {
    str::from_utf8(body).is_ok_and(|text| de::from_str::<CopyObjectResult>(text).is_ok())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListBucketResult {
    #[serde(default)]
    contents: Vec<Contents>,
    is_truncated: bool,
    next_continuation_token: Option<String>,
    encoding_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Contents {
    key: String,
    size: u64,
    last_modified: String,
    #[serde(rename = "ETag")]
    e_tag: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CopyObjectResult {
    #[serde(rename = "ETag")]
    _e_tag: String,
}

/// Undoes the encoding that AWS calls `url`: that of forms, in which `+` is a space.
fn decode(key: String, is_encoded: bool) -> Vec<u8> {
    if is_encoded {
        percent_decode(key.replace('+', " ").as_bytes()).collect()
    } else {
        key.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(encoding: &str, rest: &str) -> Result<Page, S3Error> {
        let text = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Name>b</Name><Prefix>in/</Prefix><KeyCount>1</KeyCount>{encoding}
            <Contents><Key>in/a+%2B%25%C3%A9.json</Key>
            <LastModified>2026-01-01T00:00:00.123Z</LastModified><ETag>&quot;e-2&quot;</ETag>
            <Size>7</Size><Owner><ID>o</ID></Owner><StorageClass>STANDARD</StorageClass>
            </Contents>{rest}</ListBucketResult>"#
        );
        parse_page(text.as_bytes())
    }

    #[test]
    fn a_page_is_read() {
        let encoding = "<EncodingType>url</EncodingType>";
        let read = page(encoding, "<IsTruncated>false</IsTruncated>").unwrap();
        let object = Listed {
            key: "in/a +%é.json".into(),
            size: 7,
            modified: "2026-01-01T00:00:00.123Z".parse().unwrap(),
            etag: Some("e-2".into()),
        };
        let expect = Page {
            objects: vec![object],
            next: None,
        };
        assert_eq!(read, expect);
        let raw = page("", "<IsTruncated>false</IsTruncated>").unwrap();
        assert_eq!(raw.objects[0].key, b"in/a+%2B%25%C3%A9.json");
    }

    #[test]
    fn more_pages_are_never_overlooked() {
        let more = "<IsTruncated>true</IsTruncated>";
        let token = "<NextContinuationToken>t&amp;1</NextContinuationToken>";
        let read = page("", &format!("{more}{token}")).unwrap();
        assert_eq!(read.next.as_deref(), Some("t&1"));
        let error = page("", more).unwrap_err();
        let expect =
            "the store's answer makes no sense: listing: more pages, but no way to ask for them";
        assert_eq!(error.to_string(), expect);
    }

    #[test]
    fn what_is_no_page_is_an_error_and_not_an_empty_page() {
        for body in [
            "",
            "{}",
            "<html><body>login</body></html>",
            "<ListBucketResult>",
        ] {
            assert!(parse_page(body.as_bytes()).is_err(), "{body:?}");
        }
        assert!(page("", "").is_err(), "is it the last page?");
    }

    #[test]
    fn an_empty_page_is_empty() {
        let body = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert_eq!(parse_page(body).unwrap().objects, []);
    }

    #[test]
    fn refusals_are_read_and_anything_else_says_nothing() {
        let body = b"<Error><Code>NoSuchKey</Code><Message>no</Message><Key>a</Key></Error>";
        let parsed = ErrorBody::parse(body);
        assert_eq!((&*parsed.code, &*parsed.message), ("NoSuchKey", "no"));
        for body in [&b""[..], b"<Error><Code>", b"\xff", b"<html>no</html>"] {
            assert_eq!(ErrorBody::parse(body), ErrorBody::default());
        }
    }

    #[test]
    fn a_copy_is_one_only_with_an_etag() {
        let check = |body: &str, expect| assert_eq!(is_copied(body.as_bytes()), expect, "{body}");
        check("<CopyObjectResult><ETag>e</ETag></CopyObjectResult>", true);
        check("<Error><Code>SlowDown</Code></Error>", false);
        check("", false);
    }
}
