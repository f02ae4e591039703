//! Reading an object whole, and only if it stays the one that was listed.

use bytes::Bytes;
use futures::StreamExt;
use http::header::CONTENT_RANGE;
use http::{HeaderMap, Method, StatusCode};

use super::client::{Answer, Call, Client, Said};
use super::error::{S3Error, S3Permission};
use super::objects::{Version, unasked};
use super::retry::Retries;
use crate::{Content, Entry};

/// How many bytes of a body that broke off make the patience with it whole again: a large object
/// over a bad line takes longer than a single failure may.
const PROGRESS: usize = 1 << 20;

/// What reading a listed object came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It was read.
    Content(Bytes),
    /// It is another object by now.
    Changed,
    /// It is not there any more.
    Gone,
}

/// What one request came to.
enum Attempt {
    Whole,
    Changed,
    Gone,
}

/// Reads a listed object. Where its body breaks off, the rest of it is asked for.
pub(super) async fn read(client: &Client, key: &str, entry: &Entry) -> Result<Reading, S3Error> {
    let mut content = Content::with_room(entry.size).map_err(|_| too_large_for_memory())?;
    let mut retries = Retries::new(client.patience);
    loop {
        let before = content.len();
        match read_on(client, key, entry, &mut content).await {
            Ok(Attempt::Whole) => return Ok(Reading::Content(content.into_bytes())),
            Ok(Attempt::Changed) => return Ok(Reading::Changed),
            Ok(Attempt::Gone) => return Ok(Reading::Gone),
            Err(error) => {
                if content.len().saturating_sub(before) >= PROGRESS {
                    retries = Retries::new(client.patience);
                }
                retries.pause_after(error).await?;
            }
        }
    }
}

async fn read_on(
    client: &Client,
    key: &str,
    entry: &Entry,
    content: &mut Content,
) -> Result<Attempt, S3Error> {
    let call = Call::new(Method::GET, key, S3Permission::Read);
    let mut call = call.only_if("if-match", entry.etag.as_deref())?;
    if !content.is_empty() {
        call = call.header("range", &format!("bytes={}-", content.len()))?;
    }
    match client.send(&call).await? {
        Said::Yes(answer) => append(answer, entry, content).await,
        Said::Missing => Ok(Attempt::Gone),
        Said::Condition => Ok(Attempt::Changed),
        Said::CannotDo => Err(unasked()),
    }
}

async fn append(answer: Answer, entry: &Entry, content: &mut Content) -> Result<Attempt, S3Error> {
    let mut version = Version::of(&answer.headers);
    if answer.status == StatusCode::PARTIAL_CONTENT {
        let (start, size) = range(&answer.headers)
            .ok_or_else(|| S3Error::Answer("a part of an object, but not which".into()))?;
        if start != content.len() as u64 {
            return Err(S3Error::Answer(
                "another part of an object than asked for".into(),
            ));
        }
        version.size = Some(size);
    } else {
        content.clear();
    }
    if !version.is(entry) {
        return Ok(Attempt::Changed);
    }
    let mut chunks = answer.body.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(S3Error::of_connection)?;
        if !content.append(&chunk) {
            return Err(S3Error::Answer("an object longer than announced".into()));
        }
    }
    match content.len() as u64 {
        got if got < entry.size => Err(S3Error::CutShort {
            got,
            size: entry.size,
        }),
        _ => Ok(Attempt::Whole),
    }
}

/// Where the part that an answer holds begins, and how large the whole is.
fn range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let value = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (part, size) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = part.split_once('-')?;
    Some((start.parse().ok()?, size.parse().ok()?))
}

fn too_large_for_memory() -> S3Error {
    S3Error::Unavailable("an object that does not fit into this machine's memory".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let check = |value: &str, expect: Option<(u64, u64)>| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, value.parse().unwrap());
            assert_eq!(range(&headers), expect, "{value}");
        };
        check("bytes 7-9/10", Some((7, 10)));
        check("bytes 7-9/*", None);
        check("bytes */10", None);
        check("7-9/10", None);
        check("", None);
    }
}
